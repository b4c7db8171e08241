//! What programs rely on stays as it is under a cap: order, events, errors, capture, fork, signals, memory.

use std::time::Duration;

use hami_tests::cores::{Share, Sharing};
use hami_tests::tenant::cuda_program;
use hami_tests::{Output, Run};

const NONE: [&str; 0] = [];

fn run(part: &str, share: Option<&Share>) -> Output {
    let program = cuda_program("compute_program");
    let sharing = Sharing::new();
    let run = Run::new(program.path()).arg(part).within(Duration::from_secs(90));
    let run = share.map_or(run.clone(), |share| sharing.hold(share, run));
    run.simulated(NONE).output().succeeded()
}

fn capped() -> Share {
    Share::new("tenant").cores("20")
}

/// The part prints the same without the library, with it, and under a cap; that is what it prints.
fn same(part: &str, expected: &str) {
    let native = run(part, None);
    assert_eq!(native.stdout, expected, "{native}");
    for share in [Share::new("tenant"), capped(), capped().policy("burst-share"), capped().memory("4g")] {
        run(part, Some(&share)).same_as(&native);
    }
}

#[test]
fn work_of_a_stream_comes_in_the_order_of_the_calls() {
    same("order", "calls 150 in order 1\n");
}

#[test]
fn timing_events_of_the_program_are_right() {
    same("events", "not ready 8 too short 0 backwards 0\n");
}

#[test]
fn errors_and_the_current_context_are_the_driver_s() {
    let native = run("errors", None);
    for share in [Share::new("tenant"), capped(), capped().memory("4g")] {
        run("errors", Some(&share)).same_as(&native);
    }
}

#[test]
fn captures_are_neither_disturbed_nor_gated() {
    same("capture", "captures 40 with all nodes 40 none waited 1 beside 1\n");
}

#[test]
fn a_forked_child_gets_the_driver_s_answers_and_the_parent_goes_on() {
    let native = run("fork", None);
    for share in [Share::new("tenant"), capped()] {
        run("fork", Some(&share)).same_as(&native);
    }
}

#[test]
fn a_context_that_ends_while_a_launch_waits_ends_the_wait() {
    let expected = format!("{}launch 0 synchronise 0\n", "destroyed 0 refused 1\n".repeat(5));
    same("destroy", &expected);
}

#[test]
fn signals_come_while_a_launch_waits() {
    assert_eq!(run("signals", None).stdout, "handled, no wait\n");
    assert_eq!(run("signals", Some(&capped())).stdout, "handled during the wait\n");
}

#[test]
fn memory_is_held_to_its_quota_under_a_cap() {
    // A context of 96 MiB and fourteen pieces of 64 MiB: 992 MiB.
    let both = run("quota", Some(&capped().memory("1g")));
    assert_eq!(both.stdout, "granted 14 last 2\n", "{both}");
    let cores_alone = run("quota", Some(&capped()));
    assert_eq!(cores_alone.stdout, "granted 64 last 0\n", "{cores_alone}");
}
