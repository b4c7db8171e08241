//! The panic fence, the depth guard, errno and cancellation: what makes a hook harmless to the program it stands in.
// UNSAFETY: errno and the thread's own state are reached through pointers, looked up once per call.
#![expect(unsafe_code)]

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::compute;
use crate::current::LastContext;

/// What is kept per thread: in one place, since finding it is a call.
struct Thread {
    /// Whether this thread is inside a hook.
    inside: Cell<bool>,
    /// See [`crate::current`].
    last_context: Cell<LastContext>,
    /// See [`crate::compute`].
    compute: compute::Thread,
}

std::thread_local! {
    // Without a destructor, so it serves until the very end of a thread.
    static THREAD: Thread = const {
        Thread {
            inside: Cell::new(false),
            last_context: Cell::new(LastContext::NONE),
            compute: compute::Thread::new(),
        }
    };
}

/// Runs a hook; a panic inside it becomes `on_panic` and never reaches the program.
#[inline(always)]
pub(crate) fn fence<R>(on_panic: R, hook: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(hook)).unwrap_or(on_panic)
}

/// Runs the bookkeeping that follows a driver call. If it fails, the driver's answer stands all the same.
#[inline(always)]
pub(crate) fn bookkeeping(work: impl FnOnce()) {
    // The panic message is on stderr already; the books may now be too high, never too low, since bytes are taken first.
    let _failed = catch_unwind(AssertUnwindSafe(work));
}

unsafe extern "C" {
    /// `pthread_setcancelstate(3)`.
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}
/// `PTHREAD_CANCEL_DISABLE` of pthread.h (glibc and musl alike).
const CANCEL_DISABLE: c_int = 1;

/// Runs work of ours in which the calling thread is not cancelled: it may hold a lock where the C library would end it, and
/// nothing of ours is unwound then. It is cancelled later, where the driver's own function would let it be.
pub(crate) fn uncancelled<R>(work: impl FnOnce() -> R) -> R {
    /// Gives the thread back the state that it had, after a panic too.
    struct Restore(c_int);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: a flag of the calling thread.
            unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
        }
    }
    let mut before = Restore(0);
    // SAFETY: as above; writes one number of ours.
    unsafe { pthread_setcancelstate(CANCEL_DISABLE, &raw mut before.0) };
    work()
}

/// Bookkeeping that takes locks and may come to the C library under them.
pub(crate) fn locked_bookkeeping(work: impl FnOnce()) {
    uncancelled(|| bookkeeping(work));
}

/// Runs work of ours outside any stay in a hook, and leaves errno as the program had it.
pub(crate) fn keeping_errno<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the C library's pointer to this thread's errno, valid for the thread's life.
    let (errno, before) = unsafe {
        let errno = libc::__errno_location();
        (errno, *errno)
    };
    let result = uncancelled(work);
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

/// Runs work of ours with what is kept of the calling thread's launches.
pub(crate) fn with_thread(work: impl FnOnce(&compute::Thread)) {
    THREAD.with(|thread| work(&thread.compute));
}

/// One thread's stay inside a hook. Vendor libraries call themselves through the global scope, and the runtime calls
/// the driver from inside the driver: only the outermost call counts, the inner ones go straight through.
pub(crate) struct Inside {
    /// This thread's own; raw, so that an `Inside` cannot go to another thread.
    thread: *const Thread,
    errno: *mut i32,
    program_errno: i32,
}

impl Inside {
    /// Enters, unless this thread is inside already.
    #[inline]
    pub(crate) fn enter() -> Option<Self> {
        let thread = THREAD.with(ptr::from_ref);
        // SAFETY: a thread-local without destructor lives as long as its thread, which is this one.
        if unsafe { &*thread }.inside.replace(true) {
            return None;
        }
        // SAFETY: the C library's pointer to this thread's errno, valid for the thread's life.
        let (errno, program_errno) = unsafe {
            let errno = libc::__errno_location();
            (errno, *errno)
        };
        Some(Self { thread, errno, program_errno })
    }

    /// Runs the driver's own function with the errno that the program had, and keeps what the driver made of it.
    #[inline]
    pub(crate) fn driver<R>(&mut self, call: impl FnOnce() -> R) -> R {
        // SAFETY: as in `enter`.
        unsafe { *self.errno = self.program_errno };
        let result = call();
        // SAFETY: as in `enter`.
        self.program_errno = unsafe { *self.errno };
        result
    }

    /// What this thread's last question for its context found.
    #[inline]
    pub(crate) fn last_context(&self) -> &Cell<LastContext> {
        // SAFETY: as in `enter`.
        unsafe { &(*self.thread).last_context }
    }

    /// What this thread may send without asking.
    #[inline]
    pub(crate) fn compute(&self) -> &compute::Thread {
        // SAFETY: as in `enter`.
        unsafe { &(*self.thread).compute }
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `enter`, for both.
        unsafe {
            *self.errno = self.program_errno;
            (*self.thread).inside.set(false);
        }
    }
}
