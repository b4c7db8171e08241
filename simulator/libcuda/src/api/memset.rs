//! Fills of device memory in one and two dimensions.

use ffi_headers::cuda::*;

use crate::abi::{Outcome, driver_functions};
use crate::fill::Fill;
use crate::graph::{Action, capture};
use crate::stream::{NullStream, Stream};

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
pub(super) fn fill<T: Into<u32>>(
    target: u64,
    pitch: usize,
    value: T,
    width: usize,
    height: usize,
    stream: CUstream,
    null: NullStream,
) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let elementSize = size_of::<T>() as u32;
    let parameters = CUDA_MEMSET_NODE_PARAMS { dst: target, pitch, value: value.into(), elementSize, width, height };
    if capture::add(driver, &stream, || Ok(Action::Fill(parameters)))? {
        return Ok(());
    }
    let Some(fill) = Fill::of(driver, &parameters)? else { return Ok(()) };
    stream.wait_for_host_calls();
    stream.submit(fill.work(driver.device_of(stream.context).info));
    fill.run();
    Ok(())
}
