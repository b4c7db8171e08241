//! `hami run`: becomes the command, with the library preloaded and the quota in the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use shared_region::limits::Limit;
use shared_region::share::Policy;

use crate::variables;

/// The limits that are in force around a run.
mod around;
/// The share of compute asked for, against the one that is in force already.
mod compute;
/// The devices asked for.
mod devices;
/// Replacing this process by the command.
mod exec;
/// Finding libhami_core.so.
mod library;
/// The memory quota asked for, against the one that is in force already.
mod memory;
/// The files of this run, and those that earlier runs left.
mod region;

/// Exit status when `hami` itself fails; `env`, `timeout` and container engines use the same.
const OWN_FAILURE: u8 = 125;

/// A process's environment, ordered so that it is built the same way each time.
type Environment = BTreeMap<OsString, OsString>;

/// Run a command on a part of an accelerator
///
/// The command and the programs it starts together get the memory and the share of compute asked for on each device; only
/// what runs under another `hami run` with limits of its own counts apart. An allocation beyond the quota is refused as out
/// of memory, and nvidia-smi shows the quota as the device's size; work beyond the share waits. `hami` becomes the command: process id, signals, terminal and exit status are the
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

    /// Percent of each device's time, such as 30 or 12.5; 0, and 100 or more, is no limit
    ///
    /// Kernels, graphs, fills and copies within the device wait before they are submitted, so that the command and the programs
    /// it starts together take at most that share of a device's time.
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true, value_parser = compute::parse_cores)]
    cores: Option<u16>,

    /// How that share is held: fixed-share, burst-share, best-effort or disable
    ///
    /// fixed-share, the default: never more than the share, even while nobody else wants the device. burst-share: more while
    /// nobody else wants it. best-effort: what the others leave; needs no --cores. disable: no limit. HAMi's names default and
    /// force mean fixed-share.
    #[arg(long, value_name = "P", allow_hyphen_values = true, value_parser = compute::parse_policy)]
    policy: Option<Policy>,

    /// Whose work goes first, among those who share a device: 0 before 1, and so on to 9 [default: 1]
    ///
    /// Going first is for work that is within its share; beyond that all wait their turn.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = compute::parse_priority)]
    priority: Option<u8>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Examples:
  hami run --memory 4g -- nvidia-smi                  shows a device of 4096MiB
  hami run --memory 10GiB --device 0 -- python3 train.py
  hami run --memory 2g -- bash                        a shell whose programs share 2 GiB
  hami run --memory 8g --cores 30 -- ./serve          30% of the device's time

See 'hami run --help' for exit statuses and for what is not held.";

const AFTER_LONG_HELP: &str = "\
Examples:
  hami run --memory 4g -- nvidia-smi                  shows a device of 4096MiB
  hami run --memory 10GiB --device 0 -- python3 train.py
  hami run --memory 2g -- bash                        a shell whose programs share 2 GiB
  hami run --memory 8g -- sh -c 'a.out & b.out; wait' two programs that share 8 GiB
  hami run --cores 30 -- ./serve                      at most 30% of the device's time
  hami run --cores 30 --policy burst-share -- ./serve 30%, and more while nobody else wants the device
  hami run --cores 50 --priority 0 -- ./serve         goes before the others, within its half
  hami run --policy best-effort -- ./train            what the others leave

Two runs are two tenants:
  hami run --memory 4g -- ./train &
  hami run --memory 8g -- ./serve &

A run within a run:
  Without limits of its own it shares the ones around it. With --memory, --cores, --policy or --priority it has its own, at
  most as large as those around it, and keeps the values around it for what it leaves out. What it uses then counts against
  its own limits only, not against those around it as well, so that together they may use more. --device may only choose among the devices that CUDA_VISIBLE_DEVICES names
  already.

What is not held:
  Programs that the dynamic loader does not preload into: statically linked ones, and set-user-ID ones. Programs that
  remove LD_PRELOAD or the limit from their environment. Use containers against those who want to get around a quota.
  Copies between the host and the device, and functions on the host, do not count as compute.

The command inherits one open file beyond its own: while a process has it, no other run removes the accounting file and
the file of limits beside it, which lie in $XDG_RUNTIME_DIR/hami, else /dev/shm/hami-UID, else $TMPDIR/hami-UID or /tmp/hami-UID.

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
    /// What the parser cannot see: wishes that the environment forbids, and an environment in which nothing is granted.
    fn check(&self, inherited: &Environment) -> Result<(), String> {
        let around = around::Around::read(inherited)?;
        if let Some(bytes) = self.memory {
            memory::refuse_wider(bytes, &around)?;
        }
        self.share().refuse_wider(&around)?;
        devices::refuse_wider(&self.device, inherited)
    }

    /// The share of compute asked for.
    fn share(&self) -> compute::Share {
        compute::Share { cores: self.cores, policy: self.policy, priority: self.priority }
    }

    /// Sets up the environment and becomes the command; the exit status if the command cannot be run.
    fn become_command(&self, mut environment: Environment) -> anyhow::Result<u8> {
        let library = library::find(self.library.as_deref(), &environment)?;
        library::preload(&library, &mut environment);
        if !self.device.is_empty() {
            environment.insert(variables::VISIBLE_DEVICES.into(), self.device.join(",").into());
        }
        let share = self.share();
        let region = if self.memory.is_some() || share.is_asked() {
            let compute::Share { cores, policy, priority } = share;
            let region = region::prepare(&environment, Limit { memory: self.memory, cores, policy, priority })?;
            if let Some(bytes) = self.memory {
                memory::limit(bytes, &mut environment);
            }
            share.limit(&mut environment);
            environment.insert(variables::SHARED_CACHE.into(), region.path().into());
            Some(region)
        } else {
            None
        };
        let status = exec::exec(&self.command, &environment);
        if let Some(region) = region {
            region.discard();
        }
        Ok(status)
    }
}
