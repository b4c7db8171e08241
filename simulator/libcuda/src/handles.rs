//! Live handles: opaque addresses that callers hold, and the objects behind them.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::hash::WordMap;

/// Objects by the address that is their handle. An address that is not, or no longer, a handle is never followed.
pub struct Handles<T> {
    live: RwLock<WordMap<usize, Arc<T>>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Handles<T> {
    pub fn new() -> Self {
        Self { live: RwLock::new(WordMap::default()) }
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

    /// Runs `body` on the object; for calls that must be quick, as it takes no reference. No handle is made or ended meanwhile.
    pub fn with<H, R>(&self, handle: *mut H, body: impl FnOnce(&T) -> R) -> Option<R> {
        self.live.read().get(&(handle as usize)).map(|object| body(object))
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
