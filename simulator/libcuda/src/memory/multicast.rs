//! Multicast objects: a team of devices, and the memory that each of them has bound. They take no memory of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::client::Opened;
use simulator::protocol::{Contents, Key};

use super::physical::{Kind, Physical, share_code};
use crate::abi::Outcome;
use crate::driver::{Driver, driver};

/// See the module.
pub struct Multicast {
    /// Devices that the team will have.
    pub devices: u32,
    pub bytes: u64,
    pub handle_types: u64,
    /// How many devices have been added: a word of this process, or one that others see.
    added: Count,
    members: Mutex<Members>,
}

enum Count {
    Own(AtomicU64),
    /// The object, and the number of its word in the books.
    Shared(Key, u32),
}

#[derive(Default)]
struct Members {
    devices: Vec<usize>,
    bindings: Vec<Binding>,
}

/// Memory of a device at an offset of the object.
struct Binding {
    device: usize,
    offset: u64,
    bytes: u64,
    /// Keeps the memory alive; `None` for memory of a pool.
    _memory: Option<Arc<Physical>>,
}

impl Multicast {
    /// An object without devices. One that may be exported is known to the server from the start.
    pub fn create(driver: &Driver, properties: &CUmulticastObjectProp) -> Outcome<Self> {
        let (devices, bytes, handle_types) = (properties.numDevices, properties.size as u64, properties.handleTypes);
        let added = if handle_types == 0 {
            Count::Own(AtomicU64::new(0))
        } else {
            let note = vec![Kind::Multicast as u64, u64::from(devices), bytes, handle_types];
            match driver.simulation.share(Contents::Cell { number: 0 }, note, None).map_err(share_code)? {
                (key, Contents::Cell { number }) => Count::Shared(key, number),
                _ => return Err(CUDA_ERROR_UNKNOWN),
            }
        };
        Ok(Self { devices, bytes, handle_types, added, members: Mutex::default() })
    }

    /// The object of another process.
    pub fn imported(opened: &Opened) -> Option<Self> {
        let (Contents::Cell { number }, &[kind, devices, bytes, handle_types]) = (opened.contents, &opened.note[..])
        else {
            return None;
        };
        let added = Count::Shared(opened.key, number);
        let made = Self { devices: devices as u32, bytes, handle_types, added, members: Mutex::default() };
        (kind == Kind::Multicast as u64).then_some(made)
    }

    /// The key of an object that may be exported.
    pub fn key(&self) -> Option<Key> {
        match self.added {
            Count::Own(_) => None,
            Count::Shared(key, _) => Some(key),
        }
    }

    fn count(&self, driver: &'static Driver) -> Outcome<&AtomicU64> {
        match &self.added {
            Count::Own(count) => Ok(count),
            Count::Shared(_, number) => driver.simulation.cell(*number).ok_or(CUDA_ERROR_UNKNOWN),
        }
    }

    /// Whether every device of the team has been added.
    pub fn is_complete(&self, driver: &'static Driver) -> bool {
        // Relaxed: a lone figure that only grows.
        self.count(driver).is_ok_and(|count| count.load(Ordering::Relaxed) >= u64::from(self.devices))
    }

    /// Adds a device, once.
    pub fn add(&self, driver: &'static Driver, device: usize) -> Outcome {
        let mut members = self.members.lock();
        if members.devices.contains(&device) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let most = u64::from(self.devices);
        // Relaxed: see `is_complete`.
        let counted =
            self.count(driver)?.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        counted.map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        members.devices.push(device);
        Ok(())
    }

    /// Binds memory of a device of the team where nothing of it is bound yet.
    pub fn bind(&self, device: usize, offset: u64, bytes: u64, memory: Option<Arc<Physical>>) -> Outcome {
        let mut members = self.members.lock();
        if !members.devices.contains(&device) {
            return Err(CUDA_ERROR_INVALID_DEVICE);
        }
        let taken = |b: &Binding| b.device == device && offset < b.offset + b.bytes && b.offset < offset + bytes;
        if members.bindings.iter().any(taken) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        members.bindings.push(Binding { device, offset, bytes, _memory: memory });
        Ok(())
    }

    /// Ends the bindings of a device that lie in the range.
    pub fn unbind(&self, device: usize, offset: u64, bytes: u64) -> Outcome {
        let mut members = self.members.lock();
        let inside = |b: &Binding| b.device == device && offset <= b.offset && b.offset + b.bytes <= offset + bytes;
        if !members.bindings.iter().any(inside) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        members.bindings.retain(|binding| !inside(binding));
        Ok(())
    }
}

impl Drop for Multicast {
    fn drop(&mut self) {
        if let (Some(key), Ok(driver)) = (self.key(), driver()) {
            driver.simulation.let_go(key.object);
        }
    }
}
