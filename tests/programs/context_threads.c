/* Threads that make and drop contexts while others use the device. The first argument names the case, the second is the number
   of threads, the third how often each does its part. Prints how often something was refused, how often
   a view showed another amount than one context while all held the same, and what is in use when all is given
   back, as cuMemGetInfo (view) and the simulator's books (own) tell. */
#include <pthread.h>

#include "driver.h"

#define PIECE ((size_t)2 << 20)
#define PIECES 50

static int rounds, refused, wrong, at_once;
static uint64_t one; /* in use while there is one context and nothing else */
static CUcontext primary;
static pthread_barrier_t barrier;

static void meet(void) {
    if (at_once) pthread_barrier_wait(&barrier);
}

static void refuse(void) { __atomic_add_fetch(&refused, 1, __ATOMIC_SEQ_CST); }

/* Retains and releases the primary context; with `at_once` all retain together, then all release together. */
static void *retain_release(void *unused) {
    (void)unused;
    for (int i = 0; i < rounds; i++) {
        CUcontext context;
        meet();
        int result = cuDevicePrimaryCtxRetain(&context, 0);
        if (result != 0) refuse();
        meet();
        if (at_once && result == 0) {
            check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
            if (view() != one) __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
        }
        meet();
        if (result == 0) check(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
    }
    return NULL;
}

/* Makes a context, allocates in it, and destroys it with all that lives in it. */
static void *create_destroy(void *unused) {
    (void)unused;
    for (int i = 0; i < rounds; i++) {
        CUcontext context;
        CUdeviceptr memory;
        if (cuCtxCreate_v2(&context, 0, 0) != 0) {
            refuse();
            continue;
        }
        for (int piece = 0; piece < PIECES; piece++)
            if (cuMemAlloc_v2(&memory, PIECE) != 0) refuse();
        check(cuCtxDestroy_v2(context), "cuCtxDestroy");
    }
    return NULL;
}

/* Allocates and frees in the primary context: gets the addresses that a destroyed context has just left. */
static void *allocate_free(void *unused) {
    (void)unused;
    CUdeviceptr held[PIECES];
    check(cuCtxSetCurrent(primary), "cuCtxSetCurrent");
    for (int i = 0; i < rounds; i++) {
        int count = 0;
        for (int piece = 0; piece < PIECES; piece++) {
            if (cuMemAlloc_v2(&held[count], PIECE) == 0) count++;
            else refuse();
        }
        while (count > 0) check(cuMemFree_v2(held[--count]), "cuMemFree");
    }
    return NULL;
}

int main(int count, char **words) {
    if (count != 4) die("context_threads CASE THREADS ROUNDS");
    int primaries = strcmp(words[1], "primary") == 0, threads = atoi(words[2]);
    at_once = strcmp(words[1], "together") == 0;
    rounds = atoi(words[3]);
    if (threads < 1 || threads > 64) die("1 to 64 threads");
    start();
    one = view();
    check(cuDevicePrimaryCtxRetain(&primary, 0), "cuDevicePrimaryCtxRetain");
    check(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
    primaries |= at_once;
    /* The primary context has no user left, so that each round makes it anew. */
    if (primaries) check(cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease");
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    pthread_t all[64];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, primaries ? retain_release : i % 2 ? create_destroy : allocate_free, NULL) != 0)
            die("no thread");
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    struct books nothing = books();
    if (primaries) start();
    printf("refused %d wrong %d left %ju view %ju own %ju\n", refused, wrong, (uintmax_t)nothing.own, (uintmax_t)view(),
           (uintmax_t)books().own);
    return 0;
}
