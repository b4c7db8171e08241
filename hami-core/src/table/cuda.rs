//! Rows of the CUDA driver API. Versions are those of cudaTypedefs.h.
// UNSAFETY: the generated functions are exported to C and call C.
#![expect(unsafe_code)]
#![expect(non_snake_case)] // CUDA's names

use core::ffi::{c_char, c_int, c_uint, c_void};

use ffi_headers::cuda::{
    CUDA_ERROR_NOT_FOUND, CUDA_ERROR_UNKNOWN, CUcontext, CUctxCreateParams, CUdevice, CUdeviceptr, CUdeviceptr_v1,
    CUdriverProcAddressQueryResult, CUexecAffinityParam, CUmemPoolProps, CUmemoryPool, CUresult, CUstream, cuuint64_t,
};

use super::expand::rows;
use crate::resolve::proc_address;
use crate::shapes::{allocation, context, pool, view_cuda};

rows! {
    library Cuda, result CUresult, missing CUDA_ERROR_NOT_FOUND, panic CUDA_ERROR_UNKNOWN;

    // Which function a name leads to.
    resolve cuGetProcAddress as c"cuGetProcAddress" @ 11030
        (symbol: *const c_char, pfn: *mut *mut c_void, cudaVersion: c_int, flags: cuuint64_t) => proc_address::first;
    resolve cuGetProcAddress_v2 as c"cuGetProcAddress" @ 12000
        (symbol: *const c_char, pfn: *mut *mut c_void, cudaVersion: c_int, flags: cuuint64_t,
         symbolStatus: *mut CUdriverProcAddressQueryResult) => proc_address::second;

    // Contexts.
    account cuInit as c"cuInit" @ 2000 (flags: c_uint) => context::init;
    account cuDevicePrimaryCtxRetain as c"cuDevicePrimaryCtxRetain" @ 7000
        (pctx: *mut CUcontext, dev: CUdevice) => context::retain_primary;
    account cuDevicePrimaryCtxRelease as c"cuDevicePrimaryCtxRelease" @ 7000 (dev: CUdevice) => context::release_primary;
    account cuDevicePrimaryCtxRelease_v2 as c"cuDevicePrimaryCtxRelease" @ 11000
        (dev: CUdevice) => context::release_primary;
    account cuDevicePrimaryCtxReset as c"cuDevicePrimaryCtxReset" @ 7000 (dev: CUdevice) => context::release_primary;
    account cuDevicePrimaryCtxReset_v2 as c"cuDevicePrimaryCtxReset" @ 11000
        (dev: CUdevice) => context::release_primary;
    account cuCtxCreate as c"cuCtxCreate" @ 2000
        (pctx: *mut CUcontext, flags: c_uint, dev: CUdevice) => context::create;
    account cuCtxCreate_v2 as c"cuCtxCreate" @ 3020
        (pctx: *mut CUcontext, flags: c_uint, dev: CUdevice) => context::create;
    account cuCtxCreate_v3 as c"cuCtxCreate" @ 11040
        (pctx: *mut CUcontext, paramsArray: *mut CUexecAffinityParam, numParams: c_int, flags: c_uint, dev: CUdevice)
        => context::create_with_affinity;
    account cuCtxCreate_v4 as c"cuCtxCreate" @ 12050
        (pctx: *mut CUcontext, ctxCreateParams: *mut CUctxCreateParams, flags: c_uint, dev: CUdevice)
        => context::create_with_params;
    account cuCtxDestroy as c"cuCtxDestroy" @ 2000 (ctx: CUcontext) => context::destroy;
    account cuCtxDestroy_v2 as c"cuCtxDestroy" @ 4000 (ctx: CUcontext) => context::destroy;

    // Linear memory.
    account cuMemAlloc as c"cuMemAlloc" @ 2000
        (dptr: *mut CUdeviceptr_v1, bytesize: c_uint) => allocation::linear;
    account cuMemAlloc_v2 as c"cuMemAlloc" @ 3020
        (dptr: *mut CUdeviceptr, bytesize: usize) => allocation::linear;
    account cuMemAllocPitch as c"cuMemAllocPitch" @ 2000
        (dptr: *mut CUdeviceptr_v1, pPitch: *mut c_uint, WidthInBytes: c_uint, Height: c_uint,
         ElementSizeBytes: c_uint) => allocation::pitched;
    account cuMemAllocPitch_v2 as c"cuMemAllocPitch" @ 3020
        (dptr: *mut CUdeviceptr, pPitch: *mut usize, WidthInBytes: usize, Height: usize, ElementSizeBytes: c_uint)
        => allocation::pitched;
    account cuMemAllocManaged as c"cuMemAllocManaged" @ 6000
        (dptr: *mut CUdeviceptr, bytesize: usize, flags: c_uint) => allocation::managed;
    account cuMemFree as c"cuMemFree" @ 2000 (dptr: CUdeviceptr_v1) => allocation::free_linear;
    account cuMemFree_v2 as c"cuMemFree" @ 3020 (dptr: CUdeviceptr) => allocation::free_linear;

    // Stream-ordered memory.
    account cuMemAllocAsync as c"cuMemAllocAsync" @ 11020
        (dptr: *mut CUdeviceptr, bytesize: usize, hStream: CUstream) => pool::allocate_async;
    account cuMemAllocAsync_ptsz as c"cuMemAllocAsync" @ 11020 per_thread
        (dptr: *mut CUdeviceptr, bytesize: usize, hStream: CUstream) => pool::allocate_async;
    account cuMemAllocFromPoolAsync as c"cuMemAllocFromPoolAsync" @ 11020
        (dptr: *mut CUdeviceptr, bytesize: usize, pool: CUmemoryPool, hStream: CUstream) => pool::allocate_from_pool;
    account cuMemAllocFromPoolAsync_ptsz as c"cuMemAllocFromPoolAsync" @ 11020 per_thread
        (dptr: *mut CUdeviceptr, bytesize: usize, pool: CUmemoryPool, hStream: CUstream) => pool::allocate_from_pool;
    account cuMemFreeAsync as c"cuMemFreeAsync" @ 11020 (dptr: CUdeviceptr, hStream: CUstream) => pool::free_async;
    account cuMemFreeAsync_ptsz as c"cuMemFreeAsync" @ 11020 per_thread
        (dptr: CUdeviceptr, hStream: CUstream) => pool::free_async;

    account cuMemPoolCreate as c"cuMemPoolCreate" @ 11020
        (pool: *mut CUmemoryPool, poolProps: *const CUmemPoolProps) => pool::create;
    account cuMemPoolDestroy as c"cuMemPoolDestroy" @ 11020 (pool: CUmemoryPool) => pool::destroy;

    // What is shown.
    view cuMemGetInfo as c"cuMemGetInfo" @ 2000 (free: *mut c_uint, total: *mut c_uint) => view_cuda::mem_info;
    view cuMemGetInfo_v2 as c"cuMemGetInfo" @ 3020 (free: *mut usize, total: *mut usize) => view_cuda::mem_info;
    view cuDeviceTotalMem as c"cuDeviceTotalMem" @ 2000 (bytes: *mut c_uint, dev: CUdevice) => view_cuda::total_mem;
    view cuDeviceTotalMem_v2 as c"cuDeviceTotalMem" @ 3020 (bytes: *mut usize, dev: CUdevice) => view_cuda::total_mem;
}
