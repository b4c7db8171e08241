/* As many processes as argument 1 says hold a context at once, and as many more as argument 2 says ask for one when they do.
   Prints how many got one and how many were refused; waits then for a line, and kills all of them. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "driver.h"

#define MOST 4096
#define WAIT_NS INT64_C(120000000000)

struct shared { int alive, refused, failed; };

static void add(int *number) { __atomic_add_fetch(number, 1, __ATOMIC_SEQ_CST); }
static int of(int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }

static void hold(struct shared *shared) {
    CUcontext context;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    check(cuInit(0), "cuInit");
    CUresult result = cuDevicePrimaryCtxRetain(&context, 0);
    add(result == 0 ? &shared->alive : result == CUDA_ERROR_OUT_OF_MEMORY ? &shared->refused : &shared->failed);
    for (;;) pause();
}

static void wait_for(struct shared *shared, int answered) {
    for (int64_t deadline = now() + WAIT_NS; of(&shared->alive) + of(&shared->refused) + of(&shared->failed) < answered; usleep(1000))
        if (now() > deadline) die("%d processes of %d have a context", of(&shared->alive), answered);
}

int main(int count, char **words) {
    int wanted = count == 4 ? atoi(words[1]) : 0, all = wanted + (count == 4 ? atoi(words[2]) : 0);
    if (wanted < 1 || all > MOST) die("dead_slots PROCESSES MORE FIFO");
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static pid_t processes[MOST];
    for (int i = 0; i < all; i++) {
        processes[i] = fork();
        if (processes[i] == 0) hold(shared);
        if (processes[i] < 0) die("fork: %m");
        if (i % 16 == 15 || i >= wanted - 1) wait_for(shared, i + 1); /* a few at a time */
    }
    printf("alive %d refused %d failed %d\n", of(&shared->alive), of(&shared->refused), of(&shared->failed));
    fflush(stdout);
    FILE *fifo = fopen(words[3], "r"); /* until somebody opens it to write */
    if (!fifo) die("%s: %m", words[3]);
    for (int i = 0; i < all; i++) kill(processes[i], SIGKILL);
    for (int i = 0; i < all; i++) waitpid(processes[i], NULL, 0);
    return 0;
}
