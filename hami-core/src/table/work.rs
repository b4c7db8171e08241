//! Rows of the CUDA driver API that put work on a device. Versions are those of cudaTypedefs.h.
// UNSAFETY: the generated functions are exported to C and call C.
#![expect(unsafe_code)]
#![expect(non_snake_case)] // CUDA's names

use core::ffi::{c_int, c_uchar, c_uint, c_ulonglong, c_ushort, c_void};

use ffi_headers::cuda::{
    CUDA_ERROR_NOT_FOUND, CUDA_ERROR_UNKNOWN, CUDA_LAUNCH_PARAMS, CUDA_MEMCPY2D, CUDA_MEMCPY2D_v1, CUDA_MEMCPY3D,
    CUDA_MEMCPY3D_BATCH_OP, CUDA_MEMCPY3D_PEER, CUDA_MEMCPY3D_v1, CUarray, CUcontext, CUdeviceptr, CUdeviceptr_v1,
    CUfunction, CUgraph, CUgraphEdgeData, CUgraphExec, CUgraphExecUpdateResult, CUgraphExecUpdateResultInfo,
    CUgraphNode, CUgraphRecaptureCallback, CUlaunchConfig, CUmemcpyAttributes, CUresult, CUstream, CUstreamCaptureMode,
    CUstreamCigCaptureParams,
};

use super::expand::rows;
use crate::shapes::{capture, copy, fill, graph, launch};

rows! {
    library Cuda, result CUresult, missing CUDA_ERROR_NOT_FOUND, panic CUDA_ERROR_UNKNOWN;
    // Kernels.
    throttle cuLaunch as c"cuLaunch" @ 2000 (f: CUfunction) => launch::once;
    throttle cuLaunchCooperativeKernel as c"cuLaunchCooperativeKernel" @ 9000
        (f: CUfunction, gridDimX: c_uint, gridDimY: c_uint, gridDimZ: c_uint, blockDimX: c_uint, blockDimY: c_uint,
         blockDimZ: c_uint, sharedMemBytes: c_uint, hStream: CUstream, kernelParams: *mut *mut c_void)
        => launch::cooperative;
    throttle cuLaunchCooperativeKernelMultiDevice as c"cuLaunchCooperativeKernelMultiDevice" @ 9000
        (launchParamsList: *mut CUDA_LAUNCH_PARAMS, numDevices: c_uint, flags: c_uint)
        => launch::cooperative_on_several;
    throttle cuLaunchCooperativeKernel_ptsz as c"cuLaunchCooperativeKernel" @ 9000 per_thread
        (f: CUfunction, gridDimX: c_uint, gridDimY: c_uint, gridDimZ: c_uint, blockDimX: c_uint, blockDimY: c_uint,
         blockDimZ: c_uint, sharedMemBytes: c_uint, hStream: CUstream, kernelParams: *mut *mut c_void)
        => launch::cooperative;
    throttle cuLaunchGrid as c"cuLaunchGrid" @ 2000
        (f: CUfunction, grid_width: c_int, grid_height: c_int) => launch::grid;
    throttle cuLaunchGridAsync as c"cuLaunchGridAsync" @ 2000
        (f: CUfunction, grid_width: c_int, grid_height: c_int, hStream: CUstream) => launch::grid_in_stream;
    throttle cuLaunchKernel as c"cuLaunchKernel" @ 4000
        (f: CUfunction, gridDimX: c_uint, gridDimY: c_uint, gridDimZ: c_uint, blockDimX: c_uint, blockDimY: c_uint,
         blockDimZ: c_uint, sharedMemBytes: c_uint, hStream: CUstream, kernelParams: *mut *mut c_void,
         extra: *mut *mut c_void) => launch::kernel;
    throttle cuLaunchKernelEx as c"cuLaunchKernelEx" @ 11060
        (config: *const CUlaunchConfig, f: CUfunction, kernelParams: *mut *mut c_void, extra: *mut *mut c_void)
        => launch::kernel_with_config;
    throttle cuLaunchKernelEx_ptsz as c"cuLaunchKernelEx" @ 11060 per_thread
        (config: *const CUlaunchConfig, f: CUfunction, kernelParams: *mut *mut c_void, extra: *mut *mut c_void)
        => launch::kernel_with_config;
    throttle cuLaunchKernel_ptsz as c"cuLaunchKernel" @ 7000 per_thread
        (f: CUfunction, gridDimX: c_uint, gridDimY: c_uint, gridDimZ: c_uint, blockDimX: c_uint, blockDimY: c_uint,
         blockDimZ: c_uint, sharedMemBytes: c_uint, hStream: CUstream, kernelParams: *mut *mut c_void,
         extra: *mut *mut c_void) => launch::kernel;

    // Device memory that is filled.
    throttle cuMemsetD16 as c"cuMemsetD16" @ 2000 (dstDevice: CUdeviceptr_v1, us: c_ushort, N: c_uint) => fill::linear;
    throttle cuMemsetD16Async as c"cuMemsetD16Async" @ 3020
        (dstDevice: CUdeviceptr, us: c_ushort, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD16Async_ptsz as c"cuMemsetD16Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, us: c_ushort, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD16_v2 as c"cuMemsetD16" @ 3020 (dstDevice: CUdeviceptr, us: c_ushort, N: usize) => fill::linear;
    throttle cuMemsetD16_v2_ptds as c"cuMemsetD16" @ 7000 per_thread
        (dstDevice: CUdeviceptr, us: c_ushort, N: usize) => fill::linear;
    throttle cuMemsetD2D16 as c"cuMemsetD2D16" @ 2000
        (dstDevice: CUdeviceptr_v1, dstPitch: c_uint, us: c_ushort, Width: c_uint, Height: c_uint) => fill::pitched;
    throttle cuMemsetD2D16Async as c"cuMemsetD2D16Async" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, us: c_ushort, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D16Async_ptsz as c"cuMemsetD2D16Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, us: c_ushort, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D16_v2 as c"cuMemsetD2D16" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, us: c_ushort, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD2D16_v2_ptds as c"cuMemsetD2D16" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, us: c_ushort, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD2D32 as c"cuMemsetD2D32" @ 2000
        (dstDevice: CUdeviceptr_v1, dstPitch: c_uint, ui: c_uint, Width: c_uint, Height: c_uint) => fill::pitched;
    throttle cuMemsetD2D32Async as c"cuMemsetD2D32Async" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, ui: c_uint, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D32Async_ptsz as c"cuMemsetD2D32Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, ui: c_uint, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D32_v2 as c"cuMemsetD2D32" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, ui: c_uint, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD2D32_v2_ptds as c"cuMemsetD2D32" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, ui: c_uint, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD2D8 as c"cuMemsetD2D8" @ 2000
        (dstDevice: CUdeviceptr_v1, dstPitch: c_uint, uc: c_uchar, Width: c_uint, Height: c_uint) => fill::pitched;
    throttle cuMemsetD2D8Async as c"cuMemsetD2D8Async" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, uc: c_uchar, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D8Async_ptsz as c"cuMemsetD2D8Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, uc: c_uchar, Width: usize, Height: usize, hStream: CUstream)
        => fill::pitched_in_stream;
    throttle cuMemsetD2D8_v2 as c"cuMemsetD2D8" @ 3020
        (dstDevice: CUdeviceptr, dstPitch: usize, uc: c_uchar, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD2D8_v2_ptds as c"cuMemsetD2D8" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstPitch: usize, uc: c_uchar, Width: usize, Height: usize) => fill::pitched;
    throttle cuMemsetD32 as c"cuMemsetD32" @ 2000 (dstDevice: CUdeviceptr_v1, ui: c_uint, N: c_uint) => fill::linear;
    throttle cuMemsetD32Async as c"cuMemsetD32Async" @ 3020
        (dstDevice: CUdeviceptr, ui: c_uint, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD32Async_ptsz as c"cuMemsetD32Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, ui: c_uint, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD32_v2 as c"cuMemsetD32" @ 3020 (dstDevice: CUdeviceptr, ui: c_uint, N: usize) => fill::linear;
    throttle cuMemsetD32_v2_ptds as c"cuMemsetD32" @ 7000 per_thread
        (dstDevice: CUdeviceptr, ui: c_uint, N: usize) => fill::linear;
    throttle cuMemsetD8 as c"cuMemsetD8" @ 2000 (dstDevice: CUdeviceptr_v1, uc: c_uchar, N: c_uint) => fill::linear;
    throttle cuMemsetD8Async as c"cuMemsetD8Async" @ 3020
        (dstDevice: CUdeviceptr, uc: c_uchar, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD8Async_ptsz as c"cuMemsetD8Async" @ 7000 per_thread
        (dstDevice: CUdeviceptr, uc: c_uchar, N: usize, hStream: CUstream) => fill::linear_in_stream;
    throttle cuMemsetD8_v2 as c"cuMemsetD8" @ 3020 (dstDevice: CUdeviceptr, uc: c_uchar, N: usize) => fill::linear;
    throttle cuMemsetD8_v2_ptds as c"cuMemsetD8" @ 7000 per_thread
        (dstDevice: CUdeviceptr, uc: c_uchar, N: usize) => fill::linear;

    // Device memory that is copied to device memory.
    throttle cuMemcpy as c"cuMemcpy" @ 4000 (dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize) => copy::unified;
    throttle cuMemcpy2D as c"cuMemcpy2D" @ 2000 (pCopy: *const CUDA_MEMCPY2D_v1) => copy::described;
    throttle cuMemcpy2DAsync as c"cuMemcpy2DAsync" @ 2000
        (pCopy: *const CUDA_MEMCPY2D_v1, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy2DAsync_v2 as c"cuMemcpy2DAsync" @ 3020
        (pCopy: *const CUDA_MEMCPY2D, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy2DAsync_v2_ptsz as c"cuMemcpy2DAsync" @ 7000 per_thread
        (pCopy: *const CUDA_MEMCPY2D, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy2DUnaligned as c"cuMemcpy2DUnaligned" @ 2000 (pCopy: *const CUDA_MEMCPY2D_v1) => copy::described;
    throttle cuMemcpy2DUnaligned_v2 as c"cuMemcpy2DUnaligned" @ 3020 (pCopy: *const CUDA_MEMCPY2D) => copy::described;
    throttle cuMemcpy2DUnaligned_v2_ptds as c"cuMemcpy2DUnaligned" @ 7000 per_thread
        (pCopy: *const CUDA_MEMCPY2D) => copy::described;
    throttle cuMemcpy2D_v2 as c"cuMemcpy2D" @ 3020 (pCopy: *const CUDA_MEMCPY2D) => copy::described;
    throttle cuMemcpy2D_v2_ptds as c"cuMemcpy2D" @ 7000 per_thread (pCopy: *const CUDA_MEMCPY2D) => copy::described;
    throttle cuMemcpy3D as c"cuMemcpy3D" @ 2000 (pCopy: *const CUDA_MEMCPY3D_v1) => copy::described;
    throttle cuMemcpy3DAsync as c"cuMemcpy3DAsync" @ 2000
        (pCopy: *const CUDA_MEMCPY3D_v1, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy3DAsync_v2 as c"cuMemcpy3DAsync" @ 3020
        (pCopy: *const CUDA_MEMCPY3D, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy3DAsync_v2_ptsz as c"cuMemcpy3DAsync" @ 7000 per_thread
        (pCopy: *const CUDA_MEMCPY3D, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy3DBatchAsync as c"cuMemcpy3DBatchAsync" @ 12080
        (numOps: usize, opList: *mut CUDA_MEMCPY3D_BATCH_OP, failIdx: *mut usize, flags: c_ulonglong, hStream: CUstream)
        => copy::batch_3d_with_index;
    throttle cuMemcpy3DBatchAsync_ptsz as c"cuMemcpy3DBatchAsync" @ 12080 per_thread
        (numOps: usize, opList: *mut CUDA_MEMCPY3D_BATCH_OP, failIdx: *mut usize, flags: c_ulonglong, hStream: CUstream)
        => copy::batch_3d_with_index;
    throttle cuMemcpy3DBatchAsync_v2 as c"cuMemcpy3DBatchAsync" @ 13000
        (numOps: usize, opList: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, hStream: CUstream) => copy::batch_3d;
    throttle cuMemcpy3DBatchAsync_v2_ptsz as c"cuMemcpy3DBatchAsync" @ 13000 per_thread
        (numOps: usize, opList: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, hStream: CUstream) => copy::batch_3d;
    throttle cuMemcpy3DPeer as c"cuMemcpy3DPeer" @ 4000 (pCopy: *const CUDA_MEMCPY3D_PEER) => copy::described;
    throttle cuMemcpy3DPeerAsync as c"cuMemcpy3DPeerAsync" @ 4000
        (pCopy: *const CUDA_MEMCPY3D_PEER, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy3DPeerAsync_ptsz as c"cuMemcpy3DPeerAsync" @ 7000 per_thread
        (pCopy: *const CUDA_MEMCPY3D_PEER, hStream: CUstream) => copy::described_in_stream;
    throttle cuMemcpy3DPeer_ptds as c"cuMemcpy3DPeer" @ 7000 per_thread
        (pCopy: *const CUDA_MEMCPY3D_PEER) => copy::described;
    throttle cuMemcpy3DWithAttributesAsync as c"cuMemcpy3DWithAttributesAsync" @ 13020
        (op: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, hStream: CUstream) => copy::one_of_batch_3d;
    throttle cuMemcpy3DWithAttributesAsync_ptsz as c"cuMemcpy3DWithAttributesAsync" @ 13020 per_thread
        (op: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, hStream: CUstream) => copy::one_of_batch_3d;
    throttle cuMemcpy3D_v2 as c"cuMemcpy3D" @ 3020 (pCopy: *const CUDA_MEMCPY3D) => copy::described;
    throttle cuMemcpy3D_v2_ptds as c"cuMemcpy3D" @ 7000 per_thread (pCopy: *const CUDA_MEMCPY3D) => copy::described;
    throttle cuMemcpyAsync as c"cuMemcpyAsync" @ 4000
        (dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize, hStream: CUstream) => copy::unified_in_stream;
    throttle cuMemcpyAsync_ptsz as c"cuMemcpyAsync" @ 7000 per_thread
        (dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize, hStream: CUstream) => copy::unified_in_stream;
    throttle cuMemcpyAtoA as c"cuMemcpyAtoA" @ 2000
        (dstArray: CUarray, dstOffset: c_uint, srcArray: CUarray, srcOffset: c_uint, ByteCount: c_uint) => copy::five;
    throttle cuMemcpyAtoA_v2 as c"cuMemcpyAtoA" @ 3020
        (dstArray: CUarray, dstOffset: usize, srcArray: CUarray, srcOffset: usize, ByteCount: usize) => copy::five;
    throttle cuMemcpyAtoA_v2_ptds as c"cuMemcpyAtoA" @ 7000 per_thread
        (dstArray: CUarray, dstOffset: usize, srcArray: CUarray, srcOffset: usize, ByteCount: usize) => copy::five;
    throttle cuMemcpyAtoD as c"cuMemcpyAtoD" @ 2000
        (dstDevice: CUdeviceptr_v1, srcArray: CUarray, srcOffset: c_uint, ByteCount: c_uint) => copy::four;
    throttle cuMemcpyAtoD_v2 as c"cuMemcpyAtoD" @ 3020
        (dstDevice: CUdeviceptr, srcArray: CUarray, srcOffset: usize, ByteCount: usize) => copy::four;
    throttle cuMemcpyAtoD_v2_ptds as c"cuMemcpyAtoD" @ 7000 per_thread
        (dstDevice: CUdeviceptr, srcArray: CUarray, srcOffset: usize, ByteCount: usize) => copy::four;
    throttle cuMemcpyBatchAsync as c"cuMemcpyBatchAsync" @ 12080
        (dsts: *mut CUdeviceptr, srcs: *mut CUdeviceptr, sizes: *mut usize, count: usize,
         attrs: *mut CUmemcpyAttributes, attrsIdxs: *mut usize, numAttrs: usize, failIdx: *mut usize, hStream: CUstream)
        => copy::batch_with_index;
    throttle cuMemcpyBatchAsync_ptsz as c"cuMemcpyBatchAsync" @ 12080 per_thread
        (dsts: *mut CUdeviceptr, srcs: *mut CUdeviceptr, sizes: *mut usize, count: usize,
         attrs: *mut CUmemcpyAttributes, attrsIdxs: *mut usize, numAttrs: usize, failIdx: *mut usize, hStream: CUstream)
        => copy::batch_with_index;
    throttle cuMemcpyBatchAsync_v2 as c"cuMemcpyBatchAsync" @ 13000
        (dsts: *mut CUdeviceptr, srcs: *mut CUdeviceptr, sizes: *mut usize, count: usize,
         attrs: *mut CUmemcpyAttributes, attrsIdxs: *mut usize, numAttrs: usize, hStream: CUstream) => copy::batch;
    throttle cuMemcpyBatchAsync_v2_ptsz as c"cuMemcpyBatchAsync" @ 13000 per_thread
        (dsts: *mut CUdeviceptr, srcs: *mut CUdeviceptr, sizes: *mut usize, count: usize,
         attrs: *mut CUmemcpyAttributes, attrsIdxs: *mut usize, numAttrs: usize, hStream: CUstream) => copy::batch;
    throttle cuMemcpyDtoA as c"cuMemcpyDtoA" @ 2000
        (dstArray: CUarray, dstOffset: c_uint, srcDevice: CUdeviceptr_v1, ByteCount: c_uint) => copy::four;
    throttle cuMemcpyDtoA_v2 as c"cuMemcpyDtoA" @ 3020
        (dstArray: CUarray, dstOffset: usize, srcDevice: CUdeviceptr, ByteCount: usize) => copy::four;
    throttle cuMemcpyDtoA_v2_ptds as c"cuMemcpyDtoA" @ 7000 per_thread
        (dstArray: CUarray, dstOffset: usize, srcDevice: CUdeviceptr, ByteCount: usize) => copy::four;
    throttle cuMemcpyDtoD as c"cuMemcpyDtoD" @ 2000
        (dstDevice: CUdeviceptr_v1, srcDevice: CUdeviceptr_v1, ByteCount: c_uint) => copy::three;
    throttle cuMemcpyDtoDAsync as c"cuMemcpyDtoDAsync" @ 3000
        (dstDevice: CUdeviceptr_v1, srcDevice: CUdeviceptr_v1, ByteCount: c_uint, hStream: CUstream)
        => copy::three_in_stream;
    throttle cuMemcpyDtoDAsync_v2 as c"cuMemcpyDtoDAsync" @ 3020
        (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) => copy::three_in_stream;
    throttle cuMemcpyDtoDAsync_v2_ptsz as c"cuMemcpyDtoDAsync" @ 7000 per_thread
        (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) => copy::three_in_stream;
    throttle cuMemcpyDtoD_v2 as c"cuMemcpyDtoD" @ 3020
        (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize) => copy::three;
    throttle cuMemcpyDtoD_v2_ptds as c"cuMemcpyDtoD" @ 7000 per_thread
        (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize) => copy::three;
    throttle cuMemcpyPeer as c"cuMemcpyPeer" @ 4000
        (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize)
        => copy::five;
    throttle cuMemcpyPeerAsync as c"cuMemcpyPeerAsync" @ 4000
        (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize,
         hStream: CUstream) => copy::five_in_stream;
    throttle cuMemcpyPeerAsync_ptsz as c"cuMemcpyPeerAsync" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize,
         hStream: CUstream) => copy::five_in_stream;
    throttle cuMemcpyPeer_ptds as c"cuMemcpyPeer" @ 7000 per_thread
        (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize)
        => copy::five;
    throttle cuMemcpyWithAttributesAsync as c"cuMemcpyWithAttributesAsync" @ 13020
        (dst: CUdeviceptr, src: CUdeviceptr, size: usize, attr: *mut CUmemcpyAttributes, hStream: CUstream)
        => copy::with_attributes;
    throttle cuMemcpyWithAttributesAsync_ptsz as c"cuMemcpyWithAttributesAsync" @ 13020 per_thread
        (dst: CUdeviceptr, src: CUdeviceptr, size: usize, attr: *mut CUmemcpyAttributes, hStream: CUstream)
        => copy::with_attributes;
    throttle cuMemcpy_ptds as c"cuMemcpy" @ 7000 per_thread
        (dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize) => copy::unified;

    // What is captured is no work yet, and what is changed is other work.
    throttle cuGraphExecUpdate as c"cuGraphExecUpdate" @ 10020
        (hGraphExec: CUgraphExec, hGraph: CUgraph, hErrorNode_out: *mut CUgraphNode,
         updateResult_out: *mut CUgraphExecUpdateResult) => graph::update_with_node;
    throttle cuGraphExecUpdate_v2 as c"cuGraphExecUpdate" @ 12000
        (hGraphExec: CUgraphExec, hGraph: CUgraph, resultInfo: *mut CUgraphExecUpdateResultInfo) => graph::update;
    throttle cuStreamBeginCapture as c"cuStreamBeginCapture" @ 10000 (hStream: CUstream) => capture::begin_capture;
    throttle cuStreamBeginCaptureToCig as c"cuStreamBeginCaptureToCig" @ 13010
        (hStream: CUstream, streamCigCaptureParams: *mut CUstreamCigCaptureParams) => capture::begin_capture_for_graphics;
    throttle cuStreamBeginCaptureToCig_ptsz as c"cuStreamBeginCaptureToCig" @ 13010 per_thread
        (hStream: CUstream, streamCigCaptureParams: *mut CUstreamCigCaptureParams) => capture::begin_capture_for_graphics;
    throttle cuStreamBeginCaptureToGraph as c"cuStreamBeginCaptureToGraph" @ 12030
        (hStream: CUstream, hGraph: CUgraph, dependencies: *const CUgraphNode, dependencyData: *const CUgraphEdgeData,
         numDependencies: usize, mode: CUstreamCaptureMode) => capture::begin_capture_to_graph;
    throttle cuStreamBeginCaptureToGraph_ptsz as c"cuStreamBeginCaptureToGraph" @ 12030 per_thread
        (hStream: CUstream, hGraph: CUgraph, dependencies: *const CUgraphNode, dependencyData: *const CUgraphEdgeData,
         numDependencies: usize, mode: CUstreamCaptureMode) => capture::begin_capture_to_graph;
    throttle cuStreamBeginCapture_ptsz as c"cuStreamBeginCapture" @ 10000 per_thread
        (hStream: CUstream) => capture::begin_capture;
    throttle cuStreamBeginCapture_v2 as c"cuStreamBeginCapture" @ 10010
        (hStream: CUstream, mode: CUstreamCaptureMode) => capture::begin_capture_in_mode;
    throttle cuStreamBeginCapture_v2_ptsz as c"cuStreamBeginCapture" @ 10010 per_thread
        (hStream: CUstream, mode: CUstreamCaptureMode) => capture::begin_capture_in_mode;
    throttle cuStreamBeginRecaptureToGraph as c"cuStreamBeginRecaptureToGraph" @ 13030
        (hStream: CUstream, mode: CUstreamCaptureMode, hGraph: CUgraph, callbackFunc: CUgraphRecaptureCallback,
         userData: *mut c_void) => capture::begin_recapture;
    throttle cuStreamBeginRecaptureToGraph_ptsz as c"cuStreamBeginRecaptureToGraph" @ 13030 per_thread
        (hStream: CUstream, mode: CUstreamCaptureMode, hGraph: CUgraph, callbackFunc: CUgraphRecaptureCallback,
         userData: *mut c_void) => capture::begin_recapture;
    throttle cuStreamDestroy as c"cuStreamDestroy" @ 2000 (hStream: CUstream) => capture::destroy_stream;
    throttle cuStreamDestroy_v2 as c"cuStreamDestroy" @ 4000 (hStream: CUstream) => capture::destroy_stream;
    throttle cuStreamEndCapture as c"cuStreamEndCapture" @ 10000
        (hStream: CUstream, phGraph: *mut CUgraph) => capture::end_capture;
    throttle cuStreamEndCaptureToCig as c"cuStreamEndCaptureToCig" @ 13010
        (hStream: CUstream) => capture::end_capture_for_graphics;
    throttle cuStreamEndCaptureToCig_ptsz as c"cuStreamEndCaptureToCig" @ 13010 per_thread
        (hStream: CUstream) => capture::end_capture_for_graphics;
    throttle cuStreamEndCapture_ptsz as c"cuStreamEndCapture" @ 10000 per_thread
        (hStream: CUstream, phGraph: *mut CUgraph) => capture::end_capture;
}
