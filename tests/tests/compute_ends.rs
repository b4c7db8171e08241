//! Threads and processes that end at the gate, or right behind it: they end, nobody else is held up, and what they took is charged.

use std::time::Duration;

use hami_tests::cores::{Share, Sharing, only};
use hami_tests::tenant::cuda_program;
use hami_tests::{Output, Run};

const NONE: [&str; 0] = [];

fn ends(cap: &str, how: &str, count: &str) -> Output {
    let program = cuda_program("compute_ends");
    let sharing = Sharing::new();
    let run = Run::new(program.path()).args([how, count]).within(Duration::from_secs(30));
    let output = sharing.hold(&Share::new("tenant").cores(cap), run).simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output
}

/// The end of a thread waited for a lock that the same thread held: a signal had found it at the gate.
#[test]
fn a_process_ends_in_the_handler_of_a_signal_that_comes_at_the_gate() {
    assert_eq!(ends("90", "signal", "40").stdout, "ended 40\n");
}

/// A kernel was charged by a guess, and nobody was there any more to put that right.
#[test]
fn a_process_for_each_kernel_is_held_to_the_cap() {
    let share = only(&ends("20", "short", "4").stdout, "share ");
    assert!((10.0..=32.0).contains(&share), "{share}");
}

/// The lock that a thread held when it was cancelled stayed held.
#[test]
fn a_thread_that_is_cancelled_in_the_first_launch_holds_nobody_up() {
    assert_eq!(ends("20", "cancel", "20").stdout, "cancelled 20\nlaunched 1\n");
}
