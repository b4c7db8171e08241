//! The calling thread's current context, and which device it is on.
// UNSAFETY: vendor calls.
#![expect(unsafe_code)]

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use ffi_headers::cuda::{
    CUDA_ERROR_DEINITIALIZED, CUDA_ERROR_NOT_INITIALIZED, CUDA_SUCCESS, CUcontext, CUdevice, CUresult,
};

use crate::guard::Inside;
use crate::tenant::{Quota, Tenant};
use crate::vendor;

/// Grows whenever a context is destroyed: its handle may come again, for another device.
static DESTROYED: AtomicU64 = AtomicU64::new(0);

/// The last answer that a thread got.
#[derive(Clone, Copy)]
pub(crate) struct LastContext {
    context: usize,
    destroyed: u64,
    owner: usize,
    device: CUdevice,
    quota: Option<&'static Quota>,
}

impl LastContext {
    /// Before the first question: there is no context 0.
    pub(crate) const NONE: Self = Self { context: 0, destroyed: 0, owner: 0, device: 0, quota: None };
}

/// A context with its device's quota.
pub(crate) struct Current {
    /// Handle of the context that its allocations live in: itself, or for a green context the device's primary one.
    pub(crate) context: usize,
    /// Its device's ordinal.
    pub(crate) device: CUdevice,
    /// Its device's quota.
    pub(crate) quota: &'static Quota,
}

/// The current context, if its device has a quota. `None` also when there is no context, or no driver yet: the driver will
/// say so itself.
///
/// # Errors
/// The driver's, when it does not tell: the hook answers with it, since nothing may be granted blindly.
#[inline]
pub(crate) fn get(tenant: &Tenant, inside: &Inside) -> Result<Option<Current>, CUresult> {
    let mut context: CUcontext = ptr::null_mut();
    // SAFETY: writes one handle of ours.
    match unsafe { vendor::ctx_get_current(&raw mut context) } {
        CUDA_SUCCESS if context.is_null() => return Ok(None),
        CUDA_SUCCESS => {}
        CUDA_ERROR_NOT_INITIALIZED | CUDA_ERROR_DEINITIALIZED => return Ok(None),
        error => return Err(error),
    }
    let context = context as usize;
    // Relaxed: a context that another thread destroys during this call is the program's own race.
    let destroyed = DESTROYED.load(Ordering::Relaxed);
    let last = inside.last_context().get();
    let last = if (last.context, last.destroyed) == (context, destroyed) {
        last
    } else {
        look(tenant, inside, context, destroyed)?
    };
    Ok(last.quota.map(|quota| Current { context: last.owner, device: last.device, quota }))
}

/// Finds out about a context that this thread did not use last.
fn look(tenant: &Tenant, inside: &Inside, context: usize, destroyed: u64) -> Result<LastContext, CUresult> {
    let mut device: CUdevice = 0;
    // SAFETY: writes one device of ours; there is a current context.
    match unsafe { vendor::ctx_get_device(&raw mut device) } {
        CUDA_SUCCESS => {}
        error => return Err(error),
    }
    let quota = tenant.of_ordinal(device);
    let owner = {
        let private = tenant.private();
        // What was not charged for itself is a green context: it is a part of the primary one.
        let own = private.contexts.contains_key(&(context as u64));
        if own { context } else { private.primary.get(&(device as u64)).copied().unwrap_or(context) }
    };
    let found = LastContext { context, destroyed, owner, device, quota };
    if !Quota::may_change(quota) {
        inside.last_context().set(found);
    }
    Ok(found)
}

/// Tells that a context is gone.
pub(crate) fn context_destroyed() {
    DESTROYED.fetch_add(1, Ordering::Relaxed); // see `get`
}
