/* Prints what a library could change in the process it is loaded into: before the first device call, and after many. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "driver.h"

extern char **environ;

static void state(const char *when) {
    char line[512], path[64];
    mode_t mask = umask(0);
    umask(mask);
    printf("%s: umask %o\n", when, mask);
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            printf("%s: signal %d %s\n", when, number, action.sa_handler == SIG_IGN ? "ignored" : "handled");
    }
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "Threads:", 8) || !strncmp(line, "SigBlk:", 7)) printf("%s: %s", when, line);
    fclose(status);
    for (int file = 0; file < 1024; file++) {
        int flags = fcntl(file, F_GETFD);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        if (flags >= 0 && !(flags & FD_CLOEXEC)) printf("%s: inheritable file %d\n", when, file);
    }
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "LD_PRELOAD=", 11) && strncmp(*variable, "CUDA_DEVICE_", 12)) printf("%s: %s\n", when, *variable);
    printf("%s: folder %s\n", when, getcwd(line, sizeof line));
}

int main(void) {
    CUdeviceptr memory;
    umask(027);
    state("before");
    start();
    for (int round = 0; round < 100; round++) {
        check(cuMemAlloc_v2(&memory, 1 << 20), "cuMemAlloc");
        view();
        check(cuMemFree_v2(memory), "cuMemFree");
        check(cuMemAllocAsync(&memory, 1 << 20, NULL), "cuMemAllocAsync");
        check(cuMemFreeAsync(memory, NULL), "cuMemFreeAsync");
    }
    state("after");
    return 0;
}
