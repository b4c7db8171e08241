//! Power, temperature and cooling. Both rise in proportion to utilisation, from the idle figure to the full-load one:
//! a figure of the model.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Lent, NOT_SUPPORTED, on_device};
use core::ffi::{c_int, c_uint};
use ffi_headers::nvml::*;

fn between(idle: u32, full: u32, percent: u32) -> u32 {
    idle + (u64::from(full - idle) * u64::from(percent) / 100) as u32
}

/// Power drawn now, in milliwatts.
pub fn milliwatts(device: Device) -> c_uint {
    let power = device.info.power;
    between(power.idle, power.limit_default, device.utilisation())
}

/// Temperature now, in degrees Celsius.
pub fn celsius(device: Device) -> c_uint {
    let temperature = device.info.temperature;
    between(temperature.idle, temperature.full_load, device.utilisation())
}

/// Highest temperature of normal operation, in degrees Celsius: a little below the one at which clocks are lowered.
pub fn highest_operating(device: Device) -> c_uint {
    device.info.temperature.slowdown - 2
}

/// Highest temperature of stacked memory in normal operation, in degrees Celsius, as the vendor's tools show it.
pub const STACKED_MEMORY_MAX: c_uint = 95;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: nvmlDevice_t, power_mw: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| power_mw.write(milliwatts(device)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: nvmlDevice_t, limit_mw: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| limit_mw.write(device.info.power.limit_default))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementLimit(
    device: nvmlDevice_t,
    limit_mw: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| limit_mw.write(device.info.power.limit_default))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementDefaultLimit(
    device: nvmlDevice_t,
    limit_mw: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| limit_mw.write(device.info.power.limit_default))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: nvmlDevice_t,
    lowest_mw: Lent<c_uint>,
    highest_mw: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        highest_mw.check()?;
        lowest_mw.write(device.info.power.limit_min)?;
        highest_mw.write(device.info.power.limit_max)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementMode(
    device: nvmlDevice_t,
    mode: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_FEATURE_ENABLED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerSource(
    device: nvmlDevice_t,
    source: Lent<nvmlPowerSource_t>,
) -> nvmlReturn_t {
    on_device(device, |_| source.write(NVML_POWER_SOURCE_AC))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: nvmlDevice_t,
    sensor: nvmlTemperatureSensors_t,
    degrees: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        if sensor != NVML_TEMPERATURE_GPU {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        degrees.write(celsius(device))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(
    device: nvmlDevice_t,
    threshold: nvmlTemperatureThresholds_t,
    degrees: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        degrees.write(match threshold {
            NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => device.info.temperature.shutdown,
            NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => device.info.temperature.slowdown,
            NVML_TEMPERATURE_THRESHOLD_GPU_MAX => highest_operating(device),
            NVML_TEMPERATURE_THRESHOLD_MEM_MAX if device.has_stacked_memory() => STACKED_MEMORY_MAX,
            NVML_TEMPERATURE_THRESHOLD_MEM_MAX..NVML_TEMPERATURE_THRESHOLD_COUNT => {
                return Err(NVML_ERROR_NOT_SUPPORTED);
            }
            _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
        })
    })
}

/// One sensor, inside the chip. Index 15 (the "all" target) asks for every sensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetThermalSettings(
    device: nvmlDevice_t,
    sensor: c_uint,
    settings: Lent<nvmlGpuThermalSettings_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        if sensor != 0 && sensor != NVML_THERMAL_TARGET_ALL as c_uint {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        let mut filled = nvmlGpuThermalSettings_t { count: 1, ..Default::default() };
        let first = &mut filled.sensor[0];
        first.controller = NVML_THERMAL_CONTROLLER_GPU_INTERNAL;
        first.defaultMaxTemp = device.info.temperature.shutdown as c_int;
        first.currentTemp = celsius(device) as c_int;
        first.target = NVML_THERMAL_TARGET_GPU;
        settings.write(filled)
    })
}

/// The modelled products are cooled by their server's fans and have none of their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNumFans(device: nvmlDevice_t, fans: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| fans.write(0))
}

/// No fan: see [`nvmlDeviceGetNumFans`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFanSpeed(device: nvmlDevice_t, _percent: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// No fan: see [`nvmlDeviceGetNumFans`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFanSpeed_v2(
    device: nvmlDevice_t,
    _fan: c_uint,
    _percent: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// No fan: see [`nvmlDeviceGetNumFans`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTargetFanSpeed(
    device: nvmlDevice_t,
    _fan: c_uint,
    _percent: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// No fan: see [`nvmlDeviceGetNumFans`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMinMaxFanSpeed(
    device: nvmlDevice_t,
    _lowest: Lent<c_uint>,
    _highest: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}
