//! Every CUDA function type of ours against the functions of cudarc's bindings of CUDA 12.9, and of 13.1 where they are new.
use std::collections::BTreeSet;

use cudarc::driver::sys;
use cudarc13::driver::sys as sys13;
use ffi_headers::cuda;

use crate::compare::{self, Comparison};
use crate::signature::{self, Signature, Theirs};

/// Function types of ours against theirs, grouped by the number of arguments: the compiler infers the types behind `_`.
macro_rules! functions {
    ($found:ident, $sys:ident, $arguments:tt: { $($name:ident),* $(,)? }) => {
        pastey::paste! {
            $($found.agree(
                stringify!($name),
                <cuda::[<PFN_ $name>]>::signature(),
                signature::of(Theirs($sys::$name as unsafe fn $arguments -> _)),
            );)*
        }
    };
}

/// The reference has only the newest form of an entry point: these are older ones, which old programs still look up,
/// and cuGetProcAddress as CUDA 11 had it. They were compared with CUDA 12.9's own declarations by hand.
const OLDER_FORMS: &[&str] = &[
    "cuCtxCreate",
    "cuCtxDestroy",
    "cuCtxPopCurrent",
    "cuCtxPushCurrent",
    "cuDevicePrimaryCtxRelease",
    "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxSetFlags",
    "cuDeviceTotalMem",
    "cuGetProcAddress",
    "cuIpcOpenMemHandle",
    "cuMemAlloc",
    "cuMemAllocHost",
    "cuMemAllocPitch",
    "cuMemFree",
    "cuMemGetAddressRange",
    "cuMemGetInfo",
    "cuMemHostGetDevicePointer",
    "cuMemHostRegister",
    "cuMemcpy2D",
    "cuMemcpy2DAsync",
    "cuMemcpy2DUnaligned",
    "cuMemcpy3D",
    "cuMemcpy3DAsync",
    "cuMemcpyAtoA",
    "cuMemcpyAtoD",
    "cuMemcpyAtoH",
    "cuMemcpyAtoHAsync",
    "cuMemcpyDtoA",
    "cuMemcpyDtoD",
    "cuMemcpyDtoDAsync",
    "cuMemcpyDtoH",
    "cuMemcpyDtoHAsync",
    "cuMemcpyHtoA",
    "cuMemcpyHtoAAsync",
    "cuMemcpyHtoD",
    "cuMemcpyHtoDAsync",
    "cuMemsetD16",
    "cuMemsetD2D16",
    "cuMemsetD2D32",
    "cuMemsetD2D8",
    "cuMemsetD32",
    "cuMemsetD8",
    "cuArray3DCreate",
    "cuArray3DGetDescriptor",
    "cuArrayCreate",
    "cuArrayGetDescriptor",
    "cuEventDestroy",
    "cuStreamBatchMemOp",
    "cuStreamBeginCapture",
    "cuStreamDestroy",
    "cuStreamGetCaptureInfo",
    "cuStreamWaitValue32",
    "cuStreamWaitValue64",
    "cuStreamWriteValue32",
    "cuStreamWriteValue64",
    "cuLinkAddData",
    "cuLinkAddFile",
    "cuLinkCreate",
    "cuModuleGetGlobal",
    "cuGraphAddKernelNode",
    "cuGraphExecKernelNodeSetParams",
    "cuGraphExecUpdate",
    "cuGraphInstantiate",
    "cuGraphInstantiate_v2",
    "cuGraphKernelNodeGetParams",
    "cuGraphKernelNodeSetParams",
];

/// What came after CUDA 13.1 or in a form that the reference has not; compared with 13.5's own declarations by hand.
const NEWER: &[&str] = &[
    "cuFabricCpyBatchAsync",
    "cuGraphAddNode_v3",
    "cuGraphNodeGetParams",
    "cuGraphNodeSetParams_v2",
    "cuLaunchHostFunc_v2",
    "cuLogicalEndpointBindAddr",
    "cuLogicalEndpointBindMem",
    "cuLogicalEndpointCreate",
    "cuLogicalEndpointDestroy",
    "cuLogicalEndpointImport",
    "cuLogicalEndpointUnbind",
    "cuMemcpy3DWithAttributesAsync",
    "cuMemcpyWithAttributesAsync",
    "cuStreamBeginCaptureToCig",
    "cuStreamBeginRecaptureToGraph",
    "cuStreamEndCaptureToCig",
];

/// From the headers for OpenGL and VDPAU, which the reference leaves out; compared with 13.5's by hand.
const GRAPHICS: &[&str] = &["cuGLCtxCreate", "cuGLCtxCreate_v2", "cuVDPAUCtxCreate", "cuVDPAUCtxCreate_v2"];

#[test]
fn every_function_type_has_the_reference_signature() {
    let mut found = Comparison::default();
    from_cudarc(&mut found);
    from_cudarc_13(&mut found);
    let exceptions: BTreeSet<&str> = OLDER_FORMS.iter().chain(NEWER).chain(GRAPHICS).copied().collect();
    found.finish(&compare::functions(include_str!("../../src/cuda.rs")), &exceptions);
}

fn from_cudarc(found: &mut Comparison) {
    functions!(found, sys, (): {
        cuCtxResetPersistingL2Cache, cuCtxSynchronize, cuProfilerStart, cuProfilerStop,
    });
    functions!(found, sys, (_): {
        cuGreenCtxDestroy,
        cuCtxDestroy_v2, cuCtxDetach, cuCtxDisablePeerAccess, cuCtxGetCacheConfig, cuCtxGetCurrent, cuCtxGetDevice,
        cuCtxGetFlags, cuCtxGetSharedMemConfig, cuCtxPopCurrent_v2, cuCtxPushCurrent_v2, cuCtxSetCacheConfig,
        cuCtxSetCurrent, cuCtxSetFlags, cuCtxSetSharedMemConfig, cuDeviceGetCount, cuDevicePrimaryCtxRelease_v2,
        cuDevicePrimaryCtxReset_v2, cuDriverGetVersion, cuInit, cuThreadExchangeStreamCaptureMode,
        cuIpcCloseMemHandle, cuMemFreeHost, cuMemFree_v2, cuMemHostUnregister, cuMemcpy2DUnaligned_v2, cuMemcpy2D_v2,
        cuMemcpy3DPeer, cuMemcpy3D_v2, cuMemPoolDestroy, cuMemRelease, cuArrayDestroy, cuMipmappedArrayDestroy,
        cuDestroyExternalMemory, cuDestroyExternalSemaphore, cuEventDestroy_v2, cuEventQuery, cuEventSynchronize,
        cuStreamDestroy_v2, cuStreamQuery, cuStreamSynchronize, cuFuncLoad, cuLaunch, cuLibraryUnload, cuLinkDestroy,
        cuModuleGetLoadingMode, cuModuleUnload, cuDeviceGraphMemTrim, cuGraphDestroy, cuGraphDestroyNode,
        cuGraphExecDestroy,
    });
    functions!(found, sys, (_, _): {
        cuCtxFromGreenCtx, cuGreenCtxRecordEvent, cuGreenCtxWaitEvent, cuStreamGetGreenCtx,
        cuCtxAttach, cuCtxEnablePeerAccess, cuCtxGetApiVersion, cuCtxGetExecAffinity, cuCtxGetId, cuCtxGetLimit,
        cuCtxGetStreamPriorityRange, cuCtxRecordEvent, cuCtxSetLimit, cuCtxWaitEvent, cuDeviceGet,
        cuDeviceGetByPCIBusId, cuDeviceGetProperties, cuDeviceGetUuid, cuDeviceGetUuid_v2, cuDevicePrimaryCtxRetain,
        cuDevicePrimaryCtxSetFlags_v2, cuDeviceTotalMem_v2, cuGetErrorName, cuGetErrorString, cuGetExportTable,
        cuIpcGetEventHandle, cuIpcGetMemHandle, cuIpcOpenEventHandle, cuMemAllocHost_v2, cuMemAlloc_v2,
        cuMemGetInfo_v2, cuMemHostGetFlags, cuMemcpy2DAsync_v2, cuMemcpy3DAsync_v2, cuMemcpy3DPeerAsync,
        cuDeviceGetDefaultMemPool, cuDeviceGetMemPool, cuDeviceSetMemPool, cuMemFreeAsync, cuMemPoolCreate,
        cuMemPoolExportPointer, cuMemPoolTrimTo, cuMemAddressFree, cuMemGetAllocationPropertiesFromHandle,
        cuMemRetainAllocationHandle, cuMemUnmap, cuMulticastAddDevice, cuMulticastCreate, cuArray3DCreate_v2,
        cuArray3DGetDescriptor_v2, cuArrayCreate_v2, cuArrayGetDescriptor_v2, cuArrayGetSparseProperties,
        cuMipmappedArrayGetSparseProperties, cuEventCreate, cuEventRecord, cuImportExternalMemory,
        cuImportExternalSemaphore, cuStreamBeginCapture_v2, cuStreamCopyAttributes, cuStreamCreate,
        cuStreamEndCapture, cuStreamGetCtx, cuStreamGetDevice, cuStreamGetFlags, cuStreamGetId, cuStreamGetPriority,
        cuStreamIsCapturing, cuFuncGetModule, cuFuncGetName, cuFuncIsLoaded, cuFuncSetCacheConfig,
        cuFuncSetSharedMemConfig, cuFuncSetSharedSize, cuKernelGetFunction, cuKernelGetLibrary, cuKernelGetName,
        cuLibraryGetKernelCount, cuLibraryGetModule, cuModuleGetFunctionCount, cuModuleLoad, cuModuleLoadData,
        cuModuleLoadFatBinary, cuParamSetSize, cuGraphBatchMemOpNodeGetParams, cuGraphBatchMemOpNodeSetParams,
        cuGraphChildGraphNodeGetGraph, cuGraphClone, cuGraphCreate, cuGraphEventRecordNodeGetEvent,
        cuGraphEventRecordNodeSetEvent, cuGraphEventWaitNodeGetEvent, cuGraphEventWaitNodeSetEvent,
        cuGraphExecGetFlags, cuGraphExternalSemaphoresSignalNodeGetParams,
        cuGraphExternalSemaphoresSignalNodeSetParams, cuGraphExternalSemaphoresWaitNodeGetParams,
        cuGraphExternalSemaphoresWaitNodeSetParams, cuGraphHostNodeGetParams, cuGraphHostNodeSetParams,
        cuGraphKernelNodeCopyAttributes, cuGraphKernelNodeGetParams_v2, cuGraphKernelNodeSetParams_v2, cuGraphLaunch,
        cuGraphMemAllocNodeGetParams, cuGraphMemFreeNodeGetParams, cuGraphMemcpyNodeGetParams,
        cuGraphMemcpyNodeSetParams, cuGraphMemsetNodeGetParams, cuGraphMemsetNodeSetParams, cuGraphNodeGetType,
        cuGraphNodeSetParams, cuGraphUpload, cuUserObjectRelease, cuUserObjectRetain,
    });
    functions!(found, sys, (_, _, _): {
        cuCtxGetDevResource, cuDevResourceGenerateDesc, cuDeviceGetDevResource, cuGreenCtxGetDevResource,
        cuCtxCreate_v2, cuDeviceCanAccessPeer, cuDeviceComputeCapability, cuDeviceGetAttribute,
        cuDeviceGetExecAffinitySupport, cuDeviceGetLuid, cuDeviceGetName, cuDeviceGetPCIBusId,
        cuDevicePrimaryCtxGetState, cuProfilerInitialize, cuIpcOpenMemHandle_v2, cuMemAllocManaged,
        cuMemGetAddressRange_v2, cuMemHostAlloc, cuMemHostGetDevicePointer_v2, cuMemHostRegister_v2,
        cuPointerGetAttribute, cuPointerSetAttribute, cuMemcpy, cuMemcpyDtoD_v2, cuMemcpyDtoH_v2, cuMemcpyHtoD_v2,
        cuMemsetD16_v2, cuMemsetD32_v2, cuMemsetD8_v2, cuMemAllocAsync, cuMemMapArrayAsync, cuMemPoolGetAccess,
        cuMemPoolGetAttribute, cuMemPoolImportPointer, cuMemPoolSetAccess, cuMemPoolSetAttribute, cuMemGetAccess,
        cuMemGetAllocationGranularity, cuMemImportFromShareableHandle, cuMulticastGetGranularity,
        cuArrayGetMemoryRequirements, cuArrayGetPlane, cuExternalMemoryGetMappedMipmappedArray,
        cuMipmappedArrayCreate, cuMipmappedArrayGetLevel, cuMipmappedArrayGetMemoryRequirements, cuParamSetTexRef,
        cuEventElapsedTime, cuEventElapsedTime_v2, cuEventRecordWithFlags, cuExternalMemoryGetMappedBuffer,
        cuStreamCreateWithPriority, cuStreamGetAttribute, cuStreamGetCtx_v2, cuStreamSetAttribute, cuStreamWaitEvent,
        cuFuncGetAttribute, cuFuncSetAttribute, cuKernelSetCacheConfig, cuLaunchCooperativeKernelMultiDevice,
        cuLaunchGrid, cuLaunchHostFunc, cuLibraryEnumerateKernels, cuLibraryGetKernel, cuLibraryGetUnifiedFunction,
        cuLinkComplete, cuModuleEnumerateFunctions, cuModuleGetFunction, cuModuleGetSurfRef, cuModuleGetTexRef,
        cuOccupancyMaxActiveClusters, cuOccupancyMaxPotentialClusterSize, cuParamSetf, cuParamSeti,
        cuDeviceGetGraphMemAttribute, cuDeviceSetGraphMemAttribute, cuGraphDebugDotPrint,
        cuGraphExecBatchMemOpNodeSetParams, cuGraphExecChildGraphNodeSetParams, cuGraphExecEventRecordNodeSetEvent,
        cuGraphExecEventWaitNodeSetEvent, cuGraphExecExternalSemaphoresSignalNodeSetParams,
        cuGraphExecExternalSemaphoresWaitNodeSetParams, cuGraphExecHostNodeSetParams,
        cuGraphExecKernelNodeSetParams_v2, cuGraphExecNodeSetParams, cuGraphExecUpdate_v2, cuGraphGetNodes,
        cuGraphGetRootNodes, cuGraphInstantiateWithFlags, cuGraphInstantiateWithParams, cuGraphKernelNodeGetAttribute,
        cuGraphKernelNodeSetAttribute, cuGraphNodeFindInClone, cuGraphNodeGetDependencies,
        cuGraphNodeGetDependentNodes, cuGraphNodeGetEnabled, cuGraphNodeSetEnabled, cuGraphReleaseUserObject,
    });
    functions!(found, sys, (_, _, _, _): {
        cuGreenCtxCreate, cuGreenCtxStreamCreate,
        cuCtxCreate_v4, cuDeviceGetP2PAttribute, cuMemAdvise, cuMemAdvise_v2, cuPointerGetAttributes, cuMemcpyAsync,
        cuMemcpyAtoD_v2, cuMemcpyAtoH_v2, cuMemcpyDtoA_v2, cuMemcpyDtoDAsync_v2, cuMemcpyDtoHAsync_v2,
        cuMemcpyHtoA_v2, cuMemcpyHtoDAsync_v2, cuMemsetD16Async, cuMemsetD32Async, cuMemsetD8Async,
        cuMemAllocFromPoolAsync, cuMemPoolExportToShareableHandle, cuMemPoolImportFromShareableHandle,
        cuMemPrefetchAsync, cuMemCreate, cuMemExportToShareableHandle, cuMemSetAccess, cuMulticastUnbind,
        cuDeviceGetTexture1DLinearMaxWidth, cuSignalExternalSemaphoresAsync, cuStreamAddCallback,
        cuStreamAttachMemAsync, cuStreamBatchMemOp_v2, cuStreamUpdateCaptureDependencies, cuStreamWaitValue32_v2,
        cuStreamWaitValue64_v2, cuStreamWriteValue32_v2, cuStreamWriteValue64_v2, cuWaitExternalSemaphoresAsync,
        cuFuncGetParamInfo, cuFuncSetBlockShape, cuKernelGetAttribute, cuKernelGetParamInfo, cuKernelSetAttribute,
        cuLaunchGridAsync, cuLaunchKernelEx, cuLibraryGetGlobal, cuLibraryGetManaged, cuLinkCreate_v2,
        cuModuleGetGlobal_v2, cuOccupancyAvailableDynamicSMemPerBlock, cuOccupancyMaxActiveBlocksPerMultiprocessor,
        cuParamSetv, cuGraphAddDependencies, cuGraphAddEmptyNode, cuGraphExecMemcpyNodeSetParams,
        cuGraphExecMemsetNodeSetParams, cuGraphNodeGetDependencies_v2, cuGraphNodeGetDependentNodes_v2,
        cuGraphGetEdges, cuGraphRemoveDependencies, cuGraphRetainUserObject,
    });
    functions!(found, sys, (_, _, _, _, _): {
        cuMemBatchDecompressAsync,
        cuCtxCreate_v3, cuGetProcAddress_v2, cuMemAllocPitch_v2, cuMemPrefetchAsync_v2, cuMemRangeGetAttribute,
        cuMemcpy3DBatchAsync, cuMemcpyAtoA_v2, cuMemcpyAtoHAsync_v2, cuMemcpyHtoAAsync_v2, cuMemcpyPeer,
        cuMemsetD2D16_v2, cuMemsetD2D32_v2, cuMemsetD2D8_v2, cuMemAddressReserve, cuMemGetHandleForAddressRange,
        cuMemMap, cuMulticastBindAddr, cuStreamUpdateCaptureDependencies_v2, cuModuleLoadDataEx,
        cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, cuGraphAddBatchMemOpNode, cuGraphAddChildGraphNode,
        cuGraphAddDependencies_v2, cuGraphAddEventRecordNode, cuGraphAddEventWaitNode,
        cuGraphAddExternalSemaphoresSignalNode, cuGraphAddExternalSemaphoresWaitNode, cuGraphAddHostNode,
        cuGraphAddKernelNode_v2, cuGraphAddMemAllocNode, cuGraphAddMemFreeNode, cuGraphAddNode,
        cuGraphConditionalHandleCreate, cuGraphGetEdges_v2, cuGraphRemoveDependencies_v2, cuUserObjectCreate,
    });
    functions!(found, sys, (_, _, _, _, _, _): {
        cuDevSmResourceSplitByCount,
        cuMemRangeGetAttributes, cuMemcpyPeerAsync, cuMemsetD2D16Async, cuMemsetD2D32Async, cuMemsetD2D8Async,
        cuMulticastBindMem, cuStreamGetCaptureInfo_v2, cuLinkAddFile_v2, cuOccupancyMaxPotentialBlockSize,
        cuGraphAddMemcpyNode, cuGraphAddMemsetNode, cuGraphAddNode_v2, cuStreamBeginCaptureToGraph,
    });
    functions!(found, sys, (_, _, _, _, _, _, _): {
        cuStreamGetCaptureInfo_v3, cuOccupancyMaxPotentialBlockSizeWithFlags,
    });
    functions!(found, sys, (_, _, _, _, _, _, _, _): {
        cuLibraryLoadData, cuLibraryLoadFromFile, cuLinkAddData_v2,
    });
    functions!(found, sys, (_, _, _, _, _, _, _, _, _): {
        cuMemcpyBatchAsync,
    });
    functions!(found, sys, (_, _, _, _, _, _, _, _, _, _): {
        cuLaunchCooperativeKernel,
    });
    functions!(found, sys, (_, _, _, _, _, _, _, _, _, _, _): {
        cuLaunchKernel,
    });
}

fn from_cudarc_13(found: &mut Comparison) {
    functions!(found, sys13, (_): { cuCtxSynchronize_v2 });
    functions!(found, sys13, (_, _): { cuCtxGetDevice_v2, cuGreenCtxGetId });
    functions!(found, sys13, (_, _, _): { cuMemGetDefaultMemPool, cuMemGetMemPool, cuMemSetMemPool });
    functions!(found, sys13, (_, _, _, _): { cuMemcpy3DBatchAsync_v2 });
    functions!(found, sys13, (_, _, _, _, _): { cuMemDiscardBatchAsync });
    functions!(found, sys13, (_, _, _, _, _, _): { cuMulticastBindAddr_v2 });
    functions!(found, sys13, (_, _, _, _, _, _, _): { cuMulticastBindMem_v2 });
    functions!(found, sys13, (_, _, _, _, _, _, _, _): {
        cuMemDiscardAndPrefetchBatchAsync, cuMemPrefetchBatchAsync, cuMemcpyBatchAsync_v2,
    });
}
