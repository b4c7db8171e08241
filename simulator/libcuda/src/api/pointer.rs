//! What is known of an address.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver};
use crate::memory::{Backing, Mapped, Role, Source};

driver_functions! {
    extern "C" fn cuPointerGetAttribute(data: Out<c_void>, attribute: CUpointer_attribute, address: CUdeviceptr) {
        let driver = driver()?;
        let known = Known::find(driver, address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        data.required()?;
        if !known.write(driver, attribute, address, data)? {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
    }

    /// An address that is not known gives zeros and no error, as the vendor documents.
    extern "C" fn cuPointerGetAttributes(count: u32, attributes: Out<CUpointer_attribute>, data: Out<*mut c_void>, address: CUdeviceptr) {
        let driver = driver()?;
        let attributes = attributes.required()?.as_input().slice(count as usize);
        let places = data.required()?.as_input().slice(count as usize);
        let known = Known::find(driver, address);
        for (attribute, place) in attributes.into_iter().zip(places) {
            let place = Out::from_raw(place);
            let written = match &known {
                Some(known) => known.write(driver, attribute, address, place)?,
                None => false,
            };
            if !written {
                write_zero(attribute, place)?;
            }
        }
    }

    extern "C" fn cuPointerSetAttribute(value: In<c_void>, attribute: CUpointer_attribute, address: CUdeviceptr) {
        let driver = driver()?;
        if attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || value.address().is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        Known::find(driver, address).filter(|known| !known.host).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    }
}

/// A range that the driver knows.
struct Known {
    base: u64,
    bytes: u64,
    device: usize,
    context: Option<u32>,
    pool: Option<u32>,
    host: bool,
    managed: bool,
    /// Whether cuIpcGetMemHandle takes it.
    ipc: bool,
    /// Forms in which its memory can be handed to other processes.
    handle_types: u32,
    /// What the current device may do.
    access: CUmemAccess_flags,
}

impl Known {
    fn find(driver: &Driver, address: u64) -> Option<Self> {
        if let Some(device) = driver.device_at(address) {
            let found = device.space_at(address).find(address)?;
            let (context, pool) = match found.source {
                Source::Device(owner) | Source::Managed(owner) => (Some(owner), None),
                Source::Pool(pool) => (None, Some(pool)),
                Source::Graph => (None, None),
            };
            let managed = matches!(found.source, Source::Managed(_));
            let (base, bytes, device) = (found.base, found.bytes, device.index);
            let ipc = matches!(found.source, Source::Device(_));
            return Some(Self { context, pool, managed, ipc, ..Self::plain(base, bytes, device) });
        }
        if let Some(found) = driver.mapped.read().find(address) {
            return Some(Self::mapped(found));
        }
        let range = driver.host.lock().find(address)?;
        let (base, bytes) = (range.base, range.bytes as u64);
        let device = crate::context::top().map_or(0, |context| context.device);
        Some(Self { host: true, ..Self::plain(base, bytes, device) })
    }

    /// A range without anything particular.
    fn plain(base: u64, bytes: u64, device: usize) -> Self {
        let access = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        let (host, managed, ipc, handle_types) = (false, false, false, CU_MEM_HANDLE_TYPE_NONE);
        Self { base, bytes, device, context: None, pool: None, host, managed, ipc, handle_types, access }
    }

    fn mapped(found: &Mapped) -> Self {
        let device = found.backing.device();
        let (context, pool) = match found.role {
            Role::Virtual | Role::External | Role::Array => (None, None),
            Role::Ipc(context) => (Some(context), None),
            Role::PoolPart(pool) => (None, Some(pool)),
        };
        let current = crate::context::top().map_or(0, |context| context.device);
        let here = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: current as i32 };
        let (host, handle_types) = match &found.backing {
            Backing::Memory(memory) => (device.is_none(), memory.properties.handle_types),
            Backing::Multicast(multicast) => (false, multicast.handle_types as u32),
        };
        let plain = Self::plain(found.base, found.bytes, device.unwrap_or(current));
        Self { context, pool, host, handle_types, access: found.access(&here), ..plain }
    }

    /// Writes the attribute; false when this range has none of that kind.
    fn write(&self, driver: &Driver, attribute: CUpointer_attribute, address: u64, data: Out<c_void>) -> Outcome<bool> {
        match attribute {
            CU_POINTER_ATTRIBUTE_CONTEXT => {
                let primaries = driver.devices.iter().map(|device| device.primary);
                let made = driver.contexts.lock();
                let found = primaries.chain(made.iter().copied()).find(|context| Some(context.id) == self.context);
                data.of::<CUcontext>().set(found.map_or(std::ptr::null_mut(), |context| context.handle()))?;
            }
            CU_POINTER_ATTRIBUTE_MEMORY_TYPE => {
                data.of::<u32>().set(if self.host { CU_MEMORYTYPE_HOST } else { CU_MEMORYTYPE_DEVICE })?;
            }
            CU_POINTER_ATTRIBUTE_DEVICE_POINTER => data.of::<u64>().set(address)?,
            CU_POINTER_ATTRIBUTE_HOST_POINTER if self.host || self.managed => data.of::<u64>().set(address)?,
            CU_POINTER_ATTRIBUTE_HOST_POINTER => return Ok(false),
            // The start address tells allocations apart while they live.
            CU_POINTER_ATTRIBUTE_BUFFER_ID => data.of::<u64>().set(self.base)?,
            CU_POINTER_ATTRIBUTE_IS_MANAGED => data.of::<u32>().set(u32::from(self.managed))?,
            CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL => data.of::<i32>().set(self.device as i32)?,
            CU_POINTER_ATTRIBUTE_RANGE_START_ADDR | CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR => {
                data.of::<u64>().set(self.base)?
            }
            CU_POINTER_ATTRIBUTE_RANGE_SIZE | CU_POINTER_ATTRIBUTE_MAPPING_SIZE => {
                data.of::<usize>().set(self.bytes as usize)?
            }
            CU_POINTER_ATTRIBUTE_MAPPED => data.of::<u32>().set(1)?,
            CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE => {
                let pool = driver.pools.select(|pool| Some(pool.id) == self.pool).pop();
                let handle = pool.map_or(std::ptr::null(), |pool| std::sync::Arc::as_ptr(&pool));
                data.of::<CUmemoryPool>().set(handle.cast_mut().cast())?;
            }
            CU_POINTER_ATTRIBUTE_SYNC_MEMOPS | CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE => {
                data.of::<u32>().set(0)?;
            }
            CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE => data.of::<u32>().set(u32::from(self.ipc))?,
            CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES => {
                let pool = driver.pools.select(|pool| Some(pool.id) == self.pool).pop();
                let types = pool.map_or(self.handle_types, |pool| pool.handle_types);
                data.of::<u64>().set(u64::from(types))?;
            }
            CU_POINTER_ATTRIBUTE_ACCESS_FLAGS => data.of::<u32>().set(self.access)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Writes a zero in the size of the attribute; the ordinal of no device is negative.
fn write_zero(attribute: CUpointer_attribute, data: Out<c_void>) -> Outcome {
    match attribute {
        CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL => data.of::<i32>().set(-2),
        CU_POINTER_ATTRIBUTE_MEMORY_TYPE
        | CU_POINTER_ATTRIBUTE_SYNC_MEMOPS
        | CU_POINTER_ATTRIBUTE_IS_MANAGED
        | CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE
        | CU_POINTER_ATTRIBUTE_MAPPED
        | CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE
        | CU_POINTER_ATTRIBUTE_ACCESS_FLAGS => data.of::<u32>().set(0),
        CU_POINTER_ATTRIBUTE_P2P_TOKENS => data.of::<[u64; 2]>().set([0; 2]),
        1..=CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID => data.of::<u64>().set(0),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
