//! A turns file: opening it, finding a device, taking a seat, sleeping until it may be one's turn.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::{self, FileError, Owners, SharedFile, Use};
use crate::sync::Ordering;
use crate::turns::words::{self, MAX_DEVICES, MAX_SEATS};
use crate::turns::{Seat, Waiting, futex};
use crate::use_lock;

/// Who may use a turns file, when it has to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnsAccess {
    /// The user who makes it (mode 0600), and root.
    Owner,
    /// Its user and a group (0660).
    Group(u32),
    /// Everybody (0666); a file of any owner is opened then. Its owner can cut it short, which ends by SIGBUS whoever uses
    /// it: only for a folder in which nobody else can make files.
    Everybody,
}

/// Why there are no turns. Each names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TurnsError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// All device entries are taken.
    #[error("turns file {path}: already has turns of {MAX_DEVICES} devices")]
    DevicesFull {
        /// The turns file.
        path: PathBuf,
    },
    /// All seats are held by living processes.
    #[error("turns file {path}: {MAX_SEATS} processes take turns already")]
    SeatsFull {
        /// The turns file.
        path: PathBuf,
    },
}

/// A mapped turns file.
#[derive(Debug)]
pub struct Turns {
    opened: SharedFile,
}

impl Turns {
    /// Opens the turns file at `path`, or creates it, complete before it has its name.
    ///
    /// # Errors
    /// [`TurnsError::File`].
    pub fn open_or_create(path: &Path, access: TurnsAccess) -> Result<Self, TurnsError> {
        let (bits, group, owners) = match access {
            TurnsAccess::Owner => (0o600, None, Owners::OwnAndRoot),
            TurnsAccess::Group(group) => (0o660, Some(group), Owners::OwnAndRoot),
            TurnsAccess::Everybody => (0o666, None, Owners::Any),
        };
        let open = || SharedFile::open(&words::KIND, path, Use::ReadAndWrite, owners);
        let missing = |error: &FileError| matches!(error, FileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let opened = match open() {
            Err(error) if missing(&error) => {
                match file::create(&words::KIND, path, file::Mode { bits, group }) {
                    Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                    created => created?,
                }
                open()?
            }
            other => other?,
        };
        Ok(Self { opened })
    }

    /// Number of the device with this UUID in this file; claims an entry for it when it is new.
    ///
    /// # Errors
    /// [`TurnsError::DevicesFull`].
    pub fn device(&self, uuid: [u8; 16]) -> Result<usize, TurnsError> {
        let wanted = u128::from_le_bytes(uuid);
        for (number, device) in self.content().devices.iter().enumerate() {
            // Relaxed: nothing hangs on the claim but the number itself.
            let claimed = device.uuid.compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed);
            if claimed.is_ok() || claimed == Err(wanted) {
                return Ok(number);
            }
        }
        Err(TurnsError::DevicesFull { path: self.opened.path().to_owned() })
    }

    /// Takes a seat for this process, which must have opened the file itself: not once more for what is joined already, and
    /// not through a file that was inherited over fork. `tenant` tells which processes share one weight.
    ///
    /// # Errors
    /// [`TurnsError::SeatsFull`], or `File` when locks do not work on this file system or it is full.
    pub fn join(&self, tenant: u64) -> Result<Seat, TurnsError> {
        if !self.opened.descriptor_is_ours() {
            return Err(self.opened.io_error("use the descriptor of")(io::Error::from_raw_os_error(libc::EBADF)).into());
        }
        for (number, seat) in self.content().seats.iter().enumerate() {
            if !use_lock::own_slot(self.opened.file(), number).map_err(self.opened.io_error("lock a seat"))? {
                continue;
            }
            self.opened.set_aside(seat)?;
            seat.take_over();
            let seat = Seat::new(number as u16, tenant);
            seat.show_seat(self);
            return Ok(seat);
        }
        Err(TurnsError::SeatsFull { path: self.opened.path().to_owned() })
    }

    /// Sleeps until it may be the seat's turn; then take it, by the time of then. Returns early when somebody leaves,
    /// and when a signal comes.
    pub fn wait(&self, waiting: Waiting) {
        let bell = &self.content().seats[usize::from(waiting.seat)].wishes[waiting.device].bell;
        futex::wait(bell, waiting.bell, waiting.until);
    }

    pub(super) fn content(&self) -> &words::Content {
        words::content(&self.opened)
    }
}
