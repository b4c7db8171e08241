/* What the preload costs a program that never touches a device: /bin/true from start to end, without and with it. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common.h"

enum { VARIANTS = 3 };

static double one_run(char **environment) {
    static char program[] = "/bin/true";
    char *const arguments[] = {program, NULL};
    pid_t child;
    int status;
    int64_t start = now();
    if (posix_spawn(&child, program, NULL, NULL, arguments, environment) != 0) die("posix_spawn failed");
    if (waitpid(child, &status, 0) != child || status != 0) die("/bin/true ended with status %d", status);
    return (double)(now() - start);
}

/* Environments of the same number and length of variables: the kernel copies them for each program it starts. */
void spawn(long count, const char *library, const char *limit) {
    static const char *const NAMES[VARIANTS] = {"native", "hooked", "unlimited"};
    char preload[4096], no_preload[4096], limited[64], unlimited[64];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
    snprintf(no_preload, sizeof no_preload, "LD_PRELOAX=%s", library);
    snprintf(limited, sizeof limited, "CUDA_DEVICE_MEMORY_LIMIT=%s", limit);
    snprintf(unlimited, sizeof unlimited, "CUDA_DEVICE_MEMORY_LIMIX=%s", limit);
    char *environments[VARIANTS][3] = {
        {no_preload, unlimited, NULL},
        {preload, limited, NULL},
        {preload, unlimited, NULL},
    };
    double *times[VARIANTS];
    for (int variant = 0; variant < VARIANTS; variant++) {
        times[variant] = malloc((size_t)count * sizeof **times);
        if (times[variant] == NULL) die("no memory for %ld figures", count);
        one_run(environments[variant]);
    }
    for (long i = 0; i < count; i++)
        for (int variant = 0; variant < VARIANTS; variant++)
            times[variant][i] = one_run(environments[variant]);
    for (int variant = 0; variant < VARIANTS; variant++) row(NAMES[variant], median(times[variant], (size_t)count));
}
