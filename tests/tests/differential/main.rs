//! Random sequences of driver calls by one to four processes: after each call our books, the simulator's and every view
//! agree to the byte, and without the library the same calls have the same results.
//!
//! `HAMI_DIFFERENTIAL_SEQUENCES` is the number of sequences (1,500 when it is not set; from 5,000 on every function must have
//! succeeded at least once), `HAMI_DIFFERENTIAL_SEED` begins others than the ones that are run by default,
//! `HAMI_DIFFERENTIAL_WITHOUT=ipc,array.create` leaves out kinds of steps by the beginnings of their names, and
//! `HAMI_DIFFERENTIAL_REPLAY` names a file with one sequence, as a failure prints it.

mod bench;
mod executor;
mod kinds;
mod model;
mod run;
mod sequence;
mod world;

use std::collections::BTreeSet;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::bench::{Answers, Bench};
use crate::sequence::{Sequence, sequences};

/// What does not agree, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// The same, with what was done before it.
    fn after(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

/// How many sequences are run when nobody says.
const SEQUENCES: u32 = 1_500;
/// Simulations in which sequences are run side by side.
const SIMULATIONS: u32 = 4;
/// From how many sequences on every function must have succeeded at least once.
const ENOUGH: u32 = 5_000;
/// How long a failing sequence is made shorter, in milliseconds.
const SHRINKING: u32 = 60_000;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value:?}: a whole number is accepted")))
}

/// Runs a share of the sequences; answers what the functions answered, or the shortest failing one as text.
fn share(seed: u64, number: u32, count: u32) -> Result<Answers, String> {
    let mut bytes = *b"seed....of_share";
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&number.to_le_bytes());
    let config = Config {
        cases: count,
        max_shrink_time: SHRINKING,
        max_shrink_iters: u32::MAX,
        failure_persistence: None,
        ..Config::default()
    };
    // Not proptest's own choice, which is slow where nothing is optimised.
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
    let bench = std::cell::RefCell::new(Bench::start());
    let without = std::env::var("HAMI_DIFFERENTIAL_WITHOUT").unwrap_or_default();
    let without: Vec<_> = without.split_terminator(',').map(str::to_owned).collect();
    let outcome = runner.run(&sequences(&without), |sequence| {
        run::both(&mut bench.borrow_mut(), &sequence).map_err(|fault| TestCaseError::fail(fault.0))
    });
    match outcome {
        Ok(()) => Ok(std::mem::take(&mut bench.borrow_mut().answers)),
        Err(TestError::Fail(reason, sequence)) => Err(format!("{reason}\n{sequence}")),
        Err(other) => Err(other.to_string()),
    }
}

#[test]
fn books_views_and_the_simulator_agree_after_every_call() {
    if let Some(file) = std::env::var_os("HAMI_DIFFERENTIAL_REPLAY") {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let sequence = Sequence::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        run::both(&mut Bench::start(), &sequence).unwrap_or_else(|fault| panic!("{}", fault.0));
        return;
    }
    let count = u32::try_from(setting("HAMI_DIFFERENTIAL_SEQUENCES").unwrap_or(SEQUENCES.into())).expect("fewer");
    let seed = setting("HAMI_DIFFERENTIAL_SEED").unwrap_or(0);
    let shares = (0..SIMULATIONS).map(|number| {
        let count = count / SIMULATIONS + u32::from(number < count % SIMULATIONS);
        thread::spawn(move || share(seed, number, count))
    });
    let shares: Vec<_> = shares.collect();
    let mut answers = Answers::new();
    let mut failed = Vec::new();
    for share in shares {
        match share.join().expect("a share of the sequences does not panic") {
            Ok(more) => more.into_iter().for_each(|(function, more)| {
                let sums = answers.entry(function).or_default();
                sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }),
            Err(fault) => failed.push(fault),
        }
    }
    assert!(failed.is_empty(), "seed {seed}:\n{}", failed.join("\n\n"));
    println!("{count} sequences from seed {seed}; function: succeeded, refused, failed otherwise");
    for (function, [succeeded, refused, failed]) in &answers {
        println!("{function}: {succeeded} {refused} {failed}");
    }
    if count >= ENOUGH {
        let never = answers.iter().filter(|(_, [succeeded, ..])| *succeeded == 0);
        let never: Vec<_> = never.map(|(function, _)| function.as_str()).collect();
        assert!(never.is_empty(), "these never succeeded, so nothing was shown of them: {never:?}");
    }
}

#[test]
fn a_sequence_comes_back_from_its_text() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&sequences(&[]), |sequence| {
        prop_assert_eq!(Sequence::parse(&sequence.to_string()), Ok(sequence));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn there_are_more_than_forty_kinds_and_each_has_one_name() {
    let names: BTreeSet<_> = kinds::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds::KINDS.len());
    assert!(names.len() >= 40, "{} kinds", names.len());
}
