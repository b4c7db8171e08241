//! Contexts: what they take is charged as well, and what lived in them comes back when they go.
// UNSAFETY: calls the vendor's functions and reads what they wrote.
#![expect(unsafe_code)]

use core::ffi::{c_int, c_uint};

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext, CUctxCreateParams, CUdevice, CUexecAffinityParam, CUresult};

use super::REFUSED;
use crate::guard::{self, Inside};
use crate::measure::Took;
use crate::tenant::{self, Charged, Tenant};
use crate::{current, measure, vendor};

/// cuInit: the region's file is opened before the driver opens its own, so that at death the kernel, which closes the
/// newest first, frees the device's memory before it says that we are dead.
pub(crate) fn init(original: unsafe extern "C" fn(c_uint) -> CUresult, flags: c_uint) -> CUresult {
    if let Some(tenant) = tenant::get()
        && let Some(_inside) = Inside::enter()
    {
        tenant.region();
    }
    // SAFETY: the program's own argument, unchanged.
    unsafe { original(flags) }
}

/// Which kind of context is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One per device, counted by the driver.
    Primary,
    /// The program's own.
    Created,
}

/// Runs `call`, which makes a context on `device` and writes its handle to `out`.
fn make(kind: Kind, device: CUdevice, out: *mut CUcontext, call: &dyn Fn() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    tenant.mention_compute_limit();
    let Some(quota) = tenant.of_ordinal(device) else { return inside.driver(call) };
    if kind == Kind::Primary && tenant.private().primary.contains_key(&(device as u64)) {
        return inside.driver(call); // lives already: one user more takes nothing
    }
    let Some(region) = tenant.region() else { return REFUSED };
    let known = region.context_bytes(quota.device);
    if quota.limit == 0 || !tenant.take(quota, known.unwrap_or(0)) {
        return REFUSED;
    }
    // What a context takes is known only after one was made; the first one of a region is measured.
    let before = if known.is_none() { measure::before_context(quota.uuid()) } else { None };
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        if result != CUDA_SUCCESS {
            return tenant.give(quota.device, known.unwrap_or(0));
        }
        // SAFETY: after success the driver has written `out`.
        let context = unsafe { out.read() };
        let bytes = known.or_else(|| {
            let probing = |bytes, probe: &mut dyn FnMut()| {
                let granted = tenant.take(quota, bytes);
                if granted {
                    probe();
                    tenant.give(quota.device, bytes);
                }
                granted
            };
            match measure::context_took(before.as_ref()?, context, tenant.held(quota.device), probing)? {
                Took::Exactly(bytes) => Some(region.learn_context_bytes(quota.device, bytes)),
                Took::Roughly(bytes) => Some(bytes),
            }
        });
        if known.is_none() && !tenant.take(quota, bytes.unwrap_or(0)) {
            // SAFETY: undoes exactly what the call did, before the program has seen its result.
            let _undone = unsafe {
                match kind {
                    Kind::Primary => vendor::primary_ctx_release(device),
                    Kind::Created => vendor::ctx_destroy(context),
                }
            };
            result = REFUSED;
            return;
        }
        let bytes = bytes.unwrap_or(0);
        let mut private = tenant.private();
        let earlier = private.contexts.insert(context as u64, Charged { device: quota.device, bytes });
        if kind == Kind::Primary {
            private.primary.insert(device as u64, context as usize);
        }
        // Two threads made the same primary context at once: it is there once.
        if let Some(earlier) = earlier {
            private.give(tenant.region(), earlier.device, earlier.bytes);
        }
    });
    result
}

/// Gives back what a context took, and what lived in it.
fn gone(tenant: &Tenant, context: usize) {
    let mut private = tenant.private();
    if let Some(Charged { device, bytes }) = private.contexts.remove(&(context as u64)) {
        let lived_in_it = private.books.context_gone(context);
        private.give(tenant.region(), device, bytes + lived_in_it);
    }
    current::context_destroyed();
}

/// cuDevicePrimaryCtxRetain.
pub(crate) fn retain_primary(
    original: unsafe extern "C" fn(*mut CUcontext, CUdevice) -> CUresult,
    context: *mut CUcontext,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    make(Kind::Primary, device, context, &|| unsafe { original(context, device) })
}

/// cuDevicePrimaryCtxRelease and cuDevicePrimaryCtxReset: the context may or may not be gone after them.
pub(crate) fn release_primary(original: unsafe extern "C" fn(CUdevice) -> CUresult, device: CUdevice) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(device) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let (mut flags, mut active): (c_uint, c_int) = (0, 0);
        // SAFETY: writes two numbers of ours.
        let asked = unsafe { vendor::primary_ctx_get_state(device, &raw mut flags, &raw mut active) };
        if asked == CUDA_SUCCESS && active == 0 {
            let context = tenant.private().primary.remove(&(device as u64));
            if let Some(context) = context {
                gone(tenant, context);
            }
        }
    });
    result
}

/// cuCtxCreate, first and second version.
pub(crate) fn create(
    original: unsafe extern "C" fn(*mut CUcontext, c_uint, CUdevice) -> CUresult,
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    make(Kind::Created, device, context, &|| unsafe { original(context, flags, device) })
}

/// cuCtxCreate_v3: with execution affinity.
pub(crate) fn create_with_affinity(
    original: unsafe extern "C" fn(*mut CUcontext, *mut CUexecAffinityParam, c_int, c_uint, CUdevice) -> CUresult,
    context: *mut CUcontext,
    params: *mut CUexecAffinityParam,
    count: c_int,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    make(Kind::Created, device, context, &|| unsafe { original(context, params, count, flags, device) })
}

/// cuCtxCreate_v4: with a structure of parameters.
pub(crate) fn create_with_params(
    original: unsafe extern "C" fn(*mut CUcontext, *mut CUctxCreateParams, c_uint, CUdevice) -> CUresult,
    context: *mut CUcontext,
    params: *mut CUctxCreateParams,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    make(Kind::Created, device, context, &|| unsafe { original(context, params, flags, device) })
}

/// cuCtxDestroy.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUcontext) -> CUresult, context: CUcontext) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(context) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| gone(tenant, context as usize));
    }
    result
}
