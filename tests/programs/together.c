/* Threads of one process in each other's way: where a driver gives an address, a page or a handle to one of them while
   another is on its way to say that it let go. The arguments are a case, the number of threads and how often each does its part.

   Prints what was refused, in how many rounds the view was not what was held, and how often a map came before a release; then,
   with all threads joined, the view (cuMemGetInfo) and the books (own), before and after the rest of the quota is filled. */
#include <pthread.h>

#include "driver.h"

#define MORE_FUNCTIONS(X) \
    X(cuStreamCreate) X(cuStreamSynchronize) X(cuMemPoolCreate) X(cuMemPoolDestroy) X(cuMemAllocFromPoolAsync) \
    X(cuMemCreate) X(cuMemRelease) X(cuMemAddressReserve) X(cuMemAddressFree) X(cuMemMap) X(cuMemUnmap)
MORE_FUNCTIONS(DECLARE)

#define MIB ((size_t)1 << 20)
#define MOST_THREADS 64

static int threads, rounds, refused, wrong, before, unfinished;
static CUcontext primary;
static pthread_barrier_t barrier;

static void meet(void) { pthread_barrier_wait(&barrier); }

/* Whether a call was granted; one that was refused is counted, any other error is the end. */
static int granted(CUresult result, const char *what) {
    if (result == CUDA_ERROR_OUT_OF_MEMORY) __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
    else check(result, what);
    return result == CUDA_SUCCESS;
}

/* Passes a random short time, so that two threads come in either order. */
static void dawdle(uint64_t *seed) {
    for (volatile uint64_t left = draw(seed) % 400; left > 0; left--) {}
}

/* While some threads work, the others do this again and again: whether the work goes on. */
static int goes_on(void) { return __atomic_load_n(&unfinished, __ATOMIC_RELAXED) > 0; }
static void finish(void) { __atomic_sub_fetch(&unfinished, 1, __ATOMIC_RELAXED); }

/* first: half of the threads retain the primary context, half make one of their own, with none there before; all then
   allocate, and free every second. */
static void first(size_t number) {
    CUcontext context;
    CUdeviceptr memory;
    meet();
    if (!granted(number % 2 ? cuDevicePrimaryCtxRetain(&context, 0) : cuCtxCreate_v2(&context, 0, 0), "a context")) return;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (int round = 0; round < rounds; round++)
        if (granted(cuMemAlloc_v2(&memory, (1 + round % 7) * MIB), "cuMemAlloc") && round % 2)
            check(cuMemFree_v2(memory), "cuMemFree");
}

/* stays: one thread of three retains and releases the primary context, which has other users; the others allocate and free. */
static void stays(size_t number) {
    CUcontext context;
    CUdeviceptr memory;
    if (number % 3 == 2) {
        while (goes_on()) {
            check(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
            check(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
        }
        return;
    }
    for (int round = 0; round < rounds; round++)
        if (granted(cuMemAlloc_v2(&memory, 64 * MIB), "cuMemAlloc")) check(cuMemFree_v2(memory), "cuMemFree");
    finish();
}

/* families: half of the threads end contexts with memory in them, half free memory of destroyed pools, so that an address
   goes from one family to the other. */
static void families(size_t number) {
    CUcontext context;
    CUdeviceptr memory;
    CUmemoryPool pool;
    while (number % 2 && goes_on()) {
        if (!granted(cuCtxCreate_v2(&context, 0, 0), "cuCtxCreate")) continue;
        granted(cuMemAlloc_v2(&memory, 4 * MIB), "cuMemAlloc");
        check(cuCtxDestroy_v2(context), "cuCtxDestroy");
    }
    if (number % 2) return;
    CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                 .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    for (int round = 0; round < rounds; round++) {
        check(cuMemPoolCreate(&pool, &properties), "cuMemPoolCreate");
        int got = granted(cuMemAllocFromPoolAsync(&memory, 4 * MIB, pool, NULL), "cuMemAllocFromPoolAsync");
        check(cuMemPoolDestroy(pool), "cuMemPoolDestroy");
        if (got) check(cuMemFree_v2(memory), "cuMemFree");
    }
    finish();
}

/* mapping: the first of two threads maps a handle while the second releases it: the memory lives on, or is gone already. */
static void mapping(size_t number) {
    static CUmemGenericAllocationHandle handle;
    const size_t piece = 256 * MIB;
    CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                      .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    CUdeviceptr address = 0;
    uint64_t seed = number + 1, nothing = view();
    if (number == 0) check(cuMemAddressReserve(&address, piece, 0, 0, 0), "cuMemAddressReserve");
    for (int round = 0; round < rounds; round++) {
        if (number == 0 && !granted(cuMemCreate(&handle, piece, &properties, 0), "cuMemCreate")) handle = 0;
        meet();
        dawdle(&seed);
        int mapped = number == 0 && cuMemMap(address, piece, 0, handle, 0) == CUDA_SUCCESS;
        if (number == 1 && handle) check(cuMemRelease(handle), "cuMemRelease");
        meet();
        if (number == 0 && view() != nothing + (mapped ? piece : 0)) wrong++;
        if (!mapped) continue;
        before++;
        check(cuMemUnmap(address, piece), "cuMemUnmap");
    }
    if (number == 0) check(cuMemAddressFree(address, piece), "cuMemAddressFree");
}

/* pool: the default pool grows for all threads at once, to the last byte of the quota, and gives all back. */
static void pool(size_t number) {
    (void)number;
    CUstream stream;
    CUdeviceptr memory;
    check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    for (int round = 0; round < rounds; round++) {
        meet();
        int got = granted(cuMemAllocAsync(&memory, 480 * MIB, stream), "cuMemAllocAsync");
        meet();
        if (got) check(cuMemFreeAsync(memory, stream), "cuMemFreeAsync");
        check(cuStreamSynchronize(stream), "cuStreamSynchronize");
    }
}

static void (*part)(size_t);

static void *work(void *number) {
    if (primary) check(cuCtxSetCurrent(primary), "cuCtxSetCurrent");
    part((size_t)number);
    return NULL;
}

static void tell(const char *when) {
    struct books truth = books();
    printf("%s view %ju own %ju\n", when, (uintmax_t)view(), (uintmax_t)truth.own);
}

int main(int count, char **words) {
    static const struct { const char *name; void (*part)(size_t); } cases[] = {
        {"first", first}, {"stays", stays}, {"families", families}, {"mapping", mapping}, {"pool", pool}};
    if (count != 4) die("together CASE THREADS ROUNDS");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(words[1], cases[i].name) == 0) part = cases[i].part;
    threads = atoi(words[2]);
    rounds = atoi(words[3]);
    if (!part || threads < 2 || threads > MOST_THREADS || (part == mapping && threads != 2))
        die("a case of %zu, and 2 to %d threads (mapping: 2)", sizeof cases / sizeof *cases, MOST_THREADS);
    check(cuInit(0), "cuInit");
    if (part != first) {
        start();
        check(cuDevicePrimaryCtxRetain(&primary, 0), "cuDevicePrimaryCtxRetain");
    }
    for (int i = 0; i < threads; i++) unfinished += part == stays ? i % 3 != 2 : i % 2 == 0;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    pthread_t all[MOST_THREADS];
    for (size_t i = 0; i < (size_t)threads; i++)
        if (pthread_create(&all[i], NULL, work, (void *)i) != 0) die("no thread");
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    printf("refused %d wrong %d before %d\n", refused, wrong, before);

    start();
    tell("joined");
    CUdeviceptr memory;
    while (cuMemAlloc_v2(&memory, 16 * MIB) == CUDA_SUCCESS) {}
    tell("filled");
    return 0;
}
