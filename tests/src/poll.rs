//! Waiting for a condition, with a deadline in place of a guessed sleep.

use std::thread;
use std::time::{Duration, Instant};

/// How long a poll pauses between two looks: short beside what is waited for, long enough to leave the processor to it.
const PAUSE: Duration = Duration::from_millis(1);

/// Looks until `look` gives a value, and returns it; `None` once `limit` has passed, after a last look.
pub fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = Instant::now() >= deadline;
        if let Some(found) = look() {
            return Some(found);
        }
        if last {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Looks until `condition` holds.
///
/// # Panics
/// When `limit` has passed first; the message names `what`.
pub fn poll_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    assert!(poll(limit, || condition().then_some(())).is_some(), "{what}: not within {limit:?}");
}
