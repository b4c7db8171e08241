/* Threads and processes that end at the gate, or right behind it.

     signal ROUNDS     processes that launch without pause until a signal's handler calls exit; `ended N`: of those that came to
                       their end
     short SECONDS     processes that run one kernel each, copy a number from the device, and end; `share S`: percent of the device
     cancel THREADS    threads that are to be cancelled at the next point where they can be, and launch a kernel first; one of these
                       launches is the first of the process. `cancelled N`; then `launched 1`, when another thread and the first
                       one have launched as before */
#include <signal.h>
#include <sys/time.h>

#include "compute.h"

/* PATIENCE_S: what ends at all ends far sooner. */
enum { KERNEL_US = 200000, BRIEF_US = 150, LEAST_US = 1, BUSY = 16, PATIENCE_S = 10 };

static CUcontext context;
static CUfunction brief;

/* Starts this program again, with such arguments. */
static pid_t again(const char *how, long number) {
    extern char **environ;
    char text[32];
    pid_t child;
    snprintf(text, sizeof text, "%ld", number);
    char *words[] = {"again", (char *)how, text, NULL};
    if ((errno = posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, environ)) != 0) die("posix_spawn: %m");
    return child;
}

/* Whether the child ends as it should. SIGCHLD is blocked. */
static int ends(pid_t child) {
    struct timespec patience = {PATIENCE_S, 0};
    sigset_t of_children;
    int status;
    sigemptyset(&of_children);
    sigaddset(&of_children, SIGCHLD);
    int ended = sigtimedwait(&of_children, NULL, &patience) == SIGCHLD;
    if (!ended) kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child) die("waitpid: %m");
    return ended && status == 0;
}

static void watch_children(void) {
    sigset_t of_children;
    sigemptyset(&of_children);
    sigaddset(&of_children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &of_children, NULL) != 0) die("sigprocmask: %m");
}

static void leave(int signal) {
    (void)signal;
    exit(0);
}

/* Kernels in several streams, so that much of the time goes by in looking at their marks. */
static void run_until_signal(long seed) {
    CUstream streams[BUSY];
    uint64_t state = (uint64_t)seed;
    start();
    brief = kernel_us(LEAST_US);
    for (int i = 0; i < BUSY; i++) streams[i] = stream();
    struct itimerval timer = {.it_value = {0, 10000 + (long)(draw(&state) % 20000)}};
    if (signal(SIGALRM, leave) == SIG_ERR || setitimer(ITIMER_REAL, &timer, NULL) != 0) die("a timer: %m");
    for (int i = 0;; i++) check(launch(brief, streams[i % BUSY]), "cuLaunchKernel");
}

static void run_signal(long rounds) {
    long ended = 0;
    watch_children();
    while (ended < rounds && ends(again("until-signal", ended + 1))) ended++; /* one that does not end is enough */
    printf("ended %ld\n", ended);
}

static void run_one(void) {
    CUdeviceptr number;
    char copy[4];
    start();
    check(cuMemAlloc_v2(&number, sizeof copy), "cuMemAlloc");
    check(launch(kernel_us(KERNEL_US), NULL), "cuLaunchKernel");
    check(cuMemcpyDtoH_v2(copy, number, sizeof copy), "cuMemcpyDtoH");
}

static void run_short(double seconds) {
    long kernels = 0;
    watch_children();
    int64_t begin = now(), end = begin + (int64_t)(seconds * 1e9);
    for (; now() < end; kernels++)
        if (!ends(again("one", 0))) die("process %ld did not end as it should", kernels);
    printf("share %.1f\n", 1e5 * (double)kernels * KERNEL_US / (double)(now() - begin));
}

static void launch_and_wait(void) {
    check(launch(brief, NULL), "cuLaunchKernel");
    check(cuStreamSynchronize(NULL), "cuStreamSynchronize");
}

static void *launches(void *unused) {
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    launch_and_wait();
    return unused;
}

static void *cancelled(void *unused) {
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    pthread_cancel(pthread_self());
    check(launch(brief, NULL), "cuLaunchKernel of a thread that is cancelled");
    pthread_testcancel();
    return unused;
}

static void *joined(void *(*work)(void *)) {
    pthread_t thread;
    void *result;
    struct timespec deadline;
    if (pthread_create(&thread, NULL, work, NULL) != 0) die("pthread_create");
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    if ((errno = pthread_timedjoin_np(thread, &result, &deadline)) != 0) die("a thread does not end: %m");
    return result;
}

static void run_cancel(long threads) {
    long ended = 0;
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    brief = kernel_us(BRIEF_US);
    for (long i = 0; i < threads; i++) ended += joined(cancelled) == PTHREAD_CANCELED;
    printf("cancelled %ld\n", ended);
    fflush(stdout);
    joined(launches);
    launch_and_wait();
    puts("launched 1");
}

int main(int count, char **words) {
    if (count != 3) die("no such case");
    if (strcmp(words[1], "signal") == 0) run_signal(atol(words[2]));
    else if (strcmp(words[1], "until-signal") == 0) run_until_signal(atol(words[2]));
    else if (strcmp(words[1], "short") == 0) run_short(atof(words[2]));
    else if (strcmp(words[1], "one") == 0) run_one();
    else if (strcmp(words[1], "cancel") == 0) run_cancel(atol(words[2]));
    else die("no such case");
    return 0;
}
