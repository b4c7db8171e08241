//! Contexts: what they take is charged as well, and what lived in them comes back when they go.
// UNSAFETY: calls the vendor's functions and reads what they wrote.
#![expect(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use std::time::{Duration, Instant};

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext, CUctxCreateParams, CUdevice, CUexecAffinityParam, CUresult};

use shared_region::Region;

use super::{REFUSED, capture, overhead, refused};
use crate::guard::{self, Inside};
use crate::measure::{Before, Took};
use crate::private::{Charged, Private};
use crate::tenant::{self, Quota, Tenant};
use crate::{compute, current, measure, vendor};

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

/// Taken for a context whose size nobody knows yet; no context seen takes more.
const LIKELY_MOST: u64 = 1 << 30;
/// How long a context waits for others to learn its size, or for another thread to make it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether that is so.
const PAUSE: Duration = Duration::from_micros(500);

/// What was taken before a context is made.
enum Reservation {
    /// What contexts take on this device.
    Known(u64),
    /// Enough for any; what it really takes is to be measured.
    Unknown(u64),
    /// Nothing: this primary context lives already.
    LivesAlready,
}

impl Reservation {
    fn bytes(&self) -> u64 {
        match self {
            Self::Known(bytes) | Self::Unknown(bytes) => *bytes,
            Self::LivesAlready => 0,
        }
    }
}

/// Whether this is about a primary context that lives, and is charged.
fn lives_already(tenant: &Tenant, kind: Kind, device: CUdevice) -> bool {
    kind == Kind::Primary && tenant.private().primary.contains_key(&(device as u64))
}

/// Takes what a context on `device` may need, or answers `None`: there is no room for it. What was taken is counted as
/// being made.
///
/// Waits, for a bounded time, only while there is no room and that may change by itself: others are measuring what a
/// context takes and have taken plenty for theirs, or another thread is making this very primary context.
fn reserve(tenant: &Tenant, region: &Region, quota: &Quota, kind: Kind, device: CUdevice) -> Option<Reservation> {
    if quota.limit() == 0 {
        return None;
    }
    // Not asked for before there is something to wait for: the clock is a page of its own.
    let mut started = None;
    loop {
        if lives_already(tenant, kind, device) {
            return Some(Reservation::LivesAlready);
        }
        let known = region.context_bytes(quota.device);
        let wanted = known.unwrap_or(LIKELY_MOST.min(quota.limit()));
        // While one thread measures its context, no other makes one: their figures would be mixed. Counted before it is
        // taken: whoever finds no room because of this knows that it is for the same context.
        let in_time = started.is_none_or(|started: Instant| started.elapsed() < PATIENCE);
        if !begin_making(tenant, device, known.is_none() && in_time) {
            started.get_or_insert_with(Instant::now);
            std::thread::sleep(PAUSE);
            continue;
        }
        if tenant.take(quota, wanted) {
            return Some(if known.is_some() { Reservation::Known(wanted) } else { Reservation::Unknown(wanted) });
        }
        count_making(tenant, device, -1);
        // Looked at after the refusal: what stood in the way may be done by now.
        let making = tenant.private().making.get(&(device as u64)).is_some_and(|threads| *threads > 0);
        let used = region.used(quota.device);
        let measured_soon = known.is_none() && (making || used > tenant.held(quota.device));
        let made_soon = kind == Kind::Primary && making;
        let room_by_now = used.checked_add(wanted).is_some_and(|sum| sum <= quota.limit());
        let changes = measured_soon || made_soon || room_by_now || lives_already(tenant, kind, device);
        if changes && started.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            // Never without a pause: that there is room helps nobody who has no slot in the region.
            std::thread::sleep(PAUSE);
            continue;
        }
        // The size is unknown and nobody will tell: whatever is left has to do, or the context goes again.
        let left = quota.limit().saturating_sub(used);
        count_making(tenant, device, 1);
        if known.is_none() && left > 0 && tenant.take(quota, left) {
            return Some(Reservation::Unknown(left));
        }
        count_making(tenant, device, -1);
        return None;
    }
}

/// Runs `call`, which makes a context on `device` and writes its handle to `out`.
fn make(kind: Kind, device: CUdevice, out: *mut CUcontext, call: &dyn Fn() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let Some(quota) = tenant.of_ordinal(device) else {
        return make_uncharged(tenant, &mut inside, kind, device, out, call);
    };
    let Some(region) = tenant.region() else { return REFUSED };
    let Some(reserved) = reserve(tenant, region, quota, kind, device) else { return refused(tenant, quota) };
    if matches!(reserved, Reservation::LivesAlready) {
        let result = join_primary(tenant, &mut inside, quota, region, device, out, call);
        count_user(tenant, kind, device, result);
        return result;
    }
    let before = match reserved {
        Reservation::Unknown(_) => measure::before_context(quota.uuid()),
        _ => None,
    };
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        if result == CUDA_SUCCESS {
            // SAFETY: after success the driver has written `out`.
            let context = unsafe { out.read() };
            let bytes = match reserved {
                Reservation::Unknown(_) => measured(tenant, region, quota, before, context, reserved.bytes()),
                _ => reserved.bytes(),
            };
            if !charge(tenant, quota, kind, device, context, reserved.bytes(), bytes) {
                result = REFUSED;
            }
        } else {
            tenant.give(quota.device, reserved.bytes());
        }
    });
    count_making(tenant, device, -1);
    count_user(tenant, kind, device, result);
    result
}

/// Makes a context on a device whose memory is not limited. Where work on it may be gated, the primary one's handle is kept.
fn make_uncharged(
    tenant: &Tenant,
    inside: &mut Inside,
    kind: Kind,
    device: CUdevice,
    out: *mut CUcontext,
    call: &dyn Fn() -> CUresult,
) -> CUresult {
    let result = inside.driver(call);
    if kind == Kind::Primary && result == CUDA_SUCCESS && tenant.may_gate() {
        guard::bookkeeping(|| {
            // SAFETY: after success the driver has written `out`.
            tenant.private().primary.insert(device as u64, unsafe { out.read() } as usize);
        });
        count_user(tenant, kind, device, result);
    }
    result
}

/// Counts one user more of the primary context.
fn count_user(tenant: &Tenant, kind: Kind, device: CUdevice, result: CUresult) {
    if kind == Kind::Primary && result == CUDA_SUCCESS {
        *tenant.private().primary_users.entry(device as u64).or_insert(0) += 1;
    }
}

/// Retains a primary context that lived when it was looked: one user more takes nothing, unless its last user has let go
/// of it meanwhile, and this call has made it anew.
fn join_primary(
    tenant: &Tenant,
    inside: &mut Inside,
    quota: &Quota,
    region: &Region,
    device: CUdevice,
    out: *mut CUcontext,
    call: &dyn Fn() -> CUresult,
) -> CUresult {
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        let started = Instant::now();
        let bytes = region.context_bytes(quota.device).unwrap_or(0);
        while result == CUDA_SUCCESS && !lives_already(tenant, Kind::Primary, device) {
            // SAFETY: after success the driver has written `out`.
            let context = unsafe { out.read() };
            let taken = tenant.take(quota, bytes);
            if taken || started.elapsed() >= PATIENCE {
                let taken = if taken { bytes } else { 0 };
                if !charge(tenant, quota, Kind::Primary, device, context, taken, bytes) {
                    result = REFUSED;
                }
                return;
            }
            // Another thread has taken them for the same context, and is about to say so.
            std::thread::sleep(PAUSE);
        }
    });
    result
}

/// Counts this thread as making a context on a device; `alone`: only if no other thread is. Answers whether it is counted.
fn begin_making(tenant: &Tenant, device: CUdevice, alone: bool) -> bool {
    let mut private = tenant.private();
    let threads = private.making.entry(device as u64).or_insert(0);
    let begins = !alone || *threads == 0;
    *threads += u32::from(begins);
    begins
}

/// Counts threads of this process that are making a context on a device.
fn count_making(tenant: &Tenant, device: CUdevice, more: i32) {
    let mut private = tenant.private();
    let threads = private.making.entry(device as u64).or_insert(0);
    *threads = threads.saturating_add_signed(more);
}

/// What the new context takes, and what every later one is taken to.
fn measured(
    tenant: &Tenant,
    region: &Region,
    quota: &Quota,
    before: Option<Before>,
    context: CUcontext,
    taken: u64,
) -> u64 {
    if let Some(bytes) = region.context_bytes(quota.device) {
        return bytes; // another process was first
    }
    let held = tenant.held(quota.device).saturating_sub(taken);
    let others = region.used(quota.device).saturating_sub(taken);
    match measure::context_took(before, context, held, others, taken) {
        Took::Exactly(bytes) | Took::AtMost(bytes) => region.learn_context_bytes(quota.device, bytes),
        Took::Roughly(bytes) => bytes,
    }
}

/// Charges `bytes` for a context for which `taken` was taken. If the quota has no room for the rest, the context is
/// undone, and the answer is false.
fn charge(
    tenant: &Tenant,
    quota: &Quota,
    kind: Kind,
    device: CUdevice,
    context: CUcontext,
    taken: u64,
    bytes: u64,
) -> bool {
    let more = bytes.saturating_sub(taken);
    if more > 0 && !tenant.take(quota, more) {
        if lives_already(tenant, kind, device) {
            tenant.give(quota.device, taken); // another thread has charged it meanwhile: it is there once
            return true;
        }
        // SAFETY: undoes exactly what the call did, before the program has seen its result.
        let undone = unsafe {
            match kind {
                Kind::Primary => vendor::primary_ctx_release(device),
                Kind::Created => vendor::ctx_destroy(context),
            }
        };
        if undone == CUDA_SUCCESS {
            tenant.give(quota.device, taken);
        } else {
            enter(tenant, quota, kind, device, context, taken, bytes); // refused, and there all the same
        }
        return false;
    }
    enter(tenant, quota, kind, device, context, taken + more, bytes);
    true
}

/// Enters a context that takes `bytes`, for which `taken` was taken.
fn enter(tenant: &Tenant, quota: &Quota, kind: Kind, device: CUdevice, context: CUcontext, taken: u64, bytes: u64) {
    let mut private = tenant.private();
    tenant.settle(&mut private, quota.device, taken, bytes);
    let earlier = private.contexts.insert(context as u64, Charged { device: quota.device, bytes });
    if kind == Kind::Primary {
        private.primary.insert(device as u64, context as usize);
    }
    // Two threads made the same primary context at once: it is there once.
    if let Some(earlier) = earlier {
        private.give(tenant.region(), earlier.device, earlier.bytes);
    }
}

/// Gives back what a context took, and what lived in it. Answers its device's number in the region.
fn gone(tenant: &Tenant, private: &mut Private, context: usize) -> Option<usize> {
    let lived_in_it = private.books.context_gone(context) + private.objects.context_gone(context);
    let charged = private.contexts.remove(&(context as u64));
    if let Some(Charged { device, bytes }) = charged {
        private.give(tenant.region(), device, bytes + lived_in_it);
    }
    current::context_destroyed();
    capture::context_gone(private, context);
    charged.map(|charged| charged.device)
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

/// Runs `call`, which makes a device's primary context, or counts one user more of it, and writes it to `context`.
pub(crate) fn make_primary(device: CUdevice, context: *mut CUcontext, call: &dyn Fn() -> CUresult) -> CUresult {
    make(Kind::Primary, device, context, call)
}

/// cuDevicePrimaryCtxRelease.
pub(crate) fn release_primary(original: unsafe extern "C" fn(CUdevice) -> CUresult, device: CUdevice) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    release(device, false, || unsafe { original(device) })
}

/// cuDevicePrimaryCtxReset: ends it, however many users it has.
pub(crate) fn reset_primary(original: unsafe extern "C" fn(CUdevice) -> CUresult, device: CUdevice) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    release(device, true, || unsafe { original(device) })
}

/// Runs `call`, after which the device's primary context is gone if this was its last user, or if it is ended for all.
pub(crate) fn release(device: CUdevice, for_all: bool, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let context = {
        let mut private = tenant.private();
        let context = private.primary.get(&(device as u64)).copied();
        let users = private.primary_users.get(&(device as u64)).copied().unwrap_or(0);
        // Where others use it, it stays, and their frees go on meanwhile.
        if let Some(context) = context.filter(|_| for_all || users <= 1) {
            private.books.context_may_go(context);
            compute::context_destroyed(context);
        }
        context
    };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS
            && !for_all
            && let Some(users) = private.primary_users.get_mut(&(device as u64))
        {
            *users = users.saturating_sub(1);
        }
        let Some(context) = context else { return };
        let (mut flags, mut active): (c_uint, c_int) = (0, 1);
        // Asked under the lock: a thread that retains it anew looks for its entry afterwards, so it finds either the
        // context or no entry. SAFETY: writes two numbers of ours.
        let _active_if_unknown = unsafe { vendor::primary_ctx_get_state(device, &raw mut flags, &raw mut active) };
        if active == 0 && private.primary.remove(&(device as u64)).is_some() {
            let number = gone(tenant, &mut private, context);
            drop(private);
            number.into_iter().for_each(|number| overhead::context_gone(tenant, number));
        } else {
            private.books.context_stays(context);
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

/// cuVDPAUCtxCreate: a context that shares surfaces with a video decoder.
pub(crate) fn create_for_vdpau(
    original: unsafe extern "C" fn(*mut CUcontext, c_uint, CUdevice, u32, *mut c_void) -> CUresult,
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
    vdpau_device: u32,
    vdpau_functions: *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(context, flags, device, vdpau_device, vdpau_functions) };
    make(Kind::Created, device, context, &call)
}

/// cuCtxAttach: one user more of the current context.
pub(crate) fn attach(
    original: unsafe extern "C" fn(*mut CUcontext, c_uint) -> CUresult,
    context: *mut CUcontext,
    flags: c_uint,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(context, flags) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            // SAFETY: after success the driver has written it.
            let context = unsafe { context.read() } as u64;
            *tenant.private().attached.entry(context).or_insert(0) += 1;
        });
    }
    result
}

/// cuCtxDetach: one user less; the last one's takes the context away.
pub(crate) fn detach(original: unsafe extern "C" fn(CUcontext) -> CUresult, context: CUcontext) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(context) };
    let Some(tenant) = tenant::get() else { return call() };
    let attached = tenant.private().attached.get(&(context as u64)).is_some_and(|users| *users > 0);
    if !attached {
        return end(tenant, context, call);
    }
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            if let Some(users) = tenant.private().attached.get_mut(&(context as u64)) {
                *users -= 1;
            }
        });
    }
    result
}

/// cuCtxDestroy.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUcontext) -> CUresult, context: CUcontext) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(context) };
    let Some(tenant) = tenant::get() else { return call() };
    end(tenant, context, call)
}

/// Runs `call`, after whose success the context is gone.
fn end(tenant: &'static Tenant, context: CUcontext, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(mut inside) = Inside::enter() else { return call() };
    tenant.private().books.context_may_go(context as usize);
    compute::context_destroyed(context as usize);
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS {
            private.attached.remove(&(context as u64));
            let number = gone(tenant, &mut private, context as usize);
            drop(private);
            number.into_iter().for_each(|number| overhead::context_gone(tenant, number));
        } else {
            private.books.context_stays(context as usize);
        }
    });
    result
}
