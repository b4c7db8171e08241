//! Live handles: opaque addresses that callers hold, and the objects behind them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

/// Objects by the address that is their handle. An address that is not, or no longer, a handle is never followed.
pub struct Handles<T> {
    live: RwLock<HashMap<usize, Arc<T>, BuildHasherDefault<AddressHasher>>>,
}

/// Spreads addresses, whose low bits are all zero.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.write_u64(address as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

impl<T> Handles<T> {
    pub fn new() -> Self {
        Self { live: RwLock::new(HashMap::default()) }
    }

    /// Makes a handle for `object`.
    pub fn insert<H>(&self, object: Arc<T>) -> *mut H {
        let address = Arc::as_ptr(&object) as usize;
        self.live.write().insert(address, object);
        address as *mut H
    }

    pub fn get<H>(&self, handle: *mut H) -> Option<Arc<T>> {
        self.live.read().get(&(handle as usize)).cloned()
    }

    pub fn remove<H>(&self, handle: *mut H) -> Option<Arc<T>> {
        self.live.write().remove(&(handle as usize))
    }

    /// Ends every handle whose object does not meet the condition.
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool) {
        self.live.write().retain(|_, object| keep(object));
    }

    /// Every live object for which `wanted` holds.
    pub fn select(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        self.live.read().values().filter(|object| wanted(object)).cloned().collect()
    }
}
