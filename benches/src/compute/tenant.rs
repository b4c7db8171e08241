//! Programs that load the device: each tenant has a region of its own and starts with its limits in the environment.

use std::fs::File;
use std::io::PipeWriter;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hami_tests::Program;
use hami_tests::poll::poll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::options::Options;
use super::simulation::Simulation;
use crate::client;

/// Longest wait for a program to come to its gate.
const TO_GATE: Duration = Duration::from_secs(20);

/// The compiled load program and the library that is measured.
#[derive(Debug)]
pub(crate) struct Bench {
    client: Program,
    library: Option<PathBuf>,
}

/// What one program is told: its limits and its load.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    environment: Vec<(&'static str, String)>,
    region: String,
    settings: Vec<String>,
    preloaded: bool,
}

impl Tenant {
    /// A tenant by this name, without limits.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { environment: Vec::new(), region: name.into(), settings: Vec::new(), preloaded: true }
    }

    /// Its share of the device, in percent.
    pub(crate) fn cores(self, percent: f64) -> Self {
        self.with("CUDA_DEVICE_SM_LIMIT", percent.to_string())
    }

    /// Its shares of the first two devices, in percent.
    pub(crate) fn cores_of_two(self, percent: [f64; 2]) -> Self {
        let [first, second] = percent.map(|percent| percent.to_string());
        self.with("CUDA_DEVICE_SM_LIMIT_0", first).with("CUDA_DEVICE_SM_LIMIT_1", second)
    }

    /// How its share is meant.
    pub(crate) fn policy(self, policy: &str) -> Self {
        self.with("GPU_CORE_UTILIZATION_POLICY", policy.to_owned())
    }

    /// 0 goes before 1.
    pub(crate) fn priority(self, priority: u32) -> Self {
        self.with("CUDA_TASK_PRIORITY", priority.to_string())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.environment.push((name, value));
        self
    }

    /// A setting of `client/load.c`.
    pub(crate) fn set(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// The kernel's name and with it its length in microseconds.
    pub(crate) fn kernel_us(self, microseconds: u64) -> Self {
        self.set("kernel", format!("load_us{microseconds}"))
    }

    /// Runs without the library.
    pub(crate) fn native(mut self) -> Self {
        self.preloaded = false;
        self
    }
}

/// What a load program says at its end; times by the monotonic clock.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Said {
    pub(crate) pid: u32,
    pub(crate) started_ns: u64,
    pub(crate) first_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) submissions: u64,
    /// Processor time from start to end, all threads.
    pub(crate) processor_ns: u64,
    /// When each of its active times began.
    pub(crate) woken_ns: Vec<u64>,
    pub(crate) latencies_ns: Vec<u64>,
    /// Pauses of more than a millisecond between two ends of kernels, where each is waited for.
    gap_starts_ns: Vec<u64>,
    gaps_ns: Vec<u64>,
}

impl Said {
    /// Processor time in percent of a core.
    pub(crate) fn processor_percent(&self) -> f64 {
        100.0 * self.processor_ns as f64 / (self.end_ns - self.started_ns) as f64
    }

    /// From `event` on: how long until work ended again and went on ending; gaps that lie wholly before it do not count, nor
    /// those that begin more than `watched` nanoseconds after it.
    pub(crate) fn held_up_ns(&self, event: u64, watched: u64) -> u64 {
        let gaps = self.gap_starts_ns.iter().zip(&self.gaps_ns);
        let after = gaps.filter(|(start, gap)| **start + **gap > event && **start < event + watched);
        after.map(|(start, gap)| start + gap - event.max(*start)).max().unwrap_or(0)
    }
}

impl Bench {
    /// Compiles the load program.
    pub(crate) fn compile(options: &Options) -> anyhow::Result<Self> {
        let library = options.library();
        if let Some(library) = &library {
            ensure!(library.is_file(), "{}: no such library", library.display());
        }
        let library = library.map(std::path::absolute).transpose()?;
        Ok(Self { client: client::compiled(&["-ldl".to_owned()]), library })
    }

    /// Starts a program for each tenant and waits until each stands at its gate. Programs of one name share a region.
    pub(crate) fn at_gate(&self, simulation: &Simulation, tenants: &[Tenant]) -> anyhow::Result<AtGate> {
        let (reader, gate) = std::io::pipe().context("a pipe")?;
        let mut running = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let mut command = Command::new(self.client.path());
            command.arg("load").args(&tenant.settings).env_clear();
            command.envs(simulation.environment.iter().map(|(name, value)| (name, value)));
            if let (Some(library), true) = (&self.library, tenant.preloaded) {
                let folder = simulation.folder.path();
                command.env("LD_PRELOAD", library).envs(tenant.environment.iter().map(|(name, value)| (name, value)));
                command.env("CUDA_DEVICE_MEMORY_SHARED_CACHE", folder.join(&tenant.region));
                // Tenants of one machine meet in one file; those of other simulations are on other machines.
                command.env("HAMI_TURNS", folder.join("turns"));
            }
            let what = format!("tenant {}: {}", tenant.region, tenant.settings.join(" "));
            running.push(Running::start(command.stdin(reader.try_clone().context("a descriptor")?), what)?);
        }
        for program in &mut running {
            program.wait_ready()?;
        }
        Ok(AtGate { gate, running })
    }

    /// Runs the tenants together to their end, which must come within `seconds`; what each said, and who had the device.
    pub(crate) fn run(&self, options: &[&str], tenants: &[Tenant], seconds: f64) -> anyhow::Result<Run> {
        let simulation = Simulation::start(options)?;
        let said = self.at_gate(&simulation, tenants)?.open().into_iter();
        let said = said.map(|program| program.finish(seconds)).collect::<anyhow::Result<_>>()?;
        Ok(Run { said, usage: simulation.end()? })
    }
}

/// What a run of several tenants has shown.
#[derive(Debug)]
pub(crate) struct Run {
    /// By tenant, in the order given.
    pub(crate) said: Vec<Said>,
    pub(crate) usage: super::usage::Usage,
}

/// Programs that wait at one gate.
#[derive(Debug)]
pub(crate) struct AtGate {
    gate: PipeWriter,
    running: Vec<Running>,
}

impl AtGate {
    /// Opens the gate for all at once.
    pub(crate) fn open(self) -> Vec<Running> {
        drop(self.gate);
        self.running
    }
}

/// A load program; it is killed and collected when the value is dropped before its end.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// A file, so that a program that hangs cannot make the reader hang.
    output: tempfile::NamedTempFile,
    what: String,
}

impl Running {
    fn start(command: &mut Command, what: String) -> anyhow::Result<Self> {
        let output = tempfile::NamedTempFile::new().context("a temporary file")?;
        let file: File = output.reopen().context("a temporary file")?;
        let child = command.stdout(file).spawn().with_context(|| what.clone())?;
        Ok(Self { child, output, what })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap_or_default()
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let arrived = poll(TO_GATE, || {
            let ended = self.child.try_wait().ok().flatten();
            (self.said().starts_with("ready\n") || ended.is_some()).then_some(ended)
        });
        match arrived {
            Some(None) => Ok(()),
            Some(Some(status)) => bail!("{}: ended before its gate: {status}", self.what),
            None => bail!("{}: not at its gate after {TO_GATE:?}", self.what),
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("{}: {signal}", self.what))
    }

    /// What it says at its end, which must come within `seconds`.
    pub(crate) fn finish(mut self, seconds: f64) -> anyhow::Result<Said> {
        let status: ExitStatus = poll(Duration::from_secs_f64(seconds), || self.child.try_wait().ok().flatten())
            .with_context(|| format!("{}: not done after {seconds} s", self.what))?;
        ensure!(status.success(), "{}: {status}", self.what);
        let said = self.said();
        let line = said.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("{}: printed {said:?}", self.what))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly when the program has ended and was collected.
        let _ended = self.child.kill();
        let _collected = self.child.wait();
    }
}
