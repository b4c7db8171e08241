/* Physical memory that is created, mapped and released (CUDA's virtual memory management), argument 1 says how. */
#include <pthread.h>

#include "driver.h"

#define MIB ((size_t)1 << 20)

#define VIRTUAL_FUNCTIONS(X) \
    X(cuMemCreate) X(cuMemRelease) X(cuMemAddressReserve) X(cuMemAddressFree) X(cuMemMap) X(cuMemUnmap) X(cuMemSetAccess) \
    X(cuMemRetainAllocationHandle)
VIRTUAL_FUNCTIONS(DECLARE)
DECLARE(cuCtxGetCurrent)

static CUcontext context;
static int rounds;
static const CUmemAllocationProp on_device = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};

static void *linear(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (int i = 0; i < rounds; i++) {
        CUdeviceptr memory;
        check(cuMemAlloc_v2(&memory, 4 * MIB), "cuMemAlloc");
        check(cuMemFree_v2(memory), "cuMemFree");
    }
    return NULL;
}

static void *physical(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (int i = 0; i < rounds; i++) {
        CUmemGenericAllocationHandle handle;
        check(cuMemCreate(&handle, 2 * MIB, &on_device, 0), "cuMemCreate");
        check(cuMemRelease(handle), "cuMemRelease");
    }
    return NULL;
}

static void threads(void) {
    pthread_t running[4];
    for (int i = 0; i < 4; i++) pthread_create(&running[i], NULL, i % 2 ? physical : linear, NULL);
    for (int i = 0; i < 4; i++) pthread_join(running[i], NULL);
    printf("view %ju books %ju\n", (uintmax_t)(view() / MIB), (uintmax_t)(books().own / MIB));
}

static void tell(const char *step, CUresult result) {
    printf("%s = %d view %ju books %ju\n", step, result, (uintmax_t)(view() / MIB), (uintmax_t)(books().own / MIB));
}

/* A mapping holds the memory whose handle was released. */
static void mapped(size_t bytes) {
    CUmemGenericAllocationHandle handle, again;
    CUdeviceptr place = 0;
    CUmemAccessDesc access = {on_device.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    check(cuMemAddressReserve(&place, bytes, 0, 0, 0), "cuMemAddressReserve");
    CUresult created = cuMemCreate(&handle, bytes, &on_device, 0);
    tell("create", created);
    if (created != 0) return;
    check(cuMemMap(place, bytes, 0, handle, 0), "cuMemMap");
    check(cuMemSetAccess(place, bytes, &access, 1), "cuMemSetAccess");
    tell("release", cuMemRelease(handle));
    tell("retain", cuMemRetainAllocationHandle(&again, (void *)place));
    tell("unmap", cuMemUnmap(place, bytes));
    tell("release", cuMemRelease(again));
    check(cuMemAddressFree(place, bytes), "cuMemAddressFree");
}

int main(int count, char **words) {
    if (count != 3) die("physical threads ROUNDS | mapped MIB");
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    rounds = atoi(words[2]);
    if (strcmp(words[1], "threads") == 0) threads();
    else mapped((size_t)rounds * MIB);
    return 0;
}
