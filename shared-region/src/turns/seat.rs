//! One process's seat: wanting a device's turn, taking it, keeping it, giving it up.

use crate::share::WHOLE;
use crate::sync::Ordering;
#[cfg(not(loom))]
use crate::sync::fence;
#[cfg(loom)]
use crate::turns::model::fence;
use crate::turns::order::{Lease, Seen, Survey, Verdict, survey, verdict, virtual_time};
use crate::turns::{
    BEST_EFFORT, FIRST_LEASE, KEEP, MAX_DEVICES, MAX_LEASE, MAX_WAIT, PRESENT, SHORT_SLICE, SLICE, Turns, WANT,
    Waiting, words,
};

/// How often a turn is tried for again that another took in that very moment, before looking again later.
const ATTEMPTS: u32 = 4;

/// What a process is entitled to on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Share of the tenant in hundredths of a percent; out of 1 to 10,000 counts as the nearest. Only its proportion to the
    /// others' matters.
    pub weight: u16,
    /// The lower goes first while it is within its share; [`BEST_EFFORT`] after all others.
    pub class: u8,
}

/// An answer to the wish for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The device is this seat's.
    Taken {
        /// Device-time that may be submitted in this turn, in nanoseconds.
        slice: u64,
    },
    /// Somebody else's: sleep by [`Turns::wait`], then ask again.
    Wait(Waiting),
}

/// Who else wants a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rivals {
    /// Somebody wants it now.
    pub waiting: bool,
    /// Somebody of a higher class does.
    pub higher_waiting: bool,
    /// Somebody has wanted or used it in the last second.
    pub present: bool,
    /// Somebody of a higher class has.
    pub higher_present: bool,
}

/// What this process knows of itself; the file has a copy for the others, which is never read back.
#[derive(Debug, Clone, Copy)]
struct Own {
    standing: Standing,
    /// Virtual time.
    time: u64,
    /// Virtual time at which the present slice began.
    start: u64,
    /// Processes of the tenant among which the weight is divided, when last counted.
    processes: u32,
    /// Since when the turn is wanted without a break; 0: it is not.
    since: u64,
    /// When the turn was last taken.
    taken: u64,
    /// The last answer was that this seat comes next.
    next: bool,
}

/// A process's place in a turns file. Its methods are not for two threads at once, and none of them waits.
#[derive(Debug)]
pub struct Seat {
    number: u16,
    tenant: u64,
    own: [Option<Own>; MAX_DEVICES],
}

impl words::Seat {
    /// Forgets the last owner.
    #[cfg_attr(loom, expect(dead_code, reason = "its seats have no owner before"))]
    pub(crate) fn take_over(&self) {
        // Relaxed: figures, see `Content::seen`.
        for wish in &self.wishes {
            wish.want.store(0, Ordering::Relaxed);
            wish.present.store(0, Ordering::Relaxed);
        }
    }
}

// Relaxed, where nothing else is said: single figures that others may read late; see `Content::seen`. The turn's word carries
// all that a turn is, and no other memory hangs on it: what the device does is ordered by the device. Only that nobody sleeps
// for too long takes more: there are fences where a wish meets a change of the turn.
impl Seat {
    pub(crate) fn new(number: u16, tenant: u64) -> Self {
        Self { number, tenant, own: [None; MAX_DEVICES] }
    }

    /// States what this process is entitled to; again when that changes. Before anything else is asked for a device.
    pub fn configure(&mut self, turns: &Turns, device: usize, standing: Standing) {
        let clock = turns.content().devices[device].clock().of(standing.class);
        let fresh = Own { standing, time: clock, start: clock, processes: 1, since: 0, taken: 0, next: false };
        let own = self.own[device].get_or_insert(fresh);
        if (own.standing.class == BEST_EFFORT) != (standing.class == BEST_EFFORT) {
            // The virtual times of the two kinds have nothing to do with one another.
            (own.time, own.start) = (clock, clock);
        }
        own.standing = standing;
        let wish = self.wish(turns, device);
        wish.class.store(u32::from(standing.class), Ordering::Relaxed);
        wish.time.store(self.own(device).time, Ordering::Relaxed);
    }

    /// Makes the seat one of those that the others look at.
    pub(crate) fn show_seat(&self, turns: &Turns) {
        let content = turns.content();
        content.seats[usize::from(self.number)].tenant.store(self.tenant, Ordering::Relaxed);
        if content.head.own.load(Ordering::Relaxed) <= u32::from(self.number) {
            content.head.own.fetch_max(u32::from(self.number) + 1, Ordering::Relaxed);
        }
    }

    /// Asks for the turn of a device, also in order to go on when a slice is used up. If it cannot be had yet, the wish is
    /// known to the others for 50 ms.
    pub fn take(&mut self, turns: &Turns, device: usize, now: u64) -> Turn {
        let entry = &turns.content().devices[device];
        let mut until = now + super::GRACE;
        let mut bell = 0;
        self.want(turns, device, now);
        // SeqCst, with the one in `survey`: the wish is said before the turn is looked at. Who changes the turn after that look
        // finds the wish, and rings.
        fence(Ordering::SeqCst);
        for _ in 0..ATTEMPTS {
            // Acquire, with the Release of `ring`: read before all that the decision rests on. Who finds it rung finds the
            // turn as it was when it was rung; who is rung later does not fall asleep.
            bell = self.wish(turns, device).bell.load(Ordering::Acquire);
            let seen = entry.turn.load(Ordering::Relaxed);
            let lease = Lease::unpack(seen, now);
            let found = self.survey(turns, device, now);
            let waited = now.saturating_sub(self.own(device).since);
            match verdict(now, self.number, lease, &found) {
                Verdict::WaitUntil(later) if waited < MAX_WAIT => {
                    let again = found.ahead == 0 && self.own(device).next;
                    // The holder has moved the end since we last slept: it does so with every few launches of a program
                    // that is no faster than the device. That is not followed step by step.
                    let later = if again { later.max(now + FIRST_LEASE) } else { later };
                    until = later.min(now + WANT).min(now + (MAX_WAIT - waited));
                    if found.ahead > 0 && self.own(device).next {
                        // Who is next now may be sleeping for longer, in the belief that we are.
                        found.first.inspect(|(seat, _)| turns.ring(device, *seat));
                    }
                    self.own_mut(device).next = found.ahead == 0;
                    break;
                }
                decided => {
                    let end = now.max(lease.end.min(now + LEAD_OR_RENEWAL)) + FIRST_LEASE;
                    let word = Lease::pack(self.number, end);
                    if entry.turn.compare_exchange(seen, word, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                        // Who takes it because of its own long wait proves nothing about those who go first.
                        if found.ahead > 0 && decided == Verdict::Take {
                            self.strike_out(turns, device, now);
                        }
                        return self.taken(turns, device, now, &found);
                    }
                }
            }
        }
        Turn::Wait(Waiting { device, seat: self.number, bell, until })
    }

    /// Says that more is to come in this turn: the lease is to last until `predicted_end` of what is submitted, and
    /// [`KEEP`](super::KEEP) longer. Answers false if another has taken the turn.
    pub fn extend(&mut self, turns: &Turns, device: usize, now: u64, predicted_end: u64) -> bool {
        let found = self.survey(turns, device, now);
        let slice = virtual_time(SLICE as i64, self.own(device).standing.weight, found.processes);
        let own = self.own_mut(device);
        if !found.waiting && own.time.wrapping_sub(own.start) as i64 >= slice {
            // Alone, one slice follows another; the device's virtual time goes along, so that who comes later starts here.
            (own.start, own.taken) = (own.time, now);
        }
        let since = if found.waiting { own.taken } else { now };
        let start = own.start;
        let kept = self.set_end(turns, device, now, (predicted_end + KEEP).min(since + MAX_LEASE));
        if kept.is_some() {
            self.advance(turns, device, &Survey { lowest: earlier(found.lowest, start), ..found });
            self.show_presence(turns, device, now);
        }
        kept.is_some()
    }

    /// Says that nothing more comes in this turn: the lease ends at `predicted_end` of what was submitted. Answers false if
    /// another has taken the turn.
    pub fn close(&mut self, turns: &Turns, device: usize, now: u64, predicted_end: u64) -> bool {
        let most = self.own(device).taken.max(now.saturating_sub(MAX_LEASE)) + MAX_LEASE;
        let Some(shorter) = self.set_end(turns, device, now, predicted_end.min(most)) else { return false };
        if shorter {
            self.survey(turns, device, now).first.inspect(|(seat, _)| turns.ring(device, *seat));
        }
        true
    }

    /// Whether this seat was the last to take the turn.
    pub fn holds(&self, turns: &Turns, device: usize, now: u64) -> bool {
        let word = turns.content().devices[device].turn.load(Ordering::Relaxed);
        Lease::unpack(word, now).holder == Some(self.number)
    }

    /// Takes the wish back; if the turn is this seat's, it ends now.
    pub fn leave(&mut self, turns: &Turns, device: usize, now: u64) {
        self.wish(turns, device).want.store(0, Ordering::Relaxed);
        let own = self.own_mut(device);
        let was_next = own.next;
        (own.since, own.next) = (0, false);
        if !self.close(turns, device, now, now) && was_next {
            self.survey(turns, device, now).first.inspect(|(seat, _)| turns.ring(device, *seat));
        }
    }

    /// Accounts for device-time that this process has used or is about to use; a negative one corrects what was too much.
    pub fn used(&mut self, turns: &Turns, device: usize, now: u64, device_time: i64) {
        let own = self.own_mut(device);
        let more = virtual_time(device_time, own.standing.weight, own.processes);
        own.time = own.time.wrapping_add_signed(more);
        let time = own.time;
        self.wish(turns, device).time.store(time, Ordering::Relaxed);
        self.show_presence(turns, device, now);
    }

    /// Who else wants the device. Looks at every seat.
    pub fn rivals(&mut self, turns: &Turns, device: usize, now: u64) -> Rivals {
        let Survey { waiting, higher_waiting, present, higher_present, .. } = self.survey(turns, device, now);
        Rivals { waiting, higher_waiting, present, higher_present }
    }

    fn own(&self, device: usize) -> Own {
        let unknown = Standing { weight: WHOLE, class: crate::share::DEFAULT_PRIORITY };
        let nothing = Own { standing: unknown, time: 0, start: 0, processes: 1, since: 0, taken: 0, next: false };
        self.own[device].unwrap_or(nothing)
    }

    fn own_mut(&mut self, device: usize) -> &mut Own {
        let nothing = self.own(device);
        self.own[device].get_or_insert(nothing)
    }

    fn wish<'a>(&self, turns: &'a Turns, device: usize) -> &'a words::Wish {
        &turns.content().seats[usize::from(self.number)].wishes[device]
    }

    fn survey(&mut self, turns: &Turns, device: usize, now: u64) -> Survey {
        let own = self.own(device);
        let me = Seen {
            seat: self.number,
            tenant: self.tenant,
            class: own.standing.class,
            time: own.time,
            want: 0,
            present: 0,
        };
        // SeqCst, with the one in `take`: what this seat has just changed (the turn, or its wish) is there for all before it
        // looks who waits. Of two that do so at once, one sees the other. It also acquires what `calls` has shown.
        fence(Ordering::SeqCst);
        let entry = &turns.content().devices[device];
        let holder = Lease::unpack(entry.turn.load(Ordering::Relaxed), now).holder;
        let found = survey(now, me, entry.clock(), holder, turns.content().seen(device));
        self.own_mut(device).processes = found.processes;
        found
    }

    /// Makes the wish known, and calls whoever has the turn if it is a new one. All that the others have to know is written
    /// anew, whatever has become of it.
    fn want(&mut self, turns: &Turns, device: usize, now: u64) {
        let clock = turns.content().devices[device].clock();
        let own = self.own_mut(device);
        if own.since == 0 {
            own.since = now;
        }
        // The start counts from now on: what is not used cannot be saved, and a clock gone astray is followed.
        own.time = Seen { class: own.standing.class, time: own.time, ..Seen::default() }.start(clock);
        let own = *own;
        self.show_seat(turns);
        let wish = self.wish(turns, device);
        wish.time.store(own.time, Ordering::Relaxed);
        wish.class.store(u32::from(own.standing.class), Ordering::Relaxed);
        let before = wish.want.swap(now + WANT, Ordering::Relaxed);
        if before <= now {
            // Release, with the fence in `survey`: who sees the call and looks finds the wish.
            turns.content().devices[device].calls.0.fetch_add(1, Ordering::Release);
        }
        self.show_presence(turns, device, now);
    }

    /// The turn is this seat's now.
    fn taken(&mut self, turns: &Turns, device: usize, now: u64, found: &Survey) -> Turn {
        let own = self.own_mut(device);
        (own.since, own.taken, own.start, own.next) = (0, now, own.time, false);
        let wish = self.wish(turns, device);
        wish.want.store(0, Ordering::Relaxed);
        self.advance(turns, device, found);
        Turn::Taken { slice: if found.higher_present { SHORT_SLICE } else { SLICE } }
    }

    /// Takes away the wishes of those who came before this seat and did not come: they do not run. One that does wishes anew.
    fn strike_out(&mut self, turns: &Turns, device: usize, now: u64) {
        for _ in 0..words::MAX_SEATS {
            let found = self.survey(turns, device, now);
            let Some((seat, said)) = found.first.filter(|_| found.ahead > 0) else { return };
            let want = &turns.content().seats[usize::from(seat)].wishes[device].want;
            // Only what was seen: a wish that was said again is alive.
            if want.compare_exchange(said, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                return;
            }
        }
    }

    /// Moves the device's virtual time to the lowest start there is. Best effort does not move the others'.
    fn advance(&self, turns: &Turns, device: usize, found: &Survey) {
        let best_effort = self.own(device).standing.class == BEST_EFFORT;
        turns.content().devices[device].advance(best_effort, found.lowest);
    }

    fn show_presence(&self, turns: &Turns, device: usize, now: u64) {
        self.wish(turns, device).present.store(now + PRESENT, Ordering::Relaxed);
    }

    /// Sets the end of this seat's lease. Answers whether that made it shorter; `None`: the turn is another's.
    fn set_end(&self, turns: &Turns, device: usize, now: u64, end: u64) -> Option<bool> {
        let turn = &turns.content().devices[device].turn;
        let word = Lease::pack(self.number, end.clamp(now, now + MAX_LEASE));
        let mut seen = turn.load(Ordering::Relaxed);
        for _ in 0..ATTEMPTS {
            if Lease::unpack(seen, now).holder != Some(self.number) {
                return None;
            }
            match turn.compare_exchange(seen, word, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(word < seen),
                Err(other) => seen = other,
            }
        }
        None
    }
}

/// How much of the old lease a new one lets pass before it begins.
const LEAD_OR_RENEWAL: u64 = SLICE / 2;

fn earlier(one: u64, other: u64) -> u64 {
    if (one.wrapping_sub(other) as i64) < 0 { one } else { other }
}
