//! `hami run`: becomes the command, with the library preloaded and the quota in the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use crate::variables;

/// The devices asked for.
mod devices;
/// Replacing this process by the command.
mod exec;
/// Finding libhami_core.so.
mod library;
/// The memory quota asked for, and the one that is in force already.
mod memory;
/// The region file of this run, and those that earlier runs left.
mod region;

/// Exit status when `hami` itself fails; `env`, `timeout` and container engines use the same.
const OWN_FAILURE: u8 = 125;

/// A process's environment, ordered so that it is built the same way each time.
type Environment = BTreeMap<OsString, OsString>;

/// Run a command on a part of an accelerator
///
/// The command and the programs it starts together get the memory asked for on each device; only what runs under a
/// `hami run --memory` within it counts apart. An allocation beyond the quota is refused as out of memory, and nvidia-smi
/// shows the quota as the device's size. `hami` becomes the command: process id, signals, terminal and exit status are the
/// command's own.
#[derive(Args)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Options {
    /// Device memory per device, such as 4g, 1.5GiB or 4096m; 0 is no limit
    ///
    /// Units are k, m, g and t, alone or as Ki, KB or KiB, in any case; each is a step of 1024. Without a unit: bytes.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = memory::parse)]
    memory: Option<u64>,

    /// Devices the command may use: indices or GPU UUIDs (0,2 or GPU-5f2a…)
    ///
    /// Sets CUDA_VISIBLE_DEVICES. May be repeated, and takes several, separated by spaces or commas. nvidia-smi goes on to
    /// list every device, since it does not read that variable.
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',', allow_negative_numbers = true,
        value_parser = devices::parse)]
    device: Vec<String>,

    /// The library to preload, instead of the one installed with `hami`
    ///
    /// The environment variable HAMI_CORE_LIBRARY names it as well.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,

    /// Not in this version: percent of compute
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    cores: Option<OsString>,

    /// Not in this version: how compute is shared
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    policy: Option<OsString>,

    /// Not in this version: whose work goes first
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<OsString>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Examples:
  hami run --memory 4g -- nvidia-smi                  shows a device of 4096MiB
  hami run --memory 10GiB --device 0 -- python3 train.py
  hami run --memory 2g -- bash                        a shell whose programs share 2 GiB

See 'hami run --help' for exit statuses and for what is not held.";

const AFTER_LONG_HELP: &str = "\
Examples:
  hami run --memory 4g -- nvidia-smi                  shows a device of 4096MiB
  hami run --memory 10GiB --device 0 -- python3 train.py
  hami run --memory 2g -- bash                        a shell whose programs share 2 GiB
  hami run --memory 8g -- sh -c 'a.out & b.out; wait' two programs that share 8 GiB

Two runs are two tenants:
  hami run --memory 4g -- ./train &
  hami run --memory 8g -- ./serve &

A run within a run:
  Without --memory it shares the quota around it. With --memory it has a quota of its own, at most as large as the one
  around it. What it uses then counts against its own quota only, not against the one around it as well, so that together
  they may use more than the outer quota. --device may only choose among the devices that CUDA_VISIBLE_DEVICES names
  already.

What is not held:
  Programs that the dynamic loader does not preload into: statically linked ones, and set-user-ID ones. Programs that
  remove LD_PRELOAD or the limit from their environment. Use containers against those who want to get around a quota.

The command inherits one open file beyond its own: while a process has it, no other run removes the quota's accounting
file, which lies in $XDG_RUNTIME_DIR/hami, else /dev/shm/hami-UID, else $TMPDIR/hami-UID or /tmp/hami-UID.

Exit status: that of CMD; 2 for wrong usage, 125 when hami itself fails, 126 when CMD cannot be executed, 127 when it
cannot be found.";

/// Runs the command; returns only when that failed.
pub fn main(options: Options) -> ExitCode {
    let inherited: Environment = std::env::vars_os().collect();
    if let Err(message) = options.check(&inherited) {
        clap::Error::raw(ErrorKind::ValueValidation, message + "\n").print().unwrap_or_default();
        return ExitCode::from(2);
    }
    match options.become_command(inherited) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("hami: {error:#}");
            ExitCode::from(OWN_FAILURE)
        }
    }
}

impl Options {
    /// What the parser cannot see: options that are not there yet, and wishes that the environment forbids.
    fn check(&self, inherited: &Environment) -> Result<(), String> {
        let later = [("--cores", &self.cores), ("--policy", &self.policy), ("--priority", &self.priority)];
        for (name, value) in later {
            if let Some(value) = value {
                return Err(format!(
                    "{name} {}: this version does not limit compute, so it would have no effect; leave it out",
                    value.display()
                ));
            }
        }
        if let Some(bytes) = self.memory {
            memory::refuse_wider(bytes, inherited)?;
        }
        devices::refuse_wider(&self.device, inherited)
    }

    /// Sets up the environment and becomes the command; the exit status if the command cannot be run.
    fn become_command(&self, mut environment: Environment) -> anyhow::Result<u8> {
        let library = library::find(self.library.as_deref(), &environment)?;
        library::preload(&library, &mut environment);
        if !self.device.is_empty() {
            environment.insert(variables::VISIBLE_DEVICES.into(), self.device.join(",").into());
        }
        let region = match self.memory {
            None => None,
            Some(bytes) => {
                let region = region::prepare(&environment)?;
                memory::limit(bytes, &mut environment);
                environment.insert(variables::SHARED_CACHE.into(), region.path().into());
                Some(region)
            }
        };
        let status = exec::exec(&self.command, &environment);
        if let Some(region) = region {
            region.discard();
        }
        Ok(status)
    }
}
