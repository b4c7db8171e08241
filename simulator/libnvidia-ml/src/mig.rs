//! Multi-instance GPU: the hardware of some models has it; a simulated device has it switched off, so no instance
//! exists.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Lent, NOT_SUPPORTED, on_device};
use core::ffi::c_uint;
use ffi_headers::nvml::*;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: nvmlDevice_t,
    current: Lent<c_uint>,
    pending: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        current.check()?;
        pending.check()?;
        mig_capable(device)?;
        current.write(NVML_DEVICE_MIG_DISABLE)?;
        pending.write(NVML_DEVICE_MIG_DISABLE)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(
    device: nvmlDevice_t,
    is_mig_device: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| is_mig_device.write(0))
}

/// Zero where MIG is absent or off, by nvml.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| count.write(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: nvmlDevice_t,
    _index: c_uint,
    mig_device: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        mig_device.check()?;
        mig_capable(device)?;
        Err(NVML_ERROR_NOT_FOUND)
    })
}

/// The handle given is always a whole device's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    device: nvmlDevice_t,
    _parent: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    on_device(device, |_| Err(NVML_ERROR_INVALID_ARGUMENT))
}

/// Only instances have an instance id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: nvmlDevice_t, _id: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Only instances have an instance id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeInstanceId(device: nvmlDevice_t, _id: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Engine counts are given for instances only, by nvml.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAttributes_v2(
    device: nvmlDevice_t,
    _attributes: Lent<nvmlDeviceAttributes_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// As [`nvmlDeviceGetAttributes_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAttributes(
    device: nvmlDevice_t,
    _attributes: Lent<nvmlDeviceAttributes_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

fn mig_capable(device: Device) -> Result<(), nvmlReturn_t> {
    if device.info.mig_capable { Ok(()) } else { Err(NVML_ERROR_NOT_SUPPORTED) }
}
