//! Memory apart from any address: what cuMemCreate makes and mappings show.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ffi_headers::cuda::*;
use nix::errno::Errno;
use parking_lot::Mutex;
use simulator::books::PAGE_BYTES;
use simulator::client::{Opened, ShareError};
use simulator::protocol::{Contents, Key};

use super::multicast::Multicast;
use super::window::memory_file;
use crate::abi::Outcome;
use crate::driver::{Driver, driver, memory_code};

/// Bytes of a memory file. When the last reference goes, so does the memory.
pub struct Physical {
    pub properties: Properties,
    pub bytes: u64,
    /// Where the bytes are.
    pub file: Arc<OwnedFd>,
    pub offset: u64,
    hold: Hold,
}

/// Memory of another interface: the first `bytes` of it.
pub struct ExternalMemory {
    pub memory: Arc<Physical>,
    pub bytes: u64,
}

/// What is given back at the end.
enum Hold {
    /// Pages of this process: ordinal of the device, first page.
    Pages(usize, u32),
    /// Host memory, and the object that others know it by.
    Host(Mutex<Option<Key>>),
    /// Memory of another interface, which gives it back itself.
    External,
    /// An object of another process, or of this one when nothing else here was left of it.
    Object(Key),
}

/// What a handle of virtual memory management stands for.
#[derive(Clone)]
pub enum Backing {
    Memory(Arc<Physical>),
    Multicast(Arc<Multicast>),
}

/// What a program asked for and can read back.
#[derive(Clone, Copy, Debug)]
pub struct Properties {
    pub handle_types: CUmemAllocationHandleType,
    pub location: CUmemLocation,
    pub rdma: bool,
    pub usage: u16,
}

/// What the first word of an object's note says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// Memory of cuMemCreate.
    Physical = 1,
    /// A run of pages with allocations of cuMemAlloc.
    Linear,
    /// A part of a pool.
    PoolPart,
    Pool,
    Event,
    Multicast,
}

impl Properties {
    /// As the API passes them. Compression is never given, which programs must expect.
    pub fn of(given: &CUmemAllocationProp) -> Self {
        Self {
            handle_types: given.requestedHandleTypes,
            location: given.location,
            rdma: given.allocFlags.gpuDirectRDMACapable != 0,
            usage: given.allocFlags.usage,
        }
    }

    pub fn as_given(&self) -> CUmemAllocationProp {
        let mut given = CUmemAllocationProp {
            type_: CU_MEM_ALLOCATION_TYPE_PINNED,
            requestedHandleTypes: self.handle_types,
            location: self.location,
            ..Default::default()
        };
        given.allocFlags.gpuDirectRDMACapable = u8::from(self.rdma);
        given.allocFlags.usage = self.usage;
        given
    }

    fn on_device(&self) -> bool {
        self.location.type_ == CU_MEM_LOCATION_TYPE_DEVICE
    }

    fn note(&self) -> [u64; 6] {
        let location = [u64::from(self.location.type_), self.location.id as u64];
        let rest = [u64::from(self.rdma), u64::from(self.usage)];
        [Kind::Physical as u64, u64::from(self.handle_types), location[0], location[1], rest[0], rest[1]]
    }

    /// What [`Self::note`] says; the device is that of the contents, as ordinals differ between processes.
    fn from_note(note: &[u64], device: Option<usize>) -> Option<Self> {
        let &[kind, handle_types, location, id, rdma, usage] = note else { return None };
        let id = device.map_or(id as i32, |ordinal| ordinal as i32);
        let location = CUmemLocation { type_: location as u32, id };
        let properties = Self { handle_types: handle_types as u32, location, rdma: rdma != 0, usage: usage as u16 };
        (kind == Kind::Physical as u64 && properties.on_device() == device.is_some()).then_some(properties)
    }
}

impl Physical {
    /// Takes memory where the properties say. `properties.location` was checked; an ordinal is that of a device.
    pub fn create(driver: &Driver, properties: Properties, bytes: u64) -> Outcome<Self> {
        if !properties.on_device() {
            let length = usize::try_from(bytes).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
            let file = memory_file(length).map_err(|error| match error {
                Errno::EFBIG | Errno::ENOMEM | Errno::EINVAL => CUDA_ERROR_OUT_OF_MEMORY,
                _ => CUDA_ERROR_OPERATING_SYSTEM,
            })?;
            return Ok(Self { properties, bytes, file: Arc::new(file), offset: 0, hold: Hold::Host(Mutex::default()) });
        }
        let device = driver.device(properties.location.id)?;
        let mut space = device.space();
        let file = space.file().map(Arc::clone).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let page = space.allocate_physical(bytes).map_err(memory_code)?;
        let offset = u64::from(page) * PAGE_BYTES;
        Ok(Self { properties, bytes, file, offset, hold: Hold::Pages(device.index, page) })
    }

    /// Memory that this process has opened. What is not memory of [`Self::create`] is let go again.
    pub fn imported(driver: &Driver, opened: Opened) -> Outcome<Self> {
        let properties = match opened.contents {
            Contents::Memory { device: Some(physical), .. } => {
                driver.ordinal_of(physical).and_then(|ordinal| Properties::from_note(&opened.note, Some(ordinal)))
            }
            Contents::Memory { device: None, .. } => Properties::from_note(&opened.note, None),
            _ => None,
        };
        match properties {
            Some(properties) => Self::opened(opened, properties),
            None => {
                driver.simulation.let_go(opened.key.object);
                Err(CUDA_ERROR_INVALID_VALUE)
            }
        }
    }

    /// Any memory that this process has opened.
    pub fn opened(opened: Opened, properties: Properties) -> Outcome<Self> {
        let (Contents::Memory { offset, bytes, .. }, Some(file)) = (opened.contents, opened.file) else {
            return Err(CUDA_ERROR_INVALID_VALUE);
        };
        Ok(Self { properties, bytes, file: Arc::new(file), offset, hold: Hold::Object(opened.key) })
    }

    /// The first `bytes` of a file of another interface, as memory of a device.
    pub fn external(file: OwnedFd, bytes: u64, device: usize) -> Self {
        let location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device as i32 };
        let properties = Properties { handle_types: CU_MEM_HANDLE_TYPE_NONE, location, rdma: false, usage: 0 };
        Self { properties, bytes, file: Arc::new(file), offset: 0, hold: Hold::External }
    }

    /// Makes the memory known to other processes; again and again by the same key.
    pub fn share(&self, driver: &Driver) -> Outcome<Key> {
        let note = self.properties.note();
        match &self.hold {
            Hold::Object(key) => Ok(*key),
            // It has no handle that could be exported.
            Hold::External => Err(CUDA_ERROR_INVALID_VALUE),
            Hold::Pages(device, page) => {
                driver.devices[*device].space().share_physical(*page, &note).map_err(share_code)
            }
            Hold::Host(key) => {
                let mut key = key.lock();
                if let Some(key) = *key {
                    return Ok(key);
                }
                let contents = Contents::Memory { device: None, offset: 0, bytes: self.bytes };
                let made = driver.simulation.share(contents, note.to_vec(), Some(self.file.as_fd()));
                Ok(key.insert(made.map_err(share_code)?.0).to_owned())
            }
        }
    }

    /// The object by which other processes know the memory, if this one has it from there.
    pub fn object(&self) -> Option<u64> {
        match self.hold {
            Hold::Object(key) => Some(key.object),
            _ => None,
        }
    }

    /// Ordinal of the device on which the memory lies; `None` for host memory.
    pub fn device(&self) -> Option<usize> {
        self.properties.on_device().then_some(self.properties.location.id as usize)
    }
}

impl Drop for Physical {
    fn drop(&mut self) {
        // In a fork there is no driver, and nothing to give back.
        let Ok(driver) = driver() else { return };
        match &mut self.hold {
            Hold::Pages(device, page) => driver.devices[*device].space().free_physical(*page),
            Hold::External => {}
            Hold::Host(key) => {
                if let Some(key) = *key.get_mut() {
                    driver.simulation.let_go(key.object);
                }
            }
            Hold::Object(key) => {
                driver.simulation.let_go(key.object);
            }
        }
    }
}

impl Backing {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Memory(physical) => physical.bytes,
            Self::Multicast(multicast) => multicast.bytes,
        }
    }

    /// Ordinal of the device on which the memory lies, if it does on one.
    pub fn device(&self) -> Option<usize> {
        match self {
            Self::Memory(physical) => physical.device(),
            Self::Multicast(_) => None,
        }
    }

    /// The number by which callers know it: the address of what it stands for, so none is in use twice.
    pub fn handle(&self) -> CUmemGenericAllocationHandle {
        match self {
            Self::Memory(physical) => Arc::as_ptr(physical) as u64,
            Self::Multicast(multicast) => Arc::as_ptr(multicast) as u64,
        }
    }
}

/// The driver's code for what the client says.
pub fn share_code(error: ShareError) -> CUresult {
    match error {
        ShareError::NoSuchObject => CUDA_ERROR_INVALID_HANDLE,
        ShareError::Full => CUDA_ERROR_OUT_OF_MEMORY,
        ShareError::Disconnected => CUDA_ERROR_DEVICE_UNAVAILABLE,
    }
}
