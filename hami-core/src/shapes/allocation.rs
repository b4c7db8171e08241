//! Device memory taken and given back: reserve in the region, ask the driver, settle what it really took.
// UNSAFETY: calls the vendor's functions and reads what they wrote.
#![expect(unsafe_code)]

use core::ffi::c_uint;

use core::sync::atomic::Ordering;

use ffi_headers::cuda::{CU_MEM_ATTACH_GLOBAL, CUDA_ERROR_OUT_OF_MEMORY, CUDA_SUCCESS, CUdeviceptr, CUresult};
use shared_region::kill_point;

use super::{Bytes, pool, refused};
use crate::books::{self, Allocation, Struck};
use crate::guard::{self, Inside};
use crate::tenant::{self, Tenant};
use crate::{current, log, vendor};

/// In what steps a driver chooses the pitch, for the reservation; the true pitch is settled afterwards.
const PITCH_STEP: u64 = 512;

/// Runs `call`, which allocates `length` bytes; `placed` then tells where, and how many. `spill` does the same with memory
/// of the host, where that is wanted and the device is full.
fn allocate(
    length: u64,
    call: impl FnOnce() -> CUresult,
    spill: impl FnOnce() -> CUresult,
    placed: impl FnOnce() -> (u64, u64),
) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let current = match current::get(tenant, &inside) {
        Ok(Some(current)) => current,
        Ok(None) => return inside.driver(call),
        Err(error) => return error,
    };
    let (quota, taken) = (current.quota, books::most(length));
    if !pool::take(tenant, quota, taken) {
        return refused(tenant, quota);
    }
    kill_point(20);
    let mut result = inside.driver(call);
    kill_point(21);
    if result == CUDA_ERROR_OUT_OF_MEMORY && tenant.oversubscribes() {
        result = inside.driver(spill);
        if result == CUDA_SUCCESS {
            mention_spill(tenant, length);
        }
    }
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

/// Says once that memory comes from the host.
#[cold]
fn mention_spill(tenant: &Tenant, length: u64) {
    // Relaxed: only counts.
    if !tenant.spilled.swap(true, Ordering::Relaxed) {
        log::warning!(
            "the device is full, so {length} bytes come from the host's memory, as CUDA_OVERSUBSCRIBE asks; \
             this is said once"
        );
    }
}

/// Allocates managed memory, which need not be on the device, and writes where.
fn spill<P: Bytes>(dptr: *mut P, length: u64) -> CUresult {
    let mut address: CUdeviceptr = 0;
    let Ok(length) = usize::try_from(length) else { return CUDA_ERROR_OUT_OF_MEMORY };
    // SAFETY: a local to write.
    let result = unsafe { vendor::mem_alloc_managed(&raw mut address, length, CU_MEM_ATTACH_GLOBAL) };
    if result != CUDA_SUCCESS {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    let shown = P::from_u64(address);
    if shown.get() != address {
        // An address that a form of the function for 32 bits cannot tell.
        // SAFETY: allocated just now, and nobody else knows it.
        let _freed = unsafe { vendor::mem_free(address) };
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    // SAFETY: the driver has accepted the pointer before it found the device full.
    unsafe { dptr.write(shown) };
    CUDA_SUCCESS
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
    allocate(bytesize.get(), call, || spill(dptr, bytesize.get()), placed)
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
    allocate(bytesize as u64, call, || CUDA_ERROR_OUT_OF_MEMORY, placed)
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
    let on_host = || {
        let Some(line) = width.get().checked_next_multiple_of(PITCH_STEP) else { return CUDA_ERROR_OUT_OF_MEMORY };
        let result = spill(dptr, line.saturating_mul(height.get()));
        if result == CUDA_SUCCESS {
            // SAFETY: as for `dptr` in `spill`.
            unsafe { pitch.write(N::from_u64(line)) };
        }
        result
    };
    allocate(guess.unwrap_or(u64::MAX), call, on_host, placed)
}

/// cuMemFree and cuMemFreeAsync: forwarded whatever the books say.
pub(crate) fn free(
    tenant: &'static Tenant,
    inside: &mut Inside,
    address: u64,
    call: impl FnOnce() -> CUresult,
) -> CUresult {
    let result = inside.driver(call);
    kill_point(24);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            let mut private = tenant.private();
            match private.books.strike(address) {
                Some(Struck::Linear(device, bytes)) => {
                    private.give(tenant.region(), device, bytes);
                    kill_point(25);
                }
                Some(Struck::Pool(number)) => pool::freed(tenant, &mut private, number),
                None => {} // something that the driver knows and we do not
            }
        });
    }
    result
}

/// cuMemFree.
pub(crate) fn free_linear<P: Bytes>(original: unsafe extern "C" fn(P) -> CUresult, dptr: P) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(dptr) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    free(tenant, &mut inside, dptr.get(), call)
}
