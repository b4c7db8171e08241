//! Tests of the gate's decisions in virtual time: a model device, a program, and the tenant's real account.

use core::cell::Cell;

use proptest::prelude::*;
use shared_region::bucket::{DEPTH, FRESH, Paid};

use super::*;
use crate::compute::Command;
use crate::compute::spans::Behind;
use crate::compute::thread::{Flushed, Launch, Thread, Told};

const STREAM: StreamId = StreamId { context: 1, handle: 16, thread: 0 };
const KERNEL: Command = Command::Kernel { function: 0x7000, blocks: 528 };
/// What recording an event takes of the program's time, and waking up late.
const RECORD: u64 = 500;
const LATE_WAKE: u64 = 60_000;

struct Purse(Cell<Paid>);

impl Account for Purse {
    fn charge(&self, now: u64, cost: i64, cap: u16) -> u64 {
        self.0.set(self.0.get().charged(now, cost, cap));
        self.0.get().until
    }
    fn ready_at(&self, now: u64, cap: u16) -> u64 {
        self.0.set(self.0.get().at(now, cap));
        self.0.get().until
    }
}

/// Nobody else is there.
struct Alone;

impl Turns for Alone {
    type Waiting = ();
    fn rivals(&mut self, _now: u64) -> Rivals {
        Rivals::default()
    }
    fn calls(&mut self) -> u32 {
        0
    }
    fn take(&mut self, _now: u64) -> Answer<()> {
        Answer::Taken(4_000_000)
    }
    fn extend(&mut self, _now: u64, _end: u64) -> bool {
        true
    }
    fn holds(&mut self, _now: u64) -> bool {
        true
    }
    fn close(&mut self, _now: u64, _end: u64) {}
    fn leave(&mut self, _now: u64) {}
    fn used(&mut self, _now: u64, _device_time: i64) {}
}

/// A program that launches one kernel again and again into one stream of a device that does nothing else.
struct World {
    now: u64,
    /// When the stream runs dry.
    dry: u64,
    /// Device-time that was used.
    busy: u64,
    sleeps: u32,
    /// Sleeps for the cap.
    capped: u32,
    pace: Pace<u64>,
    purse: Purse,
    thread: Thread,
    rules: Rules,
    /// Device-time of the kernel; of the first one where the program's code is loaded with it.
    kernel: u64,
    /// Program's time for a launch.
    host: u64,
}

impl World {
    fn new(cap: u16, kernel: u64, host: u64) -> Self {
        Self {
            now: 1_000_000_000_000,
            dry: 0,
            busy: 0,
            sleeps: 0,
            capped: 0,
            pace: Pace::default(),
            purse: Purse(Cell::new(Paid { until: 0, cap: 0 })),
            thread: Thread::new(),
            rules: Rules { cap: Some(cap), policy: Policy::FixedShare },
            kernel,
            host,
        }
    }

    fn mark(&mut self, behind: Behind) {
        let began = self.now;
        self.now += RECORD;
        self.harvest();
        self.pace.marked(STREAM, self.dry.max(began), Put { began, ended: self.now, behind });
    }

    fn harvest(&mut self) {
        let now = self.now;
        let look = |_, event, _| {
            if event <= now { Look::Passed { at: event, by_clock: event } } else { Look::Pending }
        };
        self.pace.harvest(now, STREAM, (self.rules, &self.purse, &mut Alone), look, |_, _| {});
    }

    fn send(&mut self) {
        self.now += self.host;
        self.dry = self.dry.max(self.now) + self.kernel;
        self.busy += self.kernel;
    }

    /// The way through the gate, as `gate.rs` has it with locks and a driver.
    fn launch(&mut self) {
        let launch = Launch { handle: STREAM.handle, key: KERNEL.key(), word: 2, generation: 0 };
        if self.thread.spend(launch) {
            return self.send();
        }
        let ramp = self.thread.grant(STREAM.handle).ramp.get();
        let Flushed { sent, .. } = self.thread.flush(STREAM.handle);
        self.pace.charge(self.now, STREAM, sent, self.rules, &self.purse, &mut Alone);
        let mut visit = Visit::new();
        let expected = loop {
            self.harvest();
            let expected = self.pace.learner.expect(KERNEL);
            let asked = (STREAM, KERNEL.key(), expected);
            match self.pace.step(self.now, &mut visit, asked, (self.rules, &self.purse, &mut Alone)) {
                Step::Go => break expected,
                Step::Turn(()) => panic!("nobody else is there"),
                Step::Sleep(until) => {
                    if self.pace.spans.open(STREAM) {
                        self.mark(Behind::Anything);
                    }
                    self.sleeps += 1;
                    self.capped += u32::from(visit.capped);
                    self.now = self.now.max(until) + LATE_WAKE;
                }
            }
        };
        if expected.wanted {
            self.pace.learner.launched_unmeasured(KERNEL);
        }
        let gaps = !self.pace.spans.busy(STREAM);
        if self.pace.spans.open(STREAM) || !self.pace.spans.busy(STREAM) {
            self.mark(Behind::Anything);
        }
        let Expected { cost, wanted, .. } = expected;
        let sent = Sent { cost, launches: 1, key: KERNEL.key(), known: !wanted };
        self.pace.charge(self.now, STREAM, sent, self.rules, &self.purse, &mut Alone);
        let owes = self.pace.owes(self.now, self.rules, &self.purse);
        let ramp = if visit.waited || ramp == 0 { FIRST_GRANT } else { ramp.saturating_mul(2) };
        let own_mark = wanted || cost >= OWN_MARK;
        let grant = if own_mark || owes { (0, 0) } else { self.pace.grant(ramp) };
        self.thread.allow(
            launch,
            STREAM.context,
            Told::new(0, self.pace.learner.version()),
            (!wanted).then_some(cost),
            grant,
        );
        let since = self.now;
        self.send();
        if own_mark || (gaps && self.thread.one_in(4)) {
            self.mark(Behind::Command { since });
        }
    }

    fn run(&mut self, time: u64, mut between: impl FnMut(&mut Self)) -> f64 {
        let (begin, busy) = (self.now, self.busy);
        while self.now < begin + time {
            self.launch();
            between(self);
        }
        (self.busy - busy) as f64 / self.dry.max(self.now).saturating_sub(begin) as f64
    }
}

fn waits_for_the_end(world: &mut World) {
    world.now = world.now.max(world.dry) + 5_000;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_cap_is_met_from_both_sides(
        percent in 5_u16..95,
        kernel in prop_oneof![5_000_u64..100_000, 100_000_u64..2_000_000, 2_000_000_u64..30_000_000, 30_000_000_u64..300_000_000],
        host in 500_u64..4_000,
        syncs in any::<bool>(),
    ) {
        let mut world = World::new(percent * 100, kernel, host);
        // The guess for the first launches, what a tenant has from the start, and a kernel at the end that is not paid for yet.
        let seconds = 20_u64.max(kernel / 500_000);
        let natural = kernel as f64 / (kernel + host + RECORD * 2 + 5_000) as f64;
        let got = world.run(seconds * 1_000_000_000, |world| if syncs { waits_for_the_end(world) });
        let cap = f64::from(percent) / 100.0;
        let edge = (FRESH + 3 * kernel + DEPTH / 4) as f64 / (seconds as f64 * 1e9);
        // A program that waits for each kernel shows its gaps to the events: up to what a launch takes of a kernel is not known,
        // and when in the recording of an event the device passed it.
        let known = if syncs { (host + RECORD) as f64 / kernel as f64 * cap } else { 0.002 };
        prop_assert!(got <= cap + edge + known.max(0.002), "{got} of {cap}, edge {edge}, {} sleeps", world.sleeps);
        if !syncs || natural > cap * 1.3 {
            let sending = RECORD + host.saturating_sub(crate::compute::spans::SENDING);
            let known = if syncs { sending as f64 / kernel as f64 * cap } else { 0.0 };
            prop_assert!(got >= cap * 0.98 - edge - known, "{got} of {cap}, edge {edge}");
        }
        let sleeps = format!("{} sleeps, {} of them for the cap", world.sleeps, world.capped);
        prop_assert!(f64::from(world.capped) <= 135.0 * seconds as f64, "{sleeps}");
        // Near to all of the device room is waited for too: once for each long kernel, or for half of what may be on its way.
        let room = if percent < 70 { 135 } else { 450 };
        prop_assert!(u64::from(world.sleeps) <= room * seconds, "{sleeps}");
    }
}

#[test]
fn a_program_below_its_cap_never_waits() {
    // 20 µs of work in every 100 µs, under a cap of 50 %.
    let mut world = World::new(5_000, 20_000, 2_000);
    world.run(10_000_000_000, |world| world.now += 98_000);
    // The third launch may wait for the first measurement.
    assert!(world.sleeps <= 2, "{} sleeps", world.sleeps);
}

#[test]
fn no_second_is_far_above_the_cap() {
    for kernel in [20_000, 200_000, 1_000_000, 10_000_000] {
        let mut world = World::new(3_000, kernel, 2_000);
        for second in 0..5 {
            let (begin, busy) = (world.now, world.busy);
            while world.now < begin + 1_000_000_000 {
                world.launch();
            }
            let share = (world.busy - busy) as f64 / (world.now - begin) as f64;
            assert!(share <= 0.35, "{share} in second {second} of kernels of {kernel} ns");
        }
    }
}

#[test]
fn kernels_whose_cost_changes_are_charged_what_they_take() {
    let mut world = World::new(4_000, 50_000, 2_000);
    world.run(1_000_000_000, |_| {});
    for kernel in [400_000, 20_000, 3_000_000, 5_000] {
        world.kernel = kernel;
        let got = world.run(4_000_000_000, |_| {});
        assert!((got - 0.4).abs() < 0.012, "{got} with kernels of {kernel} ns");
    }
}

#[test]
fn what_is_on_its_way_is_bounded() {
    let mut world = World::new(10_000, 20_000, 1_000);
    world.rules.policy = Policy::BurstShare;
    for _ in 0..100_000 {
        world.launch();
        assert!(world.dry.saturating_sub(world.now) <= IN_FLIGHT + 2_000_000, "{} ahead", world.dry - world.now);
    }
    // And the device never ran dry once it was known what a launch costs.
    assert!(
        world.dry - 1_000_000_000_000 < world.busy + 2_000_000,
        "{} idle",
        world.dry - 1_000_000_000_000 - world.busy
    );
}

#[test]
fn nothing_is_waited_for_without_bound() {
    let mut world = World::new(9_000, 1_000_000, 2_000);
    world.run(1_000_000_000, |_| {});
    // A kernel that never ends, as far as the program can see: it may be waiting for the next launch.
    world.dry = u64::MAX / 2;
    let begin = world.now;
    for _ in 0..3 {
        world.launch();
        world.dry = u64::MAX / 2;
    }
    assert!(world.now - begin < 500_000_000, "{} ns for three launches", world.now - begin);
}

#[test]
fn a_function_that_is_never_measured_holds_nobody_up_for_long() {
    let mut world = World::new(9_000, 1_000, 2_000);
    world.dry = u64::MAX / 2;
    let begin = world.now;
    for _ in 0..3 {
        world.launch();
        world.dry = u64::MAX / 2;
    }
    // One wait for the measurement, and what the guesses owe by then.
    assert!(world.now - begin <= 2 * LONGEST_FIRST, "{} ns", world.now - begin);
}

#[test]
fn few_launches_of_an_unknown_function_are_on_their_way() {
    let mut world = World::new(9_000, 200_000_000, 2_000);
    let begin = world.now;
    for launches in 0..3 {
        assert!(world.now < begin + 10_000_000, "{launches} launches took {} ns", world.now - begin);
        if launches == UNMEASURED {
            break;
        }
        world.launch();
    }
    world.launch();
    assert!(world.now >= begin + LONGEST_FIRST, "the third waited for {} ns only", world.now - begin);
}

#[test]
fn a_raised_cap_ends_a_wait_that_was_begun_under_the_old_one() {
    let mut world = World::new(100, 30_000_000, 2_000);
    world.launch();
    world.launch();
    world.now = world.dry;
    world.harvest();
    let mut visit = Visit::new();
    let expected = world.pace.learner.expect(KERNEL);
    let mut ask = |world: &mut World| {
        let asked = (STREAM, KERNEL.key(), expected);
        world.pace.step(world.now, &mut visit, asked, (world.rules, &world.purse, &mut Alone))
    };
    let Step::Sleep(until) = ask(&mut world) else { panic!("in debt") };
    assert!(until <= world.now + LONGEST_SLEEP, "limits are looked at in between");
    world.rules = Rules { cap: None, policy: Policy::FixedShare };
    world.now += 100_000_000;
    world.harvest();
    assert_eq!(ask(&mut world), Step::Go);
}

/// Three of these are just more than may be on their way: it was looked for room again and again until the second one ended.
#[test]
fn room_is_looked_for_when_a_command_has_ended() {
    for kernel in [3_000_000, 3_333_334, 4_000_000, 4_900_000] {
        let mut world = World::new(9_900, kernel, 500);
        world.run(20_000_000_000, |_| {});
        assert!(world.sleeps < 20 * 600, "{kernel}: {} sleeps", world.sleeps);
    }
}
