/* What the programs share: the driver, linked directly; the end on an error; random numbers; the simulator's books. */
#ifndef DRIVER_H
#define DRIVER_H

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hami_cuda.h"

#define FUNCTIONS(X) \
    X(cuInit) X(cuDeviceGetCount) X(cuDeviceTotalMem_v2) X(cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease_v2) \
    X(cuDevicePrimaryCtxReset_v2) X(cuCtxCreate_v2) X(cuCtxCreate_v3) X(cuCtxDestroy_v2) X(cuCtxSetCurrent) \
    X(cuCtxGetDevice) X(cuCtxSynchronize) X(cuMemAlloc_v2) X(cuMemAllocPitch_v2) X(cuMemAllocManaged) X(cuMemAllocAsync) \
    X(cuMemFree_v2) X(cuMemFreeAsync) X(cuMemGetInfo_v2) X(cuGetProcAddress) X(cuGetProcAddress_v2)
#define DECLARE(name) extern __typeof__(*(PFN_##name)0) name;
FUNCTIONS(DECLARE)

static inline void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline void check(CUresult result, const char *what) {
    if (result != CUDA_SUCCESS) die("%s: error %d", what, result);
}

static inline int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* xorshift64*: the next number of a sequence that its seed (not 0) gives again. */
static inline uint64_t draw(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

/* Initialises the driver and makes device 0's primary context current. */
static inline void start(void) {
    CUcontext context;
    check(cuInit(0), "cuInit");
    check(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
}

/* Bytes in use as cuMemGetInfo tells: total less free. */
static inline uint64_t view(void) {
    size_t free, total;
    check(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    return total - free;
}

/* Names the two descriptors by which a watched program and its watcher (watch.c) speak. */
#define WATCHER "WATCHER_DESCRIPTORS"

/* Lets the watcher look, and returns when it has: it has seen what is held now. */
static inline void be_watched(void) {
    const char *descriptors = getenv(WATCHER);
    int asking, answers;
    char byte = 0;
    if (!descriptors || sscanf(descriptors, "%d %d", &asking, &answers) != 2) die("nobody watches");
    if (write(asking, &byte, 1) != 1 || read(answers, &byte, 1) != 1) die("the watcher does not answer: %m");
}

/* What the simulator says of device 0, the only one: in use by all, in use by this process, contexts of all. */
struct books {
    uint64_t device, own;
    unsigned contexts;
};

/* What `simgpu --books` prints, which the variable SIMGPU names, in an environment without preload. */
static inline void books_text(char *text, size_t room) {
    extern char **environ;
    const char *program = getenv("SIMGPU");
    if (!program) die("SIMGPU does not name the program that knows the books");
    char *clean[4096], *arguments[] = {(char *)program, "--books", NULL};
    size_t kept = 0, length = 0;
    for (char **variable = environ; *variable && kept < 4095; variable++)
        if (strncmp(*variable, "LD_PRELOAD=", 11) != 0) clean[kept++] = *variable;
    clean[kept] = NULL;
    int ends[2], status;
    if (pipe2(ends, 02000000 /* O_CLOEXEC */) != 0) die("pipe2: %m");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    pid_t child;
    if ((errno = posix_spawn(&child, program, &actions, NULL, arguments, clean)) != 0) die("%s: %m", program);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    for (ssize_t more; length < room - 1 && (more = read(ends[0], text + length, room - 1 - length)) > 0;)
        length += (size_t)more;
    text[length] = 0;
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0) die("%s --books: status %d: %s", program, status, text);
}

static inline struct books books(void) {
    char text[1 << 16];
    struct books found = {0};
    books_text(text, sizeof text);
    char *at = strstr(text, "\"used_bytes\":"), *end = strstr(text, "\"total_bytes\":");
    if (!at || !end || strstr(end + 1, "\"total_bytes\":")) die("books of other than one device: %s", text);
    found.device = strtoull(at + 13, NULL, 10);
    for (at += 13; (at = strstr(at, "\"pid\":")) != NULL;) {
        long pid = strtol(at + 6, NULL, 10);
        char *used = strstr(at, "\"used_bytes\":"), *contexts = strstr(at, "\"contexts\":");
        if (!used || !contexts) die("a process without figures: %s", text);
        if (pid == getpid()) found.own += strtoull(used + 13, NULL, 10);
        found.contexts += (unsigned)strtoul(contexts + 11, NULL, 10);
        at = used;
    }
    return found;
}

#endif
