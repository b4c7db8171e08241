//! The panic fence, the depth guard and errno: what makes a hook harmless to the program it stands in.
// UNSAFETY: errno is reached through the C library's pointer to it.
#![expect(unsafe_code)]

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

std::thread_local! {
    /// Hooks that this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
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

/// One thread's stay inside a hook. Vendor libraries call themselves through the global scope, and the runtime calls
/// the driver from inside the driver: only the outermost call counts, the inner ones go straight through.
pub(crate) struct Inside {
    errno: i32,
}

impl Inside {
    /// Enters, unless this thread is inside already.
    #[inline]
    pub(crate) fn enter() -> Option<Self> {
        // A thread that is being torn down has no depth any more: it passes straight through.
        let entered = DEPTH
            .try_with(|depth| {
                depth.get() == 0 && {
                    depth.set(1);
                    true
                }
            })
            .unwrap_or(false);
        // SAFETY: the C library's pointer to this thread's errno is valid for the thread's life.
        entered.then(|| Self { errno: unsafe { *libc::__errno_location() } })
    }

    /// Runs the driver's own function with the errno that the program had, and keeps what the driver made of it.
    #[inline]
    pub(crate) fn driver<R>(&mut self, call: impl FnOnce() -> R) -> R {
        // SAFETY: as in `enter`.
        unsafe { *libc::__errno_location() = self.errno };
        let result = call();
        // SAFETY: as in `enter`.
        self.errno = unsafe { *libc::__errno_location() };
        result
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `enter`.
        unsafe { *libc::__errno_location() = self.errno };
        let _torn_down = DEPTH.try_with(|depth| depth.set(0));
    }
}
