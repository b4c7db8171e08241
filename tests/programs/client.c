/* Linear and stream-ordered memory, contexts, other processes: does the calls that its arguments name. See audit.h. */
#include <fcntl.h>
#include <signal.h>

#include "audit.h"

#define MANY 100000
static CUdeviceptr pointers[128], many[MANY];
static int many_count;
static CUcontext primary, created[16];
static int created_count;
static int peer_pid, peer_end = -1;

static CUdeviceptr *pointer(const char *name) { return &pointers[name[0] & 127]; }

/* What a forked child gets that did not make the driver's connection: prints each result. */
static void forked_child(void) {
    CUdevice device;
    CUdeviceptr memory = 0;
    size_t free = 0, total = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        int results[] = {cuCtxGetDevice(&device), cuMemAlloc_v2(&memory, 4096), cuMemGetInfo_v2(&free, &total),
                         cuMemFree_v2(pointers['a']), cuDevicePrimaryCtxRetain(&(CUcontext){0}, 0), cuInit(0)};
        printf("child");
        for (size_t i = 0; i < sizeof results / sizeof *results; i++) printf(" %d", results[i]);
        printf("\n");
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child-status %d\n", status);
}

/* Starts this program again with the words of `script`; `native`: without preload. With `keep` it lives until the pipe
   to its standard input is closed; else it is waited for. */
static void again(const char *script, int native, int keep) {
    char words[4096], *arguments[256] = {self};
    int count = 1, ends[2], said[2];
    snprintf(words, sizeof words, "%s", script);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) arguments[count++] = word;
    if (keep) arguments[count++] = "hold";
    if (pipe2(ends, O_CLOEXEC) || pipe2(said, O_CLOEXEC)) die("pipe2: %m");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (native) unsetenv("LD_PRELOAD");
        if (keep) dup2(ends[0], 0), dup2(said[1], 1);
        execv(self, arguments);
        _exit(127);
    }
    close(ends[0]), close(said[1]);
    if (keep) {
        char text[4096];
        size_t length = 0;
        for (ssize_t more; (more = read(said[0], text + length, sizeof text - 1 - length)) > 0;) {
            length += (size_t)more, text[length] = 0;
            if (strstr(text, "holding\n")) break;
        }
        if (!strstr(text, "holding\n")) die("the peer did not come to hold: %s", text);
        peer_pid = child, peer_end = ends[1];
    } else {
        int status;
        close(ends[1]);
        waitpid(child, &status, 0);
        printf("again-status %d\n", status);
    }
    close(said[0]);
}

/* Does one step; returns how many words it took. -1 in `result`: the step is no call. */
static int step(char **words, int *result) {
    const char *word = words[0];
    *result = -1;
    if (is(word, "init")) { CALL(cuInit(0)); return 1; }
    if (is(word, "count")) { int count = -1; CALL(cuDeviceGetCount(&count)); printf("devices %d\n", count); return 1; }
    if (is(word, "total")) { size_t n = 7; CALL(cuDeviceTotalMem_v2(&n, 0)); printf("device-total %zu\n", n); return 1; }
    if (is(word, "retain")) {
        CALL(cuDevicePrimaryCtxRetain(&primary, 0));
        if (*result == 0) check(cuCtxSetCurrent(primary), "cuCtxSetCurrent");
        return 1;
    }
    if (is(word, "release")) { CALL(cuDevicePrimaryCtxRelease_v2(0)); return 1; }
    if (is(word, "reset")) { CALL(cuDevicePrimaryCtxReset_v2(0)); return 1; }
    if (is(word, "current")) { CALL(cuCtxSetCurrent(primary)); return 1; }
    if (is(word, "create2") || is(word, "create3")) {
        CUcontext context = NULL;
        if (is(word, "create2")) CALL(cuCtxCreate_v2(&context, 0, 0));
        else CALL(cuCtxCreate_v3(&context, NULL, 0, 0, 0));
        if (*result == 0) created[created_count++] = context;
        return 1;
    }
    if (is(word, "destroy")) { CALL(cuCtxDestroy_v2(created[--created_count])); return 1; }
    if (is(word, "sync")) { CALL(cuCtxSynchronize()); return 1; }
    if (is(word, "info")) {
        size_t free = 7, total = 7;
        CALL(cuMemGetInfo_v2(&free, &total));
        printf("free %zu total %zu\n", free, total);
        return 1;
    }
    if (is(word, "alloc")) { NEED(2); CALL(cuMemAlloc_v2(pointer(words[1]), size(words[2]))); return 3; }
    if (is(word, "managed")) {
        NEED(2);
        CALL(cuMemAllocManaged(pointer(words[1]), size(words[2]), CU_MEM_ATTACH_GLOBAL));
        return 3;
    }
    if (is(word, "async")) { NEED(2); CALL(cuMemAllocAsync(pointer(words[1]), size(words[2]), NULL)); return 3; }
    if (is(word, "pitch")) {
        NEED(3);
        size_t pitch = 0;
        CALL(cuMemAllocPitch_v2(pointer(words[1]), &pitch, size(words[2]), size(words[3]), 4));
        return 4;
    }
    if (is(word, "free")) { NEED(1); CALL(cuMemFree_v2(*pointer(words[1]))); return 2; }
    if (is(word, "free-async")) { NEED(1); CALL(cuMemFreeAsync(*pointer(words[1]), NULL)); return 2; }
    if (is(word, "free-at")) { NEED(1); CALL(cuMemFree_v2(strtoull(words[1], NULL, 16))); return 2; }
    if (is(word, "many")) {
        NEED(2);
        for (int left = atoi(words[1]); left > 0; left--) {
            CALL(cuMemAlloc_v2(&many[many_count], size(words[2])));
            if (*result != 0) break;
            many_count++;
        }
        return 3;
    }
    if (is(word, "free-many")) {
        while (many_count > 0) check(cuMemFree_v2(many[--many_count]), "cuMemFree");
        CALL(0);
        return 1;
    }
    if (is(word, "fork")) { forked_child(); return 1; }
    if (is(word, "again")) { NEED(1); again(words[1], 0, 0); return 2; }
    if (is(word, "native")) { NEED(1); again(words[1], 1, 1); return 2; }
    if (is(word, "end-native")) {
        close(peer_end);
        waitpid(peer_pid, NULL, 0);
        return 1;
    }
    if (is(word, "hold")) {
        char byte;
        printf("holding\n");
        fflush(stdout);
        while (read(0, &byte, 1) > 0) {}
        return 1;
    }
    if (is(word, "exit")) { NEED(1); fflush(stdout); exit(atoi(words[1])); }
    die("unknown step %s", word);
}
