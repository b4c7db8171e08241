//! Contexts, streams, events, code and launches, pools.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

const PTX: &[u8] =
    b".version 8.4\n.target sm_80\n.visible .entry spin_us300000()\n{ ret; }\n.visible .entry quick()\n{ ret; }\n\0";

fn function(name: &std::ffi::CStr) -> CUfunction {
    let (mut module, mut function) = (null_mut(), null_mut());
    ok!(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    function
}

fn launch(function: CUfunction, grid: u32, block: u32, stream: CUstream) -> CUresult {
    cu!(cuLaunchKernel(function, grid, 1, 1, block, 1, 1, 0, stream, null_mut(), null_mut()))
}

fn stream(flags: u32) -> CUstream {
    let mut stream = null_mut();
    ok!(cuStreamCreate(&mut stream, flags));
    stream
}

#[test]
fn the_primary_context_lives_while_it_is_retained() {
    let device = own_device();
    context_on(device);
    let (mut a, mut b) = (null_mut(), null_mut());
    let (mut flags, mut active) = (9, 9);
    ok!(cuDevicePrimaryCtxGetState(device, &mut flags, &mut active));
    assert_eq!((flags, active), (0, 0));
    ok!(cuDevicePrimaryCtxRetain(&mut a, device));
    ok!(cuDevicePrimaryCtxRetain(&mut b, device));
    assert_eq!(a, b);
    assert_eq!(used(), 2 * CONTEXT);
    ok!(cuCtxPushCurrent_v2(a));
    alloc(10 * MIB);
    ok!(cuDevicePrimaryCtxRelease_v2(device));
    assert_eq!(used(), 2 * CONTEXT + 5 * PAGE);
    ok!(cuDevicePrimaryCtxRelease_v2(device));
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 1)), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    ok!(cuCtxPopCurrent_v2(&mut a));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuDevicePrimaryCtxRelease_v2(device)), CUDA_ERROR_INVALID_CONTEXT);
}

#[test]
fn each_thread_has_its_own_stack_of_contexts() {
    let device = own_device();
    let context = context_on(device) as usize;
    std::thread::spawn(move || {
        let (context, mut current) = (context as CUcontext, null_mut());
        ok!(cuCtxGetCurrent(&mut current));
        assert!(current.is_null());
        assert_eq!(cu!(cuCtxSynchronize()), CUDA_ERROR_INVALID_CONTEXT);
        ok!(cuCtxSetCurrent(context));
        let mut found = -1;
        ok!(cuCtxGetDevice(&mut found));
        assert_eq!(found, device);
    })
    .join()
    .expect("the thread");
    let mut popped = null_mut();
    ok!(cuCtxPopCurrent_v2(&mut popped));
    assert_eq!(popped as usize, context);
    assert_eq!(cu!(cuCtxPopCurrent_v2(&mut popped)), CUDA_ERROR_INVALID_CONTEXT);
}

#[test]
fn a_kernel_takes_the_time_its_name_states() {
    context_on(own_device());
    let spin = function(c"spin_us300000");
    let (stream, mut events) = (stream(CU_STREAM_NON_BLOCKING), [null_mut(); 2]);
    for event in &mut events {
        ok!(cuEventCreate(event, 0));
    }
    let begin = Instant::now();
    ok!(cuEventRecord(events[0], stream));
    assert_eq!(launch(spin, 1, 1, stream), CUDA_SUCCESS);
    assert_eq!(launch(spin, 1, 1, stream), CUDA_SUCCESS);
    ok!(cuEventRecord(events[1], stream));
    let mut milliseconds = 0.0;
    assert_eq!(cu!(cuEventElapsedTime(&mut milliseconds, events[0], events[1])), CUDA_ERROR_NOT_READY);
    assert_eq!(cu!(cuStreamQuery(stream)), CUDA_ERROR_NOT_READY);
    ok!(cuEventSynchronize(events[1]));
    assert!(begin.elapsed() >= Duration::from_millis(600), "{:?}", begin.elapsed());
    ok!(cuStreamQuery(stream));
    ok!(cuEventElapsedTime(&mut milliseconds, events[0], events[1]));
    // From the record of the first event, which comes before the first launch, to the end of the second kernel.
    assert!(milliseconds >= 600.0, "{milliseconds}");
}

#[test]
fn a_stream_waits_for_an_event_of_another() {
    context_on(own_device());
    let spin = function(c"spin_us300000");
    let (a, b, mut event) = (stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_NON_BLOCKING), null_mut());
    ok!(cuEventCreate(&mut event, CU_EVENT_DISABLE_TIMING));
    ok!(cuStreamWaitEvent(b, event, 0));
    ok!(cuStreamQuery(b));
    assert_eq!(launch(spin, 1, 1, a), CUDA_SUCCESS);
    ok!(cuEventRecord(event, a));
    ok!(cuStreamWaitEvent(b, event, 0));
    assert_eq!(cu!(cuStreamQuery(b)), CUDA_ERROR_NOT_READY);
    ok!(cuStreamSynchronize(b));
    ok!(cuStreamQuery(a));
}

/// Runs on a thread of the library.
extern "C" fn count_up(data: *mut c_void) {
    // SAFETY: the test passes a counter that lives as long as the process.
    unsafe { &*data.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn host_functions_run_in_the_order_of_their_stream() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    context_on(own_device());
    let (spin, stream) = (function(c"spin_us300000"), stream(CU_STREAM_DEFAULT));
    assert_eq!(launch(spin, 1, 1, stream), CUDA_SUCCESS);
    ok!(cuLaunchHostFunc(stream, Some(count_up), (&raw const COUNT).cast_mut().cast()));
    assert_eq!(COUNT.load(Ordering::SeqCst), 0, "the kernel before it is still running");
    let (device, mut back) = (alloc(4), 9u32);
    ok!(cuMemsetD8_v2(device, 0, 4));
    ok!(cuMemcpyHtoDAsync_v2(device, (&raw const COUNT).cast(), 4, stream));
    ok!(cuStreamSynchronize(stream));
    ok!(cuMemcpyDtoH_v2((&raw mut back).cast(), device, 4));
    assert_eq!((COUNT.load(Ordering::SeqCst), back), (1, 1));
}

#[test]
fn launches_are_checked() {
    context_on(own_device());
    let quick = function(c"quick");
    assert_eq!(launch(quick, 1, 1024, null_mut()), CUDA_SUCCESS);
    for (grid, block) in [(0, 1), (1, 0), (1, 1025)] {
        assert_eq!(launch(quick, grid, block, null_mut()), CUDA_ERROR_INVALID_VALUE, "{grid} {block}");
    }
    let shared = |bytes| cu!(cuLaunchKernel(quick, 1, 1, 1, 1, 1, 1, bytes, null_mut(), null_mut(), null_mut()));
    assert_eq!(shared(48 << 10), CUDA_SUCCESS);
    assert_eq!(shared((48 << 10) + 1), CUDA_ERROR_INVALID_VALUE);
    ok!(cuFuncSetAttribute(quick, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100 << 10));
    assert_eq!(shared(100 << 10), CUDA_SUCCESS);
    assert_eq!(launch(quick.wrapping_byte_add(8), 1, 1, null_mut()), CUDA_ERROR_INVALID_HANDLE);
    let too_many = cu!(cuLaunchCooperativeKernel(quick, 1 << 20, 1, 1, 1024, 1, 1, 0, null_mut(), null_mut()));
    assert_eq!(too_many, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
}

#[test]
fn code_is_found_by_name_until_it_is_unloaded() {
    context_on(own_device());
    let (mut library, mut kernel, mut again, mut f) = (null_mut(), null_mut(), null_mut(), null_mut());
    let none = null_mut();
    ok!(cuLibraryLoadData(&mut library, PTX.as_ptr().cast(), none, null_mut(), 0, null_mut(), null_mut(), 0));
    ok!(cuLibraryGetKernel(&mut kernel, library, c"quick".as_ptr()));
    ok!(cuLibraryGetKernel(&mut again, library, c"quick".as_ptr()));
    assert_eq!(kernel, again);
    assert_eq!(cu!(cuLibraryGetKernel(&mut again, library, c"slow".as_ptr())), CUDA_ERROR_NOT_FOUND);
    ok!(cuKernelGetFunction(&mut f, kernel));
    assert_eq!(launch(f, 1, 1, null_mut()), CUDA_SUCCESS);
    assert_eq!(launch(kernel.cast(), 1, 1, null_mut()), CUDA_SUCCESS);
    ok!(cuLibraryUnload(library));
    assert_eq!(launch(f, 1, 1, null_mut()), CUDA_ERROR_INVALID_HANDLE);
    assert_eq!(launch(kernel.cast(), 1, 1, null_mut()), CUDA_ERROR_INVALID_HANDLE);
    let mut module = null_mut();
    assert_eq!(cu!(cuModuleLoadData(&mut module, c"no code".as_ptr().cast())), CUDA_ERROR_INVALID_IMAGE);
}

fn pool_figure(pool: CUmemoryPool, attribute: CUmemPool_attribute) -> u64 {
    let mut value = 0u64;
    ok!(cuMemPoolGetAttribute(pool, attribute, (&raw mut value).cast()));
    value
}

#[test]
fn a_pool_grows_in_chunks_and_shrinks_when_the_program_waits() {
    let device = own_device();
    context_on(device);
    let (mut pool, mut a, mut b) = (null_mut(), 0, 0);
    ok!(cuDeviceGetDefaultMemPool(&mut pool, device));
    ok!(cuMemAllocAsync(&mut a, 1000, null_mut()));
    ok!(cuMemAllocAsync(&mut b, 33 << 20, null_mut()));
    assert_eq!(pool_figure(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 1024 + (33 << 20));
    assert_eq!(pool_figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 96 * MIB);
    assert_eq!(used(), CONTEXT + 96 * MIB);
    ok!(cuMemFreeAsync(b, null_mut()));
    assert_eq!(used(), CONTEXT + 96 * MIB);
    ok!(cuStreamSynchronize(null_mut()));
    assert_eq!(used(), CONTEXT + 32 * MIB);
    let mut threshold = 32u64 << 20;
    ok!(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, (&raw mut threshold).cast()));
    ok!(cuMemFreeAsync(a, null_mut()));
    assert_eq!(cu!(cuMemFreeAsync(a, null_mut())), CUDA_ERROR_INVALID_VALUE);
    ok!(cuCtxSynchronize());
    assert_eq!(used(), CONTEXT + 32 * MIB);
    ok!(cuMemPoolTrimTo(pool, 0));
    assert_eq!(used(), CONTEXT);
    assert_eq!(pool_figure(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH), 96 * MIB);
    assert_eq!(pool_figure(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH), 1024 + (33 << 20));
}

#[test]
fn memory_may_be_freed_by_either_family() {
    let device = own_device();
    context_on(device);
    let (mut pooled, mut pool) = (0, null_mut());
    ok!(cuMemAllocAsync(&mut pooled, 5 << 20, null_mut()));
    ok!(cuMemFree_v2(pooled));
    ok!(cuMemFreeAsync(alloc(5 * MIB), null_mut()));
    ok!(cuCtxSynchronize());
    assert_eq!(used(), CONTEXT);
    let mut properties = CUmemPoolProps { allocType: CU_MEM_ALLOCATION_TYPE_PINNED, ..Default::default() };
    properties.location.type_ = CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = device;
    ok!(cuMemPoolCreate(&mut pool, &properties));
    ok!(cuMemAllocFromPoolAsync(&mut pooled, 100, pool, null_mut()));
    ok!(cuMemPoolDestroy(pool));
    assert_eq!(cu!(cuMemPoolTrimTo(pool, 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(used(), CONTEXT + 32 * MIB, "the allocation outlives the handle of its pool");
    ok!(cuMemFreeAsync(pooled, null_mut()));
    assert_eq!(used(), CONTEXT);
}
