//! Fills of device memory in one and two dimensions.

use ffi_headers::cuda::*;

use crate::abi::{Outcome, driver_functions};
use crate::copy::{self, Side};
use crate::stream::{NullStream, Stream};
use crate::timeline::Work;

const DEFAULT: CUstream = std::ptr::null_mut();

driver_functions! {
    extern "C" fn cuMemsetD8_v2, extern "C" fn cuMemsetD8_v2_ptds [null] (target: CUdeviceptr, value: u8, count: usize) {
        fill(target, 0, value, count, 1, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD16_v2, extern "C" fn cuMemsetD16_v2_ptds [null] (target: CUdeviceptr, value: u16, count: usize) {
        fill(target, 0, value, count, 1, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD32_v2, extern "C" fn cuMemsetD32_v2_ptds [null] (target: CUdeviceptr, value: u32, count: usize) {
        fill(target, 0, value, count, 1, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD8Async, extern "C" fn cuMemsetD8Async_ptsz [null] (target: CUdeviceptr, value: u8, count: usize, stream: CUstream) {
        fill(target, 0, value, count, 1, stream, null)?;
    }

    extern "C" fn cuMemsetD16Async, extern "C" fn cuMemsetD16Async_ptsz [null] (target: CUdeviceptr, value: u16, count: usize, stream: CUstream) {
        fill(target, 0, value, count, 1, stream, null)?;
    }

    extern "C" fn cuMemsetD32Async, extern "C" fn cuMemsetD32Async_ptsz [null] (target: CUdeviceptr, value: u32, count: usize, stream: CUstream) {
        fill(target, 0, value, count, 1, stream, null)?;
    }

    extern "C" fn cuMemsetD2D8_v2, extern "C" fn cuMemsetD2D8_v2_ptds [null] (target: CUdeviceptr, pitch: usize, value: u8, width: usize, height: usize) {
        fill(target, pitch, value, width, height, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD2D16_v2, extern "C" fn cuMemsetD2D16_v2_ptds [null] (target: CUdeviceptr, pitch: usize, value: u16, width: usize, height: usize) {
        fill(target, pitch, value, width, height, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD2D32_v2, extern "C" fn cuMemsetD2D32_v2_ptds [null] (target: CUdeviceptr, pitch: usize, value: u32, width: usize, height: usize) {
        fill(target, pitch, value, width, height, DEFAULT, null)?;
    }

    extern "C" fn cuMemsetD2D8Async, extern "C" fn cuMemsetD2D8Async_ptsz [null] (target: CUdeviceptr, pitch: usize, value: u8, width: usize, height: usize, stream: CUstream) {
        fill(target, pitch, value, width, height, stream, null)?;
    }

    extern "C" fn cuMemsetD2D16Async, extern "C" fn cuMemsetD2D16Async_ptsz [null] (target: CUdeviceptr, pitch: usize, value: u16, width: usize, height: usize, stream: CUstream) {
        fill(target, pitch, value, width, height, stream, null)?;
    }

    extern "C" fn cuMemsetD2D32Async, extern "C" fn cuMemsetD2D32Async_ptsz [null] (target: CUdeviceptr, pitch: usize, value: u32, width: usize, height: usize, stream: CUstream) {
        fill(target, pitch, value, width, height, stream, null)?;
    }
}

/// Fills `height` lines of `width` elements that begin `pitch` bytes apart. No form waits: a fill is device work.
fn fill<T: Copy>(
    target: u64,
    pitch: usize,
    value: T,
    width: usize,
    height: usize,
    stream: CUstream,
    null: NullStream,
) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    if width == 0 || height == 0 {
        return Ok(());
    }
    let line = width.checked_mul(size_of::<T>()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if (height > 1 && pitch < line) || !target.is_multiple_of(size_of::<T>() as u64) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let reach =
        pitch.checked_mul(height - 1).and_then(|lines| lines.checked_add(line)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    copy::check(driver, Side::Device, target, reach as u64, true)?;
    stream.wait_for_host_calls();
    driver.device_of(stream.context).submit(driver, &stream, Work::Fill((line * height) as u64));
    for index in 0..height {
        copy::fill(target + (index * pitch) as u64, value, width);
    }
    Ok(())
}
