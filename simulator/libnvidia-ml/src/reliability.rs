//! Error correction and faulty memory: modes as the model has them, and counters of a device that never fails.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Answer, Lent, NOT_SUPPORTED, on_device, write_list};
use core::ffi::{c_uint, c_ulonglong};
use ffi_headers::nvml::*;

/// The mode of a device, as NVML's enable state.
pub fn ecc_mode(device: Device) -> nvmlEnableState_t {
    if device.info.ecc { NVML_FEATURE_ENABLED } else { NVML_FEATURE_DISABLED }
}

/// Counters exist while error correction is on.
fn counting(device: Device) -> Answer {
    if device.info.ecc { Ok(()) } else { Err(NVML_ERROR_NOT_SUPPORTED) }
}

fn known(error: nvmlMemoryErrorType_t, counter: nvmlEccCounterType_t) -> Answer {
    if error < NVML_MEMORY_ERROR_TYPE_COUNT && counter < NVML_ECC_COUNTER_TYPE_COUNT {
        Ok(())
    } else {
        Err(NVML_ERROR_INVALID_ARGUMENT)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEccMode(
    device: nvmlDevice_t,
    current: Lent<nvmlEnableState_t>,
    pending: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        pending.check()?;
        current.write(ecc_mode(device))?;
        pending.write(ecc_mode(device))
    })
}

/// Data-centre products leave the factory with error correction on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDefaultEccMode(
    device: nvmlDevice_t,
    mode: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_FEATURE_ENABLED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: nvmlDevice_t,
    error: nvmlMemoryErrorType_t,
    counter: nvmlEccCounterType_t,
    errors: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        known(error, counter)?;
        counting(device)?;
        errors.write(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDetailedEccErrors(
    device: nvmlDevice_t,
    error: nvmlMemoryErrorType_t,
    counter: nvmlEccCounterType_t,
    errors: Lent<nvmlEccErrorCounts_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        known(error, counter)?;
        counting(device)?;
        errors.write(nvmlEccErrorCounts_t::default())
    })
}

/// Device memory counts on every model; on-chip memory is counted as one since Ampere, part by part before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryErrorCounter(
    device: nvmlDevice_t,
    error: nvmlMemoryErrorType_t,
    counter: nvmlEccCounterType_t,
    location: nvmlMemoryLocation_t,
    errors: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        known(error, counter)?;
        counting(device)?;
        match location {
            NVML_MEMORY_LOCATION_DRAM => errors.write(0),
            NVML_MEMORY_LOCATION_SRAM if device.remaps_rows() => errors.write(0),
            _ if location < NVML_MEMORY_LOCATION_SRAM && !device.remaps_rows() => errors.write(0),
            _ if location < NVML_MEMORY_LOCATION_COUNT => Err(NVML_ERROR_NOT_SUPPORTED),
            _ => Err(NVML_ERROR_INVALID_ARGUMENT),
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSramEccErrorStatus(
    device: nvmlDevice_t,
    status: Lent<nvmlEccSramErrorStatus_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        status.edit(|status| {
            crate::entry::version(status.version, size_of::<nvmlEccSramErrorStatus_t>(), 1)?;
            if !device.remaps_rows() {
                return Err(NVML_ERROR_NOT_SUPPORTED);
            }
            counting(device)?;
            *status = nvmlEccSramErrorStatus_t { version: status.version, ..Default::default() };
            Ok(())
        })
    })
}

/// Models that remap rows do not retire pages.
fn retires_pages(device: Device) -> Answer {
    if device.remaps_rows() { Err(NVML_ERROR_NOT_SUPPORTED) } else { Ok(()) }
}

fn retired_pages(
    device: Device,
    cause: nvmlPageRetirementCause_t,
    count: Lent<c_uint>,
    addresses: Lent<c_ulonglong>,
) -> Answer {
    retires_pages(device)?;
    if cause >= NVML_PAGE_RETIREMENT_CAUSE_COUNT {
        return Err(NVML_ERROR_INVALID_ARGUMENT);
    }
    write_list(count, addresses, &[])
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    device: nvmlDevice_t,
    cause: nvmlPageRetirementCause_t,
    count: Lent<c_uint>,
    addresses: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |device| retired_pages(device, cause, count, addresses))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRetiredPages_v2(
    device: nvmlDevice_t,
    cause: nvmlPageRetirementCause_t,
    count: Lent<c_uint>,
    addresses: Lent<c_ulonglong>,
    _times: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    // No page means no time either.
    on_device(device, |device| retired_pages(device, cause, count, addresses))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRetiredPagesPendingStatus(
    device: nvmlDevice_t,
    pending: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        retires_pages(device)?;
        pending.write(NVML_FEATURE_DISABLED)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRemappedRows(
    device: nvmlDevice_t,
    corrected: Lent<c_uint>,
    uncorrected: Lent<c_uint>,
    pending: Lent<c_uint>,
    failed: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        if !device.remaps_rows() {
            return Err(NVML_ERROR_NOT_SUPPORTED);
        }
        let outputs = [corrected, uncorrected, pending, failed];
        outputs.iter().try_for_each(|output| output.check())?;
        outputs.iter().try_for_each(|output| output.write(0))
    })
}

/// Memory banks by how many spare rows they have left: all of them. One bank in 32 per memory channel of 64 bits: a
/// figure of the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRowRemapperHistogram(
    device: nvmlDevice_t,
    histogram: Lent<nvmlRowRemapperHistogramValues_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        if !device.remaps_rows() {
            return Err(NVML_ERROR_NOT_SUPPORTED);
        }
        let max = device.info.memory_bus_width_bits / 64 * 32;
        histogram.write(nvmlRowRemapperHistogramValues_t { max, ..Default::default() })
    })
}

/// Clock monitors watch automotive products.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClkMonStatus(
    device: nvmlDevice_t,
    _status: Lent<nvmlClkMonStatus_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}
