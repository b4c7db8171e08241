//! Sleeping on a word that processes share, and waking who sleeps there.
//!
#![expect(unsafe_code)]
// UNSAFETY: makes the futex system call, which has no safe wrapper that works between processes.

use std::ptr;
use std::sync::atomic::AtomicU32;

use nix::errno::Errno;

/// Sleeps while `word` holds `expected`, until it is woken or CLOCK_MONOTONIC reaches `deadline_ns`. Returns early as it
/// likes: the caller looks at what it waits for again.
pub fn wait(word: &AtomicU32, expected: u32, deadline_ns: u64) {
    let seconds = (deadline_ns / 1_000_000_000).min(i32::MAX as u64);
    let deadline = libc::timespec { tv_sec: seconds as libc::time_t, tv_nsec: (deadline_ns % 1_000_000_000) as i64 };
    let errno = Errno::last_raw();
    // SAFETY: the word and the time are valid for the call. FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            ptr::from_ref(&deadline),
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    // A timeout is no error of the program that calls the simulated driver.
    Errno::set_raw(errno);
}

/// Wakes everyone who sleeps on `word`.
pub fn wake(word: &AtomicU32) {
    // SAFETY: the address is only a name here; the call reads nothing behind it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// Lets this thread sleep with a precision of `ns` nanoseconds; returns what it was before.
pub fn set_timer_slack(ns: u64) -> u64 {
    // SAFETY: both calls take plain numbers and concern the calling thread alone.
    unsafe {
        let before = libc::prctl(libc::PR_GET_TIMERSLACK);
        libc::prctl(libc::PR_SET_TIMERSLACK, ns as libc::c_ulong);
        before.max(1) as u64
    }
}
