//! Shares of compute on simulated devices: what was asked, what the simulator's own accounting says was had, and the error.

/// What was measured in one situation, and the bounds it must keep.
mod cell;
/// The figure's data: shares over time, per policy.
mod figure;
/// The command line.
mod options;
/// The table and the JSON file.
mod report;
/// The rows of the table.
mod rows;
/// A simulation that lives as long as its value.
mod simulation;
/// Programs that load the device, each under its share.
mod tenant;
/// Who had the device when, as the simulator says.
mod usage;

use std::process::ExitCode;

use clap::Parser;

use options::Options;
use report::Report;
use tenant::Bench;

/// Runs the rows that the command line asks for. Status 0: every bound was kept; 1: one was missed; 2: it could not run.
pub fn main() -> ExitCode {
    let options = Options::parse();
    run(&options).unwrap_or_else(|error| {
        eprintln!("bench-compute: {error:#}");
        ExitCode::from(2)
    })
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let bench = Bench::compile(options)?;
    if let Some(out) = options.figure() {
        figure::write(&bench, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cells = rows::measure(&bench, options)?;
    let report = Report::new(options, cells);
    print!("{}", report.table());
    report.write(&options.out())?;
    Ok(if report.missed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
