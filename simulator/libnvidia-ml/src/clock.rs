//! Clocks, performance states and throttle reasons. A device that works runs at its highest clocks, an idle one at
//! its idle clocks; it is never slowed by heat or power.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Answer, Lent, NOT_SUPPORTED, on_device, write_list};
use core::ffi::{c_int, c_uint, c_ulonglong};
use ffi_headers::nvml::*;

/// A clock domain now, in MHz.
pub fn current(device: Device, domain: nvmlClockType_t) -> Result<c_uint, nvmlReturn_t> {
    let clocks = device.info.clocks;
    let busy = device.busy();
    Ok(match domain {
        NVML_CLOCK_GRAPHICS | NVML_CLOCK_SM => {
            if busy {
                clocks.graphics_max
            } else {
                clocks.graphics_idle
            }
        }
        NVML_CLOCK_MEM => {
            if busy {
                clocks.memory_max
            } else {
                clocks.memory_idle
            }
        }
        // The video engines share the graphics voltage and follow its clock in proportion.
        NVML_CLOCK_VIDEO if busy => clocks.video_max,
        NVML_CLOCK_VIDEO => clocks.video_max * clocks.graphics_idle / clocks.graphics_max,
        _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
    })
}

/// The highest clock of a domain, in MHz.
fn highest(device: Device, domain: nvmlClockType_t) -> Result<c_uint, nvmlReturn_t> {
    let clocks = device.info.clocks;
    match domain {
        NVML_CLOCK_GRAPHICS | NVML_CLOCK_SM => Ok(clocks.graphics_max),
        NVML_CLOCK_MEM => Ok(clocks.memory_max),
        NVML_CLOCK_VIDEO => Ok(clocks.video_max),
        _ => Err(NVML_ERROR_INVALID_ARGUMENT),
    }
}

/// Applications clocks exist for the graphics and memory domains.
fn application(device: Device, domain: nvmlClockType_t) -> Result<c_uint, nvmlReturn_t> {
    match domain {
        NVML_CLOCK_GRAPHICS | NVML_CLOCK_MEM => highest(device, domain),
        NVML_CLOCK_SM | NVML_CLOCK_VIDEO => Err(NVML_ERROR_NOT_SUPPORTED),
        _ => Err(NVML_ERROR_INVALID_ARGUMENT),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| mhz.write(current(device, domain)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxClockInfo(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| mhz.write(highest(device, domain)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetApplicationsClock(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| mhz.write(application(device, domain)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDefaultApplicationsClock(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| mhz.write(application(device, domain)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxCustomerBoostClock(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| mhz.write(highest(device, domain)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClock(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    which: nvmlClockId_t,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        mhz.write(match which {
            NVML_CLOCK_ID_CURRENT => current(device, domain)?,
            NVML_CLOCK_ID_APP_CLOCK_TARGET | NVML_CLOCK_ID_APP_CLOCK_DEFAULT => application(device, domain)?,
            NVML_CLOCK_ID_CUSTOMER_BOOST_MAX => highest(device, domain)?,
            _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedMemoryClocks(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let clocks = device.info.clocks;
        let mut supported = vec![clocks.memory_max, clocks.memory_idle];
        supported.dedup();
        write_list(count, mhz, &supported)
    })
}

/// Graphics clocks come in steps of 15 MHz, highest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedGraphicsClocks(
    device: nvmlDevice_t,
    memory_mhz: c_uint,
    count: Lent<c_uint>,
    mhz: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let clocks = device.info.clocks;
        if ![clocks.memory_max, clocks.memory_idle].contains(&memory_mhz) {
            return Err(NVML_ERROR_NOT_FOUND);
        }
        let supported: Vec<c_uint> = (clocks.graphics_idle..=clocks.graphics_max).rev().step_by(15).collect();
        write_list(count, mhz, &supported)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMinMaxClockOfPState(
    device: nvmlDevice_t,
    domain: nvmlClockType_t,
    state: nvmlPstates_t,
    lowest: Lent<c_uint>,
    most: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        most.check()?;
        if state != NVML_PSTATE_0 {
            return Err(NVML_ERROR_NOT_SUPPORTED);
        }
        let clocks = device.info.clocks;
        lowest.write(match domain {
            NVML_CLOCK_MEM => clocks.memory_idle,
            NVML_CLOCK_VIDEO => clocks.video_max * clocks.graphics_idle / clocks.graphics_max,
            _ => clocks.graphics_idle,
        })?;
        most.write(highest(device, domain)?)
    })
}

/// State 0 is full performance. Models whose memory clock falls when idle go to state 8 then; the others stay in
/// state 0.
fn state(device: Device) -> nvmlPstates_t {
    let clocks = device.info.clocks;
    if device.busy() || clocks.memory_idle == clocks.memory_max { NVML_PSTATE_0 } else { NVML_PSTATE_8 }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPerformanceState(
    device: nvmlDevice_t,
    pstate: Lent<nvmlPstates_t>,
) -> nvmlReturn_t {
    on_device(device, |device| pstate.write(state(device)))
}

/// The older name of [`nvmlDeviceGetPerformanceState`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerState(device: nvmlDevice_t, pstate: Lent<nvmlPstates_t>) -> nvmlReturn_t {
    on_device(device, |device| pstate.write(state(device)))
}

/// The list is filled up with the unknown state; `bytes` is the array's size in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedPerformanceStates(
    device: nvmlDevice_t,
    states: Lent<nvmlPstates_t>,
    bytes: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let clocks = device.info.clocks;
        let mut supported = vec![NVML_PSTATE_0];
        if clocks.memory_idle != clocks.memory_max {
            supported.push(NVML_PSTATE_8);
        }
        let room = bytes as usize / size_of::<nvmlPstates_t>();
        if room < supported.len() {
            return Err(NVML_ERROR_INSUFFICIENT_SIZE);
        }
        supported.resize(room.min(NVML_MAX_GPU_PERF_PSTATES as usize), NVML_PSTATE_UNKNOWN);
        states.write_all(&supported)
    })
}

/// Why a data-centre device's clocks may be below their highest.
const SUPPORTED_REASONS: u32 = nvmlClocksEventReasonGpuIdle
    | nvmlClocksEventReasonApplicationsClocksSetting
    | nvmlClocksEventReasonSwPowerCap
    | nvmlClocksThrottleReasonHwSlowdown
    | nvmlClocksEventReasonSyncBoost
    | nvmlClocksEventReasonSwThermalSlowdown
    | nvmlClocksThrottleReasonHwThermalSlowdown
    | nvmlClocksThrottleReasonHwPowerBrakeSlowdown;

fn reasons(device: Device, reasons: Lent<c_ulonglong>) -> Answer {
    let now = if device.busy() { nvmlClocksEventReasonNone } else { nvmlClocksEventReasonGpuIdle };
    reasons.write(now as c_ulonglong)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrentClocksEventReasons(
    device: nvmlDevice_t,
    mask: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |device| reasons(device, mask))
}

/// The older name of [`nvmlDeviceGetCurrentClocksEventReasons`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    device: nvmlDevice_t,
    mask: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |device| reasons(device, mask))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedClocksEventReasons(
    device: nvmlDevice_t,
    mask: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |_| mask.write(SUPPORTED_REASONS as c_ulonglong))
}

/// The older name of [`nvmlDeviceGetSupportedClocksEventReasons`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedClocksThrottleReasons(
    device: nvmlDevice_t,
    mask: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |_| mask.write(SUPPORTED_REASONS as c_ulonglong))
}

/// Auto-boost went away with the Maxwell generation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAutoBoostedClocksEnabled(
    device: nvmlDevice_t,
    _enabled: Lent<nvmlEnableState_t>,
    _default: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAdaptiveClockInfoStatus(
    device: nvmlDevice_t,
    status: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| status.write(NVML_ADAPTIVE_CLOCKING_INFO_STATUS_ENABLED))
}

/// Overclocking offsets belong to workstation and consumer boards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpcClkVfOffset(device: nvmlDevice_t, _mhz: Lent<c_int>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// As [`nvmlDeviceGetGpcClkVfOffset`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemClkVfOffset(device: nvmlDevice_t, _mhz: Lent<c_int>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Time lost to a limit since the driver started: none, for nothing limits a simulated device. The reference time is
/// in microseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetViolationStatus(
    device: nvmlDevice_t,
    policy: nvmlPerfPolicyType_t,
    time: Lent<nvmlViolationTime_t>,
) -> nvmlReturn_t {
    on_device(device, |_| match policy {
        NVML_PERF_POLICY_POWER..=NVML_PERF_POLICY_RELIABILITY
        | NVML_PERF_POLICY_TOTAL_APP_CLOCKS
        | NVML_PERF_POLICY_TOTAL_BASE_CLOCKS => {
            time.write(nvmlViolationTime_t { referenceTime: crate::utilisation::now_us(), violationTime: 0 })
        }
        _ => Err(NVML_ERROR_INVALID_ARGUMENT),
    })
}
