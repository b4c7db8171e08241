//! Managed memory where the device has no room for it.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

fn managed(bytes: u64) -> CUdeviceptr {
    let mut address = 0;
    ok!(cuMemAllocManaged(&mut address, bytes as usize, CU_MEM_ATTACH_GLOBAL));
    address
}

/// Managed memory of this process on the host, as the simulation's books have it.
fn on_host(device: CUdevice) -> u64 {
    let report = simulator::client::connect().expect("a simulation").report().expect("a report");
    report.devices[device as usize].processes.iter().map(|process| process.host_managed_bytes).sum()
}

/// Bytes of whole pages that the device has.
fn capacity() -> u64 {
    let (mut free, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    total as u64 / PAGE * PAGE
}

#[test]
fn what_finds_no_room_lies_on_the_host() {
    const HUNDRED: u64 = 100 << 30;
    let device = own_device();
    context_on(device);
    let first = managed(HUNDRED);
    assert_eq!((used(), on_host(device)), (CONTEXT + HUNDRED, 0));
    let second = managed(HUNDRED);
    assert_eq!((used(), on_host(device)), (capacity(), CONTEXT + 2 * HUNDRED - capacity()));
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 1)), CUDA_ERROR_OUT_OF_MEMORY);
    let small = managed(1000);
    assert_eq!((used(), on_host(device)), (capacity(), CONTEXT + 2 * HUNDRED - capacity() + PAGE));
    // It works like any other, up to its last byte.
    let (last, mut back) = (second + HUNDRED - 4, 0u32);
    ok!(cuMemsetD32_v2(last, 0x0102_0304, 1));
    ok!(cuMemcpyDtoH_v2((&raw mut back).cast(), last, 4));
    assert_eq!(back, 0x0102_0304);
    // Nothing moves: what was on the host stays there, and the device has the freed pages for others.
    ok!(cuMemFree_v2(first));
    assert_eq!((used(), on_host(device)), (capacity() - HUNDRED, CONTEXT + 2 * HUNDRED - capacity() + PAGE));
    ok!(cuMemFree_v2(alloc(HUNDRED)));
    ok!(cuMemFree_v2(second));
    assert_eq!((used(), on_host(device)), (CONTEXT, PAGE));
    ok!(cuMemFree_v2(small));
    assert_eq!((used(), on_host(device)), (CONTEXT, 0));
}

#[test]
fn a_context_takes_its_managed_memory_along() {
    let device = own_device();
    let kept = context_on(device);
    let lost = context_on(device);
    managed(200 << 30);
    managed(3 * MIB);
    assert_eq!(used(), capacity());
    ok!(cuCtxDestroy_v2(lost));
    ok!(cuCtxSetCurrent(kept));
    assert_eq!((used(), on_host(device)), (CONTEXT, 0));
}

#[test]
fn one_allocation_is_smaller_than_a_tebibyte() {
    context_on(own_device());
    let mut address = 0;
    for bytes in [1 << 40, usize::MAX] {
        assert_eq!(cu!(cuMemAllocManaged(&mut address, bytes, CU_MEM_ATTACH_GLOBAL)), CUDA_ERROR_OUT_OF_MEMORY);
    }
    // The addresses of a device are four times its memory.
    assert_eq!(cu!(cuMemAllocManaged(&mut address, 600 << 30, CU_MEM_ATTACH_GLOBAL)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(used(), CONTEXT);
}

#[test]
fn advice_and_prefetches_are_checked() {
    let device = own_device();
    context_on(device);
    let (range, plain) = (managed(MIB), alloc(MIB));
    let (bytes, stream) = (MIB as usize, std::ptr::null_mut());
    for (place, result) in [(device, CUDA_SUCCESS), (CU_DEVICE_CPU, CUDA_SUCCESS), (99, CUDA_ERROR_INVALID_DEVICE)] {
        assert_eq!(cu!(cuMemPrefetchAsync(range, bytes, place, stream)), result, "{place}");
        assert_eq!(cu!(cuMemAdvise(range, bytes, CU_MEM_ADVISE_SET_ACCESSED_BY, place)), result, "{place}");
        ok!(cuMemAdvise(range, bytes, CU_MEM_ADVISE_SET_READ_MOSTLY, place));
    }
    let at = |type_, id| CUmemLocation { type_, id };
    for (place, result) in [
        (at(CU_MEM_LOCATION_TYPE_DEVICE, device), CUDA_SUCCESS),
        (at(CU_MEM_LOCATION_TYPE_HOST, 0), CUDA_SUCCESS),
        (at(CU_MEM_LOCATION_TYPE_HOST_NUMA, 0), CUDA_SUCCESS),
        (at(CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, 0), CUDA_SUCCESS),
        (at(CU_MEM_LOCATION_TYPE_HOST_NUMA, 7), CUDA_ERROR_INVALID_VALUE),
        (at(CU_MEM_LOCATION_TYPE_INVALID, 0), CUDA_ERROR_INVALID_VALUE),
    ] {
        assert_eq!(cu!(cuMemPrefetchAsync_v2(range, bytes, place, 0, stream)), result);
        assert_eq!(cu!(cuMemAdvise_v2(range, bytes, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, place)), result);
    }
    let here = at(CU_MEM_LOCATION_TYPE_DEVICE, device);
    assert_eq!(cu!(cuMemPrefetchAsync_v2(range, bytes, here, 1, stream)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAdvise(range, bytes, 7, device)), CUDA_ERROR_INVALID_VALUE);
    for (address, bytes) in [(plain, bytes), (range, bytes + 1), (range, 0), (4096, 1)] {
        assert_eq!(cu!(cuMemPrefetchAsync(address, bytes, device, stream)), CUDA_ERROR_INVALID_VALUE);
        assert_eq!(cu!(cuMemAdvise(address, bytes, CU_MEM_ADVISE_SET_READ_MOSTLY, 0)), CUDA_ERROR_INVALID_VALUE);
    }
}

#[test]
fn a_range_says_that_nothing_was_set() {
    context_on(own_device());
    let (range, bytes) = (managed(MIB), MIB as usize);
    let (mut mostly, mut by, mut kind) = (9, [9, 9], 9);
    let mut places = [(&raw mut mostly).cast(), (&raw mut by).cast(), (&raw mut kind).cast()];
    let mut attributes = [
        CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY,
        CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY,
        CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE,
    ];
    let mut ask = |sizes: [usize; 3], bytes| {
        let (places, mut sizes) = (places.as_mut_ptr(), sizes);
        cu!(cuMemRangeGetAttributes(places, sizes.as_mut_ptr(), attributes.as_mut_ptr(), 3, range, bytes))
    };
    for (sizes, bytes) in [([4, 8, 8], bytes), ([4, 6, 4], bytes), ([4, 8, 4], bytes + 1)] {
        assert_eq!(ask(sizes, bytes), CUDA_ERROR_INVALID_VALUE);
    }
    assert_eq!(ask([4, 8, 4], bytes), CUDA_SUCCESS);
    assert_eq!((mostly, by, kind), (0, [CU_DEVICE_INVALID; 2], 0));
    let mut place = 9;
    let data = (&raw mut place).cast();
    let attribute = CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION;
    assert_eq!(cu!(cuMemRangeGetAttribute(data, 8, attribute, range, bytes)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(place, 9);
    ok!(cuMemRangeGetAttribute(data, 4, attribute, range, bytes));
    assert_eq!(place, CU_DEVICE_INVALID);
}
