//! Stream-ordered allocation: a pool is charged for what it keeps reserved, since that is what the device has given.
// UNSAFETY: vendor calls, and reads of what the driver wrote.
#![expect(unsafe_code)]

use core::ffi::{c_int, c_ulonglong, c_void};
use core::ptr;
use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ffi_headers::cuda::{
    CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, CU_STREAM_CAPTURE_STATUS_NONE,
    CUDA_ERROR_CONTEXT_IS_DESTROYED, CUDA_ERROR_DEINITIALIZED, CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_HANDLE,
    CUDA_ERROR_NOT_INITIALIZED, CUDA_SUCCESS, CUcontext, CUdevice, CUdeviceptr, CUmemAllocationHandleType,
    CUmemPool_attribute, CUmemPoolProps, CUmemoryPool, CUresult, CUstream,
};

use super::{allocation, device_at, overhead, refused};
use crate::books::PoolNumber;
use crate::guard::{self, Inside};
use crate::private::Private;
use crate::tenant::{self, Quota, Tenant};
use crate::{compute, vendor};

/// In what steps a pool grows, for the reservation; what it really grew by is settled afterwards.
const GROWTH_STEP: u64 = 32 << 20;

/// The calling thread's own default stream, as CU_STREAM_PER_THREAD has it.
const PER_THREAD_STREAM: usize = 2;

/// One of the attributes that are byte counts. The pool must live.
fn attribute(pool: CUmemoryPool, which: CUmemPool_attribute) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: these attributes are 64 bits wide, as cuda.h documents; one such value of ours is written. The pool lives:
    // the program has just named it, or it was charged and is struck out when it is destroyed.
    let answer = unsafe { vendor::mem_pool_get_attribute(pool, which, (&raw mut value).cast()) };
    (answer == CUDA_SUCCESS).then_some(value)
}

/// Brings a pool's charge to what it has reserved now, `taken` having been taken for its growth beforehand. Answers
/// whether it grew by more than what was taken for it. Where it does not say, it is believed to have grown by just that.
///
/// Other threads may be asking the same pool: what it has reserved may be of their growth, which they have taken and will
/// settle themselves.
fn settle(tenant: &Tenant, private: &mut Private, number: PoolNumber, taken: u64) -> bool {
    let Some(charge) = private.pools.get(number) else { return false };
    let before = charge.bytes;
    let reserved = match charge.handle {
        0 => None, // destroyed: it can no longer be asked
        handle => attribute(handle as CUmemoryPool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT),
    };
    let reserved = reserved.unwrap_or(before + taken);
    let theirs = charge.in_flight;
    let now = if reserved <= before + taken + theirs { reserved.min(before + taken) } else { reserved - theirs };
    charge.bytes = now;
    let quota = charge.quota;
    tenant.settle(private, quota.device, before + taken, now);
    now > before + taken
}

/// Looks at the pools again, which shrink when streams are synchronised; those of a device over its quota are made to.
/// Answers whether one did.
pub(crate) fn shrunk(tenant: &Tenant) -> bool {
    // Relaxed: a thread that does not see the first pool yet comes before it.
    if !tenant.uses_pools.load(Ordering::Relaxed) {
        return false;
    }
    let Some(region) = tenant.region() else { return false };
    let mut private = tenant.private();
    let mut less = Vec::new();
    for charge in private.pools.living() {
        let pool = charge.handle as CUmemoryPool;
        if region.used(charge.quota.device) > charge.quota.limit() {
            // SAFETY: the pool lives, as in `attribute`. Only memory that nobody uses goes.
            let _as_far_as_it_goes = unsafe { vendor::mem_pool_trim_to(pool, 0) };
        }
        if let Some(now) = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
            && now < charge.bytes
        {
            less.push((charge.quota.device, charge.bytes - now));
            charge.bytes = now;
        }
    }
    let any = !less.is_empty();
    private.give_all(Some(region), less);
    any
}

/// Takes `bytes`; before it gives up, it looks whether a pool has shrunk meanwhile.
pub(crate) fn take(tenant: &Tenant, quota: &Quota, bytes: u64) -> bool {
    overhead::look(tenant, quota);
    tenant.take(quota, bytes) || (shrunk(tenant) && tenant.take(quota, bytes))
}

/// Runs `call`, which allocates `bytes` from `pool` and writes `dptr`.
fn allocate(
    tenant: &'static Tenant,
    inside: &mut Inside,
    (pool, device): (CUmemoryPool, CUdevice),
    (dptr, stream): (*mut CUdeviceptr, CUstream),
    bytes: u64,
    call: impl FnOnce() -> CUresult,
) -> CUresult {
    let Some(quota) = tenant.of_ordinal(device) else { return inside.driver(call) };
    // Room inside the pool costs the device nothing, but it may be in pieces. So the growth is taken all the same, and
    // only where there is none left, the pool may show whether its room serves.
    let growth = bytes.checked_next_multiple_of(GROWTH_STEP).unwrap_or(u64::MAX);
    let (number, growth) = match begin(tenant, quota, pool, bytes, growth) {
        Some(begun) => begun,
        None => return refused(tenant, quota),
    };
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if let Some(charge) = private.pools.get(number) {
            charge.in_flight -= growth.min(charge.in_flight);
        }
        if result != CUDA_SUCCESS {
            // It may be no pool at all, so it is not asked.
            private.give(tenant.region(), quota.device, growth);
            private.pools.forget_if_empty(number);
            return;
        }
        tenant.uses_pools.store(true, Ordering::Relaxed); // see `shrunk`
        let grew = settle(tenant, &mut private, number, growth);
        let over = || tenant.region().is_none_or(|region| region.used(quota.device) > quota.limit());
        if grew && over() {
            drop(private);
            // SAFETY: after success the driver has written `dptr`, and nobody else has seen it yet.
            let _freed = unsafe { vendor::mem_free_async(dptr.read(), stream) };
            shrunk(tenant);
            result = refused(tenant, quota);
            return;
        }
        // SAFETY: after success the driver has written `dptr`.
        private.books.enter_of_pool(unsafe { dptr.read() }, number);
        if let Some(charge) = private.pools.get(number) {
            charge.live += 1;
        }
    });
    result
}

/// How long an allocation waits for the growth that other threads have taken for the same pool, and may not need.
const PATIENCE: Duration = Duration::from_millis(10);

/// Takes a pool's growth, or nothing where its own room may serve. Answers the pool's number and what was taken; `None`: there
/// is no room.
fn begin(
    tenant: &Tenant,
    quota: &'static Quota,
    pool: CUmemoryPool,
    bytes: u64,
    growth: u64,
) -> Option<(PoolNumber, u64)> {
    let mut started = None;
    loop {
        if take(tenant, quota, growth) {
            let mut private = tenant.private();
            let number = private.pools.number(pool as u64, quota);
            if let Some(charge) = private.pools.get(number) {
                charge.in_flight += growth;
            }
            return Some((number, growth));
        }
        let reserved = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0);
        let used = attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT).unwrap_or(reserved);
        if quota.limit() > 0 && bytes <= reserved.saturating_sub(used) {
            return Some((tenant.private().pools.number(pool as u64, quota), 0));
        }
        let others = {
            let mut private = tenant.private();
            let number = private.pools.known(pool as u64)?;
            private.pools.get(number).is_some_and(|charge| charge.in_flight > 0)
        };
        if !others || growth > quota.limit() || started.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// After the driver has freed an allocation of a pool: a pool that lives may have shrunk, and with the last allocation
/// of a destroyed one its memory is back.
pub(crate) fn freed(tenant: &Tenant, private: &mut Private, number: PoolNumber) {
    private.pools.freed(number);
    settle(tenant, private, number, 0);
    let back = private.pools.buried(number);
    private.give_all(tenant.region(), back);
}

/// Whether work in this stream is being captured: an allocation takes nothing then, but becomes a node of a graph.
fn is_captured(stream: CUstream) -> bool {
    // The legacy default stream cannot be captured; without a name, only the thread's own can be meant.
    let stream = if stream.is_null() { PER_THREAD_STREAM as CUstream } else { stream };
    let mut status = CU_STREAM_CAPTURE_STATUS_NONE;
    // SAFETY: the program's own stream, which the driver checks, and a local to write.
    let answer = unsafe { vendor::stream_is_capturing(stream, &raw mut status) };
    answer == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE
}

/// The device of a stream's context, whatever context is current.
///
/// # Errors
/// The driver's, when it does not tell.
fn stream_device(stream: CUstream) -> Result<CUdevice, CUresult> {
    let mut context: CUcontext = ptr::null_mut();
    // SAFETY: a local to write; the stream is the program's own argument, which the driver checks.
    let known = unsafe { vendor::stream_get_ctx(stream, &raw mut context) } == CUDA_SUCCESS && !context.is_null();
    // SAFETY: a context that lives, since the stream does; what is pushed is popped below.
    let pushed = known && unsafe { vendor::ctx_push_current(context) } == CUDA_SUCCESS;
    let device = current_device();
    if pushed {
        // SAFETY: as above.
        let _popped = unsafe { vendor::ctx_pop_current(&raw mut context) };
    }
    device
}

/// The device of the current context.
fn current_device() -> Result<CUdevice, CUresult> {
    let mut device: CUdevice = 0;
    // SAFETY: a local to write.
    match unsafe { vendor::ctx_get_device(&raw mut device) } {
        CUDA_SUCCESS => Ok(device),
        error => Err(error),
    }
}

/// The device that a pool is on, `None` if it takes nothing of any: remembered if the program made the pool, else one of the
/// devices' own. One that is neither (CUDA 13 has pools of managed memory and of parts of a device) counts to the current
/// context's device.
fn pool_device(tenant: &Tenant, pool: CUmemoryPool) -> Result<Option<CUdevice>, CUresult> {
    if let Some(device) = tenant.private().pools.made.get(&(pool as u64)) {
        return Ok(*device);
    }
    let mut count: c_int = 0;
    // SAFETY: a local to write.
    match unsafe { vendor::device_get_count(&raw mut count) } {
        CUDA_SUCCESS => {}
        error => return Err(error),
    }
    let known = (0..count).find(|device| {
        let mut own: CUmemoryPool = ptr::null_mut();
        // SAFETY: a local to write.
        unsafe { vendor::device_get_default_mem_pool(&raw mut own, *device) == CUDA_SUCCESS && own == pool }
    });
    known.map_or_else(current_device, Ok).map(Some)
}

/// The pool that a device allocates from.
fn device_pool(device: CUdevice) -> Result<CUmemoryPool, CUresult> {
    let mut pool: CUmemoryPool = ptr::null_mut();
    // SAFETY: a local to write.
    match unsafe { vendor::device_get_mem_pool(&raw mut pool, device) } {
        CUDA_SUCCESS => Ok(pool),
        error => Err(error),
    }
}

/// Where a stream's allocations come from: a pool, and the device that it is on, or `None` if it takes nothing of any.
fn stream_pool(tenant: &Tenant, stream: CUstream) -> Result<(CUmemoryPool, Option<CUdevice>), CUresult> {
    let device = stream_device(stream)?;
    let pool = device_pool(device)?;
    let elsewhere = tenant.private().pools.made.get(&(pool as u64)) == Some(&None);
    Ok((pool, (!elsewhere).then_some(device)))
}

/// Whether the driver cannot be asked for a reason that it will tell the program itself.
fn says_so_itself(error: CUresult) -> bool {
    matches!(
        error,
        CUDA_ERROR_NOT_INITIALIZED
            | CUDA_ERROR_DEINITIALIZED
            | CUDA_ERROR_INVALID_CONTEXT
            | CUDA_ERROR_CONTEXT_IS_DESTROYED
            | CUDA_ERROR_INVALID_HANDLE
    )
}

/// Allocates in the place that was found, or passes on if that takes nothing of a device.
fn allocate_in(
    tenant: &'static Tenant,
    inside: &mut Inside,
    place: Result<(CUmemoryPool, Option<CUdevice>), CUresult>,
    result: (*mut CUdeviceptr, CUstream),
    bytes: u64,
    call: impl FnOnce() -> CUresult,
) -> CUresult {
    match place {
        Ok((pool, Some(device))) => allocate(tenant, inside, (pool, device), result, bytes, call),
        Ok((_, None)) => inside.driver(call),
        Err(error) if says_so_itself(error) => inside.driver(call),
        Err(error) => error,
    }
}

/// cuMemAllocAsync: from the pool of the stream's device, whatever context is current.
pub(crate) fn allocate_async(
    original: unsafe extern "C" fn(*mut CUdeviceptr, usize, CUstream) -> CUresult,
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, bytesize, stream) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    if is_captured(stream) {
        return inside.driver(call);
    }
    let place = stream_pool(tenant, stream);
    allocate_in(tenant, &mut inside, place, (dptr, stream), bytesize as u64, call)
}

/// cuMemAllocFromPoolAsync: on the pool's device, whatever context is current.
pub(crate) fn allocate_from_pool(
    original: unsafe extern "C" fn(*mut CUdeviceptr, usize, CUmemoryPool, CUstream) -> CUresult,
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    pool: CUmemoryPool,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, bytesize, pool, stream) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    if is_captured(stream) {
        return inside.driver(call);
    }
    let place = pool_device(tenant, pool).map(|device| (pool, device));
    allocate_in(tenant, &mut inside, place, (dptr, stream), bytesize as u64, call)
}

/// cuMemFreeAsync.
pub(crate) fn free_async(
    original: unsafe extern "C" fn(CUdeviceptr, CUstream) -> CUresult,
    dptr: CUdeviceptr,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, stream) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    if is_captured(stream) {
        return inside.driver(call); // a node of a graph: nothing is freed yet
    }
    allocation::free(tenant, &mut inside, dptr, call)
}

/// Remembers a new pool with its device; `None`: it takes nothing of a device.
fn remember(call: impl FnOnce() -> CUresult, made: impl FnOnce() -> (CUmemoryPool, Option<CUdevice>)) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            let (pool, device) = made();
            tenant.private().pools.made.insert(pool as u64, device);
        });
    }
    result
}

/// cuMemPoolCreate.
pub(crate) fn create(
    original: unsafe extern "C" fn(*mut CUmemoryPool, *const CUmemPoolProps) -> CUresult,
    pool: *mut CUmemoryPool,
    properties: *const CUmemPoolProps,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    remember(
        || unsafe { original(pool, properties) },
        || {
            // SAFETY: after success the driver has read the properties and written the pool.
            let (pool, location) = unsafe { (pool.read(), (*properties).location) };
            (pool, device_at(location))
        },
    )
}

/// cuMemPoolImportFromShareableHandle: another process's pool, which pays for it.
pub(crate) fn import(
    original: unsafe extern "C" fn(*mut CUmemoryPool, *mut c_void, CUmemAllocationHandleType, c_ulonglong) -> CUresult,
    pool: *mut CUmemoryPool,
    handle: *mut c_void,
    kind: CUmemAllocationHandleType,
    flags: c_ulonglong,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged; after success the driver has written the pool.
    remember(|| unsafe { original(pool, handle, kind, flags) }, || (unsafe { pool.read() }, None))
}

/// cuMemPoolTrimTo.
pub(crate) fn trim(
    original: unsafe extern "C" fn(CUmemoryPool, usize) -> CUresult,
    pool: CUmemoryPool,
    keep: usize,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    synchronised(|| unsafe { original(pool, keep) })
}

/// Runs `call`, which waits for the device: pools may shrink in it, and what the device has finished is known afterwards.
fn synchronised(call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    // Relaxed: see `shrunk`. Most programs have no pools, and wait here often.
    let pools = tenant.uses_pools.load(Ordering::Relaxed);
    if !pools && !compute::is_measuring() {
        return call();
    }
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        if pools {
            _ = shrunk(tenant);
        }
        compute::finished();
    });
    result
}

/// cuCtxSynchronize: pools shrink to their release threshold.
pub(crate) fn synchronise_context(original: unsafe extern "C" fn() -> CUresult) -> CUresult {
    // SAFETY: no arguments.
    synchronised(|| unsafe { original() })
}

/// cuStreamSynchronize and cuEventSynchronize, likewise.
pub(crate) fn synchronise<H>(original: unsafe extern "C" fn(H) -> CUresult, handle: H) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    synchronised(|| unsafe { original(handle) })
}

/// cuMemPoolDestroy: what is still allocated from the pool stays with the device, and charged, until the last is freed.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUmemoryPool) -> CUresult, pool: CUmemoryPool) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(pool) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let (made, number) = {
        let mut private = tenant.private();
        let made = private.pools.made.remove(&(pool as u64));
        if made.is_some()
            && let Some(number) = private.pools.known(pool as u64)
        {
            // What nobody uses goes before, since afterwards the pool can no longer be asked what it has.
            // SAFETY: the pool lives, as in `attribute`.
            let _as_far_as_it_goes = unsafe { vendor::mem_pool_trim_to(pool, 0) };
            settle(tenant, &mut private, number, 0);
        }
        (made, private.pools.strike(pool as u64))
    };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS {
            let back = number.and_then(|number| private.pools.buried(number));
            private.give_all(tenant.region(), back);
            return;
        }
        if let Some(number) = number {
            private.pools.stays(pool as u64, number);
        }
        if let Some(device) = made {
            private.pools.made.insert(pool as u64, device);
        }
    });
    result
}
