//! Lines on stderr, quiet unless something is wrong; level by `LIBCUDA_LOG_LEVEL`.
// UNSAFETY: write(2) and getenv(3) are called directly, so that a closed or broken stderr cannot panic.
#![expect(unsafe_code)]

use core::ffi::c_char;
use core::fmt::Arguments;
use std::ffi::CStr;

/// How much is said. The numbers are those of `LIBCUDA_LOG_LEVEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Something does not work; always said.
    Error = 0,
    /// Something is not as asked, and the program goes on; said by default.
    Warning = 2,
    /// What the library decided.
    Info = 3,
}

/// Writes one line, if the level asks for it. One write(2), so that lines of several threads do not mix.
pub(crate) fn line(level: Level, message: Arguments<'_>) {
    if level > Level::Error && (level as i32) > asked_level() {
        return;
    }
    let text = format!("hami-core: {message}\n");
    if !has_room(text.len()) {
        return;
    }
    // SAFETY: the buffer is valid for its length; a failed write is nobody's concern.
    let _written = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

/// Whether stderr takes this much more. A file at the process's limit on file sizes would answer with a signal.
fn has_room(length: usize) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a stat buffer of zeros is a valid one.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: both write one structure of ours, or fail.
    let known = unsafe {
        libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) == 0 && libc::fstat(libc::STDERR_FILENO, &raw mut stat) == 0
    };
    let regular = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
    !(known && regular) || (stat.st_size as u64).saturating_add(length as u64) <= limit.rlim_cur
}

/// `LIBCUDA_LOG_LEVEL`; 2 when unset or not a number (it decides only how much is said, so nothing fails closed).
fn asked_level() -> i32 {
    crate::config::variable(c"LIBCUDA_LOG_LEVEL").and_then(|text| text.trim().parse().ok()).unwrap_or(2)
}

/// getenv(3) as the program's own libc sees it, so that variables set by C code count as well.
pub(crate) fn getenv(name: &CStr) -> Option<String> {
    // SAFETY: the name is NUL-terminated. The answer is copied at once: another thread's setenv could invalidate it
    // later, a race that getenv has in every program.
    let value: *const c_char = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv answers NULL or a NUL-terminated string.
    Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
}

/// Something does not work.
macro_rules! error {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Error, format_args!($($arg)*)) };
}
/// Something is not as asked.
macro_rules! warning {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Warning, format_args!($($arg)*)) };
}
/// What the library decided.
macro_rules! info {
    ($($arg:tt)*) => { $crate::log::line($crate::log::Level::Info, format_args!($($arg)*)) };
}
pub(crate) use {error, info, warning};
