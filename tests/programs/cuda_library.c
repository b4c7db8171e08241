/* A library that uses CUDA: `use_device` takes memory, its destructor gives it back and says so; with -DEARLY its constructor
   takes memory as well, before main. */
#include "driver.h"

static CUdeviceptr held;

int use_device(void);
int use_device(void) {
    if (!held) {
        start();
        check(cuMemAlloc_v2(&held, (size_t)10 << 20), "cuMemAlloc");
    }
    return view() == books().device ? (int)(view() >> 20) : -1;
}

#ifdef EARLY
static void __attribute__((constructor)) early(void) { printf("library constructor %d\n", use_device()); }
#endif

static void __attribute__((destructor)) late(void) {
    if (!held) return;
    int freed = cuMemFree_v2(held);
    printf("library destructor %d\n", freed);
    fflush(stdout);
}
