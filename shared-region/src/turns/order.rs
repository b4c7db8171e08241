//! Who may use a device next: the rules, without clock, memory or files.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng: SIGCOMM 1996). Each seat has a virtual time, which grows by the device-time
//! that it uses, divided by its weight; of those who want the device the one with the lowest is next. Who comes back after
//! a pause starts at the device's virtual time, so nobody saves up; nobody starves, as whoever runs moves back.
//!
//! A higher class goes first while it is within its share: its virtual time counts as [`CREDIT`] less for each class. That
//! is a constant, so it buys a place in the queue and no device-time. Best effort comes after all others.
//!
//! Virtual times are numbers modulo 2⁶⁴ that are compared by their difference: wherever a stray write puts one, everybody
//! goes on from there.

use crate::share::{LAST_PRIORITY, WHOLE};
use crate::turns::{BEST_EFFORT, GRACE, LEAD, MAX_LEASE, SLICE, WANT};

/// How far one class is put before the next, in nanoseconds of virtual time (device-time of a seat with all of the device).
pub(crate) const CREDIT: u64 = 20_000_000;
/// How much more than the others a seat can have used, in nanoseconds of virtual time; what is over it is forgotten. A
/// kernel of 100 ms by a seat with a hundredth of the device comes to it. A stray write can put a seat back by as much.
pub(crate) const WINDOW: u64 = 10_000_000_000;

/// What a seat says of itself for one device. Anybody can have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub seat: u16,
    /// Processes with the same number share one weight.
    pub tenant: u64,
    pub class: u8,
    /// Virtual time.
    pub time: u64,
    /// Until when it wants the device; 0: not at all.
    pub want: u64,
    /// Until when it counts as present.
    pub present: u64,
}

impl Seen {
    /// Whether it wants the device. What is further away than anybody promises is nonsense; the factor is for one whose
    /// clock reading is later than `now`.
    pub fn wants(&self, now: u64) -> bool {
        self.want > now && self.want <= now + 2 * WANT
    }

    fn is_present(&self, now: u64) -> bool {
        self.present > now && self.present <= now + 2 * super::PRESENT
    }

    /// Whether it has wanted or used the device within [`super::RECENT`].
    fn is_recent(&self, now: u64) -> bool {
        self.is_present(now) && self.present + super::RECENT > now + super::PRESENT
    }

    /// When it last said that it wants the device.
    fn said(&self) -> u64 {
        self.want.saturating_sub(WANT)
    }

    /// Its place in the queue: the lower goes first.
    fn place(&self, clock: Clock) -> (bool, i64, u8, u16) {
        let credit = u64::from(LAST_PRIORITY.saturating_sub(self.class)) * CREDIT;
        let start = self.start(clock);
        let ahead = distance(start, clock.of(self.class)) - credit as i64;
        (self.class == BEST_EFFORT, ahead, self.class, self.seat)
    }

    /// Its start: not before the device's virtual time, and not further behind the others than is remembered.
    pub fn start(&self, clock: Clock) -> u64 {
        let clock = clock.of(self.class);
        clock.wrapping_add(distance(self.time, clock).clamp(0, WINDOW as i64) as u64)
    }
}

/// By how much one virtual time is after another.
pub(crate) fn distance(one: u64, other: u64) -> i64 {
    one.wrapping_sub(other) as i64
}

/// How much virtual time `device_time` takes of a seat that has `weight` hundredths of a percent with `others` in one tenant.
pub(crate) fn virtual_time(device_time: i64, weight: u16, processes: u32) -> i64 {
    let scaled = i128::from(device_time) * i128::from(WHOLE) * i128::from(processes.max(1));
    let weight = i128::from(weight.clamp(1, WHOLE));
    (scaled / weight).clamp(-i128::from(WINDOW), i128::from(WINDOW)) as i64
}

/// A device's virtual times: of those with a share, and of best effort, whose use says nothing about the others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    pub shares: u64,
    pub best_effort: u64,
}

impl Clock {
    pub fn of(self, class: u8) -> u64 {
        if class == BEST_EFFORT { self.best_effort } else { self.shares }
    }
}

/// What a seat finds when it looks at the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Others that want the device and go first.
    pub ahead: u32,
    /// When the last one of these said so.
    pub said: u64,
    /// Of all others that want it, who goes first, and what it said.
    pub first: Option<(u16, u64)>,
    /// Lowest start among the seat itself and the others of its kind that want the device.
    pub lowest: u64,
    /// Somebody else wants the device.
    pub waiting: bool,
    /// Somebody of a higher class does.
    pub higher_waiting: bool,
    /// Somebody else has wanted or used it of late.
    pub present: bool,
    /// Somebody of a higher class has.
    pub higher_present: bool,
    /// Processes of the seat's tenant that are present, itself included.
    pub processes: u32,
    /// The holder is of a lower class, and would stand behind the seat if it wanted the device now.
    pub over_holder: bool,
}

/// Looks at `others` from the place of `me`, while `holder` has the device.
pub(crate) fn survey(
    now: u64,
    me: Seen,
    clock: Clock,
    holder: Option<u16>,
    others: impl Iterator<Item = Seen>,
) -> Survey {
    let own = me.place(clock);
    let mut found = Survey {
        ahead: 0,
        said: 0,
        first: None,
        lowest: me.start(clock),
        waiting: false,
        higher_waiting: false,
        present: false,
        higher_present: false,
        processes: 1,
        over_holder: false,
    };
    let mut first = None;
    for other in others.filter(|other| other.seat != me.seat) {
        let (wants, higher) = (other.wants(now), other.class < me.class);
        found.over_holder |= holder == Some(other.seat) && me.class < other.class && own < other.place(clock);
        if wants || other.is_present(now) {
            found.present = true;
            found.higher_present |= higher;
            found.processes += u32::from(other.tenant == me.tenant);
        }
        // Who has only just stopped wanting it is still in the race: its work is on the device, or is about to come. If the
        // device's time went on without it, whoever is allowed to be ahead would be so anew with each of its turns.
        if (wants || other.is_recent(now)) && (other.class == BEST_EFFORT) == (me.class == BEST_EFFORT) {
            let start = other.start(clock);
            found.lowest = if distance(start, found.lowest) < 0 { start } else { found.lowest };
        }
        if !wants {
            continue;
        }
        found.waiting = true;
        found.higher_waiting |= higher;
        let place = other.place(clock);
        if place < own {
            found.ahead += 1;
            found.said = found.said.max(other.said());
        }
        if first.is_none_or(|first| place < first) {
            first = Some(place);
            found.first = Some((other.seat, other.want));
        }
    }
    found
}

/// The turn as it stands: who has the device, until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    /// `None`: nobody ever had it.
    pub holder: Option<u16>,
    /// In nanoseconds of the clock.
    pub end: u64,
}

impl Lease {
    /// What a turn's word says. An end that nobody can have promised counts as past; `now` may be a little old.
    pub fn unpack(word: u64, now: u64) -> Self {
        let end = (word & ((1 << 48) - 1)) * 1000;
        let holder = ((word >> 48) as u16).checked_sub(1);
        Self { holder, end: if end > now + MAX_LEASE + SLICE { 0 } else { end } }
    }

    /// The word: 16 bits for the seat, and the end in microseconds, rounded up; 48 bits of them last nine years.
    pub fn pack(seat: u16, end: u64) -> u64 {
        ((u64::from(seat) + 1) << 48) | (end.div_ceil(1000) & ((1 << 48) - 1))
    }
}

/// What a seat that wants the device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Takes the turn.
    Take,
    /// Looks again at this time.
    WaitUntil(u64),
}

/// What the seat `me` does about a device's turn, when so many go first.
///
/// The next one may take the turn [`LEAD`] before the lease ends, so that its work is there when the other's is done. If it
/// does not come, the one after it does [`GRACE`] later, and so on: so a process that is stopped or dead delays the others
/// by that much, once, as it is then struck out. The holder itself may go on from half a slice before its end.
///
/// Of a higher class than the holder, and within its share, it does not wait at all: the device itself divides its time
/// among contexts, so it comes to the new work after a slice of its own, however long the holder's kernel is.
pub(crate) fn verdict(now: u64, me: u16, lease: Lease, survey: &Survey) -> Verdict {
    let from = match survey.ahead {
        0 if lease.holder == Some(me) => lease.end.saturating_sub(SLICE / 2),
        0 if survey.over_holder => now,
        0 => lease.end.saturating_sub(LEAD),
        // Who has just said that it wants the device is given as long as if the lease had just ended.
        ahead => lease.end.max(survey.said).saturating_add(GRACE * u64::from(ahead)),
    };
    if from <= now { Verdict::Take } else { Verdict::WaitUntil(from.min(now + WANT)) }
}
