/* Ways to use a device so that nobody comes to measure it, and one to need the gate open. "contexts", "functions" and
 * "beside-blocked" print "share PERCENT" of what their kernels of 10 ms had and "took SECONDS", "blocked" what it could submit
 * behind a host function. */
#include <sched.h>
#include <string.h>

#include "compute.h"

enum { KERNEL_US = 10000, BLOCKED = 600 };

static long launches;
static int64_t begin, end;
static _Atomic int released;

static void launch_new(void) {
    char name[64];
    snprintf(name, sizeof name, "test%ld_us%d", launches++, KERNEL_US);
    check(launch(kernel(name), NULL), "cuLaunchKernel");
}

static void say(void) {
    double took = (double)(now() - begin);
    printf("share %.1f\ntook %.1f\n", 1e5 * (double)(launches * KERNEL_US) / took, took / 1e9);
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
    say();
}

/* A function for each launch. */
static void functions(void) {
    while (now() < end) launch_new();
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    say();
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
    say();
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
    else if (!strcmp(argv[1], "blocked")) blocked();
    else if (!strcmp(argv[1], "beside-blocked")) beside_blocked();
    else return 2;
    return 0;
}
