/* Each door to the driver's functions: which function comes out, and whether it asks the quota.

   For each door to cuMemAlloc_v2 it asks for the bytes of argument 1, and prints the result and the object it is in. */
#include <dlfcn.h>

#include "driver.h"

typedef CUresult (*Alloc)(CUdeviceptr *, size_t);
typedef CUresult (*AllocOld)(CUdeviceptr_v1 *, unsigned);
typedef CUresult (*AllocAsync)(CUdeviceptr *, size_t, CUstream);
typedef CUresult (*First)(const char *, void **, int, cuuint64_t);
typedef CUresult (*Second)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

static size_t bytes;

static const char *object(void *function, char *room) {
    Dl_info info;
    if (!function || !dladdr(function, &info)) return "nothing";
    const char *slash = strrchr(info.dli_fname, '/');
    snprintf(room, 512, "%s of %s", info.dli_sname ? info.dli_sname : "?", slash ? slash + 1 : info.dli_fname);
    return room;
}

static void try(const char *door, void *function) {
    char room[512];
    CUdeviceptr memory = 0;
    CUresult result = function ? ((Alloc)function)(&memory, bytes) : -1;
    printf("%s: %d by %s\n", door, result, object(function, room));
    if (result == 0) check(cuMemFree_v2(memory), "cuMemFree");
}

static void try_async(const char *door, void *function) {
    char room[512];
    CUdeviceptr memory = 0;
    CUresult result = function ? ((AllocAsync)function)(&memory, bytes, NULL) : -1;
    printf("%s: %d by %s\n", door, result, object(function, room));
    if (result == 0) check(cuMemFreeAsync(memory, NULL), "cuMemFreeAsync"), check(cuCtxSynchronize(), "sync");
}

static void *first(First get, const char *name, int version, cuuint64_t flags) {
    void *function = NULL;
    CUresult result = get(name, &function, version, flags);
    if (result != 0) printf("(%s %d: error %d) ", name, version, result);
    return function;
}

static void *second(Second get, const char *name, int version, cuuint64_t flags) {
    void *function = NULL;
    CUdriverProcAddressQueryResult status = 77;
    CUresult result = get(name, &function, version, flags, &status);
    if (result != 0 || status != 0) printf("(%s %d: error %d status %d) ", name, version, result, status);
    return function;
}

int main(int count, char **arguments) {
    bytes = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    start();
    void *opened = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *unversioned = dlopen("libcuda.so", RTLD_NOW | RTLD_LOCAL);
    try("linked", (void *)cuMemAlloc_v2);
    try("dlsym handle", dlsym(opened, "cuMemAlloc_v2"));
    try("dlsym handle of libcuda.so", dlsym(unversioned, "cuMemAlloc_v2"));
    try("dlsym DEFAULT", dlsym(RTLD_DEFAULT, "cuMemAlloc_v2"));
    try("dlsym NEXT", dlsym(RTLD_NEXT, "cuMemAlloc_v2"));
    try("dlsym program", dlsym(dlopen(NULL, RTLD_LAZY), "cuMemAlloc_v2"));
    try("first linked", first(cuGetProcAddress, "cuMemAlloc", 12000, 0));
    try("first dlsym", first((First)dlsym(opened, "cuGetProcAddress"), "cuMemAlloc", 3020, 0));
    try("second linked", second(cuGetProcAddress_v2, "cuMemAlloc", 12040, 0));
    try("second dlsym", second((Second)dlsym(opened, "cuGetProcAddress_v2"), "cuMemAlloc", 3020, 0));
    try("second legacy", second(cuGetProcAddress_v2, "cuMemAlloc", 12040, 1));
    try("second per thread", second(cuGetProcAddress_v2, "cuMemAlloc", 12040, 2));
    /* The functions that look up come through each other as well: four arguments up to 11.x, five from 12.0 on. */
    try("first of second", first((First)second(cuGetProcAddress_v2, "cuGetProcAddress", 11030, 0), "cuMemAlloc", 12000, 0));
    try("second of second", second((Second)second(cuGetProcAddress_v2, "cuGetProcAddress", 12000, 0), "cuMemAlloc", 12000, 0));
    try("second of first", second((Second)first(cuGetProcAddress, "cuGetProcAddress", 12000, 0), "cuMemAlloc", 12000, 0));
    try_async("async linked", (void *)cuMemAllocAsync);
    try_async("async dlsym", dlsym(opened, "cuMemAllocAsync"));
    try_async("async dlsym per thread", dlsym(opened, "cuMemAllocAsync_ptsz"));
    try_async("async", second(cuGetProcAddress_v2, "cuMemAllocAsync", 12040, 0));
    try_async("async per thread", second(cuGetProcAddress_v2, "cuMemAllocAsync", 12040, 2));
    /* 3010 is before the 64-bit form: the old one, whose sizes have 32 bits. */
    CUdeviceptr_v1 old_memory = 0;
    char room[512];
    AllocOld old = (AllocOld)second(cuGetProcAddress_v2, "cuMemAlloc", 3010, 0);
    printf("old: %d by %s\n", old ? (int)old(&old_memory, bytes > UINT32_MAX ? UINT32_MAX : (unsigned)bytes) : -1, object((void *)old, room));
    /* Names and versions that are not there answer as the driver does. */
    printf("absent: %s\n", object(second(cuGetProcAddress_v2, "cuNoSuchThing", 12040, 0), room));
    printf("too early: %s\n", object(second(cuGetProcAddress_v2, "cuMemAllocAsync", 11010, 0), room));
    printf("no status: %d\n", cuGetProcAddress_v2("cuMemAlloc", (void **)&old, 12040, 0, NULL));
    printf("no name: %d\n", cuGetProcAddress_v2(NULL, (void **)&old, 12040, 0, NULL));
    printf("no place: %d\n", cuGetProcAddress_v2("cuMemAlloc", NULL, 12040, 0, NULL));
    return 0;
}
