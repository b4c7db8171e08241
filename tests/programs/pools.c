/* Stream-ordered memory where the device, the life or the shape of a pool matters. The first argument names the case; the lines
   printed hold how much was granted and, by device, what is in use as cuMemGetInfo tells. */
#include "driver.h"

#define POOL_FUNCTIONS(X) \
    X(cuStreamCreate) X(cuStreamSynchronize) X(cuDeviceGetDefaultMemPool) X(cuMemPoolCreate) X(cuMemPoolDestroy) \
    X(cuMemPoolSetAttribute) X(cuMemAllocFromPoolAsync) X(cuMemsetD8_v2)
POOL_FUNCTIONS(DECLARE)

#define MIB ((size_t)1 << 20)
#define MOST 1024

static CUdeviceptr held[MOST];

static void tell(int device, CUcontext context) {
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    printf("device %d view %ju\n", device, (uintmax_t)view());
}

/* Device 0 is current; the stream, or the pool, is device 1's. */
static void of_another_device(int by_pool) {
    CUcontext contexts[2];
    CUstream stream;
    CUmemoryPool pool;
    check(cuInit(0), "cuInit");
    for (int i = 0; i < 2; i++) check(cuDevicePrimaryCtxRetain(&contexts[i], i), "cuDevicePrimaryCtxRetain");
    check(cuCtxSetCurrent(contexts[1]), "cuCtxSetCurrent");
    check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    check(cuDeviceGetDefaultMemPool(&pool, 1), "cuDeviceGetDefaultMemPool");
    check(cuCtxSetCurrent(contexts[0]), "cuCtxSetCurrent");
    int granted = 0, result = 0;
    while (granted < 64) {
        result = by_pool ? cuMemAllocFromPoolAsync(&held[granted], 256 * MIB, pool, stream)
                         : cuMemAllocAsync(&held[granted], 256 * MIB, stream);
        if (result != 0) break;
        granted++;
    }
    printf("granted %d last %d\n", granted, result);
    for (int i = 0; i < 2; i++) tell(i, contexts[i]);
    be_watched();
}

/* A pool that is destroyed keeps its memory until what was allocated from it is freed. */
static void destroyed(void) {
    int granted = 0;
    start();
    for (int round = 0; round < 16; round++) {
        CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                     .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
        CUmemoryPool pool;
        CUdeviceptr memory;
        check(cuMemPoolCreate(&pool, &properties), "cuMemPoolCreate");
        if (cuMemAllocFromPoolAsync(&memory, 512 * MIB, pool, NULL) == 0) held[granted++] = memory;
        check(cuMemPoolDestroy(pool), "cuMemPoolDestroy");
    }
    for (int i = 0; i < granted; i++) check(cuMemsetD8_v2(held[i], 7, 4096), "memory of a destroyed pool");
    printf("granted %d view %ju own %ju\n", granted, (uintmax_t)view(), (uintmax_t)books().own);
    be_watched();
}

/* Every second block of a full pool is free: the pool has room for what is asked, but not in one piece, and would grow. */
static void fragmented(size_t block) {
    CUmemoryPool pool;
    CUdeviceptr memory;
    cuuint64_t keep = UINT64_MAX;
    size_t count = 0;
    start();
    check(cuDeviceGetDefaultMemPool(&pool, 0), "cuDeviceGetDefaultMemPool");
    check(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep), "cuMemPoolSetAttribute");
    while (count < MOST && cuMemAllocAsync(&held[count], block, NULL) == 0) count++;
    if (count == MOST) die("%d blocks do not fill the quota", MOST);
    printf("blocks %zu\n", count);
    for (size_t i = 0; i < count; i += 2) check(cuMemFreeAsync(held[i], NULL), "cuMemFreeAsync");
    for (size_t wanted = count / 2 * block; wanted > block; wanted /= 2) {
        int result = cuMemAllocAsync(&memory, wanted, NULL);
        printf("asked %zu = %d own %ju view %ju\n", wanted, result, (uintmax_t)books().own, (uintmax_t)view());
    }
    int result = cuMemAllocAsync(&memory, block, NULL);
    printf("block = %d own %ju view %ju\n", result, (uintmax_t)books().own, (uintmax_t)view());
}

int main(int count, char **words) {
    const char *which = count > 1 ? words[1] : "";
    if (strcmp(which, "stream") == 0) of_another_device(0);
    else if (strcmp(which, "pool") == 0) of_another_device(1);
    else if (strcmp(which, "destroyed") == 0) destroyed();
    else if (strcmp(which, "fragmented") == 0) fragmented(count > 2 ? (size_t)atol(words[2]) * MIB : 0);
    else die("unknown case %s", which);
    return 0;
}
