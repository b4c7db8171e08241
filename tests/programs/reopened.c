/* Opens the vendor's libraries, calls them, closes them, puts something else where they were, and opens them again: three times.
   Prints a line for each round. Nothing is linked to the libraries, so that closing them unloads them. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hami_cuda.h"
#include "hami_nvml.h"

/* Pages that nobody may touch take the addresses that became free, so that the next loading goes elsewhere. */
static void occupy(const void *function) {
    void *page = (void *)((unsigned long)function & ~4095UL);
    mmap(page, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static void close_and_occupy(void *library, const char *name, const void *function) {
    int closed = dlclose(library);
    void *still = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (still) dlclose(still);
    else occupy(function);
    printf(" closed %d\n", closed);
    fflush(stdout);
}

static void nvml(void) {
    const char *name = "libnvidia-ml.so.1";
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    PFN_nvmlInit_v2 init = (PFN_nvmlInit_v2)dlsym(library, "nvmlInit_v2");
    PFN_nvmlDeviceGetHandleByIndex_v2 by_index =
        (PFN_nvmlDeviceGetHandleByIndex_v2)dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
    PFN_nvmlDeviceGetMemoryInfo info = (PFN_nvmlDeviceGetMemoryInfo)dlsym(library, "nvmlDeviceGetMemoryInfo");
    PFN_nvmlShutdown shut_down = (PFN_nvmlShutdown)dlsym(library, "nvmlShutdown");
    const void *other = dlsym(library, "nvmlSystemGetDriverVersion");
    nvmlDevice_t device = NULL;
    nvmlMemory_t memory = {0};
    int results[] = {init(), by_index(0, &device), info(device, &memory), shut_down()};
    printf("nvml %d %d %d %d total %llu", results[0], results[1], results[2], results[3], memory.total);
    close_and_occupy(library, name, other);
}

static void cuda(void) {
    const char *name = "libcuda.so.1";
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    PFN_cuInit init = (PFN_cuInit)dlsym(library, "cuInit");
    PFN_cuDeviceTotalMem_v2 total_memory = (PFN_cuDeviceTotalMem_v2)dlsym(library, "cuDeviceTotalMem_v2");
    const void *other = dlsym(library, "cuDriverGetVersion");
    size_t total = 0;
    int results[] = {init(0), total_memory(&total, 0)};
    printf("cuda %d %d total %zu", results[0], results[1], total);
    close_and_occupy(library, name, other);
}

int main(int count, char **words) {
    for (int round = 0; round < 3; round++) {
        for (const char *which = count > 1 ? words[1] : ""; *which; which++)
            if (*which == 'n') nvml();
            else cuda();
    }
    return 0;
}
