/* A load on the device that knows what share of it it had, since its kernels' names state how long they take.

     loop KERNEL_US SECONDS [THREADS]    launches without pause; a line `now S` for each fifth of a second, then `share S`: percent
                                         of the device, by the kernels that were done
     endless                             launches a kernel that never ends, says so, and stays
     meet NAME COUNT                     COUNT pairs of kernels on two devices, each waiting for its like; then `met COUNT` */
#include <stdatomic.h>

#include "compute.h"

enum { IN_FLIGHT = 4, MOST_THREADS = 16 };
static const int64_t STEP = 200000000;

static CUcontext context;
static CUfunction spin;
static int64_t end;
static _Atomic long done;

/* Waits for the kernel before last before it launches another: what is submitted and not done stays little. */
static void *loop(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    CUstream own = stream();
    CUevent ends[IN_FLIGHT];
    for (int i = 0; i < IN_FLIGHT; i++) check(cuEventCreate(&ends[i], CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    for (long i = 0; now() < end; i++) {
        if (i >= IN_FLIGHT) check(cuEventSynchronize(ends[i % IN_FLIGHT]), "cuEventSynchronize"), done++;
        check(launch(spin, own), "cuLaunchKernel");
        check(cuEventRecord(ends[i % IN_FLIGHT], own), "cuEventRecord");
    }
    return NULL;
}

static double share(long kernels, long microseconds, int64_t time) { return 1e5 * (double)(kernels * microseconds) / (double)time; }

static void run_loop(long microseconds, double seconds, int threads) {
    pthread_t running[MOST_THREADS];
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    spin = kernel_us(microseconds);
    int64_t begin = now(), last = begin;
    end = begin + (int64_t)(seconds * 1e9);
    for (int i = 0; i < threads; i++) pthread_create(&running[i], NULL, loop, NULL);
    for (long before = 0; last < end;) {
        struct timespec until = {(last + STEP) / 1000000000, (last + STEP) % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        int64_t at = now();
        long count = done;
        printf("now %.1f\n", share(count - before, microseconds, at - last));
        fflush(stdout);
        before = count, last = at;
    }
    printf("share %.1f\n", share(done, microseconds, last - begin));
    fflush(stdout);
    /* A launch that waits for its share is not waited for. */
    _exit(0);
}

static void run_endless(void) {
    start();
    check(launch(kernel("test_forever"), NULL), "cuLaunchKernel");
    puts("endless");
    fflush(stdout);
    pause();
}

static void run_meet(const char *name, long count) {
    CUcontext contexts[2];
    CUfunction kernels[2];
    CUstream streams[2];
    char full[64];
    snprintf(full, sizeof full, "%s_meet2_us500", name);
    check(cuInit(0), "cuInit");
    for (int device = 0; device < 2; device++) {
        check(cuDevicePrimaryCtxRetain(&contexts[device], device), "cuDevicePrimaryCtxRetain");
        check(cuCtxSetCurrent(contexts[device]), "cuCtxSetCurrent");
        kernels[device] = kernel(full);
        streams[device] = stream();
    }
    for (long i = 0; i < count; i++)
        for (int device = 0; device < 2; device++) {
            check(cuCtxSetCurrent(contexts[device]), "cuCtxSetCurrent");
            check(launch(kernels[device], streams[device]), "cuLaunchKernel");
        }
    for (int device = 0; device < 2; device++) check(cuStreamSynchronize(streams[device]), "cuStreamSynchronize");
    printf("met %ld\n", count);
}

int main(int count, char **words) {
    if (count >= 4 && strcmp(words[1], "loop") == 0) run_loop(atol(words[2]), atof(words[3]), count > 4 ? atoi(words[4]) : 1);
    else if (count == 2 && strcmp(words[1], "endless") == 0) run_endless();
    else if (count == 4 && strcmp(words[1], "meet") == 0) run_meet(words[2], atol(words[3]));
    else die("no such load");
    return 0;
}
