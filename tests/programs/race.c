/* Processes race for a quota in equal pieces, round after round; the parent compares grants, view and books.

   Arguments: processes, rounds, bytes of a piece, bytes of the quota. Prints what was seen, and each round in which a
   figure is wrong; ends with 1 when one is. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "driver.h"

#define MOST_PROCESSES 64
#define MOST_PIECES 4096

struct shared {
    pthread_barrier_t gate;
    /* Bytes that are certainly held: added after a grant, taken off before the free. So it is never above the truth. */
    _Atomic uint64_t surely_held;
    _Atomic uint64_t highest_held;
    _Atomic uint64_t highest_sampled;
    _Atomic uint64_t samples;
    _Atomic int failed, done;
    _Atomic uint32_t granted[MOST_PROCESSES];
    _Atomic uint64_t seen[MOST_PROCESSES];
};

static struct shared *shared;
static int processes, rounds;
static size_t piece;
static uint64_t quota;

static void gate(void) { pthread_barrier_wait(&shared->gate); }

static void raise_to(_Atomic uint64_t *highest, uint64_t value) {
    uint64_t old = atomic_load(highest);
    while (value > old && !atomic_compare_exchange_weak(highest, &old, value)) {}
}

static void worker(int number) {
    static CUdeviceptr pieces[MOST_PIECES];
    uint64_t seed = (uint64_t)number + 1;
    start();
    gate();
    for (int round = 0; round < rounds; round++) {
        uint32_t count = 0;
        CUresult result = CUDA_SUCCESS;
        gate();
        while (count < MOST_PIECES && (result = cuMemAlloc_v2(&pieces[count], piece)) == CUDA_SUCCESS) {
            raise_to(&shared->highest_held, atomic_fetch_add(&shared->surely_held, piece) + piece);
            count++;
            if (draw(&seed) % 2) sched_yield(); /* few processors would let one take all before the next has begun */
        }
        if (result != CUDA_ERROR_OUT_OF_MEMORY) atomic_store(&shared->failed, 1), fprintf(stderr, "cuMemAlloc: %d\n", result);
        atomic_store(&shared->granted[number], count);
        gate(); /* all are refused */
        atomic_store(&shared->seen[number], view());
        gate(); /* the parent compares */
        gate();
        while (count > 0) {
            atomic_fetch_sub(&shared->surely_held, piece);
            if ((result = cuMemFree_v2(pieces[--count])) != CUDA_SUCCESS)
                atomic_store(&shared->failed, 1), fprintf(stderr, "cuMemFree: %d\n", result);
        }
        gate();
    }
}

/* Asks the books again and again while the others race. */
static void sampler(void) {
    while (!atomic_load(&shared->done)) {
        raise_to(&shared->highest_sampled, books().device);
        atomic_fetch_add(&shared->samples, 1);
    }
}

static pid_t child(void (*work)(int), int number) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGCHLD, SIG_DFL);
        work(number);
        exit(0);
    }
    return pid;
}

static void sample(int number) { (void)number, sampler(); }

/* A process that ends early never comes to the gate: nobody waits for it. */
static void ended_early(int signal) {
    (void)signal;
    siginfo_t who = {0};
    waitid(P_ALL, 0, &who, WEXITED | WNOWAIT | WNOHANG);
    if (who.si_pid == 0 || atomic_load(&shared->done) || who.si_status == 0) return;
    static const char text[] = "a process ended before the race was over\n";
    _exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

int main(int count, char **arguments) {
    if (count != 5) die("usage: race PROCESSES ROUNDS PIECE QUOTA");
    processes = atoi(arguments[1]), rounds = atoi(arguments[2]);
    piece = strtoull(arguments[3], NULL, 10), quota = strtoull(arguments[4], NULL, 10);
    if (processes > MOST_PROCESSES) die("%d processes: accepted are up to %d", processes, MOST_PROCESSES);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t among_processes;
    pthread_barrierattr_init(&among_processes);
    pthread_barrierattr_setpshared(&among_processes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->gate, &among_processes, (unsigned)processes + 1);
    pid_t children[MOST_PROCESSES];
    signal(SIGCHLD, ended_early);
    for (int i = 0; i < processes; i++) children[i] = child(worker, i);
    gate();
    struct books start = books();
    uint64_t room = (quota - start.device) / piece, round_sum = 0;
    if (start.device > quota || start.contexts != (unsigned)processes)
        die("%u contexts take %ju bytes of %ju", start.contexts, (uintmax_t)start.device, (uintmax_t)quota);
    pid_t sampling = child(sample, 0);
    int wrong = 0;
    uint64_t shares = 0; /* processes that got a piece, over all rounds */
    for (int round = 0; round < rounds; round++) {
        gate(); /* they allocate */
        gate();
        gate(); /* all hold, all have looked */
        uint64_t granted = 0;
        for (int i = 0; i < processes; i++) granted += shared->granted[i], shares += shared->granted[i] != 0;
        struct books truth = books();
        uint64_t expected = start.device + granted * piece;
        if (granted != room || truth.device != expected || truth.device > quota) {
            fprintf(stderr, "round %d: %ju pieces granted, %ju fit; the device has given %ju of %ju bytes\n", round,
                    (uintmax_t)granted, (uintmax_t)room, (uintmax_t)truth.device, (uintmax_t)quota);
            wrong++;
        }
        for (int i = 0; i < processes; i++) {
            if (shared->seen[i] == truth.device) continue;
            fprintf(stderr, "round %d: process %d sees %ju in use, the device has given %ju\n", round, i,
                    (uintmax_t)shared->seen[i], (uintmax_t)truth.device);
            wrong++;
            break;
        }
        round_sum += granted;
        gate(); /* they free */
        gate();
    }
    atomic_store(&shared->done, 1);
    signal(SIGCHLD, SIG_DFL);
    for (int i = 0; i <= processes; i++) {
        int status;
        waitpid(i < processes ? children[i] : sampling, &status, 0);
        if (status != 0) wrong++, fprintf(stderr, "process %d ended with status %d\n", i, status);
    }
    struct books end = books();
    if (shared->highest_held + start.device > quota || shared->highest_sampled > quota || end.device != 0) wrong++;
    printf("contexts %ju pieces %ju per round %ju highest held %ju highest sampled %ju of %ju in %ju samples, %ju left, %ju shares\n",
           (uintmax_t)start.device, (uintmax_t)room, (uintmax_t)(round_sum / (uint64_t)rounds),
           (uintmax_t)(shared->highest_held + start.device), (uintmax_t)shared->highest_sampled, (uintmax_t)quota,
           (uintmax_t)shared->samples, (uintmax_t)end.device, (uintmax_t)shares);
    return wrong || shared->failed;
}
