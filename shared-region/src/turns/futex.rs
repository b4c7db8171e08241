//! Sleeping on a word of shared memory until a time, and waking who sleeps.
// UNSAFETY: futex(2) has no safe wrapper.
#![expect(unsafe_code)]

use core::sync::atomic::AtomicU32;

/// Sleeps while `word` is `seen`, until it is woken, `until` (nanoseconds of CLOCK_MONOTONIC) has come, or a signal does.
/// Keeps `errno`.
pub(crate) fn wait(word: &AtomicU32, seen: u32, until: u64) {
    let time = libc::timespec {
        tv_sec: (until / 1_000_000_000) as libc::time_t,
        tv_nsec: (until % 1_000_000_000) as libc::c_long,
    };
    // WAIT_BITSET takes an absolute time by the monotonic clock, where WAIT takes how long from now. Not PRIVATE: other
    // processes wake us.
    // SAFETY: the word and the time outlive the call, which writes neither.
    keeping_errno(|| unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            seen,
            &raw const time,
            core::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    });
}

/// Wakes all who sleep on `word`.
pub(crate) fn wake(word: &AtomicU32) {
    // SAFETY: the word outlives the call, which only uses its address.
    keeping_errno(|| unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) });
}

/// Every way in which these calls fail means: look again.
fn keeping_errno(call: impl FnOnce() -> libc::c_long) {
    // SAFETY: the calling thread's own errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *place };
    call();
    // SAFETY: as above.
    unsafe { *place = before };
}
