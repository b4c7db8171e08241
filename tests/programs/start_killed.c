/* Kills processes while they make the region and their first context, at instants that move through the whole start; after each,
   another process must come through at once, and see what the simulator's books say.

   Arguments: how many that were not through yet, `same` (one region for all) or `fresh` (a new one each time, beside the given one). */
#include <signal.h>
#include <sched.h>
#include <sys/mman.h>

#include "driver.h"

#define MIB ((size_t)1 << 20)
#define WAIT_NS INT64_C(20000000000)

static int *step; /* 1 when the process to kill begins, 2 when it is through */

static pid_t begin(void) {
    *step = 0;
    pid_t child = fork();
    if (child != 0) return child;
    CUdeviceptr memory;
    __atomic_store_n(step, 1, __ATOMIC_SEQ_CST);
    start();
    check(cuMemAlloc_v2(&memory, MIB), "cuMemAlloc");
    __atomic_store_n(step, 2, __ATOMIC_SEQ_CST);
    for (;;) pause();
}

static int reached(int wanted) {
    for (int64_t deadline = now() + WAIT_NS; now() < deadline;) {
        if (__atomic_load_n(step, __ATOMIC_SEQ_CST) >= wanted) return 1;
        sched_yield();
    }
    return 0;
}

int main(int count, char **words) {
    if (count != 3) die("start_killed TIMES same|fresh");
    int times = atoi(words[1]), fresh = strcmp(words[2], "fresh") == 0, early = 0;
    const char *region = getenv("CUDA_DEVICE_MEMORY_SHARED_CACHE");
    step = mmap(NULL, sizeof *step, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char path[4096];
    int64_t whole = 0;
    for (int i = 0; early < times; i++) {
        if (i > 40 * times) die("killed before they were through: %d of %d", early, i);
        if (fresh) {
            snprintf(path, sizeof path, "%s.%d", region, i);
            setenv("CUDA_DEVICE_MEMORY_SHARED_CACHE", path, 1);
        }
        pid_t killed = begin();
        if (!reached(1)) die("a process does not begin");
        int64_t began = now();
        if (i == 0) { /* how long it takes to start */
            if (!reached(2)) die("a process does not come through");
            whole = now() - began;
        } else while (now() - began < whole * early / times) {}
        if (__atomic_load_n(step, __ATOMIC_SEQ_CST) == 1) early++;
        else whole -= whole / 8; /* it came through before: the next one has less time */
        kill(killed, SIGKILL);
        waitpid(killed, NULL, 0);
        pid_t next = fork();
        if (next == 0) {
            alarm(20);
            CUdeviceptr memory;
            start();
            check(cuMemAlloc_v2(&memory, 3 * MIB), "cuMemAlloc");
            while (view() != 100 * MIB || books().device != 100 * MIB) {} /* until the alarm */
            exit(0);
        }
        int status;
        waitpid(next, &status, 0);
        if (status != 0) die("after kill %d a process ended with status %d", i, status);
    }
    printf("killed before they were through: %d\n", early);
    return 0;
}
