//! Maps channels, and counts of a process's own, which a fork does not share.
//!
#![expect(unsafe_code)]
// UNSAFETY: gives mapped memory, which another process may write, the types `Memory` and `AtomicU32`.

use std::fs::File;
use std::io;
use std::ops::{Deref, Index};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::AtomicU32;

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::layout::{CELLS, Memory};

/// A mapped channel, alive as long as this value.
pub struct SharedMemory {
    map: MmapRaw,
}

impl SharedMemory {
    /// A new channel and the descriptor by which the client maps it. Its size is sealed: a client cannot take pages away
    /// under the server.
    ///
    /// # Errors
    /// When the kernel gives no memory file.
    pub fn create() -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create(c"simgpu-channel", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let file = File::from(fd);
        file.set_len(size_of::<Memory>() as u64)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok((Self::open(&file)?, file.into()))
    }

    /// Maps the channel behind `file`.
    ///
    /// # Errors
    /// When the file is shorter than a channel or cannot be mapped.
    pub fn open(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length < size_of::<Memory>() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the channel is {length} bytes long")));
        }
        let map = MmapOptions::new().len(size_of::<Memory>()).map_raw(file.as_fd().as_raw_fd())?;
        Ok(Self { map })
    }
}

impl Deref for SharedMemory {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        // SAFETY: the mapping is page-aligned, `size_of::<Memory>()` long (checked in `open`, and sealed) and lives as long as
        // `self`. `Memory` holds only atomics, so every byte pattern is valid and the other side may write.
        unsafe { &*self.map.as_ptr().cast::<Memory>() }
    }
}

/// One count per cell, 0 at first, in private memory that takes pages only where it is used.
pub struct Counts {
    map: MmapMut,
}

impl Counts {
    /// # Errors
    /// When there are no addresses left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(CELLS * size_of::<AtomicU32>())? })
    }
}

impl Index<u32> for Counts {
    type Output = AtomicU32;

    fn index(&self, cell: u32) -> &AtomicU32 {
        let index = cell as usize % CELLS;
        // SAFETY: within the mapping, which holds `CELLS` aligned words, is used as atomics alone and lives as long as `self`.
        unsafe { &*self.map.as_ptr().cast::<AtomicU32>().add(index) }
    }
}
