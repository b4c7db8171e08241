/* Scalars and opaque handles of the CUDA driver interface. */
#ifndef HAMI_CUDA_HANDLES_H
#define HAMI_CUDA_HANDLES_H

#include <stddef.h>
#include <stdint.h>

/* The interface version these declarations follow. */
#define CUDA_VERSION 12090

/* Stream handles with a fixed meaning, as integers: CU_STREAM_LEGACY and CU_STREAM_PER_THREAD. */
#define CU_STREAM_LEGACY_AS_INT 1
#define CU_STREAM_PER_THREAD_AS_INT 2

typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;
typedef int CUdevice_v1;
typedef unsigned long long CUdeviceptr_v2;
typedef unsigned long long CUmemGenericAllocationHandle_v1;
typedef CUdevice_v1 CUdevice;
typedef CUdeviceptr_v2 CUdeviceptr;
typedef CUmemGenericAllocationHandle_v1 CUmemGenericAllocationHandle;
typedef cuuint64_t CUgraphConditionalHandle;
typedef cuuint32_t CUlogicalEndpointId;
typedef unsigned int CUdeviceptr_v1;

/* Devices that are no GPU. */
static const CUdevice CU_DEVICE_CPU = -1;
static const CUdevice CU_DEVICE_INVALID = -2;

typedef struct CUarray_st *CUarray;
typedef struct CUctx_st *CUcontext;
typedef struct CUdevResourceDesc_st *CUdevResourceDesc;
typedef struct CUevent_st *CUevent;
typedef struct CUextMemory_st *CUexternalMemory;
typedef struct CUextSemaphore_st *CUexternalSemaphore;
typedef struct CUfunc_st *CUfunction;
typedef struct CUgraphDeviceUpdatableNode_st *CUgraphDeviceNode;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgreenCtx_st *CUgreenCtx;
typedef struct CUkern_st *CUkernel;
typedef struct CUlib_st *CUlibrary;
typedef struct CUlinkState_st *CUlinkState;
typedef struct CUmemPoolHandle_st *CUmemoryPool;
typedef struct CUmipmappedArray_st *CUmipmappedArray;
typedef struct CUmod_st *CUmodule;
typedef struct CUstream_st *CUstream;
typedef struct CUsurfref_st *CUsurfref;
typedef struct CUtexref_st *CUtexref;
typedef struct CUuserObject_st *CUuserObject;

/* Structures that are only handed through: their fields are not declared. */
typedef struct CUDA_FABRIC_COPY_BATCH_OP_st CUDA_FABRIC_COPY_BATCH_OP;
typedef struct CUstreamCigCaptureParams_st CUstreamCigCaptureParams;

#endif
