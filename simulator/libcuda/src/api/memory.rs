//! Device memory: linear, pitched, managed.

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::context;
use crate::driver::{driver, in_context, memory_code};
use crate::graph::capture::unsafe_call;
use crate::memory::UNIT;
use crate::stream::wait_if_busy;

driver_functions! {
    extern "C" fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        let (free_bytes, total_bytes) = info()?;
        free.set_if_wanted(free_bytes as usize);
        total.set_if_wanted(total_bytes as usize);
    }

    extern "C" fn cuMemGetInfo(free: Out<u32>, total: Out<u32>) {
        let (free_bytes, total_bytes) = info()?;
        free.set_if_wanted(u32::try_from(free_bytes).unwrap_or(u32::MAX));
        total.set_if_wanted(u32::try_from(total_bytes).unwrap_or(u32::MAX));
    }

    extern "C" fn cuMemAlloc_v2(place: Out<CUdeviceptr>, bytes: usize) {
        allocate(place, bytes as u64, false)?;
    }

    extern "C" fn cuMemAllocPitch_v2(place: Out<CUdeviceptr>, pitch: Out<usize>, width: usize, height: usize, element: u32) {
        in_context()?;
        let pitch = pitch.required()?;
        let (line, bytes) = pitched(width, height, element)?;
        allocate(place, bytes, false)?;
        pitch.set(line)?;
    }

    extern "C" fn cuMemAllocManaged(place: Out<CUdeviceptr>, bytes: usize, flags: u32) {
        in_context()?;
        if flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        allocate(place, bytes as u64, true)?;
    }

    extern "C" fn cuMemFree_v2(address: CUdeviceptr) {
        free(address)?;
    }

    extern "C" fn cuMemGetAddressRange_v2(base: Out<CUdeviceptr>, size: Out<usize>, address: CUdeviceptr) {
        let (start, bytes) = address_range(address)?;
        base.set_if_wanted(start);
        size.set_if_wanted(bytes as usize);
    }
}

fn info() -> Outcome<(u64, u64)> {
    let (driver, context) = in_context()?;
    Ok(driver.memory_info(context))
}

fn allocate(place: Out<CUdeviceptr>, bytes: u64, managed: bool) -> Outcome {
    let (driver, context) = in_context()?;
    unsafe_call(driver)?;
    let place = place.required()?;
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let address = driver.device_of(context).space().allocate(context.id, bytes, managed).map_err(memory_code)?;
    place.set(address)
}

/// First address and size of the allocation that holds `address`.
pub(super) fn address_range(address: CUdeviceptr) -> Outcome<(CUdeviceptr, u64)> {
    let (driver, _) = in_context()?;
    let found = match driver.device_at(address) {
        Some(device) => device.space_at(address).find(address).map(|found| (found.base, found.bytes)),
        None => driver.mapped.read().find(address).map(|found| (found.base, found.bytes)),
    };
    found.ok_or(CUDA_ERROR_NOT_FOUND)
}

/// Bytes of a line, and of all lines, of a pitched allocation.
pub(super) fn pitched(width: usize, height: usize, element: u32) -> Outcome<(usize, u64)> {
    if ![4, 8, 16].contains(&element) || width == 0 || height == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let line = width.checked_next_multiple_of(UNIT as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    Ok((line, (line as u64).checked_mul(height as u64).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?))
}

/// Needs no current context; waits for the work of the one that is current, as it may use the memory.
pub(super) fn free(address: CUdeviceptr) -> Outcome {
    let driver = driver()?;
    if address == 0 {
        return Ok(());
    }
    unsafe_call(driver)?;
    let device = driver.device_at(address);
    if let Some(context) = context::top().filter(|context| context.is_live()) {
        wait_if_busy(driver, context)?;
    }
    let freed = match device {
        Some(device) => device.space_at(address).free(address),
        None => driver.mapped.write().close_pointer(address),
    };
    if freed { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
