/* What befalls a program while it waits for its share.

     exec ROUNDS        threads launch without pause, and the process replaces itself by this program in the middle of it, so often;
                        then `rounds N same process 1` and `share S`: percent of the device since the beginning, by the
                        simulator's books
     destroy SECONDS    streams and contexts are destroyed while another thread waits for its share, and others are made in their
                        place; `launched 1 streams 1 contexts 1 last 0` (there were any, and the last wait's result), then `share S`
     fork ROUNDS        children are forked while threads launch: one exits, the next changes a graph before; `children N`: of those
                        that came to their end */
#include <stdatomic.h>
#include <sys/wait.h>

#include "compute.h"

/* AHEAD: at most so many launches of a thread are not waited for; without a limit they would pile up. */
enum { THREADS = 3, ROUND_MS = 400, KEPT = 64, AHEAD = 4 };

extern __typeof__(*(PFN_cuGraphExecUpdate_v2)0) cuGraphExecUpdate_v2;
static CUcontext context;
static CUfunction spin;
static _Atomic int stop;
static _Atomic long launched, streams, contexts;

/* Nanoseconds for which the simulated device, the only one, was at work. */
static double busy(void) {
    char text[1 << 16];
    books_text(text, sizeof text);
    char *at = strstr(text, "\"busy_ns\":");
    if (!at) die("books without device-time: %s", text);
    return strtod(at + 10, NULL);
}

static void say_share(int64_t begin) { printf("share %.1f\n", 100 * busy() / (double)(now() - begin)); }

static void sleep_until(int64_t time) {
    struct timespec until = {time / 1000000000, time % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

static void *launches(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    CUstream own = stream();
    while (!stop) {
        check(launch(spin, own), "cuLaunchKernel");
        if (++launched % AHEAD == 0) check(cuStreamSynchronize(own), "cuStreamSynchronize");
    }
    check(cuStreamDestroy_v2(own), "cuStreamDestroy of the thread's own");
    return NULL;
}

/* The words after `exec`: rounds to come, rounds in all, when all began, and the process's number. */
static void run_exec(char **words, int count) {
    long left = atol(words[0]), all = count > 1 ? atol(words[1]) : left;
    pthread_t threads[THREADS];
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    spin = kernel_us(2000);
    int64_t begin = count > 2 ? atoll(words[2]) : now(), round = now();
    long process = count > 3 ? atol(words[3]) : getpid();
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, launches, NULL);
    sleep_until(round + ROUND_MS * INT64_C(1000000));
    if (!launched) die("nothing was launched with %ld rounds to come", left);
    if (left > 1) {
        char texts[4][32];
        snprintf(texts[0], 32, "%ld", left - 1), snprintf(texts[1], 32, "%ld", all);
        snprintf(texts[2], 32, "%jd", (intmax_t)begin), snprintf(texts[3], 32, "%ld", process);
        char *again[] = {"again", "exec", texts[0], texts[1], texts[2], texts[3], NULL};
        execv("/proc/self/exe", again);
        die("execv: %m");
    }
    say_share(begin);
    printf("rounds %ld same process %d\n", all, process == getpid());
    fflush(stdout);
    _exit(0); /* a launch that waits for its share is not waited for */
}

/* A stream comes, is given work, and goes while that work is on its way; so its handle comes back for another. */
static void *changes_streams(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (; !stop; streams++) {
        CUstream made = stream();
        check(launch(spin, made), "cuLaunchKernel into a stream that goes");
        if (streams % AHEAD == 0) check(cuStreamSynchronize(made), "cuStreamSynchronize of one that goes");
        check(cuStreamDestroy_v2(made), "cuStreamDestroy");
    }
    return NULL;
}

static void *changes_contexts(void *unused) {
    (void)unused;
    for (; !stop; contexts++) {
        CUcontext made;
        check(cuCtxCreate_v2(&made, 0, 0), "cuCtxCreate");
        CUstream on = stream();
        check(launch(kernel_us(2000), on), "cuLaunchKernel in a context that goes");
        if (contexts % AHEAD == 0) check(cuCtxSynchronize(), "cuCtxSynchronize");
        if (contexts % 2) check(cuStreamDestroy_v2(on), "cuStreamDestroy in a context that goes");
        check(cuCtxDestroy_v2(made), "cuCtxDestroy");
    }
    return NULL;
}

static void run_destroy(double seconds) {
    pthread_t threads[THREADS];
    CUstream kept[KEPT];
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    spin = kernel_us(2000);
    for (int i = 0; i < KEPT; i++) {
        kept[i] = stream();
        check(launch(kernel_us(20), kept[i]), "cuLaunchKernel into a stream that is kept");
    }
    int64_t begin = now(), time = (int64_t)(seconds * 1e9);
    pthread_create(&threads[0], NULL, launches, NULL);
    pthread_create(&threads[1], NULL, changes_streams, NULL);
    pthread_create(&threads[2], NULL, changes_contexts, NULL);
    /* This thread never waits for a share, so it destroys while the others do. */
    for (int i = 0; i < KEPT; i++) {
        sleep_until(begin + time * (i + 1) / KEPT);
        check(cuStreamDestroy_v2(kept[i]), "cuStreamDestroy of one that was kept");
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CUresult last = cuCtxSynchronize();
    say_share(begin);
    printf("launched %d streams %d contexts %d last %d\n", launched > 0, streams > 0, contexts > 0, last);
}

static void run_fork(long rounds) {
    pthread_t threads[THREADS];
    int status;
    long ended = 0;
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    spin = kernel_us(150);
    check(launch(spin, NULL), "cuLaunchKernel");
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, launches, NULL);
    for (long i = 0; i < rounds; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            if (i % 2) cuGraphExecUpdate_v2(NULL, NULL, NULL); /* the driver's answer, whatever it is */
            exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) die("fork");
        if (status) break; /* once is enough */
        ended++;
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("children %ld\n", ended);
}

int main(int count, char **words) {
    if (count >= 3 && strcmp(words[1], "exec") == 0) run_exec(words + 2, count - 2);
    else if (count == 3 && strcmp(words[1], "destroy") == 0) run_destroy(atof(words[2]));
    else if (count == 3 && strcmp(words[1], "fork") == 0) run_fork(atol(words[2]));
    else die("no such case");
    return 0;
}
