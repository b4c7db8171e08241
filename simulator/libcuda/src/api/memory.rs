//! Device memory: linear, pitched, managed.

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::context;
use crate::driver::{driver, in_context, memory_code};
use crate::memory::{Source, UNIT};
use crate::stream::{Stream, wait_if_busy};

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
        if ![4, 8, 16].contains(&element) || width == 0 || height == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let line = width.checked_next_multiple_of(UNIT as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        allocate(place, (line as u64).checked_mul(height as u64).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?, false)?;
        pitch.set(line)?;
    }

    extern "C" fn cuMemAllocManaged(place: Out<CUdeviceptr>, bytes: usize, flags: u32) {
        in_context()?;
        if flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        allocate(place, bytes as u64, true)?;
    }

    /// Needs no current context; waits for the work of the one that is current, as it may use the memory.
    extern "C" fn cuMemFree_v2(address: CUdeviceptr) {
        let driver = driver()?;
        if address != 0 {
            let device = driver.device_at(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            if let Some(context) = context::top().filter(|context| context.is_live()) {
                wait_if_busy(context);
            }
            if !device.space().free(address) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
    }

    extern "C" fn cuMemGetAddressRange_v2(base: Out<CUdeviceptr>, size: Out<usize>, address: CUdeviceptr) {
        let (driver, _) = in_context()?;
        let device = driver.device_at(address).ok_or(CUDA_ERROR_NOT_FOUND)?;
        let found = device.space().find(address).ok_or(CUDA_ERROR_NOT_FOUND)?;
        base.set_if_wanted(found.base);
        size.set_if_wanted(found.bytes as usize);
    }

    extern "C" fn cuMemAdvise(address: CUdeviceptr, bytes: usize, advice: CUmem_advise, _device: CUdevice) {
        check_managed(address, bytes)?;
        check_advice(advice)?;
    }

    extern "C" fn cuMemAdvise_v2(address: CUdeviceptr, bytes: usize, advice: CUmem_advise, _location: CUmemLocation) {
        check_managed(address, bytes)?;
        check_advice(advice)?;
    }

    extern "C" fn cuMemPrefetchAsync, extern "C" fn cuMemPrefetchAsync_ptsz [null] (address: CUdeviceptr, bytes: usize, _device: CUdevice, stream: CUstream) {
        Stream::resolve(stream, null)?;
        check_managed(address, bytes)?;
    }

    extern "C" fn cuMemPrefetchAsync_v2, extern "C" fn cuMemPrefetchAsync_v2_ptsz [null] (address: CUdeviceptr, bytes: usize, _location: CUmemLocation, _flags: u32, stream: CUstream) {
        Stream::resolve(stream, null)?;
        check_managed(address, bytes)?;
    }
}

fn info() -> Outcome<(u64, u64)> {
    let (driver, context) = in_context()?;
    Ok(driver.memory_info(context))
}

fn allocate(place: Out<CUdeviceptr>, bytes: u64, managed: bool) -> Outcome {
    let (driver, context) = in_context()?;
    let place = place.required()?;
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let address = driver.device_of(context).space().allocate(context.id, bytes, managed).map_err(memory_code)?;
    place.set(address)
}

/// Refuses what is not within one managed allocation.
fn check_managed(address: CUdeviceptr, bytes: usize) -> Outcome {
    let (driver, _) = in_context()?;
    let found = driver.device_at(address).and_then(|device| device.space().find(address));
    let fits = |found: crate::memory::Allocation| {
        matches!(found.source, Source::Managed(_)) && bytes > 0 && bytes as u64 <= found.bytes - (address - found.base)
    };
    if found.is_some_and(fits) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

fn check_advice(advice: CUmem_advise) -> Outcome {
    if (CU_MEM_ADVISE_SET_READ_MOSTLY..=CU_MEM_ADVISE_UNSET_ACCESSED_BY).contains(&advice) {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}
