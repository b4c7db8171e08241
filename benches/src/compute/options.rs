//! The command line of the benchmark of compute shares.

use std::path::{Path, PathBuf};

use clap::Parser;
use hami_tests::artefacts;

/// Set to `quick`: as `--quick`.
const VARIABLE: &str = "BENCH_COMPUTE";

/// Measures shares of compute on simulated devices: asked, achieved by the simulator's own accounting, and the error.
///
/// Each cell says whether it kept its bound. The exit status is 0 when all did, 1 when one did not, 2 when it could not run.
#[derive(Debug, Parser)]
#[command(name = "hami-bench-compute")]
pub(crate) struct Options {
    /// A coarser grid and shorter runs, for trials; BENCH_COMPUTE=quick does the same
    #[arg(long)]
    quick: bool,
    /// Only these rows, such as 1,3: 1 one tenant, 2 tenants together, 3 lending, 4 priority, 5 tenants that hold the
    /// device, 6 starting at one instant, 7 processor time of who waits, 8 programs of other shapes
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=8))]
    rows: Vec<u8>,
    /// Only cells whose key holds this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// The library to measure, instead of target/release/libhami_core.so
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    /// Measure without any library: what the simulated device alone does
    #[arg(long, conflicts_with = "library")]
    native: bool,
    /// Where the JSON report goes, instead of target/results/bench-compute.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure no row; write shares over time under each policy to this file, for share_over_time.py
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
}

impl Options {
    /// Whether the grid is coarse and runs are short.
    pub(crate) fn quick(&self) -> bool {
        self.quick || std::env::var_os(VARIABLE).is_some_and(|value| value == "quick")
    }

    /// Whether this row is asked for.
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    /// Whether the cell with this key is asked for.
    pub(crate) fn wants_cell(&self, key: &str) -> bool {
        key.contains(&self.only)
    }

    /// The library that is preloaded; `None`: none is.
    pub(crate) fn library(&self) -> Option<PathBuf> {
        (!self.native).then(|| self.library.clone().unwrap_or_else(artefacts::library))
    }

    /// The JSON report's path.
    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| artefacts::repository().join("target/results/bench-compute.json"))
    }

    /// Where the figure's data go, when only these are asked for.
    pub(crate) fn figure(&self) -> Option<&Path> {
        self.figure.as_deref()
    }
}
