//! Turns: who may use a device now, across all tenants that share it.
//!
//! A turn is a lease: one word per device says who has it and until when. The end is the predicted end of what the holder
//! has submitted, and never further away than [`MAX_LEASE`]. So a holder that stops, dies or sits in an endless kernel
//! delays nobody for longer than that; nobody has to give anything back, and no lock exists. `order` has the rules of who is
//! next; `docs/turns.md` explains the whole.

use crate::sync::Ordering;

#[cfg(not(loom))]
mod futex;
mod order;
mod seat;
/// The file, and sleeping on it.
#[cfg(not(loom))]
mod shared;
mod words;

pub use seat::{Rivals, Seat, Standing, Turn};
#[cfg(not(loom))]
pub use shared::{Turns, TurnsAccess, TurnsError};
pub use words::{MAX_DEVICES, MAX_SEATS};

#[cfg(loom)]
pub use model::Turns;
#[cfg(loom)]
use model::futex;

/// The class of those who get what the others leave.
pub const BEST_EFFORT: u8 = 255;

/// Device-time that a turn is for, in nanoseconds. Shorter costs more changes, longer more latency.
pub const SLICE: u64 = 4_000_000;
/// The same while somebody of a higher class is present.
pub const SHORT_SLICE: u64 = 2_000_000;
/// Longest lease, in nanoseconds: so long a holder that stops can delay the others. Four slices, so that kernels of 10 ms
/// still run by themselves.
pub const MAX_LEASE: u64 = 16_000_000;
/// How long before a lease ends the next one may take the turn. A sleeper wakes some 60 µs late (50 µs of timer slack are
/// Linux's default), and then submits: its work should be there when the device becomes free.
pub const LEAD: u64 = 80_000;
/// How long the next one is waited for, after the end of a lease, before the one after it goes.
pub const GRACE: u64 = 1_000_000;
/// What [`Seat::extend`] adds to the predicted end for the work that comes next.
pub const KEEP: u64 = 250_000;
/// How long a new holder has to submit its first work.
pub const FIRST_LEASE: u64 = 500_000;
/// Longest wait for a turn, in nanoseconds; after it the turn is taken, whatever the file says. Honest waits stay below it
/// from a share of 1 % on (one slice in a hundred, and some are four times as long). A best-effort tenant among busy ones
/// lives on it.
pub const MAX_WAIT: u64 = 2_000_000_000;

/// For how long a wish counts, unless it is said again: the longest sleep.
pub(crate) const WANT: u64 = 50_000_000;
/// For how long somebody counts as present after it last wanted or used the device.
pub(crate) const PRESENT: u64 = 1_000_000_000;
/// For how long it keeps its place among those who want it. Longer than the pauses of a program that waits for each kernel;
/// short, as it comes back with what it has not used in that time.
pub(crate) const RECENT: u64 = 30_000_000;

/// A sleep that ends when it may be a seat's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the device.
    device: usize,
    seat: u16,
    bell: u32,
    /// When it ends at the latest, in nanoseconds of the clock; may be made earlier.
    pub until: u64,
}

impl Turns {
    /// Changes whenever somebody begins to want the device. One relaxed load.
    #[inline]
    pub fn calls(&self, device: usize) -> u32 {
        // Relaxed: who sees a change goes and looks, behind a fence.
        self.content().devices[device].calls.0.load(Ordering::Relaxed)
    }

    fn ring(&self, device: usize, seat: u16) {
        let bell = &self.content().seats[usize::from(seat)].wishes[device].bell;
        // Release: who finds it changed sees what was written before. (The fence in `survey` comes before each ring, and would do.)
        bell.fetch_add(1, Ordering::Release);
        futex::wake(bell);
    }
}

#[cfg(all(test, not(any(states, loom))))]
#[path = "turns_tests.rs"]
mod tests;

#[cfg(loom)]
#[path = "turns_loom.rs"]
mod model;
