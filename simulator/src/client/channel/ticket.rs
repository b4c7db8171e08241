//! When a command ends: asking, and waiting asleep.

use std::sync::atomic::Ordering;

use super::Channel;
use crate::channel::{Cell, FINAL};
use crate::client::monotonic_ns;
use crate::futex;

/// A wait sleeps until this long before the end, and spins for the rest.
const SPIN_NS: u64 = 3_000;
/// How long a wait without a known end spins for the engine to say it, which mostly takes 20 to 40 µs where that has to wake. (A
/// real driver spins, too, by default.)
const ASK_NS: u64 = 50_000;
/// How often a wait without a known end looks whether there is still a simulation.
const LOOK_NS: u64 = 500_000_000;
/// Longest sleep while the engine works out anew what it foretold.
const FLUX_NS: u64 = 20_000;

/// Tells when a command ends. Kept as long as wanted; copies are cheap.
pub struct Ticket {
    pub(super) channel: &'static Channel,
    pub(super) cell: u32,
}

/// The simulation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulation has ended")]
pub struct Disconnected;

impl Ticket {
    /// Takes over one count of the cell.
    pub(super) fn owned(channel: &'static Channel, cell: u32) -> Self {
        Self { channel, cell }
    }

    /// Counts itself. Somebody must hold the cell meanwhile.
    pub(super) fn another(channel: &'static Channel, cell: u32) -> Self {
        if cell != 0 {
            // Relaxed: whoever holds the cell keeps it from being used again.
            channel.counts[cell].fetch_add(1, Ordering::Relaxed);
        }
        Self { channel, cell }
    }

    fn words(&self) -> &Cell {
        self.channel.memory.cell(self.cell)
    }

    pub(super) fn is_final(&self) -> bool {
        self.channel.is_final(self.cell)
    }

    /// When the command ended (CLOCK_MONOTONIC nanoseconds), if it has.
    pub fn end(&self) -> Option<u64> {
        // Acquire: what the command did is seen with its end; so below.
        match self.words().end.load(Ordering::Acquire) {
            0 => return None,
            end if end & FINAL != 0 => return Some(end & !FINAL),
            _ => {}
        }
        // SeqCst, and in this order: the clock, `promised`, the end. The engine lowers `promised` before it reads the clock and
        // changes ends that lie ahead of what it sees there. A change that is not seen here comes from a later pass, whose
        // clock is past the one read here: it leaves this end alone.
        let now = monotonic_ns();
        let promised = self.channel.books.engine.promised.0.load(Ordering::SeqCst);
        match self.words().end.load(Ordering::SeqCst) {
            end if end & FINAL != 0 => Some(end & !FINAL),
            end => (end != 0 && end <= now && end <= promised).then_some(end),
        }
    }

    /// Whether the command has ended. Never false after it was true.
    pub fn is_reached(&self) -> bool {
        self.end().is_some()
    }

    /// Sleeps until the command has ended.
    ///
    /// # Errors
    /// [`Disconnected`] if it never will.
    pub fn wait(&self) -> Result<(), Disconnected> {
        if self.is_reached() {
            return Ok(());
        }
        // Sleeping is as exact as the device is; afterwards the thread is as it was.
        let slack = futex::set_timer_slack(1);
        let waited = self.wait_exactly();
        futex::set_timer_slack(slack);
        waited
    }

    fn wait_exactly(&self) -> Result<(), Disconnected> {
        let words = self.words();
        let mut flux = None;
        while !self.is_reached() {
            let now = monotonic_ns();
            // Relaxed: `is_reached` decides; this only says how long to sleep.
            let end = words.end.load(Ordering::Relaxed);
            let until = match end {
                0 => now + LOOK_NS,
                end if end & FINAL != 0 => continue,
                // It will be certain in a moment, when the engine has said all that it knows.
                end if end <= now && now - *flux.get_or_insert(now) < SPIN_NS => {
                    std::hint::spin_loop();
                    continue;
                }
                end if end <= now => now + FLUX_NS,
                end if end - now <= SPIN_NS => {
                    std::hint::spin_loop();
                    continue;
                }
                end => (end - SPIN_NS).min(now + LOOK_NS),
            };
            // SeqCst: the bell before the second look at the end; the engine writes the end before it looks at the bell.
            words.bell.store(1, Ordering::SeqCst);
            if words.end.load(Ordering::SeqCst) == end {
                if end == 0 && self.asks(now + ASK_NS) {
                    continue;
                }
                futex::wait(&words.bell, 1, until);
            }
            if monotonic_ns() >= now + LOOK_NS && !self.channel.is_connected() {
                return if self.is_reached() { Ok(()) } else { Err(Disconnected) };
            }
        }
        Ok(())
    }

    /// Has the engine say when the command ends, if that is known before `until`; answers whether it does.
    fn asks(&self, until: u64) -> bool {
        self.channel.ring();
        // Relaxed: as in `wait_exactly`.
        while self.words().end.load(Ordering::Relaxed) == 0 {
            if monotonic_ns() > until {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }

    /// Lets a gate end.
    pub fn finish(&self) {
        // SeqCst: before the look at whether the engine sleeps; it says so before it looks at its gates.
        self.words().open.store(1, Ordering::SeqCst);
        self.channel.ring();
    }
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self::another(self.channel, self.cell)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // A fork has counts of its own, which nobody looks at, and must not wait for a lock that a thread held which it lacks.
        if self.cell != 0 && self.channel.count_down(self.cell) && self.channel.process.holds() {
            self.channel.lock().free.push(self.cell);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("cell", &self.cell).field("end", &self.end()).finish()
    }
}
