//! Ways round the gate that were found, and stay closed; and a program that stands at the gate while the device waits for it.

use hami_tests::cores::{Share, Sharing, only};
use hami_tests::tenant::cuda_program;
use hami_tests::{Output, Run};

const NONE: [&str; 0] = [];

fn escapes(share: &Share, how: &str, seconds: &str) -> Output {
    let program = cuda_program("compute_escapes");
    let sharing = Sharing::new();
    let run = sharing.hold(share, Run::new(program.path()).args([how, seconds]));
    run.simulated(NONE).output().succeeded()
}

/// The share of a program under a cap that launches for two seconds, and what it took until all was done.
fn share_under(cap: &str, how: &str) -> (f64, f64) {
    let output = escapes(&Share::new("tenant").cores(cap), how, "2");
    assert_eq!(output.stderr, "", "{output}");
    (only(&output.stdout, "share "), only(&output.stdout, "took "))
}

fn share_by(how: &str) -> (f64, f64) {
    share_under("20", how)
}

/// What ran in a context was forgotten with it.
#[test]
fn a_context_for_each_kernel_is_held_to_the_cap() {
    let (share, took) = share_by("contexts");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// What was never measured cost nearly nothing: all was sent at once, and the debt came later.
#[test]
fn a_function_for_each_launch_is_held_to_the_cap() {
    let (share, took) = share_by("functions");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// Nothing was waited for any longer when the device had not got on for a while, and so it had a thousand of them.
#[test]
fn kernels_far_longer_than_expected_are_held_to_the_cap() {
    let (share, took) = share_under("50", "long");
    assert!((30.0..=75.0).contains(&share) && took < 6.0, "{share} in {took}");
}

/// What a thread sent under its last grant was never charged.
#[test]
fn a_thread_for_every_few_launches_is_held_to_the_cap() {
    let (share, took) = share_by("threads");
    assert!((6.0..=23.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// While a stream waited for the program, nothing was measured in the others either, and nothing waited.
#[test]
fn work_beside_a_stream_that_waits_for_the_program_is_held_to_the_cap() {
    let (share, took) = share_by("beside-blocked");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// Each launch waited anew for a device that waited for the program.
#[test]
fn work_behind_a_host_function_that_waits_for_the_program_can_be_submitted() {
    let output = escapes(&Share::new("tenant").cores("90"), "blocked", "20");
    assert_eq!(output.stdout, "submitted 600\n", "{output}");
}
