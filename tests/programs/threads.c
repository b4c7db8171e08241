/* Eight threads allocate and free at random, in every family; then view and books, with what they hold and without. */
#include <pthread.h>

#include "driver.h"

#define THREADS 8
#define HELD 24
#define ROUNDS 3000

static CUcontext context;
static CUdeviceptr held[THREADS][HELD];

static void *work(void *argument) {
    size_t number = (size_t)argument;
    uint64_t seed = number * 7919 + 1;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (int round = 0; round < ROUNDS; round++) {
        CUdeviceptr *place = &held[number][draw(&seed) % HELD];
        if (*place) {
            check(draw(&seed) % 4 == 0 ? cuMemFreeAsync(*place, NULL) : cuMemFree_v2(*place), "free");
            *place = 0;
            continue;
        }
        size_t bytes = draw(&seed) % 2 ? 1 + draw(&seed) % 65536 : 1 + draw(&seed) % (8 << 20), pitch;
        CUresult result;
        switch (draw(&seed) % 4) {
        case 0: result = cuMemAllocManaged(place, bytes, CU_MEM_ATTACH_GLOBAL); break;
        case 1: result = cuMemAllocPitch_v2(place, &pitch, 1 + bytes % 5000, 1 + bytes % 300, 4); break;
        case 2: result = cuMemAllocAsync(place, bytes, NULL); break;
        default: result = cuMemAlloc_v2(place, bytes); break;
        }
        if (result == CUDA_ERROR_OUT_OF_MEMORY) *place = 0;
        else check(result, "allocation");
    }
    return NULL;
}

static void figures(const char *when) {
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    size_t free, total;
    check(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    struct books truth = books();
    printf("%s view %zu total %zu own %ju\n", when, total - free, total, (uintmax_t)truth.own);
}

int main(void) {
    check(cuInit(0), "cuInit");
    check(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    figures("before");
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    figures("held");
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < HELD; j++)
            if (held[i][j]) check(cuMemFree_v2(held[i][j]), "cuMemFree");
    figures("freed");
    return 0;
}
