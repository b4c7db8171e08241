/* Function pointer types: start-up, devices, contexts, errors and entry-point look-up. */
#ifndef HAMI_CUDA_FUNCTIONS_DEVICE_CONTEXT_H
#define HAMI_CUDA_FUNCTIONS_DEVICE_CONTEXT_H

typedef CUresult (*PFN_cuCtxAttach)(CUcontext *pctx, unsigned int flags);
typedef CUresult (*PFN_cuCtxCreate)(CUcontext *pctx, unsigned int flags, CUdevice dev);
typedef CUresult (*PFN_cuCtxCreate_v2)(CUcontext *pctx, unsigned int flags, CUdevice dev);
typedef CUresult (*PFN_cuCtxCreate_v3)(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
    unsigned int flags, CUdevice dev);
typedef CUresult (*PFN_cuCtxCreate_v4)(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags,
    CUdevice dev);
typedef CUresult (*PFN_cuCtxDestroy)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxDestroy_v2)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxDetach)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxDisablePeerAccess)(CUcontext peerContext);
typedef CUresult (*PFN_cuCtxEnablePeerAccess)(CUcontext peerContext, unsigned int Flags);
typedef CUresult (*PFN_cuCtxGetApiVersion)(CUcontext ctx, unsigned int *version);
typedef CUresult (*PFN_cuCtxGetCacheConfig)(CUfunc_cache *pconfig);
typedef CUresult (*PFN_cuCtxGetCurrent)(CUcontext *pctx);
typedef CUresult (*PFN_cuCtxGetDevice)(CUdevice *device);
typedef CUresult (*PFN_cuCtxGetDevice_v2)(CUdevice *device, CUcontext ctx);
typedef CUresult (*PFN_cuCtxGetExecAffinity)(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type);
typedef CUresult (*PFN_cuCtxGetFlags)(unsigned int *flags);
typedef CUresult (*PFN_cuCtxGetId)(CUcontext ctx, unsigned long long *ctxId);
typedef CUresult (*PFN_cuCtxGetLimit)(size_t *pvalue, CUlimit limit);
typedef CUresult (*PFN_cuCtxGetSharedMemConfig)(CUsharedconfig *pConfig);
typedef CUresult (*PFN_cuCtxGetStreamPriorityRange)(int *leastPriority, int *greatestPriority);
typedef CUresult (*PFN_cuCtxPopCurrent)(CUcontext *pctx);
typedef CUresult (*PFN_cuCtxPopCurrent_v2)(CUcontext *pctx);
typedef CUresult (*PFN_cuCtxPushCurrent)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxPushCurrent_v2)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxRecordEvent)(CUcontext hCtx, CUevent hEvent);
typedef CUresult (*PFN_cuCtxResetPersistingL2Cache)(void);
typedef CUresult (*PFN_cuCtxSetCacheConfig)(CUfunc_cache config);
typedef CUresult (*PFN_cuCtxSetCurrent)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxSetFlags)(unsigned int flags);
typedef CUresult (*PFN_cuCtxSetLimit)(CUlimit limit, size_t value);
typedef CUresult (*PFN_cuCtxSetSharedMemConfig)(CUsharedconfig config);
typedef CUresult (*PFN_cuCtxSynchronize)(void);
typedef CUresult (*PFN_cuCtxSynchronize_v2)(CUcontext ctx);
typedef CUresult (*PFN_cuCtxWaitEvent)(CUcontext hCtx, CUevent hEvent);
typedef CUresult (*PFN_cuDeviceCanAccessPeer)(int *canAccessPeer, CUdevice dev, CUdevice peerDev);
typedef CUresult (*PFN_cuDeviceComputeCapability)(int *major, int *minor, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGet)(CUdevice *device, int ordinal);
typedef CUresult (*PFN_cuDeviceGetAttribute)(int *pi, CUdevice_attribute attrib, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetByPCIBusId)(CUdevice *dev, const char *pciBusId);
typedef CUresult (*PFN_cuDeviceGetCount)(int *count);
typedef CUresult (*PFN_cuDeviceGetExecAffinitySupport)(int *pi, CUexecAffinityType type, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetLuid)(char *luid, unsigned int *deviceNodeMask, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetName)(char *name, int len, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetP2PAttribute)(int *value, CUdevice_P2PAttribute attrib, CUdevice srcDevice,
    CUdevice dstDevice);
typedef CUresult (*PFN_cuDeviceGetPCIBusId)(char *pciBusId, int len, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetProperties)(CUdevprop *prop, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetUuid)(CUuuid *uuid, CUdevice dev);
typedef CUresult (*PFN_cuDeviceGetUuid_v2)(CUuuid *uuid, CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxGetState)(CUdevice dev, unsigned int *flags, int *active);
typedef CUresult (*PFN_cuDevicePrimaryCtxRelease)(CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxRelease_v2)(CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxReset)(CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxReset_v2)(CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxRetain)(CUcontext *pctx, CUdevice dev);
typedef CUresult (*PFN_cuDevicePrimaryCtxSetFlags)(CUdevice dev, unsigned int flags);
typedef CUresult (*PFN_cuDevicePrimaryCtxSetFlags_v2)(CUdevice dev, unsigned int flags);
typedef CUresult (*PFN_cuDeviceTotalMem)(unsigned int *bytes, CUdevice dev);
typedef CUresult (*PFN_cuDeviceTotalMem_v2)(size_t *bytes, CUdevice dev);
typedef CUresult (*PFN_cuDriverGetVersion)(int *driverVersion);
typedef CUresult (*PFN_cuGetErrorName)(CUresult error, const char **pStr);
typedef CUresult (*PFN_cuGetErrorString)(CUresult error, const char **pStr);
typedef CUresult (*PFN_cuGetExportTable)(const void **ppExportTable, const CUuuid *pExportTableId);
typedef CUresult (*PFN_cuGetProcAddress)(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags);
typedef CUresult (*PFN_cuGetProcAddress_v2)(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags,
    CUdriverProcAddressQueryResult *symbolStatus);
typedef CUresult (*PFN_cuInit)(unsigned int Flags);
typedef CUresult (*PFN_cuProfilerInitialize)(const char *configFile, const char *outputFile,
    CUoutput_mode outputMode);
typedef CUresult (*PFN_cuProfilerStart)(void);
typedef CUresult (*PFN_cuProfilerStop)(void);
typedef CUresult (*PFN_cuThreadExchangeStreamCaptureMode)(CUstreamCaptureMode *mode);

#endif
