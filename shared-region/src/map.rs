//! Creating, opening and checking a region file.
// UNSAFETY: a mapping is raw memory that other processes write; this file turns it into references to atomics.
#![expect(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use memmap2::{MmapOptions, MmapRaw};
use thiserror::Error;

use crate::layout::{Device, Header, LAYOUT_HASH, Layout, MAGIC, MAX_DEVICES, SIZE, VERSION, first_bytes};
use crate::ledger::{Ledger, Record};
use crate::sync::{AtomicU32, Ordering};
use crate::use_lock::{self, Shared};

/// How a region file is opened: never through a symbolic link, and never to wait for what is no regular file.
const OPEN_FLAGS: libc::c_int = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;

/// Why a region cannot be used. Each names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// A system call failed.
    #[error("region {path}: cannot {what}: {source}")]
    Io {
        /// The region file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file belongs to somebody who is neither the caller nor root, so its content could be anything.
    #[error("region {path}: belongs to user {owner}, neither to this user ({caller}) nor to root")]
    ForeignOwner {
        /// The region file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Effective user of this process.
        caller: u32,
    },
    /// The file is not a region.
    #[error("region {path}: not a region of hami-rs ({found}); remove it or name another file")]
    NotARegion {
        /// The region file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// The file was made by a build with another layout.
    #[error("region {path}: has layout version {found}, this library has {VERSION}; remove it or use the same release")]
    OtherVersion {
        /// The region file.
        path: PathBuf,
        /// The version in the file, or "… with another hash".
        found: String,
    },
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

/// Who may use a region file, when it has to be created.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access {
    /// Group that may use the file beside its owner; `None`: the owner alone (mode 0600).
    pub group: Option<u32>,
}

/// A mapped region.
#[derive(Debug)]
pub struct Region {
    path: PathBuf,
    file: File,
    map: MmapRaw,
    identity: (u64, u64),
    /// Set by the one call of `join`: a second slot would be locked through the same opened file, which always succeeds.
    pub(crate) joined: AtomicU32,
}

impl Region {
    /// Opens the region at `path`, or creates it. Of several that create at once, one wins and the others open its file:
    /// a file gets its name only when it is complete, so nobody ever sees a half-made one.
    ///
    /// # Errors
    /// Each [`RegionError`] but the two that speak of a full table.
    pub fn open_or_create(path: &Path, access: Access) -> Result<Self, RegionError> {
        match Self::open(path) {
            Err(RegionError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match create(path, access) {
            Err(RegionError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(other) => Err(other),
            Ok(()) => Self::open_or_create(path, access),
        }
    }

    /// Opens the region at `path`.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create), and `NotFound` if there is no such file.
    pub fn open(path: &Path) -> Result<Self, RegionError> {
        loop {
            let file = open_file(path, OPEN_FLAGS, 0).map_err(io_error(path, "open"))?;
            match use_lock::share(&file, path)? {
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

    /// Removes the region at `path` if nobody has it open. Answers whether it did.
    ///
    /// # Errors
    /// `Io`, when the file cannot be opened, locked or removed.
    pub fn remove_if_unused(path: &Path) -> Result<bool, RegionError> {
        let file = open_file(path, OPEN_FLAGS, 0).map_err(io_error(path, "open"))?;
        // Held until `file` is closed: who opens the file meanwhile finds its name gone and looks again.
        if !use_lock::alone(&file).map_err(io_error(path, "lock"))? {
            return Ok(false);
        }
        std::fs::remove_file(path).map_err(io_error(path, "remove"))?;
        Ok(true)
    }

    fn map(path: &Path, file: File) -> Result<Self, RegionError> {
        let meta = file.metadata().map_err(io_error(path, "examine"))?;
        let not_a_region = |found: String| RegionError::NotARegion { path: path.to_owned(), found };
        if !meta.is_file() {
            return Err(not_a_region("not a regular file".to_owned()));
        }
        // SAFETY: geteuid reads the caller's credentials and cannot fail.
        let caller = unsafe { libc::geteuid() };
        if meta.uid() != caller && meta.uid() != 0 {
            return Err(RegionError::ForeignOwner { path: path.to_owned(), owner: meta.uid(), caller });
        }
        if meta.len() < size_of::<Header>() as u64 {
            return Err(not_a_region(format!("{} bytes long, a region has {SIZE}", meta.len())));
        }
        let mapped = usize::try_from(meta.len()).unwrap_or(usize::MAX).min(SIZE);
        let map = MmapOptions::new().len(mapped).map_raw(&file).map_err(io_error(path, "map"))?;
        // SAFETY: the mapping is page-aligned and at least one header long (checked above), lives as long as `map`,
        // and a header has atomics only, for which any bytes are a value.
        let header = unsafe { &*map.as_ptr().cast::<Header>() };
        // Acquire: everything the creator wrote came before the file got its name; nothing is pending. Relaxed would do,
        // Acquire costs nothing here and keeps the reads below behind this one.
        let magic = header.magic.load(Ordering::Acquire);
        if magic != MAGIC {
            return Err(not_a_region(format!("first bytes {:02x?}", magic.to_le_bytes())));
        }
        let version = header.version.load(Ordering::Relaxed); // constant since creation
        let other = |found: String| RegionError::OtherVersion { path: path.to_owned(), found };
        if version != VERSION {
            return Err(other(version.to_string()));
        }
        // Relaxed: constants since creation.
        if header.layout_hash.load(Ordering::Relaxed) != LAYOUT_HASH
            || header.size.load(Ordering::Relaxed) != SIZE as u64
        {
            return Err(other(format!("{version} with other offsets")));
        }
        if mapped < SIZE {
            return Err(not_a_region(format!("{mapped} bytes long, a region has {SIZE}")));
        }
        Ok(Self { path: path.to_owned(), file, map, identity: (meta.dev(), meta.ino()), joined: AtomicU32::new(0) })
    }

    /// The file's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn layout(&self) -> &Layout {
        // SAFETY: `map` is SIZE bytes long (checked in `map`), page-aligned (more than any field asks), stays mapped as
        // long as `self`, and Layout consists of atomics, for which any bytes are a value and shared writes are allowed.
        unsafe { &*self.map.as_ptr().cast::<Layout>() }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether `file()` still is the region: a program that closes descriptors it does not know may have put another
    /// file under our number.
    pub(crate) fn descriptor_is_ours(&self) -> bool {
        // SAFETY: a stat buffer of zeros is a valid one; fstat fills it or fails.
        let mut stat: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: the descriptor number may be stale, which fstat reports; the buffer is ours.
        let known = unsafe { libc::fstat(self.file.as_raw_fd(), &raw mut stat) } == 0;
        known && (stat.st_dev, stat.st_ino) == self.identity
    }

    /// Has the file system set aside what `object`, a part of this region, occupies: a full one then answers here, and
    /// not with a signal at the first write.
    pub(crate) fn set_aside<T>(&self, object: &T) -> Result<(), RegionError> {
        let offset = core::ptr::from_ref(object) as usize - self.map.as_ptr() as usize;
        allocate(&self.file, offset, size_of::<T>()).map_err(io_error(&self.path, "set space aside"))
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
        Err(RegionError::DevicesFull { path: self.path.clone() })
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
        self.file.as_fd()
    }
}

fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> RegionError {
    let path = path.to_owned();
    move |source| RegionError::Io { path, what, source }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Makes a system call again as long as a signal of the program's own interrupts it.
fn uninterrupted(call: impl Fn() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        let answer = call();
        if answer >= 0 {
            return Ok(answer);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// open(2). The descriptor is never 0, 1 or 2: a program that runs without those writes there all the same.
fn open_file(path: &Path, flags: libc::c_int, mode: libc::mode_t) -> io::Result<File> {
    let path = c_path(path)?;
    let fd = uninterrupted(|| {
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        unsafe { libc::open(path.as_ptr(), flags, libc::c_uint::from(mode)) }
    })?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    let file = unsafe { File::from_raw_fd(fd) };
    if fd > libc::STDERR_FILENO {
        return Ok(file);
    }
    // SAFETY: plain numbers and a descriptor that `file` keeps open. The copy is the same opened file, locks included.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and belongs to nobody else; `file` closes the low one.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Whether this process may make a file as long as a region; if not, trying would bring it a signal.
fn may_be_as_long() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one structure of ours.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0 && limit.rlim_cur < SIZE as u64 {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

fn allocate(file: &File, offset: usize, len: usize) -> io::Result<()> {
    let (offset, len) = (offset as libc::off_t, len as libc::off_t);
    // SAFETY: plain numbers and a descriptor that `file` keeps open.
    match uninterrupted(|| unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) }) {
        Ok(_) => Ok(()),
        // A file system without fallocate: there is no way to ask beforehand.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a complete region file and then gives it its name, which fails if the name is taken.
fn create(path: &Path, access: Access) -> Result<(), RegionError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    // A file without a name vanishes with its maker, wherever that is killed.
    if let Ok(file) = open_file(parent, flags | libc::O_TMPFILE, 0o600) {
        fill(&file, access).map_err(io_error(path, "fill"))?;
        let nameless = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        match link(&nameless, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // no /proc: the other way
            done => return done.map_err(io_error(path, "create")),
        }
    }
    // The file system has no nameless files: a name that nobody else uses. A killed maker leaves it behind, empty.
    let mut name = path.file_name().unwrap_or(OsStr::new("region")).to_owned();
    name.push(format!(".{}-{:x}", std::process::id(), core::ptr::from_ref(&flags) as usize));
    let temporary = parent.join(name);
    let file = open_file(&temporary, flags | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW, 0o600)
        .map_err(io_error(path, "create"))?;
    let named = fill(&file, access).and_then(|()| link(&temporary, path));
    let removed = std::fs::remove_file(&temporary);
    named.and(removed).map_err(io_error(path, "create"))
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    let status =
        unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn fill(file: &File, access: Access) -> io::Result<()> {
    may_be_as_long()?;
    file.set_len(SIZE as u64)?;
    allocate(file, 0, core::mem::offset_of!(Layout, slots))?;
    file.write_all_at(&first_bytes(), 0)?;
    let mode = match access.group {
        None => 0o600,
        Some(group) => {
            std::os::unix::fs::fchown(file, None, Some(group))?;
            0o660
        }
    };
    // The umask took part in the open's mode; this call says exactly what is meant, and changes nothing of the process.
    // SAFETY: a descriptor that `file` keeps open and a mode.
    if unsafe { libc::fchmod(file.as_raw_fd(), mode) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
