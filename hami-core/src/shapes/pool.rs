//! Stream-ordered allocation: a pool is charged for what it keeps reserved, since that is what the device has given.
// UNSAFETY: vendor calls.
#![expect(unsafe_code)]

use core::ptr;
use core::sync::atomic::Ordering;

use ffi_headers::cuda::{
    CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, CUDA_SUCCESS, CUdevice, CUdeviceptr,
    CUmemPool_attribute, CUmemoryPool, CUresult, CUstream,
};

use super::{REFUSED, allocation};
use crate::guard::{self, Inside};
use crate::tenant::{self, Charged, Private, Quota, Tenant};
use crate::{current, vendor};

/// In what steps a pool grows, for the reservation; what it really grew by is settled afterwards.
const GROWTH_STEP: u64 = 32 << 20;

fn attribute(pool: CUmemoryPool, which: CUmemPool_attribute) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: these attributes are 64 bits wide, as cuda.h documents; one such value of ours is written.
    let answer = unsafe { vendor::mem_pool_get_attribute(pool, which, (&raw mut value).cast()) };
    (answer == CUDA_SUCCESS).then_some(value)
}

/// Brings a pool's charge to what it has reserved now, `taken` having been taken for its growth beforehand.
fn settle(tenant: &Tenant, private: &mut Private, quota: &Quota, pool: CUmemoryPool, taken: u64) {
    let device = quota.device;
    tenant.uses_pools.store(true, Ordering::Relaxed); // see `shrunk`
    let charge = private.pools.entry(pool as u64).or_insert(Charged { device, bytes: 0 });
    let before = charge.bytes;
    let now = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(before + taken);
    charge.bytes = now;
    tenant.settle(private, device, before + taken, now);
}

/// Looks at the pools again, which shrink when streams are synchronised. Answers whether one did.
pub(crate) fn shrunk(tenant: &Tenant) -> bool {
    // Relaxed: a thread that does not see the first pool yet comes before it.
    if !tenant.uses_pools.load(Ordering::Relaxed) {
        return false;
    }
    let mut private = tenant.private();
    let mut given = 0;
    let shrunk: Vec<_> = private
        .pools
        .iter_mut()
        .filter_map(|(pool, charge)| {
            // A pool that is gone has given everything back.
            let now = attribute(*pool as CUmemoryPool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0);
            let less = charge.bytes.checked_sub(now).filter(|less| *less > 0)?;
            charge.bytes = now;
            Some((charge.device, less))
        })
        .collect();
    for (device, less) in shrunk {
        private.give(tenant.region(), device, less);
        given += less;
    }
    given > 0
}

/// Takes `bytes`; before it gives up, it looks whether a pool has shrunk meanwhile.
pub(crate) fn take(tenant: &Tenant, quota: &Quota, bytes: u64) -> bool {
    tenant.take(quota, bytes) || (shrunk(tenant) && tenant.take(quota, bytes))
}

fn allocate(pool: Option<CUmemoryPool>, bytes: u64, call: impl FnOnce() -> CUresult, undo: impl FnOnce()) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let Some(current) = current::get(tenant, &inside) else { return inside.driver(call) };
    let quota = current.quota;
    let Some(pool) = pool.or_else(device_pool) else { return inside.driver(call) };
    let reserved = attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0);
    let used = attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT).unwrap_or(reserved);
    // Room inside the pool costs the device nothing.
    let growth = if bytes <= reserved.saturating_sub(used) {
        0
    } else {
        bytes.checked_next_multiple_of(GROWTH_STEP).unwrap_or(u64::MAX)
    };
    if !take(tenant, quota, growth) {
        return REFUSED;
    }
    let mut result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        settle(tenant, &mut private, quota, pool, growth);
        drop(private);
        // The room was not in one piece after all, and the pool grew past the quota: not granted.
        if result == CUDA_SUCCESS && tenant.region().is_some_and(|region| region.used(quota.device) > quota.limit) {
            undo();
            result = REFUSED;
        }
    });
    result
}

/// The pool that the current device allocates from.
fn device_pool() -> Option<CUmemoryPool> {
    let mut device: CUdevice = 0;
    let mut pool: CUmemoryPool = ptr::null_mut();
    // SAFETY: writes one device and one handle of ours.
    let answers =
        unsafe { [vendor::ctx_get_device(&raw mut device), vendor::device_get_mem_pool(&raw mut pool, device)] };
    (answers == [CUDA_SUCCESS; 2] && !pool.is_null()).then_some(pool)
}

/// Frees what was just allocated and may not be kept.
fn take_back(dptr: *mut CUdeviceptr, stream: CUstream) {
    // SAFETY: after success the driver has written `dptr`, and nobody else has seen it yet.
    let _freed = unsafe { vendor::mem_free_async(dptr.read(), stream) };
}

/// cuMemAllocAsync.
pub(crate) fn allocate_async(
    original: unsafe extern "C" fn(*mut CUdeviceptr, usize, CUstream) -> CUresult,
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    allocate(None, bytesize as u64, || unsafe { original(dptr, bytesize, stream) }, || take_back(dptr, stream))
}

/// cuMemAllocFromPoolAsync.
pub(crate) fn allocate_from_pool(
    original: unsafe extern "C" fn(*mut CUdeviceptr, usize, CUmemoryPool, CUstream) -> CUresult,
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    pool: CUmemoryPool,
    stream: CUstream,
) -> CUresult {
    let pool_if_any = (!pool.is_null()).then_some(pool);
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(dptr, bytesize, pool, stream) };
    allocate(pool_if_any, bytesize as u64, call, || take_back(dptr, stream))
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
