//! Rows of the CUDA driver API. Versions are those of cudaTypedefs.h.
// UNSAFETY: the generated functions are exported to C and call C.
#![expect(unsafe_code)]
#![expect(non_snake_case)] // CUDA's names

use core::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

use ffi_headers::cuda::{
    CUDA_ARRAY_DESCRIPTOR, CUDA_ARRAY_DESCRIPTOR_v1, CUDA_ARRAY3D_DESCRIPTOR, CUDA_ARRAY3D_DESCRIPTOR_v1,
    CUDA_ERROR_NOT_FOUND, CUDA_ERROR_UNKNOWN, CUDA_GRAPH_INSTANTIATE_PARAMS, CUarray, CUarrayMapInfo, CUcontext,
    CUctxCreateParams, CUdevResourceDesc, CUdevice, CUdeviceptr, CUdeviceptr_v1, CUdriverProcAddressQueryResult,
    CUevent, CUexecAffinityParam, CUfunction, CUgraph, CUgraphExec, CUgraphNode, CUgreenCtx, CUjit_option, CUkernel,
    CUlibrary, CUlibraryOption, CUlimit, CUmemAllocationHandleType, CUmemAllocationProp, CUmemGenericAllocationHandle,
    CUmemPoolProps, CUmemoryPool, CUmipmappedArray, CUmodule, CUmulticastObjectProp, CUresult, CUstream, cuuint64_t,
};

use super::expand::rows;
use crate::resolve::proc_address;
use crate::shapes::{allocation, array, context, graph, green, overhead, physical, pool, view_cuda};

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
    account cuDevicePrimaryCtxReset as c"cuDevicePrimaryCtxReset" @ 7000 (dev: CUdevice) => context::reset_primary;
    account cuDevicePrimaryCtxReset_v2 as c"cuDevicePrimaryCtxReset" @ 11000
        (dev: CUdevice) => context::reset_primary;
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
    account cuGreenCtxCreate as c"cuGreenCtxCreate" @ 12040
        (phCtx: *mut CUgreenCtx, desc: CUdevResourceDesc, dev: CUdevice, flags: c_uint) => green::create;
    account cuGreenCtxDestroy as c"cuGreenCtxDestroy" @ 12040 (hCtx: CUgreenCtx) => green::destroy;
    account cuGLCtxCreate as c"cuGLCtxCreate" @ 2000
        (pCtx: *mut CUcontext, Flags: c_uint, device: CUdevice) => context::create;
    account cuGLCtxCreate_v2 as c"cuGLCtxCreate" @ 3020
        (pCtx: *mut CUcontext, Flags: c_uint, device: CUdevice) => context::create;
    account cuVDPAUCtxCreate as c"cuVDPAUCtxCreate" @ 3010
        (pCtx: *mut CUcontext, flags: c_uint, device: CUdevice, vdpDevice: u32, vdpGetProcAddress: *mut c_void)
        => context::create_for_vdpau;
    account cuVDPAUCtxCreate_v2 as c"cuVDPAUCtxCreate" @ 3020
        (pCtx: *mut CUcontext, flags: c_uint, device: CUdevice, vdpDevice: u32, vdpGetProcAddress: *mut c_void)
        => context::create_for_vdpau;
    account cuCtxAttach as c"cuCtxAttach" @ 2000 (pctx: *mut CUcontext, flags: c_uint) => context::attach;
    account cuCtxDetach as c"cuCtxDetach" @ 2000 (ctx: CUcontext) => context::detach;
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

    account cuMemPoolTrimTo as c"cuMemPoolTrimTo" @ 11020 (pool: CUmemoryPool, minBytesToKeep: usize) => pool::trim;
    account cuMemPoolImportFromShareableHandle as c"cuMemPoolImportFromShareableHandle" @ 11020
        (pool_out: *mut CUmemoryPool, handle: *mut c_void, handleType: CUmemAllocationHandleType, flags: c_ulonglong)
        => pool::import;
    account cuCtxSynchronize as c"cuCtxSynchronize" @ 2000 () => pool::synchronise_context;
    account cuCtxSynchronize_v2 as c"cuCtxSynchronize" @ 13000 (ctx: CUcontext) => pool::synchronise;
    account cuStreamSynchronize as c"cuStreamSynchronize" @ 2000 (hStream: CUstream) => pool::synchronise;
    account cuStreamSynchronize_ptsz as c"cuStreamSynchronize" @ 7000 per_thread
        (hStream: CUstream) => pool::synchronise;
    account cuEventSynchronize as c"cuEventSynchronize" @ 2000 (hEvent: CUevent) => pool::synchronise;

    // Physical memory that is mapped on its own.
    account cuMemCreate as c"cuMemCreate" @ 10020
        (handle: *mut CUmemGenericAllocationHandle, size: usize, prop: *const CUmemAllocationProp, flags: c_ulonglong)
        => physical::create;
    account cuMemRelease as c"cuMemRelease" @ 10020 (handle: CUmemGenericAllocationHandle) => physical::release;
    account cuMemRetainAllocationHandle as c"cuMemRetainAllocationHandle" @ 11000
        (handle: *mut CUmemGenericAllocationHandle, addr: *mut c_void) => physical::retain;
    account cuMemImportFromShareableHandle as c"cuMemImportFromShareableHandle" @ 10020
        (handle: *mut CUmemGenericAllocationHandle, osHandle: *mut c_void, shHandleType: CUmemAllocationHandleType)
        => physical::import;
    account cuMemMap as c"cuMemMap" @ 10020
        (ptr: CUdeviceptr, size: usize, offset: usize, handle: CUmemGenericAllocationHandle, flags: c_ulonglong)
        => physical::map;
    account cuMemUnmap as c"cuMemUnmap" @ 10020 (ptr: CUdeviceptr, size: usize) => physical::unmap;
    account cuMemMapArrayAsync as c"cuMemMapArrayAsync" @ 11010
        (mapInfoList: *mut CUarrayMapInfo, count: c_uint, hStream: CUstream) => physical::map_array;
    account cuMemMapArrayAsync_ptsz as c"cuMemMapArrayAsync" @ 11010 per_thread
        (mapInfoList: *mut CUarrayMapInfo, count: c_uint, hStream: CUstream) => physical::map_array;
    account cuMulticastCreate as c"cuMulticastCreate" @ 12010
        (mcHandle: *mut CUmemGenericAllocationHandle, prop: *const CUmulticastObjectProp)
        => physical::create_multicast;
    account cuMulticastBindMem as c"cuMulticastBindMem" @ 12010
        (mcHandle: CUmemGenericAllocationHandle, mcOffset: usize, memHandle: CUmemGenericAllocationHandle,
         memOffset: usize, size: usize, flags: c_ulonglong) => physical::bind_memory;
    account cuMulticastBindAddr as c"cuMulticastBindAddr" @ 12010
        (mcHandle: CUmemGenericAllocationHandle, mcOffset: usize, memptr: CUdeviceptr, size: usize,
         flags: c_ulonglong) => physical::bind_address;
    account cuMulticastBindMem_v2 as c"cuMulticastBindMem" @ 13010
        (mcHandle: CUmemGenericAllocationHandle, dev: CUdevice, mcOffset: usize,
         memHandle: CUmemGenericAllocationHandle, memOffset: usize, size: usize, flags: c_ulonglong)
        => physical::bind_memory_of;
    account cuMulticastBindAddr_v2 as c"cuMulticastBindAddr" @ 13010
        (mcHandle: CUmemGenericAllocationHandle, dev: CUdevice, mcOffset: usize, memptr: CUdeviceptr, size: usize,
         flags: c_ulonglong) => physical::bind_address_of;
    account cuMulticastUnbind as c"cuMulticastUnbind" @ 12010
        (mcHandle: CUmemGenericAllocationHandle, dev: CUdevice, mcOffset: usize, size: usize) => physical::unbind;

    // Arrays.
    account cuArrayCreate as c"cuArrayCreate" @ 2000
        (pHandle: *mut CUarray, pAllocateArray: *const CUDA_ARRAY_DESCRIPTOR_v1) => array::create;
    account cuArrayCreate_v2 as c"cuArrayCreate" @ 3020
        (pHandle: *mut CUarray, pAllocateArray: *const CUDA_ARRAY_DESCRIPTOR) => array::create;
    account cuArray3DCreate as c"cuArray3DCreate" @ 2000
        (pHandle: *mut CUarray, pAllocateArray: *const CUDA_ARRAY3D_DESCRIPTOR_v1) => array::create;
    account cuArray3DCreate_v2 as c"cuArray3DCreate" @ 3020
        (pHandle: *mut CUarray, pAllocateArray: *const CUDA_ARRAY3D_DESCRIPTOR) => array::create;
    account cuArrayDestroy as c"cuArrayDestroy" @ 2000 (hArray: CUarray) => array::destroy_array;
    account cuMipmappedArrayCreate as c"cuMipmappedArrayCreate" @ 5000
        (pHandle: *mut CUmipmappedArray, pMipmappedArrayDesc: *const CUDA_ARRAY3D_DESCRIPTOR, numMipmapLevels: c_uint)
        => array::create_mipmapped;
    account cuMipmappedArrayDestroy as c"cuMipmappedArrayDestroy" @ 5000
        (hMipmappedArray: CUmipmappedArray) => array::destroy_mipmapped;

    // Graphs with memory of their own.
    account cuGraphInstantiate as c"cuGraphInstantiate" @ 10000
        (phGraphExec: *mut CUgraphExec, hGraph: CUgraph, phErrorNode: *mut CUgraphNode, logBuffer: *mut c_char,
         bufferSize: usize) => graph::instantiate_with_log;
    account cuGraphInstantiate_v2 as c"cuGraphInstantiate" @ 11000
        (phGraphExec: *mut CUgraphExec, hGraph: CUgraph, phErrorNode: *mut CUgraphNode, logBuffer: *mut c_char,
         bufferSize: usize) => graph::instantiate_with_log;
    account cuGraphInstantiateWithFlags as c"cuGraphInstantiateWithFlags" @ 11040 | c"cuGraphInstantiate" @ 12000
        (phGraphExec: *mut CUgraphExec, hGraph: CUgraph, flags: c_ulonglong) => graph::instantiate_with_flags;
    account cuGraphInstantiateWithParams as c"cuGraphInstantiateWithParams" @ 12000
        (phGraphExec: *mut CUgraphExec, hGraph: CUgraph, instantiateParams: *mut CUDA_GRAPH_INSTANTIATE_PARAMS)
        => graph::instantiate_with_params;
    account cuGraphInstantiateWithParams_ptsz as c"cuGraphInstantiateWithParams" @ 12000 per_thread
        (phGraphExec: *mut CUgraphExec, hGraph: CUgraph, instantiateParams: *mut CUDA_GRAPH_INSTANTIATE_PARAMS)
        => graph::instantiate_with_params;
    account cuGraphUpload as c"cuGraphUpload" @ 11010 (hGraphExec: CUgraphExec, hStream: CUstream) => graph::upload;
    account cuGraphUpload_ptsz as c"cuGraphUpload" @ 11010 per_thread
        (hGraphExec: CUgraphExec, hStream: CUstream) => graph::upload;
    account cuGraphLaunch as c"cuGraphLaunch" @ 10000 (hGraphExec: CUgraphExec, hStream: CUstream) => graph::launch;
    account cuGraphLaunch_ptsz as c"cuGraphLaunch" @ 10000 per_thread
        (hGraphExec: CUgraphExec, hStream: CUstream) => graph::launch_per_thread;
    account cuGraphExecDestroy as c"cuGraphExecDestroy" @ 10000 (hGraphExec: CUgraphExec) => graph::destroy;
    account cuDeviceGraphMemTrim as c"cuDeviceGraphMemTrim" @ 11040 (device: CUdevice) => graph::trim;

    // Code, and limits of a context, which take memory too.
    account cuModuleLoad as c"cuModuleLoad" @ 2000
        (module: *mut CUmodule, fname: *const c_char) => overhead::load_module;
    account cuModuleLoadData as c"cuModuleLoadData" @ 2000
        (module: *mut CUmodule, image: *const c_void) => overhead::load_module_data;
    account cuModuleLoadDataEx as c"cuModuleLoadDataEx" @ 2010
        (module: *mut CUmodule, image: *const c_void, numOptions: c_uint, options: *mut CUjit_option,
         optionValues: *mut *mut c_void) => overhead::load_module_with_options;
    account cuModuleLoadFatBinary as c"cuModuleLoadFatBinary" @ 2000
        (module: *mut CUmodule, fatCubin: *const c_void) => overhead::load_module_data;
    account cuModuleUnload as c"cuModuleUnload" @ 2000 (hmod: CUmodule) => overhead::unload;
    account cuLibraryLoadData as c"cuLibraryLoadData" @ 12000
        (library: *mut CUlibrary, code: *const c_void, jitOptions: *mut CUjit_option,
         jitOptionsValues: *mut *mut c_void, numJitOptions: c_uint, libraryOptions: *mut CUlibraryOption,
         libraryOptionValues: *mut *mut c_void, numLibraryOptions: c_uint) => overhead::load_library;
    account cuLibraryLoadFromFile as c"cuLibraryLoadFromFile" @ 12000
        (library: *mut CUlibrary, fileName: *const c_char, jitOptions: *mut CUjit_option,
         jitOptionsValues: *mut *mut c_void, numJitOptions: c_uint, libraryOptions: *mut CUlibraryOption,
         libraryOptionValues: *mut *mut c_void, numLibraryOptions: c_uint) => overhead::load_library;
    account cuLibraryUnload as c"cuLibraryUnload" @ 12000 (library: CUlibrary) => overhead::unload;
    account cuModuleGetFunction as c"cuModuleGetFunction" @ 2000
        (hfunc: *mut CUfunction, hmod: CUmodule, name: *const c_char) => overhead::may_load3;
    account cuModuleGetGlobal as c"cuModuleGetGlobal" @ 2000
        (dptr: *mut CUdeviceptr_v1, bytes: *mut c_uint, hmod: CUmodule, name: *const c_char) => overhead::may_load4;
    account cuModuleGetGlobal_v2 as c"cuModuleGetGlobal" @ 3020
        (dptr: *mut CUdeviceptr, bytes: *mut usize, hmod: CUmodule, name: *const c_char) => overhead::may_load4;
    account cuLibraryGetModule as c"cuLibraryGetModule" @ 12000
        (pMod: *mut CUmodule, library: CUlibrary) => overhead::may_load2;
    account cuLibraryGetKernel as c"cuLibraryGetKernel" @ 12000
        (pKernel: *mut CUkernel, library: CUlibrary, name: *const c_char) => overhead::may_load3;
    account cuLibraryGetGlobal as c"cuLibraryGetGlobal" @ 12000
        (dptr: *mut CUdeviceptr, bytes: *mut usize, library: CUlibrary, name: *const c_char) => overhead::may_load4;
    account cuLibraryGetManaged as c"cuLibraryGetManaged" @ 12000
        (dptr: *mut CUdeviceptr, bytes: *mut usize, library: CUlibrary, name: *const c_char) => overhead::may_load4;
    account cuKernelGetFunction as c"cuKernelGetFunction" @ 12000
        (pFunc: *mut CUfunction, kernel: CUkernel) => overhead::may_load2;
    account cuFuncLoad as c"cuFuncLoad" @ 12040 (function: CUfunction) => overhead::may_load1;
    account cuCtxSetLimit as c"cuCtxSetLimit" @ 3010 (limit: CUlimit, value: usize) => overhead::set_limit;

    // What is shown.
    view cuMemGetInfo as c"cuMemGetInfo" @ 2000 (free: *mut c_uint, total: *mut c_uint) => view_cuda::mem_info;
    view cuMemGetInfo_v2 as c"cuMemGetInfo" @ 3020 (free: *mut usize, total: *mut usize) => view_cuda::mem_info;
    view cuDeviceTotalMem as c"cuDeviceTotalMem" @ 2000 (bytes: *mut c_uint, dev: CUdevice) => view_cuda::total_mem;
    view cuDeviceTotalMem_v2 as c"cuDeviceTotalMem" @ 3020 (bytes: *mut usize, dev: CUdevice) => view_cuda::total_mem;
}
