//! Stream-ordered allocation and its pools.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ffi_headers::cuda::*;

use super::graph_node::free_action;
use super::virtual_memory::HANDLE_TYPES;
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Device, Driver, driver, memory_code};
use crate::graph::{Action, capture};
use crate::memory::PoolHandle;
use crate::stream::Stream;

driver_functions! {
    extern "C" fn cuMemAllocAsync, extern "C" fn cuMemAllocAsync_ptsz [null] (place: Out<CUdeviceptr>, bytes: usize, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let pool = driver.device_of(stream.context).pool.lock().clone();
        if !captured(driver, &stream, &pool, place, bytes)? {
            allocate(driver, &pool, place, bytes)?;
        }
    }

    extern "C" fn cuMemAllocFromPoolAsync, extern "C" fn cuMemAllocFromPoolAsync_ptsz [null] (place: Out<CUdeviceptr>, bytes: usize, pool: CUmemoryPool, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let pool = find(driver, pool)?;
        if !captured(driver, &stream, &pool, place, bytes)? {
            allocate(driver, &pool, place, bytes)?;
        }
    }

    /// Takes memory of any source, as the vendor documents; in a capture, memory of a graph only.
    extern "C" fn cuMemFreeAsync, extern "C" fn cuMemFreeAsync_ptsz [null] (address: CUdeviceptr, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        if address != 0 && !capture::add(driver, &stream, || free_action(driver, address))? {
            let freed = match driver.device_at(address) {
                Some(device) => device.space_at(address).free(address),
                None => driver.mapped.write().close_pointer(address),
            };
            if !freed {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
    }

    extern "C" fn cuDeviceGetDefaultMemPool(pool: Out<CUmemoryPool>, device: CUdevice) {
        let device = driver()?.device(device)?;
        pool.set(handle(&device.default_pool))?;
    }

    extern "C" fn cuDeviceGetMemPool(pool: Out<CUmemoryPool>, device: CUdevice) {
        let device = driver()?.device(device)?;
        pool.set(handle(&device.pool.lock()))?;
    }

    extern "C" fn cuDeviceSetMemPool(device: CUdevice, pool: CUmemoryPool) {
        set_pool(driver()?.device(device)?, pool)?;
    }

    extern "C" fn cuMemGetDefaultMemPool(pool: Out<CUmemoryPool>, location: Out<CUmemLocation>, kind: CUmemAllocationType) {
        pool.set(handle(&device_of(location, kind)?.default_pool))?;
    }

    extern "C" fn cuMemGetMemPool(pool: Out<CUmemoryPool>, location: Out<CUmemLocation>, kind: CUmemAllocationType) {
        pool.set(handle(&device_of(location, kind)?.pool.lock()))?;
    }

    extern "C" fn cuMemSetMemPool(location: Out<CUmemLocation>, kind: CUmemAllocationType, pool: CUmemoryPool) {
        set_pool(device_of(location, kind)?, pool)?;
    }

    extern "C" fn cuMemPoolCreate(pool: Out<CUmemoryPool>, properties: In<CUmemPoolProps>) {
        let driver = driver()?;
        let properties = properties.get()?;
        let place = pool.required()?;
        if properties.allocType != CU_MEM_ALLOCATION_TYPE_PINNED || properties.location.type_ != CU_MEM_LOCATION_TYPE_DEVICE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if properties.handleTypes & !HANDLE_TYPES != 0 {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let device = driver.device(properties.location.id)?;
        let made = PoolHandle::new(device.index, driver.fresh_id()?, properties.handleTypes);
        device.space().add_pool(made.id, properties.maxSize as u64);
        place.set(driver.pools.insert(Arc::new(made)))?;
    }

    /// The device's own pool stays; another one that was current gives way to it.
    extern "C" fn cuMemPoolDestroy(pool: CUmemoryPool) {
        let driver = driver()?;
        let found = find(driver, pool)?;
        let device = &driver.devices[found.device];
        if Arc::ptr_eq(&found, &device.default_pool) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        driver.pools.remove(pool);
        let mut current = device.pool.lock();
        if Arc::ptr_eq(&found, &current) {
            *current = Arc::clone(&device.default_pool);
        }
        drop(current);
        device.space().remove_pool(found.id);
    }

    extern "C" fn cuMemPoolTrimTo(pool: CUmemoryPool, keep: usize) {
        let driver = driver()?;
        let pool = find(driver, pool)?;
        driver.devices[pool.device].space().trim_pool(pool.id, keep as u64);
    }

    extern "C" fn cuMemPoolGetAttribute(pool: CUmemoryPool, attribute: CUmemPool_attribute, value: Out<c_void>) {
        let driver = driver()?;
        let pool = find(driver, pool)?;
        let mut space = driver.devices[pool.device].space();
        let figures = *space.pool_figures(pool.id).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        drop(space);
        let wide = value.of::<u64>();
        match attribute {
            CU_MEMPOOL_ATTR_RELEASE_THRESHOLD => wide.set(figures.release_threshold)?,
            CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT => wide.set(figures.reserved)?,
            CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH => wide.set(figures.reserved_high)?,
            CU_MEMPOOL_ATTR_USED_MEM_CURRENT => wide.set(figures.used)?,
            CU_MEMPOOL_ATTR_USED_MEM_HIGH => wide.set(figures.used_high)?,
            // Relaxed: a lone word.
            _ => value.of::<u32>().set(pool.reuse[reuse_index(attribute)?].load(Ordering::Relaxed))?,
        }
    }

    extern "C" fn cuMemPoolSetAttribute(pool: CUmemoryPool, attribute: CUmemPool_attribute, value: Out<c_void>) {
        let driver = driver()?;
        let pool = find(driver, pool)?;
        value.required()?;
        let mut space = driver.devices[pool.device].space();
        let figures = space.pool_figures(pool.id).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        match attribute {
            CU_MEMPOOL_ATTR_RELEASE_THRESHOLD => figures.release_threshold = value.of::<u64>().get()?,
            // A high mark can only be reset, to what is now.
            CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH | CU_MEMPOOL_ATTR_USED_MEM_HIGH if value.of::<u64>().get()? != 0 => {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH => figures.reserved_high = figures.reserved,
            CU_MEMPOOL_ATTR_USED_MEM_HIGH => figures.used_high = figures.used,
            // Relaxed: a lone word.
            _ => pool.reuse[reuse_index(attribute)?].store(value.of::<u32>().get()?, Ordering::Relaxed),
        }
    }

    extern "C" fn cuMemPoolSetAccess(pool: CUmemoryPool, access: In<CUmemAccessDesc>, count: usize) {
        let driver = driver()?;
        let pool = find(driver, pool)?;
        let entries = access.slice(count);
        for entry in &entries {
            let device = driver.device(entry.location.id)?;
            let known = [CU_MEM_ACCESS_FLAGS_PROT_NONE, CU_MEM_ACCESS_FLAGS_PROT_READ, CU_MEM_ACCESS_FLAGS_PROT_READWRITE];
            // The device on which the memory lies cannot lose its access.
            let lost = device.index == pool.device && entry.flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
            if entry.location.type_ != CU_MEM_LOCATION_TYPE_DEVICE || lost || !known.contains(&entry.flags) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
        entries.iter().for_each(|entry| pool.set_access(entry.location.id as usize, entry.flags));
    }

    extern "C" fn cuMemPoolGetAccess(flags: Out<CUmemAccess_flags>, pool: CUmemoryPool, location: Out<CUmemLocation>) {
        let driver = driver()?;
        let pool = find(driver, pool)?;
        let location = location.get()?;
        if location.type_ != CU_MEM_LOCATION_TYPE_DEVICE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        flags.set(pool.access(driver.device(location.id)?.index))?;
    }
}

pub(super) fn find(driver: &Driver, pool: CUmemoryPool) -> Outcome<Arc<PoolHandle>> {
    driver.pools.get(pool).ok_or(CUDA_ERROR_INVALID_VALUE)
}

fn handle(pool: &Arc<PoolHandle>) -> CUmemoryPool {
    Arc::as_ptr(pool).cast_mut().cast()
}

fn allocate(driver: &Driver, pool: &PoolHandle, place: Out<CUdeviceptr>, bytes: usize) -> Outcome {
    let place = place.required()?;
    if bytes == 0 || pool.is_imported() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut space = driver.devices[pool.device].space();
    place.set(space.allocate_from_pool(pool.id, bytes as u64).map_err(memory_code)?)
}

/// Makes an allocation node if the stream is captured.
fn captured(
    driver: &Driver,
    stream: &Arc<Stream>,
    pool: &PoolHandle,
    place: Out<CUdeviceptr>,
    bytes: usize,
) -> Outcome<bool> {
    capture::add(driver, stream, || {
        let place = place.required()?;
        let mut properties = CUmemPoolProps { allocType: CU_MEM_ALLOCATION_TYPE_PINNED, ..Default::default() };
        properties.location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: pool.device as CUdevice };
        let (action, address) = Action::allocate(driver, properties, Vec::new(), bytes)?;
        place.set(address)?;
        Ok(action)
    })
}

fn reuse_index(attribute: CUmemPool_attribute) -> Outcome<usize> {
    match attribute {
        CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES => Ok(0),
        CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC => Ok(1),
        CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES => Ok(2),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// The device of a location. Pools of host memory and of managed memory are not modelled.
fn device_of(location: Out<CUmemLocation>, kind: CUmemAllocationType) -> Outcome<&'static Device> {
    let driver = driver()?;
    let location = location.get()?;
    match (location.type_, kind) {
        (CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ALLOCATION_TYPE_PINNED) => driver.device(location.id),
        (CU_MEM_LOCATION_TYPE_INVALID, _) | (_, CU_MEM_ALLOCATION_TYPE_INVALID) => Err(CUDA_ERROR_INVALID_VALUE),
        _ => Err(CUDA_ERROR_NOT_SUPPORTED),
    }
}

/// Makes `pool`, of the same device and not imported, the one that cuMemAllocAsync takes.
fn set_pool(device: &Device, pool: CUmemoryPool) -> Outcome {
    let pool = find(driver()?, pool)?;
    if pool.device != device.index || pool.is_imported() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    *device.pool.lock() = pool;
    Ok(())
}
