//! Maps the shared books into a process.
//!
#![expect(unsafe_code)]
// UNSAFETY: maps memory that other processes write and gives it the type `Books`.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Books;

/// A shared mapping of [`Books`], alive as long as this value.
pub struct SharedBooks {
    map: MmapRaw,
}

impl SharedBooks {
    /// New, empty books (all zero) and the descriptor by which others map them.
    ///
    /// # Errors
    /// When the kernel gives no memory file.
    pub fn create() -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create(c"simgpu-books", MFdFlags::MFD_CLOEXEC)?;
        let file = File::from(fd);
        file.set_len(size_of::<Books>() as u64)?;
        Ok((Self::open(&file)?, file.into()))
    }

    /// Maps the books behind `file`.
    ///
    /// # Errors
    /// When the file is shorter than the books or cannot be mapped.
    pub fn open(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length < size_of::<Books>() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the books are {length} bytes long")));
        }
        let map = MmapOptions::new().len(size_of::<Books>()).map_raw(&file.as_fd())?;
        Ok(Self { map })
    }
}

impl Deref for SharedBooks {
    type Target = Books;

    fn deref(&self) -> &Books {
        // SAFETY: the mapping is page-aligned, `size_of::<Books>()` long (checked in `open`; the server never shrinks the file)
        // and lives as long as `self`. `Books` holds only atomics, so every byte pattern is valid and others may write.
        unsafe { &*self.map.as_ptr().cast::<Books>() }
    }
}
