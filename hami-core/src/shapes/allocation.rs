//! Device memory taken and given back: reserve in the region, ask the driver, settle what it really took.
// UNSAFETY: calls the vendor's functions and reads what they wrote.
#![expect(unsafe_code)]

use core::ffi::c_uint;

use ffi_headers::cuda::{CUDA_SUCCESS, CUdeviceptr, CUresult};

use super::{Bytes, REFUSED, pool};
use crate::books::{self, Allocation};
use crate::current;
use crate::guard::{self, Inside};
use crate::tenant;

/// In what steps a driver chooses the pitch, for the reservation; the true pitch is settled afterwards.
const PITCH_STEP: u64 = 512;

/// Runs `call`, which allocates `length` bytes; `placed` then tells where, and how many.
fn allocate(length: u64, call: impl FnOnce() -> CUresult, placed: impl FnOnce() -> (u64, u64)) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let Some(current) = current::get(tenant, &inside) else { return inside.driver(call) };
    let (quota, taken) = (current.quota, books::most(length));
    if !pool::take(tenant, quota, taken) {
        return REFUSED;
    }
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let (start, length) = if result == CUDA_SUCCESS { placed() } else { (0, 0) };
        let mut private = tenant.private();
        let really = if length == 0 {
            0
        } else {
            let allocation = Allocation { length, context: current.context, device: quota.device as u32 };
            private.books.enter(start, allocation)
        };
        tenant.settle(&mut private, quota.device, taken, really);
    });
    result
}

/// cuMemAlloc: `bytesize` bytes in one piece.
pub(crate) fn linear<P: Bytes, N: Bytes>(
    original: unsafe extern "C" fn(*mut P, N) -> CUresult,
    dptr: *mut P,
    bytesize: N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, bytesize) };
    // SAFETY: after success the driver has written `dptr`.
    let placed = || (unsafe { dptr.read() }.get(), bytesize.get());
    allocate(bytesize.get(), call, placed)
}

/// cuMemAllocManaged: as `linear`; counted when it is made, since any of it may come to the device.
pub(crate) fn managed(
    original: unsafe extern "C" fn(*mut CUdeviceptr, usize, c_uint) -> CUresult,
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    flags: c_uint,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, bytesize, flags) };
    // SAFETY: after success the driver has written `dptr`.
    let placed = || (unsafe { dptr.read() }, bytesize as u64);
    allocate(bytesize as u64, call, placed)
}

/// cuMemAllocPitch: rows padded to a pitch that the driver chooses.
pub(crate) fn pitched<P: Bytes, N: Bytes>(
    original: unsafe extern "C" fn(*mut P, *mut N, N, N, c_uint) -> CUresult,
    dptr: *mut P,
    pitch: *mut N,
    width: N,
    height: N,
    element_size: c_uint,
) -> CUresult {
    let guess = width.get().checked_next_multiple_of(PITCH_STEP).and_then(|pitch| pitch.checked_mul(height.get()));
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, pitch, width, height, element_size) };
    // SAFETY: after success the driver has written both.
    let placed = || unsafe { (dptr.read().get(), pitch.read().get().saturating_mul(height.get())) };
    allocate(guess.unwrap_or(u64::MAX), call, placed)
}

/// cuMemFree and cuMemFreeAsync: forwarded whatever the books say.
pub(crate) fn free(address: u64, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            let mut private = tenant.private();
            if let Some((device, bytes)) = private.books.strike(address) {
                private.give(tenant.region(), device, bytes);
            } else {
                // Memory of a pool, or something that the driver knows and we do not.
                drop(private);
                pool::shrunk(tenant);
            }
        });
    }
    result
}

/// cuMemFree.
pub(crate) fn free_linear<P: Bytes>(original: unsafe extern "C" fn(P) -> CUresult, dptr: P) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    free(dptr.get(), || unsafe { original(dptr) })
}
