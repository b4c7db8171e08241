//! How busy a device was: whole percents that lag, because they speak of a sampling period that is over.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Answer, Lent, on_device};
use core::ffi::{c_uint, c_ulonglong};
use ffi_headers::nvml::*;
use simulator::client::monotonic_ns;
use simulator::presets::MAX_DEVICES;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Shortest time between two samples, in nanoseconds: NVML documents sampling periods from 1/6 s to 1 s.
const PERIOD_NS: u64 = 1_000_000_000 / 6;

/// The same in microseconds, as NVML reports it.
const PERIOD_US: c_uint = (PERIOD_NS / 1000) as c_uint;

/// NVML's time stamps: microseconds since 1970.
pub fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

/// What one process did on a device in a sampling period.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Process id.
    pub pid: u32,
    /// End of the period, in microseconds since 1970.
    pub time_us: u64,
    /// Percent of the period in which the device worked for it.
    pub percent: u32,
}

/// The readings of one device that this process has made.
#[derive(Default)]
struct History {
    time_ns: u64,
    busy_ns: BTreeMap<u32, u64>,
    samples: Vec<Sample>,
}

static HISTORY: [Mutex<History>; MAX_DEVICES] =
    [const { Mutex::new(History { time_ns: 0, busy_ns: BTreeMap::new(), samples: Vec::new() }) }; MAX_DEVICES];

fn history(device: Device) -> MutexGuard<'static, History> {
    HISTORY[device.index].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Device-time of each process so far, in nanoseconds.
fn reading(device: Device) -> BTreeMap<u32, u64> {
    let processes = device.simulation.processes(device.index);
    processes.iter().map(|process| (process.pid, process.busy_ns)).collect()
}

/// Takes the first reading of each device, unless there is one: the first sampling period begins with nvmlInit.
pub fn begin() -> Answer {
    for device in Device::all()? {
        let mut history = history(device);
        if history.time_ns == 0 {
            history.busy_ns = reading(device);
            history.time_ns = monotonic_ns();
        }
    }
    Ok(())
}

/// The latest sample of each process. The device counts its busy time and this library takes the readings when it is
/// asked, so there is nothing in the first sampling period after nvmlInit, and a sample spans the time between two
/// questions.
pub fn per_process(device: Device) -> Vec<Sample> {
    let mut history = history(device);
    let now = monotonic_ns();
    let elapsed = now.saturating_sub(history.time_ns);
    if elapsed >= PERIOD_NS {
        let time_us = now_us();
        let reading = reading(device);
        let sample = |(&pid, &busy): (&u32, &u64)| {
            // A process that was not there had used nothing.
            let before = history.busy_ns.get(&pid).copied().unwrap_or(0);
            let percent = (busy.saturating_sub(before) * 100 / elapsed).min(100) as u32;
            Sample { pid, time_us, percent }
        };
        history.samples = reading.iter().map(sample).collect();
        history.busy_ns = reading;
        history.time_ns = now;
    }
    history.samples.clone()
}

/// The memory figure is the share of time in which memory was read or written; the model does not follow the traffic
/// of kernels: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(
    device: nvmlDevice_t,
    rates: Lent<nvmlUtilization_t>,
) -> nvmlReturn_t {
    on_device(device, |device| rates.write(nvmlUtilization_t { gpu: device.utilisation(), memory: 0 }))
}

/// An engine that exists and is never used.
fn idle_engine(percent: Lent<c_uint>, period_us: Lent<c_uint>) -> Answer {
    period_us.check()?;
    percent.write(0)?;
    period_us.write(PERIOD_US)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEncoderUtilization(
    device: nvmlDevice_t,
    percent: Lent<c_uint>,
    period_us: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| idle_engine(percent, period_us))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDecoderUtilization(
    device: nvmlDevice_t,
    percent: Lent<c_uint>,
    period_us: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| idle_engine(percent, period_us))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetJpgUtilization(
    device: nvmlDevice_t,
    percent: Lent<c_uint>,
    period_us: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| idle_engine(percent, period_us))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetOfaUtilization(
    device: nvmlDevice_t,
    percent: Lent<c_uint>,
    period_us: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| idle_engine(percent, period_us))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEncoderStats(
    device: nvmlDevice_t,
    sessions: Lent<c_uint>,
    frames_per_second: Lent<c_uint>,
    latency_us: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| {
        sessions.write(0)?;
        frames_per_second.write(0)?;
        latency_us.write(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEncoderSessions(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _sessions: Lent<nvmlEncoderSessionInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |_| count.write(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFBCStats(device: nvmlDevice_t, stats: Lent<nvmlFBCStats_t>) -> nvmlReturn_t {
    on_device(device, |_| stats.write(nvmlFBCStats_t::default()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFBCSessions(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _sessions: Lent<nvmlFBCSessionInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |_| count.write(0))
}

/// The utilisation domains of the performance-state control: the graphics engine's figure and idle others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDynamicPstatesInfo(
    device: nvmlDevice_t,
    info: Lent<nvmlGpuDynamicPstatesInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let mut filled = nvmlGpuDynamicPstatesInfo_t::default();
        for domain in [
            NVML_GPU_UTILIZATION_DOMAIN_GPU,
            NVML_GPU_UTILIZATION_DOMAIN_FB,
            NVML_GPU_UTILIZATION_DOMAIN_VID,
            NVML_GPU_UTILIZATION_DOMAIN_BUS,
        ] {
            filled.utilization[domain as usize].bIsPresent = 1;
        }
        filled.utilization[NVML_GPU_UTILIZATION_DOMAIN_GPU as usize].percentage = device.utilisation();
        info.write(filled)
    })
}

/// The driver's sample buffer, of which the model keeps the latest: one sample, of now. Without an array, only its
/// length; NOT_FOUND when `last_seen` (microseconds since 1970) is not past.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSamples(
    device: nvmlDevice_t,
    kind: nvmlSamplingType_t,
    last_seen: c_ulonglong,
    value_type: Lent<nvmlValueType_t>,
    count: Lent<c_uint>,
    samples: Lent<nvmlSample_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        value_type.check()?;
        count.check()?;
        let value = match kind {
            NVML_TOTAL_POWER_SAMPLES => crate::power::milliwatts(device),
            NVML_GPU_UTILIZATION_SAMPLES => device.utilisation(),
            NVML_MEMORY_UTILIZATION_SAMPLES
            | NVML_ENC_UTILIZATION_SAMPLES
            | NVML_DEC_UTILIZATION_SAMPLES
            | NVML_JPG_UTILIZATION_SAMPLES
            | NVML_OFA_UTILIZATION_SAMPLES => 0,
            NVML_PROCESSOR_CLK_SAMPLES => crate::clock::current(device, NVML_CLOCK_SM)?,
            NVML_MEMORY_CLK_SAMPLES => crate::clock::current(device, NVML_CLOCK_MEM)?,
            NVML_MODULE_POWER_SAMPLES => return Err(NVML_ERROR_NOT_SUPPORTED),
            _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
        };
        let now = now_us();
        if now <= last_seen {
            return Err(NVML_ERROR_NOT_FOUND);
        }
        value_type.write(NVML_VALUE_TYPE_UNSIGNED_INT)?;
        if samples.is_null() {
            return count.write(1);
        }
        crate::entry::write_list(
            count,
            samples,
            &[nvmlSample_t { timeStamp: now, sampleValue: nvmlValue_t { uiVal: value } }],
        )
    })
}
