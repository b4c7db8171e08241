//! Green contexts: parts of a device, on the memory of its primary context.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, MIB, PAGE, alloc, cu, ok, own_device, used};
use ffi_headers::cuda::*;

const SM: CUdevResourceType = CU_DEV_RESOURCE_TYPE_SM;

fn multiprocessors(resource: &CUdevResource) -> u32 {
    assert_eq!(resource.type_, SM);
    // SAFETY: every member of the union is numbers only.
    unsafe { resource.__bindgen_anon_1.sm }.smCount
}

fn green(device: CUdevice, resource: &mut CUdevResource) -> CUgreenCtx {
    let (mut descriptor, mut green) = (null_mut(), null_mut());
    ok!(cuDevResourceGenerateDesc(&mut descriptor, resource, 1));
    assert_eq!(cu!(cuGreenCtxCreate(&mut green, descriptor, device, 0)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuGreenCtxCreate(&mut green, descriptor, device, CU_GREEN_CTX_DEFAULT_STREAM));
    green
}

#[test]
fn a_device_is_split_into_groups_of_multiprocessors() {
    let device = own_device();
    let (mut all, mut groups, mut rest) =
        (CUdevResource::default(), [CUdevResource::default(); 4], CUdevResource::default());
    ok!(cuDeviceGetDevResource(device, &mut all, SM));
    // NVIDIA's data sheet of the H200; groups of compute capability 9.0 are of 8 at least, and of a multiple of that.
    assert_eq!(multiprocessors(&all), 132);
    let mut count = 0;
    ok!(cuDevSmResourceSplitByCount(null_mut(), &mut count, &all, null_mut(), 0, 30));
    assert_eq!(count, 4);
    count = 3;
    ok!(cuDevSmResourceSplitByCount(groups.as_mut_ptr(), &mut count, &all, &mut rest, 0, 30));
    assert_eq!((count, groups[..3].iter().map(multiprocessors).collect::<Vec<_>>()), (3, vec![32; 3]));
    assert_eq!(multiprocessors(&rest), 36);
    let again = cu!(cuDevSmResourceSplitByCount(groups.as_mut_ptr(), &mut count, &rest, null_mut(), 0, 8));
    assert_eq!(again, CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
    let too_many = cu!(cuDevSmResourceSplitByCount(groups.as_mut_ptr(), &mut count, &all, null_mut(), 0, 133));
    assert_eq!(too_many, CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
    assert_eq!(cu!(cuDeviceGetDevResource(device, &mut all, 7)), CUDA_ERROR_INVALID_RESOURCE_TYPE);
}

#[test]
fn a_green_context_takes_no_memory_beside_the_primary_one() {
    let device = own_device();
    let (mut all, mut context, mut primary) = (CUdevResource::default(), null_mut(), null_mut());
    ok!(cuDeviceGetDevResource(device, &mut all, SM));
    let first = green(device, &mut all);
    let (mut flags, mut active) = (9, 0);
    ok!(cuDevicePrimaryCtxGetState(device, &mut flags, &mut active));
    assert_eq!(active, 1, "it retains the primary context");
    ok!(cuCtxFromGreenCtx(&mut context, first));
    ok!(cuCtxSetCurrent(context));
    assert_eq!(used(), CONTEXT);
    let second = green(device, &mut all);
    assert_eq!(used(), CONTEXT, "a second one shares it");
    let address = alloc(5 * MIB);
    ok!(cuGreenCtxDestroy(first));
    let mut current = null_mut();
    ok!(cuCtxGetCurrent(&mut current));
    assert!(current.is_null(), "it was current here");
    assert_eq!(cu!(cuCtxSetCurrent(context)), CUDA_ERROR_INVALID_CONTEXT);
    assert_eq!(cu!(cuGreenCtxDestroy(first)), CUDA_ERROR_INVALID_CONTEXT);
    ok!(cuCtxFromGreenCtx(&mut context, second));
    ok!(cuCtxSetCurrent(context));
    assert_eq!(used(), CONTEXT + 3 * PAGE, "the memory is the primary context's");
    ok!(cuMemsetD8_v2(address, 1, 5 << 20));
    assert_eq!(cu!(cuCtxDestroy_v2(context)), CUDA_ERROR_INVALID_CONTEXT);
    ok!(cuDevicePrimaryCtxRetain(&mut primary, device));
    let (mut a, mut b) = (0, 0);
    ok!(cuCtxGetId(context, &mut a));
    ok!(cuCtxGetId(primary, &mut b));
    assert_ne!((a, context), (b, primary));
    ok!(cuGreenCtxDestroy(second));
    ok!(cuCtxSetCurrent(primary));
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    ok!(cuDevicePrimaryCtxRelease_v2(device));
    ok!(cuDevicePrimaryCtxGetState(device, &mut flags, &mut active));
    assert_eq!(active, 0);
    assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE, "gone with its context");
}

#[test]
fn a_green_context_knows_its_part_and_its_streams() {
    let device = own_device();
    let (mut all, mut part, mut groups, mut count) =
        (CUdevResource::default(), CUdevResource::default(), [CUdevResource::default(); 1], 1);
    ok!(cuDeviceGetDevResource(device, &mut all, SM));
    ok!(cuDevSmResourceSplitByCount(groups.as_mut_ptr(), &mut count, &all, null_mut(), 0, 16));
    let green = green(device, &mut groups[0]);
    ok!(cuGreenCtxGetDevResource(green, &mut part, SM));
    assert_eq!(multiprocessors(&part), 16);
    let (mut context, mut primary, mut stream, mut found) = (null_mut(), null_mut(), null_mut(), null_mut());
    ok!(cuCtxFromGreenCtx(&mut context, green));
    ok!(cuCtxGetDevResource(context, &mut part, SM));
    assert_eq!(multiprocessors(&part), 16);
    ok!(cuDevicePrimaryCtxRetain(&mut primary, device));
    ok!(cuCtxGetDevResource(primary, &mut part, SM));
    assert_eq!(multiprocessors(&part), 132);
    ok!(cuCtxSetCurrent(context));
    ok!(cuStreamCreate(&mut stream, CU_STREAM_NON_BLOCKING));
    ok!(cuStreamGetGreenCtx(stream, &mut found));
    assert_eq!(found, green);
    ok!(cuCtxSetCurrent(primary));
    let mut plain = null_mut();
    ok!(cuStreamCreate(&mut plain, CU_STREAM_NON_BLOCKING));
    ok!(cuStreamGetGreenCtx(plain, &mut found));
    assert!(found.is_null());
    // A reset of the primary context ends it.
    ok!(cuDevicePrimaryCtxReset_v2(device));
    assert_eq!(cu!(cuCtxSetCurrent(context)), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    assert_eq!(cu!(cuGreenCtxGetDevResource(green, &mut part, SM)), CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

#[test]
fn events_join_a_green_context_with_other_work() {
    const PTX: &[u8] = b".version 8.4\n.target sm_80\n.visible .entry spin_us200000()\n{ ret; }\n\0";
    let device = own_device();
    let (mut all, mut context, mut stream, mut event, mut module, mut spin) =
        (CUdevResource::default(), null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    ok!(cuDeviceGetDevResource(device, &mut all, SM));
    let (first, second) = (green(device, &mut all), green(device, &mut all));
    ok!(cuCtxFromGreenCtx(&mut context, first));
    ok!(cuCtxSetCurrent(context));
    ok!(cuStreamCreate(&mut stream, CU_STREAM_NON_BLOCKING));
    ok!(cuEventCreate(&mut event, 0));
    ok!(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut spin, module, c"spin_us200000".as_ptr()));
    ok!(cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, null_mut(), null_mut()));
    ok!(cuGreenCtxRecordEvent(first, event));
    assert_eq!(cu!(cuEventQuery(event)), CUDA_ERROR_NOT_READY);
    ok!(cuGreenCtxWaitEvent(second, event));
    ok!(cuCtxFromGreenCtx(&mut context, second));
    ok!(cuCtxSetCurrent(context));
    ok!(cuStreamCreate(&mut stream, CU_STREAM_NON_BLOCKING));
    assert_eq!(cu!(cuStreamQuery(stream)), CUDA_ERROR_NOT_READY, "made after the wait, it waits, too");
    ok!(cuStreamSynchronize(stream));
    ok!(cuEventQuery(event));
}
