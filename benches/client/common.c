/* The clock, the end on an error, the start of the device, the lines of the report. */
#include "common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "door.h"

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t read_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t processor_now(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t process_processor_now(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static int ascending(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void row(const char *name, double value) {
    printf("row %s %.3f\n", name, value);
}

void gate(void) {
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

void start_cuda(void) {
    CUcontext context;
    open_cuda();
    check(CALL(cuInit)(0), "cuInit");
    check(CALL(cuDevicePrimaryCtxRetain)(&context, 0), "cuDevicePrimaryCtxRetain");
    check(CALL(cuCtxSetCurrent)(context), "cuCtxSetCurrent");
}

CUfunction kernel_named(const char *name) {
    char image[256];
    CUmodule module;
    CUfunction function;
    snprintf(image, sizeof image, ".version 8.0\n.target sm_70\n.address_size 64\n.visible .entry %s() { ret; }\n", name);
    check(CALL(cuModuleLoadData)(&module, image), "cuModuleLoadData");
    check(CALL(cuModuleGetFunction)(&function, module, name), "cuModuleGetFunction");
    return function;
}
