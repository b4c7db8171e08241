/* A process that times its own calls, and its parent, which starts four others around it again and again, stops some of
   them for a moment, and kills them all.

   Arguments: the program to kill, the number of batches of four, a seed, the quota in MiB, and the points of a library
   that stops or kills at points ("1,2,20"; "none"): half of the others die there then. After each batch the survivor looks
   at the memory in use until it sees its own alone, and the parent compares that with the simulator's books; while a
   process stands still, the books must not be over the quota.
   Times are in microseconds. "waited" is how long the kernel says that a process stood ready and had no processor. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "driver.h"

#define BATCH 4
#define HELD 16
#define MOST_CALLS (1 << 24)
#define MOST_BATCHES 10000
/* A call, or a return of memory, that takes longer counts as stuck. */
#define STUCK_NS INT64_C(10000000000)

struct shared {
    _Atomic uint64_t asked, answered, resumed;
    _Atomic uint64_t own;      /* bytes that the survivor holds, its context included */
    _Atomic int64_t call_began; /* 0 outside of calls */
    _Atomic uint64_t calls, refused;
    _Atomic int begun, done;
    int64_t recovery[MOST_BATCHES], waited[MOST_BATCHES];
    uint32_t looks[MOST_BATCHES];
    uint32_t time[MOST_CALLS]; /* nanoseconds of each call */
};

static struct shared *shared;
static uint64_t quota;

/* Nanoseconds that this process stood ready without a processor, as the kernel counts them. */
static int64_t waited(void) {
    unsigned long long ran = 0, ready = 0;
    FILE *file = fopen("/proc/self/schedstat", "re");
    if (!file || fscanf(file, "%llu %llu", &ran, &ready) != 2) die("/proc/self/schedstat: %m");
    fclose(file);
    return (int64_t)ready;
}

#define TIMED(call) do { \
        int64_t began = now(); \
        atomic_store(&shared->call_began, began); \
        check(call, #call); \
        int64_t took = now() - began; \
        atomic_store(&shared->call_began, 0); \
        uint64_t number = atomic_fetch_add(&shared->calls, 1); \
        if (number >= MOST_CALLS) die("more than %d calls", MOST_CALLS); \
        shared->time[number] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took; \
    } while (0)

static void survive(void) {
    uint64_t seed = 4711, context;
    size_t free, total;
    static CUdeviceptr held[HELD];
    static size_t bytes[HELD];
    start();
    context = view();
    uint64_t own = context;
    atomic_store(&shared->own, own);
    while (!atomic_load(&shared->begun)) usleep(100);
    while (!atomic_load(&shared->done)) {
        size_t at = draw(&seed) % HELD;
        if (held[at]) {
            TIMED(cuMemFree_v2(held[at]));
            own -= bytes[at], held[at] = 0;
        } else {
            bytes[at] = (1 + draw(&seed) % 16) << 21; /* whole pages of 2 MiB */
            CUresult result;
            TIMED((result = cuMemAlloc_v2(&held[at], bytes[at])) == CUDA_ERROR_OUT_OF_MEMORY ? CUDA_SUCCESS : result);
            if (result == CUDA_SUCCESS) own += bytes[at];
            else held[at] = 0, atomic_fetch_add(&shared->refused, 1);
        }
        TIMED(cuMemGetInfo_v2(&free, &total));
        if (total - free < own) die("%zu bytes in use are shown, and %ju are held here alone", total - free, (uintmax_t)own);
        uint64_t batch = atomic_load(&shared->answered);
        if (atomic_load(&shared->asked) == batch) {
            usleep(20); /* leaves the processor to the others: their deaths are what is looked for */
            continue;
        }
        int64_t ready = waited(), began = now(), seen;
        uint32_t looks = 0;
        uint64_t used;
        do {
            looks++;
            used = view();
            seen = now();
        } while (used != own && seen - began < STUCK_NS);
        if (used != own)
            die("batch %ju: 10 s after the others' death %ju bytes are shown, and %ju are held", (uintmax_t)batch,
                (uintmax_t)used, (uintmax_t)own);
        shared->waited[batch] = waited() - ready;
        shared->recovery[batch] = seen - began, shared->looks[batch] = looks;
        atomic_store(&shared->own, own);
        atomic_store(&shared->answered, batch + 1);
        while (atomic_load(&shared->resumed) == batch) usleep(50);
    }
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int ascending_wide(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Waits until `condition`, and dies when the survivor is stuck meanwhile. */
#define AWAIT(condition, pause) \
    for (int64_t began = now(); !(condition); usleep(pause)) \
        if (now() - began > 2 * STUCK_NS) die("the survivor is stuck, in a call for %jd ns", (intmax_t)in_call())

/* Nanoseconds that the survivor is in its present call; 0 when it is in none. */
static int64_t in_call(void) {
    int64_t began = atomic_load(&shared->call_began);
    return began ? now() - began : 0;
}

/* One process that is to die, and when. */
struct victim {
    pid_t pid; /* 0: it is dead */
    _Atomic uint64_t *progress;
    int64_t at;     /* dies at this time */
    uint64_t after; /* or when it has come this far */
    int point;      /* or has the library stop or kill it; 0: it does not */
};

static unsigned stages[5], stops, stops_at_points, kills_at_points, point_hits[64];

static void start_victim(struct victim *victim, char **arguments, const int *points, int count, uint64_t *seed) {
    /* Of those without a point, half die by the clock, which hits the start; half after some calls, which hits these. */
    int by_clock = draw(seed) % 2;
    char own_seed[24], file[12], point[40] = "";
    victim->point = count && draw(seed) % 2 ? points[draw(seed) % (unsigned)count] : 0;
    victim->at = by_clock && !victim->point ? now() + (int64_t)(draw(seed) % 8000000) : INT64_MAX;
    victim->after = by_clock && !victim->point ? UINT64_MAX : draw(seed) % 400;
    if (victim->point) {
        /* A process takes over a slot once, and seldom recovers one: there the first pass; elsewhere any of sixty. */
        unsigned passes = victim->point >= 6 && victim->point <= 10 ? 1 : 60;
        snprintf(point, sizeof point, "%d@%u=%s", victim->point, (unsigned)(draw(seed) % passes), draw(seed) % 4 ? "KILL" : "STOP");
    }
    int word = memfd_create("progress", 0);
    if (word < 0 || ftruncate(word, 8) != 0) die("memfd: %m");
    victim->progress = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, word, 0);
    snprintf(own_seed, sizeof own_seed, "%ju", (uintmax_t)(draw(seed) | 1));
    snprintf(file, sizeof file, "%d", word);
    victim->pid = fork();
    if (victim->pid == 0) {
        if (point[0]) setenv("HAMI_KILL_POINT", point, 1);
        execl(arguments[1], arguments[1], own_seed, file, arguments[5][0] == 'n' ? "pools" : "plain", NULL);
        _exit(127);
    }
    close(word);
}

/* A process stands still somewhere: the survivor goes on, and the device gives no more than the quota. */
static void look_at_stopped(void) {
    uint64_t calls = atomic_load(&shared->calls);
    AWAIT(atomic_load(&shared->calls) >= calls + 20, 50);
    uint64_t given = books().device;
    if (given > quota) die("the device gives %ju bytes, over the quota", (uintmax_t)given);
}

/* Answers whether it is dead now. */
static int look_at(struct victim *victim, uint64_t *seed) {
    int status, due = now() >= victim->at || atomic_load(victim->progress) >= victim->after;
    pid_t changed = waitpid(victim->pid, &status, WNOHANG | WUNTRACED);
    if (changed == victim->pid && WIFSTOPPED(status)) {
        point_hits[victim->point]++, stops_at_points++;
        look_at_stopped();
        due = 1, changed = 0;
    } else if (changed == 0 && due && draw(seed) % 4 == 0) { /* some stand still for a while first, wherever they are */
        kill(victim->pid, SIGSTOP);
        stops++;
        usleep((useconds_t)(draw(seed) % 3000));
    }
    if (changed == 0 && !due) return 0;
    if (changed == 0) {
        kill(victim->pid, SIGKILL);
        while ((changed = waitpid(victim->pid, &status, WUNTRACED)) == victim->pid && WIFSTOPPED(status)) {}
    } else if (victim->point) {
        point_hits[victim->point]++, kills_at_points++;
    }
    if (changed != victim->pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        die("a process ended by itself, with status %d, at step %ju", status, (uintmax_t)*victim->progress);
    uint64_t stage = atomic_load(victim->progress);
    stages[stage > 4 ? 4 : stage]++;
    munmap((void *)victim->progress, 8);
    return 1;
}

int main(int count, char **arguments) {
    if (count != 6) die("usage: survivor KILLEE BATCHES SEED QUOTA POINTS");
    int batches = atoi(arguments[2]), points[64], point_count = 0;
    uint64_t seed = strtoull(arguments[3], NULL, 10);
    quota = strtoull(arguments[4], NULL, 10) << 20;
    for (char *text = arguments[5]; *text >= '0' && *text <= '9' && point_count < 64; text += *text == ',')
        points[point_count] = (int)strtol(text, &text, 10) % 64, point_count++;
    if (batches > MOST_BATCHES) die("%d batches: accepted are up to %d", batches, MOST_BATCHES);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) die("mmap: %m");
    pid_t survivor = fork();
    if (survivor == 0) {
        survive();
        exit(0);
    }
    AWAIT(atomic_load(&shared->own) != 0, 1000);
    struct books alone = books();
    if (alone.device != shared->own)
        die("the survivor sees %ju bytes, the books say %ju", (uintmax_t)shared->own, (uintmax_t)alone.device);
    atomic_store(&shared->begun, 1);
    for (int batch = 0; batch < batches; batch++) {
        struct victim victims[BATCH];
        for (int i = 0; i < BATCH; i++) start_victim(&victims[i], arguments, points, point_count, &seed);
        int64_t began = now();
        for (int left = BATCH; left > 0;) {
            for (int i = 0; i < BATCH; i++)
                if (victims[i].pid && look_at(&victims[i], &seed)) victims[i].pid = 0, left--;
            /* Where there is no room for all, one whose point or calls do not come dies all the same. */
            if (now() - began > 300000000)
                for (int i = 0; i < BATCH; i++) victims[i].at = 0;
            if (now() - began > 2 * STUCK_NS) die("a process is stuck: not killed after %jd ns", (intmax_t)(now() - began));
            if (in_call() > STUCK_NS) die("the survivor is stuck in a call");
            usleep(20);
        }
        atomic_fetch_add(&shared->asked, 1);
        AWAIT(atomic_load(&shared->answered) == (uint64_t)batch + 1, 100);
        struct books truth = books();
        if (truth.device != shared->own)
            die("batch %d: the survivor holds %ju bytes, the books say %ju", batch, (uintmax_t)shared->own,
                (uintmax_t)truth.device);
        if (truth.device > quota) die("batch %d: %ju bytes, over the quota", batch, (uintmax_t)truth.device);
        atomic_fetch_add(&shared->resumed, 1);
    }
    atomic_store(&shared->done, 1);
    int status;
    if (waitpid(survivor, &status, 0) != survivor || status != 0) die("the survivor ended with status %d", status);

    printf("killed %d: before the start %u, before cuInit was done %u, before the context %u, before the first call %u, later %u\n",
           batches * BATCH, stages[0], stages[1], stages[2], stages[3], stages[4]);
    printf("random-stops %u point-stops %u point-kills %u refused %ju at-each", stops, stops_at_points, kills_at_points,
           (uintmax_t)shared->refused);
    for (int i = 0; i < point_count; i++) printf(" %d:%u", points[i], point_hits[points[i]]);
    printf("\n");
    uint64_t calls = shared->calls;
    qsort(shared->time, calls, sizeof *shared->time, ascending);
#define AT(part) (shared->time[(size_t)((double)(calls - 1) * (part))] / 1e3)
    printf("calls %ju p50 %.1f p99 %.1f p99.9 %.1f worst %.1f\n", (uintmax_t)calls, AT(0.5), AT(0.99), AT(0.999), AT(1));
    int64_t net[MOST_BATCHES];
    uint64_t looks = 0;
    for (int i = 0; i < batches; i++) net[i] = shared->recovery[i] - shared->waited[i], looks += shared->looks[i] > 1;
    qsort(net, (size_t)batches, sizeof *net, ascending_wide);
    qsort(shared->recovery, (size_t)batches, sizeof *shared->recovery, ascending_wide);
    printf("return p50 %.1f p99 %.1f worst %.1f worst-without-waited %.1f not-at-first-look %ju\n",
           (double)shared->recovery[batches / 2] / 1e3, (double)shared->recovery[batches * 99 / 100] / 1e3,
           (double)shared->recovery[batches - 1] / 1e3, (double)net[batches - 1] / 1e3, (uintmax_t)looks);
    return 0;
}
