//! Tests of the bucket in virtual time: long use, debts, changes of the cap, several processes, strange words.

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const FIRST: Paid = Paid { until: 0, cap: 0 };

/// Runs kernels one after another as soon as the bucket lets them, for `time`; answers the device-time used.
fn saturate(paid: &mut Paid, start: u64, time: u64, cap: u16, kernel: u64) -> u64 {
    let (mut now, mut used) = (start, 0);
    while now < start + time {
        let ready = paid.at(now, cap).until;
        if ready > now {
            now = ready;
            continue;
        }
        *paid = paid.charged(now, kernel as i64, cap);
        now += kernel;
        used += kernel;
    }
    used
}

proptest! {
    #[test]
    fn long_use_is_the_cap_and_the_depth_at_most(cap in 1..=WHOLE, kernel in 20_000..20 * MS, start in 0..u64::MAX / 4) {
        let mut paid = FIRST;
        let time = 20_000 * MS;
        let used = saturate(&mut paid, start, time, cap, kernel);
        let earned = u128::from(time) * u128::from(cap) / u128::from(WHOLE);
        let most = earned as u64 + DEPTH + kernel;
        prop_assert!(used <= most, "{used} of {most}");
        // And no less than earned, but for the last wait, which may not be over.
        prop_assert!(used + kernel + 1000 >= earned as u64, "{used} of {earned}");
    }

    #[test]
    fn no_word_makes_anybody_wait_for_ever(raw in any::<u128>(), now in 0..u64::MAX / 2, cap in 0..=u16::MAX, cost in any::<i64>()) {
        let charged = Paid::unpack(raw).charged(now, cost, cap);
        prop_assert!(charged.until <= now + MAX_DEBT);
        prop_assert!(charged.until >= now.saturating_sub(waiting(DEPTH, cap.clamp(1, WHOLE))));
        let seen = Paid::unpack(raw).at(now, cap);
        prop_assert!(seen.until <= now + MAX_DEBT);
        // Waiting ends when it said so, whatever was there.
        prop_assert!(seen.at(seen.until, cap).until <= seen.until);
        prop_assert!((1..=WHOLE).contains(&seen.cap));
    }

    #[test]
    fn a_correction_undoes_a_charge(now in 200_000 * MS..u64::MAX / 2, cap in 1..=WHOLE, cost in 0..50 * MS as i64, owed in 0..500 * MS) {
        // Of a debt that was cut down nobody knows how much it was.
        prop_assume!(waiting(cost as u64, cap) + owed <= MAX_DEBT);
        let before = Paid { until: now + owed, cap };
        let after = before.charged(now, cost, cap).charged(now, -cost, cap);
        prop_assert!(after.until >= before.until && after.until - before.until <= 1, "{before:?} {after:?}");
    }
}

#[test]
fn a_long_kernel_is_repaid() {
    let now = 1000 * MS;
    let paid = Paid { until: now, cap: 1000 }.charged(now, 200 * MS as i64, 1000);
    assert_eq!(paid.until, now + 2000 * MS);
}

#[test]
fn credit_is_the_depth_at_most() {
    let idle_for_an_hour = Paid { until: 1000 * MS, cap: 5000 };
    let now = 3_600_000 * MS;
    assert_eq!(idle_for_an_hour.at(now, 5000).until, now - 2 * DEPTH);
    assert_eq!(FIRST.at(now, 5000).until, now - 2 * FRESH);
    // What is given back does not make more of it.
    assert_eq!(idle_for_an_hour.charged(now, -(500 * MS as i64), 5000).until, now - 2 * DEPTH);
}

#[test]
fn a_changed_cap_changes_the_wait_at_once() {
    let now = 1000 * MS;
    let owed = Paid { until: now + 900 * MS, cap: 1000 }; // 90 ms of device-time
    assert_eq!(owed.at(now, 9000).until, now + 100 * MS);
    assert_eq!(owed.at(now, 500).until, now + 1800 * MS);
    let saved = Paid { until: now - 100 * MS, cap: 1000 }; // 10 ms of device-time
    assert_eq!(saved.at(now, 100).until, now - 1000 * MS);
}

#[test]
fn use_follows_a_changing_cap_within_a_tenth_of_a_second() {
    let mut paid = FIRST;
    let mut now = 5000 * MS;
    for (step, cap) in [1000_u16, 9000, 100, 5000, 9900, 2500].into_iter().enumerate() {
        let settle = saturate(&mut paid, now, 100 * MS, cap, MS / 5);
        assert!(settle <= 100 * MS * u64::from(cap) / 10_000 + DEPTH + MS, "step {step}: {settle}");
        let used = saturate(&mut paid, now + 100 * MS, 1000 * MS, cap, MS / 5);
        let earned = 1000 * MS * u64::from(cap) / u64::from(WHOLE);
        assert!(used.abs_diff(earned) <= 2 * MS, "step {step}: {used} of {earned}");
        now += 1100 * MS;
    }
}

#[test]
fn a_file_from_before_a_restart_makes_nobody_wait() {
    let left = Paid { until: 500_000_000 * MS, cap: 3000 };
    assert!(left.at(60_000 * MS, 3000).until <= 60_000 * MS);
}

#[test]
fn every_charge_of_racing_threads_counts() {
    let word = Line(AtomicU128::new(Paid { until: 1000 * MS, cap: 5000 }.pack()));
    let now = 1000 * MS;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    Bucket::new(&word).charge(now, 1000, 5000);
                }
            });
        }
    });
    assert_eq!(Bucket::new(&word).ready_at(now, 5000), now + 4 * 1000 * 1000 * 2);
}

#[test]
fn looking_repairs_what_nobody_can_owe() {
    let now = 1_000_000 * MS;
    for (until, cap) in [(u64::MAX, 3000), (now + 90_000 * MS, 3000), (now - MS, 777), (now, u16::MAX)] {
        let word = Line(AtomicU128::new(Paid { until, cap }.pack()));
        let ready = Bucket::new(&word).ready_at(now, 3000);
        assert!(ready <= now + MAX_DEBT);
        // Later it is no later: the debt does not move on with the clock.
        assert!(Bucket::new(&word).ready_at(now + 10 * MS, 3000) <= ready.max(now));
    }
}
