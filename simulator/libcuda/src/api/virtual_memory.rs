//! Virtual memory management: addresses and physical memory apart.

use std::ffi::c_void;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::books::PAGE_BYTES;
use simulator::client::Opened;
use simulator::protocol::Key;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver};
use crate::memory::{Backing, Physical, Properties, share_code};
use crate::token::Token;

/// Forms in which memory can be handed to other processes.
pub const HANDLE_TYPES: CUmemAllocationHandleType =
    CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR | CU_MEM_HANDLE_TYPE_FABRIC;

driver_functions! {
    extern "C" fn cuMemAddressReserve(place: Out<CUdeviceptr>, bytes: usize, align: usize, hint: CUdeviceptr, flags: u64) {
        let driver = driver()?;
        let place = place.required()?;
        no_flags(flags)?;
        place.set(driver.mapped.write().reserve(bytes as u64, align as u64, hint)?)?;
    }

    extern "C" fn cuMemAddressFree(address: CUdeviceptr, bytes: usize) {
        driver()?.mapped.write().free_reservation(address, bytes as u64)?;
    }

    extern "C" fn cuMemCreate(handle: Out<CUmemGenericAllocationHandle>, bytes: usize, properties: In<CUmemAllocationProp>, flags: u64) {
        let driver = driver()?;
        let place = handle.required()?;
        let properties = properties.get()?;
        no_flags(flags)?;
        check_properties(driver, &properties)?;
        if bytes == 0 || !(bytes as u64).is_multiple_of(PAGE_BYTES) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let made = Physical::create(driver, Properties::of(&properties), bytes as u64)?;
        place.set(driver.mapped.write().retain(Backing::Memory(Arc::new(made))))?;
    }

    extern "C" fn cuMemRelease(handle: CUmemGenericAllocationHandle) {
        driver()?.mapped.write().release(handle)?;
    }

    extern "C" fn cuMemRetainAllocationHandle(handle: Out<CUmemGenericAllocationHandle>, address: *mut c_void) {
        let driver = driver()?;
        let place = handle.required()?;
        let mut mapped = driver.mapped.write();
        let found = mapped.find(address as u64).filter(|mapped| mapped.role == crate::memory::Role::Virtual);
        let backing = found.ok_or(CUDA_ERROR_INVALID_VALUE)?.backing.clone();
        place.set(mapped.retain(backing))?;
    }

    extern "C" fn cuMemMap(address: CUdeviceptr, bytes: usize, offset: usize, handle: CUmemGenericAllocationHandle, flags: u64) {
        let driver = driver()?;
        no_flags(flags)?;
        // The vendor's manual: must be zero for now.
        if offset != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let mut mapped = driver.mapped.write();
        let backing = mapped.backing(handle)?;
        if matches!(&backing, Backing::Multicast(multicast) if !multicast.is_complete(driver)) {
            return Err(CUDA_ERROR_ILLEGAL_STATE);
        }
        mapped.map(address, bytes as u64, backing)?;
    }

    extern "C" fn cuMemUnmap(address: CUdeviceptr, bytes: usize) {
        let driver = driver()?;
        // Work that is under way may use the memory.
        if let Some(context) = crate::context::top().filter(|context| context.is_live()) {
            crate::stream::wait_if_busy(driver, context)?;
        }
        driver.mapped.write().unmap(address, bytes as u64)?;
    }

    extern "C" fn cuMemSetAccess(address: CUdeviceptr, bytes: usize, access: In<CUmemAccessDesc>, count: usize) {
        let driver = driver()?;
        if access.address().is_null() || count == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let access = access.slice(count);
        for entry in &access {
            check_location(driver, &entry.location)?;
            let known = [CU_MEM_ACCESS_FLAGS_PROT_NONE, CU_MEM_ACCESS_FLAGS_PROT_READ, CU_MEM_ACCESS_FLAGS_PROT_READWRITE];
            if !known.contains(&entry.flags) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
        driver.mapped.write().set_access(address, bytes as u64, &access)?;
    }

    extern "C" fn cuMemGetAccess(flags: Out<u64>, location: In<CUmemLocation>, address: CUdeviceptr) {
        let driver = driver()?;
        let location = location.get()?;
        check_location(driver, &location)?;
        let mapped = driver.mapped.read();
        let found = mapped.find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        flags.set(u64::from(found.access(&location)))?;
    }

    extern "C" fn cuMemGetAllocationGranularity(granularity: Out<usize>, properties: In<CUmemAllocationProp>, option: CUmemAllocationGranularity_flags) {
        let driver = driver()?;
        check_properties(driver, &properties.get()?)?;
        if option != CU_MEM_ALLOC_GRANULARITY_MINIMUM && option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        granularity.set(PAGE_BYTES as usize)?;
    }

    extern "C" fn cuMemGetAllocationPropertiesFromHandle(properties: Out<CUmemAllocationProp>, handle: CUmemGenericAllocationHandle) {
        let driver = driver()?;
        let physical = driver.mapped.read().physical(handle)?;
        properties.set(physical.properties.as_given())?;
    }

    extern "C" fn cuMemExportToShareableHandle(place: Out<c_void>, handle: CUmemGenericAllocationHandle, kind: CUmemAllocationHandleType, flags: u64) {
        let driver = driver()?;
        let place = place.required()?;
        no_flags(flags)?;
        let mut mapped = driver.mapped.write();
        let backing = mapped.backing(handle)?;
        let allowed = match &backing {
            Backing::Memory(memory) => memory.properties.handle_types,
            Backing::Multicast(multicast) => multicast.handle_types as u32,
        };
        if !kind.is_power_of_two() || allowed & kind == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let key = match &backing {
            Backing::Memory(memory) => memory.share(driver)?,
            Backing::Multicast(multicast) => multicast.key().ok_or(CUDA_ERROR_INVALID_VALUE)?,
        };
        mapped.export(key.object, &backing);
        hand_out(driver, key, kind, place)?;
    }

    extern "C" fn cuMemImportFromShareableHandle(handle: Out<CUmemGenericAllocationHandle>, given: *mut c_void, kind: CUmemAllocationHandleType) {
        let driver = driver()?;
        let place = handle.required()?;
        let mut mapped = driver.mapped.write();
        let opened = take_in(driver, given, kind)?;
        place.set(mapped.import(driver, opened)?)?;
    }
}

/// Writes the form of an object that another process can take in: a descriptor, or 64 bytes.
pub fn hand_out(driver: &Driver, key: Key, kind: CUmemAllocationHandleType, place: Out<c_void>) -> Outcome {
    if kind == CU_MEM_HANDLE_TYPE_FABRIC {
        return place.of::<[u8; 64]>().set(Token { key, place: [0; 3] }.bytes());
    }
    let descriptor = driver.simulation.export(key.object).map_err(share_code)?;
    place.of::<i32>().set(descriptor.into_raw_fd())
}

/// Opens what [`hand_out`] wrote: `given` is the descriptor itself, or the address of the bytes.
pub fn take_in(driver: &Driver, given: *mut c_void, kind: CUmemAllocationHandleType) -> Outcome<Opened> {
    let opened = match kind {
        CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR => {
            let descriptor = i32::try_from(given as usize).ok().and_then(copy_of_descriptor);
            driver.simulation.import(descriptor.ok_or(CUDA_ERROR_INVALID_VALUE)?.as_fd())
        }
        CU_MEM_HANDLE_TYPE_FABRIC => {
            let token = Token::read(Out::from_raw(given).of().get()?).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            driver.simulation.open_shared(token.key)
        }
        _ => return Err(CUDA_ERROR_NOT_SUPPORTED),
    };
    // The manual's word for a handle that is none: not a valid value.
    opened.map_err(|error| match share_code(error) {
        CUDA_ERROR_INVALID_HANDLE => CUDA_ERROR_INVALID_VALUE,
        code => code,
    })
}

/// A descriptor of our own for what is open as `number` in this process.
fn copy_of_descriptor(number: i32) -> Option<OwnedFd> {
    if number < 0 {
        return None;
    }
    // SAFETY: duplicating reads nothing but the process's table of descriptors; a number that is not open is an error.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    // SAFETY: made a moment ago, so nothing else owns it.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

pub fn no_flags(flags: u64) -> Outcome {
    if flags == 0 { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// Refuses what is not a place for memory. The host counts as one node, number 0.
fn check_location(driver: &Driver, location: &CUmemLocation) -> Outcome {
    match location.type_ {
        CU_MEM_LOCATION_TYPE_DEVICE => driver.device(location.id).map(|_| ()),
        CU_MEM_LOCATION_TYPE_HOST | CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT => Ok(()),
        CU_MEM_LOCATION_TYPE_HOST_NUMA if location.id == 0 => Ok(()),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn check_properties(driver: &Driver, properties: &CUmemAllocationProp) -> Outcome {
    if properties.type_ != CU_MEM_ALLOCATION_TYPE_PINNED {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if properties.requestedHandleTypes & !HANDLE_TYPES != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    check_location(driver, &properties.location)
}
