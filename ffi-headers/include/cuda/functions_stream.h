/* Function pointer types: streams, events and external semaphores. */
#ifndef HAMI_CUDA_FUNCTIONS_STREAM_H
#define HAMI_CUDA_FUNCTIONS_STREAM_H

typedef CUresult (*PFN_cuDestroyExternalMemory)(CUexternalMemory extMem);
typedef CUresult (*PFN_cuDestroyExternalSemaphore)(CUexternalSemaphore extSem);
typedef CUresult (*PFN_cuEventCreate)(CUevent *phEvent, unsigned int Flags);
typedef CUresult (*PFN_cuEventDestroy)(CUevent hEvent);
typedef CUresult (*PFN_cuEventDestroy_v2)(CUevent hEvent);
typedef CUresult (*PFN_cuEventElapsedTime)(float *pMilliseconds, CUevent hStart, CUevent hEnd);
typedef CUresult (*PFN_cuEventElapsedTime_v2)(float *pMilliseconds, CUevent hStart, CUevent hEnd);
typedef CUresult (*PFN_cuEventQuery)(CUevent hEvent);
typedef CUresult (*PFN_cuEventRecord)(CUevent hEvent, CUstream hStream);
typedef CUresult (*PFN_cuEventRecordWithFlags)(CUevent hEvent, CUstream hStream, unsigned int flags);
typedef CUresult (*PFN_cuEventSynchronize)(CUevent hEvent);
typedef CUresult (*PFN_cuExternalMemoryGetMappedBuffer)(CUdeviceptr *devPtr, CUexternalMemory extMem,
    const CUDA_EXTERNAL_MEMORY_BUFFER_DESC *bufferDesc);
typedef CUresult (*PFN_cuImportExternalMemory)(CUexternalMemory *extMem_out,
    const CUDA_EXTERNAL_MEMORY_HANDLE_DESC *memHandleDesc);
typedef CUresult (*PFN_cuImportExternalSemaphore)(CUexternalSemaphore *extSem_out,
    const CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC *semHandleDesc);
typedef CUresult (*PFN_cuSignalExternalSemaphoresAsync)(const CUexternalSemaphore *extSemArray,
    const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS *paramsArray, unsigned int numExtSems, CUstream stream);
typedef CUresult (*PFN_cuStreamAddCallback)(CUstream hStream, CUstreamCallback callback, void *userData,
    unsigned int flags);
typedef CUresult (*PFN_cuStreamAttachMemAsync)(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags);
typedef CUresult (*PFN_cuStreamBatchMemOp)(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray,
    unsigned int flags);
typedef CUresult (*PFN_cuStreamBatchMemOp_v2)(CUstream stream, unsigned int count,
    CUstreamBatchMemOpParams *paramArray, unsigned int flags);
typedef CUresult (*PFN_cuStreamBeginCapture)(CUstream hStream);
typedef CUresult (*PFN_cuStreamBeginCapture_v2)(CUstream hStream, CUstreamCaptureMode mode);
typedef CUresult (*PFN_cuStreamBeginCaptureToCig)(CUstream hStream,
    CUstreamCigCaptureParams *streamCigCaptureParams);
typedef CUresult (*PFN_cuStreamCopyAttributes)(CUstream dst, CUstream src);
typedef CUresult (*PFN_cuStreamCreate)(CUstream *phStream, unsigned int Flags);
typedef CUresult (*PFN_cuStreamCreateWithPriority)(CUstream *phStream, unsigned int flags, int priority);
typedef CUresult (*PFN_cuStreamDestroy)(CUstream hStream);
typedef CUresult (*PFN_cuStreamDestroy_v2)(CUstream hStream);
typedef CUresult (*PFN_cuStreamEndCapture)(CUstream hStream, CUgraph *phGraph);
typedef CUresult (*PFN_cuStreamEndCaptureToCig)(CUstream hStream);
typedef CUresult (*PFN_cuStreamGetAttribute)(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value_out);
typedef CUresult (*PFN_cuStreamGetCaptureInfo)(CUstream hStream, CUstreamCaptureStatus *captureStatus,
    cuuint64_t *id);
typedef CUresult (*PFN_cuStreamGetCaptureInfo_v2)(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
    cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out, size_t *numDependencies_out);
typedef CUresult (*PFN_cuStreamGetCaptureInfo_v3)(CUstream hStream, CUstreamCaptureStatus *captureStatus_out,
    cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out,
    const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out);
typedef CUresult (*PFN_cuStreamGetCtx)(CUstream hStream, CUcontext *pctx);
typedef CUresult (*PFN_cuStreamGetCtx_v2)(CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx);
typedef CUresult (*PFN_cuStreamGetDevice)(CUstream hStream, CUdevice *device);
typedef CUresult (*PFN_cuStreamGetFlags)(CUstream hStream, unsigned int *flags);
typedef CUresult (*PFN_cuStreamGetId)(CUstream hStream, unsigned long long *streamId);
typedef CUresult (*PFN_cuStreamGetPriority)(CUstream hStream, int *priority);
typedef CUresult (*PFN_cuStreamIsCapturing)(CUstream hStream, CUstreamCaptureStatus *captureStatus);
typedef CUresult (*PFN_cuStreamQuery)(CUstream hStream);
typedef CUresult (*PFN_cuStreamSetAttribute)(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *value);
typedef CUresult (*PFN_cuStreamSynchronize)(CUstream hStream);
typedef CUresult (*PFN_cuStreamUpdateCaptureDependencies)(CUstream hStream, CUgraphNode *dependencies,
    size_t numDependencies, unsigned int flags);
typedef CUresult (*PFN_cuStreamUpdateCaptureDependencies_v2)(CUstream hStream, CUgraphNode *dependencies,
    const CUgraphEdgeData *dependencyData, size_t numDependencies, unsigned int flags);
typedef CUresult (*PFN_cuStreamWaitEvent)(CUstream hStream, CUevent hEvent, unsigned int Flags);
typedef CUresult (*PFN_cuStreamWaitValue32)(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags);
typedef CUresult (*PFN_cuStreamWaitValue32_v2)(CUstream stream, CUdeviceptr addr, cuuint32_t value,
    unsigned int flags);
typedef CUresult (*PFN_cuStreamWaitValue64)(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags);
typedef CUresult (*PFN_cuStreamWaitValue64_v2)(CUstream stream, CUdeviceptr addr, cuuint64_t value,
    unsigned int flags);
typedef CUresult (*PFN_cuStreamWriteValue32)(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags);
typedef CUresult (*PFN_cuStreamWriteValue32_v2)(CUstream stream, CUdeviceptr addr, cuuint32_t value,
    unsigned int flags);
typedef CUresult (*PFN_cuStreamWriteValue64)(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags);
typedef CUresult (*PFN_cuStreamWriteValue64_v2)(CUstream stream, CUdeviceptr addr, cuuint64_t value,
    unsigned int flags);
typedef CUresult (*PFN_cuWaitExternalSemaphoresAsync)(const CUexternalSemaphore *extSemArray,
    const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS *paramsArray, unsigned int numExtSems, CUstream stream);

#endif
