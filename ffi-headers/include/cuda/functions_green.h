/* Function pointer types: green contexts, and the parts of a device that they are made for. */
#ifndef HAMI_CUDA_FUNCTIONS_GREEN_H
#define HAMI_CUDA_FUNCTIONS_GREEN_H

typedef CUresult (*PFN_cuCtxFromGreenCtx)(CUcontext *pContext, CUgreenCtx hCtx);
typedef CUresult (*PFN_cuCtxGetDevResource)(CUcontext hCtx, CUdevResource *resource, CUdevResourceType type);
typedef CUresult (*PFN_cuDevResourceGenerateDesc)(CUdevResourceDesc *phDesc, CUdevResource *resources,
    unsigned int nbResources);
typedef CUresult (*PFN_cuDevSmResourceSplitByCount)(CUdevResource *result, unsigned int *nbGroups,
    const CUdevResource *input, CUdevResource *remainder, unsigned int flags, unsigned int minCount);
typedef CUresult (*PFN_cuDeviceGetDevResource)(CUdevice device, CUdevResource *resource, CUdevResourceType type);
typedef CUresult (*PFN_cuGreenCtxCreate)(CUgreenCtx *phCtx, CUdevResourceDesc desc, CUdevice dev,
    unsigned int flags);
typedef CUresult (*PFN_cuGreenCtxDestroy)(CUgreenCtx hCtx);
typedef CUresult (*PFN_cuGreenCtxGetDevResource)(CUgreenCtx hCtx, CUdevResource *resource, CUdevResourceType type);
typedef CUresult (*PFN_cuGreenCtxGetId)(CUgreenCtx greenCtx, unsigned long long *greenCtxId);
typedef CUresult (*PFN_cuGreenCtxRecordEvent)(CUgreenCtx hCtx, CUevent hEvent);
typedef CUresult (*PFN_cuGreenCtxStreamCreate)(CUstream *phStream, CUgreenCtx greenCtx, unsigned int flags,
    int priority);
typedef CUresult (*PFN_cuGreenCtxWaitEvent)(CUgreenCtx hCtx, CUevent hEvent);
typedef CUresult (*PFN_cuStreamGetGreenCtx)(CUstream hStream, CUgreenCtx *phCtx);

#endif
