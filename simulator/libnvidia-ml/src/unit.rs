//! S-class units (external chassis with LEDs and power supplies): a simulated machine has none.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Lent, initialised};
use core::ffi::c_uint;
use ffi_headers::nvml::*;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlUnitGetCount(count: Lent<c_uint>) -> nvmlReturn_t {
    initialised(|| count.write(0))
}

/// Every index is past the last unit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlUnitGetHandleByIndex(_index: c_uint, _unit: Lent<nvmlUnit_t>) -> nvmlReturn_t {
    initialised(|| Err(NVML_ERROR_INVALID_ARGUMENT))
}

/// Host interface cards belong to units as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetHicVersion(count: Lent<c_uint>, _entries: Lent<nvmlHwbcEntry_t>) -> nvmlReturn_t {
    initialised(|| count.write(0))
}

/// Devices that the administrator excluded from use, which a simulation has none of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGetExcludedDeviceCount(count: Lent<c_uint>) -> nvmlReturn_t {
    initialised(|| count.write(0))
}

/// The older name of [`nvmlGetExcludedDeviceCount`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGetBlacklistDeviceCount(count: Lent<c_uint>) -> nvmlReturn_t {
    initialised(|| count.write(0))
}
