//! The clock of all compute accounts: monotonic, the same for every process of the machine since it was started.
// UNSAFETY: clock_gettime has no safe wrapper that gives plain nanoseconds.
#![expect(unsafe_code)]

/// Nanoseconds of CLOCK_MONOTONIC.
#[inline]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one structure of ours; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
