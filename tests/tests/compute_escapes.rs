//! Ways round the gate that were found, and stay closed; and a program that stands at the gate while the device waits for it.

use hami_tests::cores::{Share, Sharing, only};
use hami_tests::tenant::cuda_program;
use hami_tests::{Output, Run};

fn escapes(share: &Share, how: &str, seconds: &str, simulation: &[&str]) -> Output {
    let program = cuda_program("compute_escapes");
    let sharing = Sharing::new();
    let run = sharing.hold(share, Run::new(program.path()).args([how, seconds]));
    run.simulated(simulation).output().succeeded()
}

/// The share that a program had, and what it took until all was done.
fn had(output: &Output) -> (f64, f64) {
    assert_eq!(output.stderr, "", "{output}");
    (only(&output.stdout, "share "), only(&output.stdout, "took "))
}

/// The same of one under a cap that launches for two seconds.
fn share_under(cap: &str, how: &str) -> (f64, f64) {
    had(&escapes(&Share::new("tenant").cores(cap), how, "2", &[]))
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

/// Only some streams' marks were looked at, and those that waited for the program hid all others: nothing was measured.
#[test]
fn work_beside_many_streams_that_wait_for_the_program_is_held_to_the_cap() {
    let (share, took) = share_by("beside-many-blocked");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "kernels as long as expected: {share} in {took}");
    let (share, took) = share_under("50", "long-beside-many-blocked");
    assert!((30.0..=75.0).contains(&share) && took < 6.0, "kernels far longer: {share} in {took}");
}

/// By the times of a context in which the first mark was passed late, all its work had been done before that of other contexts,
/// and so in time that was charged already.
#[test]
fn a_context_that_begins_late_is_held_to_the_cap() {
    let (share, took) = share_by("late-context");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// A new stream went on with the marks of the one that had had its handle.
#[test]
fn a_stream_for_every_few_launches_is_held_to_the_cap() {
    let (share, took) = share_by("streams");
    assert!((8.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// Where no context was current nothing was gated.
#[test]
fn a_kernel_without_a_current_context_is_held_to_the_cap() {
    let (share, took) = share_by("no-context");
    assert!((10.0..=32.0).contains(&share) && took < 4.0, "{share} in {took}");
}

/// What went into a stream of one device was taken for work of the device that was current.
#[test]
fn a_kernel_into_another_device_s_stream_is_held_to_that_device_s_cap() {
    let share_with = |current, others| {
        let caps = Share::new("tenant").env("CUDA_DEVICE_SM_LIMIT_0", current).env("CUDA_DEVICE_SM_LIMIT_1", others);
        had(&escapes(&caps, "other-device", "2", &["--devices", "2"]))
    };
    let (share, took) = share_with("90", "20");
    assert!(
        (10.0..=32.0).contains(&share) && took < 4.0,
        "90 of the current device, 20 of the stream's: {share} in {took}"
    );
    let (share, took) = share_with("20", "90");
    assert!(share >= 50.0 && took < 4.0, "20 of the current device, 90 of the stream's: {share} in {took}");
}

/// Each launch waited anew for a device that waited for the program.
#[test]
fn work_behind_a_host_function_that_waits_for_the_program_can_be_submitted() {
    let output = escapes(&Share::new("tenant").cores("90"), "blocked", "20", &[]);
    assert_eq!(output.stdout, "submitted 600\n", "{output}");
}
