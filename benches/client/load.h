/* What the patterns of a load share with the load itself. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "hami_cuda.h"

/* What a shape works with. */
struct work {
    CUfunction kernel;
    CUstream stream;
    /* The settings of these names. */
    long every_us, host_us, streams, threads, launches, bytes;
};

/* A pattern that is one round of calls, again and again. */
struct shape {
    const char *name;
    /* Before the gate; NULL: nothing to do. */
    void (*set_up)(const struct work *work);
    void (*round)(const struct work *work);
};

/* The shape of this name; NULL: there is none. */
const struct shape *shape_named(const char *name);

/* Launches with the grid and block of the settings. */
void launch(CUfunction function, CUstream on);

/* A stream that does not wait for the default one. */
CUstream new_stream(void);

/* An event without a time. */
CUevent new_event(void);

#endif
