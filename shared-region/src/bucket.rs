//! A tenant's cap on a device's time: a bucket that may go into debt, in one word that all its processes charge.
//!
//! The word says until when the tenant's use is **paid**: a charge of `cost` nanoseconds of device-time under a cap of 30 %
//! moves that instant by `cost / 0.3`, and work may be submitted while it is not in the future. So the debt of a long
//! kernel is repaid by waiting, and a wait knows when it ends: nothing is refilled, nobody polls. (This is the generic cell
//! rate algorithm of ATM, ITU-T I.371.) Credit is what lies between the instant and now, [`DEPTH`] at most.
//!
//! The word also has the cap that it was last charged at. Who comes with another cap first rescales what is owed or
//! saved, which is a time by the old cap, to the new one: so a cap that changes counts at once, in both directions.
//!
//! Each change is one compare-and-swap; a process that dies has charged or has not. The arithmetic below knows no clock.

use crate::layout::Line;
use crate::share::WHOLE;
use crate::sync::{AtomicU128, Ordering};

/// Most device-time that a tenant which was idle may use at once, in nanoseconds.
pub const DEPTH: u64 = 20_000_000;
/// What a tenant that never ran may use at once, in nanoseconds of device-time.
pub const FRESH: u64 = 4_000_000;
/// Longest debt that is kept, in nanoseconds of waiting. It has to be larger than any honest one: a kernel of 600 ms under
/// a cap of 1 % comes to it. And small enough to wait for, should a wrong measurement or a stray write bring it about.
pub const MAX_DEBT: u64 = 60_000_000_000;

/// What the word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// Until when use is paid, in nanoseconds of the clock.
    pub until: u64,
    /// Cap of the last charge, in hundredths of a percent; 0 before the first.
    pub cap: u16,
}

impl Paid {
    fn unpack(raw: u128) -> Self {
        Self { until: raw as u64, cap: (raw >> 64) as u16 }
    }

    fn pack(self) -> u128 {
        (u128::from(self.cap) << 64) | u128::from(self.until)
    }

    /// What the word means at `now` under `cap` (hundredths of a percent; out of 1 to 10,000 counts as the nearest).
    ///
    /// A debt that nobody can honestly have (twice [`MAX_DEBT`]: one clock reading may be old) is no debt of ours: the
    /// file has outlived a restart of the machine, or somebody wrote into it. It counts as a tenant that never ran.
    pub fn at(self, now: u64, cap: u16) -> Self {
        let cap = cap.clamp(1, WHOLE);
        let fresh = self.cap == 0 || self.cap > WHOLE || self.until > now.saturating_add(2 * MAX_DEBT);
        if fresh {
            return Self { until: now.saturating_sub(waiting(FRESH, cap)), cap };
        }
        let rescaled = |time: u64| {
            let scaled = u128::from(time) * u128::from(self.cap) / u128::from(cap);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let until = if self.until > now {
            now.saturating_add(rescaled(self.until - now).min(MAX_DEBT))
        } else {
            now - rescaled(now - self.until).min(waiting(DEPTH, cap)).min(now)
        };
        Self { until, cap }
    }

    /// The word after `cost` nanoseconds of device-time were used, or given back if it is negative.
    pub fn charged(self, now: u64, cost: i64, cap: u16) -> Self {
        let Self { until, cap } = self.at(now, cap);
        // A charge rounds up and a correction down, so the tenant's sum never comes out above its cap.
        let until = if cost >= 0 {
            until.saturating_add(waiting(cost as u64, cap)).min(now.saturating_add(MAX_DEBT))
        } else {
            let saved = cost.unsigned_abs().saturating_mul(u64::from(WHOLE)) / u64::from(cap);
            until.saturating_sub(saved).max(now.saturating_sub(waiting(DEPTH, cap)))
        };
        Self { until, cap }
    }
}

/// How long `device_time` takes to be earned under a cap, rounded up.
fn waiting(device_time: u64, cap: u16) -> u64 {
    let earned = u128::from(device_time) * u128::from(WHOLE);
    u64::try_from(earned.div_ceil(u128::from(cap))).unwrap_or(u64::MAX)
}

/// A tenant's account of one device's time.
#[derive(Clone, Copy)]
pub struct Bucket<'a> {
    word: &'a AtomicU128,
}

impl<'a> Bucket<'a> {
    pub(crate) fn new(word: &'a Line<AtomicU128>) -> Self {
        Self { word: &word.0 }
    }

    /// Accounts for `cost` nanoseconds of device-time under `cap` (hundredths of a percent); a negative cost corrects what
    /// was charged too much. Answers as [`ready_at`](Self::ready_at).
    #[inline]
    pub fn charge(&self, now: u64, cost: i64, cap: u16) -> u64 {
        self.change(|paid| paid.charged(now, cost, cap))
    }

    /// From when on work may be submitted: at once if that is not after `now`, and the difference is the credit, in
    /// nanoseconds by the clock. At most [`MAX_DEBT`] away.
    #[inline]
    pub fn ready_at(&self, now: u64, cap: u16) -> u64 {
        // Relaxed: a lone figure; nothing is read on the strength of it.
        let seen = Paid::unpack(self.word.load(Ordering::Relaxed));
        if seen.cap == cap && seen.until <= now.saturating_add(MAX_DEBT) {
            return seen.at(now, cap).until;
        }
        // Kept: a debt that is only cut down while somebody looks would move on with the clock; a change of the cap counts
        // from now on, not from the next charge.
        self.change(|paid| paid.at(now, cap))
    }

    fn change(&self, new: impl Fn(Paid) -> Paid) -> u64 {
        // Relaxed, here and below: the word is all there is; it carries no news of other memory.
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let next = new(Paid::unpack(seen));
            // Fails only when another process or thread has charged meanwhile: somebody always gets on.
            match self.word.compare_exchange(seen, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next.until,
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(all(test, not(loom), not(states)))]
#[path = "bucket_tests.rs"]
mod tests;
