//! Tests of what is learnt from measurements.

use super::*;

const KERNEL: Command = Command::Kernel { function: 0x7f00_1234_5670, blocks: 528 };

fn exact(time: u64) -> Sample {
    Sample { least: time, most: time, source: Source::Gapless }
}

#[test]
fn keys_tell_sizes_and_kinds_apart() {
    let kernel = |blocks| Command::Kernel { function: 0x7f00_1234_5670, blocks }.key();
    assert_eq!(kernel(528), kernel(540), "as good as the same size");
    assert_ne!(kernel(528), kernel(1056));
    assert_ne!(kernel(1), kernel(u64::MAX));
    let kinds =
        [KERNEL, Command::Graph { exec: 0x7f00_1234_5670 }, Command::Fill { bytes: 1 }, Command::Copy { bytes: 1 }];
    for (at, kind) in kinds.iter().enumerate() {
        assert_ne!(kind.key(), Key::NONE);
        for other in &kinds[..at] {
            assert_ne!(kind.key(), other.key(), "{kind:?} {other:?}");
        }
    }
}

#[test]
fn the_first_measurement_counts_as_it_is() {
    let mut learner = Learner::default();
    assert_eq!(learner.expect(KERNEL).unmeasured, Some(0));
    learner.launched_unmeasured(KERNEL);
    learner.launched_unmeasured(KERNEL);
    assert_eq!(learner.expect(KERNEL).unmeasured, Some(2));
    let version = learner.version();
    learner.learn(KERNEL.key(), 1, exact(700_000));
    assert_eq!(learner.expect(KERNEL), Expected { cost: 700_000, unmeasured: None, wanted: true });
    assert!(learner.version() > version, "threads that were told the guess have to hear of it");
}

#[test]
fn estimates_follow_a_function_that_becomes_cheaper_or_dearer() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    for (time, within) in [(50_000, 0), (400_000, 8_000), (10_000, 8_000)] {
        for _ in 0..64 {
            learner.learn(KERNEL.key(), 1, exact(time));
        }
        assert!(learner.expect(KERNEL).cost.abs_diff(time) <= within, "{time}: {:?}", learner.expect(KERNEL));
    }
}

#[test]
fn an_open_measurement_only_bounds() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    learner.learn(KERNEL.key(), 1, exact(20_000));
    for _ in 0..100 {
        learner.learn(KERNEL.key(), 1, Sample { least: 0, most: 5_000_000, source: Source::Gapless });
    }
    assert_eq!(learner.expect(KERNEL).cost, 20_000);
    for _ in 0..100 {
        learner.learn(KERNEL.key(), 1, Sample { least: 22_000, most: 5_000_000, source: Source::Gapless });
    }
    assert!(learner.expect(KERNEL).cost.abs_diff(22_000) < 300, "{:?}", learner.expect(KERNEL));
}

/// 53 µs were charged for 20, for ever: of a program that is slow to launch every span has more idle time than work.
#[test]
fn a_mistake_is_mended_by_measurements_that_only_bound() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    for _ in 0..3 {
        learner.learn(KERNEL.key(), 1, exact(200_000));
    }
    for _ in 0..8 {
        learner.learn(KERNEL.key(), 1, Sample { least: 0, most: 25_000, source: Source::Open });
    }
    let expected = learner.expect(KERNEL);
    assert!((25_000..27_000).contains(&expected.cost), "{expected:?}");
}

/// A program that was put off the processor between two calls made 40 µs out of 5.
#[test]
fn what_is_certain_goes_before_what_is_doubtful() {
    let from_idle = |time| Sample { source: Source::FromIdle, ..exact(time) };
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    for _ in 0..20 {
        learner.learn(KERNEL.key(), 1, from_idle(200_000));
    }
    learner.learn(KERNEL.key(), 1, exact(5_000));
    assert_eq!(learner.expect(KERNEL).cost, 5_000);
    learner.learn(KERNEL.key(), 1, from_idle(40_000));
    assert_eq!(learner.expect(KERNEL).cost, 5_000, "as long as such a measurement comes now and then");
    learner.learn(KERNEL.key(), 1, from_idle(30_000_000));
    assert!(learner.expect(KERNEL).cost < 10_000, "{:?}", learner.expect(KERNEL));
    for _ in 0..100 {
        learner.learn(KERNEL.key(), 1, from_idle(40_000));
    }
    assert!(learner.expect(KERNEL).cost > 39_000, "{:?}", learner.expect(KERNEL));
}

/// A program that waits for each kernel, every tenth of which is ten times as long, had half as much again as its cap.
#[test]
fn the_mean_of_what_differs_is_learnt_from_starts_of_an_idle_device() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    let mut charged = 0;
    let times = [100_000, 100_000, 100_000, 1_000_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000];
    for time in times.into_iter().cycle().take(1000) {
        charged += learner.expect(KERNEL).cost;
        learner.learn(KERNEL.key(), 1, Sample { source: Source::FromIdle, ..exact(time) });
    }
    let mean = times.iter().sum::<u64>() / 10;
    assert!((charged / 1000).abs_diff(mean) < mean / 4, "{} for {mean}", charged / 1000);
}

#[test]
fn what_is_shorter_than_the_way_to_the_device_is_soon_known_as_well_as_it_can_be() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    for _ in 0..3 {
        assert!(learner.expect(KERNEL).wanted);
        learner.learn(KERNEL.key(), 1, Sample { least: 0, most: 9_000, source: Source::Open });
    }
    assert_eq!(learner.expect(KERNEL), Expected { cost: 9_000, unmeasured: None, wanted: false });
}

#[test]
fn among_others_estimates_fall_faster_than_they_rise() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    for _ in 0..16 {
        learner.learn(KERNEL.key(), 1, exact(100_000));
    }
    let shared = |time| Sample { source: Source::Shared, ..exact(time) };
    learner.learn(KERNEL.key(), 1, shared(150_000));
    let risen = learner.expect(KERNEL).cost - 100_000;
    assert!((1..10_000).contains(&risen), "{risen}");
    learner.learn(KERNEL.key(), 1, shared(100_000));
    assert!(learner.expect(KERNEL).cost - 100_000 <= risen / 2);
}

#[test]
fn what_cannot_be_measured_is_not_waited_for_again() {
    let mut learner = Learner::default();
    learner.launched_unmeasured(KERNEL);
    learner.give_up(KERNEL.key(), 100_000_000);
    assert_eq!(learner.expect(KERNEL), Expected { cost: 100_000_000, unmeasured: None, wanted: true });
}

#[test]
fn fills_and_copies_are_guessed_by_their_bytes() {
    let mut learner = Learner::default();
    let [small, large] = [4, 1 << 30].map(|bytes| learner.expect(Command::Fill { bytes }));
    assert_eq!((small.unmeasured, large.unmeasured), (None, None), "nobody waits for these");
    assert!(small.cost < 3_000 && (500_000..10_000_000).contains(&large.cost), "{small:?} {large:?}");
}

#[test]
fn forgotten_functions_are_learnt_anew_and_memory_is_bounded() {
    let mut learner = Learner::default();
    let graph = Command::Graph { exec: 64 };
    for command in [KERNEL, graph] {
        learner.launched_unmeasured(command);
        learner.learn(command.key(), 1, exact(1_000_000));
    }
    learner.forget_functions();
    assert_eq!((learner.expect(KERNEL).unmeasured, learner.expect(graph).unmeasured), (Some(0), None));
    learner.forget(graph.key());
    assert_eq!(learner.expect(graph).unmeasured, Some(0));
    for function in 0..3 * MOST {
        learner.launched_unmeasured(Command::Kernel { function, blocks: 1 });
    }
    assert!(learner.known.len() <= MOST);
}

#[test]
fn kernels_that_leave_room_beside_them_are_told_by_their_key() {
    let kernel = |blocks| Command::Kernel { function: 0x7f00_1234_5678, blocks }.key();
    assert!([1, 2, 63].into_iter().all(|blocks| kernel(blocks).is_narrow()));
    assert!(![64, 528, 1 << 40].into_iter().any(|blocks| kernel(blocks).is_narrow()));
    assert!(!Command::Fill { bytes: 4 }.key().is_narrow() && !Key::NONE.is_narrow());
}

#[test]
fn what_was_changed_keeps_its_cost_until_it_is_measured_again() {
    let mut learner = Learner::default();
    let graph = Command::Graph { exec: 64 };
    let gapless = |ns| Sample { least: ns, most: ns, source: Source::Gapless };
    learner.launched_unmeasured(graph);
    (0..9).for_each(|_| learner.learn(graph.key(), 1, gapless(400_000)));
    assert_eq!(learner.expect(graph), Expected { cost: 400_000, unmeasured: None, wanted: false });
    learner.doubt(graph.key());
    assert_eq!(learner.expect(graph), Expected { cost: 400_000, unmeasured: None, wanted: true });
    learner.learn(graph.key(), 1, gapless(9_000_000));
    assert_eq!(learner.expect(graph).cost, 9_000_000, "the first measurement counts as it is");
}
