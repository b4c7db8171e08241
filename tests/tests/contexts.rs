//! Contexts that come and go at once never take a device over its quota, are not refused while one fits, and leave true books.

mod watched;

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Output, Run, Tenant};
use watched::{most, watched};

#[test]
fn first_contexts_at_once_never_take_the_device_over_the_quota() {
    let client = cuda_program("first_contexts");
    // Room for one context of 96 MiB, for three, for all eight.
    for (limit, bytes, fitting) in [("150m", 150 * MIB, 1), ("300m", 300 * MIB, 3), ("900m", 900 * MIB, 8)] {
        for _ in 0..4 {
            let tenant = Tenant::new(limit);
            let output = watched(&tenant, &client, &["8"], &[]);
            let line = output.stdout.lines().next().expect("a line");
            assert!(most(&output, 0) <= bytes, "{limit}: {output}");
            // One that comes while the first is being measured may be refused; one at least is granted.
            assert!((1..=fitting).contains(&figure(line, "contexts")), "{limit}: {output}");
            assert_eq!(figure(line, "contexts") + figure(line, "refused"), 8, "{limit}: {output}");
            // What contexts leave is there for memory, to the last page.
            let left = bytes - figure(line, "contexts") * 96 * MIB;
            assert_eq!(figure(line, "pieces"), left / (2 * MIB), "{limit}: {output}");
        }
    }
}

/// Runs `tests/programs/context_threads.c` with a quota; answers its line of figures.
fn threads(case: &str, threads: &str, rounds: &str, limit: &str) -> Output {
    let client = cuda_program("context_threads");
    let tenant = Tenant::new(limit);
    let run = tenant.hold(with_books(Run::new(client.path()))).args([case, threads, rounds]);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output
}

/// Threads that retain and release the only primary context. In 150 MiB there is room for it and for a part of another:
/// charged twice, even for a moment, it would be refused.
fn one_primary(case: &str, rounds: &str, limit: &str) {
    let output = threads(case, "8", rounds, limit);
    assert_eq!(output.stdout, format!("refused 0 wrong 0 left 0 view {0} own {0}\n", 96 * MIB), "{output}");
}

#[test]
fn a_primary_context_that_all_threads_retain_together_is_charged_once() {
    one_primary("together", "200", "150m");
    // With room for all, one charged twice is not refused, but seen.
    one_primary("together", "200", "1g");
}

#[test]
fn a_primary_context_is_never_refused_because_its_last_user_just_left() {
    one_primary("primary", "2000", "150m");
}

#[test]
fn contexts_destroyed_while_others_allocate_leave_true_books() {
    let output = threads("destroyed", "16", "400", "8g");
    assert_eq!(output.stdout, format!("refused 0 wrong 0 left {0} view {0} own {0}\n", 96 * MIB), "{output}");
}

#[test]
fn what_a_killed_process_held_is_granted_whoever_sweeps() {
    let client = cuda_program("sweep");
    let tenant = Tenant::new("10g");
    // 6 × 1 GiB and 7 contexts fit in 10 GiB only once the 8 GiB of the dead are given back.
    let run = tenant.hold(with_books(Run::new(client.path()))).args(["6", "25", "8192", "1024"]);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stdout, "granted 6\n".repeat(25), "{output}");
    assert_eq!(output.stderr, "");
}
