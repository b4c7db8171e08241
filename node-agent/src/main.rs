//! `hami`: runs programs on a part of an accelerator.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Running a command under a quota.
mod run;
/// Environment variables that `hami` reads and sets.
mod variables;

/// Shares an accelerator: gives each program a part of it and holds the program to that part.
///
/// Needs no root, no Kubernetes and no service.
#[derive(Parser)]
#[command(name = "hami", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Options),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(options) => run::main(options),
    }
}
