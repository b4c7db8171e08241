//! Memory of other interfaces, by descriptors of files. Semaphores of other interfaces are not modelled.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use ffi_headers::cuda::*;

use super::array::insert_mipmap;
use super::virtual_memory::no_flags;
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::array::Mipmap;
use crate::driver::{Driver, driver, in_context};
use crate::memory::{ExternalMemory, Physical, Role};

driver_functions! {
    /// The descriptor belongs to the driver from then on.
    extern "C" fn cuImportExternalMemory(place: Out<CUexternalMemory>, handle: In<CUDA_EXTERNAL_MEMORY_HANDLE_DESC>) {
        let (driver, context) = in_context()?;
        let place = place.required()?;
        let given = handle.get()?;
        no_flags(u64::from(given.flags & !CUDA_EXTERNAL_MEMORY_DEDICATED))?;
        if given.type_ != CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        // SAFETY: the type says which member is set.
        let descriptor = unsafe { given.handle.fd };
        let memory = import(driver, descriptor, given.size, context.device)?;
        place.set(driver.external.insert(Arc::new(memory)))?;
    }

    /// What is mapped stays until it is freed.
    extern "C" fn cuDestroyExternalMemory(memory: CUexternalMemory) {
        driver()?.external.remove(memory).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }

    /// Freed by cuMemFree.
    extern "C" fn cuExternalMemoryGetMappedBuffer(address: Out<CUdeviceptr>, memory: CUexternalMemory, buffer: In<CUDA_EXTERNAL_MEMORY_BUFFER_DESC>) {
        let (driver, context) = in_context()?;
        let place = address.required()?;
        let memory = driver.external.get(memory).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let wanted = buffer.get()?;
        no_flags(wanted.flags.into())?;
        let end = wanted.offset.checked_add(wanted.size);
        if wanted.size == 0 || end.is_none_or(|end| end > memory.bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: context.device as CUdevice };
        let range = (wanted.offset, wanted.size);
        place.set(driver.mapped.write().show(Arc::clone(&memory.memory), range, Role::External, location)?)?;
    }

    /// Laid out as other arrays of the model are; which layout another interface has, its documents say.
    extern "C" fn cuExternalMemoryGetMappedMipmappedArray(mipmap: Out<CUmipmappedArray>, memory: CUexternalMemory, array: In<CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC>) {
        let (driver, context) = in_context()?;
        let place = mipmap.required()?;
        let memory = driver.external.get(memory).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let wanted = array.get()?;
        let (shape, range) = ((&wanted.arrayDesc, wanted.numLevels), (wanted.offset, memory.bytes));
        let made = Mipmap::within(driver, context, shape, Arc::clone(&memory.memory), range)?;
        place.set(insert_mipmap(driver, made))?;
    }
}

/// What a descriptor stands for: memory of cuMemCreate, which keeps its pages, or any other file that can be mapped.
fn import(driver: &Driver, descriptor: i32, bytes: u64, device: usize) -> Outcome<ExternalMemory> {
    // SAFETY: asking for a descriptor's flags reads nothing but the process's table of descriptors.
    if bytes == 0 || descriptor < 0 || unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: open, and given to the driver by the API's contract; given back below if the import fails.
    let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let memory = match driver.simulation.import(file.as_fd()) {
        Ok(opened) => Physical::imported(driver, opened),
        Err(_) => Ok(Physical::external(file.try_clone().map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)?, bytes, device)),
    };
    let fits = |memory: &Physical| file_bytes(&memory.file).is_some_and(|all| memory.offset + bytes <= all);
    match memory.and_then(|memory| if fits(&memory) { Ok(memory) } else { Err(CUDA_ERROR_INVALID_VALUE) }) {
        Ok(memory) if bytes <= memory.bytes => Ok(ExternalMemory { memory: Arc::new(memory), bytes }),
        refused => {
            // It stays the program's.
            std::mem::forget(file);
            Err(refused.err().unwrap_or(CUDA_ERROR_INVALID_VALUE))
        }
    }
}

fn file_bytes(file: &OwnedFd) -> Option<u64> {
    std::fs::File::from(file.try_clone().ok()?).metadata().ok().map(|data| data.len())
}
