//! Processes killed and stopped at any point leave nobody stuck, and what they held is back at once.

use std::time::Duration;

use hami_tests::audit::figure;
use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program, with_books};
use hami_tests::{Output, Run, Tenant, artefacts};

/// The points of the library that is built for this, `shared-region/src/kill.rs`; 1 to 10 are the region's.
const POINTS: &str = "1,2,3,4,5,6,7,8,9,10,20,21,22,23,24,25";
/// Sets how many die in the test that has the points; its own number when not said.
const DEATHS: &str = "HAMI_TEST_DEATHS";

/// Runs the survivor. Its figures are printed; that nobody is stuck for ten seconds, no byte is lost and none is granted
/// twice it checks itself, and ends with status 1 if not.
fn survive(run: Run, deaths: u64, quota: u64, points: &str) -> Output {
    let killee = cuda_program("killee");
    let seed = std::process::id().to_string();
    let run = run.arg(killee.path()).args([&(deaths / 4).to_string(), &seed, &quota.to_string(), points]);
    let output = run.simulated([] as [&str; 0]).within(Duration::from_secs(120 + deaths / 4)).output().succeeded();
    println!("seed {seed}; microseconds:\n{}", output.stdout.trim());
    assert_eq!(output.stderr, "", "{output}");
    assert!(output.stdout.starts_with(&format!("killed {deaths}:")), "{output}");
    output
}

#[test]
fn deaths_at_random_moments_delay_nobody() {
    let survivor = cuda_program("survivor");
    let tenant = Tenant::new("16g");
    let output = survive(tenant.hold(with_books(Run::new(survivor.path()))), 1000, 16 << 10, "none");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [killed, _, calls, back] = lines[..] else { panic!("{output}") };
    // The moments lie at random: many in the calls, many before.
    assert!((100..900).contains(&figure(killed, "later")), "{output}");
    assert!(figure(calls, "calls") > 1_000, "{output}");
    // Some of the dead held memory when the survivor looked: else nothing was shown.
    assert!(figure(back, "not-at-first-look") >= 1, "{output}");
}

/// With little room, so that refusals and recoveries are many; half of the deaths come at a step of the protocol.
#[test]
fn deaths_at_every_step_lose_nothing_and_grant_nothing_twice() {
    let deaths = std::env::var(DEATHS).map_or(1000, |text| text.parse().expect("HAMI_TEST_DEATHS: a number"));
    let survivor = cuda_program("survivor");
    let tenant = Tenant::new("1g");
    let run = with_books(Run::new(survivor.path()))
        .env("LD_PRELOAD", artefacts::library_with_kill_points())
        .env(MEMORY_LIMIT, "1g")
        .env(REGION, tenant.region());
    let output = survive(run, deaths, 1 << 10, POINTS);
    let points = output.stdout.lines().nth(1).expect("the line of the points");
    assert!(figure(points, "point-kills") > deaths / 10 && figure(points, "refused") > 100, "{output}");
    assert!(figure(points, "random-stops") + figure(points, "point-stops") > deaths / 20, "{output}");
    for point in POINTS.split(',') {
        assert!(!points.split(' ').any(|word| word == format!("{point}:0")), "at point {point} nobody: {output}");
    }
}

#[test]
fn what_is_shipped_has_no_such_points() {
    let names_them = |file| {
        let bytes = std::fs::read(&file).expect("a built library");
        bytes.windows(15).any(|bytes| bytes == b"HAMI_KILL_POINT")
    };
    assert!(names_them(artefacts::library_with_kill_points()));
    assert!(!names_them(artefacts::library()));
}
