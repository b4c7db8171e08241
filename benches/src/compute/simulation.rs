//! A simulation that lives as long as its value: programs join it by their environment, its usage log is read at its end.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use hami_tests::artefacts;
use hami_tests::poll::poll;
use tempfile::TempDir;

use super::usage::Usage;

/// What the simulation's own command does: says how to join, and ends when its standard input does.
const STAY: &str = r#"echo "$SIMGPU_SOCKET"; echo "$LD_LIBRARY_PATH"; exec cat >/dev/null"#;

/// Longest wait for its end.
const TO_END: Duration = Duration::from_secs(20);

/// A running simulation.
#[derive(Debug)]
pub(crate) struct Simulation {
    child: Child,
    /// Leads programs to the simulated libraries and devices.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// For files that go with the simulation. In memory, as the library's own.
    pub(crate) folder: TempDir,
}

impl Simulation {
    /// Starts one with these options of `simgpu`.
    pub(crate) fn start(options: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hami-bench-").tempdir_in("/dev/shm");
        let folder = folder.context("a temporary folder")?;
        let mut command = Command::new(artefacts::simgpu());
        command.arg("--usage-log").arg(log(&folder)).args(options).args(["--", "sh", "-c", STAY]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("simgpu")?;
        let mut said = BufReader::new(child.stdout.take().context("simgpu's output")?).lines();
        let mut line = || said.next().and_then(Result::ok).filter(|line| !line.is_empty());
        let (socket, libraries) = (line(), line());
        let mut simulation = Self { child, environment: Vec::new(), folder };
        ensure!(socket.is_some() && libraries.is_some(), "simgpu {}: no simulation", options.join(" "));
        simulation.environment.extend(socket.map(|socket| ("SIMGPU_SOCKET", socket)));
        simulation.environment.extend(libraries.map(|folders| ("LD_LIBRARY_PATH", folders)));
        Ok(simulation)
    }

    /// Ends it and reads its log.
    pub(crate) fn end(mut self) -> anyhow::Result<Usage> {
        drop(self.child.stdin.take());
        let status = poll(TO_END, || self.child.try_wait().ok().flatten());
        let status = status.with_context(|| format!("simgpu: not ended {TO_END:?} after its command"))?;
        ensure!(status.success(), "simgpu: {status}");
        Usage::read(&log(&self.folder))
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // Closing its input ends it, and it tidies up; what does not end so is killed. Fails harmlessly when it has ended.
        drop(self.child.stdin.take());
        if poll(TO_END, || self.child.try_wait().ok().flatten()).is_none() {
            let _ended = self.child.kill();
            let _collected = self.child.wait();
        }
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("usage")
}
