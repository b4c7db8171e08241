//! Whether the next command may go: the cap, the turn, and what is on its way. Knows no clock and no driver.

use shared_region::share::Policy;
use shared_region::turns::{MAX_LEASE, SLICE};

use super::learner::{Expected, Key, Learner, UNMEASURED};
use super::spans::{Claim, Held, Look, Measured, Put, Sent, Spans, StreamId};

/// Most device-time on its way at once, in nanoseconds, where nobody else uses the device.
pub(super) const IN_FLIGHT: u64 = 10_000_000;
/// The same where others use the device: as much as a turn.
const IN_FLIGHT_AMONG_OTHERS: u64 = 4_000_000;
/// The same where somebody uses it who goes first: nothing that the device has got can be called back.
const IN_FLIGHT_BELOW_OTHERS: u64 = 1_500_000;
/// Where others use the device, of two commands that take longer together the second one comes when the first is about to end.
const LONG_AMONG_OTHERS: u64 = 8_000_000;
/// How long before: a sleeper wakes late, and the device is not to run dry.
const EARLY: u64 = 200_000;
/// Credit with which a wait for the cap ends, in nanoseconds by the clock: so there are 125 waits a second at most.
pub(super) const CREDIT: u64 = 8_000_000;
/// Longest that a wait is slept through before the limits are looked at again, in nanoseconds.
const LONGEST_SLEEP: u64 = 50_000_000;
/// Most debt that a tenant gets into by what it sends to a stream that does not get on, in nanoseconds by the clock.
const MOST_UNSEEN: u64 = 30_000_000_000;
/// Longest wait for the first measurement of a function, in nanoseconds.
const LONGEST_FIRST: u64 = 100_000_000;
/// What is granted to a thread at once, in nanoseconds of device-time and in launches; and the same among others.
const GRANT: (u64, u32) = (1_000_000, 256);
const GRANT_AMONG_OTHERS: (u64, u32) = (250_000, 64);
/// The first grant after a wait; each next one is twice as much. So the first mark in an empty stream is followed by others
/// before the device has come to them, which then say exactly what lies between them.
pub(super) const FIRST_GRANT: u64 = 64_000;
/// A command that is expected to take so long gets a mark of its own, in nanoseconds.
pub(super) const OWN_MARK: u64 = 100_000;
/// How late after the expected end of a turn's work it may end and still be this turn's, in nanoseconds.
const LATE: u64 = 300_000;
/// Most by which a turn is made longer because the last one's work ended late, in nanoseconds.
const LATEST: u64 = 4_000_000;

/// What holds for this tenant on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// Hundredths of a percent; `None`: no cap.
    pub(super) cap: Option<u16>,
    pub(super) policy: Policy,
}

impl Rules {
    /// The cap, where it holds whether or not others want the device. Who may burst is held to its share by the turns.
    pub(super) fn hard_cap(self) -> Option<u16> {
        self.cap.filter(|_| self.policy == Policy::FixedShare)
    }
}

/// The tenant's account of this device's time, shared by its processes.
pub(super) trait Account {
    /// Charges device-time, or gives it back; answers from when on the tenant may submit.
    fn charge(&self, now: u64, cost: i64, cap: u16) -> u64;
    /// From when on the tenant may submit; on all devices that this process uses, where they are several.
    fn ready_at(&self, now: u64, cap: u16) -> u64;
}

/// Who else uses the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rivals {
    /// Somebody waits for the turn.
    pub(super) waiting: bool,
    /// Somebody has used or wanted it a short while ago.
    pub(super) present: bool,
    /// Somebody who goes first has.
    pub(super) higher: bool,
}

/// Answer to who wants the turn.
pub(super) enum Answer<W> {
    /// It is ours for so many nanoseconds of device-time.
    Taken(u64),
    /// It is not.
    Wait(W),
}

/// Turns at this device, across tenants.
pub(super) trait Turns {
    /// What is waited on.
    type Waiting;
    fn rivals(&mut self, now: u64) -> Rivals;
    fn take(&mut self, now: u64) -> Answer<Self::Waiting>;
    /// Changes whenever somebody else begins to want the device.
    fn calls(&mut self) -> u32;
    /// More is to come, which the device will have finished at `end`. False: the turn is not ours.
    fn extend(&mut self, now: u64, end: u64) -> bool;
    /// Whether nobody else has taken the turn since it was ours.
    fn holds(&mut self, now: u64) -> bool;
    /// Nothing more comes in this turn.
    fn close(&mut self, now: u64, end: u64);
    /// Does not want it any more.
    fn leave(&mut self, now: u64);
    /// Device-time used, or given back.
    fn used(&mut self, now: u64, device_time: i64);
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<W> {
    /// Send it.
    Go,
    /// Ask again at this time.
    Sleep(u64),
    /// Wait for the turn, and ask again.
    Turn(W),
}

/// One call's way through the gate.
#[derive(Debug)]
pub(super) struct Visit {
    /// Whether it is waiting for the cap.
    capped: bool,
    /// When it began to wait for the first measurement.
    first: Option<u64>,
    /// When it began to wait for what was charged by a guess.
    guess: Option<u64>,
    /// When it began to wait for the device, and until when it does at most.
    drain: Option<(u64, u64)>,
    /// Short sleeps in a row.
    naps: u32,
    /// Whether it has waited at all.
    pub(super) waited: bool,
}

impl Visit {
    pub(super) const fn new() -> Self {
        Self { capped: false, first: None, guess: None, drain: None, naps: 0, waited: false }
    }

    /// A time a little later, and ever later.
    fn nap(&mut self, now: u64) -> u64 {
        self.naps += 1;
        now + (50_000_u64 << self.naps.min(5)) / 2
    }
}

/// The pace of one process on one device.
#[derive(Debug)]
pub(super) struct Pace<E> {
    pub(super) spans: Spans<E>,
    pub(super) learner: Learner,
    /// Since when the device works on what is on its way, as far as that is known.
    busy_since: u64,
    /// Device-time left in the turn that this process has.
    turn: Option<i64>,
    /// The last turn, as long as it was to last.
    held: Option<Held>,
    /// What is charged and about to be sent: device-time and commands.
    reserved: (u64, u32),
    /// Whether it waits for one.
    wants: bool,
    rivals: Rivals,
    /// How often others had begun to want the device when they were looked at.
    calls: Option<u32>,
    /// When the last turn was to end, until all its work was seen to be done.
    closed: Option<u64>,
    /// How much later than expected its work was done, as far as that was before its end.
    behind: Option<u64>,
    /// The same of the turn before: somebody else's work had still been there. The next turn lasts longer by as much, or from
    /// then on each turn's work would run on in the next one's.
    late: u64,
}

impl<E> Default for Pace<E> {
    fn default() -> Self {
        Self {
            spans: Spans::default(),
            learner: Learner::default(),
            busy_since: 0,
            turn: None,
            held: None,
            reserved: (0, 0),
            wants: false,
            rivals: Rivals::default(),
            calls: None,
            closed: None,
            behind: None,
            late: 0,
        }
    }
}

impl<E: Copy> Pace<E> {
    /// Charges what was sent into a stream.
    pub(super) fn charge<T: Turns>(
        &mut self,
        now: u64,
        stream: StreamId,
        sent: Sent,
        rules: Rules,
        account: &impl Account,
        turns: &mut T,
    ) {
        if sent.launches > 0 {
            self.reserve(now, sent.cost, sent.launches, (rules, account, turns));
            self.sent(stream, sent);
        }
    }

    /// Charges what is about to be sent, before anybody else is asked whether more may be. [`Self::sent`] follows.
    pub(super) fn reserve<T: Turns>(
        &mut self,
        now: u64,
        cost: u64,
        launches: u32,
        (rules, account, turns): (Rules, &impl Account, &mut T),
    ) {
        if self.on_its_way() == 0 {
            self.busy_since = self.busy_since.max(now);
        }
        self.reserved = (self.reserved.0 + cost, self.reserved.1 + launches);
        self.book(now, cost as i64, rules, account, turns);
        if let Some(left) = &mut self.turn {
            *left = left.saturating_sub(cost as i64);
        }
    }

    /// What was reserved goes into a stream.
    pub(super) fn sent(&mut self, stream: StreamId, sent: Sent) {
        let (cost, commands) = self.reserved;
        self.reserved = (cost.saturating_sub(sent.cost), commands.saturating_sub(sent.launches));
        self.spans.sent(stream, sent);
    }

    /// Device-time in nanoseconds that is expected of all that was sent or is about to be.
    fn on_its_way(&self) -> u64 {
        self.spans.in_flight() + self.spans.open_cost() + self.reserved.0
    }

    fn book<T: Turns>(&self, now: u64, cost: i64, rules: Rules, account: &impl Account, turns: &mut T) {
        if cost == 0 {
            return;
        }
        if let Some(cap) = rules.hard_cap() {
            account.charge(now, cost, cap);
        }
        turns.used(now, cost);
    }

    /// Looks at the marks, and corrects what was charged by what the device says.
    pub(super) fn harvest<T: Turns>(
        &mut self,
        now: u64,
        own: StreamId,
        (rules, account, turns): (Rules, &impl Account, &mut T),
        look: impl FnMut(usize, E, u64) -> Look,
        mut done: impl FnMut(usize, E),
    ) {
        let mut correction = 0_i64;
        if let Some(held) = &mut self.held
            && turns.holds(now)
        {
            held.until = held.until.max(now);
        }
        let learner = core::cell::RefCell::new(&mut self.learner);
        let progress = self.spans.harvest(
            (own, turns.calls(), self.closed.unwrap_or(0), self.held),
            look,
            |context, event, measured: Option<Measured>| {
                done(context, event);
                let Some(Measured { sent, took, sample }) = measured else { return };
                correction += took as i64 - sent.cost as i64;
                match sample {
                    Some(sample) => learner.borrow_mut().learn(sent.key, sent.launches, sample),
                    None => learner.borrow_mut().lost(sent.key, sent.launches),
                }
            },
            |sent| learner.borrow_mut().lost(sent.key, sent.launches),
        );
        if let Some(latest) = progress.latest {
            self.busy_since = self.busy_since.max(latest.min(now));
        }
        if self.closed.is_some() {
            self.behind = progress.behind.or(self.behind);
            if self.spans.in_flight() == 0 {
                self.late = self.behind.take().unwrap_or(0).min(LATEST);
                self.closed = None;
                // It may have been done long before that: then others need not wait any longer.
                if self.turn.is_none() && self.on_its_way() == 0 {
                    turns.close(now, now);
                }
            }
        }
        self.book(now, correction, rules, account, turns);
    }

    /// When the device will have finished all that this process has sent, by what it is expected to take.
    pub(super) fn end(&self, now: u64) -> u64 {
        (self.busy_since + self.on_its_way()).max(now)
    }

    /// A mark was put into a stream.
    pub(super) fn marked(&mut self, stream: StreamId, event: E, put: Put) {
        let now = put.ended;
        if self.spans.in_flight() == 0 {
            self.busy_since = self.busy_since.max(now);
        }
        let expected = self.end(now);
        let claim = Claim {
            expected,
            until: (expected + LATE).min(now + MAX_LEASE),
            calls: self.calls.filter(|_| !self.rivals.waiting),
        };
        self.spans.marked(stream, event, put, claim);
    }

    /// No mark could be put into a stream.
    pub(super) fn unmarked(&mut self, stream: StreamId) {
        let sent = self.spans.unmarked(stream);
        self.learner.lost(sent.key, sent.launches);
    }

    /// A context goes, and all marks in it.
    pub(super) fn context_destroyed(&mut self, context: usize) {
        let Self { spans, learner, .. } = self;
        spans.context_destroyed(context, |sent| learner.lost(sent.key, sent.launches));
    }

    /// Streams are gone.
    pub(super) fn retire(&mut self, is_gone: impl Fn(StreamId) -> bool) {
        let Self { spans, learner, .. } = self;
        spans.retire(is_gone, |sent| learner.lost(sent.key, sent.launches));
    }

    /// Whether the device has not been seen to finish what has a mark behind it.
    pub(super) fn is_at_work(&self) -> bool {
        self.spans.in_flight() > 0
    }

    /// What the next command, of which this is expected, has to do.
    pub(super) fn step<T: Turns>(
        &mut self,
        now: u64,
        visit: &mut Visit,
        (stream, key, expected): (StreamId, Key, Expected),
        (rules, account, turns): (Rules, &impl Account, &mut T),
    ) -> Step<T::Waiting> {
        // What goes into a stream that waits for the program is charged all the same, and cannot be more than can be repaid.
        let affordable = rules.hard_cap().is_none_or(|cap| account.ready_at(now, cap) < now + MOST_UNSEEN);
        let stalled = self.spans.stalled(stream) && affordable;
        let mut wait = None;
        if !stalled {
            wait = self.cap(now, visit, rules, account);
            wait = wait.or_else(|| self.first_measurement(now, visit, (stream, key, expected)));
        }
        if let Some(until) = wait {
            self.rest(now, turns);
            visit.waited = true;
            return Step::Sleep(until.min(now + LONGEST_SLEEP));
        }
        if let Some(waiting) = self.take_turn(now, expected, turns) {
            visit.waited = true;
            return Step::Turn(waiting);
        }
        // The turn goes on meanwhile, by what is on its way.
        let room = if stalled { None } else { self.room(now, visit, expected) };
        match room {
            Some(until) => {
                visit.waited = true;
                Step::Sleep(until.min(now + LONGEST_SLEEP))
            }
            None => Step::Go,
        }
    }

    /// Nothing more comes for a while: who comes next should not wait for that.
    fn rest<T: Turns>(&mut self, now: u64, turns: &mut T) {
        let wanted = core::mem::replace(&mut self.wants, false);
        if self.turn.take().is_some() {
            self.close(now, turns);
        } else if wanted {
            turns.leave(now);
        }
    }

    /// Nothing more comes in this turn.
    fn close<T: Turns>(&mut self, now: u64, turns: &mut T) {
        let end = self.end(now) + self.late;
        self.closed = Some(end - self.late);
        turns.close(now, end);
        self.hold(end);
    }

    /// The turn is ours until this time, unless somebody goes first who may take it away.
    fn hold(&mut self, end: u64) {
        let higher = self.rivals.higher;
        if let Some(held) = self.held.as_mut().filter(|_| !higher) {
            held.until = end.min(held.since + MAX_LEASE);
        }
    }

    /// Whether the tenant is in debt: then nothing more may be granted.
    pub(super) fn owes(&self, now: u64, rules: Rules, account: &impl Account) -> bool {
        rules.hard_cap().is_some_and(|cap| account.ready_at(now, cap) > now)
    }

    /// Until when the cap makes this call wait. Once it waits, it goes on until there is some credit.
    fn cap(&self, now: u64, visit: &mut Visit, rules: Rules, account: &impl Account) -> Option<u64> {
        let Some(cap) = rules.hard_cap() else {
            visit.capped = false;
            return None;
        };
        let ready = account.ready_at(now, cap);
        if ready > now && !visit.capped && self.spans.guessed() && now - *visit.guess.get_or_insert(now) < LONGEST_FIRST
        {
            return Some(visit.nap(now).min(ready));
        }
        visit.capped = ready > now || (visit.capped && ready + CREDIT > now);
        visit.capped.then_some(ready + CREDIT)
    }

    /// Until when to wait for the first measurement of a function.
    fn first_measurement(
        &mut self,
        now: u64,
        visit: &mut Visit,
        (stream, key, expected): (StreamId, Key, Expected),
    ) -> Option<u64> {
        expected.unmeasured.filter(|in_flight| *in_flight >= UNMEASURED)?;
        let began = *visit.first.get_or_insert(now);
        if now - began >= LONGEST_FIRST {
            // What may be waiting for the program says nothing of what it takes.
            self.spans.stall(began);
            if !self.spans.stalled(stream) {
                self.learner.give_up(key, now - began);
            }
            return None;
        }
        Some(visit.nap(now))
    }

    /// Until when to wait for the device to work off what it has. Never without bound: a kernel may be waiting for the very
    /// call that stands here.
    fn room(&mut self, now: u64, visit: &mut Visit, expected: Expected) -> Option<u64> {
        let most = match self.rivals {
            Rivals { higher: true, .. } => IN_FLIGHT_BELOW_OTHERS,
            Rivals { present: true, .. } => IN_FLIGHT_AMONG_OTHERS,
            _ => IN_FLIGHT,
        };
        let in_flight = self.spans.in_flight() + self.reserved.0;
        let commands = self.spans.commands() + self.reserved.1;
        // Two commands, however long they are, keep the device from running dry between them. But among others the second one
        // would run on in their turns: if it is long, it comes when the first is about to end.
        let long = self.rivals.higher || in_flight + expected.cost > LONG_AMONG_OTHERS;
        let always = if self.rivals.present && long { 1 } else { 2 };
        let end = self.end(now);
        let ending = end - now <= EARLY && commands == 1;
        if commands < always || in_flight + expected.cost <= most || ending {
            return None;
        }
        // The middle is waited for, not the end: the device goes on meanwhile. Then the end of the command that is under way
        // there: nothing changes before.
        let until = match commands {
            1 => end.saturating_sub(EARLY),
            commands => {
                let each = (in_flight / u64::from(commands)).max(1);
                let left = (most / 2).max(in_flight / 2).min(most.saturating_sub(expected.cost));
                end.saturating_sub((left - left % each).max(each))
            }
        };
        let until = until.max(now);
        let (since, deadline) = *visit.drain.get_or_insert((now, now + 2 * (end - now) + 20_000_000));
        if now >= deadline {
            self.spans.stall(since);
            return None;
        }
        // What was charged by a guess is mostly done long before.
        let until = if until > now && !self.spans.guessed() { until } else { visit.nap(now) };
        Some(until.min(deadline))
    }

    /// Takes the turn or keeps it, for what is on its way and a command of which this is expected; answers what to wait for otherwise.
    fn take_turn<T: Turns>(&mut self, now: u64, expected: Expected, turns: &mut T) -> Option<T::Waiting> {
        self.calls = Some(turns.calls()); // before the look: who comes in between makes a difference later
        self.rivals = turns.rivals(now);
        // For what nobody knows others are kept away no longer than for a turn.
        let next = if expected.unmeasured.is_some() { expected.cost.min(SLICE) } else { expected.cost };
        let end = self.end(now) + next + self.late;
        if let Some(left) = self.turn {
            if left > 0 || !self.rivals.waiting {
                if turns.extend(now, end) {
                    self.hold(end);
                    return None;
                }
            } else {
                self.close(now, turns);
            }
            self.turn = None;
        }
        let answer = turns.take(now);
        self.wants = matches!(answer, Answer::Wait(_));
        match answer {
            Answer::Taken(slice) => {
                self.turn = Some(slice as i64);
                self.held = Some(Held { since: now, until: now });
                // It may be the only one to come for a while.
                if turns.extend(now, end) {
                    self.hold(end);
                }
                None
            }
            Answer::Wait(waiting) => Some(waiting),
        }
    }

    /// What a thread may send without asking again, in nanoseconds of device-time and in launches; `ramp` is what it was
    /// granted last.
    pub(super) fn grant(&self, ramp: u64) -> (u64, u32) {
        let (time, launches) = if self.rivals.present { GRANT_AMONG_OTHERS } else { GRANT };
        let left = match self.turn {
            Some(left) if self.rivals.waiting => left.max(0) as u64,
            _ => time,
        };
        (time.min(left).min(ramp), launches)
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
