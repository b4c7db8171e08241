/* Ways to use a device so that nobody comes to measure it, and one to need the gate open. "contexts", "functions", "long", "threads"
 * and "beside-blocked" print "share PERCENT" of what their kernels had and "took SECONDS", "blocked" what it could submit behind a
 * host function. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "compute.h"

enum { KERNEL_US = 10000, SHORT_US = 20, LONG_US = 200000, BLOCKED = 600 };

static long launches;
static int64_t begin, end;
static _Atomic int released;

static void launch_new(void) {
    char name[64];
    snprintf(name, sizeof name, "test%ld_us%d", launches++, KERNEL_US);
    check(launch(kernel(name), NULL), "cuLaunchKernel");
}

static void say(int kernel_us) {
    double took = (double)(now() - begin);
    printf("share %.1f\ntook %.1f\n", 1e5 * (double)(launches * kernel_us) / took, took / 1e9);
}

/* A context for each kernel. */
static void contexts(void) {
    while (now() < end) {
        CUcontext made;
        check(cuCtxCreate_v2(&made, 0, 0), "cuCtxCreate");
        launch_new();
        check(cuCtxSynchronize(), "cuCtxSynchronize");
        check(cuCtxDestroy_v2(made), "cuCtxDestroy");
    }
    say(KERNEL_US);
}

/* A function for each launch. */
static void functions(void) {
    while (now() < end) launch_new();
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    say(KERNEL_US);
}

/* Kernels that take so long that the device seems to stand still. */
static void long_ones(void) {
    CUfunction function = kernel_us(LONG_US);
    for (; now() < end; launches++) check(launch(function, NULL), "cuLaunchKernel");
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    say(LONG_US);
}

static CUcontext context;
static CUfunction short_one;

static void *three_launches(void *unused) {
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (int i = 0; i < 3; i++) check(launch(short_one, (CUstream)CU_STREAM_PER_THREAD_AS_INT), "cuLaunchKernel");
    return unused;
}

/* A thread for every three launches, which go into its own default stream. */
static void threads(void) {
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    short_one = kernel_us(SHORT_US);
    for (; now() < end; launches += 3) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, three_launches, NULL) || pthread_join(thread, NULL)) exit(2);
    }
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    say(SHORT_US);
}

static void wait_for_release(void *unused) {
    (void)unused;
    while (!released) sched_yield();
}

/* The device waits for the thread that launches. */
static void blocked(void) {
    CUstream on = stream();
    CUfunction function = kernel_us(20);
    check(cuLaunchHostFunc(on, wait_for_release, NULL), "cuLaunchHostFunc");
    for (launches = 0; launches < BLOCKED && now() < end; launches++) check(launch(function, on), "cuLaunchKernel");
    printf("submitted %ld\n", launches);
    released = 1;
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
}

/* One stream waits for the program all the while; the work goes into another. */
static void beside_blocked(void) {
    CUstream held = stream();
    check(cuLaunchHostFunc(held, wait_for_release, NULL), "cuLaunchHostFunc");
    for (int i = 0; i < 8; i++) check(launch(kernel_us(20), held), "cuLaunchKernel");
    CUstream on = stream();
    CUfunction function = kernel_us(KERNEL_US);
    begin = now();
    end = begin + 2000000000;
    for (; now() < end; launches++) check(launch(function, on), "cuLaunchKernel");
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
    say(KERNEL_US);
    released = 1;
    check(cuStreamSynchronize(held), "cuStreamSynchronize");
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    start();
    begin = now();
    end = begin + atol(argv[2]) * 1000000000;
    if (!strcmp(argv[1], "contexts")) contexts();
    else if (!strcmp(argv[1], "functions")) functions();
    else if (!strcmp(argv[1], "long")) long_ones();
    else if (!strcmp(argv[1], "threads")) threads();
    else if (!strcmp(argv[1], "blocked")) blocked();
    else if (!strcmp(argv[1], "beside-blocked")) beside_blocked();
    else return 2;
    return 0;
}
