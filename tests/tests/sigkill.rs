//! Processes killed at any point leave nobody stuck, and what they held is back at once.

use std::time::Duration;

use hami_tests::audit::figure;
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Run, Tenant};

/// The number behind a word, in microseconds.
fn micros(line: &str, word: &str) -> f64 {
    let mut words = line.split(' ').skip_while(|found| *found != word).skip(1);
    words.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no figure {word:?} in {line:?}"))
}

/// What the issue bounds: 10 ms.
const BOUND: f64 = 10_000.0;

#[test]
fn two_thousand_deaths_delay_nobody() {
    let (survivor, killee) = (cuda_program("survivor"), cuda_program("killee"));
    let tenant = Tenant::new("16g");
    let seed = std::process::id().to_string();
    let run = tenant.hold(with_books(Run::new(survivor.path()))).arg(killee.path()).args(["500", &seed]);
    let output = run.simulated([] as [&str; 0]).within(Duration::from_secs(300)).output().succeeded();
    println!("seed {seed}; microseconds:\n{}", output.stdout.trim());
    assert_eq!(output.stderr, "", "{output}");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [killed, calls, back] = lines[..] else { panic!("{output}") };
    assert!(killed.starts_with("killed 2000:"), "{output}");
    // The points lie at random: many in the calls, many before.
    assert!((200..1800).contains(&figure(killed, "later")), "{output}");
    assert!(micros(calls, "calls") > 10_000.0, "{output}");
    assert!(micros(calls, "p99.9") <= BOUND, "{output}");
    // Some of the dead held memory when the survivor looked: else nothing was shown.
    assert!(micros(back, "not-at-first-look") >= 1.0, "{output}");
    // The time in which the machine gave its processors to others is not the library's.
    assert!(micros(back, "worst-without-waited") <= BOUND, "{output}");
}
