/* Opens the vendor's libraries as programs do that do not link them. */
#include "door.h"

#ifdef DOOR_DIRECT

void open_cuda(void) {}
void open_compute(void) {}
void open_nvml(void) {}

#else

#include <dlfcn.h>

#include "common.h"

struct door door;

static void *opened(const char *library) {
    void *handle = dlopen(library, RTLD_NOW);
    if (handle == NULL) die("dlopen: %s", dlerror());
    return handle;
}

static void *found(void *handle, const char *name) {
    void *function = dlsym(handle, name);
    if (function == NULL) die("dlsym: %s", dlerror());
    return function;
}

#define FIND(name) door.name = (PFN_##name)found(handle, #name);

void open_cuda(void) {
    void *handle = opened("libcuda.so.1");
    CUDA_FUNCTIONS(FIND)
}

void open_compute(void) {
    void *handle = opened("libcuda.so.1");
    COMPUTE_FUNCTIONS(FIND)
}

void open_nvml(void) {
    void *handle = opened("libnvidia-ml.so.1");
    NVML_FUNCTIONS(FIND)
}

#endif
