//! Stream-ordered pools: what they keep, what they give back, and their end.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, MIB, PAGE, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

/// What a pool grows by.
const CHUNK: u64 = 32 * MIB;

fn pool(device: CUdevice, most: u64) -> CUmemoryPool {
    let mut pool = null_mut();
    let properties = CUmemPoolProps {
        allocType: CU_MEM_ALLOCATION_TYPE_PINNED,
        location: CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device },
        maxSize: most as usize,
        ..Default::default()
    };
    ok!(cuMemPoolCreate(&mut pool, &properties));
    pool
}

fn take(pool: CUmemoryPool, bytes: u64) -> Result<CUdeviceptr, CUresult> {
    let mut address = 0;
    match cu!(cuMemAllocFromPoolAsync(&mut address, bytes as usize, pool, null_mut())) {
        CUDA_SUCCESS => Ok(address),
        code => Err(code),
    }
}

fn keep(pool: CUmemoryPool, mut bytes: u64) {
    ok!(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, (&raw mut bytes).cast()));
}

fn free(address: CUdeviceptr) {
    ok!(cuMemFreeAsync(address, null_mut()));
}

#[test]
fn a_pool_that_is_destroyed_lives_as_long_as_its_allocations() {
    let device = own_device();
    context_on(device);
    let pool = pool(device, 0);
    keep(pool, u64::MAX);
    let (a, b) = (take(pool, MIB).expect("room"), take(pool, 40 * MIB).expect("room"));
    assert_eq!(used(), CONTEXT + 3 * CHUNK);
    ok!(cuDeviceSetMemPool(device, pool));
    ok!(cuMemPoolDestroy(pool));
    let (mut current, mut default) = (null_mut(), null_mut());
    ok!(cuDeviceGetMemPool(&mut current, device));
    ok!(cuDeviceGetDefaultMemPool(&mut default, device));
    assert_eq!(current, default);
    assert_eq!(cu!(cuMemPoolDestroy(default)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(take(pool, 1), Err(CUDA_ERROR_INVALID_VALUE));
    ok!(cuMemsetD8_v2(a, 1, MIB as usize));
    free(b);
    assert_eq!(used(), CONTEXT + 3 * CHUNK, "an allocation is left");
    // With the function of another family.
    ok!(cuMemFree_v2(a));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn trimming_leaves_at_least_what_was_asked_for() {
    let device = own_device();
    context_on(device);
    let pool = pool(device, 0);
    keep(pool, u64::MAX);
    let held: Vec<_> = (0..4).map(|_| take(pool, CHUNK).expect("room")).collect();
    assert_eq!(used(), CONTEXT + 4 * CHUNK);
    ok!(cuMemPoolTrimTo(pool, 0));
    assert_eq!(used(), CONTEXT + 4 * CHUNK, "all in use");
    held[1..].iter().for_each(|address| free(*address));
    ok!(cuCtxSynchronize());
    assert_eq!(used(), CONTEXT + 4 * CHUNK, "below the threshold");
    for (least, left) in [(5 * CHUNK, 4), (3 * CHUNK + 1, 4), (3 * CHUNK, 3), (CHUNK + 1, 2), (0, 1)] {
        ok!(cuMemPoolTrimTo(pool, least as usize));
        assert_eq!(used(), CONTEXT + left * CHUNK, "at least {least} bytes");
    }
    free(held[0]);
    keep(pool, 0);
    ok!(cuCtxSynchronize());
    assert_eq!(used(), CONTEXT);
}

#[test]
fn a_pool_stops_at_its_largest_size() {
    let device = own_device();
    context_on(device);
    let pool = pool(device, 40 * MIB);
    let first = take(pool, 20 * MIB).expect("room");
    assert_eq!(used(), CONTEXT + CHUNK);
    assert_eq!(take(pool, 13 * MIB), Err(CUDA_ERROR_OUT_OF_MEMORY));
    // The last chunk is as small as it must be.
    take(pool, 12 * MIB).expect("room");
    take(pool, 8 * MIB).expect("room");
    assert_eq!(used(), CONTEXT + 40 * MIB);
    assert_eq!(take(pool, 1), Err(CUDA_ERROR_OUT_OF_MEMORY));
    free(first);
    take(pool, PAGE).expect("room");
}

#[test]
fn other_devices_get_access_and_the_own_one_keeps_it() {
    let (device, peer) = (own_device(), own_device());
    context_on(device);
    let pool = pool(device, 0);
    let location = |id| CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id };
    let access = |id| {
        let mut flags = 9;
        ok!(cuMemPoolGetAccess(&mut flags, pool, &mut location(id)));
        flags
    };
    assert_eq!((access(device), access(peer)), (CU_MEM_ACCESS_FLAGS_PROT_READWRITE, CU_MEM_ACCESS_FLAGS_PROT_NONE));
    let set = |id, flags| cu!(cuMemPoolSetAccess(pool, &CUmemAccessDesc { location: location(id), flags }, 1));
    assert_eq!(set(peer, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), CUDA_SUCCESS);
    assert_eq!(access(peer), CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    assert_eq!(set(device, CU_MEM_ACCESS_FLAGS_PROT_NONE), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(set(peer, 2), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(set(99, CU_MEM_ACCESS_FLAGS_PROT_READ), CUDA_ERROR_INVALID_DEVICE);
    assert_eq!(
        (access(device), access(peer)),
        (CU_MEM_ACCESS_FLAGS_PROT_READWRITE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
    );
}

#[test]
fn pools_of_one_process_are_not_handed_out_without_being_asked_for() {
    let device = own_device();
    context_on(device);
    let pool = pool(device, 0);
    let (mut descriptor, mut data) = (-1i32, CUmemPoolPtrExportData { reserved: [0; 64] });
    let place = (&raw mut descriptor).cast();
    let code = cu!(cuMemPoolExportToShareableHandle(place, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    assert_eq!((code, descriptor), (CUDA_ERROR_INVALID_VALUE, -1));
    let address = take(pool, 100).expect("room");
    assert_eq!(cu!(cuMemPoolExportPointer(&mut data, address)), CUDA_ERROR_INVALID_VALUE);
    let mut handle = CUipcMemHandle::default();
    assert_eq!(cu!(cuIpcGetMemHandle(&mut handle, address)), CUDA_ERROR_INVALID_VALUE, "only of cuMemAlloc");
}
