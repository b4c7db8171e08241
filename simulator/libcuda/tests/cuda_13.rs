//! What the drivers of CUDA 12.5 to 13.0 have beyond that of 12.4.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ffi::CString;
use std::ptr::null_mut;

use common::{CONTEXT, MIB, alloc, context_on, cu, lookup, ok, own_device_under, used};
use ffi_headers::cuda::*;
use simulator::presets::DRIVERS;

fn own_device() -> CUdevice {
    own_device_under(DRIVERS.iter().find(|driver| driver.key == "580").expect("the driver of CUDA 13.0"))
}

fn on(device: CUdevice) -> CUmemLocation {
    CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device }
}

#[test]
fn newer_forms_are_found_where_the_driver_knows_them() {
    own_device();
    let mut version = 0;
    ok!(cuDriverGetVersion(&mut version));
    assert_eq!(version, 13000);
    for (name, version, flags, export) in [
        ("cuCtxCreate", 12040, 0, "cuCtxCreate_v3"),
        ("cuCtxCreate", 12050, 0, "cuCtxCreate_v4"),
        ("cuCtxSynchronize", 13000, 0, "cuCtxSynchronize_v2"),
        ("cuMemcpyBatchAsync", 12090, 2, "cuMemcpyBatchAsync_ptsz"),
        ("cuMemcpyBatchAsync", 13050, 2, "cuMemcpyBatchAsync_v2_ptsz"),
        ("cuMemGetMemPool", 13000, 0, "cuMemGetMemPool"),
    ] {
        let (base, mut address, mut status) = (CString::new(name).expect("no NUL"), null_mut(), 9);
        ok!(cuGetProcAddress_v2(base.as_ptr(), &mut address, version, flags, &mut status));
        assert_eq!((address, status), (lookup(export), CU_GET_PROC_ADDRESS_SUCCESS), "{name} {version}");
    }
}

#[test]
fn the_fourth_form_makes_a_context_like_the_others() {
    let device = own_device();
    let (mut a, mut b, mut found) = (null_mut(), null_mut(), -1);
    ok!(cuCtxCreate_v4(&mut a, null_mut(), 0, device));
    let mut parameters = CUctxCreateParams::default();
    ok!(cuCtxCreate_v4(&mut b, &mut parameters, 0, device));
    assert_eq!(used(), 2 * CONTEXT);
    parameters.numExecAffinityParams = 1;
    let refused = cu!(cuCtxCreate_v4(&mut b, &mut parameters, 0, device));
    assert_eq!(refused, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
    ok!(cuCtxGetDevice_v2(&mut found, a));
    ok!(cuCtxSynchronize_v2(a));
    ok!(cuCtxSynchronize_v2(null_mut()));
    assert_eq!(found, device);
    ok!(cuCtxDestroy_v2(a));
    assert_eq!(cu!(cuCtxSynchronize_v2(a)), CUDA_ERROR_INVALID_CONTEXT);
    assert_eq!(used(), CONTEXT);
}

#[test]
fn a_batch_of_copies_moves_the_bytes() {
    context_on(own_device());
    let (a, b, mut stream) = (alloc(MIB), alloc(MIB), null_mut());
    ok!(cuStreamCreate(&mut stream, 0));
    let (sent, mut back) = ([7u8; 100], [0u8; 100]);
    let mut targets = [a, b + 10, back.as_mut_ptr() as u64];
    let mut sources = [sent.as_ptr() as u64, a, b];
    let (mut sizes, mut firsts) = ([100, 50, 100], [0usize, 1]);
    let order = CUmemcpyAttributes { srcAccessOrder: CU_MEMCPY_SRC_ACCESS_ORDER_STREAM, ..Default::default() };
    let mut orders = [order; 2];
    let mut copy = |sizes: &mut [usize; 3], firsts: &mut [usize; 2], failed: &mut usize, stream| {
        let (targets, sources) = (targets.as_mut_ptr(), sources.as_mut_ptr());
        let (sizes, firsts) = (sizes.as_mut_ptr(), firsts.as_mut_ptr());
        cu!(cuMemcpyBatchAsync(targets, sources, sizes, 3, orders.as_mut_ptr(), firsts, 2, failed, stream))
    };
    let mut failed = 9;
    assert_eq!(copy(&mut sizes, &mut firsts, &mut failed, stream), CUDA_SUCCESS);
    ok!(cuStreamSynchronize(stream));
    assert_eq!((&back[..10], &back[10..60], &back[60..]), (&[0; 10][..], &[7; 50][..], &[0; 40][..]));
    assert_eq!(copy(&mut [100, 2 << 20, 100], &mut firsts, &mut failed, stream), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(failed, 1, "the second copy is longer than its allocation");
    for (firsts, stream) in [([1, 2], stream), ([0, 0], stream), ([0, 3], stream), ([0, 1], null_mut())] {
        assert_eq!(copy(&mut sizes, &mut { firsts }, &mut failed, stream), CUDA_ERROR_INVALID_VALUE);
        assert_eq!(failed, usize::MAX);
    }
    let (targets, sources, sizes) = (targets.as_mut_ptr(), sources.as_mut_ptr(), sizes.as_mut_ptr());
    ok!(cuMemcpyBatchAsync_v2(targets, sources, sizes, 3, orders.as_mut_ptr(), firsts.as_mut_ptr(), 2, stream));
}

#[test]
fn a_location_has_a_pool() {
    let device = own_device();
    context_on(device);
    let (mut default, mut current, mut made) = (null_mut(), null_mut(), null_mut());
    let (mut here, pinned) = (on(device), CU_MEM_ALLOCATION_TYPE_PINNED);
    ok!(cuDeviceGetDefaultMemPool(&mut default, device));
    ok!(cuMemGetDefaultMemPool(&mut current, &mut here, pinned));
    assert_eq!(current, default);
    let properties = CUmemPoolProps { allocType: pinned, location: here, ..Default::default() };
    ok!(cuMemPoolCreate(&mut made, &properties));
    ok!(cuMemSetMemPool(&mut here, pinned, made));
    ok!(cuMemGetMemPool(&mut current, &mut here, pinned));
    assert_eq!(current, made);
    ok!(cuDeviceGetMemPool(&mut current, device));
    assert_eq!(current, made);
    let mut host = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_HOST, ..Default::default() };
    assert_eq!(cu!(cuMemGetMemPool(&mut current, &mut host, pinned)), CUDA_ERROR_NOT_SUPPORTED);
    let mut nowhere = CUmemLocation::default();
    assert_eq!(cu!(cuMemGetMemPool(&mut current, &mut nowhere, pinned)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemGetMemPool(&mut current, &mut on(99), pinned)), CUDA_ERROR_INVALID_DEVICE);
}

#[test]
fn batches_of_managed_ranges_are_checked() {
    let device = own_device();
    context_on(device);
    let mut managed = 0;
    ok!(cuMemAllocManaged(&mut managed, 2 << 20, CU_MEM_ATTACH_GLOBAL));
    let before = used();
    let mut places = [on(device), CUmemLocation { type_: CU_MEM_LOCATION_TYPE_HOST, ..Default::default() }];
    let mut ask = |addresses: [CUdeviceptr; 2], sizes: [usize; 2], firsts: [usize; 2]| {
        let (mut addresses, mut sizes, mut firsts) = (addresses, sizes, firsts);
        let (a, s, f) = (addresses.as_mut_ptr(), sizes.as_mut_ptr(), firsts.as_mut_ptr());
        let prefetch = cu!(cuMemPrefetchBatchAsync(a, s, 2, places.as_mut_ptr(), f, 2, 0, null_mut()));
        let both = cu!(cuMemDiscardAndPrefetchBatchAsync(a, s, 2, places.as_mut_ptr(), f, 2, 0, null_mut()));
        [prefetch, both, cu!(cuMemDiscardBatchAsync(a, s, 2, 0, null_mut()))]
    };
    let plain = alloc(MIB);
    let (good, bad) = (CUDA_SUCCESS, CUDA_ERROR_INVALID_VALUE);
    assert_eq!(ask([managed, managed + MIB], [1 << 20, 1 << 20], [0, 1]), [good; 3]);
    assert_eq!(ask([managed, plain], [1 << 20, 1 << 20], [0, 1]), [bad; 3]);
    assert_eq!(ask([managed, managed + MIB], [1 << 20, 2 << 20], [0, 1]), [bad; 3]);
    assert_eq!(ask([managed, managed + MIB], [1 << 20, 1 << 20], [1, 0]), [bad, bad, good]);
    ok!(cuMemFree_v2(plain));
    assert_eq!(used(), before);
}
