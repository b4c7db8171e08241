//! The address range of one device in this process: a mapped memory file that costs nothing until it is touched.
//!
//! It is a file so that parts of it can be mapped a second time, here or in another process.
//!
#![expect(unsafe_code)]
// UNSAFETY: maps memory and reads a resource limit.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use nix::unistd::ftruncate;
use simulator::books::PAGE_BYTES;

/// Where a low window may lie.
const LOW_ADDRESSES: Range<usize> = 1 << 30..1 << 32;

/// A page-aligned range; device address and host address are the same, and so are offset in it and offset in the file.
pub struct Window {
    mapping: NonNull<libc::c_void>,
    mapped: usize,
    base: u64,
    /// `None` in a process that may not make files of this size: a device knows no such limit, so its memory is there, but
    /// cannot be mapped a second time.
    file: Option<Arc<OwnedFd>>,
}

// SAFETY: the mapping belongs to the process, not to a thread; this type itself never touches its contents.
unsafe impl Send for Window {}

impl Window {
    /// Reserves room for `pages` pages of 2 MiB.
    pub fn reserve(pages: u32) -> nix::Result<Self> {
        let align = PAGE_BYTES as usize;
        let mapped = (pages as usize + 1) * align;
        let length = NonZeroUsize::new(mapped).ok_or(Errno::EINVAL)?;
        let file = match memory_file(mapped) {
            Ok(file) => Arc::new(file),
            Err(Errno::EFBIG) => return Self::without_file(length),
            Err(error) => return Err(error),
        };
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no existing memory.
        let mapping = unsafe { mmap(None, length, protection, flags, &file, 0)? };
        let start = mapping.as_ptr() as u64;
        let base = start.next_multiple_of(PAGE_BYTES);
        if base > start {
            // The file starts at the base.
            let lead = (base - start) as usize;
            // SAFETY: replaces a part of the mapping just made, to which nothing refers yet.
            let moved = NonZeroUsize::new(base as usize).zip(NonZeroUsize::new(mapped - lead)).ok_or(Errno::EINVAL);
            // SAFETY: as above.
            let again = moved.and_then(|(address, length)| unsafe {
                mmap(Some(address), length, protection, flags | MapFlags::MAP_FIXED, &file, 0)
            });
            if let Err(error) = again {
                // SAFETY: the mapping just made, to which nothing refers.
                let _ = unsafe { munmap(mapping, mapped) };
                return Err(error);
            }
        }
        private_to_process(mapping, mapped);
        Ok(Self { mapping, mapped, base, file: Some(file) })
    }

    fn without_file(length: NonZeroUsize) -> nix::Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no existing memory.
        let mapping = unsafe { mmap_anonymous(None, length, protection, flags)? };
        private_to_process(mapping, length.get());
        let base = (mapping.as_ptr() as u64).next_multiple_of(PAGE_BYTES);
        Ok(Self { mapping, mapped: length.get(), base, file: None })
    }

    /// Reserves room for `pages` pages of 2 MiB at addresses that fit 32 bits.
    pub fn reserve_low(pages: u32) -> nix::Result<Self> {
        let mapped = pages as usize * PAGE_BYTES as usize;
        let length = NonZeroUsize::new(mapped).ok_or(Errno::EINVAL)?;
        let file = Arc::new(memory_file(mapped)?);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE | MapFlags::MAP_FIXED_NOREPLACE;
        // From the top down, since programs that are linked to low addresses, and their heaps, grow from the bottom up.
        for base in (LOW_ADDRESSES.start..=LOW_ADDRESSES.end - mapped).rev().step_by(mapped) {
            // SAFETY: a fresh mapping that replaces nothing.
            let Ok(mapping) = (unsafe { mmap(NonZeroUsize::new(base), length, protection, flags, &file, 0) }) else {
                continue;
            };
            // Dropped, and so unmapped, by a kernel that takes the address for a wish (before Linux 4.17).
            let window = Self { mapping, mapped, base: mapping.as_ptr() as u64, file: Some(Arc::clone(&file)) };
            if mapping.as_ptr() as usize == base {
                private_to_process(mapping, mapped);
                return Ok(window);
            }
        }
        Err(Errno::ENOMEM)
    }

    /// First address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// First address and the one behind the last.
    pub fn addresses(&self) -> Range<u64> {
        self.base..self.mapping.as_ptr() as u64 + self.mapped as u64
    }

    /// What is mapped: its offset 0 is at [`Self::base`]. `None`: it cannot be mapped a second time.
    pub fn file(&self) -> Option<&Arc<OwnedFd>> {
        self.file.as_ref()
    }

    /// Forgets the contents of some pages, which read as zero from then on.
    pub fn discard(&self, page: u32, pages: u32) {
        let Some(file) = &self.file else {
            let start = NonNull::new((self.base + u64::from(page) * PAGE_BYTES) as *mut libc::c_void);
            // SAFETY: pages of this window that no live allocation covers.
            let _ = start.map(|start| unsafe {
                madvise(start, pages as usize * PAGE_BYTES as usize, MmapAdvise::MADV_DONTNEED)
            });
            return;
        };
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (start, length) = (u64::from(page) * PAGE_BYTES, u64::from(pages) * PAGE_BYTES);
        // Callers pass pages that no live allocation covers. Failure leaves stale contents, as a real device does.
        let _ = fallocate(file, hole, start as i64, length as i64);
    }
}

/// A memory file of `bytes`, which costs nothing until it is written.
pub fn memory_file(bytes: usize) -> nix::Result<OwnedFd> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes to a structure on the stack.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0 && limit.rlim_cur < bytes as u64 {
        // The kernel would answer with a signal.
        return Err(Errno::EFBIG);
    }
    let file = memfd_create(c"simgpu-memory", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&file, i64::try_from(bytes).map_err(|_| Errno::EFBIG)?)?;
    Ok(file)
}

/// A forked child has no device memory, and a core dump holds none; a kernel that lacks the advice changes nothing.
pub fn private_to_process(mapping: NonNull<libc::c_void>, bytes: usize) {
    for advice in [MmapAdvise::MADV_DONTFORK, MmapAdvise::MADV_DONTDUMP] {
        // SAFETY: both change what happens to the range in a fork or a dump, and nothing in this process.
        let _ = unsafe { madvise(mapping, bytes, advice) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `reserve`; a window is dropped only before anything was allocated in it.
        let _ = unsafe { munmap(self.mapping, self.mapped) };
    }
}
