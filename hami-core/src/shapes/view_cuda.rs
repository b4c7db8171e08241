//! What CUDA shows of a device: the part that was granted, as if it were the whole.
// UNSAFETY: calls the vendor's functions and writes through the program's own pointers.
#![expect(unsafe_code)]

use ffi_headers::cuda::{CUDA_SUCCESS, CUdevice, CUresult};

use super::{Bytes, overhead, pool};
use crate::guard::{self, Inside};
use crate::tenant::{NO_LIMIT, Quota};
use crate::{current, tenant};

/// cuMemGetInfo: `total` is the quota, `free` what is left of it for the whole tenant.
pub(crate) fn mem_info<N: Bytes>(
    original: unsafe extern "C" fn(*mut N, *mut N) -> CUresult,
    free: *mut N,
    total: *mut N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(free, total) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result != CUDA_SUCCESS {
        return result;
    }
    let current = match current::get(tenant, &inside) {
        Ok(Some(current)) => current,
        Ok(None) => return result,
        Err(error) => return error,
    };
    guard::bookkeeping(|| {
        let limit = current.quota.limit();
        if limit == NO_LIMIT {
            return; // what the driver said
        }
        pool::shrunk(tenant);
        overhead::look(tenant, current.quota);
        let used = tenant.used(current.quota);
        for (shown, bytes) in [(total, limit), (free, limit.saturating_sub(used))] {
            if !shown.is_null() {
                // SAFETY: the driver has written it, so it may be written.
                unsafe { shown.write(N::from_u64(bytes)) };
            }
        }
    });
    result
}

/// cuDeviceTotalMem: the quota.
pub(crate) fn total_mem<N: Bytes>(
    original: unsafe extern "C" fn(*mut N, CUdevice) -> CUresult,
    bytes: *mut N,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(bytes, device) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            if let Some(limit) = tenant.of_ordinal(device).map(Quota::limit).filter(|limit| *limit != NO_LIMIT) {
                // SAFETY: the driver has written it, so it may be written.
                unsafe { bytes.write(N::from_u64(limit)) };
            }
        });
    }
    result
}
