/* Patterns of a load that are one round of calls, again and again: programs that the host limits, that wait in a stream, that
   have many threads or streams. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common.h"
#include "door.h"
#include "load.h"

enum { MOST_STREAMS = 64, MOST_THREADS = 64, LAUNCHES_IN_ROUND = 4 };

/* A program that is later than this does not catch up, in nanoseconds. */
static const int64_t LATE = 1000000;

static CUstream streams[MOST_STREAMS];
static CUcontext context;
static CUevent reached;
static CUdeviceptr on_device;
static void *on_host;

/* One kernel every `every_us`, the processor busy in between. */
static void paced(const struct work *work) {
    static int64_t due;
    int64_t at = now();
    if (at - due > LATE) due = at;
    while (now() < due) {
    }
    launch(work->kernel, work->stream);
    due += work->every_us * 1000;
}

static void make_streams(const struct work *work) {
    if (work->streams > MOST_STREAMS) die("load: streams=%ld: %d at most", work->streams, MOST_STREAMS);
    for (long i = 0; i < work->streams; i++) streams[i] = new_stream();
}

/* One kernel in each of `streams` streams. */
static void in_streams(const struct work *work) {
    for (long i = 0; i < work->streams; i++) launch(work->kernel, streams[i]);
}

static void keep_context(const struct work *work) {
    if (work->threads > MOST_THREADS) die("load: threads=%ld: %d at most", work->threads, MOST_THREADS);
    check(CALL(cuCtxGetCurrent)(&context), "cuCtxGetCurrent");
}

static void *own_default_stream(void *argument) {
    const struct work *work = argument;
    check(CALL(cuCtxSetCurrent)(context), "cuCtxSetCurrent");
    for (long i = 0; i < work->launches; i++) launch(work->kernel, (CUstream)CU_STREAM_PER_THREAD_AS_INT);
    return NULL;
}

/* `threads` new threads at once, which end after `launches` launches each in their own default streams. */
static void new_threads(const struct work *work) {
    pthread_t threads[MOST_THREADS];
    for (long i = 0; i < work->threads; i++)
        check(pthread_create(&threads[i], NULL, own_default_stream, (void *)work), "pthread_create");
    for (long i = 0; i < work->threads; i++) check(pthread_join(threads[i], NULL), "pthread_join");
}

static void sleep_us(void *microseconds) {
    long time = (long)microseconds;
    struct timespec left = {time / 1000000, time % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* Kernels with a host function of `host_us` behind each, four of them on their way at once. */
static void behind_host(const struct work *work) {
    for (int i = 0; i < LAUNCHES_IN_ROUND; i++) {
        launch(work->kernel, work->stream);
        check(CALL(cuLaunchHostFunc)(work->stream, sleep_us, (void *)work->host_us), "cuLaunchHostFunc");
    }
    check(CALL(cuStreamSynchronize)(work->stream), "cuStreamSynchronize");
}

static void make_event(const struct work *work) {
    (void)work;
    streams[0] = new_stream();
    reached = new_event();
}

/* A kernel before and one behind the wait for an event of another stream, where a host function of `host_us` comes first. */
static void behind_event(const struct work *work) {
    check(CALL(cuLaunchHostFunc)(streams[0], sleep_us, (void *)work->host_us), "cuLaunchHostFunc");
    check(CALL(cuEventRecord)(reached, streams[0]), "cuEventRecord");
    launch(work->kernel, work->stream);
    check(CALL(cuStreamWaitEvent)(work->stream, reached, 0), "cuStreamWaitEvent");
    launch(work->kernel, work->stream);
    check(CALL(cuStreamSynchronize)(work->stream), "cuStreamSynchronize");
}

static void make_buffers(const struct work *work) {
    on_host = calloc(1, (size_t)work->bytes);
    if (on_host == NULL) die("load: bytes=%ld: no memory", work->bytes);
    check(CALL(cuMemAlloc_v2)(&on_device, (size_t)work->bytes), "cuMemAlloc_v2");
    /* Touched once: what first use costs is no part of the load. */
    check(CALL(cuMemcpyHtoDAsync_v2)(on_device, on_host, (size_t)work->bytes, work->stream), "cuMemcpyHtoDAsync_v2");
    check(CALL(cuStreamSynchronize)(work->stream), "cuStreamSynchronize");
}

/* Kernels with a copy of `bytes` to the device between them. */
static void between_copies(const struct work *work) {
    for (int i = 0; i < LAUNCHES_IN_ROUND; i++) {
        launch(work->kernel, work->stream);
        check(CALL(cuMemcpyHtoDAsync_v2)(on_device, on_host, (size_t)work->bytes, work->stream), "cuMemcpyHtoDAsync_v2");
    }
    check(CALL(cuStreamSynchronize)(work->stream), "cuStreamSynchronize");
}

static const struct shape SHAPES[] = {
    {"paced", NULL, paced},
    {"streams", make_streams, in_streams},
    {"threads", keep_context, new_threads},
    {"host-function", NULL, behind_host},
    {"wait-event", make_event, behind_event},
    {"copies", make_buffers, between_copies},
};

const struct shape *shape_named(const char *name) {
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
        if (strcmp(SHAPES[i].name, name) == 0) return &SHAPES[i];
    return NULL;
}
