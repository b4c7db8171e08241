/* What programs rely on around their launches, in the words of its first argument. Prints nothing that depends on how long a
   thing took, so that a run under a cap can be held against one without; under a cap it is in debt most of the time.

     order      host functions, fills, copies and events of a stream come in the order of the calls
     events     timing events: not ready while the kernel before them runs, never less between them than it takes
     errors     what wrong launches answer, and that the current context is the same afterwards
     capture    captures in global mode while another thread launches; no launch waits between begin and end
     fork       what a forked child gets, and that the parent goes on
     destroy    the context is destroyed while another thread launches into it
     signals    a signal that comes while a launch waits is handled while it waits; `handled during the wait` under a cap
     quota      memory is refused beyond the quota while the device is loaded
     traces     threads, and open files beyond those of a program without a device, after a launch
     refused    what cuMemAlloc and a launch answer */
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "compute.h"

/* A kernel of 100 ms: under a cap of 20 % what comes next waits four times as long. */
static const long DEBT_US = 100000;

static CUfunction debt, spin;
static CUstream own;
static CUcontext context;

static void owe(void) {
    check(launch(debt, own), "the kernel that owes");
    check(cuStreamSynchronize(own), "cuStreamSynchronize");
}

enum { ROUNDS = 50 };
static int called[3 * ROUNDS], called_count;
static void note(void *number) { called[called_count++] = (int)(intptr_t)number; }

static void order(void) {
    CUdeviceptr word, copy;
    CUevent before, after;
    CUstream other = stream();
    static unsigned seen[ROUNDS];
    int right = 1;
    check(cuMemAlloc_v2(&word, 4), "cuMemAlloc"), check(cuMemAlloc_v2(&copy, 4), "cuMemAlloc");
    check(cuEventCreate(&before, CU_EVENT_DEFAULT), "cuEventCreate"), check(cuEventCreate(&after, CU_EVENT_DEFAULT), "cuEventCreate");
    for (int i = 0; i < ROUNDS; i++) {
        float elapsed;
        check(cuLaunchHostFunc(own, note, (void *)(intptr_t)(3 * i)), "cuLaunchHostFunc");
        check(launch(spin, own), "cuLaunchKernel");
        check(cuLaunchHostFunc(own, note, (void *)(intptr_t)(3 * i + 1)), "cuLaunchHostFunc");
        check(cuEventRecord(before, own), "cuEventRecord");
        check(cuMemsetD32Async(word, (unsigned)i, 1, own), "cuMemsetD32Async");
        check(cuMemcpyDtoDAsync_v2(copy, word, 4, own), "cuMemcpyDtoDAsync");
        /* The rest on another stream, behind an event. */
        check(cuEventRecord(after, own), "cuEventRecord");
        check(cuStreamWaitEvent(other, after, 0), "cuStreamWaitEvent");
        check(launch(spin, other), "cuLaunchKernel");
        check(cuLaunchHostFunc(other, note, (void *)(intptr_t)(3 * i + 2)), "cuLaunchHostFunc");
        check(cuStreamSynchronize(other), "cuStreamSynchronize");
        check(cuMemcpyDtoH_v2(&seen[i], copy, 4), "cuMemcpyDtoH");
        check(cuEventElapsedTime(&elapsed, before, after), "cuEventElapsedTime");
        right = right && elapsed >= 0;
    }
    for (int i = 0; i < 3 * ROUNDS; i++) right = right && called[i] == i;
    for (int i = 0; i < ROUNDS; i++) right = right && seen[i] == (unsigned)i;
    printf("calls %d in order %d\n", called_count, right);
}

static void events(void) {
    CUevent first, second;
    float elapsed = -1;
    long not_ready = 0, short_ones = 0, backwards = 0;
    check(cuEventCreate(&first, CU_EVENT_DEFAULT), "cuEventCreate"), check(cuEventCreate(&second, CU_EVENT_DEFAULT), "cuEventCreate");
    for (int i = 0; i < 8; i++) {
        check(cuEventRecord(first, own), "cuEventRecord");
        check(launch(debt, own), "cuLaunchKernel");
        check(cuEventRecord(second, own), "cuEventRecord");
        not_ready += cuEventQuery(second) == CUDA_ERROR_NOT_READY && cuEventElapsedTime(&elapsed, first, second) == CUDA_ERROR_NOT_READY;
        check(cuEventSynchronize(second), "cuEventSynchronize");
        check(cuEventQuery(second), "cuEventQuery");
        check(cuEventElapsedTime(&elapsed, first, second), "cuEventElapsedTime");
        short_ones += elapsed < (float)DEBT_US / 1000 - 1;
        check(cuEventElapsedTime(&elapsed, second, first), "cuEventElapsedTime");
        backwards += elapsed > 0;
    }
    printf("not ready %ld too short %ld backwards %ld\n", not_ready, short_ones, backwards);
}

static void errors(void) {
    CUcontext current;
    int wrong;
    CUgraphExec none = NULL;
    printf("no function %d\n", cuLaunchKernel(NULL, 1, 1, 1, 32, 1, 1, 0, own, NULL, NULL));
    printf("no blocks %d\n", cuLaunchKernel(spin, 0, 1, 1, 32, 1, 1, 0, own, NULL, NULL));
    printf("many threads %d\n", cuLaunchKernel(spin, 1, 1, 1, 4096, 1, 1, 0, own, NULL, NULL));
    printf("no stream %d\n", cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, (CUstream)&wrong, NULL, NULL));
    printf("no graph %d\n", cuGraphLaunch(none, own));
    printf("no memory %d\n", cuMemsetD32Async(0, 0, 1, own));
    for (int i = 0; i < 200; i++) check(launch(spin, own), "cuLaunchKernel");
    check(cuCtxGetCurrent(&current), "cuCtxGetCurrent");
    printf("same context %d\n", current == context);
    check(cuCtxSetCurrent(NULL), "cuCtxSetCurrent");
    /* No context is current: the default stream is nobody's. */
    printf("no context %d\n", launch(spin, NULL));
    check(cuCtxGetCurrent(&current), "cuCtxGetCurrent");
    printf("still none %d\n", current == NULL);
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    printf("last %d\n", cuCtxSynchronize());
}

static _Atomic int stop;

static void *launches(void *unused) {
    (void)unused;
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    CUstream mine = stream();
    long count = 0;
    while (!stop) {
        check(launch(spin, mine), "cuLaunchKernel beside a capture");
        if (++count % 8 == 0) check(cuStreamSynchronize(mine), "cuStreamSynchronize beside a capture");
    }
    return (void *)(intptr_t)count;
}

static void capture(void) {
    enum { CAPTURES = 40, LAUNCHES = 20 };
    pthread_t beside;
    void *count;
    long whole = 0, nodes_right = 0;
    int64_t longest = 0;
    pthread_create(&beside, NULL, launches, NULL);
    for (int i = 0; i < CAPTURES; i++) {
        CUgraph graph = NULL;
        CUgraphExec exec;
        size_t nodes = 0;
        int64_t begin = now();
        check(cuStreamBeginCapture_v2(own, CU_STREAM_CAPTURE_MODE_GLOBAL), "cuStreamBeginCapture");
        for (int j = 0; j < LAUNCHES; j++) check(launch(spin, own), "cuLaunchKernel in a capture");
        CUresult result = cuStreamEndCapture(own, &graph);
        if (now() - begin > longest) longest = now() - begin;
        if (result != CUDA_SUCCESS) { printf("capture ended with %d\n", result); break; }
        whole++;
        check(cuGraphGetNodes(graph, NULL, &nodes), "cuGraphGetNodes");
        nodes_right += nodes == LAUNCHES;
        check(cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiateWithFlags");
        if (i % 20 == 0) check(cuGraphLaunch(exec, own), "cuGraphLaunch"), check(cuStreamSynchronize(own), "cuStreamSynchronize");
        check(cuGraphExecDestroy(exec), "cuGraphExecDestroy"), check(cuGraphDestroy(graph), "cuGraphDestroy");
    }
    stop = 1;
    pthread_join(beside, &count);
    /* Twenty kernels of 20 ms under a cap of 20 % would take two seconds if they waited for their share. */
    printf("captures %ld with all nodes %ld none waited %d beside %d\n", whole, nodes_right, longest < 1000000000, count != NULL);
}

static void forked(void) {
    CUdeviceptr memory;
    fflush(stdout);
    owe();
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        printf("child %d %d %d\n", launch(spin, own), cuMemAlloc_v2(&memory, 4096), cuCtxSynchronize());
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    for (int i = 0; i < 20; i++) check(launch(spin, own), "cuLaunchKernel after fork");
    printf("status %d parent %d\n", status, cuCtxSynchronize());
}

static void *launches_until_refused(void *created) {
    CUresult result = cuCtxSetCurrent(created);
    CUfunction function = kernel_us(20000);
    for (int i = 0; result == CUDA_SUCCESS; i++) {
        result = launch(function, NULL);
        if (result == CUDA_SUCCESS && i % 4 == 3) result = cuCtxSynchronize();
    }
    return (void *)(intptr_t)result;
}

static void destroy(void) {
    for (int i = 0; i < 5; i++) {
        CUcontext created;
        pthread_t thread;
        void *result;
        check(cuCtxCreate_v2(&created, 0, 0), "cuCtxCreate");
        pthread_create(&thread, NULL, launches_until_refused, created);
        struct timespec pause = {0, 150000000 + i * 10000000};
        nanosleep(&pause, NULL);
        CUresult destroyed = cuCtxDestroy_v2(created);
        pthread_join(thread, &result);
        printf("destroyed %d refused %d\n", destroyed, result != NULL);
    }
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    printf("launch %d synchronise %d\n", launch(spin, own), cuCtxSynchronize());
}

static _Atomic int64_t handled_at;
static void handle(int signal) {
    (void)signal;
    handled_at = now();
}

static void signals(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_value = {0, 50000}};
    sigaction(SIGALRM, &action, NULL);
    owe(), owe();
    setitimer(ITIMER_REAL, &timer, NULL);
    check(launch(spin, own), "cuLaunchKernel");
    int64_t returned = now();
    while (!handled_at) {}
    puts(handled_at + 50000000 < returned ? "handled during the wait" : "handled, no wait");
}

static void quota(void) {
    enum { PIECE = 64 << 20, MOST = 64 };
    CUdeviceptr pieces[MOST];
    int granted = 0;
    CUresult result = CUDA_SUCCESS;
    while (granted < MOST && (result = cuMemAlloc_v2(&pieces[granted], PIECE)) == CUDA_SUCCESS) {
        check(launch(spin, own), "cuLaunchKernel");
        granted++;
    }
    printf("granted %d last %d\n", granted, result);
    for (int i = 0; i < granted; i++) check(cuMemFree_v2(pieces[i]), "cuMemFree");
    check(cuMemAlloc_v2(&pieces[0], PIECE), "cuMemAlloc after all were freed");
}

static int entries(const char *folder) {
    int count = 0;
    DIR *opened = opendir(folder);
    while (readdir(opened)) count++;
    closedir(opened);
    return count;
}

static void traces(void) {
    for (int i = 0; i < 500; i++) check(launch(spin, own), "cuLaunchKernel");
    check(cuCtxSynchronize(), "cuCtxSynchronize");
    printf("threads %d files %d\n", entries("/proc/self/task"), entries("/proc/self/fd"));
}

static void refused(void) {
    CUdeviceptr memory;
    printf("alloc %d\n", cuMemAlloc_v2(&memory, 4096));
}

int main(int count, char **words) {
    static const struct { const char *name; void (*run)(void); } parts[] = {
        {"order", order}, {"events", events}, {"errors", errors}, {"capture", capture}, {"fork", forked}, {"destroy", destroy},
        {"signals", signals}, {"quota", quota}, {"traces", traces},
    };
    const char *name = count > 1 ? words[1] : "";
    CUcontext none;
    if (strcmp(name, "refused") == 0) {
        check(cuInit(0), "cuInit");
        check(cuDevicePrimaryCtxRetain(&none, 0), "cuDevicePrimaryCtxRetain");
        check(cuCtxSetCurrent(none), "cuCtxSetCurrent");
        refused();
        return 0;
    }
    start();
    check(cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    own = stream();
    debt = kernel_us(DEBT_US), spin = kernel_us(strcmp(name, "capture") == 0 ? 20000 : 2000);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, name) == 0) return parts[i].run(), 0;
    die("no part %s", name);
}
