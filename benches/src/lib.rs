//! Native against hooked in one run: starts the client again and again with and without the library, and compares.
//!
//! The client (C, in `client/`) measures its own loops; this crate starts it, gathers its figures and prints them.

/// The client program: compiled, started, read.
mod client;
/// Shares of compute: asked against achieved.
pub mod compute;
/// The command line.
mod options;
/// The reference's published figures.
mod reference;
/// The table and the JSON file.
mod report;
/// The rows of the table: what is measured, in which unit.
mod rows;
/// Figures gathered, and their medians and spreads.
mod samples;
/// What is measured, one file per situation.
mod scenario;

use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;
use hami_tests::artefacts;

use client::Clients;
use options::Options;
use reference::Reference;
use samples::Samples;

/// Runs the benchmarks as the command line says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let done = if options.inside { inside(&options) } else { in_simulation() };
    done.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

/// Device memory of the simulated device: 100,000 pieces of 2 MiB and some room.
const DEVICE_MEMORY: &str = "256GiB";

/// Starts this program again on one simulated device, so that all that is measured shares one simulation.
fn in_simulation() -> anyhow::Result<ExitCode> {
    let simgpu = artefacts::simgpu();
    let program = std::env::current_exe().context("own path")?;
    let status = Command::new(&simgpu)
        .args(["--memory", DEVICE_MEMORY, "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .arg(options::INSIDE)
        .status()
        .with_context(|| simgpu.display().to_string())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn inside(options: &Options) -> anyhow::Result<ExitCode> {
    let reference = Reference::read()?;
    let clients = Clients::compile(options.library())?;
    let mut samples = Samples::default();
    scenario::all(&clients, options, &mut samples)?;
    let report = report::Report::new(options, &samples, &reference)?;
    print!("{}", report.table());
    report.write(&options.out())?;
    Ok(ExitCode::SUCCESS)
}
