//! Code, and limits of a context: they take device memory of which only NVML tells how much.
//!
//! What NVML says of this process, less all that it is charged for otherwise, is the overhead. It is measured after each call
//! that may change it; where NVML does not say, nothing is charged.
// UNSAFETY: calls the vendor's functions.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_uint, c_void};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ffi_headers::cuda::{
    CU_LIMIT_MALLOC_HEAP_SIZE, CU_LIMIT_PRINTF_FIFO_SIZE, CUDA_ERROR_CONTEXT_IS_DESTROYED, CUDA_SUCCESS, CUfunction,
    CUjit_option, CUlibrary, CUlibraryOption, CUlimit, CUmodule, CUresult,
};

use super::{pool, refused};
use crate::books;
use crate::guard::{self, Inside};
use crate::private::Private;
use crate::tenant::{self, Measured, Quota, Tenant, coarse_clock};
use crate::{compute, current, measure, vendor};

/// How long a measurement serves where code may be loaded at any time, in nanoseconds.
const MEASURE_INTERVAL: u64 = 10_000_000;

/// How often it is measured anew because other threads were allocating meanwhile.
const TRIES: usize = 4;

/// Brings the charge for overhead to what it is now. Answers by how much it grew, `None` if nobody could tell, `i64::MAX` if
/// other threads never left it alone: then it is as it was.
fn settle(tenant: &Tenant, quota: &Quota) -> Option<i64> {
    for _ in 0..TRIES {
        // A pool that has shrunk unnoticed would hide as much overhead.
        pool::shrunk(tenant);
        let held = tenant.held(quota.device);
        let used = measure::own_used(quota.uuid())?;
        let mut private = tenant.private();
        if private.member.as_ref().map_or(0, |member| member.held(quota.device)) != held {
            continue;
        }
        let before = private.overhead.get(&(quota.device as u64)).copied().unwrap_or(0);
        let now = used.saturating_sub(held - before.min(held));
        charge(tenant, &mut private, quota, now);
        return Some(now as i64 - before as i64);
    }
    Some(i64::MAX)
}

/// Makes the charge for overhead these bytes.
fn charge(tenant: &Tenant, private: &mut Private, quota: &Quota, now: u64) {
    let before = private.overhead.insert(quota.device as u64, now).unwrap_or(0);
    tenant.settle(private, quota.device, before, now);
}

/// Without NVML: the overhead is this much more, or less.
fn estimate(tenant: &Tenant, quota: &Quota, more: i64) {
    let mut private = tenant.private();
    let before = private.overhead.get(&(quota.device as u64)).copied().unwrap_or(0);
    charge(tenant, &mut private, quota, before.saturating_add_signed(more));
}

/// After a context is gone: its code went with it. With a device's last context all of it did.
pub(crate) fn context_gone(tenant: &Tenant, device: usize) {
    let last = {
        let mut private = tenant.private();
        if private.overhead.get(&(device as u64)).is_none_or(|bytes| *bytes == 0) {
            return;
        }
        let last = private.contexts.values().all(|context| context.device != device);
        if last {
            let bytes = private.overhead.remove(&(device as u64)).unwrap_or(0);
            private.give(tenant.region(), device, bytes);
        }
        last
    };
    if !last && let Some(quota) = tenant.numbered(device) {
        settle(tenant, quota);
    }
}

/// Runs `call`, after which more may be taken, or less where there is nothing to undo; if that is over the quota, `undo` is run
/// and the call refused.
fn measured(call: impl FnOnce() -> CUresult, undo: Option<&dyn Fn()>) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let current = match current::get(tenant, &inside) {
        Ok(Some(current)) => current,
        Ok(None) => return inside.driver(call),
        // Whose memory it would take is not known. (A library needs no context, so a dead one stands in nobody's way.)
        Err(error) if undo.is_some() && error != CUDA_ERROR_CONTEXT_IS_DESTROYED => return error,
        // Unloading is never held up; what came back is noticed at the next look.
        Err(_) => {
            mark();
            return inside.driver(call);
        }
    };
    let mut result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            let over =
                || tenant.region().is_none_or(|region| region.used(current.quota.device) > current.quota.limit());
            let measured = settle(tenant, current.quota).is_some();
            measured_now(current.quota);
            // What the driver loaded earlier, when it liked, may be over the quota by itself: nothing is added to it.
            if let Some(undo) = undo
                && measured
                && over()
            {
                undo();
                settle(tenant, current.quota);
                result = refused(tenant, current.quota);
            }
        });
    }
    result
}

/// Measures anew, before somebody is shown what is in use, if code may have been loaded since the last time: a driver loads
/// libraries and functions when they are first asked for.
///
/// Where there are libraries, it is measured again after a while whatever was called: their code may come with any launch.
#[inline]
pub(crate) fn look(tenant: &Tenant, quota: &Quota) {
    // Relaxed, here and in `mark`: a look that misses a load of another thread comes before it.
    if tenant.uses_libraries.load(Ordering::Relaxed)
        || quota.measured.unconfirmed.load(Ordering::Relaxed)
        || quota.measured.loads.load(Ordering::Relaxed) != tenant.loads.load(Ordering::Relaxed)
    {
        look_now(tenant, quota);
    }
}

#[cold]
fn look_now(tenant: &Tenant, quota: &Quota) {
    let Measured { loads: seen, at, unconfirmed } = &quota.measured;
    let loads = tenant.loads.load(Ordering::Relaxed); // as in `look`
    // Relaxed: a stale value means one look more, or one later.
    let marked = seen.swap(loads, Ordering::Relaxed) != loads;
    let now = coarse_clock();
    if marked || now.wrapping_sub(at.load(Ordering::Relaxed)) >= MEASURE_INTERVAL {
        at.store(now, Ordering::Relaxed); // as above
        // Two that agree, a while apart, were not taken in the middle of something.
        let changed = settle(tenant, quota).is_some_and(|by| by != 0);
        unconfirmed.store(marked || changed, Ordering::Relaxed); // as above
    }
}

/// Notes that a measurement was taken just now, and is to be confirmed.
fn measured_now(quota: &Quota) {
    quota.measured.at.store(coarse_clock(), Ordering::Relaxed); // as in `look_now`
    quota.measured.unconfirmed.store(true, Ordering::Relaxed);
}

fn mark() {
    if let Some(tenant) = tenant::get() {
        tenant.loads.fetch_add(1, Ordering::Relaxed); // see `look`
    }
}

/// Functions that were launched since there are libraries, by handle: an open hash table, emptied when code is unloaded.
static LAUNCHED: [AtomicUsize; 1 << LAUNCHED_BITS] = [const { AtomicUsize::new(0) }; 1 << LAUNCHED_BITS];
const LAUNCHED_BITS: u32 = 12;
/// Places in which a handle may be.
const LAUNCHED_PLACES: usize = 8;

/// Whether a function's first launch may bring its code to the device: there are libraries, and quotas.
#[inline]
pub(super) fn watches_launches() -> bool {
    WATCHES.load(Ordering::Relaxed) // Relaxed: whoever launches a library's function has loaded it before
}
static WATCHES: AtomicBool = AtomicBool::new(false);

/// Before a launch: with a function's first one its code may come to the device.
#[inline]
pub(crate) fn launching(function: CUfunction) {
    if watches_launches() && is_first_launch(function as usize) {
        mark();
    }
}

/// Whether this function is not known to have been launched; it is from now on. Where there is no place for it, each launch
/// counts as its first: that costs a measurement, and hides nothing.
fn is_first_launch(function: usize) -> bool {
    let hash = (function as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LAUNCHED_BITS);
    for step in 0..LAUNCHED_PLACES {
        let place = &LAUNCHED[(hash as usize + step) % LAUNCHED.len()];
        // Relaxed: each word is a handle by itself, and nothing hangs on it.
        let known = place.load(Ordering::Relaxed);
        if known == function {
            return false;
        }
        if known == 0 {
            match place.compare_exchange(0, function, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) if other == function => return false, // another thread's launch marks it
                Err(_) => {}
            }
        }
    }
    true
}

/// Code is gone: its functions' handles may come again.
fn forget_launches() {
    for place in &LAUNCHED {
        place.store(0, Ordering::Relaxed); // as in `is_first_launch`
    }
    compute::functions_gone();
}

/// A function with one argument that may load code.
pub(crate) fn may_load1<A>(original: unsafe extern "C" fn(A) -> CUresult, a: A) -> CUresult {
    mark();
    // SAFETY: the program's own argument, unchanged.
    unsafe { original(a) }
}

/// One with two.
pub(crate) fn may_load2<A, B>(original: unsafe extern "C" fn(A, B) -> CUresult, a: A, b: B) -> CUresult {
    mark();
    // SAFETY: as above.
    unsafe { original(a, b) }
}

/// One with three.
pub(crate) fn may_load3<A, B, C>(original: unsafe extern "C" fn(A, B, C) -> CUresult, a: A, b: B, c: C) -> CUresult {
    mark();
    // SAFETY: as above.
    unsafe { original(a, b, c) }
}

/// One with four.
pub(crate) fn may_load4<A, B, C, D>(
    original: unsafe extern "C" fn(A, B, C, D) -> CUresult,
    a: A,
    b: B,
    c: C,
    d: D,
) -> CUresult {
    mark();
    // SAFETY: as above.
    unsafe { original(a, b, c, d) }
}

/// Unloads what was just loaded and may not be kept.
fn unload_module(module: *mut CUmodule) {
    // SAFETY: after success the driver has written it, and nobody else has seen it yet.
    let _gone = unsafe { vendor::module_unload(module.read()) };
}

/// The same for a library.
fn unload_library(library: *mut CUlibrary) {
    // SAFETY: as above.
    let _gone = unsafe { vendor::library_unload(library.read()) };
}

/// cuModuleLoad.
pub(crate) fn load_module(
    original: unsafe extern "C" fn(*mut CUmodule, *const c_char) -> CUresult,
    module: *mut CUmodule,
    path: *const c_char,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    measured(|| unsafe { original(module, path) }, Some(&|| unload_module(module)))
}

/// cuModuleLoadData and cuModuleLoadFatBinary.
pub(crate) fn load_module_data(
    original: unsafe extern "C" fn(*mut CUmodule, *const c_void) -> CUresult,
    module: *mut CUmodule,
    image: *const c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    measured(|| unsafe { original(module, image) }, Some(&|| unload_module(module)))
}

/// cuModuleLoadDataEx.
pub(crate) fn load_module_with_options(
    original: unsafe extern "C" fn(
        *mut CUmodule,
        *const c_void,
        c_uint,
        *mut CUjit_option,
        *mut *mut c_void,
    ) -> CUresult,
    module: *mut CUmodule,
    image: *const c_void,
    count: c_uint,
    options: *mut CUjit_option,
    values: *mut *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    measured(|| unsafe { original(module, image, count, options, values) }, Some(&|| unload_module(module)))
}

/// cuLibraryLoadData and cuLibraryLoadFromFile, which differ in what `source` points to.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn load_library<S>(
    original: unsafe extern "C" fn(
        *mut CUlibrary,
        *const S,
        *mut CUjit_option,
        *mut *mut c_void,
        c_uint,
        *mut CUlibraryOption,
        *mut *mut c_void,
        c_uint,
    ) -> CUresult,
    library: *mut CUlibrary,
    source: *const S,
    jit_options: *mut CUjit_option,
    jit_values: *mut *mut c_void,
    jit_count: c_uint,
    options: *mut CUlibraryOption,
    values: *mut *mut c_void,
    count: c_uint,
) -> CUresult {
    if let Some(tenant) = tenant::get() {
        tenant.uses_libraries.store(true, Ordering::Relaxed); // see `look`
        WATCHES.store(true, Ordering::Relaxed); // see `watches_launches`
    }
    mark();
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(library, source, jit_options, jit_values, jit_count, options, values, count) };
    measured(call, Some(&|| unload_library(library)))
}

/// cuModuleUnload and cuLibraryUnload.
pub(crate) fn unload<H>(original: unsafe extern "C" fn(H) -> CUresult, handle: H) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let result = measured(|| unsafe { original(handle) }, None);
    if result == CUDA_SUCCESS && tenant::get().is_some() {
        guard::bookkeeping(forget_launches);
    }
    result
}

/// cuCtxSetLimit: stacks, heap and printf's buffer are device memory. The last two are as large as they are set, so what they
/// grow by is taken beforehand; without NVML, that remains the charge.
pub(crate) fn set_limit(
    original: unsafe extern "C" fn(CUlimit, usize) -> CUresult,
    limit: CUlimit,
    value: usize,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(limit, value) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let quota = match current::get(tenant, &inside) {
        Ok(Some(current)) => current.quota,
        Ok(None) => return inside.driver(call),
        Err(error) => return error,
    };
    let mut before = 0_usize;
    // SAFETY: a local to write.
    let answer = unsafe { vendor::ctx_get_limit(&raw mut before, limit) };
    if answer != CUDA_SUCCESS {
        return answer; // what cannot be undone is not done
    }
    let plain = matches!(limit, CU_LIMIT_MALLOC_HEAP_SIZE | CU_LIMIT_PRINTF_FIFO_SIZE);
    let pages = |bytes: usize| books::most(bytes as u64).min(i64::MAX as u64) as i64;
    let more = if plain { pages(value) - pages(before) } else { 0 };
    let taken = more.max(0) as u64;
    if !pool::take(tenant, quota, taken) {
        return refused(tenant, quota);
    }
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        tenant.give(quota.device, taken);
        if result != CUDA_SUCCESS {
            return;
        }
        let over = || tenant.region().is_none_or(|region| region.used(quota.device) > quota.limit());
        measured_now(quota);
        match settle(tenant, quota) {
            None => estimate(tenant, quota, more),
            Some(grown) if grown > 0 && over() => {
                // SAFETY: plain numbers, a value that held before.
                let _as_before = unsafe { vendor::ctx_set_limit(limit, before) };
                settle(tenant, quota);
                result = refused(tenant, quota);
            }
            Some(_) => {}
        }
    });
    result
}
