//! Stream-ordered allocation: a pool is charged for what it keeps reserved, since that is what the device has given.
// UNSAFETY: vendor calls, and reads of what the driver wrote.
#![expect(unsafe_code)]

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::Ordering;

use ffi_headers::cuda::{
    CU_MEM_LOCATION_TYPE_DEVICE, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, CUDA_SUCCESS,
    CUcontext, CUdevice, CUdeviceptr, CUmemPool_attribute, CUmemPoolProps, CUmemoryPool, CUresult, CUstream,
};

use super::{REFUSED, allocation};
use crate::guard::{self, Inside};
use crate::tenant::{self, Pool, Private, Quota, Tenant};
use crate::vendor;

/// In what steps a pool grows, for the reservation; what it really grew by is settled afterwards.
const GROWTH_STEP: u64 = 32 << 20;

/// One of the attributes that are byte counts. The pool must live.
fn attribute(pool: CUmemoryPool, which: CUmemPool_attribute) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: these attributes are 64 bits wide, as cuda.h documents; one such value of ours is written. The pool lives:
    // the program has just named it, or it was charged and is struck out when it is destroyed.
    let answer = unsafe { vendor::mem_pool_get_attribute(pool, which, (&raw mut value).cast()) };
    (answer == CUDA_SUCCESS).then_some(value)
}

/// Brings a pool's charge to what it has reserved now, `taken` having been taken for its growth beforehand. Answers
/// whether it grew by more than that.
fn settle(tenant: &Tenant, private: &mut Private, quota: &'static Quota, pool: CUmemoryPool, taken: u64) -> bool {
    tenant.uses_pools.store(true, Ordering::Relaxed); // see `shrunk`
    let charge = private.pools.entry(pool as u64).or_insert(Pool { quota, bytes: 0 });
    let before = charge.bytes;
    let now = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(before + taken);
    charge.bytes = now;
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
    for (pool, charge) in &mut private.pools {
        if region.used(charge.quota.device) > charge.quota.limit {
            // SAFETY: the pool lives, as in `attribute`. Only memory that nobody uses goes.
            let _as_far_as_it_goes = unsafe { vendor::mem_pool_trim_to(*pool as CUmemoryPool, 0) };
        }
        if let Some(now) = attribute(*pool as CUmemoryPool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
            && now < charge.bytes
        {
            less.push((charge.quota.device, charge.bytes - now));
            charge.bytes = now;
        }
    }
    for (device, bytes) in &less {
        private.give(Some(region), *device, *bytes);
    }
    !less.is_empty()
}

/// Takes `bytes`; before it gives up, it looks whether a pool has shrunk meanwhile.
pub(crate) fn take(tenant: &Tenant, quota: &Quota, bytes: u64) -> bool {
    tenant.take(quota, bytes) || (shrunk(tenant) && tenant.take(quota, bytes))
}

/// Runs `call`, which allocates `bytes` from `pool`; `undo` frees them again.
fn allocate(
    tenant: &'static Tenant,
    inside: &mut Inside,
    (pool, device): (CUmemoryPool, CUdevice),
    bytes: u64,
    call: impl FnOnce() -> CUresult,
    undo: impl FnOnce(),
) -> CUresult {
    let Some(quota) = tenant.of_ordinal(device) else { return inside.driver(call) };
    // Room inside the pool costs the device nothing, but it may be in pieces. So the growth is taken all the same, and
    // only where there is none left, the pool may show whether its room serves.
    let mut growth = bytes.checked_next_multiple_of(GROWTH_STEP).unwrap_or(u64::MAX);
    if !take(tenant, quota, growth) {
        let reserved = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0);
        let used = attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT).unwrap_or(reserved);
        if quota.limit == 0 || bytes > reserved.saturating_sub(used) {
            return REFUSED;
        }
        growth = 0;
    }
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        let grew = settle(tenant, &mut tenant.private(), quota, pool, growth);
        let over = || tenant.region().is_none_or(|region| region.used(quota.device) > quota.limit);
        if result == CUDA_SUCCESS && grew && over() {
            undo();
            shrunk(tenant);
            result = REFUSED;
        }
    });
    result
}

/// The device of a stream's context, whatever context is current.
fn stream_device(stream: CUstream) -> Option<CUdevice> {
    let mut context: CUcontext = ptr::null_mut();
    // SAFETY: a local to write; the stream is the program's own argument, which the driver checks.
    let known = unsafe { vendor::stream_get_ctx(stream, &raw mut context) } == CUDA_SUCCESS && !context.is_null();
    // SAFETY: a context that lives, since the stream does; what is pushed is popped below.
    let pushed = known && unsafe { vendor::ctx_push_current(context) } == CUDA_SUCCESS;
    let mut device: CUdevice = 0;
    // SAFETY: a local to write.
    let answer = unsafe { vendor::ctx_get_device(&raw mut device) };
    if pushed {
        // SAFETY: as above.
        let _popped = unsafe { vendor::ctx_pop_current(&raw mut context) };
    }
    (answer == CUDA_SUCCESS).then_some(device)
}

/// The device that a pool is on: remembered if the program made the pool, else one of the devices' own.
fn pool_device(tenant: &Tenant, pool: CUmemoryPool) -> Option<CUdevice> {
    if let Some(device) = tenant.private().made_pools.get(&(pool as u64)) {
        return *device;
    }
    let mut count: c_int = 0;
    // SAFETY: a local to write.
    if unsafe { vendor::device_get_count(&raw mut count) } != CUDA_SUCCESS {
        return None;
    }
    (0..count).find(|device| {
        let mut own: CUmemoryPool = ptr::null_mut();
        // SAFETY: a local to write.
        unsafe { vendor::device_get_default_mem_pool(&raw mut own, *device) == CUDA_SUCCESS && own == pool }
    })
}

/// The pool that a device allocates from.
fn device_pool(device: CUdevice) -> Option<CUmemoryPool> {
    let mut pool: CUmemoryPool = ptr::null_mut();
    // SAFETY: a local to write.
    let answer = unsafe { vendor::device_get_mem_pool(&raw mut pool, device) };
    (answer == CUDA_SUCCESS && !pool.is_null()).then_some(pool)
}

/// Frees what was just allocated and may not be kept.
fn take_back(dptr: *mut CUdeviceptr, stream: CUstream) {
    // SAFETY: after success the driver has written `dptr`, and nobody else has seen it yet.
    let _freed = unsafe { vendor::mem_free_async(dptr.read(), stream) };
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
    let place = stream_device(stream).and_then(|device| Some((device_pool(device)?, device)));
    let Some(place) = place else { return inside.driver(call) };
    allocate(tenant, &mut inside, place, bytesize as u64, call, || take_back(dptr, stream))
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
    let Some(device) = pool_device(tenant, pool) else { return inside.driver(call) };
    allocate(tenant, &mut inside, (pool, device), bytesize as u64, call, || take_back(dptr, stream))
}

/// cuMemFreeAsync.
pub(crate) fn free_async(
    original: unsafe extern "C" fn(CUdeviceptr, CUstream) -> CUresult,
    dptr: CUdeviceptr,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    allocation::free(dptr, || unsafe { original(dptr, stream) })
}

/// cuMemPoolCreate: remembers the pool's device.
pub(crate) fn create(
    original: unsafe extern "C" fn(*mut CUmemoryPool, *const CUmemPoolProps) -> CUresult,
    pool: *mut CUmemoryPool,
    properties: *const CUmemPoolProps,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(pool, properties) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            // SAFETY: after success the driver has read the properties and written the pool.
            let (pool, location) = unsafe { (pool.read(), (*properties).location) };
            let device = (location.type_ == CU_MEM_LOCATION_TYPE_DEVICE).then_some(location.id);
            tenant.private().made_pools.insert(pool as u64, device);
        });
    }
    result
}

/// cuMemPoolDestroy: what is still allocated from the pool stays with the device, so it stays charged; to when it is
/// freed one by one, nothing leads any more.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUmemoryPool) -> CUresult, pool: CUmemoryPool) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(pool) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    // Struck out first: once it is destroyed, its handle may be another pool's at once.
    let charged = tenant.private().pools.remove(&(pool as u64));
    let in_use = charged.and_then(|_| attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT));
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS {
            private.made_pools.remove(&(pool as u64));
        }
        if let Some(Pool { quota, bytes }) = charged {
            if result == CUDA_SUCCESS {
                let stays = in_use.map_or(bytes, |used| used.next_multiple_of(GROWTH_STEP).min(bytes));
                private.give(tenant.region(), quota.device, bytes - stays);
            } else {
                private.pools.insert(pool as u64, Pool { quota, bytes });
            }
        }
    });
    result
}
