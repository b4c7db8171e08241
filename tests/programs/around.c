/* Takes memory past the preloaded library, argument 1 says how, and prints who sees it: the tenant's view, the simulator's books,
   NVML's figure for this process.

   `plain`, `deepbind`, `namespace`: through the library of argument 2 (`around_library.c`), opened so. `unset`: in a child that
   is started without LD_PRELOAD. Argument 3: how many MiB. */
#include <dlfcn.h>

#include "driver.h"
#include "hami_nvml.h"

#define NVML_FUNCTIONS(X) X(nvmlInit_v2) X(nvmlDeviceGetHandleByIndex_v2) X(nvmlDeviceGetComputeRunningProcesses_v3)
NVML_FUNCTIONS(DECLARE)

#define MIB ((size_t)1 << 20)
#define MOST 64

static uint64_t listed(pid_t process) {
    nvmlDevice_t device;
    nvmlProcessInfo_t list[MOST];
    unsigned count = MOST;
    uint64_t used = 0;
    if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetHandleByIndex_v2(0, &device) != NVML_SUCCESS ||
        nvmlDeviceGetComputeRunningProcesses_v3(device, &count, list) != NVML_SUCCESS)
        die("NVML's list of processes");
    for (unsigned i = 0; i < count; i++)
        if ((pid_t)list[i].pid == process) used += list[i].usedGpuMemory;
    return used;
}

static void tell(int result, pid_t process) {
    printf("taken %d view %ju device %ju listed %ju\n", result, (uintmax_t)(view() / MIB), (uintmax_t)(books().device / MIB),
           (uintmax_t)(listed(process) / MIB));
}

static void in_child(char **words) {
    int said[2], go[2], result;
    char none[] = "";
    if (pipe(said) != 0 || pipe(go) != 0) die("pipe: %m");
    pid_t child = fork();
    if (child == 0) {
        unsetenv("LD_PRELOAD");
        dup2(said[1], 1), dup2(go[0], 0);
        close(go[1]);
        execl(words[0], words[0], "child", none, words[3], NULL);
        _exit(127);
    }
    close(said[1]);
    if (read(said[0], &result, sizeof result) != sizeof result) die("the child says nothing");
    start();
    tell(result, child);
    close(go[0]), close(go[1]);
    waitpid(child, NULL, 0);
}

int main(int count, char **words) {
    if (count != 4) die("around plain|deepbind|namespace|unset LIBRARY MIB");
    size_t bytes = strtoul(words[3], NULL, 10) * MIB;
    if (strcmp(words[1], "unset") == 0) return in_child(words), 0;
    if (strcmp(words[1], "child") == 0) {
        CUdeviceptr memory;
        char byte;
        start();
        int result = cuMemAlloc_v2(&memory, bytes);
        if (write(1, &result, sizeof result) != sizeof result) die("write: %m");
        return read(0, &byte, 1) != 0; /* until the parent has looked */
    }
    start();
    int mode = RTLD_NOW | RTLD_LOCAL | (strcmp(words[1], "deepbind") == 0 ? RTLD_DEEPBIND : 0);
    void *library = strcmp(words[1], "namespace") == 0 ? dlmopen(LM_ID_NEWLM, words[2], RTLD_NOW) : dlopen(words[2], mode);
    if (!library) die("%s", dlerror());
    int (*take)(size_t) = (int (*)(size_t))dlsym(library, "take");
    tell(take(bytes), getpid());
    return 0;
}
