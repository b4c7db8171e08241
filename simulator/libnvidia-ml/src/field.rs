//! Field values: many small questions in one call, each with its own answer code.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Lent, on_device};
use crate::{power, reliability, utilisation};
use core::ffi::{c_int, c_longlong, c_uint};
use ffi_headers::nvml::*;

/// A field's value with its type.
enum Value {
    Unsigned(u32),
    Signed(i32),
    Long(u64),
}

/// The call succeeds when the array can be read; what a device cannot answer is said in the field.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: Lent<nvmlFieldValue_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        if count < 1 {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        values.check()?;
        (0..count as usize).try_for_each(|index| {
            values.element(index).edit(|field| {
                fill(device, field);
                Ok(())
            })
        })
    })
}

fn fill(device: Device, field: &mut nvmlFieldValue_t) {
    field.timestamp = utilisation::now_us() as c_longlong;
    field.latencyUsec = 0;
    match value(device, field.fieldId, field.scopeId) {
        Ok(value) => {
            field.nvmlReturn = NVML_SUCCESS;
            (field.valueType, field.value) = match value {
                Value::Unsigned(number) => (NVML_VALUE_TYPE_UNSIGNED_INT, nvmlValue_t { uiVal: number }),
                Value::Signed(number) => (NVML_VALUE_TYPE_SIGNED_INT, nvmlValue_t { siVal: number }),
                Value::Long(number) => (NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, nvmlValue_t { ullVal: number }),
            };
        }
        Err(code) => field.nvmlReturn = code,
    }
}

fn value(device: Device, field: c_uint, scope: c_uint) -> Result<Value, nvmlReturn_t> {
    let info = device.info;
    let whole_device = scope == NVML_POWER_SCOPE_GPU;
    Ok(match field {
        NVML_FI_DEV_ECC_CURRENT | NVML_FI_DEV_ECC_PENDING => Value::Unsigned(reliability::ecc_mode(device)),
        NVML_FI_DEV_ECC_SBE_VOL_TOTAL..=NVML_FI_DEV_ECC_DBE_AGG_TOTAL if info.ecc => Value::Long(0),
        NVML_FI_DEV_RETIRED_SBE..=NVML_FI_DEV_RETIRED_PENDING if !device.remaps_rows() => Value::Long(0),
        NVML_FI_DEV_RETIRED_PENDING_SBE | NVML_FI_DEV_RETIRED_PENDING_DBE if !device.remaps_rows() => Value::Long(0),
        NVML_FI_DEV_REMAPPED_COR..=NVML_FI_DEV_REMAPPED_FAILURE if device.remaps_rows() => Value::Unsigned(0),
        NVML_FI_DEV_PERF_POLICY_POWER..=NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS => Value::Long(0),
        // Stacked memory has a sensor, which here reads what the chip's own does.
        NVML_FI_DEV_MEMORY_TEMP if device.has_stacked_memory() => Value::Unsigned(power::celsius(device)),
        NVML_FI_DEV_PCIE_REPLAY_COUNTER | NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER => Value::Unsigned(0),
        NVML_FI_DEV_POWER_AVERAGE | NVML_FI_DEV_POWER_INSTANT if whole_device => {
            Value::Unsigned(power::milliwatts(device))
        }
        NVML_FI_DEV_POWER_MIN_LIMIT if whole_device => Value::Unsigned(info.power.limit_min),
        NVML_FI_DEV_POWER_MAX_LIMIT if whole_device => Value::Unsigned(info.power.limit_max),
        NVML_FI_DEV_POWER_DEFAULT_LIMIT | NVML_FI_DEV_POWER_CURRENT_LIMIT | NVML_FI_DEV_POWER_REQUESTED_LIMIT
            if whole_device =>
        {
            Value::Unsigned(info.power.limit_default)
        }
        NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT..=NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT
            if info.compute_capability >= (9, 0) =>
        {
            Value::Signed(margin(device, field))
        }
        NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED => Value::Unsigned((info.compute_capability >= (9, 0)).into()),
        NVML_FI_DEV_RESET_STATUS | NVML_FI_DEV_DRAIN_AND_RESET_STATUS => Value::Unsigned(0),
        _ if (1..NVML_FI_MAX).contains(&field) => return Err(NVML_ERROR_NOT_SUPPORTED),
        _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
    })
}

/// Hopper and newer state their thresholds as degrees left below the highest operating temperature; beyond it they
/// are negative.
fn margin(device: Device, field: c_uint) -> i32 {
    let highest = power::highest_operating(device) as i32;
    match field {
        NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT => highest - device.info.temperature.shutdown as i32,
        NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT => highest - device.info.temperature.slowdown as i32,
        _ => 0,
    }
}
