/* Allocates and frees at random until it is killed. Arguments: a seed, the number of an open file with one word of memory
   in which it tells how far it is (1 started, 2 initialised, 3 with a context, then one more per call), and whether it
   uses pools too ("pools") or not ("plain"). There may be no room for it, for its context neither. */
#include <stdatomic.h>
#include <sys/mman.h>

#include "driver.h"

#define HELD 32

int main(int count, char **arguments) {
    if (count != 4) die("usage: killee SEED FILE plain|pools");
    int pools = strcmp(arguments[3], "pools") == 0;
    uint64_t seed = strtoull(arguments[1], NULL, 10);
    _Atomic uint64_t *progress = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(arguments[2]), 0);
    if (progress == MAP_FAILED) die("the word of progress: %m");
    static CUdeviceptr held[HELD];
    CUcontext context;
    atomic_store(progress, 1);
    check(cuInit(0), "cuInit");
    atomic_store(progress, 2);
    CUresult retained;
    while ((retained = cuDevicePrimaryCtxRetain(&context, 0)) == CUDA_ERROR_OUT_OF_MEMORY) usleep(200);
    check(retained, "cuDevicePrimaryCtxRetain");
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    atomic_store(progress, 3);
    for (;;) {
        CUdeviceptr *place = &held[draw(&seed) % HELD];
        CUresult result = CUDA_SUCCESS;
        size_t bytes = draw(&seed) % 3 ? 1 + draw(&seed) % (64 << 20) : 1 + draw(&seed) % 65536;
        if (*place) {
            check(cuMemFree_v2(*place), "cuMemFree");
            *place = 0;
        } else {
            result = !pools || draw(&seed) % 4 ? cuMemAlloc_v2(place, bytes) : cuMemAllocAsync(place, bytes, NULL);
        }
        if (result == CUDA_ERROR_OUT_OF_MEMORY) *place = 0;
        else check(result, "allocation");
        if (draw(&seed) % 16 == 0) view();
        atomic_fetch_add(progress, 1);
    }
}
