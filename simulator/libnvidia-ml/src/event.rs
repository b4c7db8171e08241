//! Event sets. They can be made, registered on and waited for; a simulated device never raises an event, so every
//! wait ends in TIMEOUT.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Answer, Lent, initialised, on_device};
use core::ffi::{c_uint, c_ulonglong};
use ffi_headers::nvml::*;
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// The live sets, by the number that stands in the handle. Numbers are never given twice, so a freed handle stays
/// invalid.
#[derive(Default)]
struct Sets {
    live: BTreeSet<usize>,
    last: usize,
}

static SETS: LazyLock<Mutex<Sets>> = LazyLock::new(Mutex::default);

/// What data-centre devices support: the two ECC events and critical (XID) errors.
const SUPPORTED: c_ulonglong =
    (nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError | nvmlEventTypeXidCriticalError) as c_ulonglong;

fn sets<T>(body: impl FnOnce(&mut Sets) -> T) -> T {
    body(&mut SETS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn live(set: nvmlEventSet_t) -> Result<(), nvmlReturn_t> {
    if sets(|sets| sets.live.contains(&set.addr())) { Ok(()) } else { Err(NVML_ERROR_INVALID_ARGUMENT) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetCreate(set: Lent<nvmlEventSet_t>) -> nvmlReturn_t {
    initialised(|| {
        set.check()?;
        let number = sets(|sets| {
            sets.last += 1;
            sets.live.insert(sets.last);
            sets.last
        });
        set.write(core::ptr::without_provenance_mut(number))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    initialised(|| if sets(|sets| sets.live.remove(&set.addr())) { Ok(()) } else { Err(NVML_ERROR_INVALID_ARGUMENT) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(
    device: nvmlDevice_t,
    types: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |_| types.write(SUPPORTED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    types: c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    on_device(device, |_| {
        live(set)?;
        if types & !SUPPORTED != 0 { Err(NVML_ERROR_NOT_SUPPORTED) } else { Ok(()) }
    })
}

fn wait(set: nvmlEventSet_t, data: Lent<nvmlEventData_t>, timeout_ms: c_uint) -> Answer {
    data.check()?;
    live(set)?;
    std::thread::sleep(Duration::from_millis(timeout_ms.into()));
    Err(NVML_ERROR_TIMEOUT)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    data: Lent<nvmlEventData_t>,
    timeout_ms: c_uint,
) -> nvmlReturn_t {
    initialised(|| wait(set, data, timeout_ms))
}

/// As [`nvmlEventSetWait_v2`], for devices without instances.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait(
    set: nvmlEventSet_t,
    data: Lent<nvmlEventData_t>,
    timeout_ms: c_uint,
) -> nvmlReturn_t {
    initialised(|| wait(set, data, timeout_ms))
}
