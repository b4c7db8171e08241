/* What a launch takes, on a device that has time left, and on one that has not. */
#include "common.h"
#include "door.h"

enum {
    /* Kernels of 1 us: a batch keeps the device busy for a quarter of its period, so that no cap of more is reached. */
    BATCH = 256,
    PERIOD_NS = 1000000,
    /* Who learns what a kernel costs has learnt it by then. */
    FIRST_ONES = 50,
    MOST_BATCHES = 65536,
    AT_ONCE = 64,
};

static CUfunction kernel;

static void start(const char *name) {
    start_cuda();
    open_compute();
    kernel = kernel_named(name);
}

static void launch(long count) {
    for (long i = 0; i < count; i++)
        check(CALL(cuLaunchKernel)(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL), "cuLaunchKernel");
}

/* One batch at the start of a period; nanoseconds per launch. */
static double batch(void) {
    int64_t start = now();
    launch(BATCH);
    double each = (double)(now() - start) / BATCH;
    check(CALL(cuCtxSynchronize)(), "cuCtxSynchronize");
    while (now() < start + PERIOD_NS) {
    }
    return each;
}

void launches(double budget_ms) {
    static double batches[MOST_BATCHES];
    size_t taken = 0;
    start("launch_us1");
    for (int i = 0; i < FIRST_ONES; i++) batch();
    int64_t end = now() + (int64_t)(budget_ms * 1e6);
    do batches[taken++] = batch();
    while (now() < end && taken < MOST_BATCHES);
    row("launch", median(batches, taken));
}

void saturated(double duration_ms) {
    long count = 0;
    start("launch_us20");
    launch(AT_ONCE);
    check(CALL(cuCtxSynchronize)(), "cuCtxSynchronize");
    int64_t start = now(), end = start + (int64_t)(duration_ms * 1e6);
    do launch(AT_ONCE), count += AT_ONCE;
    while (now() < end);
    check(CALL(cuCtxSynchronize)(), "cuCtxSynchronize");
    row("launch-saturated", (double)(now() - start) / (double)count);
}
