//! The vendors' own functions that hooks call, found when first needed. Calls through here never enter a hook.
// UNSAFETY: calls foreign functions through addresses that were looked up by name.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use ffi_headers::cuda::{
    CUDA_ARRAY_MEMORY_REQUIREMENTS, CUDA_ARRAY3D_DESCRIPTOR, CUDA_ERROR_NOT_FOUND, CUDA_MEM_ALLOC_NODE_PARAMS, CUarray,
    CUcontext, CUdevice, CUdeviceptr, CUevent, CUgraph, CUgraphExec, CUgraphMem_attribute, CUgraphNode,
    CUgraphNodeType, CUgreenCtx, CUlibrary, CUlimit, CUmemPool_attribute, CUmemoryPool, CUmipmappedArray, CUmodule,
    CUpointer_attribute, CUresult, CUstream, CUstreamCaptureStatus, CUuuid,
};
use ffi_headers::nvml::{NVML_ERROR_FUNCTION_NOT_FOUND, nvmlDevice_t, nvmlReturn_t};

use crate::table::Library;

/// Declares functions: each finds its original on the first call and answers `missing` if there is none.
macro_rules! functions {
    (library $library:ident, result $result:ty, missing $missing:expr;
     $( $(#[$doc:meta])* $name:ident as $symbol:literal ($($arg:ident : $ty:ty),* $(,)?); )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the vendor documents the function.
            pub(crate) unsafe fn $name($($arg: $ty),*) -> $result {
                static ADDRESS: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
                // Relaxed: the address of code that stays mapped for good, being pinned below.
                let mut address = ADDRESS.load(Ordering::Relaxed).cast_const();
                if address.is_null() {
                    let Some(found) = crate::find::in_library(Library::$library.soname(), $symbol) else {
                        return $missing;
                    };
                    crate::find::pin(Library::$library.soname());
                    ADDRESS.store(found.cast_mut(), Ordering::Relaxed); // as above
                    address = found;
                }
                // SAFETY: the vendor's library defines this name with this signature, which its header documents.
                let function = unsafe {
                    core::mem::transmute::<*const c_void, unsafe extern "C" fn($($ty),*) -> $result>(address)
                };
                // SAFETY: the caller keeps the function's contract.
                unsafe { function($($arg),*) }
            }
        )*
    };
}

functions! {
    library Cuda, result CUresult, missing CUDA_ERROR_NOT_FOUND;

    /// The calling thread's current context, or NULL.
    ctx_get_current as c"cuCtxGetCurrent" (context: *mut CUcontext);
    /// The device of the current context.
    ctx_get_device as c"cuCtxGetDevice" (device: *mut CUdevice);
    /// Makes a context the calling thread's current one, above the one that was.
    ctx_push_current as c"cuCtxPushCurrent_v2" (context: CUcontext);
    /// Takes the current context away again.
    ctx_pop_current as c"cuCtxPopCurrent_v2" (context: *mut CUcontext);
    /// Destroys a context and everything in it.
    ctx_destroy as c"cuCtxDestroy_v2" (context: CUcontext);
    /// A device's UUID.
    device_get_uuid as c"cuDeviceGetUuid" (uuid: *mut CUuuid, device: CUdevice);
    /// A device's memory in bytes.
    device_total_mem as c"cuDeviceTotalMem_v2" (bytes: *mut usize, device: CUdevice);
    /// Whether a device's primary context lives.
    primary_ctx_get_state as c"cuDevicePrimaryCtxGetState" (device: CUdevice, flags: *mut c_uint, active: *mut c_int);
    /// Lets go of a device's primary context.
    primary_ctx_release as c"cuDevicePrimaryCtxRelease_v2" (device: CUdevice);
    /// How many devices CUDA shows.
    device_get_count as c"cuDeviceGetCount" (count: *mut c_int);
    /// Free and total bytes of the current context's device.
    mem_get_info as c"cuMemGetInfo_v2" (free: *mut usize, total: *mut usize);
    /// The context that a stream belongs to.
    stream_get_ctx as c"cuStreamGetCtx" (stream: CUstream, context: *mut CUcontext);
    /// The pool that a device had from the start.
    device_get_default_mem_pool as c"cuDeviceGetDefaultMemPool" (pool: *mut CUmemoryPool, device: CUdevice);
    /// Gives a pool's unused memory back to the device, but for `keep` bytes.
    mem_pool_trim_to as c"cuMemPoolTrimTo" (pool: CUmemoryPool, keep: usize);
    /// The pool from which a device's stream-ordered allocations come.
    device_get_mem_pool as c"cuDeviceGetMemPool" (pool: *mut CUmemoryPool, device: CUdevice);
    /// One attribute of a pool.
    mem_pool_get_attribute as c"cuMemPoolGetAttribute"
        (pool: CUmemoryPool, attribute: CUmemPool_attribute, value: *mut c_void);
    /// Allocates in the current context.
    mem_alloc as c"cuMemAlloc_v2" (pointer: *mut CUdeviceptr, bytes: usize);
    /// Frees an allocation.
    mem_free as c"cuMemFree_v2" (pointer: CUdeviceptr);
    /// Frees an allocation in stream order.
    mem_free_async as c"cuMemFreeAsync" (pointer: CUdeviceptr, stream: CUstream);
    /// Allocates memory that moves between the host and the devices.
    mem_alloc_managed as c"cuMemAllocManaged" (pointer: *mut CUdeviceptr, bytes: usize, flags: c_uint);
    /// Makes a primary context, or counts one more user of it.
    primary_ctx_retain as c"cuDevicePrimaryCtxRetain" (context: *mut CUcontext, device: CUdevice);
    /// One property of the memory at an address.
    pointer_get_attribute as c"cuPointerGetAttribute"
        (value: *mut c_void, attribute: CUpointer_attribute, pointer: CUdeviceptr);
    /// Whether work put into a stream goes into a graph instead of being done.
    stream_is_capturing as c"cuStreamIsCapturing" (stream: CUstream, status: *mut CUstreamCaptureStatus);
    /// Makes an array.
    array_create as c"cuArray3DCreate_v2" (array: *mut CUarray, descriptor: *const CUDA_ARRAY3D_DESCRIPTOR);
    /// Destroys an array.
    array_destroy as c"cuArrayDestroy" (array: CUarray);
    /// What memory an array without memory would need.
    array_requirements as c"cuArrayGetMemoryRequirements"
        (requirements: *mut CUDA_ARRAY_MEMORY_REQUIREMENTS, array: CUarray, device: CUdevice);
    /// Makes a mipmapped array.
    mipmapped_create as c"cuMipmappedArrayCreate"
        (array: *mut CUmipmappedArray, descriptor: *const CUDA_ARRAY3D_DESCRIPTOR, levels: c_uint);
    /// Destroys a mipmapped array.
    mipmapped_destroy as c"cuMipmappedArrayDestroy" (array: CUmipmappedArray);
    /// What memory a mipmapped array without memory would need.
    mipmapped_requirements as c"cuMipmappedArrayGetMemoryRequirements"
        (requirements: *mut CUDA_ARRAY_MEMORY_REQUIREMENTS, array: CUmipmappedArray, device: CUdevice);
    /// The nodes of a graph, or how many they are.
    graph_nodes as c"cuGraphGetNodes" (graph: CUgraph, nodes: *mut CUgraphNode, count: *mut usize);
    /// What a node does.
    graph_node_type as c"cuGraphNodeGetType" (node: CUgraphNode, kind: *mut CUgraphNodeType);
    /// The allocation that a node makes.
    graph_alloc_params as c"cuGraphMemAllocNodeGetParams"
        (node: CUgraphNode, parameters: *mut CUDA_MEM_ALLOC_NODE_PARAMS);
    /// The graph within a node.
    graph_child as c"cuGraphChildGraphNodeGetGraph" (node: CUgraphNode, graph: *mut CUgraph);
    /// One attribute of the memory that a device keeps for graphs.
    graph_mem_attribute as c"cuDeviceGetGraphMemAttribute"
        (device: CUdevice, attribute: CUgraphMem_attribute, value: *mut c_void);
    /// Destroys an executable graph.
    graph_exec_destroy as c"cuGraphExecDestroy" (exec: CUgraphExec);
    /// Destroys a green context.
    green_ctx_destroy as c"cuGreenCtxDestroy" (green: CUgreenCtx);
    /// A green context as a context.
    ctx_from_green_ctx as c"cuCtxFromGreenCtx" (context: *mut CUcontext, green: CUgreenCtx);
    /// A limit of the current context.
    ctx_get_limit as c"cuCtxGetLimit" (value: *mut usize, limit: CUlimit);
    /// Sets a limit of the current context.
    ctx_set_limit as c"cuCtxSetLimit" (limit: CUlimit, value: usize);
    /// Lets go of a module.
    module_unload as c"cuModuleUnload" (module: CUmodule);
    /// Makes an event.
    event_create as c"cuEventCreate" (event: *mut CUevent, flags: c_uint);
    /// Puts an event into a stream, behind what is there.
    event_record as c"cuEventRecord" (event: CUevent, stream: CUstream);
    /// Whether the device has passed an event where it was recorded last.
    event_query as c"cuEventQuery" (event: CUevent);
    /// Milliseconds of the device's time from one event that was passed to another.
    event_elapsed_time as c"cuEventElapsedTime" (milliseconds: *mut f32, start: CUevent, end: CUevent);
    /// Lets go of a library.
    library_unload as c"cuLibraryUnload" (library: CUlibrary);
}

functions! {
    library Nvml, result nvmlReturn_t, missing NVML_ERROR_FUNCTION_NOT_FOUND;

    /// A device's UUID as text.
    nvml_device_uuid as c"nvmlDeviceGetUUID" (device: nvmlDevice_t, text: *mut c_char, length: c_uint);
    /// A device's place in NVML's order.
    nvml_device_index as c"nvmlDeviceGetIndex" (device: nvmlDevice_t, index: *mut c_uint);
}
