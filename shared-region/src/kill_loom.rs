//! Numbered points at which a model's thread may die: it unwinds there.

use core::cell::Cell;

// Loom's threads share one of the system's, so they need loom's own storage.
loom::thread_local! {
    static TARGET: Cell<Option<(u32, u32)>> = Cell::new(None);
}

/// What unwinds out of the point that was armed.
#[derive(Debug)]
pub struct Killed;

/// Arms `point` for this thread: the `nth` time it is reached (from 0) the thread unwinds with [`Killed`].
pub fn arm(point: u32, nth: u32) {
    TARGET.with(|target| target.set(Some((point, nth))));
}

/// Called at each point.
pub(crate) fn at(point: u32) {
    let due = TARGET.with(|target| match target.get() {
        Some((armed, 0)) if armed == point => {
            target.set(None);
            true
        }
        Some((armed, nth)) if armed == point => {
            target.set(Some((armed, nth - 1)));
            false
        }
        _ => false,
    });
    if due {
        std::panic::resume_unwind(Box::new(Killed));
    }
}
