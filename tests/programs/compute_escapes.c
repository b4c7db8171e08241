/* Ways to use a device so that nobody comes to measure it, and one to need the gate open. "blocked" prints what it could submit
 * behind a host function, all others "share PERCENT" of what their kernels had and "took SECONDS". */
#include <pthread.h>
#include <string.h>

#include "compute.h"

enum { KERNEL_US = 10000, SHORT_US = 20, BRIEF_US = 50, LONG_US = 200000, BLOCKED = 600, MANY = 20, FEW = 3, LATE_MS = 100 };

extern __typeof__(*(PFN_cuLibraryLoadData)0) cuLibraryLoadData;
extern __typeof__(*(PFN_cuLibraryGetKernel)0) cuLibraryGetKernel;

static long launches;
static int64_t begin, end, length;
static pthread_mutex_t held_up = PTHREAD_MUTEX_INITIALIZER;

/* The time that counts begins. */
static void from_now(void) {
    begin = now();
    end = begin + length;
}

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

/* Host functions that wait for the program do so from the beginning until it lets go of them. */
static void hold_up(void) {
    if (pthread_mutex_lock(&held_up)) exit(2);
}

static void let_go(void) {
    if (pthread_mutex_unlock(&held_up)) exit(2);
}

static void wait_for_release(void *unused) {
    (void)unused;
    hold_up();
    let_go();
}

/* The device waits for the thread that launches. */
static void blocked(void) {
    CUstream on = stream();
    CUfunction function = kernel_us(20);
    hold_up();
    check(cuLaunchHostFunc(on, wait_for_release, NULL), "cuLaunchHostFunc");
    for (launches = 0; launches < BLOCKED && now() < end; launches++) check(launch(function, on), "cuLaunchKernel");
    printf("submitted %ld\n", launches);
    let_go();
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
}

/* One stream waits for the program all the while; the work goes into another. */
static void beside_blocked(void) {
    CUstream held = stream();
    hold_up();
    check(cuLaunchHostFunc(held, wait_for_release, NULL), "cuLaunchHostFunc");
    for (int i = 0; i < 8; i++) check(launch(kernel_us(20), held), "cuLaunchKernel");
    CUstream on = stream();
    CUfunction function = kernel_us(KERNEL_US);
    from_now();
    for (; now() < end; launches++) check(launch(function, on), "cuLaunchKernel");
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
    say(KERNEL_US);
    let_go();
    check(cuStreamSynchronize(held), "cuStreamSynchronize");
}

/* Many streams wait for the program all the while; the work goes into another. */
static void beside_many_blocked(int microseconds) {
    hold_up();
    for (int i = 0; i < MANY; i++) check(cuLaunchHostFunc(stream(), wait_for_release, NULL), "cuLaunchHostFunc");
    CUstream on = stream();
    CUfunction function = kernel_us(microseconds);
    from_now();
    for (; now() < end; launches++) check(launch(function, on), "cuLaunchKernel");
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
    say(microseconds);
    let_go();
    check(cuCtxSynchronize(), "cuCtxSynchronize");
}

static void take_long(void *unused) {
    (void)unused;
    struct timespec time = {0, LATE_MS * 1000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* The first that the device passes of all that is put into a second context comes late; the work goes there, and a little into the
 * first one. */
static void late_context(void) {
    CUcontext second;
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    short_one = kernel_us(SHORT_US);
    CUstream on_first = stream();
    check(cuCtxCreate_v2(&second, 0, 0), "cuCtxCreate");
    CUfunction function = kernel_us(KERNEL_US);
    CUstream on = stream();
    check(cuLaunchHostFunc(on, take_long, NULL), "cuLaunchHostFunc");
    check(launch(function, on), "cuLaunchKernel");
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
    from_now();
    for (; now() < end; launches += FEW) {
        check(cuCtxSetCurrent(second), "cuCtxSetCurrent");
        for (int i = 0; i < FEW; i++) check(launch(function, on), "cuLaunchKernel");
        check(cuStreamSynchronize(on), "cuStreamSynchronize");
        check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
        check(launch(short_one, on_first), "cuLaunchKernel");
        check(cuStreamSynchronize(on_first), "cuStreamSynchronize");
    }
    say(KERNEL_US);
}

/* A stream for every few launches: a new one has the handle of the one before, which is gone. */
static void streams(void) {
    CUfunction function = kernel_us(BRIEF_US);
    for (; now() < end; launches += FEW) {
        CUstream made = stream();
        for (int i = 0; i < FEW; i++) check(launch(function, made), "cuLaunchKernel");
        check(cuStreamSynchronize(made), "cuStreamSynchronize");
        check(cuStreamDestroy_v2(made), "cuStreamDestroy");
    }
    say(BRIEF_US);
}

/* A kernel that belongs to no context, into a stream of a device while `current` is. */
static void kernel_of_no_context(CUcontext current, CUstream on) {
    CUlibrary library;
    CUkernel function;
    char name[64], image[256];
    snprintf(name, sizeof name, "test_us%d", KERNEL_US);
    snprintf(image, sizeof image, ".version 8.0\n.target sm_70\n.address_size 64\n.visible .entry %s() { ret; }\n", name);
    check(cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0), "cuLibraryLoadData");
    check(cuLibraryGetKernel(&function, library, name), "cuLibraryGetKernel");
    check(cuCtxSetCurrent(current), "cuCtxSetCurrent");
    from_now();
    while (now() < end) {
        check(launch((CUfunction)function, on), "cuLaunchKernel");
        if (++launches % FEW == 0) check(cuStreamSynchronize(on), "cuStreamSynchronize");
    }
    check(cuStreamSynchronize(on), "cuStreamSynchronize");
    say(KERNEL_US);
}

static void no_context(void) { kernel_of_no_context(NULL, stream()); }

/* The stream is of the second device, the current context of the first. */
static void other_device(void) {
    CUcontext other;
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    check(cuDevicePrimaryCtxRetain(&other, 1), "cuDevicePrimaryCtxRetain");
    check(cuCtxSetCurrent(other), "cuCtxSetCurrent");
    kernel_of_no_context(context, stream());
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    start();
    length = atol(argv[2]) * 1000000000;
    from_now();
    if (!strcmp(argv[1], "contexts")) contexts();
    else if (!strcmp(argv[1], "functions")) functions();
    else if (!strcmp(argv[1], "long")) long_ones();
    else if (!strcmp(argv[1], "threads")) threads();
    else if (!strcmp(argv[1], "blocked")) blocked();
    else if (!strcmp(argv[1], "beside-blocked")) beside_blocked();
    else if (!strcmp(argv[1], "beside-many-blocked")) beside_many_blocked(KERNEL_US);
    else if (!strcmp(argv[1], "long-beside-many-blocked")) beside_many_blocked(LONG_US);
    else if (!strcmp(argv[1], "late-context")) late_context();
    else if (!strcmp(argv[1], "streams")) streams();
    else if (!strcmp(argv[1], "no-context")) no_context();
    else if (!strcmp(argv[1], "other-device")) other_device();
    else return 2;
    return 0;
}
