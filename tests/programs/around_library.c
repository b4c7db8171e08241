/* A library that takes device memory: linked to the driver or, with -DLOOKED_UP, by dlopen and dlsym. */
#include <dlfcn.h>
#include <stddef.h>

#include "hami_cuda.h"

#ifdef LOOKED_UP
#define FUNCTION(name) ((PFN_##name)dlsym(dlopen("libcuda.so.1", RTLD_NOW), #name))
#else
extern __typeof__(*(PFN_cuInit)0) cuInit;
extern __typeof__(*(PFN_cuDevicePrimaryCtxRetain)0) cuDevicePrimaryCtxRetain;
extern __typeof__(*(PFN_cuCtxSetCurrent)0) cuCtxSetCurrent;
extern __typeof__(*(PFN_cuMemAlloc_v2)0) cuMemAlloc_v2;
#define FUNCTION(name) name
#endif

int take(size_t bytes);
int take(size_t bytes) {
    CUcontext context;
    CUdeviceptr memory;
    int result = FUNCTION(cuInit)(0);
    if (result == 0) result = FUNCTION(cuDevicePrimaryCtxRetain)(&context, 0);
    if (result == 0) result = FUNCTION(cuCtxSetCurrent)(context);
    return result ? result : FUNCTION(cuMemAlloc_v2)(&memory, bytes);
}
