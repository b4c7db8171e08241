//! Telling a process from a fork of it, and the process-wide pointer to its simulation.
//!
#![expect(unsafe_code)]
// UNSAFETY: maps a page with MADV_WIPEONFORK and reads it; turns the published pointer back into a reference.

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};

use super::Simulation;

const PAGE: usize = 4096;

/// A mark that a fork loses: one byte in a page that the kernel zeroes in the child (Linux 4.14 and newer).
#[derive(Clone, Copy)]
pub struct SameProcess {
    mark: NonNull<AtomicU8>,
}

// SAFETY: the page is never unmapped and its byte is atomic.
unsafe impl Send for SameProcess {}
// SAFETY: as above.
unsafe impl Sync for SameProcess {}

impl SameProcess {
    /// Marks this process. The page stays mapped for the life of the process.
    pub fn mark() -> io::Result<Self> {
        let length = NonZeroUsize::new(PAGE).expect("not zero");
        // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
        let page = unsafe {
            mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)?
        };
        // SAFETY: `page` is the mapping just made, of this length.
        unsafe { madvise(page, PAGE, MmapAdvise::MADV_WIPEONFORK)? };
        let mark = page.cast::<AtomicU8>();
        // SAFETY: the page is mapped readable and writable, and an atomic byte has no alignment need. Relaxed: fork itself
        // orders this store before anything the child does.
        unsafe { mark.as_ref() }.store(1, Ordering::Relaxed);
        Ok(Self { mark })
    }

    /// Whether this is still the process that made the mark.
    pub fn holds(&self) -> bool {
        // SAFETY: the page stays mapped for the life of the process. Relaxed: the byte never changes within a process.
        unsafe { self.mark.as_ref() }.load(Ordering::Relaxed) == 1
    }
}

/// The simulation behind a pointer read from the process-wide cell.
pub fn published(pointer: *mut Simulation) -> Option<&'static Simulation> {
    // SAFETY: the cell holds null or a pointer that `publish` leaked from a box; it is never freed or changed.
    unsafe { pointer.as_ref() }
}

/// Puts `fresh` into `cell` unless another thread was quicker (the cell no longer holds `seen`); returns the winner.
pub fn publish(cell: &AtomicPtr<Simulation>, seen: *mut Simulation, fresh: Box<Simulation>) -> &'static Simulation {
    let fresh = Box::into_raw(fresh);
    // Release: the value is complete before the pointer is seen. Acquire: the winner's value is complete for us.
    match cell.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: leaked above and never freed from here on.
        Ok(_) => unsafe { &*fresh },
        Err(winner) => {
            // SAFETY: `fresh` came from a box in this call and was not published.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: as in `published`; the cell never goes back to null.
            unsafe { &*winner }
        }
    }
}
