//! Limits that may change while the programs run that they hold for: a file beside the region, written by its owner.
//!
//! The file has two tables of limits, and a generation whose lowest bit says which one counts. A writer (`hami run`, and
//! whoever changes limits later) fills the other table and then counts the generation up: that one store is when the new
//! limits hold, all of them at once. A writer that dies before has changed nothing. Readers map the file for reading, compare
//! the generation with the one that they have seen, and take no lock; writers keep one another out by a kernel lock,
//! which dies with its holder.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::{self, Access, FileError, Owners, SharedFile, Use};
use crate::limits::table::{ENTRIES, Entry, KIND};
use crate::share::Policy;
use crate::use_lock;

mod table;

/// Devices that can have limits of their own, beside those for all devices.
pub const MAX_LIMITED_DEVICES: usize = ENTRIES - 1;

/// How often a reader starts again because writers have gone on meanwhile. One that never gets through would have to meet
/// two complete changes during each of these reads, of a few hundred nanoseconds.
const ATTEMPTS: u32 = 1000;

/// What holds on one device. `None`: nothing is said, and the program's environment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// Bytes of device memory; 0: no limit.
    pub memory: Option<u64>,
    /// Share of compute in hundredths of a percent; 0, and 10,000 or more: no limit.
    pub cores: Option<u16>,
    /// How the share is held.
    pub policy: Option<Policy>,
    /// Who goes first: 0 does, 9 goes last.
    pub priority: Option<u8>,
}

impl Limit {
    /// These limits, and for what they leave open the others.
    fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            cores: self.cores.or(other.cores),
            policy: self.policy.or(other.policy),
            priority: self.priority.or(other.priority),
        }
    }
}

/// Why limits cannot be read or written. Who cannot read them grants nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A value in the file is none that a writer writes.
    #[error("limits file {path}: {what} is {value}, accepted is {accepted}")]
    Unreadable {
        /// The limits file.
        path: PathBuf,
        /// Which value.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it can be.
        accepted: &'static str,
    },
    /// The file changes faster than it can be read.
    #[error("limits file {path}: changes all the time")]
    Restless {
        /// The limits file.
        path: PathBuf,
    },
    /// Another writer has been at it for a second.
    #[error("limits file {path}: another process is writing it")]
    Locked {
        /// The limits file.
        path: PathBuf,
    },
    /// All entries for devices are taken.
    #[error("limits file {path}: already has limits of {MAX_LIMITED_DEVICES} devices")]
    Full {
        /// The limits file.
        path: PathBuf,
    },
}

/// Name of the file with the limits of the tenant whose region is at `region`.
pub fn path_of(region: &Path) -> PathBuf {
    let mut name = OsString::from(region);
    name.push(".limits");
    name.into()
}

/// Removes the limits of a region that is being removed.
pub(crate) fn remove(region: &Path) -> Result<(), FileError> {
    let path = path_of(region);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KIND.io_error(&path, "remove")(error)),
        _ => Ok(()),
    }
}

/// Whether this says that there is no file, or can be none of that name.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

/// The limits of a tenant, for whoever obeys them.
#[derive(Debug)]
pub struct Limits {
    opened: SharedFile,
}

impl Limits {
    /// Opens the limits of the tenant whose region is at `region`; `None`: it has none that can change.
    ///
    /// # Errors
    /// [`LimitsError::File`].
    pub fn open(region: &Path) -> Result<Option<Self>, LimitsError> {
        match SharedFile::open(&KIND, &path_of(region), Use::Read, Owners::OwnAndRoot) {
            Ok(opened) => Ok(Some(Self { opened })),
            Err(FileError::Io { source, .. }) if is_missing(&source) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Counts the changes: as long as this is the same, so are all limits. One relaxed load.
    #[inline]
    pub fn generation(&self) -> u64 {
        table::content(&self.opened).generation()
    }

    /// What holds on the device with this UUID: its own limits, and for what those leave open the ones for all devices.
    ///
    /// # Errors
    /// [`LimitsError::Unreadable`] and [`LimitsError::Restless`].
    pub fn of(&self, uuid: [u8; 16]) -> Result<Limit, LimitsError> {
        for _ in 0..ATTEMPTS {
            if let Some(entries) = table::content(&self.opened).read() {
                let path = self.opened.path();
                // All of it: an entry that is not readable could have been this device's.
                table::check(&entries, self.generation(), path)?;
                let limit = |target| {
                    let entry = entries.iter().find(|entry| entry.is_for(target));
                    entry.map_or(Ok(Limit::default()), |entry| entry.limit(path))
                };
                return Ok(limit(Some(uuid))?.or(limit(None)?));
            }
        }
        Err(LimitsError::Restless { path: self.opened.path().to_owned() })
    }
}

/// The limits of a tenant, for whoever sets them.
#[derive(Debug)]
pub struct LimitsWriter {
    opened: SharedFile,
}

impl LimitsWriter {
    /// Makes the file for the tenant whose region is at `region`, with nothing limited.
    ///
    /// # Errors
    /// [`LimitsError::File`]; `AlreadyExists` if there is one.
    pub fn create(region: &Path, access: Access) -> Result<Self, LimitsError> {
        file::create(&KIND, &path_of(region), access.into())?;
        Self::open(region)
    }

    /// Opens the file of the tenant whose region is at `region`.
    ///
    /// # Errors
    /// [`LimitsError::File`].
    pub fn open(region: &Path) -> Result<Self, LimitsError> {
        let opened = SharedFile::open(&KIND, &path_of(region), Use::ReadAndWrite, Owners::OwnAndRoot)?;
        Ok(Self { opened })
    }

    /// Sets what holds on the device with this UUID, or (`None`) on all that have nothing of their own. Running programs
    /// obey from their next call on.
    ///
    /// # Errors
    /// [`LimitsError::Full`], [`LimitsError::Locked`], `Unreadable` for a priority past 9 or a file that was spoilt, and `File`.
    pub fn set(&self, device: Option<[u8; 16]>, limit: Limit) -> Result<(), LimitsError> {
        let entry = Entry::new(device, limit);
        entry.limit(self.opened.path())?; // what could not be read is not written
        self.change(|entries| {
            // The entry for all devices is the first, and always there.
            let place = match device {
                None => entries.first_mut(),
                Some(_) => {
                    let at = entries.iter().position(|old| old.is_for(device));
                    let free = || entries.iter().skip(1).position(Entry::is_free).map(|free| free + 1);
                    at.or_else(free).and_then(|at| entries.get_mut(at))
                }
            };
            place.map(|place| *place = entry).is_some()
        })
    }

    /// Takes back all that was said of the device with this UUID, or (`None`) of all that have nothing of their own.
    ///
    /// # Errors
    /// [`LimitsError::Locked`], `Unreadable` for a file that was spoilt, and `File`.
    pub fn clear(&self, device: Option<[u8; 16]>) -> Result<(), LimitsError> {
        self.change(|entries| {
            let nothing = device.map_or_else(|| Entry::new(None, Limit::default()), |_| Entry::default());
            entries.iter_mut().filter(|entry| entry.is_for(device)).for_each(|entry| *entry = nothing);
            true
        })
    }

    fn change(&self, change: impl FnOnce(&mut [Entry]) -> bool) -> Result<(), LimitsError> {
        let path = || self.opened.path().to_owned();
        let Some(_kept_out) = use_lock::keep_others_out(self.opened.file()).map_err(self.opened.io_error("lock"))?
        else {
            return Err(LimitsError::Locked { path: path() });
        };
        let content = table::content(&self.opened);
        // Nobody else writes now.
        let Some(mut entries) = content.read() else { return Err(LimitsError::Locked { path: path() }) };
        table::check(&entries, content.generation(), self.opened.path())?;
        if let Some(all) = entries.first_mut().filter(|all| all.is_free()) {
            // In use from the first change on: so zeros that took its place are noticed.
            *all = Entry::new(None, Limit::default());
        }
        if !change(&mut entries) {
            return Err(LimitsError::Full { path: path() });
        }
        content.write(&entries, |_| true);
        Ok(())
    }
}

/// Only for tests of this crate: the words themselves.
#[cfg(all(test, not(states)))]
impl LimitsWriter {
    fn content(&self) -> &table::Content {
        table::content(&self.opened)
    }
}

#[cfg(all(test, not(states)))]
#[path = "limits_tests.rs"]
mod tests;
