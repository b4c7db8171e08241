//! Memory calls in the forms before CUDA 3.2: sizes and device addresses have 32 bits.
//!
//! What they allocate lies at addresses that fit, of which a device has few. An address that does not fit is an error.

use std::ffi::{c_char, c_void};

use ffi_headers::cuda::*;

use super::memory::{address_range, free, pitched};
use super::memset::fill;
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{driver, in_context, memory_code};
use crate::stream::NullStream;

const NULL: NullStream = NullStream::Legacy;
const DEFAULT: CUstream = std::ptr::null_mut();

driver_functions! {
    extern "C" fn cuMemAlloc(place: Out<CUdeviceptr_v1>, bytes: u32) {
        allocate(place, bytes.into())?;
    }

    extern "C" fn cuMemAllocPitch(place: Out<CUdeviceptr_v1>, pitch: Out<u32>, width: u32, height: u32, element: u32) {
        in_context()?;
        let pitch = pitch.required()?;
        let (line, bytes) = pitched(width as usize, height as usize, element)?;
        let line = u32::try_from(line).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        allocate(place, bytes)?;
        pitch.set(line)?;
    }

    extern "C" fn cuMemFree(address: CUdeviceptr_v1) {
        free(address.into())?;
    }

    extern "C" fn cuMemGetAddressRange(base: Out<CUdeviceptr_v1>, size: Out<u32>, address: CUdeviceptr_v1) {
        let (start, bytes) = address_range(address.into())?;
        base.set_if_wanted(narrow(start)?);
        size.set_if_wanted(narrow(bytes)?);
    }

    extern "C" fn cuMemAllocHost(place: Out<*mut c_void>, bytes: u32) {
        super::host_memory::allocate(place, bytes as usize, 0)?;
    }

    extern "C" fn cuMemHostGetDevicePointer(place: Out<CUdeviceptr_v1>, address: *mut c_void, flags: u32) {
        let (driver, _) = in_context()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        driver.host.lock().find(address as u64).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        place.required()?.set(narrow(address as u64)?)?;
    }

    extern "C" fn cuModuleGetGlobal(address: Out<CUdeviceptr_v1>, bytes: Out<u32>, module: CUmodule, name: In<c_char>) {
        let driver = driver()?;
        let module = driver.modules.get(module).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let (start, size) = module.global(driver, name.text()?)?;
        if !address.is_null() {
            address.set(narrow(start)?)?;
        }
        bytes.set_if_wanted(narrow(size as u64)?);
    }

    extern "C" fn cuMemsetD8(target: CUdeviceptr_v1, value: u8, count: u32) {
        fill(target.into(), 0, value, count as usize, 1, DEFAULT, NULL)?;
    }

    extern "C" fn cuMemsetD16(target: CUdeviceptr_v1, value: u16, count: u32) {
        fill(target.into(), 0, value, count as usize, 1, DEFAULT, NULL)?;
    }

    extern "C" fn cuMemsetD32(target: CUdeviceptr_v1, value: u32, count: u32) {
        fill(target.into(), 0, value, count as usize, 1, DEFAULT, NULL)?;
    }

    extern "C" fn cuMemsetD2D8(target: CUdeviceptr_v1, pitch: u32, value: u8, width: u32, height: u32) {
        fill(target.into(), pitch as usize, value, width as usize, height as usize, DEFAULT, NULL)?;
    }

    extern "C" fn cuMemsetD2D16(target: CUdeviceptr_v1, pitch: u32, value: u16, width: u32, height: u32) {
        fill(target.into(), pitch as usize, value, width as usize, height as usize, DEFAULT, NULL)?;
    }

    extern "C" fn cuMemsetD2D32(target: CUdeviceptr_v1, pitch: u32, value: u32, width: u32, height: u32) {
        fill(target.into(), pitch as usize, value, width as usize, height as usize, DEFAULT, NULL)?;
    }
}

fn allocate(place: Out<CUdeviceptr_v1>, bytes: u64) -> Outcome {
    let (driver, context) = in_context()?;
    let place = place.required()?;
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut space = driver.device_of(context).low_space(driver.simulation)?;
    let address = space.allocate(context.id, bytes, false).map_err(memory_code)?;
    drop(space);
    place.set(narrow(address)?)
}

/// An address or a size in 32 bits; "out of memory" where it does not fit, as the vendor documents no code of its own.
fn narrow(value: u64) -> Outcome<u32> {
    u32::try_from(value).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)
}
