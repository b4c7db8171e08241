/* Processes that come and go in every way, argument 1 says which. After each step the tenant's view must be what the simulator's
   books say of the device, which has no other tenant; `held LABEL MIB` is printed then. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>

#include "driver.h"
#include "hami_nvml.h"

#define MIB ((size_t)1 << 20)
#define WAIT_NS INT64_C(20000000000)
extern char **environ;

static char *self;

/* A point that one process comes to and another waits at. */
struct gate { int ends[2]; };

static struct gate gate(void) {
    struct gate made;
    if (pipe(made.ends) != 0) die("pipe: %m");
    return made;
}

static void open_gate(struct gate gate) {
    if (write(gate.ends[1], "x", 1) != 1) die("write: %m");
}

static void pass(struct gate gate) {
    char byte;
    close(gate.ends[1]); /* so that the other's death is seen */
    if (read(gate.ends[0], &byte, 1) != 1) die("the other process did not come to the gate");
}

static CUdeviceptr allocate(size_t mib) {
    CUdeviceptr memory;
    check(cuMemAlloc_v2(&memory, mib * MIB), "cuMemAlloc");
    return memory;
}

/* Waits until the device has given as much as said, which a death elsewhere may still have to bring about. */
static void settle(uint64_t mib) {
    for (int64_t deadline = now() + WAIT_NS; books().device != mib * MIB;)
        if (now() > deadline) die("the books say %ju MiB of the device, not %ju", (uintmax_t)(books().device / MIB), (uintmax_t)mib);
}

/* A view may be as old as the last look for the dead: 2 ms, and a tick of the clock. */
static void held(const char *label, uint64_t mib) {
    settle(mib);
    for (int64_t deadline = now() + WAIT_NS; view() != mib * MIB;)
        if (now() > deadline) die("%s: the view is %ju MiB, the books say %ju", label, (uintmax_t)(view() / MIB), (uintmax_t)mib);
    printf("held %s %ju\n", label, (uintmax_t)mib);
}

static void reap(pid_t child, int expected) {
    int status;
    if (waitpid(child, &status, 0) != child || status != expected) die("child ended with status %d, not %d", status, expected);
}

/* In a fresh process: takes memory and holds it until it is killed; comes to the gate at descriptor `number` first. */
static void hold(const char *mib, const char *number) {
    start();
    allocate(strtoul(mib, NULL, 10));
    if (write(atoi(number), "x", 1) != 1) die("write: %m");
    for (;;) pause();
}

static char **hold_words(char *mib, struct gate gate) {
    static char number[16], *words[5];
    snprintf(number, sizeof number, "%d", gate.ends[1]);
    char *all[] = {self, "hold", mib, number, NULL};
    memcpy(words, all, sizeof all);
    return words;
}

/* Asks NVML for the memory in use: that opens the region, and CUDA is not initialised. */
static void ask_nvml(void) {
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
#define NVML(name) ((PFN_##name)dlsym(library, #name))
    nvmlDevice_t device;
    nvmlMemory_t memory;
    if (!library || NVML(nvmlInit_v2)() || NVML(nvmlDeviceGetHandleByIndex_v2)(0, &device) || NVML(nvmlDeviceGetMemoryInfo)(device, &memory))
        die("NVML");
    if (memory.total != 8192 * MIB || memory.used != 0) die("NVML: total %llu used %llu", memory.total, memory.used);
}

/* Forks before CUDA is initialised: each process has a place of its own. `asked`: calls were made that came too early (1), or
   NVML was asked (2). */
static void fork_before(int asked) {
    struct gate ready = gate(), go = gate();
    int number;
    size_t bytes;
    if (asked == 2) ask_nvml();
    if (asked == 1 && (cuDeviceGetCount(&number) == 0 || cuDeviceTotalMem_v2(&bytes, 0) == 0)) die("a call before cuInit succeeded");
    pid_t child = fork();
    if (child == 0) {
        start();
        allocate(100);
        open_gate(ready);
        pass(go);
        allocate(30);
        exit(0);
    }
    start();
    CUdeviceptr memory = allocate(50);
    pass(ready);
    held("both", 96 + 50 + 96 + 100);
    open_gate(go);
    reap(child, 0);
    held("parent", 96 + 50);
    check(cuMemFree_v2(memory), "cuMemFree");
    held("context", 96);
}

/* Forks while memory is held: the child's calls fail, as the driver has them fail, and nothing changes for the parent. */
static void fork_after(void) {
    start();
    CUdeviceptr memory = allocate(100);
    for (int round = 0; round < 6; round++) {
        pid_t child = fork();
        if (child == 0) {
            CUdeviceptr other;
            CUcontext context;
            size_t free, total;
            alarm(20);
            if (round % 3 == 1) kill(getpid(), SIGKILL);
            if (round % 3 == 2 && fork() == 0) exit(cuMemFree_v2(memory)); /* a grandchild that ends some time later */
            int results[] = {cuMemAlloc_v2(&other, MIB), cuMemFree_v2(memory), cuMemGetInfo_v2(&free, &total),
                             cuDevicePrimaryCtxRetain(&context, 0), cuDevicePrimaryCtxRelease_v2(0), cuInit(0)};
            for (size_t i = 0; i < sizeof results / sizeof *results; i++)
                if (results[i] != CUDA_ERROR_NOT_INITIALIZED) _exit((int)(100 + i));
            exit(3);
        }
        reap(child, round % 3 == 1 ? SIGKILL : 3 << 8);
        held("after-child", 96 + 100);
    }
    check(cuMemFree_v2(memory), "cuMemFree");
    held("freed", 96);
}

static void *churn(void *stop) {
    start();
    while (!__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST)) {
        CUdeviceptr memory = allocate(2);
        view();
        check(cuMemFree_v2(memory), "cuMemFree");
    }
    return NULL;
}

/* Forks while threads are in the middle of calls, whatever locks they hold: the child's calls come back. */
static void fork_busy(void) {
    static int stop;
    pthread_t threads[4];
    start();
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, churn, &stop);
    for (int round = 0; round < 300; round++) {
        pid_t child = fork();
        if (child == 0) {
            CUdeviceptr memory;
            size_t free, total;
            void *function;
            alarm(20);
            int good = cuMemAlloc_v2(&memory, MIB) == CUDA_ERROR_NOT_INITIALIZED && cuMemGetInfo_v2(&free, &total) != 0;
            good &= dlsym(RTLD_DEFAULT, "cuMemAlloc_v2") != NULL;
            cuGetProcAddress("cuMemAlloc", &function, 12000, 0);
            _exit(good ? 0 : 1);
        }
        reap(child, 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    held("after-forks", 96);
}

/* A process is killed whose forked child lives on: what it held is the device's to keep or to free, and the view follows. */
static void orphan(void) {
    struct gate ready = gate();
    pid_t *last = mmap(NULL, sizeof *last, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = fork();
    if (parent == 0) {
        start();
        allocate(100);
        pid_t own = fork();
        if (own == 0)
            for (;;) pause();
        *last = own;
        open_gate(ready);
        for (;;) pause();
    }
    pass(ready);
    start();
    held("both", 96 + 100 + 96);
    kill(parent, SIGKILL);
    reap(parent, SIGKILL);
    for (int64_t deadline = now() + WAIT_NS; view() != books().device;)
        if (now() > deadline) die("the view is %ju, the books say %ju", (uintmax_t)view(), (uintmax_t)books().device);
    kill(*last, SIGKILL);
    held("after-both", 96);
}

static pid_t by_fork(char **words) {
    pid_t child = fork();
    if (child == 0) {
        execv(self, words);
        _exit(127);
    }
    return child;
}

static pid_t by_vfork(char **words) {
    pid_t child = vfork();
    if (child == 0) {
        execv(self, words);
        _exit(127);
    }
    return child;
}

static pid_t by_spawn(char **words) {
    pid_t child;
    if ((errno = posix_spawn(&child, self, NULL, NULL, words, environ)) != 0) die("posix_spawn: %m");
    return child;
}

/* Children that exec allocate on their own, and the tenant's sum follows their lives. */
static void exec_child(pid_t (*begin)(char **)) {
    start();
    CUdeviceptr memory = allocate(100);
    for (int round = 0; round < 3; round++) {
        struct gate ready = gate();
        pid_t child = begin(hold_words("40", ready));
        pass(ready);
        held("with-child", 96 + 100 + 96 + 40);
        kill(child, SIGKILL);
        reap(child, SIGKILL);
        held("without-child", 96 + 100);
    }
    check(cuMemFree_v2(memory), "cuMemFree");
    held("freed", 96);
}

/* A daemon: forked twice, in a session of its own, outlives who started it. `exec`: its starter uses CUDA already. */
static void daemonised(int exec) {
    struct gate ready = gate();
    pid_t *daemon = mmap(NULL, sizeof *daemon, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (exec) start();
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        pid_t own = fork();
        if (own == 0) {
            *daemon = getpid();
            if (exec) execv(self, hold_words("70", ready));
            else hold("70", hold_words("70", ready)[3]);
            _exit(127);
        }
        _exit(0);
    }
    reap(middle, 0);
    pass(ready);
    if (!exec) start();
    held("with-daemon", 96 + 70 + 96);
    if (kill(*daemon, SIGKILL) != 0) die("the daemon is not there: %m");
    held("without-daemon", 96);
}

/* Execs itself while it holds memory: the device takes all back, and so does the tenant. */
static void reexec(int rounds) {
    char left[16];
    start();
    allocate(512);
    held("before-exec", 96 + 512);
    snprintf(left, sizeof left, "%d", rounds - 1);
    if (rounds > 0) execl(self, self, "reexec", left, NULL);
}

/* Processes that end without freeing, by return, exit, _exit and a signal; the next one finds everything there. */
static void exits(void) {
    start();
    for (int way = 0; way < 4; way++) {
        struct gate ready = gate();
        pid_t child = by_fork((char *[]){self, "end", (char *[]){"exit", "_exit", "abort", "quick"}[way], NULL});
        close(ready.ends[0]), close(ready.ends[1]);
        reap(child, way == 2 ? SIGABRT : 7 << 8);
        held("after-exit", 96);
    }
}

static void end(const char *way) {
    start();
    allocate(1024);
    if (way[0] == 'e') exit(7);
    if (way[0] == '_') _exit(7);
    if (way[0] == 'q') quick_exit(7);
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* Prints what a refused and a granted request get, and the view: for a process with limits of its own. */
static void tell(void) {
    CUdeviceptr memory;
    CUcontext context;
    size_t free = 0, total = 0;
    int retain, granted = 0;
    check(cuInit(0), "cuInit");
    if ((retain = cuDevicePrimaryCtxRetain(&context, 0)) == 0) {
        check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
        while (granted < 1024 && cuMemAlloc_v2(&memory, 64 * MIB) == CUDA_SUCCESS) granted++;
        check(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    } else check(cuDeviceTotalMem_v2(&total, 0), "cuDeviceTotalMem");
    printf("retain %d granted %d total %zu free %zu own %ju\n", retain, granted, total / MIB, free / MIB, (uintmax_t)(books().own / MIB));
}

/* Holds memory while a child runs `tell` in an environment with other limits: the words after the case, `NAME=VALUE`. */
static void other_limits(int count, char **settings) {
    start();
    allocate(500);
    printf("parent view %ju\n", (uintmax_t)(view() / MIB));
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < count; i++) putenv(settings[i]);
        execl(self, self, "tell", NULL);
        _exit(127);
    }
    reap(child, 0);
    for (int64_t deadline = now() + WAIT_NS; view() != (96 + 500) * MIB;)
        if (now() > deadline) die("the view stays at %ju", (uintmax_t)view());
    printf("parent view %ju\n", (uintmax_t)(view() / MIB));
}

int main(int count, char **words) {
    const char *which = count > 1 ? words[1] : "";
    self = words[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
#define CASE(name, call) if (strcmp(which, name) == 0) { call; return 0; }
    CASE("hold", hold(words[2], words[3]))
    CASE("end", end(words[2]))
    CASE("tell", tell())
    CASE("fork-before", fork_before(0))
    CASE("fork-before-asked", fork_before(1))
    CASE("fork-before-nvml", fork_before(2))
    CASE("fork-after", fork_after())
    CASE("fork-busy", fork_busy())
    CASE("orphan", orphan())
    CASE("fork-exec", exec_child(by_fork))
    CASE("vfork-exec", exec_child(by_vfork))
    CASE("spawn", exec_child(by_spawn))
    CASE("daemon", daemonised(0))
    CASE("daemon-exec", daemonised(1))
    CASE("reexec", reexec(atoi(words[2])))
    CASE("exits", exits())
    CASE("other-limits", other_limits(count - 2, words + 2))
    die("processes: unknown case %s", which);
}
