//! The model in virtual time.

use proptest::prelude::*;

use super::*;

const US: u64 = 1000;
const MS: u64 = 1000 * US;

fn timeline(devices: usize) -> Timeline {
    Timeline::new(devices, Timing { switch_ns: 5 * US, ..Timing::default() }, 0)
}

fn kernel(us: u64, width: u32) -> Work {
    Work::Kernel(Kernel { ns: us * US, width, jitter_percent: 0, meet: None })
}

fn full(us: u64) -> Work {
    kernel(us, FULL_WIDTH)
}

fn endless() -> Work {
    Work::Kernel(Kernel { ns: FOREVER, width: FULL_WIDTH, jitter_percent: 0, meet: None })
}

/// A context on the first device with one stream in it.
fn client(timeline: &mut Timeline) -> StreamId {
    let context = timeline.context(0, 0);
    timeline.stream(context, Role::Free)
}

fn end_of(ended: &[Ended], command: CommandId) -> Option<u64> {
    ended.iter().find(|end| end.command == command).map(|end| end.at)
}

fn ends<const N: usize>(ended: &[Ended], commands: [CommandId; N]) -> [Option<u64>; N] {
    commands.map(|command| end_of(ended, command))
}

#[test]
fn a_stream_is_in_order_and_a_marker_takes_no_time() {
    let mut timeline = timeline(1);
    let context = timeline.context(0, 0);
    let stream = timeline.stream(context, Role::Blocking);
    let commands = [full(20), Work::Marker, full(30), Work::Marker].map(|work| timeline.submit(stream, work, &[]));
    let ended = timeline.advance(MS);
    assert_eq!(ends(&ended, commands), [20, 20, 50, 50].map(|us| Some(us * US)));
    assert_eq!(timeline.take_usage(), [Usage { context, device: 0, from: 0, to: 50 * US }]);
}

#[test]
fn a_later_kernel_gets_what_earlier_ones_leave() {
    let mut timeline = timeline(1);
    let context = timeline.context(0, 0);
    let mut submit = |work| {
        let stream = timeline.stream(context, Role::Free);
        timeline.submit(stream, work, &[])
    };
    // The second can fill three quarters and finds a half: after 100 µs two thirds of it are done, then it has the room.
    let half = submit(kernel(100, FULL_WIDTH / 2));
    let more = submit(kernel(150, FULL_WIDTH / 4 * 3));
    let waits = submit(full(40));
    let ended = timeline.advance(MS);
    let at = 100 * US + 150 * US - 66_666;
    let [half, more, waits] = ends(&ended, [half, more, waits]).map(|end| end.expect("ended"));
    assert_eq!(half, 100 * US);
    assert!(more.abs_diff(at) <= 2, "{more}, not about {at}");
    // It started in the last quarter when the first ended, and was done a quarter as quickly.
    let done_before = (at - 100 * US) / 4;
    assert!(waits.abs_diff(at + 40 * US - done_before) <= 4, "{waits}");
    assert_eq!(timeline.take_usage().len(), 1);
}

#[test]
fn contexts_take_turns_of_a_slice() {
    let mut timeline = timeline(1);
    let streams = [client(&mut timeline), client(&mut timeline)];
    let [long, short] = [full(5_000), full(1_000)];
    let long = timeline.submit(streams[0], long, &[]);
    timeline.advance(500 * US);
    let short = timeline.submit(streams[1], short, &[]);
    let ended = timeline.advance(100 * MS);
    // The first slice ends at 2 ms in the middle of the kernel, each switch takes 5 µs, and the short one needs 1 ms.
    assert_eq!(ends(&ended, [short, long]), [Some(3_005 * US), Some(3_010 * US + 3_000 * US)]);
    let used: Vec<_> = timeline.take_usage().iter().map(|part| (part.from / US, part.to / US)).collect();
    assert_eq!(used, [(0, 2_000), (2_005, 3_005), (3_010, 6_010)]);
    assert_eq!(timeline.switches(0), 2);
}

#[test]
fn the_slices_of_a_context_alone_follow_each_other() {
    let mut timeline = timeline(1);
    let streams = [client(&mut timeline), client(&mut timeline)];
    timeline.submit(streams[0], endless(), &[]);
    timeline.advance(7_300 * US);
    let late = timeline.submit(streams[1], full(10), &[]);
    assert_eq!(end_of(&timeline.advance(100 * MS), late), Some(8_015 * US));
}

#[test]
fn a_marker_waits_for_its_context_to_have_the_device() {
    let mut timeline = timeline(1);
    let streams = [client(&mut timeline), client(&mut timeline)];
    let alone = timeline.submit(streams[1], Work::Marker, &[]);
    assert_eq!(end_of(&timeline.advance(0), alone), Some(0));
    timeline.submit(streams[0], endless(), &[]);
    let own = timeline.submit(streams[0], Work::Marker, &[]);
    let marker = timeline.submit(streams[1], Work::Marker, &[]);
    let ended = timeline.advance(MS);
    assert_eq!(ends(&ended, [own, marker]), [None, None]);
    assert_eq!(end_of(&timeline.advance(100 * MS), marker), Some(2_005 * US));
}

#[test]
fn copies_have_engines_of_their_own() {
    let mut timeline = timeline(1);
    let streams = [client(&mut timeline), client(&mut timeline), client(&mut timeline)];
    timeline.submit(streams[0], endless(), &[]);
    let work =
        [Work::CopyToDevice { ns: 30 * US }, Work::CopyToDevice { ns: 20 * US }, Work::CopyToHost { ns: 25 * US }];
    let copies = [(1, work[0]), (2, work[1]), (2, work[2])];
    let copies = copies.map(|(stream, work)| timeline.submit(streams[stream], work, &[]));
    let ended = timeline.advance(MS);
    assert_eq!(ends(&ended, copies), [30, 50, 75].map(|us| Some(us * US)));
}

#[test]
fn commands_wait_for_others_on_any_device() {
    let mut timeline = timeline(2);
    let first = client(&mut timeline);
    let context = timeline.context(1, 0);
    let slow = timeline.submit(first, full(40), &[]);
    let node = timeline.submit_loose(context, full(5), &[slow]);
    let other = timeline.submit_loose(context, full(7), &[]);
    let join = timeline.submit_loose(context, Work::Marker, &[node, other]);
    let ended = timeline.advance(MS);
    assert_eq!(ends(&ended, [slow, other, node, join]), [40, 7, 45, 45].map(|us| Some(us * US)));
}

#[test]
fn the_default_stream_and_blocking_streams_wait_for_each_other() {
    let mut timeline = timeline(1);
    let context = timeline.context(0, 0);
    let [default, blocking, other, free] =
        [Role::Default, Role::Blocking, Role::Blocking, Role::Free].map(|role| timeline.stream(context, role));
    let narrow = kernel(10, 1);
    let first = timeline.submit(blocking, narrow, &[]);
    let second = timeline.submit(default, narrow, &[]);
    let third = timeline.submit(other, narrow, &[]);
    let beside = timeline.submit(free, narrow, &[]);
    let ended = timeline.advance(MS);
    assert_eq!(ends(&ended, [first, second, third, beside]), [10, 20, 30, 10].map(|us| Some(us * US)));
}

#[test]
fn a_gate_ends_when_it_is_opened() {
    let mut timeline = timeline(1);
    let stream = client(&mut timeline);
    let gate = timeline.submit(stream, Work::Gate, &[]);
    let behind = timeline.submit(stream, full(1), &[]);
    assert_eq!(timeline.advance(MS), []);
    timeline.open(gate);
    assert_eq!(ends(&timeline.advance(2 * MS), [gate, behind]), [Some(MS), Some(MS + US)]);
}

#[test]
fn kernels_that_meet_wait_for_each_other_across_devices() {
    let mut timeline = timeline(2);
    let meet = Some(Meet { key: 9, count: 2 });
    let collective = Work::Kernel(Kernel { ns: 10 * US, width: FULL_WIDTH, jitter_percent: 0, meet });
    let first = client(&mut timeline);
    let context = timeline.context(1, 0);
    let second = timeline.stream(context, Role::Free);
    let early = [timeline.submit(first, collective, &[]), timeline.submit(first, collective, &[])];
    assert_eq!(timeline.advance(300 * US), []);
    let late = [timeline.submit(second, collective, &[]), timeline.submit(second, collective, &[])];
    let ended = timeline.advance(MS);
    for (early, late) in [(early[0], late[0]), (early[1], late[1])] {
        assert_eq!(end_of(&ended, early), end_of(&ended, late));
    }
    assert_eq!(ends(&ended, late), [Some(310 * US), Some(320 * US)]);
    // Waiting is occupying.
    let first =
        timeline.take_usage().iter().filter(|part| part.device == 0).map(|part| part.to - part.from).sum::<u64>();
    assert_eq!(first, 320 * US);
}

#[test]
fn the_end_of_a_context_ends_its_commands_now() {
    let mut timeline = timeline(1);
    let context = timeline.context(0, 0);
    let stream = timeline.stream(context, Role::Free);
    let other = client(&mut timeline);
    let commands = [endless(), Work::Marker, Work::Gate].map(|work| timeline.submit(stream, work, &[]));
    let dependent = timeline.submit(other, full(10), &[commands[2]]);
    timeline.advance(500 * US);
    assert_eq!(ends(&timeline.end_context(context), commands), [Some(500 * US); 3]);
    assert!(!timeline.is_live(context));
    assert_eq!(timeline.take_usage(), [Usage { context, device: 0, from: 0, to: 500 * US }]);
    assert_eq!(end_of(&timeline.advance(MS), dependent), Some(510 * US));
}

#[test]
fn what_comes_behind_a_command_that_ended_with_another_context_starts() {
    let mut timeline = timeline(1);
    let other = timeline.context(0, 0);
    let busy = timeline.stream(other, Role::Free);
    timeline.submit(busy, endless(), &[]);
    timeline.advance(MS);
    let stream = client(&mut timeline);
    let marker = timeline.submit(stream, Work::Marker, &[]);
    assert_eq!(ends(&timeline.advance(MS), [marker]), [None]);
    // The device is free for the marker in the same moment.
    timeline.end_context(other);
    let next = timeline.submit(stream, full(20), &[]);
    assert_eq!(ends(&timeline.advance(2 * MS), [marker, next]), [Some(MS), Some(MS + 20 * US)]);
}

#[test]
fn jitter_stays_within_its_bounds_and_follows_the_seed() {
    let run = |seed| {
        let mut timeline = Timeline::new(1, Timing { seed, ..Timing::default() }, 0);
        let stream = client(&mut timeline);
        let work = Work::Kernel(Kernel { ns: 100 * US, width: FULL_WIDTH, jitter_percent: 10, meet: None });
        for _ in 0..200 {
            timeline.submit(stream, work, &[]);
        }
        let ends: Vec<_> = timeline.advance(FOREVER - 1).iter().map(|end| end.at).collect();
        std::iter::once(ends[0]).chain(ends.windows(2).map(|pair| pair[1] - pair[0])).collect::<Vec<_>>()
    };
    let times = run(1);
    assert!(times.iter().all(|ns| (90 * US..=110 * US).contains(ns)), "{times:?}");
    let (least, most) = (times.iter().min().expect("some"), times.iter().max().expect("some"));
    assert!(most - least > 15 * US, "{least} to {most} ns");
    assert_eq!(times, run(1));
    assert_ne!(times, run(2));
}

/// A command of a random program.
#[derive(Clone, Debug)]
struct Step {
    stream: usize,
    work: Work,
    /// How many commands back in the program the one is that it waits for.
    after: Option<usize>,
    /// Time that passes before it is submitted.
    pause: u64,
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        6 => (0..5_000u64, 1..=FULL_WIDTH).prop_map(|(us, width)| kernel(us, width)),
        1 => Just(full(300)),
        1 => (0..500u64).prop_map(|us| Work::Compute { ns: us * US }),
        1 => (0..500u64).prop_map(|us| Work::CopyToDevice { ns: us * US }),
        1 => (0..500u64).prop_map(|us| Work::CopyToHost { ns: us * US }),
        2 => Just(Work::Marker),
    ]
}

fn program() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..6usize, work(), prop::option::weighted(0.3, 1..5usize), prop_oneof![Just(0), 0..3 * MS]);
    prop::collection::vec(step.prop_map(|(stream, work, after, pause)| Step { stream, work, after, pause }), 1..60)
}

/// Runs a program on two devices, three contexts and six streams; looks ahead before every step if `look` is set. The
/// ends, in the order of the program, and all usage.
fn run(program: &[Step], look: bool) -> (Vec<u64>, Vec<Usage>, Vec<CommandId>) {
    let mut timeline = timeline(2);
    let contexts = [0, 0, 1].map(|device| timeline.context(device, 0));
    let roles = [Role::Default, Role::Blocking, Role::Free, Role::Blocking, Role::Free, Role::Free];
    let streams: Vec<_> =
        roles.iter().enumerate().map(|(index, role)| timeline.stream(contexts[index / 2], *role)).collect();
    let (mut commands, mut ended, mut usage, mut now): (Vec<CommandId>, Vec<Ended>, _, _) = Default::default();
    for step in program {
        now += step.pause;
        if look {
            let ahead = timeline.predict(now, usize::MAX);
            let passed = timeline.advance(now);
            assert!(passed.ends_with(&ahead.ended), "what was foretold did not happen");
            ended.extend(passed);
        } else {
            ended.extend(timeline.advance(now));
        }
        let after: Vec<_> = step
            .after
            .and_then(|back| commands.len().checked_sub(back))
            .map(|index| commands[index])
            .into_iter()
            .collect();
        commands.push(timeline.submit(streams[step.stream], step.work, &after));
    }
    ended.extend(timeline.advance(FOREVER - 1));
    let mut parts: Vec<Usage> = timeline.take_usage();
    Vec::append(&mut usage, &mut parts);
    let ends = commands.iter().map(|command| end_of(&ended, *command).expect("everything ends")).collect();
    (ends, usage, commands)
}

proptest! {
    /// Streams are in order, waits are kept, nothing is quicker than alone, and no device computes for two at a time.
    #[test]
    fn every_program_keeps_the_rules(program in program()) {
        let (ends, usage, _) = run(&program, false);
        let mut submitted = 0;
        let mut last = [0u64; 6];
        for (index, step) in program.iter().enumerate() {
            submitted += step.pause;
            let waited = step.after.and_then(|back| index.checked_sub(back)).map_or(0, |index| ends[index]);
            let ns = match step.work {
                Work::Kernel(kernel) => kernel.ns,
                Work::Compute { ns } | Work::CopyToDevice { ns } | Work::CopyToHost { ns } => ns,
                Work::Marker | Work::Gate => 0,
            };
            let start = last[step.stream].max(waited).max(submitted);
            prop_assert!(ends[index] >= start + ns, "command {index} ended at {}, {start} + {ns}", ends[index]);
            last[step.stream] = ends[index];
        }
        for device in 0..2 {
            let parts: Vec<_> = usage.iter().filter(|part| part.device == device).collect();
            prop_assert!(parts.iter().all(|part| part.from < part.to));
            prop_assert!(parts.windows(2).all(|pair| pair[0].to <= pair[1].from), "{parts:?}");
        }
        // Work is neither lost nor made: full-width work counts in full, narrower work at most.
        let least: u64 = program.iter().map(|step| match step.work {
            Work::Kernel(kernel) if kernel.width == FULL_WIDTH => kernel.ns,
            Work::Compute { ns } => ns,
            _ => 0,
        }).sum();
        let most: u64 = program.iter().map(|step| match step.work {
            Work::Kernel(Kernel { ns, .. }) | Work::Compute { ns } => ns + 1,
            _ => 0,
        }).sum();
        let used: u64 = usage.iter().map(|part| part.to - part.from).sum();
        prop_assert!((least..=most).contains(&used), "{used} ns, not {least} to {most}");
    }

    /// Looking ahead changes nothing, and the same program runs the same way again.
    #[test]
    fn looking_ahead_is_true_and_changes_nothing(program in program()) {
        let (ends, usage, _) = run(&program, false);
        let (again, used, _) = run(&program, true);
        prop_assert_eq!(ends, again);
        prop_assert_eq!(usage, used);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Contexts that always want the device have equal parts of it, to within a slice and a switch for each of the others.
    #[test]
    fn turns_are_equal(clients in 2..9usize, us in prop::sample::select(vec![20u64, 200, 1_000, 10_000])) {
        let mut timeline = timeline(1);
        let streams: Vec<_> = (0..clients).map(|_| client(&mut timeline)).collect();
        for stream in &streams {
            for _ in 0..500_000 / us {
                timeline.submit(*stream, full(us), &[]);
            }
        }
        timeline.advance(200 * MS);
        let mut used = vec![0; clients];
        for part in timeline.take_usage() {
            used[part.context.0 as usize] += part.to - part.from;
        }
        if let Some((context, since)) = timeline.computing(0) {
            used[context.0 as usize] += timeline.now() - since;
        }
        let (least, most) = (used.iter().min().expect("some"), used.iter().max().expect("some"));
        prop_assert!(most - least <= 2 * MS, "{used:?}");
        let total: u64 = used.iter().sum();
        prop_assert!(total >= 199 * MS, "{total} ns of 200 ms");
    }
}
