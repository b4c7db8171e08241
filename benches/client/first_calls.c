/* The first calls of a process, and what it takes of the machine afterwards. */
#include <stdio.h>
#include <string.h>

#include "common.h"
#include "door.h"

enum { PIECE = 2 << 20 };

/* Sum of the numbers on those lines of a /proc file that begin with one of two words. */
static double proc_sum(const char *file, const char *first, const char *second) {
    char line[256];
    long number;
    double sum = 0;
    int found = 0;
    FILE *stream = fopen(file, "r");
    if (stream == NULL) die("%s cannot be opened", file);
    while (fgets(line, sizeof line, stream) != NULL) {
        if (strncmp(line, first, strlen(first)) != 0 && strncmp(line, second, strlen(second)) != 0) continue;
        if (sscanf(strchr(line, ':') + 1, "%ld", &number) != 1) die("%s: no number in '%s'", file, line);
        sum += (double)number;
        found++;
    }
    fclose(stream);
    if (found == 0) die("%s: no line '%s'", file, first);
    return sum;
}

static int64_t step(const char *name, int64_t from) {
    int64_t to = now();
    row(name, (double)(to - from));
    return now();
}

void first_calls(void) {
    CUcontext context;
    CUdeviceptr pointer;
    size_t free, total;
    nvmlDevice_t device;
    nvmlMemory_t memory;
    gate();

    int64_t start = now();
    open_cuda();
    int64_t opened = step("open", start);
    check(CALL(cuInit)(0), "cuInit");
    int64_t at = step("cuInit", opened);
    check(CALL(cuDevicePrimaryCtxRetain)(&context, 0), "cuDevicePrimaryCtxRetain");
    check(CALL(cuCtxSetCurrent)(context), "cuCtxSetCurrent");
    at = step("context", at);
    check(CALL(cuMemAlloc_v2)(&pointer, PIECE), "cuMemAlloc_v2");
    step("cuMemAlloc", at);
    step("to-first-allocation", opened);
    step("open-to-first-allocation", start);

    row("resident", proc_sum("/proc/self/smaps_rollup", "Rss:", "Rss:"));
    row("private", proc_sum("/proc/self/smaps_rollup", "Private_Clean:", "Private_Dirty:"));
    row("dirty", proc_sum("/proc/self/smaps_rollup", "Private_Dirty:", "Private_Dirty:"));
    row("threads", proc_sum("/proc/self/status", "Threads:", "Threads:"));

    at = now();
    check(CALL(cuMemGetInfo_v2)(&free, &total), "cuMemGetInfo_v2");
    step("cuMemGetInfo", at);
    open_nvml();
    check(CALL(nvmlInit_v2)(), "nvmlInit_v2");
    check(CALL(nvmlDeviceGetHandleByIndex_v2)(0, &device), "nvmlDeviceGetHandleByIndex_v2");
    at = now();
    check(CALL(nvmlDeviceGetMemoryInfo)(device, &memory), "nvmlDeviceGetMemoryInfo");
    step("nvmlDeviceGetMemoryInfo", at);
    row("resident-with-nvml", proc_sum("/proc/self/smaps_rollup", "Rss:", "Rss:"));
}
