//! Multicast objects.

use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::books::PAGE_BYTES;

use super::virtual_memory::{HANDLE_TYPES, no_flags};
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver};
use crate::memory::{Backing, Multicast, Physical, Source};

driver_functions! {
    extern "C" fn cuMulticastGetGranularity(granularity: Out<usize>, properties: In<CUmulticastObjectProp>, option: CUmulticastGranularity_flags) {
        driver()?;
        properties.get()?;
        if option > CU_MULTICAST_GRANULARITY_RECOMMENDED {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        granularity.set(PAGE_BYTES as usize)?;
    }

    extern "C" fn cuMulticastCreate(handle: Out<CUmemGenericAllocationHandle>, properties: In<CUmulticastObjectProp>) {
        let driver = driver()?;
        let place = handle.required()?;
        let properties = properties.get()?;
        no_flags(properties.flags)?;
        let size = properties.size as u64;
        if properties.numDevices == 0 || size == 0 || !size.is_multiple_of(PAGE_BYTES) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if properties.handleTypes & !u64::from(HANDLE_TYPES) != 0 {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let made = Multicast::create(driver, &properties)?;
        place.set(driver.mapped.write().retain(Backing::Multicast(Arc::new(made))))?;
    }

    extern "C" fn cuMulticastAddDevice(handle: CUmemGenericAllocationHandle, device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        let multicast = find(driver, handle)?;
        // Devices of compute capability 9.0 and higher.
        if device.info.compute_capability.0 < 9 {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        multicast.add(driver, device.index)?;
    }

    extern "C" fn cuMulticastBindMem(handle: CUmemGenericAllocationHandle, offset: usize, memory: CUmemGenericAllocationHandle, memory_offset: usize, bytes: usize, flags: u64) {
        let driver = driver()?;
        no_flags(flags)?;
        let multicast = find(driver, handle)?;
        let memory = driver.mapped.read().physical(memory)?;
        bind(driver, &multicast, offset as u64, memory, memory_offset as u64, bytes as u64)?;
    }

    extern "C" fn cuMulticastBindAddr(handle: CUmemGenericAllocationHandle, offset: usize, address: CUdeviceptr, bytes: usize, flags: u64) {
        let driver = driver()?;
        no_flags(flags)?;
        let multicast = find(driver, handle)?;
        if let Some(device) = driver.device_at(address) {
            let found = device.space().find(address).filter(|found| matches!(found.source, Source::Pool(_)));
            let found = found.ok_or(CUDA_ERROR_INVALID_VALUE)?;
            check_range(&multicast, offset as u64, bytes as u64)?;
            if !address.is_multiple_of(PAGE_BYTES) || bytes as u64 > found.bytes - (address - found.base) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            wait_for_team(driver, &multicast)?;
            return multicast.bind(device.index, offset as u64, bytes as u64, None);
        }
        let (memory, inside) = {
            let mapped = driver.mapped.read();
            let found = mapped.find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            match &found.backing {
                Backing::Memory(memory) => (Arc::clone(memory), address - found.base),
                Backing::Multicast(_) => return Err(CUDA_ERROR_INVALID_VALUE),
            }
        };
        bind(driver, &multicast, offset as u64, memory, inside, bytes as u64)?;
    }

    extern "C" fn cuMulticastUnbind(handle: CUmemGenericAllocationHandle, device: CUdevice, offset: usize, bytes: usize) {
        let driver = driver()?;
        let device = driver.device(device)?;
        let multicast = find(driver, handle)?;
        check_range(&multicast, offset as u64, bytes as u64)?;
        multicast.unbind(device.index, offset as u64, bytes as u64)?;
    }
}

fn find(driver: &Driver, handle: CUmemGenericAllocationHandle) -> Outcome<Arc<Multicast>> {
    match driver.mapped.read().backing(handle)? {
        Backing::Multicast(multicast) => Ok(multicast),
        Backing::Memory(_) => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn bind(
    driver: &'static Driver,
    multicast: &Multicast,
    offset: u64,
    memory: Arc<Physical>,
    inside: u64,
    bytes: u64,
) -> Outcome {
    check_range(multicast, offset, bytes)?;
    if !inside.is_multiple_of(PAGE_BYTES) || inside.checked_add(bytes).is_none_or(|end| end > memory.bytes) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // An object that may leave the process binds only memory that may.
    if multicast.handle_types != 0 && memory.properties.handle_types == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = memory.device().ok_or(CUDA_ERROR_INVALID_DEVICE)?;
    wait_for_team(driver, multicast)?;
    multicast.bind(device, offset, bytes, Some(memory))
}

fn check_range(multicast: &Multicast, offset: u64, bytes: u64) -> Outcome {
    let whole = offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES) && bytes > 0;
    if whole && offset.checked_add(bytes).is_some_and(|end| end <= multicast.bytes) {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

/// The vendor's driver waits until all devices have been added; the model says at once that they have not.
fn wait_for_team(driver: &'static Driver, multicast: &Multicast) -> Outcome {
    if multicast.is_complete(driver) { Ok(()) } else { Err(CUDA_ERROR_ILLEGAL_STATE) }
}
