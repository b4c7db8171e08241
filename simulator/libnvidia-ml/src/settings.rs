//! Calls that would change a device. The settings of a simulated device are fixed for the length of a simulation, and
//! its clients see what an unprivileged container sees: NO_PERMISSION where the hardware has the setting,
//! NOT_SUPPORTED where it does not.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Answer, Lent, NOT_SUPPORTED, on_device};
use core::ffi::{c_int, c_uint};
use ffi_headers::nvml::*;

const FORBIDDEN: Answer = Err(NVML_ERROR_NO_PERMISSION);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetPersistenceMode(device: nvmlDevice_t, _mode: nvmlEnableState_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetComputeMode(device: nvmlDevice_t, _mode: nvmlComputeMode_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetEccMode(device: nvmlDevice_t, _ecc: nvmlEnableState_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceClearEccErrorCounts(
    device: nvmlDevice_t,
    _counter: nvmlEccCounterType_t,
) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetGpuLockedClocks(
    device: nvmlDevice_t,
    _min_mhz: c_uint,
    _max_mhz: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceResetGpuLockedClocks(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetMemoryLockedClocks(
    device: nvmlDevice_t,
    _min_mhz: c_uint,
    _max_mhz: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceResetMemoryLockedClocks(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetApplicationsClocks(
    device: nvmlDevice_t,
    _memory_mhz: c_uint,
    _graphics_mhz: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceResetApplicationsClocks(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetPowerManagementLimit(device: nvmlDevice_t, _milliwatts: c_uint) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetAPIRestriction(
    device: nvmlDevice_t,
    _api: nvmlRestrictedAPI_t,
    _restricted: nvmlEnableState_t,
) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetAccountingMode(device: nvmlDevice_t, _mode: nvmlEnableState_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceClearAccountingPids(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device(device, |_| FORBIDDEN)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetDriverModel(
    device: nvmlDevice_t,
    _model: nvmlDriverModel_t,
    _flags: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetGpuOperationMode(
    device: nvmlDevice_t,
    _mode: nvmlGpuOperationMode_t,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetAutoBoostedClocksEnabled(
    device: nvmlDevice_t,
    _enabled: nvmlEnableState_t,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetDefaultAutoBoostedClocksEnabled(
    device: nvmlDevice_t,
    _enabled: nvmlEnableState_t,
    _flags: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetFanSpeed_v2(
    device: nvmlDevice_t,
    _fan: c_uint,
    _percent: c_uint,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetDefaultFanSpeed_v2(device: nvmlDevice_t, _fan: c_uint) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetFanControlPolicy(
    device: nvmlDevice_t,
    _fan: c_uint,
    _policy: nvmlFanControlPolicy_t,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetTemperatureThreshold(
    device: nvmlDevice_t,
    _threshold: nvmlTemperatureThresholds_t,
    _celsius: Lent<c_int>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetGpcClkVfOffset(device: nvmlDevice_t, _mhz: c_int) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetMemClkVfOffset(device: nvmlDevice_t, _mhz: c_int) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetVirtualizationMode(
    device: nvmlDevice_t,
    _mode: nvmlGpuVirtualizationMode_t,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// MIG hardware answers with its activation status too; without the permission nothing is activated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceSetMigMode(
    device: nvmlDevice_t,
    _mode: c_uint,
    status: Lent<nvmlReturn_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        status.check()?;
        let code = if device.info.mig_capable { NVML_ERROR_NO_PERMISSION } else { NVML_ERROR_NOT_SUPPORTED };
        status.write(code)?;
        Err(code)
    })
}
