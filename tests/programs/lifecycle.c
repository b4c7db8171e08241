/* CUDA before main, after main and in threads that end early, argument 1 says where. Prints what each call answered; after each
   step the view must be what the simulator's books say of the device. */
#include <pthread.h>
#include <semaphore.h>

#include "driver.h"

#define MIB ((size_t)1 << 20)

static CUdeviceptr held;
static const char *which = "";

/* What the calls answer here, and whether view and books agree (when there is a view). */
static void try(const char *where) {
    CUdeviceptr memory = 0;
    size_t free = 0, total = 0;
    int allocated = cuMemAlloc_v2(&memory, 3 * MIB), shown = cuMemGetInfo_v2(&free, &total);
    int agree = shown != 0 || total - free == books().device;
    printf("%s: alloc %d info %d agree %d free %d free held %d\n", where, allocated, shown, agree, cuMemFree_v2(memory), cuMemFree_v2(held));
    fflush(stdout);
    held = 0;
}

static void *try_in_thread(void *where) {
    start();
    try(where);
    return NULL;
}

/* At the end of the process: in this thread, and in one that is only now begun. */
static void try_late(const char *where) {
    char other[64];
    pthread_t thread;
    try(where);
    snprintf(other, sizeof other, "thread of %s", where);
    pthread_create(&thread, NULL, try_in_thread, other);
    pthread_join(thread, NULL);
}

static void before_main(int count, char **words, char **environment) {
    (void)environment;
    if (count < 2) return;
    which = words[1];
    if (strcmp(which, "constructor") != 0) return;
    start();
    check(cuMemAlloc_v2(&held, 5 * MIB), "cuMemAlloc");
    printf("constructor: view %ju agree %d\n", (uintmax_t)(view() / MIB), view() == books().device);
}
static void (*const at_start)(int, char **, char **) __attribute__((section(".init_array"), used)) = before_main;

static void __attribute__((destructor)) after_main(void) {
    if (strcmp(which, "destructor") == 0) try_late("destructor");
}

static void first_registered(void) { try_late("first registered"); }
static void last_registered(void) { try_late("last registered"); }

static void *take(void *unused) {
    (void)unused;
    start();
    check(cuMemAlloc_v2(&held, 20 * MIB), "cuMemAlloc");
    return NULL;
}

static sem_t turned;

/* Allocates and frees until it is cancelled, which can be between the calls alone. */
static void *churn(void *unused) {
    (void)unused;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    start();
    for (int i = 0;; i++) {
        CUdeviceptr memory;
        check(i % 2 ? cuMemAllocAsync(&memory, MIB, NULL) : cuMemAlloc_v2(&memory, 3 * MIB), "allocation");
        check(i % 3 ? cuMemFree_v2(memory) : cuMemFreeAsync(memory, NULL), "free");
        if (i == 50) sem_post(&turned);
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
        pthread_testcancel();
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    }
    return NULL; /* never: it is cancelled */
}

static void cancelled(void) {
    start();
    for (int round = 0; round < 50; round++) {
        pthread_t threads[4];
        void *result;
        sem_init(&turned, 0, 0);
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, churn, NULL);
        for (int i = 0; i < 4; i++) sem_wait(&turned);
        for (int i = 0; i < 4; i++) pthread_cancel(threads[i]);
        for (int i = 0; i < 4; i++)
            if (pthread_join(threads[i], &result) != 0 || result != PTHREAD_CANCELED) die("not cancelled");
    }
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    try("after 200 cancelled threads");
}

int main(int count, char **words) {
    (void)count, (void)words;
    int retained = strcmp(which, "constructor") != 0;
    if (strcmp(which, "atexit") == 0) atexit(first_registered);
    if (strcmp(which, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, take, NULL);
        pthread_join(thread, NULL);
        start();
        try("another thread's memory");
        return 0;
    }
    if (strcmp(which, "cancelled") == 0) {
        cancelled();
        return 0;
    }
    if (retained) {
        start();
        check(cuMemAlloc_v2(&held, 5 * MIB), "cuMemAlloc");
    }
    if (strcmp(which, "atexit") == 0) atexit(last_registered);
    else if (strcmp(which, "destructor") != 0) try("main");
    return 0;
}
