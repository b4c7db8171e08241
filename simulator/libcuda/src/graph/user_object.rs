//! Objects of the program that live as long as someone, such as a graph, holds references to them.

use std::sync::Arc;

use ffi_headers::cuda::*;
use parking_lot::Mutex;

use super::Opaque;
use crate::abi::Outcome;
use crate::driver::driver;

/// A counted object with the function that ends it.
pub struct UserObject {
    /// The program's function and its argument.
    destroy: Opaque<CUDA_HOST_NODE_PARAMS>,
    count: Mutex<u64>,
}

/// References that a graph holds.
pub struct Reference {
    pub object: Arc<UserObject>,
    pub count: u64,
}

impl UserObject {
    pub fn new(destroy: CUDA_HOST_NODE_PARAMS, count: u64) -> Self {
        Self { destroy: Opaque(destroy), count: Mutex::new(count) }
    }

    pub fn retain(&self, count: u64) -> Outcome {
        let mut held = self.count.lock();
        *held = held.checked_add(count).filter(|_| *held > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        Ok(())
    }

    /// Gives references back. With the last, the program's function runs, on a thread of its own.
    pub fn release(self: &Arc<Self>, count: u64) -> Outcome {
        let mut held = self.count.lock();
        *held = held.checked_sub(count).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if *held > 0 || count == 0 {
            return Ok(());
        }
        drop(held);
        if let Ok(driver) = driver() {
            driver.graph.user_objects.remove(Arc::as_ptr(self).cast_mut());
        }
        let destroy = self.destroy;
        let started = std::thread::Builder::new().name("cuda-user-object".into()).spawn(move || destroy.call());
        started.map(drop).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)
    }
}

impl Clone for Reference {
    fn clone(&self) -> Self {
        // The original holds some, so there are some to add to.
        let count = self.object.retain(self.count).map_or(0, |()| self.count);
        Self { object: Arc::clone(&self.object), count }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // A thread that cannot be started leaves the program's object as it is.
        let _ = self.object.release(self.count);
    }
}
