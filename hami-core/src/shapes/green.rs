//! Green contexts: each is a part of its device's primary context, which it keeps alive and which is charged.
// UNSAFETY: calls the vendor's functions and reads what they wrote.
#![expect(unsafe_code)]

use core::ffi::c_uint;
use core::ptr;

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext, CUdevResourceDesc, CUdevice, CUgreenCtx, CUresult};

use super::context;
use crate::{compute, current, tenant, vendor};

/// cuGreenCtxCreate: makes the primary context if that does not live yet.
pub(crate) fn create(
    original: unsafe extern "C" fn(*mut CUgreenCtx, CUdevResourceDesc, CUdevice, c_uint) -> CUresult,
    green: *mut CUgreenCtx,
    description: CUdevResourceDesc,
    device: CUdevice,
    flags: c_uint,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(green, description, device, flags) };
    let Some(tenant) = tenant::get() else { return call() };
    let mut primary: CUcontext = ptr::null_mut();
    let place = &raw mut primary;
    // Charged as the primary context is. To learn its handle, it is retained once more while this runs.
    let result = context::make_primary(device, place, &|| match call() {
        // SAFETY: a local to write.
        CUDA_SUCCESS => unsafe { vendor::primary_ctx_retain(place, device) },
        error => error,
    });
    if result == CUDA_SUCCESS {
        // SAFETY: after success the driver has written it.
        tenant.private().green.insert(unsafe { green.read() } as u64, device);
        // SAFETY: balances the retain above; the green context is a user too.
        let _balanced = unsafe { vendor::primary_ctx_release(device) };
    } else if !primary.is_null() {
        // Made, and over the quota. SAFETY: after success the driver has written it, and nobody else has seen it yet.
        let _gone = unsafe { vendor::green_ctx_destroy(green.read()) };
    }
    result
}

/// cuGreenCtxDestroy: lets go of the primary context, which may be gone with it.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUgreenCtx) -> CUresult, green: CUgreenCtx) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(green) };
    let device = tenant::get().and_then(|tenant| tenant.private().green.remove(&(green as u64)));
    let Some(device) = device else { return call() };
    let mut own: CUcontext = ptr::null_mut();
    // SAFETY: writes one handle of ours; the green context lives until the call below.
    if unsafe { vendor::ctx_from_green_ctx(&raw mut own, green) } == CUDA_SUCCESS {
        compute::context_destroyed(own as usize);
    }
    let result = context::release(device, false, call);
    if result == CUDA_SUCCESS {
        current::context_destroyed();
    } else if let Some(tenant) = tenant::get() {
        tenant.private().green.insert(green as u64, device);
    }
    result
}
