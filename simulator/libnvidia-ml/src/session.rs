//! Initialisation: counted, as NVML counts it, and valid in a fork of the process that initialised.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Answer, fence};
use crate::utilisation;
use core::ffi::c_uint;
use ffi_headers::nvml::*;
use simulator::client::{self, ConnectError, Simulation};
use std::sync::atomic::{AtomicU32, Ordering};

/// nvmlInit calls that no nvmlShutdown has answered. Relaxed throughout: it publishes nothing, the connection has its
/// own ordering. A fork inherits the count and so stays initialised, as a real one keeps the device files it
/// inherited.
static INITIALISED: AtomicU32 = AtomicU32::new(0);

/// Fails when the library is not initialised.
#[inline]
pub fn check() -> Answer {
    if INITIALISED.load(Ordering::Relaxed) > 0 { Ok(()) } else { Err(NVML_ERROR_UNINITIALIZED) }
}

/// The simulation, once [`check`] has passed. A fork connects anew at its first call.
#[inline]
pub fn simulation() -> Result<&'static Simulation, nvmlReturn_t> {
    client::connect().map_err(|_| NVML_ERROR_UNKNOWN)
}

/// The known flags (do not fail without devices; do not attach) change nothing here; others are invalid.
fn initialise(flags: c_uint) -> Answer {
    if flags & !(NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH) != 0 {
        return Err(NVML_ERROR_INVALID_ARGUMENT);
    }
    client::connect().map_err(|error| match error {
        ConnectError::NoSimulation => NVML_ERROR_DRIVER_NOT_LOADED,
        ConnectError::Unreachable { .. } => NVML_ERROR_UNKNOWN,
    })?;
    utilisation::begin()?;
    INITIALISED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    fence(|| initialise(0))
}

/// The first form differs only in failing when a device is unusable, which no simulated device is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInit() -> nvmlReturn_t {
    fence(|| initialise(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInitWithFlags(flags: c_uint) -> nvmlReturn_t {
    fence(|| initialise(flags))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    fence(|| {
        INITIALISED
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1))
            .map(drop)
            .map_err(|_| NVML_ERROR_UNINITIALIZED)
    })
}
