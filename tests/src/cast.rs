//! Running `tests/programs/cast.c`: processes of one tenant that take turns, and what each step answered.

use crate::tenant::{cuda_program, with_books};
use crate::{Run, Tenant};

/// Plays the steps, words with blanks between, under a quota and on a device of this size; answers each step's result and
/// the MiB in use after it. The program has compared them with what each process is shown.
///
/// # Panics
/// When views and books differ, or anything is said on standard error.
pub fn play(quota: &str, memory: &str, steps: &str) -> Vec<(i32, u64)> {
    play_words(quota, memory, &steps.split(' ').collect::<Vec<_>>())
}

/// The same for steps that have blanks in them.
///
/// # Panics
/// As [`play`].
pub fn play_words(quota: &str, memory: &str, steps: &[&str]) -> Vec<(i32, u64)> {
    let program = cuda_program("cast");
    let tenant = Tenant::new(quota);
    let run = tenant.hold(with_books(Run::new(program.path())).args(steps));
    let output = run.simulated(["--memory", memory]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    let figures = |line: &str| {
        let mut words = line.rsplit(" = ").next()?.split(" in use ");
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    output.stdout.lines().map(|line| figures(line).unwrap_or_else(|| panic!("no figures in {line:?}"))).collect()
}
