//! Turns in virtual time: the real seats on a real file, with a model of programs and a device around them.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const US: u64 = 1_000;
/// From being due or woken to running.
const WAKING: u64 = 60 * US;
/// What one launch takes of the program's time.
const LAUNCH: u64 = 4 * US;
const UUID: [u8; 16] = *b"0123456789abcdef";

/// How a program uses its turns.
#[derive(Debug, Clone, Copy)]
struct Habit {
    weight: u16,
    class: u8,
    /// Length of its commands on the device.
    command: u64,
    /// Commands after which it waits for the device, and then rests; `None`: it never does.
    burst: Option<(u64, u64)>,
    /// When it comes.
    from: u64,
}

fn saturating(weight: u16, command: u64) -> Habit {
    Habit { weight, class: 1, command, burst: None, from: 0 }
}

struct Program {
    turns: Turns,
    seat: Seat,
    habit: Habit,
    /// When it runs next.
    at: u64,
    waiting: Option<Waiting>,
    /// When it began to want the turn.
    wanted: u64,
    /// Stopped from then on.
    stopped: u64,
    used: u64,
    waits: Vec<u64>,
    /// How often it looked whether it is its turn.
    looks: usize,
}

/// A device that works off what is submitted in order.
struct Machine {
    programs: Vec<Program>,
    busy_until: u64,
    busy: u64,
    idle: u64,
    now: u64,
    /// Turns may be lost: somebody writes into the file.
    lenient: bool,
    _folder: tempfile::TempDir,
}

fn seat(path: &Path, tenant: u64, habit: Habit) -> (Turns, Seat) {
    let turns = Turns::open_or_create(path, TurnsAccess::Owner).unwrap();
    let device = turns.device(UUID).unwrap();
    let mut seat = turns.join(tenant).unwrap();
    seat.configure(&turns, device, Standing { weight: habit.weight, class: habit.class });
    (turns, seat)
}

impl Machine {
    fn new(habits: &[Habit], tenant: impl Fn(usize) -> u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turns");
        let begin = 1000 * MS;
        let programs = habits.iter().enumerate().map(|(number, habit)| {
            let (turns, seat) = seat(&path, tenant(number), *habit);
            let at = begin + habit.from + number as u64;
            Program {
                turns,
                seat,
                habit: *habit,
                at,
                waiting: None,
                wanted: 0,
                stopped: u64::MAX,
                used: 0,
                waits: Vec::new(),
                looks: 0,
            }
        });
        Self {
            programs: programs.collect(),
            busy_until: begin,
            busy: 0,
            idle: 0,
            now: begin,
            lenient: false,
            _folder: folder,
        }
    }

    fn run(&mut self, time: u64) {
        self.run_with(time, |_| ());
    }

    fn run_with(&mut self, time: u64, mut between: impl FnMut(&Self)) {
        let end = self.now + time;
        loop {
            let runs = |program: &Program| program.at.max(self.now) < program.stopped;
            let next = self.programs.iter_mut().filter(|program| runs(program)).min_by_key(|program| program.at);
            let Some(program) = next.filter(|program| program.at < end) else { break };
            self.now = self.now.max(program.at);
            self.idle += program.step(self.now, &mut self.busy_until, &mut self.busy, self.lenient);
            for other in &mut self.programs {
                let rung = |waiting: &Waiting| {
                    let wish = &other.turns.content().seats[usize::from(waiting.seat)].wishes[0];
                    wish.bell.load(Ordering::Relaxed) != waiting.bell
                };
                if other.waiting.as_ref().is_some_and(rung) {
                    other.waiting = None;
                    other.at = other.at.min(self.now + WAKING);
                }
            }
            between(self);
        }
        self.now = end;
    }

    /// Runs, and answers what each program had of the device's time meanwhile, in percent, and how busy the device was.
    fn shares(&mut self, time: u64) -> (Vec<f64>, f64) {
        let before: Vec<_> = self.programs.iter().map(|program| program.used).collect();
        let busy = self.busy;
        self.run(time);
        let percent = |used: u64| used as f64 * 100.0 / time as f64;
        let used = self.programs.iter().zip(before).map(|(program, before)| percent(program.used - before));
        (used.collect(), percent(self.busy - busy))
    }
}

impl Program {
    /// Answers for how long the device had nothing to do before what is submitted.
    fn step(&mut self, now: u64, busy_until: &mut u64, busy: &mut u64, lenient: bool) -> u64 {
        let idle = now.saturating_sub(*busy_until);
        if self.wanted == 0 {
            self.wanted = now;
        }
        self.looks += 1;
        match self.seat.take(&self.turns, 0, now) {
            Turn::Wait(waiting) => {
                self.waiting = Some(waiting);
                self.at = waiting.until.max(now) + WAKING;
                0
            }
            Turn::Taken { slice } => {
                self.waits.push(now - self.wanted);
                (self.waiting, self.wanted) = (None, 0);
                let Habit { command, burst, .. } = self.habit;
                let commands = slice.div_ceil(command).min(burst.map_or(u64::MAX, |(commands, _)| commands));
                let time = commands * command;
                *busy_until = now.max(*busy_until) + time;
                *busy += time;
                self.used += time;
                self.seat.used(&self.turns, 0, now, time as i64);
                // A little of the prediction is wrong, and found out later.
                let extended = self.seat.extend(&self.turns, 0, now, *busy_until);
                self.seat.used(&self.turns, 0, now, time as i64 / 10);
                let closed = self.seat.close(&self.turns, 0, now + US, *busy_until);
                assert!(lenient || extended && closed, "the turn was lost");
                self.seat.used(&self.turns, 0, now, -(time as i64 / 10));
                let launched = now + commands * LAUNCH;
                self.at = burst.map_or(launched, |(_, rest)| launched.max(*busy_until) + rest);
                idle
            }
        }
    }
}

/// Jain's index of fairness: 1 if all are equal.
fn jain(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (sum, squares, n) = values.fold((0.0, 0.0, 0.0), |(sum, squares, n), x| (sum + x, squares + x * x, n + 1.0));
    sum * sum / (n * squares)
}

fn assert_shares(habits: &[Habit], within: f64, busy_at_least: f64) {
    let mut machine = Machine::new(habits, |number| number as u64);
    machine.run(1000 * MS);
    let (shares, busy) = machine.shares(10_000 * MS);
    let all: u32 = habits.iter().map(|habit| u32::from(habit.weight)).sum();
    let asked: Vec<f64> = habits.iter().map(|habit| f64::from(habit.weight) * 100.0 / f64::from(all)).collect();
    let told = format!("{habits:?}: {shares:?}, busy {busy}");
    for (share, asked) in shares.iter().zip(&asked) {
        assert!((share / busy * 100.0 - asked).abs() <= within, "{told}");
    }
    let fairness = jain(shares.iter().zip(&asked).map(|(share, asked)| share / asked));
    assert!(fairness >= 0.995, "Jain {fairness}: {told}");
    assert!(busy >= busy_at_least, "{told}");
}

#[test]
fn shares_hold_between_unequal_kernels() {
    assert_shares(&[saturating(3000, 20 * US), saturating(7000, 10 * MS)], 1.0, 95.0);
    assert_shares(&[saturating(7000, 20 * US), saturating(3000, 10 * MS)], 1.0, 95.0);
    assert_shares(&[saturating(1000, 10 * MS), saturating(9000, 20 * US)], 1.0, 95.0);
    assert_shares(&[saturating(1000, 20 * US), saturating(9000, 10 * MS)], 1.0, 95.0);
    let four = [(1000, 20 * US), (2000, 10 * MS), (3000, 200 * US), (4000, MS)];
    assert_shares(&four.map(|(weight, command)| saturating(weight, command)), 1.0, 95.0);
    assert_shares(&[saturating(1250, 20 * US); 8], 1.0, 95.0);
    assert_shares(&[1250; 8].map(|weight| saturating(weight, 200 * US)), 1.0, 95.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn shares_hold(habits in prop::collection::vec((500_u16..=10_000, 20 * US..12 * MS), 2..6)) {
        let habits: Vec<_> = habits.into_iter().map(|(weight, command)| saturating(weight, command)).collect();
        assert_shares(&habits, 1.0, 95.0);
    }

    #[test]
    fn nobody_starves(classes in prop::collection::vec((0_u8..=9, 100_u16..=10_000), 2..7), seed in 1_u64..1000) {
        let habits: Vec<_> = classes.iter().enumerate().map(|(number, (class, weight))| {
            let command = 20 * US + (seed * (number as u64 + 1) * 7919 * US) % (10 * MS);
            Habit { class: *class, ..saturating(*weight, command) }
        }).collect();
        let mut machine = Machine::new(&habits, |number| number as u64);
        machine.run(5000 * MS);
        for program in &machine.programs {
            let longest = program.waits.iter().max();
            prop_assert!(longest.is_some_and(|wait| *wait <= MAX_WAIT + 20 * MS), "{:?} waited {longest:?}", program.habit);
        }
    }
}

#[test]
fn classes_change_the_order_and_not_the_shares() {
    let habits = [(0, 2000, MS), (1, 3000, MS), (9, 5000, MS)]
        .map(|(class, weight, command)| Habit { class, ..saturating(weight, command) });
    assert_shares(&habits, 1.0, 95.0);
}

#[test]
fn a_higher_class_waits_for_a_slice_at_most_while_it_is_within_its_share() {
    let urgent = Habit { class: 0, burst: Some((1, 9500 * US)), ..saturating(3000, 500 * US) };
    let mut machine = Machine::new(&[urgent, saturating(7000, 200 * US)], |number| number as u64);
    machine.run(200 * MS);
    machine.programs[0].waits.clear();
    let (shares, busy) = machine.shares(5000 * MS);
    let waits = &mut machine.programs[0].waits;
    waits.sort_unstable();
    assert!(waits.len() > 300, "{}", waits.len());
    let (last, allowed) = (waits[waits.len() - 1], SHORT_SLICE + SHORT_SLICE / 2 + LEAD + WAKING);
    assert!(last <= allowed, "{last} of {allowed}: {shares:?}, busy {busy}");
    assert!(busy >= 95.0, "{busy}");
}

#[test]
fn a_higher_class_does_not_wait_for_the_lease_of_a_lower_one() {
    let urgent = Habit { class: 0, burst: Some((1, 9500 * US)), ..saturating(3000, 500 * US) };
    let mut machine = Machine::new(&[urgent, saturating(7000, 10 * MS)], |number| number as u64);
    machine.run(200 * MS);
    machine.programs[0].waits.clear();
    machine.run(5000 * MS);
    let waits = &machine.programs[0].waits;
    assert!(waits.len() > 200, "{}", waits.len());
    let last = waits.iter().max().copied().unwrap_or(0);
    assert!(last <= LEAD + WAKING, "{last}");
}

/// Who is of a higher class used to be ahead anew whenever the other did not want the device for a moment.
#[test]
fn a_higher_class_leaves_the_share_of_who_waits_for_its_own_work() {
    let other = Habit { class: 9, burst: Some((4, 200 * US)), ..saturating(5000, 500 * US) };
    let mut machine = Machine::new(&[Habit { class: 0, ..saturating(5000, 200 * US) }, other], |number| number as u64);
    let (shares, busy) = machine.shares(10_000 * MS);
    // Its own pauses cost it some of its half.
    assert!(shares[1] >= 25.0, "{shares:?}, busy {busy}");
}

#[test]
fn best_effort_gets_what_the_others_leave() {
    let idle = Habit { class: BEST_EFFORT, ..saturating(100, 200 * US) };
    let mut machine = Machine::new(&[saturating(5000, 200 * US), idle], |number| number as u64);
    let (shares, _) = machine.shares(10_000 * MS);
    assert!(shares[0] >= 97.0, "{shares:?}");
    assert!(shares[1] > 0.0 && shares[1] <= 1.0, "{shares:?}");
    // The other one ends: all of it is free, and again not when it comes back.
    machine.programs[0].stopped = machine.now;
    machine.run(100 * MS);
    let (shares, _) = machine.shares(1000 * MS);
    assert!(shares[1] >= 97.0, "{shares:?}");
    machine.programs[0].stopped = u64::MAX;
    machine.run(200 * MS);
    let (shares, _) = machine.shares(1000 * MS);
    assert!(shares[0] >= 97.0, "{shares:?}");
}

#[test]
fn who_wakes_has_its_share_at_once_and_no_more() {
    let late = Habit { from: 3000 * MS, ..saturating(3000, MS) };
    let mut machine = Machine::new(&[saturating(7000, MS), late], |number| number as u64);
    let (shares, busy) = machine.shares(3000 * MS);
    assert!(shares[0] >= 97.0 && busy >= 97.0, "{shares:?}");
    for _ in 0..5 {
        let (shares, _) = machine.shares(200 * MS);
        assert!((shares[1] - 30.0).abs() <= 3.0, "{shares:?}");
    }
}

#[test]
fn processes_of_one_tenant_share_its_weight() {
    let mut machine = Machine::new(&[saturating(5000, MS); 4], |number| u64::from(number == 0));
    machine.run(1000 * MS);
    let (shares, _) = machine.shares(5000 * MS);
    assert!((shares[0] - 50.0).abs() <= 1.0, "{shares:?}");
    assert!(shares[1..].iter().all(|share| (share - 50.0 / 3.0).abs() <= 1.0), "{shares:?}");
}

#[test]
fn who_stops_delays_the_others_by_its_lease_and_a_grace() {
    for stopped in 0..4 {
        let mut machine = Machine::new(&[saturating(2500, 500 * US); 4], |number| number as u64);
        machine.run(1000 * MS + stopped as u64 * 1_300_000);
        machine.programs[stopped].stopped = machine.now;
        let begin = machine.now;
        machine.programs.iter_mut().for_each(|program| program.waits.clear());
        let (shares, busy) = machine.shares(1000 * MS);
        assert!(busy >= 95.0, "{shares:?}, busy {busy}");
        for (number, program) in machine.programs.iter().enumerate().filter(|(number, _)| *number != stopped) {
            assert!((shares[number] / busy * 3.0 - 1.0).abs() <= 0.06, "{shares:?}");
            assert!(program.waits.iter().all(|wait| *wait <= 20 * MS), "since {begin}: {:?}", program.waits);
        }
    }
}

#[test]
fn a_device_that_nobody_wants_is_taken_at_once() {
    let mut machine = Machine::new(&[saturating(5000, MS), saturating(5000, MS)], |number| number as u64);
    let now = machine.now + 100 * MS;
    let [one, other] = machine.programs.as_mut_slice() else { panic!("two programs") };
    assert_eq!(one.seat.take(&one.turns, 0, now), Turn::Taken { slice: SLICE });
    assert!(matches!(other.seat.take(&other.turns, 0, now), Turn::Wait(_)));
    assert_eq!(one.seat.rivals(&one.turns, 0, now), Rivals { waiting: true, present: true, ..Rivals::default() });
    one.seat.leave(&one.turns, 0, now + MS / 10);
    assert_eq!(other.seat.take(&other.turns, 0, now + MS / 10), Turn::Taken { slice: SLICE });
    assert!(!one.seat.extend(&one.turns, 0, now + MS / 5, now + MS));
    assert!(!one.seat.close(&one.turns, 0, now + MS / 5, now + MS));
}

#[test]
fn two_that_have_what_the_other_wants_both_go_on() {
    let mut machine = Machine::new(&[saturating(5000, MS), saturating(5000, MS)], |number| number as u64);
    let now = machine.now + 100 * MS;
    let second = machine.programs[0].turns.device([9; 16]).unwrap();
    let [one, other] = machine.programs.as_mut_slice() else { panic!("two programs") };
    for (program, device) in [(&mut *one, 0), (&mut *other, second)] {
        program.seat.configure(&program.turns, second, Standing { weight: 5000, class: 1 });
        assert!(matches!(program.seat.take(&program.turns, device, now), Turn::Taken { .. }));
        // Kernels that do not end before the other one's has begun.
        assert!(program.seat.extend(&program.turns, device, now, now + 3_600_000 * MS));
    }
    for (program, device) in [(one, second), (other, 0)] {
        let Turn::Wait(waiting) = program.seat.take(&program.turns, device, now) else { panic!("two have the turn") };
        assert!(waiting.until <= now + MAX_LEASE);
        assert!(matches!(program.seat.take(&program.turns, device, waiting.until), Turn::Taken { .. }));
    }
}

#[test]
fn a_call_is_seen_by_who_has_the_turn() {
    let mut machine = Machine::new(&[saturating(5000, MS), saturating(5000, MS)], |number| number as u64);
    let now = machine.now + 100 * MS;
    let [one, other] = machine.programs.as_mut_slice() else { panic!("two programs") };
    assert!(matches!(one.seat.take(&one.turns, 0, now), Turn::Taken { .. }));
    let before = one.turns.calls(0);
    one.seat.extend(&one.turns, 0, now, now + MS);
    assert_eq!(one.turns.calls(0), before);
    assert!(matches!(other.seat.take(&other.turns, 0, now + 1), Turn::Wait(_)));
    assert_ne!(one.turns.calls(0), before);
}

#[test]
fn who_waits_sleeps() {
    for (programs, each) in [(2, 5000), (8, 1250)] {
        let mut machine = Machine::new(&vec![saturating(each, 200 * US); programs], |number| number as u64);
        machine.run(5000 * MS);
        for program in &machine.programs {
            let turns = program.waits.len();
            assert!(program.looks <= 8 * turns, "{programs} programs: {} looks for {turns} turns", program.looks);
        }
    }
}

#[test]
fn who_does_not_come_is_waited_for_once() {
    for stopped in 0..4 {
        let mut machine = Machine::new(&[saturating(2500, 500 * US); 4], |number| number as u64);
        machine.run(1000 * MS);
        // As soon as it waits for its turn.
        while machine.programs[stopped].waiting.is_none() {
            machine.run(100 * US);
        }
        machine.programs[stopped].stopped = machine.now;
        let before = machine.idle;
        machine.run(100 * MS);
        let idle = machine.idle - before;
        assert!((GRACE..=GRACE + WAKING + LEAD).contains(&idle), "{idle}");
    }
}

#[test]
fn a_class_is_a_place_in_the_queue_for_so_long() {
    let (now, clock) = (10_000 * MS, order::Clock { shares: u64::MAX - 5, best_effort: 0 });
    let at = |seat, class, ahead: u64| order::Seen {
        seat,
        class,
        time: clock.of(class).wrapping_add(ahead),
        want: now + WANT,
        ..Default::default()
    };
    let goes_first = |one: order::Seen, other: order::Seen| {
        let [first, second] = [
            order::survey(now, one, clock, None, [other].into_iter()),
            order::survey(now, other, clock, None, [one].into_iter()),
        ];
        assert_eq!(first.ahead + second.ahead, 1);
        assert_eq!((first.higher_waiting, second.higher_waiting), (other.class < one.class, one.class < other.class));
        first.ahead == 0
    };
    assert!(goes_first(at(1, 0, order::CREDIT - 1), at(0, 1, 0)));
    assert!(!goes_first(at(1, 0, order::CREDIT + 1), at(0, 1, 0)));
    assert!(goes_first(at(1, 0, 2 * order::CREDIT - 1), at(0, 2, 0)));
    assert!(goes_first(at(1, 1, 0), at(0, 1, 1)));
    assert!(goes_first(at(1, 9, order::WINDOW), at(0, BEST_EFFORT, 0)));
}

#[test]
fn a_lease_or_a_wish_that_nobody_can_have_promised_is_none() {
    let mut machine = Machine::new(&[saturating(5000, MS), saturating(5000, MS)], |number| number as u64);
    let now = machine.now + 100 * MS;
    let one = &mut machine.programs[0];
    let content = one.turns.content();
    content.devices[0].turn.store(order::Lease::pack(1, now + MAX_LEASE + 2 * SLICE), Ordering::Relaxed);
    content.seats[1].wishes[0].want.store(now + 3_600_000 * MS, Ordering::Relaxed);
    content.seats[1].wishes[0].present.store(now + 3_600_000 * MS, Ordering::Relaxed);
    assert_eq!(one.seat.rivals(&one.turns, 0, now), Rivals::default());
    assert_eq!(one.seat.take(&one.turns, 0, now), Turn::Taken { slice: SLICE });
}

#[test]
fn who_was_sent_far_ahead_is_back_after_a_while() {
    let mut machine = Machine::new(&[saturating(5000, MS), saturating(5000, MS)], |number| number as u64);
    machine.run(100 * MS);
    let now = machine.now;
    let [one, other] = machine.programs.as_mut_slice() else { panic!("two programs") };
    let clock = &other.turns.content().devices[0].shares;
    let before = clock.load(Ordering::Relaxed);
    other.seat.leave(&other.turns, 0, now);
    one.seat.leave(&one.turns, 0, now);
    // One program takes a turn while the device's virtual time is years ahead; then that is put back.
    clock.store(before + (1 << 60), Ordering::Relaxed);
    assert!(matches!(one.seat.take(&one.turns, 0, now), Turn::Taken { .. }));
    clock.store(before, Ordering::Relaxed);
    assert!(matches!(other.seat.take(&other.turns, 0, now), Turn::Wait(_)));
    machine.run(order::WINDOW);
    let (shares, _) = machine.shares(5000 * MS);
    assert!((shares[0] - 50.0).abs() <= 1.0, "{shares:?}");
}

/// Random numbers, the same for each run of one seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Writes nonsense into a word that matters.
fn spoil(turns: &Turns, random: &mut Random, now: u64) {
    let content = turns.content();
    let device = &content.devices[0];
    let wish = &content.seats[random.next(8) as usize].wishes[0];
    let value = match random.next(5) {
        0 => 0,
        1 => u64::MAX,
        2 => now + random.next(100 * MS),
        3 => order::Lease::pack(random.next(MAX_SEATS as u64) as u16, now + random.next(40 * MS)),
        _ => random.next(u64::MAX),
    };
    let words = [
        &device.turn,
        &device.shares,
        &device.best_effort,
        &wish.want,
        &wish.time,
        &wish.present,
        &content.seats[random.next(8) as usize].tenant,
    ];
    match random.next(10) {
        7 => content.head.own.store(value as u32, Ordering::Relaxed),
        8 => wish.class.store(value as u32, Ordering::Relaxed),
        9 => wish.bell.store(value as u32, Ordering::Relaxed),
        word => words[word as usize].store(value, Ordering::Relaxed),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn nonsense_delays_for_a_bounded_time_and_is_forgotten(seed in 1_u64..u64::MAX) {
        let habits = [saturating(3000, 200 * US), saturating(7000, 2 * MS), saturating(5000, 20 * US)];
        let mut machine = Machine::new(&habits, |number| number as u64);
        let mut random = Random(seed);
        machine.lenient = true;
        machine.run_with(6_000 * MS, |machine| spoil(&machine.programs[0].turns, &mut random, machine.now));
        for program in &mut machine.programs {
            let longest = program.waits.iter().max();
            prop_assert!(longest.is_some_and(|wait| *wait <= MAX_WAIT + 100 * MS), "waited {longest:?}");
            program.waits.clear();
        }
        // What is left of it is no more than one may be behind the others.
        machine.run(2 * order::WINDOW);
        let (shares, busy) = machine.shares(10_000 * MS);
        for (share, asked) in shares.iter().zip([20.0, 140.0 / 3.0, 100.0 / 3.0]) {
            prop_assert!((share - asked).abs() <= 2.0, "{shares:?}, busy {busy}");
        }
    }
}
