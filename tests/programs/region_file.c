/* What a process meets around the region's file: no descriptor left, signals in every call; and what must stay as it was.

   Argument: descriptors, storm, untouched, or hold (says what it holds whenever a byte comes in). */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "driver.h"

/* No descriptor is left when the driver and the region are needed for the first time; later there are some again. */
static void descriptors(void) {
    CUcontext context;
    CUdeviceptr memory;
    int count = 0, last = -1, opened;
    /* As many as an ordinary process may have, at most: not all of the machine's. */
    while (count++ < 1 << 20 && (opened = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) last = opened;
    if (last < 0 || errno != EMFILE) die("the descriptors do not run out: %m");
    CUresult without = cuInit(0);
    if (without == CUDA_SUCCESS) without = cuDevicePrimaryCtxRetain(&context, 0);
    for (int i = 0; i < 8; i++) close(last - i);
    check(cuInit(0), "cuInit with descriptors again");
    check(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain with descriptors again");
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    check(cuMemAlloc_v2(&memory, 5 << 20), "cuMemAlloc");
    printf("without: %s, then %ju of %ju in use\n", without == CUDA_SUCCESS ? "granted" : "refused", (uintmax_t)view(), (uintmax_t)books().device);
}

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

/* A signal every 50 microseconds, which interrupts what can be interrupted, through everything. */
static void storm(void) {
    struct sigaction action = {.sa_handler = count_signal};
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    CUdeviceptr held[64] = {0};
    uint64_t seed = 4711, bytes[64] = {0}, sum = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    start();
    uint64_t context = view();
    for (int calls = 0; calls < 20000 || signals < 2000; calls++) {
        size_t at = draw(&seed) % 64;
        if (held[at]) {
            check(draw(&seed) % 2 ? cuMemFree_v2(held[at]) : cuMemFreeAsync(held[at], NULL), "free");
            sum -= bytes[at], held[at] = 0;
        } else {
            bytes[at] = (1 + draw(&seed) % 8) << 21;
            check(cuMemAlloc_v2(&held[at], bytes[at]), "cuMemAlloc");
            sum += bytes[at];
        }
        if (view() != context + sum) die("call %d: %ju bytes are shown, %ju are held", calls, (uintmax_t)view(), (uintmax_t)(context + sum));
    }
    CUresult refused = cuMemAlloc_v2(&held[0], (size_t)1 << 40);
    setitimer(ITIMER_REAL, &never, NULL);
    struct books truth = books();
    printf("refused %d, %s\n", refused, truth.device == context + sum ? "books agree" : "books differ");
}

/* What a process can ask of its own state, as one text. */
static void state(char *text, size_t size) {
    int length = 0;
    sigset_t mask;
    extern char **environ;
#define SAY(...) length += snprintf(text + length, size - (size_t)length, __VA_ARGS__)
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number < 65; number++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(number, NULL, &action);
        SAY("signal %d: %d %p %x\n", number, sigismember(&mask, number), (void *)action.sa_handler, (unsigned)action.sa_flags);
    }
    mode_t old = umask(0);
    umask(old);
    char folder[4096];
    SAY("umask %o, folder %s\n", old, getcwd(folder, sizeof folder));
    for (char **variable = environ; *variable; variable++) SAY("%s\n", *variable);
}

/* Descriptors that a program started from here would inherit. */
static int inherited(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int flags = fcntl(atoi(entry->d_name), F_GETFD);
        count += entry->d_name[0] != '.' && flags >= 0 && !(flags & FD_CLOEXEC);
    }
    closedir(folder);
    return count;
}

static void untouched(void) {
    static char before[1 << 17], after[1 << 17];
    sigset_t mask;
    CUdeviceptr memory, more;
    size_t free, total;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGBUS, count_signal);
    umask(0137);
    state(before, sizeof before);
    int open_before = inherited();
#define SAME_ERRNO(call) do { errno = 1234; check(call, #call); if (errno != 1234) die("errno is %d after %s", errno, #call); } while (0)
    CUcontext context;
    SAME_ERRNO(cuInit(0));
    SAME_ERRNO(cuDevicePrimaryCtxRetain(&context, 0));
    SAME_ERRNO(cuCtxSetCurrent(context));
    SAME_ERRNO(cuMemAlloc_v2(&memory, 3 << 20));
    SAME_ERRNO(cuMemAllocAsync(&more, 3 << 20, NULL));
    SAME_ERRNO(cuMemGetInfo_v2(&free, &total));
    errno = 1234;
    if (cuMemAlloc_v2(&more, (size_t)1 << 40) != CUDA_ERROR_OUT_OF_MEMORY) die("not refused");
    if (errno != 1234) die("errno is %d after a refusal", errno);
    SAME_ERRNO(cuMemFree_v2(memory));
    state(after, sizeof after);
    if (strcmp(before, after) != 0) die("changed: before\n%s\nafter\n%s", before, after);
    if (inherited() != open_before) die("%d descriptors would be inherited, %d before", inherited(), open_before);
    printf("untouched\n");
}

static void hold(void) {
    CUdeviceptr memory;
    char byte;
    start();
    check(cuMemAlloc_v2(&memory, 64 << 20), "cuMemAlloc");
    do {
        CUdeviceptr more;
        CUresult result = cuMemAlloc_v2(&more, 2 << 20);
        if (result == CUDA_SUCCESS) check(cuMemFree_v2(more), "cuMemFree");
        printf("result %d holds %ju\n", result, (uintmax_t)view());
        fflush(stdout);
    } while (read(0, &byte, 1) == 1);
}

int main(int count, char **arguments) {
    const char *what = count == 2 ? arguments[1] : "";
    if (strcmp(what, "descriptors") == 0) descriptors();
    else if (strcmp(what, "storm") == 0) storm();
    else if (strcmp(what, "untouched") == 0) untouched();
    else if (strcmp(what, "hold") == 0) hold();
    else die("usage: region_file descriptors|storm|untouched|hold");
    return 0;
}
