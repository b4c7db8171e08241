/* A tenant's load on the device: submits work in one of several patterns, and prints what it saw as a line of JSON.

   Settings, as NAME=VALUE:
     pattern=loop      launches one kernel after the other
             sync      the same, and waits for the end of each
             graph     launches a graph of 200 kernels, again and again
             step      launches a captured training step: kernels of several lengths on two streams, a fill, a copy
             periodic  one kernel every `every_us`, from launch to end measured
             meet      on two devices, `count` pairs of kernels that wait for each other; 0: until the end of `active`
             paced, streams, threads, host-function, wait-event, copies: see shapes.c
     kernel=NAME       the kernel; its name states its duration, as the simulator's README says
     grid=N block=N    blocks, and threads in each
     sync_every=N      waits for the end of everything after each N submissions; 0: never
     active=A-B,C-D    seconds from the start between which it submits; asleep in between
     every_us=N        see `periodic` and `paced`
     count=N           see `meet`
     host_us=N streams=N threads=N launches=N bytes=N   see shapes.c
     endless=A         at second A it launches a kernel that never ends, and submits nothing from then on
     gate=early        stands at its gate before it starts the device; without it, when all is ready for the first launch */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "door.h"
#include "load.h"

enum { MOST_SPANS = 8, MOST_TIMES = 1 << 20, GRAPH_KERNELS = 200, LIST = 1 << 12, PIECE = 64 << 10 };

/* Gaps between two ends of `sync`'s kernels that are listed, in nanoseconds. */
static const int64_t LONG_GAP = 1000000;

struct span {
    double from, until;
};

static const char *pattern = "loop", *kernel_name = "load_us1000";
static unsigned grid = 528, block = 256;
static long sync_every, meetings = 1000;
static struct work work = {.every_us = 10000, .streams = 1, .threads = 1, .launches = 1};
static const struct shape *shape;
static double endless = -1;
static int gate_early;
static struct span spans[MOST_SPANS];
static int span_count;

static int64_t started, first_ns, submissions;
static int64_t woken[MOST_SPANS];
static int64_t times[MOST_TIMES];
static long time_count;
static int64_t gaps[LIST][2];
static int gap_count;

static CUfunction kernel;
static CUstream stream;
static CUgraphExec exec;

static void read_settings(int count, char **settings) {
    spans[0] = (struct span){0, 1};
    span_count = 1;
    for (int i = 0; i < count; i++) {
        char *value = strchr(settings[i], '=');
        if (!value) die("load: %s is not NAME=VALUE", settings[i]);
        *value++ = 0;
        const char *name = settings[i];
        if (strcmp(name, "pattern") == 0) pattern = value;
        else if (strcmp(name, "kernel") == 0) kernel_name = value;
        else if (strcmp(name, "grid") == 0) grid = (unsigned)atol(value);
        else if (strcmp(name, "block") == 0) block = (unsigned)atol(value);
        else if (strcmp(name, "sync_every") == 0) sync_every = atol(value);
        else if (strcmp(name, "every_us") == 0) work.every_us = atol(value);
        else if (strcmp(name, "host_us") == 0) work.host_us = atol(value);
        else if (strcmp(name, "streams") == 0) work.streams = atol(value);
        else if (strcmp(name, "threads") == 0) work.threads = atol(value);
        else if (strcmp(name, "launches") == 0) work.launches = atol(value);
        else if (strcmp(name, "bytes") == 0) work.bytes = atol(value);
        else if (strcmp(name, "count") == 0) meetings = atol(value);
        else if (strcmp(name, "endless") == 0) endless = atof(value);
        else if (strcmp(name, "gate") == 0 && strcmp(value, "early") == 0) gate_early = 1;
        else if (strcmp(name, "active") == 0) {
            span_count = 0;
            for (char *at = value; *at && span_count < MOST_SPANS; span_count++) {
                struct span *span = &spans[span_count];
                span->from = strtod(at, &at);
                if (*at++ != '-') die("load: active=%s: A-B,C-D expected", value);
                span->until = strtod(at, &at);
                if (*at == ',') at++;
            }
        } else die("load: no setting %s=%s", name, value);
    }
}

void launch(CUfunction function, CUstream on) {
    check(CALL(cuLaunchKernel)(function, grid, 1, 1, block, 1, 1, 0, on, NULL, NULL), "cuLaunchKernel");
}

CUstream new_stream(void) {
    CUstream made;
    check(CALL(cuStreamCreate)(&made, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    return made;
}

CUevent new_event(void) {
    CUevent made;
    check(CALL(cuEventCreate)(&made, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    return made;
}

static void begin_capture(void) {
    check(CALL(cuStreamBeginCapture_v2)(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "cuStreamBeginCapture");
}

static void end_capture(void) {
    CUgraph graph;
    check(CALL(cuStreamEndCapture)(stream, &graph), "cuStreamEndCapture");
    check(CALL(cuGraphInstantiateWithFlags)(&exec, graph, 0), "cuGraphInstantiateWithFlags");
}

static void record_graph(void) {
    begin_capture();
    for (int i = 0; i < GRAPH_KERNELS; i++) launch(kernel, stream);
    end_capture();
}

/* Forward, backward on two streams, update: what frameworks capture has this form. */
static void record_step(void) {
    static const char *names[] = {"step_us5", "step_us20", "step_us60", "step_us150", "step_us400"};
    enum { NAMES = sizeof names / sizeof *names, LAYERS = 4, WORDS = PIECE / 4 };
    CUfunction functions[NAMES];
    CUdeviceptr from, to;
    CUstream side = new_stream();
    CUevent fork_point = new_event(), join_point = new_event();
    for (int i = 0; i < NAMES; i++) functions[i] = kernel_named(names[i]);
    check(CALL(cuMemAlloc_v2)(&from, PIECE), "cuMemAlloc_v2");
    check(CALL(cuMemAlloc_v2)(&to, PIECE), "cuMemAlloc_v2");
    begin_capture();
    check(CALL(cuMemsetD32Async)(from, 0, WORDS, stream), "cuMemsetD32Async");
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = 0; i < NAMES; i++) launch(functions[i], stream);
    check(CALL(cuEventRecord)(fork_point, stream), "cuEventRecord");
    check(CALL(cuStreamWaitEvent)(side, fork_point, 0), "cuStreamWaitEvent");
    for (int layer = 0; layer < LAYERS; layer++) {
        launch(functions[layer], side);
        for (int i = 0; i < NAMES; i++) launch(functions[i], stream);
    }
    check(CALL(cuMemcpyDtoDAsync_v2)(to, from, PIECE, side), "cuMemcpyDtoDAsync_v2");
    check(CALL(cuEventRecord)(join_point, side), "cuEventRecord");
    check(CALL(cuStreamWaitEvent)(stream, join_point, 0), "cuStreamWaitEvent");
    launch(functions[0], stream);
    end_capture();
}

static void sleep_until(int64_t time) {
    struct timespec at = {time / 1000000000, time % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static void submit(void) {
    if (shape) shape->round(&work);
    else if (exec) check(CALL(cuGraphLaunch)(exec, stream), "cuGraphLaunch");
    else launch(kernel, stream);
    if (submissions++ == 0) first_ns = now();
    if (sync_every && submissions % sync_every == 0) check(CALL(cuStreamSynchronize)(stream), "cuStreamSynchronize");
}

/* Submits without pause until `end`. */
static void submit_until(int64_t end) {
    int each = strcmp(pattern, "sync") == 0;
    for (int64_t last = now(), at; last < end; last = at) {
        submit();
        if (each) check(CALL(cuStreamSynchronize)(stream), "cuStreamSynchronize");
        at = now();
        if (each && at - last > LONG_GAP && gap_count < LIST) {
            gaps[gap_count][0] = last;
            gaps[gap_count++][1] = at - last;
        }
    }
}

static void submit_periodically(int64_t end) {
    for (int64_t due = now() + work.every_us * 1000; due < end && time_count < MOST_TIMES; due += work.every_us * 1000) {
        sleep_until(due);
        int64_t start = now();
        submit();
        check(CALL(cuStreamSynchronize)(stream), "cuStreamSynchronize");
        times[time_count++] = now() - start;
    }
}

/* Each kernel waits until its like on the other device has started. */
static void meet(void) {
    CUcontext contexts[2];
    CUfunction kernels[2];
    CUstream streams[2];
    for (int device = 0; device < 2; device++) {
        check(CALL(cuDevicePrimaryCtxRetain)(&contexts[device], device), "cuDevicePrimaryCtxRetain");
        check(CALL(cuCtxSetCurrent)(contexts[device]), "cuCtxSetCurrent");
        kernels[device] = kernel_named(kernel_name);
        streams[device] = new_stream();
    }
    gate();
    started = now();
    int64_t end = started + (int64_t)(spans[0].until * 1e9);
    for (long i = 0; meetings ? i < meetings : now() < end; i++) {
        for (int device = 0; device < 2; device++) {
            check(CALL(cuCtxSetCurrent)(contexts[device]), "cuCtxSetCurrent");
            launch(kernels[device], streams[device]);
            if (submissions++ == 0) first_ns = now();
        }
        if (sync_every && i % sync_every == sync_every - 1)
            for (int device = 0; device < 2; device++)
                check(CALL(cuStreamSynchronize)(streams[device]), "cuStreamSynchronize");
    }
    for (int device = 0; device < 2; device++) check(CALL(cuStreamSynchronize)(streams[device]), "cuStreamSynchronize");
}

static void print_list(const char *name, const int64_t *values, long count, long step) {
    printf(",\"%s\":[", name);
    for (long i = 0; i < count; i++) printf("%s%lld", i ? "," : "", (long long)values[i * step]);
    printf("]");
}

static void report(int64_t end, int64_t processor_ns) {
    printf("{\"pid\":%d,\"started_ns\":%lld,\"first_ns\":%lld,\"end_ns\":%lld,\"submissions\":%lld,\"processor_ns\":%lld",
           getpid(), (long long)started, (long long)first_ns, (long long)end, (long long)submissions,
           (long long)processor_ns);
    print_list("woken_ns", woken, span_count, 1);
    print_list("latencies_ns", times, time_count, 1);
    print_list("gap_starts_ns", &gaps[0][0], gap_count, 2);
    print_list("gaps_ns", &gaps[0][1], gap_count, 2);
    printf("}\n");
    fflush(stdout);
}

void load(int count, char **settings) {
    read_settings(count, settings);
    if (gate_early) gate();
    start_cuda();
    open_compute();
    int64_t processor;
    if (strcmp(pattern, "meet") == 0) {
        processor = process_processor_now();
        meet();
        report(now(), process_processor_now() - processor);
        return;
    }
    kernel = kernel_named(kernel_name);
    CUfunction never_ends = endless >= 0 ? kernel_named("load_forever") : NULL;
    stream = new_stream();
    work.kernel = kernel;
    work.stream = stream;
    shape = shape_named(pattern);
    if (shape && shape->set_up) shape->set_up(&work);
    if (strcmp(pattern, "graph") == 0) record_graph();
    else if (strcmp(pattern, "step") == 0) record_step();
    else if (!shape && strcmp(pattern, "loop") != 0 && strcmp(pattern, "sync") != 0 && strcmp(pattern, "periodic") != 0)
        die("load: no pattern %s", pattern);
    if (!gate_early) gate();
    started = now();
    processor = process_processor_now();
    for (int i = 0; i < span_count; i++) {
        int64_t end = started + (int64_t)(spans[i].until * 1e9);
        if (endless >= 0 && endless < spans[i].until) end = started + (int64_t)(endless * 1e9);
        sleep_until(started + (int64_t)(spans[i].from * 1e9));
        woken[i] = now();
        if (strcmp(pattern, "periodic") == 0) submit_periodically(end);
        else submit_until(end);
    }
    int64_t end = now();
    if (never_ends) launch(never_ends, stream);
    report(end, process_processor_now() - processor);
    /* What still waits in the stream is not waited for: it may be seconds of work, or endless. */
    if (never_ends) pause();
    _exit(0);
}
