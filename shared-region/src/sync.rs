//! The only file that names atomic types: real ones, or those of a model check: loom's (`--cfg loom`), or those of the
//! exploration of all states (`--cfg states`).

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(any(loom, states)))]
pub(crate) use core::sync::atomic::{AtomicU64, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(any(loom, states)))]
pub(crate) use portable_atomic::AtomicU128;

#[cfg(states)]
pub(crate) use crate::states::{AtomicU64, AtomicU128};

// Processes share this word, so a fallback that locks inside one process would be no lock at all.
#[cfg(not(any(loom, states)))]
const _: () = assert!(
    AtomicU128::is_always_lock_free(),
    "128-bit compare-and-swap must be one instruction: build with -C target-feature=+cmpxchg16b (see .cargo/config.toml)"
);

/// Loom has no 128-bit atomic: one behind its mutex has the same interleavings, as each operation is one step.
#[cfg(loom)]
pub(crate) struct AtomicU128(loom::sync::Mutex<u128>);

#[cfg(loom)]
impl AtomicU128 {
    pub(crate) fn new(value: u128) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn load(&self, _order: Ordering) -> u128 {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn compare_exchange(&self, old: u128, new: u128, _ok: Ordering, _err: Ordering) -> Result<u128, u128> {
        let mut value = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *value == old {
            *value = new;
            Ok(old)
        } else {
            Err(*value)
        }
    }
}
