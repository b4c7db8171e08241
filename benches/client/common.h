/* What all parts of the client use: the clock, the end on an error, the start of the device, the lines of the report. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include "hami_cuda.h"

/* Ends the client with status 1 and a line on stderr. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Ends the client unless a vendor function answered 0, which is success in CUDA and in NVML. */
static inline void check(int result, const char *what) {
    if (__builtin_expect(result != 0, 0)) die("%s: error %d", what, result);
}

/* Nanoseconds of the monotonic clock. */
int64_t now(void);

/* Nanoseconds that this thread has had of a processor. */
int64_t processor_now(void);

/* Nanoseconds that this process has had of processors, all threads together. */
int64_t process_processor_now(void);

/* Middle value of `count` values, which it sorts; `count` is at least 1. */
double median(double *values, size_t count);

/* Prints one figure of the report. */
void row(const char *name, double value);

/* Says that this process has come to its gate, and waits until standard input ends: the harness opens all gates at once. */
void gate(void);

/* Opens the CUDA driver, makes device 0's primary context and makes it current. */
void start_cuda(void);

/* Gives a kernel by the name that states its duration to the simulator, in a module of its own. */
CUfunction kernel_named(const char *name);

/* The parts, by the first argument. The rest of the arguments is theirs. */
void calls(double budget_ms);
void one_call(const char *name, long count);
void idle(void);
void storm(double duration_ms);
void first_calls(void);
void launches(double budget_ms);
void saturated(double duration_ms);
void load(int count, char **settings);
void spawn(long count, const char *library, const char *limit);

#endif
