//! Start-up, versions, and what is asked of the driver as a whole.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, driver_functions};
use crate::driver::{driver, initialise};

/// What cuDriverGetVersion says where there is no simulation: the newest modelled driver.
const VERSION_WITHOUT_DEVICE: i32 = simulator::presets::DRIVERS[0].cuda_version;

driver_functions! {
    extern "C" fn cuInit(flags: u32) {
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        initialise()?;
    }

    extern "C" fn cuDriverGetVersion(version: Out<i32>) {
        version.set(driver_version())?;
    }

    /// The tables behind this function are private to the vendor; none is imitated.
    extern "C" fn cuGetExportTable(table: Out<*const c_void>, id: In<CUuuid>) {
        id.get()?;
        table.set(std::ptr::null())?;
        Err::<(), _>(CUDA_ERROR_NOT_FOUND)?;
    }

    extern "C" fn cuProfilerStart() {
        driver()?;
    }

    extern "C" fn cuProfilerStop() {
        driver()?;
    }
}

/// CUDA version of the driver that is presented: 1000 × major + 10 × minor.
pub fn driver_version() -> i32 {
    let known = driver().map(|driver| driver.simulation);
    let found = known.or_else(|_| simulator::client::connect().map_err(|_| CUDA_ERROR_NO_DEVICE));
    found.map_or(VERSION_WITHOUT_DEVICE, |simulation| simulation.cuda_driver_version())
}
