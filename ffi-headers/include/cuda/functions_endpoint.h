/* Function pointer types: logical endpoints of a fabric (CUDA 13.3). They bind memory that exists and take none. */
#ifndef HAMI_CUDA_FUNCTIONS_ENDPOINT_H
#define HAMI_CUDA_FUNCTIONS_ENDPOINT_H

typedef CUresult (*PFN_cuLogicalEndpointBindAddr)(CUlogicalEndpointId leId, CUdevice dev, cuuint64_t offset,
    void *ptr, cuuint64_t size, unsigned long long flags);
typedef CUresult (*PFN_cuLogicalEndpointBindMem)(CUlogicalEndpointId leId, CUdevice dev, cuuint64_t offset,
    CUmemGenericAllocationHandle memHandle, cuuint64_t memOffset, cuuint64_t size, unsigned long long flags);
typedef CUresult (*PFN_cuLogicalEndpointCreate)(CUlogicalEndpointId leId, const CUlogicalEndpointProp *prop);
typedef CUresult (*PFN_cuLogicalEndpointDestroy)(CUlogicalEndpointId leId);
typedef CUresult (*PFN_cuLogicalEndpointImport)(CUlogicalEndpointId leId, const void *handle,
    CUlogicalEndpointIpcHandleType handleType);
typedef CUresult (*PFN_cuLogicalEndpointUnbind)(CUlogicalEndpointId leId, CUdevice dev, cuuint64_t offset,
    cuuint64_t size);

#endif
