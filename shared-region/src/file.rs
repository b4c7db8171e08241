//! Creating, opening and checking the files that processes share: the care is the same for each kind.
// UNSAFETY: a mapping is raw memory that other processes write; this file turns it into references to atomics, and makes
// the system calls that have no safe wrapper.
#![expect(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use memmap2::{MmapOptions, MmapRaw};
use thiserror::Error;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How a file is opened: never through a symbolic link, and never to wait for what is no regular file.
const OPEN_FLAGS: libc::c_int = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;

/// Why a shared file cannot be used. Each names the file and its kind ("region", "limits file", "turns file").
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// A system call failed.
    #[error("{kind} {path}: cannot {what}: {source}")]
    Io {
        /// What the file is to be.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file belongs to somebody who is neither the caller nor root, so its content could be anything.
    #[error("{kind} {path}: belongs to user {owner}, neither to this user ({caller}) nor to root")]
    ForeignOwner {
        /// What the file is to be.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Effective user of this process.
        caller: u32,
    },
    /// The file is not of this kind.
    #[error("{kind} {path}: not a {kind} of hami-rs ({found}); remove it or name another file")]
    OtherKind {
        /// What the file is to be.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// The file was made by a build with another layout.
    #[error("{kind} {path}: has layout version {found}, this library has {wanted}; remove it or use the same release")]
    OtherVersion {
        /// What the file is to be.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// The version in the file, or "… with other offsets".
        found: String,
        /// The version of this build.
        wanted: u32,
    },
}

/// First words of every shared file. Writer: creator, before the file has its name.
#[repr(C)]
pub(crate) struct Head {
    /// Tells the kinds of files apart.
    pub magic: AtomicU64,
    /// Version of the kind's layout.
    pub version: AtomicU32,
    /// A word for the kind's own use.
    pub own: AtomicU32,
    /// Size of the file in bytes.
    pub size: AtomicU64,
    /// Identifies the place of every word, so that builds that disagree never share a file.
    pub layout_hash: AtomicU64,
}

/// What a kind of shared file looks like.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What it is called in messages.
    pub name: &'static str,
    /// First eight bytes.
    pub magic: [u8; 8],
    /// Version of its layout.
    pub version: u32,
    /// Hash of its layout.
    pub layout_hash: u64,
    /// Size in bytes.
    pub size: usize,
    /// Bytes from the beginning for which the file system has to have room when the file is made.
    pub set_aside: usize,
}

impl Kind {
    /// What a new file begins with; the rest of it is zeros.
    fn first_bytes(&self) -> [u8; size_of::<Head>()] {
        let mut bytes = [0; size_of::<Head>()];
        let mut put = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        put(core::mem::offset_of!(Head, magic), &self.magic);
        put(core::mem::offset_of!(Head, version), &self.version.to_ne_bytes());
        put(core::mem::offset_of!(Head, size), &(self.size as u64).to_ne_bytes());
        put(core::mem::offset_of!(Head, layout_hash), &self.layout_hash.to_ne_bytes());
        bytes
    }

    pub fn io_error(&self, path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> FileError {
        let (kind, path) = (self.name, path.to_owned());
        move |source| FileError::Io { kind, path, what, source }
    }
}

/// Who may use a shared file, when it has to be created.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access {
    /// Group that may use the file beside its owner; `None`: the owner alone (mode 0600).
    pub group: Option<u32>,
}

/// Whose files are opened, beside the caller's and root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Nobody else's.
    OwnAndRoot,
    /// Anybody's: for files of which nothing is believed.
    #[cfg_attr(states, expect(dead_code, reason = "turns are no part of that model"))]
    Any,
}

/// What is done with the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    ReadAndWrite,
}

/// A mapped file whose first words were checked.
#[derive(Debug)]
pub(crate) struct SharedFile {
    pub kind: &'static Kind,
    path: PathBuf,
    file: File,
    map: MmapRaw,
    identity: (u64, u64),
}

impl SharedFile {
    /// The file's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// The content, as the type whose size the kind states.
    ///
    /// # Safety
    /// `T` is `repr(C)`, consists of atomics only, and is at most a page aligned.
    pub unsafe fn content<T>(&self) -> &T {
        assert!(size_of::<T>() <= self.map.len() && align_of::<T>() <= 4096);
        // SAFETY: the mapping is page-aligned, long enough (just checked), and stays as long as `self`; any bytes are a
        // value of atomics, and others may write them at any time. Of a mapping for reading the caller only loads.
        unsafe { &*self.map.as_ptr().cast::<T>() }
    }

    /// Opens and checks a file.
    pub fn open(kind: &'static Kind, path: &Path, used: Use, owners: Owners) -> Result<Self, FileError> {
        Self::map(kind, path, Self::open_unchecked(kind, path, used)?, used, owners)
    }

    /// Opens a file of which nothing is known yet.
    pub fn open_unchecked(kind: &'static Kind, path: &Path, used: Use) -> Result<File, FileError> {
        let direction = if used == Use::Read { libc::O_RDONLY } else { libc::O_RDWR };
        open_file(path, OPEN_FLAGS | direction, 0).map_err(kind.io_error(path, "open"))
    }

    /// Checks an opened file and maps it.
    pub fn map(kind: &'static Kind, path: &Path, file: File, used: Use, owners: Owners) -> Result<Self, FileError> {
        let (name, size) = (kind.name, kind.size);
        let meta = file.metadata().map_err(kind.io_error(path, "examine"))?;
        let other_kind = |found: String| FileError::OtherKind { kind: name, path: path.to_owned(), found };
        if !meta.is_file() {
            return Err(other_kind("not a regular file".to_owned()));
        }
        // SAFETY: geteuid reads the caller's credentials and cannot fail.
        let caller = unsafe { libc::geteuid() };
        if owners == Owners::OwnAndRoot && meta.uid() != caller && meta.uid() != 0 {
            return Err(FileError::ForeignOwner { kind: name, path: path.to_owned(), owner: meta.uid(), caller });
        }
        if meta.len() < size_of::<Head>() as u64 {
            return Err(other_kind(format!("{} bytes long, a {name} has {size}", meta.len())));
        }
        let mapped = usize::try_from(meta.len()).unwrap_or(usize::MAX).min(size);
        let mut options = MmapOptions::new();
        options.len(mapped);
        let map = match used {
            Use::Read => options.map_raw_read_only(&file),
            Use::ReadAndWrite => options.map_raw(&file),
        };
        let map = map.map_err(kind.io_error(path, "map"))?;
        let opened = Self { kind, path: path.to_owned(), file, map, identity: (meta.dev(), meta.ino()) };
        // SAFETY: Head is repr(C) and has atomics only.
        let head: &Head = unsafe { opened.content() };
        // Acquire: everything the creator wrote came before the file got its name; nothing is pending. Relaxed would do,
        // Acquire costs nothing here and keeps the reads below behind this one.
        let magic = head.magic.load(Ordering::Acquire);
        if magic != u64::from_ne_bytes(kind.magic) {
            return Err(other_kind(format!("first bytes {:02x?}", magic.to_ne_bytes())));
        }
        let version = head.version.load(Ordering::Relaxed); // constant since creation
        let other_version =
            |found| FileError::OtherVersion { kind: name, path: path.to_owned(), found, wanted: kind.version };
        if version != kind.version {
            return Err(other_version(version.to_string()));
        }
        // Relaxed: constants since creation.
        if head.layout_hash.load(Ordering::Relaxed) != kind.layout_hash
            || head.size.load(Ordering::Relaxed) != size as u64
        {
            return Err(other_version(format!("{version} with other offsets")));
        }
        if mapped < size {
            return Err(other_kind(format!("{mapped} bytes long, a {name} has {size}")));
        }
        Ok(opened)
    }

    /// Whether `file()` still is the file that was opened: a program that closes descriptors it does not know may have
    /// put another file under our number.
    pub fn descriptor_is_ours(&self) -> bool {
        // SAFETY: a stat buffer of zeros is a valid one; fstat fills it or fails.
        let mut stat: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: the descriptor number may be stale, which fstat reports; the buffer is ours.
        let known = unsafe { libc::fstat(self.file.as_raw_fd(), &raw mut stat) } == 0;
        known && (stat.st_dev, stat.st_ino) == self.identity
    }

    /// Has the file system set aside what `object`, a part of this file, occupies: a full one then answers here, and
    /// not with a signal at the first write.
    pub fn set_aside<T>(&self, object: &T) -> Result<(), FileError> {
        let offset = core::ptr::from_ref(object) as usize - self.map.as_ptr() as usize;
        allocate(&self.file, offset, size_of::<T>()).map_err(self.kind.io_error(&self.path, "set space aside"))
    }

    /// Why a system call on this file failed.
    pub fn io_error(&self, what: &'static str) -> impl FnOnce(io::Error) -> FileError {
        self.kind.io_error(&self.path, what)
    }
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

/// Whether this process may make a file of this size; if not, trying would bring it a signal.
fn may_be_as_long(size: usize) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one structure of ours.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0 && limit.rlim_cur < size as u64 {
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

/// Mode and group of a new file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub bits: libc::mode_t,
    pub group: Option<u32>,
}

impl From<Access> for Mode {
    fn from(access: Access) -> Self {
        Self { bits: if access.group.is_some() { 0o660 } else { 0o600 }, group: access.group }
    }
}

/// Makes a complete file and then gives it its name, which fails if the name is taken.
pub(crate) fn create(kind: &Kind, path: &Path, mode: Mode) -> Result<(), FileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    // A file without a name vanishes with its maker, wherever that is killed.
    if let Ok(file) = open_file(parent, flags | libc::O_TMPFILE, 0o600) {
        fill(kind, &file, mode).map_err(kind.io_error(path, "fill"))?;
        let nameless = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        match link(&nameless, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // no /proc: the other way
            done => return done.map_err(kind.io_error(path, "create")),
        }
    }
    // The file system has no nameless files: a name that nobody else uses. A killed maker leaves it behind, empty.
    let mut name = path.file_name().unwrap_or(OsStr::new("shared")).to_owned();
    name.push(format!(".{}-{:x}", std::process::id(), core::ptr::from_ref(&flags) as usize));
    let temporary = parent.join(name);
    let file = open_file(&temporary, flags | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW, 0o600)
        .map_err(kind.io_error(path, "create"))?;
    let named = fill(kind, &file, mode).and_then(|()| link(&temporary, path));
    let removed = std::fs::remove_file(&temporary);
    named.and(removed).map_err(kind.io_error(path, "create"))
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    let status =
        unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn fill(kind: &Kind, file: &File, mode: Mode) -> io::Result<()> {
    may_be_as_long(kind.size)?;
    file.set_len(kind.size as u64)?;
    allocate(file, 0, kind.set_aside)?;
    file.write_all_at(&kind.first_bytes(), 0)?;
    if mode.group.is_some() {
        std::os::unix::fs::fchown(file, None, mode.group)?;
    }
    // The umask took part in the open's mode; this call says exactly what is meant, and changes nothing of the process.
    // SAFETY: a descriptor that `file` keeps open and a mode.
    if unsafe { libc::fchmod(file.as_raw_fd(), mode.bits) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
