//! What NVML shows of a device: the part that was granted, as if it were the whole.
// UNSAFETY: calls the vendor's functions and writes through the program's own pointers.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_uint};

use ffi_headers::nvml::{NVML_SUCCESS, nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlReturn_t};

use super::{overhead, pool};
use crate::guard::{self, Inside};
use crate::tenant::{self, NO_LIMIT, Quota, Tenant};
use crate::{measure, vendor};

/// Room for a UUID's text, as NVML_DEVICE_UUID_V2_BUFFER_SIZE has it.
const UUID_LENGTH: usize = 96;

/// The quota on NVML's device, of which NVML says that it has `total` bytes.
///
/// # Errors
/// NVML's, when it does not tell which device that is: what belongs to the whole device is not shown instead.
fn quota_of(tenant: &Tenant, device: nvmlDevice_t, total: u64) -> Result<Option<&'static Quota>, nvmlReturn_t> {
    let mut failed = NVML_SUCCESS;
    let quota = tenant.of_nvml(device as usize, || {
        let mut text = [0_u8; UUID_LENGTH];
        // SAFETY: a handle that NVML has just accepted, and room for the text.
        let answer =
            unsafe { vendor::nvml_device_uuid(device, text.as_mut_ptr().cast::<c_char>(), UUID_LENGTH as c_uint) };
        if answer != NVML_SUCCESS {
            failed = answer;
            return None;
        }
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(UUID_LENGTH);
        let uuid = measure::parse_uuid(&text[..end])?;
        Some(tenant.of_uuid(uuid, total, || {
            let mut index: c_uint = 0;
            // SAFETY: as above, and one number of ours to write.
            let answer = unsafe { vendor::nvml_device_index(device, &raw mut index) };
            (answer == NVML_SUCCESS).then_some(index as usize)
        }))
    });
    if failed == NVML_SUCCESS { Ok(quota) } else { Err(failed) }
}

/// Runs `call`; after success `show` gets the quota's size and what is used of it, if NVML's device has a quota.
fn shown(
    device: nvmlDevice_t,
    call: impl FnOnce() -> nvmlReturn_t,
    total: impl FnOnce() -> u64,
    show: impl FnOnce(u64, u64),
) -> nvmlReturn_t {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let mut result = inside.driver(call);
    if result == NVML_SUCCESS {
        guard::bookkeeping(|| match quota_of(tenant, device, total()) {
            Ok(Some(quota)) if quota.limit() != NO_LIMIT => {
                pool::shrunk(tenant);
                overhead::look(tenant, quota);
                let limit = quota.limit();
                show(limit, tenant.used(quota).min(limit));
            }
            Ok(_) => {} // what NVML said
            Err(error) => result = error,
        });
    }
    result
}

/// nvmlDeviceGetMemoryInfo.
pub(crate) fn memory_info(
    original: unsafe extern "C" fn(nvmlDevice_t, *mut nvmlMemory_t) -> nvmlReturn_t,
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
) -> nvmlReturn_t {
    shown(
        device,
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(device, memory) },
        // SAFETY: after success NVML has written it.
        || unsafe { (*memory).total },
        // SAFETY: NVML has written it, so it may be written.
        |total, used| unsafe { memory.write(nvmlMemory_t { total, used, free: total - used }) },
    )
}

/// nvmlDeviceGetMemoryInfo_v2: nothing of the part is reserved by the driver.
pub(crate) fn memory_info_v2(
    original: unsafe extern "C" fn(nvmlDevice_t, *mut nvmlMemory_v2_t) -> nvmlReturn_t,
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    shown(
        device,
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(device, memory) },
        // SAFETY: after success NVML has written it.
        || unsafe { (*memory).total },
        // SAFETY: NVML has written it, so it may be read and written.
        |total, used| unsafe {
            let version = (*memory).version;
            memory.write(nvmlMemory_v2_t { version, total, reserved: 0, free: total - used, used });
        },
    )
}
