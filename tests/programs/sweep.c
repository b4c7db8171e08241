/* A process that holds most of the quota is killed; then several ask at once, once each, for what it held. Prints how many of
   the requests were granted, a line for each round. Arguments: processes, rounds, MiB held, MiB asked for by each. */
#include <signal.h>
#include <sys/mman.h>

#include "driver.h"

struct shared {
    int holding, ready, go, granted, done;
};

static int read_of(int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }
static void add(int *number, int more) { __atomic_add_fetch(number, more, __ATOMIC_SEQ_CST); }

static void wait_for(int *number, int value) {
    int64_t deadline = now() + INT64_C(30000000000);
    while (read_of(number) < value) {
        if (now() > deadline) die("the others do not come");
        usleep(50);
    }
}

static void hold(struct shared *shared, size_t bytes) {
    CUdeviceptr memory;
    start();
    check(cuMemAlloc_v2(&memory, bytes), "cuMemAlloc");
    add(&shared->holding, 1);
    for (;;) pause();
}

static void ask(struct shared *shared, size_t bytes, int processes) {
    CUdeviceptr memory;
    start();
    add(&shared->ready, 1);
    wait_for(&shared->go, 1);
    if (cuMemAlloc_v2(&memory, bytes) == 0) add(&shared->granted, 1);
    add(&shared->done, 1);
    wait_for(&shared->done, processes);
    _exit(0);
}

int main(int count, char **words) {
    if (count != 5) die("sweep PROCESSES ROUNDS HELD ASKED");
    int processes = atoi(words[1]), rounds = atoi(words[2]);
    size_t held = (size_t)atol(words[3]) << 20, asked = (size_t)atol(words[4]) << 20;
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) die("mmap: %m");
    for (int round = 0; round < rounds; round++) {
        memset(shared, 0, sizeof *shared);
        pid_t holder = fork();
        if (holder == 0) hold(shared, held);
        wait_for(&shared->holding, 1);
        for (int i = 0; i < processes; i++)
            if (fork() == 0) ask(shared, asked, processes);
        wait_for(&shared->ready, processes);
        kill(holder, SIGKILL);
        waitpid(holder, NULL, 0);
        /* The device sees the end by itself; the quota is to follow at the first request. */
        for (int64_t deadline = now() + INT64_C(10000000000); books().device >= held;)
            if (now() > deadline) die("the device keeps what the dead held");
        /* Who looked for the dead just before the death need not look again at once: the quota follows within 10 ms. */
        usleep(10000);
        add(&shared->go, 1);
        for (int i = 0, status; i < processes; i++)
            if (wait(&status) < 0 || status != 0) die("a process failed");
        printf("granted %d\n", shared->granted);
    }
    return 0;
}
