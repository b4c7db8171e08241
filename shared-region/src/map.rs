//! The region file: opening it, and its devices.
// UNSAFETY: the mapped file is seen as the layout.
#![expect(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::bucket::Bucket;
use crate::file::{self, Access, FileError, Owners, SharedFile, Use};
use crate::layout::{Device, KIND, Layout, MAX_DEVICES};
use crate::ledger::{Ledger, Record};
use crate::limits;
use crate::sync::{AtomicU32, Ordering};
use crate::use_lock::{self, Shared};

/// Why a region cannot be used. Each names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// All device entries are taken.
    #[error("region {path}: already accounts for {MAX_DEVICES} devices")]
    DevicesFull {
        /// The region file.
        path: PathBuf,
    },
    /// This mapping already holds a slot; a process needs no second one.
    #[error("region {path}: this mapping holds a slot already")]
    AlreadyJoined {
        /// The region file.
        path: PathBuf,
    },
    /// All slots are held by living processes.
    #[error("region {path}: {} processes hold device memory already", crate::MAX_SLOTS)]
    SlotsFull {
        /// The region file.
        path: PathBuf,
    },
}

/// A mapped region.
#[derive(Debug)]
pub struct Region {
    opened: SharedFile,
    /// Set by the one call of `join`: a second slot would be locked through the same opened file, which always succeeds.
    pub(crate) joined: AtomicU32,
}

impl Region {
    /// Opens the region at `path`, or creates it. Of several that create at once, one wins and the others open its file:
    /// a file gets its name only when it is complete, so nobody ever sees a half-made one.
    ///
    /// # Errors
    /// [`RegionError::File`].
    pub fn open_or_create(path: &Path, access: Access) -> Result<Self, RegionError> {
        match Self::open(path) {
            Err(RegionError::File(FileError::Io { source, .. })) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match file::create(&KIND, path, access.into()) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(other) => Err(other.into()),
            Ok(()) => Self::open_or_create(path, access),
        }
    }

    /// Opens the region at `path`.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create), and `NotFound` if there is no such file.
    pub fn open(path: &Path) -> Result<Self, RegionError> {
        loop {
            let file = SharedFile::open_unchecked(&KIND, path, Use::ReadAndWrite)?;
            match use_lock::share(&KIND, &file, path)? {
                Shared::Removed => {} // between the two steps: there is none now, or a new one
                Shared::WithOthers => return Self::map(path, file),
                Shared::Alone => {
                    let region = Self::map(path, file)?;
                    region.forget_measurements();
                    return Ok(region);
                }
            }
        }
    }

    fn map(path: &Path, file: File) -> Result<Self, RegionError> {
        let opened = SharedFile::map(&KIND, path, file, Use::ReadAndWrite, Owners::OwnAndRoot)?;
        Ok(Self { opened, joined: AtomicU32::new(0) })
    }

    /// Removes the region at `path`, and its limits, if nobody has it open. Answers whether it did.
    ///
    /// # Errors
    /// `Io`, when the file cannot be opened, locked or removed.
    pub fn remove_if_unused(path: &Path) -> Result<bool, RegionError> {
        let file = SharedFile::open_unchecked(&KIND, path, Use::ReadAndWrite)?;
        // Held until `file` is closed: who opens the file meanwhile finds its name gone and looks again.
        if !use_lock::alone(&file).map_err(KIND.io_error(path, "lock"))? {
            return Ok(false);
        }
        // The limits first: a region without limits that is removed has never been used without them.
        limits::remove(path)?;
        std::fs::remove_file(path).map_err(KIND.io_error(path, "remove"))?;
        Ok(true)
    }

    /// The file's path, as it was given.
    pub fn path(&self) -> &Path {
        self.opened.path()
    }

    pub(crate) fn layout(&self) -> &Layout {
        // SAFETY: Layout is repr(C), page-aligned, and consists of atomics.
        unsafe { self.opened.content() }
    }

    pub(crate) fn opened(&self) -> &SharedFile {
        &self.opened
    }

    /// Number of the device with this UUID in this region; claims an entry for it when it is new.
    ///
    /// # Errors
    /// [`RegionError::DevicesFull`].
    pub fn device(&self, uuid: [u8; 16]) -> Result<usize, RegionError> {
        let wanted = u128::from_le_bytes(uuid);
        for (index, device) in self.layout().devices.iter().enumerate() {
            // Acquire/AcqRel: nothing hangs on the claim but the number itself; Relaxed would do. This is not hot.
            let mut seen = device.uuid.load(Ordering::Acquire);
            if seen == 0 {
                seen = match device.uuid.compare_exchange(0, wanted, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => wanted,
                    Err(other) => other,
                };
            }
            if seen == wanted {
                return Ok(index);
            }
        }
        Err(RegionError::DevicesFull { path: self.path().to_owned() })
    }

    /// How many devices the tenant has met.
    pub fn devices_known(&self) -> usize {
        // Relaxed: a lone figure, which only grows.
        self.layout().devices.iter().take_while(|device| device.uuid.load(Ordering::Relaxed) != 0).count()
    }

    fn entry(&self, device: usize) -> &Device {
        &self.layout().devices[device]
    }

    /// The ledger of a device.
    pub(crate) fn ledger<'a>(&'a self, device: usize) -> Ledger<'a, impl Fn(u16) -> Option<&'a Record>> {
        let slots = &self.layout().slots;
        Ledger {
            word: &self.entry(device).word,
            record: move |slot| Some(&slots.get(usize::from(slot))?.records[device]),
        }
    }

    /// Bytes of a device that the whole tenant holds, the dead included until [`sweep`](Self::sweep).
    #[inline]
    pub fn used(&self, device: usize) -> u64 {
        self.ledger(device).used()
    }

    /// The tenant's account of compute on a device.
    #[inline]
    pub fn bucket(&self, device: usize) -> Bucket<'_> {
        Bucket::new(&self.entry(device).paid)
    }

    /// Forgets what processes measured that are all gone: the driver may be another one by now.
    fn forget_measurements(&self) {
        for device in &self.layout().devices {
            // Relaxed: a lone figure. Should somebody have come and measured in this very moment, it is measured again.
            device.context_bytes.store(0, Ordering::Relaxed);
        }
    }

    /// Bytes that one context takes on a device, as a process of the tenant measured it; `None` while nobody has.
    pub fn context_bytes(&self, device: usize) -> Option<u64> {
        // Relaxed: a lone figure.
        Some(self.entry(device).context_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != 0)
    }

    /// Tells the tenant what one context takes; the first to tell is believed. Returns what counts from now on.
    pub fn learn_context_bytes(&self, device: usize, bytes: u64) -> u64 {
        // Relaxed: a lone figure.
        match self.entry(device).context_bytes.compare_exchange(0, bytes, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => bytes,
            Err(earlier) => earlier,
        }
    }
}

/// The opened file. As long as any duplicate of the descriptor is open, in any process, the region counts as used.
impl AsFd for Region {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.file().as_fd()
    }
}
