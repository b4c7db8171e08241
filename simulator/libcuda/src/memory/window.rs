//! The address range of one device in this process: reserved host memory that costs nothing until it is touched.
//!
#![expect(unsafe_code)]
// UNSAFETY: maps memory and tells the kernel to drop parts of it.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use simulator::books::PAGE_BYTES;

/// A page-aligned range; device address and host address are the same.
pub struct Window {
    mapping: NonNull<libc::c_void>,
    mapped: usize,
    base: u64,
}

// SAFETY: the mapping belongs to the process, not to a thread; this type itself never touches its contents.
unsafe impl Send for Window {}

impl Window {
    /// Reserves room for `pages` pages of 2 MiB.
    pub fn reserve(pages: u32) -> nix::Result<Self> {
        let align = PAGE_BYTES as usize;
        let mapped = (pages as usize + 1) * align;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let length = NonZeroUsize::new(mapped).ok_or(nix::errno::Errno::EINVAL)?;
        // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
        let mapping = unsafe { mmap_anonymous(None, length, protection, flags)? };
        let base = (mapping.as_ptr() as u64).next_multiple_of(PAGE_BYTES);
        // A forked child has no device memory, and a core dump holds none; a kernel that lacks the advice changes nothing.
        for advice in [MmapAdvise::MADV_DONTFORK, MmapAdvise::MADV_DONTDUMP] {
            // SAFETY: the range is the mapping just made.
            let _ = unsafe { madvise(mapping, mapped, advice) };
        }
        Ok(Self { mapping, mapped, base })
    }

    /// First address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// First address and the one behind the last.
    pub fn addresses(&self) -> Range<u64> {
        self.base..self.mapping.as_ptr() as u64 + self.mapped as u64
    }

    /// Forgets the contents of some pages, which read as zero from then on.
    pub fn discard(&self, page: u32, pages: u32) {
        let start = self.base + u64::from(page) * PAGE_BYTES;
        let Some(start) = NonNull::new(start as *mut libc::c_void) else { return };
        // SAFETY: callers pass pages of this window that no live allocation covers, so no contents that count are lost.
        // Failure leaves stale contents, as a real device does.
        let _ = unsafe { madvise(start, pages as usize * PAGE_BYTES as usize, MmapAdvise::MADV_DONTNEED) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `reserve`; a window is dropped only before anything was allocated in it.
        let _ = unsafe { munmap(self.mapping, self.mapped) };
    }
}
