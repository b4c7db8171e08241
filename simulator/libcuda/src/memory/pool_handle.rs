//! What a pool handle stands for, beside the memory of the pool.

use std::sync::atomic::AtomicU32;

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::protocol::{Contents, Key};

use super::{Kind, PoolId, share_code};
use crate::abi::Outcome;
use crate::driver::{Driver, driver};

/// See the module.
pub struct PoolHandle {
    /// Ordinal of its device.
    pub device: usize,
    pub id: PoolId,
    /// Forms in which it can be handed to other processes.
    pub handle_types: CUmemAllocationHandleType,
    /// Attributes that are kept and have no effect: the three reuse policies.
    pub reuse: [AtomicU32; 3],
    /// What other devices may do.
    access: Mutex<Vec<(usize, CUmemAccess_flags)>>,
    /// By what other processes know it.
    shared: Mutex<Option<Key>>,
    imported: bool,
}

impl PoolHandle {
    pub fn new(device: usize, id: PoolId, handle_types: CUmemAllocationHandleType) -> Self {
        let reuse = [const { AtomicU32::new(1) }; 3];
        Self { device, id, handle_types, reuse, access: Mutex::default(), shared: Mutex::default(), imported: false }
    }

    /// The pool of another process, from which nothing can be allocated here.
    pub fn imported(device: usize, id: PoolId, key: Key) -> Self {
        let mut made = Self::new(device, id, CU_MEM_HANDLE_TYPE_NONE);
        (made.shared, made.imported) = (Mutex::new(Some(key)), true);
        made
    }

    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// What a device may do with the memory.
    pub fn access(&self, device: usize) -> CUmemAccess_flags {
        if device == self.device {
            return CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        }
        let found = self.access.lock().iter().find(|entry| entry.0 == device).map(|entry| entry.1);
        found.unwrap_or(CU_MEM_ACCESS_FLAGS_PROT_NONE)
    }

    pub fn set_access(&self, device: usize, flags: CUmemAccess_flags) {
        let mut access = self.access.lock();
        access.retain(|entry| entry.0 != device);
        access.push((device, flags));
    }

    /// Makes the pool known to other processes; again and again by the same key.
    pub fn share(&self, driver: &Driver) -> Outcome<Key> {
        let mut shared = self.shared.lock();
        if let Some(key) = *shared {
            return Ok(key);
        }
        let note = vec![Kind::Pool as u64, driver.devices[self.device].physical as u64];
        let (key, _) = driver.simulation.share(Contents::Nothing, note, None).map_err(share_code)?;
        *shared = Some(key);
        Ok(key)
    }
}

impl Drop for PoolHandle {
    fn drop(&mut self) {
        if let (Some(key), Ok(driver)) = (*self.shared.get_mut(), driver()) {
            driver.simulation.let_go(key.object);
        }
    }
}
