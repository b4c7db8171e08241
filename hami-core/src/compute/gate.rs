//! The way through the gate: the state of this process's devices behind a lock, the clock, sleeping, the driver.
//!
//! The lock is held neither while asleep nor across a driver call that may block: events are asked under it, and recorded
//! outside of it.
// UNSAFETY: vendor calls, a system call, and state that lives as long as the process.
#![expect(unsafe_code)]

/// What it hears of beside launches.
mod beside;
/// Contexts of streams.
mod context;

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ffi_headers::cuda::{CU_STREAM_CAPTURE_STATUS_NONE, CUDA_SUCCESS, CUdevice, CUstream, CUstreamCaptureStatus};
use shared_region::bucket::Bucket;
use shared_region::clock;

use super::events::{self, Event, Events};
use super::learner::{Expected, Key};
use super::pace::{Account, FIRST_GRANT, OWN_MARK, Pace, Rules, Step, Visit};
use super::spans::{Behind, Put, Sent, StreamId};
use super::thread::{Flushed, Launch, Thread, Told};
use super::turns::{AtDevice, Seating, Waiting};
use super::{CAPTURES, Command, MODE, ON, SEVERAL, WORD};
use crate::books::AddressMap;
use crate::tenant::{self, Quota, Tenant};
use crate::vendor;

pub(super) use beside::{interrupted, stream_destroyed, waits};
use context::Entered;
pub(super) use context::current_context;

/// How long after its last use a device counts as used by this process, in nanoseconds.
const IN_USE: u64 = 1_000_000_000;

/// No stream of the program's.
const NO_STREAM: StreamId = StreamId { context: 0, handle: 0, thread: 0 };

/// One device of this process's.
struct Device {
    quota: &'static Quota,
    account: Option<Bucket<'static>>,
    pace: Pace<Event>,
    last_used: u64,
}

#[derive(Default)]
struct State {
    devices: Vec<Device>,
    /// Places in `devices`, by the context's handle.
    contexts: AddressMap<usize>,
    events: Events,
    seating: Seating,
}

/// All that is kept for the gate.
pub(super) struct Gate(Mutex<State>);

static GATE: AtomicPtr<Gate> = AtomicPtr::new(ptr::null_mut());

/// The tenant's account of one device; `others`: from when on this process's other devices are out of debt.
struct Joint {
    bucket: Option<Bucket<'static>>,
    others: u64,
}

impl Account for Joint {
    fn charge(&self, now: u64, cost: i64, cap: u16) -> u64 {
        self.bucket.map_or(0, |bucket| bucket.charge(now, cost, cap)).max(self.others)
    }

    fn ready_at(&self, now: u64, cap: u16) -> u64 {
        self.bucket.map_or(0, |bucket| bucket.ready_at(now, cap)).max(self.others)
    }
}

impl Device {
    fn rules(&self) -> Rules {
        let share = self.quota.share();
        Rules { cap: share.cores, policy: share.policy }
    }
}

/// What remains to be done after the command was sent: a mark behind it.
pub(super) struct After {
    gate: &'static Gate,
    place: usize,
    stream: StreamId,
    /// When it was about to be sent.
    since: u64,
}

impl Gate {
    /// None in a forked child that has not found out what it is: another thread of its parent's may hold the lock for ever.
    pub(super) fn existing() -> Option<&'static Self> {
        if !tenant::is_known() {
            return None;
        }
        // Acquire: pairs with the Release in `get`. SAFETY: a published gate is never freed.
        unsafe { GATE.load(Ordering::Acquire).as_ref() }
    }

    fn get() -> &'static Self {
        if let Some(gate) = Self::existing() {
            return gate;
        }
        let new = Box::into_raw(Box::new(Self(Mutex::default())));
        // AcqRel: publishes it; Acquire sees the winner's.
        match GATE.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: published, never freed.
            Ok(_) => unsafe { &*new },
            Err(winner) => {
                // SAFETY: ours was not published, so nobody else has it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: as above.
                unsafe { &*winner }
            }
        }
    }

    /// Leaves all behind: in a forked child another thread may hold the lock for ever.
    pub(super) fn abandon() {
        GATE.store(ptr::null_mut(), Ordering::Release); // as in `get`
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when nobody who came before is asking the driver.
    pub(super) fn settle(&self) {
        drop(self.lock());
    }

    /// Looks at what the device of the current context has finished.
    pub(super) fn finished(&self) {
        let Some(context) = current_context() else { return };
        let mut state = self.lock();
        if let Some(place) = state.contexts.get(&(context as u64)).copied() {
            state.harvest(place, NO_STREAM, clock::now());
        }
    }

    pub(super) fn context_destroyed(&self, context: usize) {
        let mut state = self.lock();
        // What the device has finished there is charged as it was; nobody can tell afterwards.
        if let Some(place) = state.contexts.remove(&(context as u64))
            && WORD.load(Ordering::Relaxed) & CAPTURES == 0
        {
            state.harvest(place, NO_STREAM, clock::now());
        }
        for device in &mut state.devices {
            device.pace.context_destroyed(context);
        }
        state.events.context_destroyed(context);
    }

    pub(super) fn forget(&self, command: Command) {
        self.lock().devices.iter_mut().for_each(|device| device.pace.learner.forget(command.key()));
    }

    pub(super) fn doubt(&self, command: Command) {
        self.lock().devices.iter_mut().for_each(|device| device.pace.learner.doubt(command.key()));
    }

    pub(super) fn forget_functions(&self) {
        self.lock().devices.iter_mut().for_each(|device| device.pace.learner.forget_functions());
    }

    /// The place of the device of a context, which is current; `None`: nothing is gated there.
    fn place(&self, tenant: &'static Tenant, context: usize) -> Option<usize> {
        let known = self.lock().contexts.get(&(context as u64)).copied();
        let place = match known {
            Some(place) => place,
            None => {
                let mut ordinal: CUdevice = 0;
                // SAFETY: writes one device of ours; there is a current context.
                if unsafe { vendor::ctx_get_device(&raw mut ordinal) } != CUDA_SUCCESS {
                    return None;
                }
                let quota = tenant.sharing(ordinal)?;
                let account = tenant.region().map(|region| region.bucket(quota.device));
                let mut state = self.lock();
                let place = state.devices.iter().position(|device| ptr::eq(device.quota, quota)).unwrap_or_else(|| {
                    let mut pace = Pace::default();
                    let mut count = 0;
                    // SAFETY: writes one number of ours.
                    let answer = unsafe { vendor::device_get_count(&raw mut count) };
                    pace.learner.several_devices = answer != CUDA_SUCCESS || count > 1;
                    state.devices.push(Device { quota, account, pace, last_used: 0 });
                    state.devices.len() - 1
                });
                state.contexts.insert(context as u64, place);
                if state.contexts.len() > 1 && WORD.load(Ordering::Relaxed) & MODE == ON {
                    WORD.fetch_or(SEVERAL, Ordering::Relaxed); // as in `submit`
                }
                place
            }
        };
        self.lock().devices.get(place)?.quota.share().gated.then_some(place)
    }
}

/// Whether what goes into a stream goes into a graph. Who cannot tell says yes: such a stream is left alone.
fn is_captured(handle: usize) -> bool {
    let mut status: CUstreamCaptureStatus = CU_STREAM_CAPTURE_STATUS_NONE;
    // SAFETY: the program's own stream, and a local to write. This question is allowed during a capture.
    let answer = unsafe { vendor::stream_is_capturing(handle as CUstream, &raw mut status) };
    answer != CUDA_SUCCESS || status != CU_STREAM_CAPTURE_STATUS_NONE
}

/// Sleeps until a time of the clock. Not by a function of the C library's: there a thread may be cancelled, where the driver's
/// own function would not have it cancelled.
fn sleep_until(time: u64) {
    let until = libc::timespec {
        tv_sec: (time / 1_000_000_000) as libc::time_t,
        tv_nsec: (time % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: reads one timespec of ours. A signal may end it early: the caller looks at the clock again.
    let _again = unsafe {
        libc::syscall(
            libc::SYS_clock_nanosleep,
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const until,
            ptr::null_mut::<libc::timespec>(),
        )
    };
}

/// A call on its way through the gate.
struct Passage {
    gate: &'static Gate,
    tenant: &'static Tenant,
    place: usize,
    stream: StreamId,
    command: Command,
    key: Key,
    /// Whether events may be asked and recorded: not while anything is captured.
    measures: bool,
}

/// Before a command is sent that no grant covers: waits until it may be. Answers what to do afterwards.
#[cold]
pub(super) fn before(tenant: &'static Tenant, thread: &Thread, launch: Launch, command: Command) -> Option<After> {
    let entered = Entered::of(launch.handle)?;
    let context = entered.context;
    let measures = launch.word & CAPTURES == 0;
    if !measures && is_captured(launch.handle) {
        return None;
    }
    let gate = Gate::get();
    let Some(place) = gate.place(tenant, context) else {
        let _elsewhere = thread.flush(launch.handle);
        // Until a limit changes nothing has to be asked here.
        thread.allow(launch, context, Told::NOTHING, Some(0), (u64::MAX, u32::MAX));
        return None;
    };
    let stream = thread.id(context, launch.handle);
    beside::tell_of_its_end();
    Passage { gate, tenant, place, stream, command, key: launch.key, measures }.pass(thread, launch)
}

/// After it was sent: puts a mark behind it.
pub(super) fn after(after: After) {
    let After { gate, place, stream, since } = after;
    let Some(_entered) = Entered::again(stream.context) else { return };
    let state = gate.lock();
    if WORD.load(Ordering::Relaxed) & CAPTURES == 0 {
        drop(mark(gate, state, (place, stream), Behind::Command { since }));
    }
}

/// Puts a mark into a stream of a device.
fn mark<'a>(
    gate: &'a Gate,
    mut state: MutexGuard<'a, State>,
    (place, stream): (usize, StreamId),
    behind: Behind,
) -> MutexGuard<'a, State> {
    let event = state.events.take(stream.context);
    drop(state); // recording may wait for room in the stream
    let began = clock::now();
    let recorded = event.filter(|event| events::record(stream, *event));
    let put = Put { began, ended: clock::now(), behind };
    let mut state = gate.lock();
    // If the device has still to pass the mark before this one, it was not idle in between.
    if WORD.load(Ordering::Relaxed) & CAPTURES == 0 {
        state.harvest(place, stream, put.ended);
    }
    let State { devices, events, .. } = &mut *state;
    if let Some(device) = devices.get_mut(place) {
        match recorded {
            Some(event) => device.pace.marked(stream, event, put),
            None => device.pace.unmarked(stream),
        }
    }
    if let (Some(event), None) = (event, recorded) {
        events.give(stream.context, event);
    }
    state
}

impl State {
    /// From when on this process's other devices are out of debt. Waiting for them together keeps what is sent to one from
    /// running there while its counterpart waits for another. One that has work of ours is not waited for: that may be the
    /// counterpart of what comes now.
    fn others_ready(&self, place: usize, now: u64) -> u64 {
        let others = self.devices.iter().enumerate().filter(|(other, device)| {
            *other != place && now.saturating_sub(device.last_used) < IN_USE && !device.pace.is_at_work()
        });
        others
            .filter_map(|(_, device)| Some(device.account?.ready_at(now, device.rules().hard_cap()?)))
            .max()
            .unwrap_or(0)
    }

    fn with<R>(
        &mut self,
        place: usize,
        now: u64,
        work: impl FnOnce(&mut Pace<Event>, &mut Events, Rules, &Joint, &mut AtDevice<'_>) -> R,
    ) -> Option<R> {
        let others = if self.devices.len() > 1 { self.others_ready(place, now) } else { 0 };
        let device = self.devices.get_mut(place)?;
        let rules = device.rules();
        let account = Joint { bucket: device.account, others };
        let mut turns = self.seating.at(device.quota);
        Some(work(&mut device.pace, &mut self.events, rules, &account, &mut turns))
    }

    /// Looks at what the device has finished.
    fn harvest(&mut self, place: usize, stream: StreamId, now: u64) {
        self.with(place, now, |pace, events, rules, account, turns| {
            let events = core::cell::RefCell::new(events);
            pace.harvest(
                now,
                stream,
                (rules, account, turns),
                |context, event, put| events.borrow_mut().look(context, event, put),
                |context, event| events.borrow_mut().give(context, event),
            );
        });
    }

    /// The same, and for the process's other devices too: see [`Self::others_ready`].
    fn harvest_all(&mut self, place: usize, stream: StreamId, now: u64) {
        self.harvest(place, stream, now);
        for other in (0..self.devices.len()).filter(|other| *other != place) {
            self.harvest(other, NO_STREAM, now);
        }
    }

    /// Charges what a thread sent under a grant.
    fn flushed(&mut self, Flushed { stream, sent }: Flushed) {
        if let Some(place) = self.contexts.get(&(stream.context as u64)).copied() {
            self.charge(place, stream, sent, clock::now());
        }
    }

    fn charge(&mut self, place: usize, stream: StreamId, sent: Sent, now: u64) {
        self.with(place, now, |pace, _, rules, account, turns| pace.charge(now, stream, sent, rules, account, turns));
    }
}

impl Passage {
    fn pass(self, thread: &Thread, launch: Launch) -> Option<After> {
        let Self { gate, place, stream, key, measures, .. } = self;
        let mut state = gate.lock();
        // Often only this command's cost is not known to this thread.
        let pace = &mut state.devices.get_mut(place)?.pace;
        let expected = pace.learner.expect(self.command);
        let told = Told::new(place, pace.learner.version());
        if !expected.wanted && thread.spend_at(launch, stream.context, told, expected.cost) {
            return None;
        }
        let ramp = thread.grant(launch.handle).ramp.get();
        let flushed = thread.flush(launch.handle);
        state.flushed(flushed);
        let mixed = flushed.sent.launches > 1 && flushed.sent.key == Key::NONE;
        state.seating.sit(self.tenant);
        let mut visit = Visit::new();
        let (mut state, expected) = self.wait(state, &mut visit)?;

        let now = clock::now();
        let Expected { cost, wanted, .. } = expected;
        // In the hold of the lock that said yes: who asks next finds it charged.
        state.with(place, now, |pace, _, rules, account, turns| pace.reserve(now, cost, 1, (rules, account, turns)))?;
        let device = state.devices.get_mut(place)?;
        device.last_used = now;
        device.pace.spans.clips = self.tenant.region().is_some_and(|region| region.devices_known() > 1);
        if expected.wanted {
            device.pace.learner.launched_unmeasured(self.command);
        }
        let gaps = !device.pace.spans.busy(stream);
        let measures = measures && !device.pace.spans.stalled(stream);
        if measures && device.pace.spans.needs_mark(stream) {
            state = mark(gate, state, (place, stream), Behind::Anything);
        }
        state.devices.get_mut(place)?.pace.sent(stream, Sent { cost, launches: 1, key, known: !wanted });
        let owes = state.with(place, now, |pace, _, rules, account, _| pace.owes(now, rules, account))?;
        if owes {
            // What was granted before, to this thread for other streams and to others, would be more debt.
            super::end_grants();
        }
        let pace = &state.devices.get(place)?.pace;
        let told = Told::new(place, pace.learner.version());
        // Whether a device in debt is at work is what the process's others go by.
        let own_mark = wanted || cost >= OWN_MARK || (owes && state.devices.len() > 1);
        let ramp = if visit.waited || ramp == 0 { FIRST_GRANT } else { ramp.saturating_mul(2) };
        let grant = if own_mark || owes { (0, 0) } else { pace.grant(ramp) };
        thread.allow(launch, stream.context, told, (!wanted).then_some(cost), grant);
        // Spans with gaps in them, and those of different commands, say little of each.
        let marks = own_mark || ((mixed || gaps) && thread.one_in(4));
        (measures && marks).then(|| After { gate, place, stream, since: clock::now() })
    }

    /// Waits until the command may be sent.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        visit: &mut Visit,
    ) -> Option<(MutexGuard<'a, State>, Expected)> {
        let Self { gate, place, stream, key, measures, .. } = *self;
        loop {
            let now = clock::now();
            // A capture that began meanwhile forbids the driver's answers.
            let measures = measures && WORD.load(Ordering::Relaxed) & CAPTURES == 0;
            if measures {
                state.harvest_all(place, stream, now);
            }
            let mut expected = state.devices.get_mut(place)?.pace.learner.expect(self.command);
            if !measures {
                expected.unmeasured = None;
            }
            let step = state.with(place, now, |pace, _, rules, account, turns| {
                pace.step(now, visit, (stream, key, expected), (rules, account, turns))
            })?;
            if let Step::Go = step {
                return Some((state, expected));
            }
            // What follows the wait is not to count among what went before.
            let pace = &mut state.devices.get_mut(place)?.pace;
            if measures && !pace.spans.stalled(stream) && pace.spans.open(stream) {
                state = mark(gate, state, (place, stream), Behind::Anything);
            }
            drop(state);
            match step {
                Step::Go => {}
                Step::Sleep(until) => sleep_until(until),
                Step::Turn(waiting) => Waiting::wait(waiting),
            }
            self.tenant.follow();
            state = gate.lock();
            if !state.devices.get(place)?.quota.share().gated {
                return None;
            }
        }
    }
}
