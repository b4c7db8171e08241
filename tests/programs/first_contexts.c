/* Processes that make the first contexts of a region all at once, then ask for memory until they are refused. They hold what
   they got until all have come so far. Prints `contexts N refused N pieces N`; the argument is the number of processes. */
#include <sys/mman.h>

#include "driver.h"

#define PIECE ((size_t)2 << 20)

struct shared {
    int ready, go, contexts, refused, pieces, done;
};

static int read_of(int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }
static void add(int *number, int more) { __atomic_add_fetch(number, more, __ATOMIC_SEQ_CST); }

static void wait_for(int *number, int value) {
    int64_t deadline = now() + INT64_C(30000000000);
    while (read_of(number) < value) {
        if (now() > deadline) die("the others do not come");
        usleep(20);
    }
}

static void take_part(struct shared *shared, int processes) {
    CUcontext context;
    CUdeviceptr memory;
    check(cuInit(0), "cuInit");
    add(&shared->ready, 1);
    wait_for(&shared->go, 1);
    int result = cuDevicePrimaryCtxRetain(&context, 0), pieces = 0;
    if (result == 0) {
        check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
        while (cuMemAlloc_v2(&memory, PIECE) == 0) pieces++;
    } else if (result != CUDA_ERROR_OUT_OF_MEMORY) {
        die("cuDevicePrimaryCtxRetain: error %d", result);
    }
    add(result == 0 ? &shared->contexts : &shared->refused, 1);
    add(&shared->pieces, pieces);
    add(&shared->done, 1);
    wait_for(&shared->done, processes);
    _exit(0);
}

int main(int count, char **words) {
    int processes = count > 1 ? atoi(words[1]) : 0, failed = 0;
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || processes < 1) die("a number of processes");
    for (int i = 0; i < processes; i++)
        if (fork() == 0) take_part(shared, processes);
    wait_for(&shared->ready, processes);
    add(&shared->go, 1);
    for (int i = 0, status; i < processes; i++) {
        wait(&status);
        failed |= status;
    }
    printf("contexts %d refused %d pieces %d\n", shared->contexts, shared->refused, shared->pieces);
    return failed != 0;
}
