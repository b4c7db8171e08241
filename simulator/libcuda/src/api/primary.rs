//! Primary contexts: one per device and process, counted.

use std::sync::atomic::Ordering;

use ffi_headers::cuda::*;

use crate::abi::{Out, driver_functions};
use crate::api::context::check_flags;
use crate::driver::driver;

driver_functions! {
    extern "C" fn cuDevicePrimaryCtxRetain(context: Out<CUcontext>, device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        let context = context.required()?;
        context.set(driver.retain_primary(device)?.handle())?;
    }

    extern "C" fn cuDevicePrimaryCtxRelease, extern "C" fn cuDevicePrimaryCtxRelease_v2 (device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        driver.release_primary(device)?;
    }

    extern "C" fn cuDevicePrimaryCtxReset, extern "C" fn cuDevicePrimaryCtxReset_v2 (device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        // The count stays: whoever retained it still releases it.
        let count = device.primary_count.lock();
        if device.primary.is_live() {
            driver.end(device.primary);
        }
        drop(count);
    }

    extern "C" fn cuDevicePrimaryCtxGetState(device: CUdevice, flags: Out<u32>, active: Out<i32>) {
        let device = driver()?.device(device)?;
        // Relaxed: a lone word.
        flags.set(device.primary.flags.load(Ordering::Relaxed))?;
        active.set(i32::from(device.primary.is_live()))?;
    }

    extern "C" fn cuDevicePrimaryCtxSetFlags, extern "C" fn cuDevicePrimaryCtxSetFlags_v2 (device: CUdevice, flags: u32) {
        let device = driver()?.device(device)?;
        check_flags(flags)?;
        // Relaxed: a lone word.
        device.primary.flags.store(flags, Ordering::Relaxed);
    }
}
