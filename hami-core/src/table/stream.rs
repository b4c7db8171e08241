//! Rows of the CUDA driver API that put something into a stream and no work on a device. Versions are those of cudaTypedefs.h.
// UNSAFETY: the generated functions are exported to C and call C.
#![expect(unsafe_code)]
#![expect(non_snake_case)] // CUDA's names

use core::ffi::{c_uint, c_ulonglong, c_void};

use ffi_headers::cuda::{
    CUDA_ERROR_NOT_FOUND, CUDA_ERROR_UNKNOWN, CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS, CUDA_FABRIC_COPY_BATCH_OP, CUarray,
    CUdevice, CUdeviceptr, CUdeviceptr_v1, CUevent, CUexternalSemaphore, CUhostFn, CUmemDecompressParams,
    CUmemLocation, CUresult, CUstream, CUstreamBatchMemOpParams, CUstreamCallback, cuuint32_t, cuuint64_t,
};

use super::expand::rows;
use crate::shapes::stream;

rows! {
    library Cuda, result CUresult, missing CUDA_ERROR_NOT_FOUND, panic CUDA_ERROR_UNKNOWN;
    // What makes a stream wait for something else.
    throttle cuStreamBatchMemOp as c"cuStreamBatchMemOp" @ 8000
        (stream: CUstream, count: c_uint, paramArray: *mut CUstreamBatchMemOpParams, flags: c_uint) => stream::first_of_four;
    throttle cuStreamBatchMemOp_ptsz as c"cuStreamBatchMemOp" @ 8000 per_thread
        (stream: CUstream, count: c_uint, paramArray: *mut CUstreamBatchMemOpParams, flags: c_uint) => stream::first_of_four;
    throttle cuStreamBatchMemOp_v2 as c"cuStreamBatchMemOp" @ 11070
        (stream: CUstream, count: c_uint, paramArray: *mut CUstreamBatchMemOpParams, flags: c_uint) => stream::first_of_four;
    throttle cuStreamBatchMemOp_v2_ptsz as c"cuStreamBatchMemOp" @ 11070 per_thread
        (stream: CUstream, count: c_uint, paramArray: *mut CUstreamBatchMemOpParams, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitEvent as c"cuStreamWaitEvent" @ 3020
        (hStream: CUstream, hEvent: CUevent, Flags: c_uint) => stream::first_of_three;
    throttle cuStreamWaitEvent_ptsz as c"cuStreamWaitEvent" @ 7000 per_thread
        (hStream: CUstream, hEvent: CUevent, Flags: c_uint) => stream::first_of_three;
    throttle cuStreamWaitValue32 as c"cuStreamWaitValue32" @ 8000
        (stream: CUstream, addr: CUdeviceptr, value: cuuint32_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue32_ptsz as c"cuStreamWaitValue32" @ 8000 per_thread
        (stream: CUstream, addr: CUdeviceptr, value: cuuint32_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue32_v2 as c"cuStreamWaitValue32" @ 11070
        (stream: CUstream, addr: CUdeviceptr, value: cuuint32_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue32_v2_ptsz as c"cuStreamWaitValue32" @ 11070 per_thread
        (stream: CUstream, addr: CUdeviceptr, value: cuuint32_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue64 as c"cuStreamWaitValue64" @ 9000
        (stream: CUstream, addr: CUdeviceptr, value: cuuint64_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue64_ptsz as c"cuStreamWaitValue64" @ 9000 per_thread
        (stream: CUstream, addr: CUdeviceptr, value: cuuint64_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue64_v2 as c"cuStreamWaitValue64" @ 11070
        (stream: CUstream, addr: CUdeviceptr, value: cuuint64_t, flags: c_uint) => stream::first_of_four;
    throttle cuStreamWaitValue64_v2_ptsz as c"cuStreamWaitValue64" @ 11070 per_thread
        (stream: CUstream, addr: CUdeviceptr, value: cuuint64_t, flags: c_uint) => stream::first_of_four;
    throttle cuWaitExternalSemaphoresAsync as c"cuWaitExternalSemaphoresAsync" @ 10000
        (extSemArray: *const CUexternalSemaphore, paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
         numExtSems: c_uint, stream: CUstream) => stream::last_of_four;
    throttle cuWaitExternalSemaphoresAsync_ptsz as c"cuWaitExternalSemaphoresAsync" @ 10000 per_thread
        (extSemArray: *const CUexternalSemaphore, paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
         numExtSems: c_uint, stream: CUstream) => stream::last_of_four;

    // Functions of the program that a stream calls on the host.
    throttle cuLaunchHostFunc as c"cuLaunchHostFunc" @ 10000
        (hStream: CUstream, fn_: CUhostFn, userData: *mut c_void) => stream::first_of_three;
    throttle cuLaunchHostFunc_ptsz as c"cuLaunchHostFunc" @ 10000 per_thread
        (hStream: CUstream, fn_: CUhostFn, userData: *mut c_void) => stream::first_of_three;
    throttle cuLaunchHostFunc_v2 as c"cuLaunchHostFunc" @ 13010
        (hStream: CUstream, fn_: CUhostFn, userData: *mut c_void, syncMode: c_uint) => stream::first_of_four;
    throttle cuLaunchHostFunc_v2_ptsz as c"cuLaunchHostFunc" @ 13010 per_thread
        (hStream: CUstream, fn_: CUhostFn, userData: *mut c_void, syncMode: c_uint) => stream::first_of_four;
    throttle cuStreamAddCallback as c"cuStreamAddCallback" @ 5000
        (hStream: CUstream, callback: CUstreamCallback, userData: *mut c_void, flags: c_uint) => stream::first_of_four;
    throttle cuStreamAddCallback_ptsz as c"cuStreamAddCallback" @ 7000 per_thread
        (hStream: CUstream, callback: CUstreamCallback, userData: *mut c_void, flags: c_uint) => stream::first_of_four;

    // Memory that is moved by other engines than those that compute.
    throttle cuFabricCpyBatchAsync as c"cuFabricCpyBatchAsync" @ 13050
        (numOps: usize, opList: *mut CUDA_FABRIC_COPY_BATCH_OP, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_four;
    throttle cuFabricCpyBatchAsync_ptsz as c"cuFabricCpyBatchAsync" @ 13050 per_thread
        (numOps: usize, opList: *mut CUDA_FABRIC_COPY_BATCH_OP, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_four;
    throttle cuMemBatchDecompressAsync as c"cuMemBatchDecompressAsync" @ 12060
        (paramsArray: *mut CUmemDecompressParams, count: usize, flags: c_uint, errorIndex: *mut usize, stream: CUstream)
        => stream::last_of_five;
    throttle cuMemBatchDecompressAsync_ptsz as c"cuMemBatchDecompressAsync" @ 12060 per_thread
        (paramsArray: *mut CUmemDecompressParams, count: usize, flags: c_uint, errorIndex: *mut usize, stream: CUstream)
        => stream::last_of_five;
    throttle cuMemDiscardAndPrefetchBatchAsync as c"cuMemDiscardAndPrefetchBatchAsync" @ 13000
        (dptrs: *mut CUdeviceptr, sizes: *mut usize, count: usize, prefetchLocs: *mut CUmemLocation,
         prefetchLocIdxs: *mut usize, numPrefetchLocs: usize, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_eight;
    throttle cuMemDiscardAndPrefetchBatchAsync_ptsz as c"cuMemDiscardAndPrefetchBatchAsync" @ 13000 per_thread
        (dptrs: *mut CUdeviceptr, sizes: *mut usize, count: usize, prefetchLocs: *mut CUmemLocation,
         prefetchLocIdxs: *mut usize, numPrefetchLocs: usize, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_eight;
    throttle cuMemPrefetchAsync as c"cuMemPrefetchAsync" @ 8000
        (devPtr: CUdeviceptr, count: usize, dstDevice: CUdevice, hStream: CUstream) => stream::last_of_four;
    throttle cuMemPrefetchAsync_ptsz as c"cuMemPrefetchAsync" @ 8000 per_thread
        (devPtr: CUdeviceptr, count: usize, dstDevice: CUdevice, hStream: CUstream) => stream::last_of_four;
    throttle cuMemPrefetchAsync_v2 as c"cuMemPrefetchAsync" @ 12020
        (devPtr: CUdeviceptr, count: usize, location: CUmemLocation, flags: c_uint, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemPrefetchAsync_v2_ptsz as c"cuMemPrefetchAsync" @ 12020 per_thread
        (devPtr: CUdeviceptr, count: usize, location: CUmemLocation, flags: c_uint, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemPrefetchBatchAsync as c"cuMemPrefetchBatchAsync" @ 13000
        (dptrs: *mut CUdeviceptr, sizes: *mut usize, count: usize, prefetchLocs: *mut CUmemLocation,
         prefetchLocIdxs: *mut usize, numPrefetchLocs: usize, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_eight;
    throttle cuMemPrefetchBatchAsync_ptsz as c"cuMemPrefetchBatchAsync" @ 13000 per_thread
        (dptrs: *mut CUdeviceptr, sizes: *mut usize, count: usize, prefetchLocs: *mut CUmemLocation,
         prefetchLocIdxs: *mut usize, numPrefetchLocs: usize, flags: c_ulonglong, hStream: CUstream)
        => stream::last_of_eight;
    throttle cuMemcpyAtoHAsync as c"cuMemcpyAtoHAsync" @ 2000
        (dstHost: *mut c_void, srcArray: CUarray, srcOffset: c_uint, ByteCount: c_uint, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyAtoHAsync_v2 as c"cuMemcpyAtoHAsync" @ 3020
        (dstHost: *mut c_void, srcArray: CUarray, srcOffset: usize, ByteCount: usize, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyAtoHAsync_v2_ptsz as c"cuMemcpyAtoHAsync" @ 7000 per_thread
        (dstHost: *mut c_void, srcArray: CUarray, srcOffset: usize, ByteCount: usize, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyDtoHAsync as c"cuMemcpyDtoHAsync" @ 2000
        (dstHost: *mut c_void, srcDevice: CUdeviceptr_v1, ByteCount: c_uint, hStream: CUstream) => stream::last_of_four;
    throttle cuMemcpyDtoHAsync_v2 as c"cuMemcpyDtoHAsync" @ 3020
        (dstHost: *mut c_void, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) => stream::last_of_four;
    throttle cuMemcpyDtoHAsync_v2_ptsz as c"cuMemcpyDtoHAsync" @ 7000 per_thread
        (dstHost: *mut c_void, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) => stream::last_of_four;
    throttle cuMemcpyHtoAAsync as c"cuMemcpyHtoAAsync" @ 2000
        (dstArray: CUarray, dstOffset: c_uint, srcHost: *const c_void, ByteCount: c_uint, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyHtoAAsync_v2 as c"cuMemcpyHtoAAsync" @ 3020
        (dstArray: CUarray, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyHtoAAsync_v2_ptsz as c"cuMemcpyHtoAAsync" @ 7000 per_thread
        (dstArray: CUarray, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, hStream: CUstream)
        => stream::last_of_five;
    throttle cuMemcpyHtoDAsync as c"cuMemcpyHtoDAsync" @ 2000
        (dstDevice: CUdeviceptr_v1, srcHost: *const c_void, ByteCount: c_uint, hStream: CUstream) => stream::last_of_four;
    throttle cuMemcpyHtoDAsync_v2 as c"cuMemcpyHtoDAsync" @ 3020
        (dstDevice: CUdeviceptr, srcHost: *const c_void, ByteCount: usize, hStream: CUstream) => stream::last_of_four;
    throttle cuMemcpyHtoDAsync_v2_ptsz as c"cuMemcpyHtoDAsync" @ 7000 per_thread
        (dstDevice: CUdeviceptr, srcHost: *const c_void, ByteCount: usize, hStream: CUstream) => stream::last_of_four;
}
