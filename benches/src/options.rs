//! The command line of the benchmarks.

use std::path::PathBuf;

use clap::Parser;
use hami_tests::artefacts;

/// Says to the program that it runs on the simulated device already.
pub(crate) const INSIDE: &str = "--inside";

/// Measures what the preloaded library costs: native against hooked, in one run, on a simulated device.
#[derive(Debug, Parser)]
#[command(name = "hami-bench")]
pub(crate) struct Options {
    /// Few and short rounds: figures are rough
    #[arg(long)]
    quick: bool,
    /// How often each figure is measured, native and hooked in turn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// The library to measure, instead of target/release/libhami_core.so
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    /// Where the JSON report goes, instead of target/results/bench.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, hide = true)]
    pub(crate) inside: bool,
    /// Passed by cargo to each benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// How often each scenario is measured.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 15 })
    }

    /// Time for the batches of one kind of call in one process, in milliseconds.
    pub(crate) fn call_budget_ms(&self) -> u32 {
        if self.quick { 5 } else { 40 }
    }

    /// How long launches are measured in one process, in milliseconds.
    pub(crate) fn launch_ms(&self) -> u32 {
        if self.quick { 50 } else { 400 }
    }

    /// How long processes allocate at once, in milliseconds.
    pub(crate) fn storm_ms(&self) -> u32 {
        if self.quick { 50 } else { 300 }
    }

    /// How often one process of a round starts a program that never touches a device, in each variant.
    pub(crate) fn spawns(&self) -> u32 {
        if self.quick { 50 } else { 300 }
    }

    /// Whether the figures are rough.
    pub(crate) fn quick(&self) -> bool {
        self.quick
    }

    /// The library that is preloaded.
    pub(crate) fn library(&self) -> PathBuf {
        self.library.clone().unwrap_or_else(artefacts::library)
    }

    /// The JSON report's path.
    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| artefacts::repository().join("target/results/bench.json"))
    }
}
