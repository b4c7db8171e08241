//! Linear, pitched, managed and host memory; copies and fills.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

#[test]
fn memory_is_taken_in_pages_and_small_allocations_share_them() {
    context_on(own_device());
    assert_eq!(used(), CONTEXT);
    for (bytes, pages) in [(1, 1), (MIB - 1, 1), (MIB, 1), (PAGE, 1), (PAGE + 1, 2), (1 << 36, 1 << 15)] {
        let address = alloc(bytes);
        assert_eq!(used(), CONTEXT + pages * PAGE, "{bytes} bytes");
        ok!(cuMemFree_v2(address));
        assert_eq!(used(), CONTEXT, "{bytes} bytes freed");
    }
    // 4096 units of 512 bytes are one page; one more takes the next.
    let small: Vec<_> = (0..4096).map(|_| alloc(300)).collect();
    assert_eq!(used(), CONTEXT + PAGE);
    assert!(small.iter().all(|address| address % 512 == 0));
    let last = alloc(1);
    assert_eq!(used(), CONTEXT + 2 * PAGE);
    for address in small.into_iter().chain([last]) {
        ok!(cuMemFree_v2(address));
    }
    assert_eq!(used(), CONTEXT);
}

#[test]
fn bad_requests_take_nothing() {
    let context = context_on(own_device());
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAlloc_v2(std::ptr::null_mut(), 1 << 20)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 144 << 30)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, usize::MAX)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(used(), CONTEXT);
    let address = alloc(4 * MIB);
    for wrong in [address + 512, address + PAGE, 8, !0] {
        assert_eq!(cu!(cuMemFree_v2(wrong)), CUDA_ERROR_INVALID_VALUE);
    }
    ok!(cuMemFree_v2(address));
    assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuMemFree_v2(0));
    ok!(cuCtxDestroy_v2(context));
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 1)), CUDA_ERROR_INVALID_CONTEXT);
}

#[test]
fn the_last_page_can_be_had_and_not_one_more() {
    context_on(own_device());
    let (mut free, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    assert_eq!(total as u64, 143_771 * MIB);
    // The memory is an odd number of MiB; the odd one is no whole page.
    let pages = free as u64 / PAGE;
    let all = alloc(pages * PAGE);
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 1)), CUDA_ERROR_OUT_OF_MEMORY);
    ok!(cuMemFree_v2(all));
    ok!(cuMemFree_v2(alloc(1)));
}

#[test]
fn pitch_is_a_multiple_of_512() {
    context_on(own_device());
    let (mut address, mut pitch) = (0, 0);
    ok!(cuMemAllocPitch_v2(&mut address, &mut pitch, 1000, 5000, 4));
    assert_eq!(pitch, 1024);
    assert_eq!(used(), CONTEXT + (1024u64 * 5000).next_multiple_of(PAGE));
    assert_eq!(cu!(cuMemAllocPitch_v2(&mut address, &mut pitch, 1000, 5000, 3)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn destroying_a_context_gives_everything_back() {
    let device = own_device();
    let kept = context_on(device);
    let lost = context_on(device);
    for bytes in [100, 3 * MIB, 40 * MIB] {
        alloc(bytes);
    }
    let mut managed = 0;
    ok!(cuMemAllocManaged(&mut managed, 5 << 20, CU_MEM_ATTACH_GLOBAL));
    assert_eq!(used(), 2 * CONTEXT + (1 + 2 + 20 + 3) * PAGE);
    ok!(cuCtxDestroy_v2(lost));
    let mut current = std::ptr::null_mut();
    ok!(cuCtxGetCurrent(&mut current));
    assert_eq!(current, kept);
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuCtxSetCurrent(lost)), CUDA_ERROR_INVALID_CONTEXT);
}

#[test]
fn copied_bytes_come_back() {
    context_on(own_device());
    let sent: Vec<u8> = (0..5_000_000u32).map(|n| (n * 7) as u8).collect();
    let mut back = vec![0u8; sent.len()];
    let (a, b) = (alloc(sent.len() as u64), alloc(sent.len() as u64));
    ok!(cuMemcpyHtoD_v2(a, sent.as_ptr().cast(), sent.len()));
    ok!(cuMemcpyDtoD_v2(b, a, sent.len()));
    ok!(cuMemcpyDtoH_v2(back.as_mut_ptr().cast(), b, sent.len()));
    assert!(sent == back);
    ok!(cuMemsetD8_v2(b + 10, 0xee, 20));
    ok!(cuMemsetD32_v2(b + 32, 0x0102_0304, 2));
    ok!(cuMemcpy(back.as_mut_ptr() as u64, b, 64));
    assert_eq!(back[..10], sent[..10]);
    assert_eq!(back[10..30], [0xee; 20]);
    assert_eq!(back[32..40], [4, 3, 2, 1, 4, 3, 2, 1]);
    assert_eq!(back[40..64], sent[40..64]);
}

#[test]
fn a_copy_must_stay_within_one_live_allocation() {
    context_on(own_device());
    let (a, b) = (alloc(1000), alloc(1000));
    let mut host = [0u8; 4096];
    let host = host.as_mut_ptr().cast();
    ok!(cuMemcpyHtoD_v2(a + 900, host, 100));
    assert_eq!(cu!(cuMemcpyHtoD_v2(a + 900, host, 101)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemcpyDtoH_v2(host, a - 1, 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemcpyHtoD_v2(host as u64, host, 8)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemsetD8_v2(b + 1, 0, 1000)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemsetD32_v2(b + 2, 0, 1)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuMemFree_v2(b));
    assert_eq!(cu!(cuMemcpyDtoH_v2(host, b, 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemcpyDtoD_v2(a, b, 1)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn copies_in_two_and_three_dimensions_move_the_right_lines() {
    context_on(own_device());
    let (mut device, mut pitch) = (0, 0);
    ok!(cuMemAllocPitch_v2(&mut device, &mut pitch, 16, 12, 4));
    let sent: Vec<u8> = (0..16 * 12).map(|n| n as u8).collect();
    let copy = CUDA_MEMCPY2D {
        srcMemoryType: CU_MEMORYTYPE_HOST,
        srcHost: sent.as_ptr().cast(),
        srcPitch: 16,
        dstMemoryType: CU_MEMORYTYPE_DEVICE,
        dstDevice: device,
        dstPitch: pitch,
        WidthInBytes: 16,
        Height: 12,
        ..Default::default()
    };
    ok!(cuMemcpy2D_v2(&copy));
    // A box of 2 planes of 3 lines of 4 bytes, from (8, 1, 1) of planes of 4 lines.
    let mut back = [0u8; 24];
    let copy = CUDA_MEMCPY3D {
        srcXInBytes: 8,
        srcY: 1,
        srcZ: 1,
        srcMemoryType: CU_MEMORYTYPE_DEVICE,
        srcDevice: device,
        srcPitch: pitch,
        srcHeight: 4,
        dstMemoryType: CU_MEMORYTYPE_HOST,
        dstHost: back.as_mut_ptr().cast(),
        WidthInBytes: 4,
        Height: 3,
        Depth: 2,
        ..Default::default()
    };
    ok!(cuMemcpy3D_v2(&copy));
    let expected: Vec<u8> =
        [5, 6, 7, 9, 10, 11].iter().flat_map(|line| (0..4).map(move |x| line * 16 + 8 + x)).collect();
    assert_eq!(back[..], expected[..]);
    let outside = CUDA_MEMCPY3D { srcZ: 2, ..copy };
    assert_eq!(cu!(cuMemcpy3D_v2(&outside)), CUDA_ERROR_INVALID_VALUE);
    let no_array = CUDA_MEMCPY3D { srcMemoryType: CU_MEMORYTYPE_ARRAY, ..copy };
    assert_eq!(cu!(cuMemcpy3D_v2(&no_array)), CUDA_ERROR_INVALID_HANDLE);
}

#[test]
fn host_memory_is_known_by_its_range() {
    context_on(own_device());
    let mut host = std::ptr::null_mut();
    ok!(cuMemHostAlloc(&mut host, 10_000, CU_MEMHOSTALLOC_DEVICEMAP));
    let mut device = 0;
    ok!(cuMemHostGetDevicePointer_v2(&mut device, host, 0));
    ok!(cuMemsetD8_v2(device, 7, 10_000));
    let mut kind = 0u32;
    ok!(cuPointerGetAttribute((&raw mut kind).cast(), CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device));
    assert_eq!(kind, CU_MEMORYTYPE_HOST);
    ok!(cuMemFreeHost(host));
    assert_eq!(cu!(cuMemFreeHost(host)), CUDA_ERROR_INVALID_VALUE);
    let mut own = vec![0u8; 8192];
    let own = own.as_mut_ptr().cast();
    ok!(cuMemHostRegister_v2(own, 8192, 0));
    assert_eq!(cu!(cuMemHostRegister_v2(own, 10, 0)), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    ok!(cuMemHostUnregister(own));
    assert_eq!(cu!(cuMemHostUnregister(own)), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    assert_eq!(used(), CONTEXT);
}

#[test]
fn an_address_tells_what_it_is() {
    let device = own_device();
    let context = context_on(device);
    let mut managed = 0;
    ok!(cuMemAllocManaged(&mut managed, 1000, CU_MEM_ATTACH_GLOBAL));
    let inside = managed + 77;
    let (mut base, mut size) = (0, 0);
    ok!(cuMemGetAddressRange_v2(&mut base, &mut size, inside));
    assert_eq!((base, size), (managed, 1000));
    let (mut ordinal, mut is_managed, mut owner): (i32, u32, CUcontext) = (-1, 0, std::ptr::null_mut());
    let mut attributes =
        [CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_CONTEXT];
    let mut places = [(&raw mut ordinal).cast(), (&raw mut is_managed).cast(), (&raw mut owner).cast()];
    ok!(cuPointerGetAttributes(3, attributes.as_mut_ptr(), places.as_mut_ptr(), inside));
    assert_eq!((ordinal, is_managed, owner), (device, 1, context));
    ok!(cuPointerGetAttributes(3, attributes.as_mut_ptr(), places.as_mut_ptr(), 4096));
    assert_eq!((ordinal, is_managed, owner), (-2, 0, std::ptr::null_mut()));
    let mut kind = 0u32;
    let place = (&raw mut kind).cast();
    assert_eq!(cu!(cuPointerGetAttribute(place, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 4096)), CUDA_ERROR_INVALID_VALUE);
}
