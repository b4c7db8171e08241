//! Page-locked host memory.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{driver, in_context};
use crate::graph::capture::unsafe_call;

const ALLOCATION_FLAGS: u32 = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
const REGISTRATION_FLAGS: u32 = CU_MEMHOSTREGISTER_PORTABLE
    | CU_MEMHOSTREGISTER_DEVICEMAP
    | CU_MEMHOSTREGISTER_IOMEMORY
    | CU_MEMHOSTREGISTER_READ_ONLY;

driver_functions! {
    extern "C" fn cuMemAllocHost_v2(place: Out<*mut c_void>, bytes: usize) {
        allocate(place, bytes, 0)?;
    }

    extern "C" fn cuMemHostAlloc(place: Out<*mut c_void>, bytes: usize, flags: u32) {
        allocate(place, bytes, flags)?;
    }

    extern "C" fn cuMemFreeHost(address: *mut c_void) {
        let driver = driver()?;
        unsafe_call(driver)?;
        driver.host.lock().free(address as u64)?;
    }

    extern "C" fn cuMemHostRegister, extern "C" fn cuMemHostRegister_v2 (address: *mut c_void, bytes: usize, flags: u32) {
        let (driver, _) = in_context()?;
        unsafe_call(driver)?;
        if flags & !REGISTRATION_FLAGS != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        driver.host.lock().register(address as u64, bytes, flags)?;
    }

    extern "C" fn cuMemHostUnregister(address: *mut c_void) {
        let (driver, _) = in_context()?;
        unsafe_call(driver)?;
        driver.host.lock().unregister(address as u64)?;
    }

    extern "C" fn cuMemHostGetDevicePointer_v2(place: Out<CUdeviceptr>, address: *mut c_void, flags: u32) {
        let (driver, _) = in_context()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        driver.host.lock().find(address as u64).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        place.set(address as CUdeviceptr)?;
    }

    extern "C" fn cuMemHostGetFlags(flags: Out<u32>, address: *mut c_void) {
        let (driver, _) = in_context()?;
        let range = driver.host.lock().find(address as u64).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        // With unified addressing every allocation is mapped and portable.
        let implied = if range.allocated { CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP } else { 0 };
        flags.set(range.flags | implied)?;
    }
}

pub(super) fn allocate(place: Out<*mut c_void>, bytes: usize, flags: u32) -> Outcome {
    let (driver, _) = in_context()?;
    unsafe_call(driver)?;
    let place = place.required()?;
    if flags & !ALLOCATION_FLAGS != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let address = driver.host.lock().allocate(bytes, flags)?;
    place.set(address as *mut c_void)
}
