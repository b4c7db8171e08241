//! Calls in the forms before CUDA 3.2, whose addresses and sizes have 32 bits.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, MIB, PAGE, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

fn alloc(bytes: u32) -> CUdeviceptr_v1 {
    let mut address = 0;
    ok!(cuMemAlloc(&mut address, bytes));
    address
}

#[test]
fn memory_has_addresses_of_32_bits() {
    context_on(own_device());
    let (a, b) = (alloc(1000), alloc(5 << 20));
    assert_eq!(used(), CONTEXT + 4 * PAGE);
    let sent: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
    let mut back = [0u8; 1000];
    ok!(cuMemcpyHtoD(a, sent.as_ptr().cast(), 1000));
    ok!(cuMemcpyDtoD(b + 7, a, 1000));
    ok!(cuMemsetD8(b + 7, 9, 2));
    ok!(cuMemcpyDtoH(back.as_mut_ptr().cast(), b + 7, 1000));
    assert_eq!((&back[..2], &back[2..]), (&[9, 9][..], &sent[2..]));
    let (mut base, mut size) = (0, 0);
    ok!(cuMemGetAddressRange(&mut base, &mut size, a + 999));
    assert_eq!((base, size), (a, 1000));
    // The forms of today take these addresses too.
    let mut device = -1;
    ok!(cuPointerGetAttribute((&raw mut device).cast(), CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, b.into()));
    let mut current = -1;
    ok!(cuCtxGetDevice(&mut current));
    assert_eq!(device, current);
    ok!(cuMemFree_v2(b.into()));
    ok!(cuMemFree(a));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuMemFree(a)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemcpyHtoD(a, sent.as_ptr().cast(), 1)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuMemFree(0));
}

#[test]
fn there_are_256_mebibytes_of_such_addresses() {
    let device = own_device();
    let kept = context_on(device);
    let lost = context_on(device);
    let half = alloc(128 << 20);
    alloc(128 << 20);
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc(&mut address, 1)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(used(), 2 * CONTEXT + 256 * MIB);
    ok!(cuMemFree(half));
    alloc(100 << 20);
    ok!(cuCtxDestroy_v2(lost));
    ok!(cuCtxSetCurrent(kept));
    assert_eq!(used(), CONTEXT);
    alloc(256 << 20);
}

#[test]
fn bad_requests_take_nothing() {
    context_on(own_device());
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc(&mut address, 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAlloc(null_mut(), 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAlloc(&mut address, u32::MAX)), CUDA_ERROR_OUT_OF_MEMORY);
    let mut pitch = 0;
    assert_eq!(cu!(cuMemAllocPitch(&mut address, &mut pitch, 100, 100, 3)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(used(), CONTEXT);
    ok!(cuMemAllocPitch(&mut address, &mut pitch, 1000, 5000, 4));
    assert_eq!((pitch, used()), (1024, CONTEXT + (1024u64 * 5000).next_multiple_of(PAGE)));
    ok!(cuMemsetD2D32(address, pitch, 0x0102_0304, 250, 5000));
    let mut back = 0u32;
    ok!(cuMemcpyDtoH((&raw mut back).cast(), address + 1024 * 4999 + 996, 4));
    assert_eq!(back, 0x0102_0304);
    ok!(cuMemFree(address));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn host_memory_has_no_such_address() {
    context_on(own_device());
    let (mut host, mut address, mut wide) = (null_mut(), 0, 0);
    ok!(cuMemAllocHost(&mut host, 4096));
    ok!(cuMemHostGetDevicePointer_v2(&mut wide, host, 0));
    assert!(wide > u64::from(u32::MAX), "{wide:#x}");
    assert_eq!(cu!(cuMemHostGetDevicePointer(&mut address, host, 0)), CUDA_ERROR_OUT_OF_MEMORY);
    ok!(cuMemFreeHost(host));
    let mut own = vec![0u8; 8192];
    ok!(cuMemHostRegister(own.as_mut_ptr().cast(), 8192, 0));
    ok!(cuMemHostUnregister(own.as_mut_ptr().cast()));
    assert_eq!(used(), CONTEXT);
}
