//! Locks on bytes of the file, beyond its end: who owns a slot, and who uses the file at all.
//!
//! They belong to the opened file, not to the process: the kernel takes one away when the last copy of the opened file is
//! gone, of which a mapping is one.
// UNSAFETY: fcntl(2) with lock structures has no safe wrapper that covers open-file-description locks.
#![expect(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::file::{FileError, Kind};

/// The byte that everybody who has the file open locks with others, and whoever removes it locks alone.
const USE_BYTE: libc::off_t = (1 << 40) - 1;
/// The byte whose lock owns slot 0.
const FIRST_SLOT_BYTE: libc::off_t = 1 << 40;
/// How often, a millisecond apart, an opener tries to get past somebody who is about to remove the file.
const PATIENCE: u32 = 100;

fn byte_lock(kind: libc::c_int, start: libc::off_t) -> libc::flock {
    // SAFETY: a lock structure of zeros is a valid one.
    let mut lock: libc::flock = unsafe { core::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = start;
    lock.l_len = 1;
    lock
}

/// Tries to lock; answers whether it is locked now.
fn try_lock(file: &File, kind: libc::c_int, start: libc::off_t) -> io::Result<bool> {
    let lock = byte_lock(kind, start);
    // SAFETY: a descriptor that `file` keeps open, and a lock structure that outlives the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        error => Err(error),
    }
}

/// Tries to own a slot; answers whether this opened file owns it now.
pub(crate) fn own_slot(file: &File, slot: usize) -> io::Result<bool> {
    try_lock(file, libc::F_WRLCK, FIRST_SLOT_BYTE + slot as libc::off_t)
}

/// Whether nobody but this opened file owns a slot, for certain. Doubt counts as an owner.
pub(crate) fn slot_is_unowned(file: &File, slot: usize) -> bool {
    nobody_else_locks(file, FIRST_SLOT_BYTE + slot as libc::off_t)
}

/// Whether the kernel knows of no other opened file with a lock on a byte. Asks only: nobody is kept out.
fn nobody_else_locks(file: &File, byte: libc::off_t) -> bool {
    let mut lock = byte_lock(libc::F_WRLCK, byte);
    // SAFETY: a descriptor that `file` keeps open, and a lock structure of ours that the call writes.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    asked == 0 && lock.l_type == libc::F_UNLCK as libc::c_short
}

/// How an opened file has become one of a region's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    /// The first one: nobody else had the file open at that moment.
    Alone,
    /// With others.
    WithOthers,
    /// Not at all: somebody has just removed the file's name.
    Removed,
}

/// Counts this opened file among the users of the region at `path`. Keeps nobody out; waits, for a bounded time, only for
/// somebody who is removing the file, which happens only to files without users.
pub(crate) fn share(kind: &Kind, file: &File, path: &Path) -> Result<Shared, FileError> {
    let failed = |what: &'static str| kind.io_error(path, what);
    for _ in 0..PATIENCE {
        if try_lock(file, libc::F_RDLCK, USE_BYTE).map_err(failed("lock"))? {
            let own = file.metadata().map_err(failed("examine"))?;
            let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
            let named = std::fs::symlink_metadata(path).is_ok_and(|there| identity(there) == identity(own));
            return Ok(match named {
                false => Shared::Removed,
                true if nobody_else_locks(file, USE_BYTE) => Shared::Alone,
                true => Shared::WithOthers,
            });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(failed("lock")(io::Error::from(io::ErrorKind::WouldBlock)))
}

/// Tries to become the only user.
pub(crate) fn alone(file: &File) -> io::Result<bool> {
    try_lock(file, libc::F_WRLCK, USE_BYTE)
}

/// Takes the lock of the only user, if need be after waiting for a second; `None`: somebody else has it.
pub(crate) fn keep_others_out(file: &File) -> io::Result<Option<KeptOut<'_>>> {
    for _ in 0..10 * PATIENCE {
        if alone(file)? {
            return Ok(Some(KeptOut(file)));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

/// The lock of the only user, until this is dropped.
pub(crate) struct KeptOut<'a>(&'a File);

impl Drop for KeptOut<'_> {
    fn drop(&mut self) {
        // It was just held; what cannot be given back ends with the file.
        let _given_back = try_lock(self.0, libc::F_UNLCK, USE_BYTE);
    }
}
