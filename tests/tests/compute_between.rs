//! What keeps a stream without computing is not charged as compute: waits and functions of the host, by every door.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hami_tests::Run;
use hami_tests::cores::{Share, Sharing};
use hami_tests::tenant::{cuda_program, with_books};

const NONE: [&str; 0] = [];

/// How much of the time was spent in calls that submit something, in percent, by the function that was called between launches.
fn in_calls(share: &Share, door: &str) -> Vec<(String, f64)> {
    // One at a time: what the others do would be in the calls' time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = cuda_program("compute_between");
    let sharing = Sharing::new();
    let run = with_books(Run::new(program.path())).args([door, "400"]).within(Duration::from_secs(60));
    let run = sharing.hold(share, run);
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    let figures = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, share, calls] = words[..] else { panic!("three words: {line}") };
        // No more than 20 us in 220.
        let share: f64 = share.parse().expect("a share");
        assert!(share > 0.0 && share < 15.0, "{line}: the caps below are made for another load");
        (name.to_owned(), calls.parse().expect("a figure"))
    };
    output.stdout.lines().map(figures).collect()
}

/// Kernels of 20 us in a stream, and 200 us or more of something else after each: a cap of 20 percent lets that through. Were it
/// all charged as compute, the calls would wait for four fifths of the time.
fn nothing_but_compute_is_charged(door: &str) {
    let capped = in_calls(&Share::new("tenant").cores("20"), door);
    assert_eq!(capped.len(), 6, "{capped:?}");
    let slow: Vec<_> = capped.iter().filter(|(_, percent)| *percent > 40.0).collect();
    assert!(slow.is_empty(), "{door}: calls waited: {slow:?}");
}

/// Under a cap that is for less than this load has the calls wait, so that waiting would be seen above.
#[test]
fn compute_is_charged() {
    let capped = in_calls(&Share::new("tenant").cores("1"), "linked");
    let average = capped.iter().map(|(_, percent)| percent).sum::<f64>() / capped.len() as f64;
    assert!(average > 40.0, "{capped:?}");
}

#[test]
fn nothing_but_compute_is_charged_linked() {
    nothing_but_compute_is_charged("linked");
}

#[test]
fn nothing_but_compute_is_charged_through_dlsym() {
    nothing_but_compute_is_charged("dlsym");
}

#[test]
fn nothing_but_compute_is_charged_through_proc_address() {
    nothing_but_compute_is_charged("address");
}
