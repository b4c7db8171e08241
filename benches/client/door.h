/* How the client reaches the vendor's functions: linked directly (-DDOOR_DIRECT), or looked up with dlsym. */
#ifndef BENCH_DOOR_H
#define BENCH_DOOR_H

#include "hami_cuda.h"
#include "hami_nvml.h"

#define CUDA_FUNCTIONS(X) \
    X(cuInit) \
    X(cuDevicePrimaryCtxRetain) \
    X(cuCtxSetCurrent) \
    X(cuMemAlloc_v2) \
    X(cuMemFree_v2) \
    X(cuMemGetInfo_v2) \
    X(cuGetProcAddress_v2)

/* What submits work, and what it needs. */
#define COMPUTE_FUNCTIONS(X) \
    X(cuCtxSynchronize) \
    X(cuCtxGetCurrent) \
    X(cuModuleLoadData) \
    X(cuModuleGetFunction) \
    X(cuStreamCreate) \
    X(cuStreamSynchronize) \
    X(cuStreamWaitEvent) \
    X(cuStreamBeginCapture_v2) \
    X(cuStreamEndCapture) \
    X(cuEventCreate) \
    X(cuEventRecord) \
    X(cuLaunchKernel) \
    X(cuLaunchHostFunc) \
    X(cuGraphInstantiateWithFlags) \
    X(cuGraphLaunch) \
    X(cuMemsetD32Async) \
    X(cuMemcpyDtoDAsync_v2) \
    X(cuMemcpyHtoDAsync_v2)

#define NVML_FUNCTIONS(X) \
    X(nvmlInit_v2) \
    X(nvmlDeviceGetHandleByIndex_v2) \
    X(nvmlDeviceGetMemoryInfo) \
    X(nvmlDeviceGetMemoryInfo_v2)

#ifdef DOOR_DIRECT
#define DECLARE(name) extern __typeof__(*(PFN_##name)0) name;
CUDA_FUNCTIONS(DECLARE)
COMPUTE_FUNCTIONS(DECLARE)
NVML_FUNCTIONS(DECLARE)
#undef DECLARE
#define CALL(name) name
#else
#define MEMBER(name) PFN_##name name;
struct door {
    CUDA_FUNCTIONS(MEMBER)
    COMPUTE_FUNCTIONS(MEMBER)
    NVML_FUNCTIONS(MEMBER)
};
#undef MEMBER
extern struct door door;
#define CALL(name) door.name
#endif

/* Opens the CUDA driver and looks its functions up; nothing to do when linked directly. */
void open_cuda(void);
/* The same for what submits work; after open_cuda. */
void open_compute(void);
/* The same for NVML. */
void open_nvml(void);

#endif
