/* Runs a command and watches meanwhile what the driver says is in use on each device, as an NVML client outside of the quota
   sees it. Prints `device N most BYTES now BYTES` for each device at the end, and ends as the command does. It looks all the time,
   and between two calls of the command when that asks for it by `be_watched`.

   The preload that it is started with is the command's: the watcher starts itself again without. */
#include <fcntl.h>

#include "driver.h"
#include "hami_nvml.h"

#define WATCHED "WATCHED_PRELOAD"
#define MOST_DEVICES 16

#define NVML_FUNCTIONS(X) \
    X(nvmlInit_v2) X(nvmlDeviceGetCount_v2) X(nvmlDeviceGetHandleByIndex_v2) X(nvmlDeviceGetMemoryInfo)
#define DECLARE_NVML(name) extern __typeof__(*(PFN_##name)0) name;
NVML_FUNCTIONS(DECLARE_NVML)

static nvmlDevice_t devices[MOST_DEVICES];
static unsigned count;
static uint64_t most[MOST_DEVICES], current[MOST_DEVICES];

static void look(void) {
    for (unsigned i = 0; i < count; i++) {
        nvmlMemory_t memory;
        if (nvmlDeviceGetMemoryInfo(devices[i], &memory) != NVML_SUCCESS) die("nvmlDeviceGetMemoryInfo");
        current[i] = memory.used;
        if (memory.used > most[i]) most[i] = memory.used;
    }
}

int main(int arguments, char **words) {
    if (arguments < 2) die("watch COMMAND");
    const char *preload = getenv("LD_PRELOAD");
    if (preload) {
        setenv(WATCHED, preload, 1);
        unsetenv("LD_PRELOAD");
        execv("/proc/self/exe", words);
        die("cannot start again: %m");
    }
    if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS || count > MOST_DEVICES)
        die("NVML does not start");
    for (unsigned i = 0; i < count; i++)
        if (nvmlDeviceGetHandleByIndex_v2(i, &devices[i]) != NVML_SUCCESS) die("no device %u", i);
    int asks[2], answers[2];
    if (pipe2(asks, O_NONBLOCK) != 0 || pipe(answers) != 0) die("pipe: %m");
    pid_t child = fork();
    if (child == 0) {
        char descriptors[32];
        close(asks[0]), close(answers[1]);
        snprintf(descriptors, sizeof descriptors, "%d %d", asks[1], answers[0]);
        setenv(WATCHER, descriptors, 1);
        if (getenv(WATCHED)) setenv("LD_PRELOAD", getenv(WATCHED), 1);
        unsetenv(WATCHED);
        execv(words[1], words + 1);
        _exit(127);
    }
    close(asks[1]), close(answers[0]);
    siginfo_t end = {0};
    do {
        char byte;
        int asked = read(asks[0], &byte, 1) == 1; /* before the look, so that what it sees is what was there when it was asked */
        look();
        if (asked && write(answers[1], &byte, 1) != 1) die("the command does not wait for its answer: %m");
        if (waitid(P_PID, (id_t)child, &end, WEXITED | WNOHANG | WNOWAIT) != 0) die("waitid: %m");
    } while (end.si_pid == 0);
    int status;
    waitpid(child, &status, 0);
    look();
    for (unsigned i = 0; i < count; i++)
        printf("device %u most %ju now %ju\n", i, (uintmax_t)most[i], (uintmax_t)current[i]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
