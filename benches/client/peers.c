/* Several processes of one tenant: those that only hold memory, and those that allocate at once. */
#include "common.h"
#include "door.h"

enum { PIECE = 2 << 20, PAIRS_PER_LOOK = 256 };

void idle(void) {
    CUdeviceptr pointer;
    start_cuda();
    check(CALL(cuMemAlloc_v2)(&pointer, PIECE), "cuMemAlloc_v2");
    gate();
}

void storm(double duration_ms) {
    start_cuda();
    gate();
    int64_t start = now(), end = start + (int64_t)(duration_ms * 1e6), at;
    long pairs = 0;
    do {
        for (int i = 0; i < PAIRS_PER_LOOK; i++) {
            CUdeviceptr pointer;
            check(CALL(cuMemAlloc_v2)(&pointer, PIECE), "cuMemAlloc_v2");
            check(CALL(cuMemFree_v2)(pointer), "cuMemFree_v2");
        }
        pairs += PAIRS_PER_LOOK;
        at = now();
    } while (at < end);
    row("pairs-per-second", (double)pairs / ((double)(at - start) / 1e9));
    row("nanoseconds-per-pair", (double)(at - start) / (double)pairs);
}
