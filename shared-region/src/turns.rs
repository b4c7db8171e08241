//! Turns: who may use a device now, across all tenants that share it.
//!
//! A turn is a lease: one word per device says who has it and until when. The end is the predicted end of what the holder
//! has submitted, and never further away than [`MAX_LEASE`]. So a holder that stops, dies or sits in an endless kernel
//! delays nobody for longer than that; nobody has to give anything back, and no lock exists. `order` has the rules of who is
//! next; `docs/turns.md` explains the whole.

use std::io;
use std::path::{Path, PathBuf};

use core::sync::atomic::Ordering;
use thiserror::Error;

use crate::file::{self, FileError, Owners, SharedFile, Use};
use crate::use_lock;

mod futex;
mod order;
mod seat;
mod words;

pub use seat::{Rivals, Seat, Standing, Turn};
pub use words::{MAX_DEVICES, MAX_SEATS};

/// The class of those who get what the others leave.
pub const BEST_EFFORT: u8 = 255;

/// Device-time that a turn is for, in nanoseconds. Shorter costs more changes, longer more latency.
pub const SLICE: u64 = 4_000_000;
/// The same while somebody of a higher class is present.
pub const SHORT_SLICE: u64 = 2_000_000;
/// Longest lease, in nanoseconds: so long a holder that stops can delay the others. Four slices, so that kernels of 10 ms
/// still run by themselves.
pub const MAX_LEASE: u64 = 16_000_000;
/// How long before a lease ends the next one may take the turn. A sleeper wakes some 60 µs late (50 µs of timer slack are
/// Linux's default), and then submits: its work should be there when the device becomes free.
pub const LEAD: u64 = 80_000;
/// How long the next one is waited for, after the end of a lease, before the one after it goes.
pub const GRACE: u64 = 1_000_000;
/// What [`Seat::extend`] adds to the predicted end for the work that comes next.
pub const KEEP: u64 = 250_000;
/// How long a new holder has to submit its first work.
pub const FIRST_LEASE: u64 = 500_000;
/// Longest wait for a turn, in nanoseconds; after it the turn is taken, whatever the file says. Honest waits stay below it
/// from a share of 1 % on (one slice in a hundred, and some are four times as long). A best-effort tenant among busy ones
/// lives on it.
pub const MAX_WAIT: u64 = 2_000_000_000;

/// For how long a wish counts, unless it is said again: the longest sleep.
pub(crate) const WANT: u64 = 50_000_000;
/// For how long somebody counts as present after it last wanted or used the device.
pub(crate) const PRESENT: u64 = 1_000_000_000;
/// For how long it keeps its place among those who want it. Longer than the pauses of a program that waits for each kernel;
/// short, as it comes back with what it has not used in that time.
pub(crate) const RECENT: u64 = 30_000_000;

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

/// A sleep that ends when it may be a seat's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the device.
    device: usize,
    seat: u16,
    bell: u32,
    /// When it ends at the latest, in nanoseconds of the clock; may be made earlier.
    pub until: u64,
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

    /// Changes whenever somebody begins to want the device. One relaxed load.
    #[inline]
    pub fn calls(&self, device: usize) -> u32 {
        // Relaxed: who sees a change goes and looks.
        self.content().devices[device].calls.0.load(Ordering::Relaxed)
    }

    /// Sleeps until it may be the seat's turn; then take it, by the time of then. Returns early when somebody leaves,
    /// and when a signal comes.
    pub fn wait(&self, waiting: Waiting) {
        let bell = &self.content().seats[usize::from(waiting.seat)].wishes[waiting.device].bell;
        futex::wait(bell, waiting.bell, waiting.until);
    }

    fn ring(&self, device: usize, seat: u16) {
        let bell = &self.content().seats[usize::from(seat)].wishes[device].bell;
        // Release: who is woken by it, or finds it changed, sees what was written before. (The kernel's own order would do.)
        bell.fetch_add(1, Ordering::Release);
        futex::wake(bell);
    }

    fn content(&self) -> &words::Content {
        words::content(&self.opened)
    }
}

#[cfg(all(test, not(states)))]
#[path = "turns_tests.rs"]
mod tests;
