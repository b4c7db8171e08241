/* Several processes of one tenant that do what the arguments say, in order: `A:alloc:64` has process A take 64 MiB.

   After each step every process that has a context must see in use what the simulator's books say of the device, where nobody
   else is. Prints for each step what the call answered and the MiB in use. Words: start, name:TEXT, alloc:MIB, async:MIB,
   pool:MIB, free, free-async (the latest that is held), sync, exit, kill. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "driver.h"

#define MIB ((size_t)1 << 20)
#define WAIT_NS INT64_C(20000000000)
#define MOST_HELD 64

DECLARE(cuMemPoolCreate)
DECLARE(cuMemAllocFromPoolAsync)

struct actor {
    pid_t pid;
    int orders[2], answers[2], started;
};

struct answer {
    int result;
    uint64_t view;
};

static struct actor actors[26];
static CUdeviceptr held[MOST_HELD];
static int count_held;

static CUresult from_pool(CUdeviceptr *memory, size_t bytes) {
    static CUmemoryPool pool;
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    if (!pool) check(cuMemPoolCreate(&pool, &props), "cuMemPoolCreate");
    return cuMemAllocFromPoolAsync(memory, bytes, pool, NULL);
}

static int obey(char *order) {
    char *value = strchr(order, ':');
    if (value) *value++ = 0;
    size_t bytes = value ? strtoull(value, NULL, 10) * MIB : 0;
    CUdeviceptr memory;
    int result = -1;
    if (strcmp(order, "start") == 0) return start(), 0;
    if (strcmp(order, "name") == 0) return prctl(PR_SET_NAME, value);
    if (strcmp(order, "sync") == 0) return cuCtxSynchronize();
    if (strcmp(order, "exit") == 0) exit(0);
    if (strcmp(order, "see") == 0) return 0;
    if (strcmp(order, "free") == 0) return count_held ? cuMemFree_v2(held[--count_held]) : -1;
    if (strcmp(order, "free-async") == 0) return count_held ? cuMemFreeAsync(held[--count_held], NULL) : -1;
    if (count_held == MOST_HELD) die("more than %d allocations", MOST_HELD);
    if (strcmp(order, "alloc") == 0) result = cuMemAlloc_v2(&memory, bytes);
    else if (strcmp(order, "async") == 0) result = cuMemAllocAsync(&memory, bytes, NULL);
    else if (strcmp(order, "pool") == 0) result = from_pool(&memory, bytes);
    else die("unknown order %s", order);
    if (result == 0) held[count_held++] = memory;
    return result;
}

/* One process: reads orders, a line each, and answers with the result and the view. */
static void __attribute__((noreturn)) play(int orders, int answers) {
    char order[64];
    FILE *lines = fdopen(orders, "r");
    for (int started = 0; fgets(order, sizeof order, lines);) {
        order[strcspn(order, "\n")] = 0;
        struct answer answer = {.result = obey(order)};
        started |= strcmp(order, "start") == 0;
        if (started) answer.view = view();
        if (write(answers, &answer, sizeof answer) != sizeof answer) die("write: %m");
    }
    exit(0);
}

static struct answer ask(struct actor *actor, const char *order) {
    struct answer answer;
    struct pollfd waiting = {actor->answers[0], POLLIN, 0};
    dprintf(actor->orders[1], "%s\n", order);
    if (poll(&waiting, 1, (int)(WAIT_NS / 1000000)) != 1) die("%s: no answer", order);
    if (read(actor->answers[0], &answer, sizeof answer) != sizeof answer) die("%s: the process has ended", order);
    return answer;
}

static void begin(struct actor *actor) {
    if (pipe2(actor->orders, 02000000) != 0 || pipe2(actor->answers, 02000000) != 0) die("pipe2: %m");
    actor->pid = fork();
    if (actor->pid == 0) play(actor->orders[0], actor->answers[1]);
    close(actor->orders[0]), close(actor->answers[1]);
}

static void end(struct actor *actor, int by_signal) {
    if (by_signal) kill(actor->pid, SIGKILL);
    else dprintf(actor->orders[1], "exit\n");
    waitpid(actor->pid, NULL, 0);
    close(actor->orders[1]), close(actor->answers[0]);
    *actor = (struct actor){0};
}

/* Waits until all see what the books say: a death takes a moment to be noticed. Answers the MiB in use. */
static uint64_t agree(const char *step) {
    for (int64_t deadline = now() + WAIT_NS;;) {
        uint64_t device = books().device, seen = device;
        for (struct actor *actor = actors; actor < actors + 26; actor++)
            if (actor->started && seen == device) seen = ask(actor, "see").view;
        if (seen == device && books().device == device) return device / MIB;
        if (now() > deadline) die("%s: %ju bytes are shown, the books say %ju", step, (uintmax_t)seen, (uintmax_t)device);
    }
}

int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        char *word = words[i];
        if (word[0] < 'A' || word[0] > 'Z' || word[1] != ':') die("step %s: accepted is A:… to Z:…", word);
        struct actor *actor = &actors[word[0] - 'A'];
        int result = 0;
        if (!actor->pid) begin(actor);
        if (strcmp(word + 2, "kill") == 0 || strcmp(word + 2, "exit") == 0) {
            end(actor, word[2] == 'k');
        } else {
            result = ask(actor, word + 2).result;
            actor->started |= strcmp(word + 2, "start") == 0;
        }
        printf("%s = %d in use %ju\n", word, result, (uintmax_t)agree(word));
        fflush(stdout);
    }
    return 0;
}
