//! Who uses a device: process lists in their three forms, per-process utilisation, accounting. Process ids are the
//! server's view, as the real driver gives the host's ids whatever PID namespace asks.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Answer, Lent, NOT_SUPPORTED, on_device, write_list};
use crate::utilisation;
use core::ffi::{c_uint, c_ulonglong};
use ffi_headers::nvml::*;

/// Instance ids of a process that does not run in a MIG instance.
const NO_INSTANCE: c_uint = c_uint::MAX;

fn first_form(device: Device) -> Vec<nvmlProcessInfo_v1_t> {
    let processes = device.simulation.processes(device.index);
    processes
        .iter()
        .map(|process| nvmlProcessInfo_v1_t { pid: process.pid, usedGpuMemory: process.used_bytes })
        .collect()
}

/// The structure of the second and the third form, which differ only in name where there are no MIG instances.
fn with_instances(device: Device) -> Vec<nvmlProcessInfo_v2_t> {
    let processes = device.simulation.processes(device.index);
    let info = |process: &simulator::client::ProcessUse| nvmlProcessInfo_v2_t {
        pid: process.pid,
        usedGpuMemory: process.used_bytes,
        gpuInstanceId: NO_INSTANCE,
        computeInstanceId: NO_INSTANCE,
    };
    processes.iter().map(info).collect()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    infos: Lent<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    on_device(device, |device| write_list(count, infos, &first_form(device)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v2(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |device| write_list(count, infos, &with_instances(device)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |device| write_list(count, infos, &with_instances(device)))
}

/// Nothing draws on a simulated device.
fn nobody(count: Lent<c_uint>) -> Answer {
    count.check()?;
    count.write(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v2(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

/// MPS is not modelled: no process runs under it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v2(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _infos: Lent<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

/// Samples newer than `last_seen` (microseconds since 1970; 0 for all). Without a buffer, or with one too small,
/// INSUFFICIENT_SIZE and the number that is needed; NOT_FOUND when there is no newer sample.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvmlDevice_t,
    samples: Lent<nvmlProcessUtilizationSample_t>,
    count: Lent<c_uint>,
    last_seen: c_ulonglong,
) -> nvmlReturn_t {
    on_device(device, |device| {
        count.check()?;
        let fresh: Vec<_> = utilisation::per_process(device)
            .into_iter()
            .filter(|sample| sample.time_us > last_seen)
            .map(|sample| nvmlProcessUtilizationSample_t {
                pid: sample.pid,
                timeStamp: sample.time_us,
                smUtil: sample.percent,
                memUtil: 0,
                encUtil: 0,
                decUtil: 0,
            })
            .collect();
        if fresh.is_empty() {
            count.write(0)?;
            return Err(NVML_ERROR_NOT_FOUND);
        }
        if samples.is_null() {
            count.write(fresh.len() as c_uint)?;
            return Err(NVML_ERROR_INSUFFICIENT_SIZE);
        }
        write_list(count, samples, &fresh)
    })
}

/// The newer form of [`nvmlDeviceGetProcessUtilization`], with a versioned structure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetProcessesUtilizationInfo(
    device: nvmlDevice_t,
    info: Lent<nvmlProcessesUtilizationInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        info.edit(|info| {
            crate::entry::version(info.version, size_of::<nvmlProcessesUtilizationInfo_t>(), 1)?;
            let fresh: Vec<_> = utilisation::per_process(device)
                .into_iter()
                .filter(|sample| sample.time_us > info.lastSeenTimeStamp)
                .map(|sample| nvmlProcessUtilizationInfo_v1_t {
                    timeStamp: sample.time_us,
                    pid: sample.pid,
                    smUtil: sample.percent,
                    ..Default::default()
                })
                .collect();
            let room = info.processSamplesCount as usize;
            info.processSamplesCount = fresh.len() as c_uint;
            if fresh.is_empty() {
                return Err(NVML_ERROR_NOT_FOUND);
            }
            let array = Lent::from(info.procUtilArray);
            if array.is_null() || room < fresh.len() {
                return Err(NVML_ERROR_INSUFFICIENT_SIZE);
            }
            array.write_all(&fresh)
        })
    })
}

/// Accounting of finished processes is off, which every device has as its default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAccountingMode(
    device: nvmlDevice_t,
    mode: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_FEATURE_DISABLED))
}

/// Processes the driver would keep figures of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAccountingBufferSize(device: nvmlDevice_t, size: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| size.write(4000))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAccountingPids(
    device: nvmlDevice_t,
    count: Lent<c_uint>,
    _pids: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| nobody(count))
}

/// NOT_SUPPORTED while accounting is off, by nvml.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAccountingStats(
    device: nvmlDevice_t,
    _pid: c_uint,
    _stats: Lent<nvmlAccountingStats_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}
