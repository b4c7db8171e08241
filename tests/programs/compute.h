/* What the programs about compute share: kernels whose names state how long they take, and the functions that submit work. */
#ifndef COMPUTE_H
#define COMPUTE_H

#include <pthread.h>

#include "driver.h"

#define COMPUTE(X) \
    X(cuModuleLoadData) X(cuModuleGetFunction) X(cuStreamCreate) X(cuStreamDestroy_v2) X(cuStreamSynchronize) X(cuStreamQuery) \
    X(cuStreamWaitEvent) X(cuStreamBeginCapture_v2) X(cuStreamEndCapture) X(cuEventCreate) X(cuEventRecord) X(cuEventQuery) \
    X(cuEventSynchronize) X(cuEventElapsedTime) X(cuEventDestroy_v2) X(cuLaunchKernel) X(cuLaunchHostFunc) \
    X(cuGraphInstantiateWithFlags) X(cuGraphGetNodes) X(cuGraphLaunch) X(cuGraphExecDestroy) X(cuGraphDestroy) \
    X(cuMemsetD32Async) X(cuMemcpyDtoDAsync_v2) X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuCtxGetCurrent)
COMPUTE(DECLARE)

/* A kernel by its name, in a module of its own, in the current context. */
static inline CUfunction kernel(const char *name) {
    char image[256];
    CUmodule module;
    CUfunction function;
    snprintf(image, sizeof image, ".version 8.0\n.target sm_70\n.address_size 64\n.visible .entry %s() { ret; }\n", name);
    check(cuModuleLoadData(&module, image), "cuModuleLoadData");
    check(cuModuleGetFunction(&function, module, name), "cuModuleGetFunction");
    return function;
}

/* The kernel that takes so many microseconds. */
static inline CUfunction kernel_us(long microseconds) {
    char name[64];
    snprintf(name, sizeof name, "test_us%ld", microseconds);
    return kernel(name);
}

static inline CUstream stream(void) {
    CUstream made;
    check(cuStreamCreate(&made, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    return made;
}

static inline CUresult launch(CUfunction function, CUstream on) {
    /* A grid that fills any device: kernels of several streams do not overlap then, and their times add up. */
    return cuLaunchKernel(function, 16384, 1, 1, 1024, 1, 1, 0, on, NULL, NULL);
}

#endif
