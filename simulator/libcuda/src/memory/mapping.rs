//! Reserved addresses and what is mapped at them: the system calls behind virtual memory management.
//!
#![expect(unsafe_code)]
// UNSAFETY: maps, protects and unmaps memory at addresses that this library has reserved.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};

use super::window::private_to_process;

/// What a program may do with mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    None,
    Read,
    ReadWrite,
}

impl Protection {
    fn flags(self) -> ProtFlags {
        match self {
            Self::None => ProtFlags::PROT_NONE,
            Self::Read => ProtFlags::PROT_READ,
            Self::ReadWrite => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        }
    }
}

const RESERVED: MapFlags = MapFlags::MAP_PRIVATE.union(MapFlags::MAP_NORESERVE);
const SHARED: MapFlags = MapFlags::MAP_SHARED.union(MapFlags::MAP_NORESERVE);

/// Reserves `bytes` of addresses, a multiple of `align` (a power of two of at least 4096), at `hint` if that is free.
pub fn reserve(bytes: u64, align: u64, hint: u64) -> nix::Result<u64> {
    if hint != 0
        && hint.is_multiple_of(align)
        && let Some(address) = NonZeroUsize::new(hint as usize)
    {
        let flags = RESERVED | MapFlags::MAP_FIXED_NOREPLACE;
        // SAFETY: the flag leaves what is mapped at the address as it is.
        let place = unsafe { mmap_anonymous(Some(address), length(bytes)?, ProtFlags::PROT_NONE, flags) };
        if let Ok(place) = place {
            if place.as_ptr() as u64 == hint {
                private_to_process(place, bytes as usize);
                return Ok(hint);
            }
            // A kernel that does not know the flag chose another place.
            unmap(place.as_ptr() as u64, bytes);
        }
    }
    let wide = bytes.checked_add(align).ok_or(Errno::ENOMEM)?;
    // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
    let start = unsafe { mmap_anonymous(None, length(wide)?, ProtFlags::PROT_NONE, RESERVED)? }.as_ptr() as u64;
    let base = start.next_multiple_of(align);
    if base > start {
        unmap(start, base - start);
    }
    if start + wide > base + bytes {
        unmap(base + bytes, start + wide - base - bytes);
    }
    private_to_process(pointer(base)?, bytes as usize);
    Ok(base)
}

/// Gives up addresses that [`reserve`] gave, and what is mapped there.
pub fn unmap(address: u64, bytes: u64) {
    if let Ok(place) = pointer(address) {
        // SAFETY: callers pass a range that this module reserved and that no table of the library holds any more.
        let _ = unsafe { munmap(place, bytes as usize) };
    }
}

/// Maps a part of `file` over reserved addresses.
pub fn map(address: u64, bytes: u64, file: &OwnedFd, offset: u64, protection: Protection) -> nix::Result<()> {
    let place = NonZeroUsize::new(address as usize).ok_or(Errno::EINVAL)?;
    let flags = SHARED | MapFlags::MAP_FIXED;
    // SAFETY: callers pass a range that this module reserved and in which nothing is mapped.
    let place = unsafe { mmap(Some(place), length(bytes)?, protection.flags(), flags, file, offset as i64)? };
    private_to_process(place, bytes as usize);
    Ok(())
}

/// Changes what may be done with a mapped range.
pub fn protect(address: u64, bytes: u64, protection: Protection) -> nix::Result<()> {
    // SAFETY: callers pass a range that `map` made; that its bytes may no longer be touched is what the program asked for.
    unsafe { mprotect(pointer(address)?, bytes as usize, protection.flags()) }
}

/// Takes away what is mapped and keeps the addresses reserved.
pub fn clear(address: u64, bytes: u64) -> nix::Result<()> {
    let place = NonZeroUsize::new(address as usize).ok_or(Errno::EINVAL)?;
    let flags = RESERVED | MapFlags::MAP_FIXED;
    // SAFETY: callers pass a range that `map` made and that the program has asked to unmap.
    let place = unsafe { mmap_anonymous(Some(place), length(bytes)?, ProtFlags::PROT_NONE, flags)? };
    private_to_process(place, bytes as usize);
    Ok(())
}

fn length(bytes: u64) -> nix::Result<NonZeroUsize> {
    NonZeroUsize::new(bytes as usize).ok_or(Errno::EINVAL)
}

fn pointer(address: u64) -> nix::Result<NonNull<libc::c_void>> {
    NonNull::new(address as *mut libc::c_void).ok_or(Errno::EINVAL)
}
