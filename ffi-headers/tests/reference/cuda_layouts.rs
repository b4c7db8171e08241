//! Every CUDA structure of ours against cudarc's bindings of CUDA 12.9 or 13.1: size, alignment, offsets and field sizes.
use std::collections::BTreeSet;
use std::mem::offset_of;

use cudarc::driver::sys;
use cudarc13::driver::sys as sys13;
use ffi_headers::cuda::*;

use crate::compare::{self, Comparison};

#[test]
fn every_structure_is_laid_out_as_in_the_reference() {
    let mut found = Comparison::default();
    from_cudarc(&mut found);
    before_cuda_3_2(&mut found);
    from_cudarc_13(&mut found);
    after_cuda_13_1(&mut found);
    found.finish(&compare::structures(include_str!("../../src/cuda.rs")), &BTreeSet::new());
}

fn from_cudarc(found: &mut Comparison) {
    layout!(found, struct CUDA_GRAPH_INSTANTIATE_PARAMS == sys::CUDA_GRAPH_INSTANTIATE_PARAMS_st {
        flags, hUploadStream, hErrNode_out, result_out,
    });
    layout!(found, struct CUctxCigParam == sys::CUctxCigParam_st { sharedDataType, sharedData });
    layout!(found, struct CUexecAffinitySmCount == sys::CUexecAffinitySmCount_st { val });
    layout!(found, struct CUexecAffinityParam == sys::CUexecAffinityParam_st { type_, param });
    layout!(found, union CUexecAffinityParam__bindgen_ty_1 == sys::CUexecAffinityParam_st__bindgen_ty_1 {
        smCount,
    });
    layout!(found, struct CUctxCreateParams == sys::CUctxCreateParams_st {
        execAffinityParams, numExecAffinityParams, cigParams,
    });
    layout!(found, struct CUdevprop == sys::CUdevprop_st {
        maxThreadsPerBlock, maxThreadsDim, maxGridSize, sharedMemPerBlock, totalConstantMemory, SIMDWidth, memPitch,
        regsPerBlock, clockRate, textureAlign,
    });
    layout!(found, struct CUmemDecompressParams == sys::CUmemDecompressParams_st {
        srcNumBytes, dstNumBytes, dstActBytes, src, dst, algo, padding,
    });
    layout!(found, struct CUuuid == sys::CUuuid_st { bytes });
    layout!(found, struct CUDA_ARRAY3D_DESCRIPTOR == sys::CUDA_ARRAY3D_DESCRIPTOR_st {
        Width, Height, Depth, Format, NumChannels, Flags,
    });
    layout!(found, struct CUDA_ARRAY_DESCRIPTOR == sys::CUDA_ARRAY_DESCRIPTOR_st {
        Width, Height, Format, NumChannels,
    });
    layout!(found, struct CUDA_ARRAY_MEMORY_REQUIREMENTS == sys::CUDA_ARRAY_MEMORY_REQUIREMENTS_st {
        size, alignment, reserved,
    });
    layout!(found, struct CUDA_ARRAY_SPARSE_PROPERTIES == sys::CUDA_ARRAY_SPARSE_PROPERTIES_st {
        tileExtent, miptailFirstLevel, miptailSize, flags, reserved,
    });
    layout!(found, struct CUDA_ARRAY_SPARSE_PROPERTIES__bindgen_ty_1 == sys::CUDA_ARRAY_SPARSE_PROPERTIES_st__bindgen_ty_1 {
        width, height, depth,
    });
    layout!(found, struct CUDA_EXTERNAL_MEMORY_BUFFER_DESC == sys::CUDA_EXTERNAL_MEMORY_BUFFER_DESC_st {
        offset, size, flags, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_MEMORY_HANDLE_DESC == sys::CUDA_EXTERNAL_MEMORY_HANDLE_DESC_st {
        type_, handle, size, flags, reserved,
    });
    layout!(found, union CUDA_EXTERNAL_MEMORY_HANDLE_DESC__bindgen_ty_1 == sys::CUDA_EXTERNAL_MEMORY_HANDLE_DESC_st__bindgen_ty_1 {
        fd, win32, nvSciBufObject,
    });
    layout!(found, struct CUDA_EXTERNAL_MEMORY_HANDLE_DESC__bindgen_ty_1__bindgen_ty_1 == sys::CUDA_EXTERNAL_MEMORY_HANDLE_DESC_st__bindgen_ty_1__bindgen_ty_1 {
        handle, name,
    });
    layout!(found, struct CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC == sys::CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC_st {
        offset, arrayDesc, numLevels, reserved,
    });
    layout!(found, struct CUDA_MEMCPY2D == sys::CUDA_MEMCPY2D_st {
        srcXInBytes, srcY, srcMemoryType, srcHost, srcDevice, srcArray, srcPitch, dstXInBytes, dstY, dstMemoryType,
        dstHost, dstDevice, dstArray, dstPitch, WidthInBytes, Height,
    });
    layout!(found, struct CUDA_MEMCPY3D == sys::CUDA_MEMCPY3D_st {
        srcXInBytes, srcY, srcZ, srcLOD, srcMemoryType, srcHost, srcDevice, srcArray, reserved0, srcPitch, srcHeight,
        dstXInBytes, dstY, dstZ, dstLOD, dstMemoryType, dstHost, dstDevice, dstArray, reserved1, dstPitch, dstHeight,
        WidthInBytes, Height, Depth,
    });
    layout!(found, struct CUmemLocation == sys::CUmemLocation_st { type_, id });
    layout!(found, struct CUoffset3D == sys::CUoffset3D_st { x, y, z });
    layout!(found, struct CUmemcpy3DOperand == sys::CUmemcpy3DOperand_st { type_, op });
    layout!(found, union CUmemcpy3DOperand__bindgen_ty_1 == sys::CUmemcpy3DOperand_st__bindgen_ty_1 { ptr, array });
    layout!(found, struct CUmemcpy3DOperand__bindgen_ty_1__bindgen_ty_1 == sys::CUmemcpy3DOperand_st__bindgen_ty_1__bindgen_ty_1 {
        ptr, rowLength, layerHeight, locHint,
    });
    layout!(found, struct CUmemcpy3DOperand__bindgen_ty_1__bindgen_ty_2 == sys::CUmemcpy3DOperand_st__bindgen_ty_1__bindgen_ty_2 {
        array, offset,
    });
    layout!(found, struct CUextent3D == sys::CUextent3D_st { width, height, depth });
    layout!(found, struct CUDA_MEMCPY3D_BATCH_OP == sys::CUDA_MEMCPY3D_BATCH_OP_st {
        src, dst, extent, srcAccessOrder, flags,
    });
    layout!(found, struct CUDA_MEMCPY3D_PEER == sys::CUDA_MEMCPY3D_PEER_st {
        srcXInBytes, srcY, srcZ, srcLOD, srcMemoryType, srcHost, srcDevice, srcArray, srcContext, srcPitch, srcHeight,
        dstXInBytes, dstY, dstZ, dstLOD, dstMemoryType, dstHost, dstDevice, dstArray, dstContext, dstPitch, dstHeight,
        WidthInBytes, Height, Depth,
    });
    layout!(found, struct CUmemPoolProps == sys::CUmemPoolProps_st {
        allocType, handleTypes, location, win32SecurityAttributes, maxSize, usage, reserved,
    });
    layout!(found, struct CUmemAccessDesc == sys::CUmemAccessDesc_st { location, flags });
    layout!(found, struct CUarrayMapInfo == sys::CUarrayMapInfo_st {
        resourceType, resource, subresourceType, subresource, memOperationType, memHandleType, memHandle, offset,
        deviceBitMask, flags, reserved,
    });
    layout!(found, union CUarrayMapInfo__bindgen_ty_1 == sys::CUarrayMapInfo_st__bindgen_ty_1 { mipmap, array });
    layout!(found, union CUarrayMapInfo__bindgen_ty_2 == sys::CUarrayMapInfo_st__bindgen_ty_2 {
        sparseLevel, miptail,
    });
    layout!(found, struct CUarrayMapInfo__bindgen_ty_2__bindgen_ty_1 == sys::CUarrayMapInfo_st__bindgen_ty_2__bindgen_ty_1 {
        level, layer, offsetX, offsetY, offsetZ, extentWidth, extentHeight, extentDepth,
    });
    layout!(found, struct CUarrayMapInfo__bindgen_ty_2__bindgen_ty_2 == sys::CUarrayMapInfo_st__bindgen_ty_2__bindgen_ty_2 {
        layer, offset, size,
    });
    layout!(found, union CUarrayMapInfo__bindgen_ty_3 == sys::CUarrayMapInfo_st__bindgen_ty_3 { memHandle });
    layout!(found, struct CUipcMemHandle == sys::CUipcMemHandle_st { reserved });
    layout!(found, struct CUmemAllocationProp == sys::CUmemAllocationProp_st {
        type_, requestedHandleTypes, location, win32HandleMetaData, allocFlags,
    });
    layout!(found, struct CUmemAllocationProp__bindgen_ty_1 == sys::CUmemAllocationProp_st__bindgen_ty_1 {
        compressionType, gpuDirectRDMACapable, usage, reserved,
    });
    layout!(found, struct CUmemPoolPtrExportData == sys::CUmemPoolPtrExportData_st { reserved });
    layout!(found, struct CUmemcpyAttributes == sys::CUmemcpyAttributes_st {
        srcAccessOrder, srcLocHint, dstLocHint, flags,
    });
    layout!(found, struct CUmulticastObjectProp == sys::CUmulticastObjectProp_st {
        numDevices, size, handleTypes, flags,
    });
    layout!(found, struct CUDA_LAUNCH_PARAMS == sys::CUDA_LAUNCH_PARAMS_st {
        function, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, hStream,
        kernelParams,
    });
    layout!(found, struct CUaccessPolicyWindow == sys::CUaccessPolicyWindow_st {
        base_ptr, num_bytes, hitRatio, hitProp, missProp,
    });
    layout!(found, struct CUlaunchMemSyncDomainMap == sys::CUlaunchMemSyncDomainMap_st { default_, remote });
    layout!(found, union CUlaunchAttributeValue == sys::CUlaunchAttributeValue_union {
        pad, accessPolicyWindow, cooperative, syncPolicy, clusterDim, clusterSchedulingPolicyPreference,
        programmaticStreamSerializationAllowed, programmaticEvent, launchCompletionEvent, priority, memSyncDomainMap,
        memSyncDomain, preferredClusterDim, deviceUpdatableKernelNode, sharedMemCarveout,
    });
    layout!(found, struct CUlaunchAttributeValue__bindgen_ty_1 == sys::CUlaunchAttributeValue_union__bindgen_ty_1 {
        x, y, z,
    });
    layout!(found, struct CUlaunchAttributeValue__bindgen_ty_2 == sys::CUlaunchAttributeValue_union__bindgen_ty_2 {
        event, flags, triggerAtBlockStart,
    });
    layout!(found, struct CUlaunchAttributeValue__bindgen_ty_3 == sys::CUlaunchAttributeValue_union__bindgen_ty_3 {
        event, flags,
    });
    layout!(found, struct CUlaunchAttributeValue__bindgen_ty_4 == sys::CUlaunchAttributeValue_union__bindgen_ty_4 {
        x, y, z,
    });
    layout!(found, struct CUlaunchAttributeValue__bindgen_ty_5 == sys::CUlaunchAttributeValue_union__bindgen_ty_5 {
        deviceUpdatable, devNode,
    });
    layout!(found, struct CUlaunchAttribute == sys::CUlaunchAttribute_st { id, pad, value });
    layout!(found, struct CUlaunchConfig == sys::CUlaunchConfig_st {
        gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, hStream, attrs, numAttrs,
    });
    layout!(found, struct CUlibraryHostUniversalFunctionAndDataTable == sys::CUlibraryHostUniversalFunctionAndDataTable_st {
        functionTable, functionWindowSize, dataTable, dataWindowSize,
    });
    layout!(found, union CUstreamBatchMemOpParams == sys::CUstreamBatchMemOpParams_union {
        operation, waitValue, writeValue, flushRemoteWrites, memoryBarrier, pad,
    });
    layout!(found, struct CUstreamBatchMemOpParams_CUstreamMemOpWaitValueParams_st == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpWaitValueParams_st {
        operation, address, __bindgen_anon_1, flags, alias,
    });
    layout!(found, union CUstreamBatchMemOpParams_CUstreamMemOpWaitValueParams_st__bindgen_ty_1 == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpWaitValueParams_st__bindgen_ty_1 {
        value, value64,
    });
    layout!(found, struct CUstreamBatchMemOpParams_CUstreamMemOpWriteValueParams_st == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpWriteValueParams_st {
        operation, address, __bindgen_anon_1, flags, alias,
    });
    layout!(found, union CUstreamBatchMemOpParams_CUstreamMemOpWriteValueParams_st__bindgen_ty_1 == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpWriteValueParams_st__bindgen_ty_1 {
        value, value64,
    });
    layout!(found, struct CUstreamBatchMemOpParams_CUstreamMemOpFlushRemoteWritesParams_st == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpFlushRemoteWritesParams_st {
        operation, flags,
    });
    layout!(found, struct CUstreamBatchMemOpParams_CUstreamMemOpMemoryBarrierParams_st == sys::CUstreamBatchMemOpParams_union_CUstreamMemOpMemoryBarrierParams_st {
        operation, flags,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC == sys::CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC_st {
        type_, handle, flags, reserved,
    });
    layout!(found, union CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC_st__bindgen_ty_1 {
        fd, win32, nvSciSyncObj,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC__bindgen_ty_1__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC_st__bindgen_ty_1__bindgen_ty_1 {
        handle, name,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS == sys::CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS_st {
        params, flags, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS_st__bindgen_ty_1 {
        fence, nvSciSync, keyedMutex, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS__bindgen_ty_1__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS_st__bindgen_ty_1__bindgen_ty_1 {
        value,
    });
    layout!(found, union CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS__bindgen_ty_1__bindgen_ty_2 == sys::CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS_st__bindgen_ty_1__bindgen_ty_2 {
        fence, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS__bindgen_ty_1__bindgen_ty_3 == sys::CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS_st__bindgen_ty_1__bindgen_ty_3 {
        key,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS == sys::CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS_st {
        params, flags, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS_st__bindgen_ty_1 {
        fence, nvSciSync, keyedMutex, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS__bindgen_ty_1__bindgen_ty_1 == sys::CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS_st__bindgen_ty_1__bindgen_ty_1 {
        value,
    });
    layout!(found, union CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS__bindgen_ty_1__bindgen_ty_2 == sys::CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS_st__bindgen_ty_1__bindgen_ty_2 {
        fence, reserved,
    });
    layout!(found, struct CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS__bindgen_ty_1__bindgen_ty_3 == sys::CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS_st__bindgen_ty_1__bindgen_ty_3 {
        key, timeoutMs,
    });
    layout!(found, struct CUipcEventHandle == sys::CUipcEventHandle_st { reserved });
    layout!(found, struct CUDA_BATCH_MEM_OP_NODE_PARAMS_v1 == sys::CUDA_BATCH_MEM_OP_NODE_PARAMS_v1_st {
        ctx, count, paramArray, flags,
    });
    layout!(found, struct CUDA_EXT_SEM_SIGNAL_NODE_PARAMS == sys::CUDA_EXT_SEM_SIGNAL_NODE_PARAMS_st {
        extSemArray, paramsArray, numExtSems,
    });
    layout!(found, struct CUDA_EXT_SEM_WAIT_NODE_PARAMS == sys::CUDA_EXT_SEM_WAIT_NODE_PARAMS_st {
        extSemArray, paramsArray, numExtSems,
    });
    layout!(found, struct CUDA_HOST_NODE_PARAMS == sys::CUDA_HOST_NODE_PARAMS_st { fn_, userData });
    layout!(found, struct CUDA_KERNEL_NODE_PARAMS_v2 == sys::CUDA_KERNEL_NODE_PARAMS_v2_st {
        func, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, kernelParams, extra,
        kern, ctx,
    });
    layout!(found, struct CUDA_KERNEL_NODE_PARAMS_v1 == sys::CUDA_KERNEL_NODE_PARAMS_st {
        func, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, kernelParams, extra,
    });
    layout!(found, struct CUDA_MEMSET_NODE_PARAMS == sys::CUDA_MEMSET_NODE_PARAMS_st {
        dst, pitch, value, elementSize, width, height,
    });
    layout!(found, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1 == sys::CUDA_MEM_ALLOC_NODE_PARAMS_v1_st {
        poolProps, accessDescs, accessDescCount, bytesize, dptr,
    });
    layout!(found, struct CUgraphEdgeData == sys::CUgraphEdgeData_st { from_port, to_port, type_, reserved });
    layout!(found, struct CUgraphExecUpdateResultInfo == sys::CUgraphExecUpdateResultInfo_st {
        result, errorNode, errorFromNode,
    });
    layout!(found, struct CUDA_MEM_ALLOC_NODE_PARAMS_v2 == sys::CUDA_MEM_ALLOC_NODE_PARAMS_v2_st {
        poolProps, accessDescs, accessDescCount, bytesize, dptr,
    });
    layout!(found, struct CUDA_HOST_NODE_PARAMS_v2 == sys::CUDA_HOST_NODE_PARAMS_v2_st { fn_, userData });
    layout!(found, struct CUDA_MEMCPY_NODE_PARAMS == sys::CUDA_MEMCPY_NODE_PARAMS_st {
        flags, reserved, copyCtx, copyParams,
    });
    layout!(found, struct CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 == sys::CUDA_BATCH_MEM_OP_NODE_PARAMS_v2_st {
        ctx, count, paramArray, flags,
    });
    layout!(found, struct CUDA_CHILD_GRAPH_NODE_PARAMS == sys::CUDA_CHILD_GRAPH_NODE_PARAMS_st {
        graph, ownership,
    });
    layout!(found, struct CUDA_EXT_SEM_WAIT_NODE_PARAMS_v2 == sys::CUDA_EXT_SEM_WAIT_NODE_PARAMS_v2_st {
        extSemArray, paramsArray, numExtSems,
    });
    layout!(found, struct CUDA_MEMSET_NODE_PARAMS_v2 == sys::CUDA_MEMSET_NODE_PARAMS_v2_st {
        dst, pitch, value, elementSize, width, height, ctx,
    });
    layout!(found, struct CUDA_EXT_SEM_SIGNAL_NODE_PARAMS_v2 == sys::CUDA_EXT_SEM_SIGNAL_NODE_PARAMS_v2_st {
        extSemArray, paramsArray, numExtSems,
    });
    layout!(found, struct CUDA_KERNEL_NODE_PARAMS_v3 == sys::CUDA_KERNEL_NODE_PARAMS_v3_st {
        func, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, kernelParams, extra,
        kern, ctx,
    });
    layout!(found, struct CUDA_CONDITIONAL_NODE_PARAMS == sys::CUDA_CONDITIONAL_NODE_PARAMS {
        handle, type_, size, phGraph_out, ctx,
    });
    layout!(found, struct CUDA_EVENT_RECORD_NODE_PARAMS == sys::CUDA_EVENT_RECORD_NODE_PARAMS_st { event });
    layout!(found, struct CUDA_EVENT_WAIT_NODE_PARAMS == sys::CUDA_EVENT_WAIT_NODE_PARAMS_st { event });
    layout!(found, struct CUDA_MEM_FREE_NODE_PARAMS == sys::CUDA_MEM_FREE_NODE_PARAMS_st { dptr });
    layout!(found, struct CUgraphNodeParams == sys::CUgraphNodeParams_st {
        type_, reserved0, __bindgen_anon_1, reserved2,
    });
    layout!(found, union CUgraphNodeParams__bindgen_ty_1 == sys::CUgraphNodeParams_st__bindgen_ty_1 {
        reserved1, kernel, memcpy, memset, host, graph, eventWait, eventRecord, extSemSignal, extSemWait, alloc, free,
        memOp, conditional,
    });
}

/// Size, alignment, then offset and size of each field, against literals.
macro_rules! literal_layout {
    ($found:ident, $ours:ident, $size:literal, $align:literal, { $($field:ident: $at:literal, $bytes:literal;)* }) => {
        $found.note(stringify!($ours), layout!(fields $ours, $($field)*), ($size, $align, vec![$(($at, $bytes)),*]))
    };
}

/// cudarc has no 32-bit forms; these layouts were read from CUDA 12.9 with its internal version switch set.
fn before_cuda_3_2(found: &mut Comparison) {
    literal_layout!(found, CUDA_ARRAY_DESCRIPTOR_v1, 16, 4, {
        Width: 0, 4;
        Height: 4, 4;
        Format: 8, 4;
        NumChannels: 12, 4;
    });
    literal_layout!(found, CUDA_ARRAY3D_DESCRIPTOR_v1, 24, 4, {
        Width: 0, 4;
        Height: 4, 4;
        Depth: 8, 4;
        Format: 12, 4;
        NumChannels: 16, 4;
        Flags: 20, 4;
    });
    literal_layout!(found, CUDA_MEMCPY2D_v1, 96, 8, {
        srcXInBytes: 0, 4;
        srcY: 4, 4;
        srcMemoryType: 8, 4;
        srcHost: 16, 8;
        srcDevice: 24, 4;
        srcArray: 32, 8;
        srcPitch: 40, 4;
        dstXInBytes: 44, 4;
        dstY: 48, 4;
        dstMemoryType: 52, 4;
        dstHost: 56, 8;
        dstDevice: 64, 4;
        dstArray: 72, 8;
        dstPitch: 80, 4;
        WidthInBytes: 84, 4;
        Height: 88, 4;
    });
    literal_layout!(found, CUDA_MEMCPY3D_v1, 144, 8, {
        srcXInBytes: 0, 4;
        srcY: 4, 4;
        srcZ: 8, 4;
        srcLOD: 12, 4;
        srcMemoryType: 16, 4;
        srcHost: 24, 8;
        srcDevice: 32, 4;
        srcArray: 40, 8;
        reserved0: 48, 8;
        srcPitch: 56, 4;
        srcHeight: 60, 4;
        dstXInBytes: 64, 4;
        dstY: 68, 4;
        dstZ: 72, 4;
        dstLOD: 76, 4;
        dstMemoryType: 80, 4;
        dstHost: 88, 8;
        dstDevice: 96, 4;
        dstArray: 104, 8;
        reserved1: 112, 8;
        dstPitch: 120, 4;
        dstHeight: 124, 4;
        WidthInBytes: 128, 4;
        Height: 132, 4;
        Depth: 136, 4;
    });
}

fn from_cudarc_13(found: &mut Comparison) {
    layout!(found, struct CUdevSmResource == sys13::CUdevSmResource_st {
        smCount, minSmPartitionSize, smCoscheduledAlignment, flags,
    });
    layout!(found, struct CUdevResource_st == sys13::CUdevResource_st {
        type_, _internal_padding, __bindgen_anon_1, nextResource,
    });
    layout!(found, union CUdevResource_st__bindgen_ty_1 == sys13::CUdevResource_st__bindgen_ty_1 { sm, _oversize });
    assert_eq!(size_of::<CUdevResource>(), size_of::<sys::CUdevResource_st>(), "12.9 has it without nextResource");
}

/// Read from CUDA 13.5.
fn after_cuda_13_1(found: &mut Comparison) {
    literal_layout!(found, CUlogicalEndpointProp, 24, 8, {
        type_: 0, 4;
        __bindgen_anon_1: 4, 4;
        size: 8, 8;
        ipcHandleTypes: 16, 4;
        flags: 20, 4;
    });
    literal_layout!(found, CUlogicalEndpointProp__bindgen_ty_1__bindgen_ty_1, 4, 4, { device: 0, 4; });
    literal_layout!(found, CUlogicalEndpointProp__bindgen_ty_1__bindgen_ty_2, 4, 4, { numDevices: 0, 4; });
    let members = (
        offset_of!(CUlogicalEndpointProp__bindgen_ty_1, unicast),
        offset_of!(CUlogicalEndpointProp__bindgen_ty_1, multicast),
    );
    found.note("CUlogicalEndpointProp__bindgen_ty_1", members, (0, 0));
}
