//! The client program: compiled once for each door, started in one of three modes, its report read.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, bail, ensure};
use hami_tests::{Program, artefacts};
use tempfile::TempDir;

/// The quota in mode `Limited`: 100,000 pieces of 2 MiB fit, and it is less than the device has.
pub(crate) const LIMIT: &str = "240g";

/// Percent of compute in mode `Limited`, by the part of the client: launches under a cap that they do not reach, and a cap
/// that is none. Other parts have none.
const CORES: &[(&str, &str)] = &[("launches", "95"), ("saturated", "100")];

/// How a program reaches the vendor's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// Linked against the vendor's libraries.
    Direct,
    /// dlopen and dlsym.
    Dlsym,
}

impl Door {
    pub(crate) const ALL: [Self; 2] = [Self::Direct, Self::Dlsym];

    /// As rows name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Dlsym => "dlsym",
        }
    }
}

/// Compiles the client; the options say through which door, and with which libraries.
pub(crate) fn compiled(options: &[String]) -> Program {
    let sources = artefacts::repository().join("benches/client");
    let headers = artefacts::repository().join("ffi-headers/include");
    let mut all = vec![
        "-O2".to_owned(),
        "-pthread".to_owned(),
        format!("-I{}", sources.display()),
        format!("-I{}", headers.display()),
    ];
    let parts =
        ["door.c", "common.c", "calls.c", "peers.c", "first_calls.c", "spawn.c", "launches.c", "load.c", "shapes.c"];
    all.extend(parts.map(|part| sources.join(part).display().to_string()));
    all.extend_from_slice(options);
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    Program::gcc(include_str!("../client/main.c"), &all)
}

/// What the client runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// Without the library.
    Native,
    /// With the library and a memory quota.
    Limited,
    /// With the library and no limit.
    Unlimited,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Native, Self::Limited, Self::Unlimited];
    /// Where only a quota makes a difference worth a row.
    pub(crate) const TWO: [Self; 2] = [Self::Native, Self::Limited];

    /// `modes` in turn, backwards in each second round: what drifts meanwhile meets all of them alike.
    pub(crate) fn in_turn<const N: usize>(mut modes: [Self; N], round: u32) -> [Self; N] {
        if round % 2 == 1 {
            modes.reverse();
        }
        modes
    }
}

/// The compiled clients, and what they run with.
#[derive(Debug)]
pub(crate) struct Clients {
    direct: Program,
    dlsym: Program,
    library: PathBuf,
    vendor: PathBuf,
    regions: TempDir,
}

impl Clients {
    /// Compiles the client for both doors; `library` is what modes other than `Native` preload.
    pub(crate) fn compile(library: PathBuf) -> anyhow::Result<Self> {
        ensure!(library.is_file(), "{}: no such library", library.display());
        let vendor = artefacts::built("simgpu-libs");
        let direct = compiled(&[
            "-DDOOR_DIRECT".to_owned(),
            format!("-L{}", vendor.display()),
            "-lcuda".to_owned(),
            "-lnvidia-ml".to_owned(),
        ]);
        let dlsym = compiled(&["-ldl".to_owned()]);
        // Where regions are when nobody names a place.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let regions = tempfile::Builder::new().prefix("hami-bench-").tempdir_in(folder);
        let regions = regions.context("a temporary folder for regions")?;
        Ok(Self { direct, dlsym, library: std::path::absolute(library)?, vendor, regions })
    }

    /// The library that is preloaded.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    /// A command that runs a part of the client. Processes with the same `tenant` share one region.
    fn command(&self, door: Door, mode: Mode, tenant: &str, arguments: &[String]) -> Command {
        let program = match door {
            Door::Direct => &self.direct,
            Door::Dlsym => &self.dlsym,
        };
        let mut command = Command::new(program.path());
        // Nothing of the machine's own environment but what leads to the simulated device.
        command.args(arguments).env_clear().env("LD_LIBRARY_PATH", &self.vendor);
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIMGPU_")));
        if mode != Mode::Native {
            command.env("LD_PRELOAD", &self.library);
        }
        if mode == Mode::Limited {
            command.env("CUDA_DEVICE_MEMORY_LIMIT", LIMIT);
            let cores = CORES.iter().find(|(part, _)| arguments.first().is_some_and(|own| own == part));
            command.envs(cores.map(|(_, percent)| ("CUDA_DEVICE_SM_LIMIT", percent)));
            command.env("HAMI_TURNS", self.regions.path().join("turns"));
            command.env("CUDA_DEVICE_MEMORY_SHARED_CACHE", self.regions.path().join(tenant));
        }
        command
    }

    /// Runs a part that needs no gate, and reads its figures.
    pub(crate) fn run(&self, door: Door, mode: Mode, tenant: &str, arguments: &[String]) -> anyhow::Result<Figures> {
        let mut command = self.command(door, mode, tenant, arguments);
        Running::start(command.stdin(Stdio::null()), format!("{door:?}, {mode:?}: client {}", arguments.join(" ")))?
            .finish()
    }

    /// How many instructions `count` calls of a row take, one by one, as callgrind counts them: driver, library and loader
    /// together, the client's own loop as well.
    pub(crate) fn instructions(&self, door: Door, mode: Mode, row: &str, count: u32) -> anyhow::Result<f64> {
        let mut client = self.command(door, mode, "instructions", &["one-call".to_owned(), row.to_owned()]);
        client.arg(count.to_string());
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=collected"]);
        valgrind.arg(client.get_program()).args(client.get_args()).env_clear();
        valgrind.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
        valgrind.envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        let what = format!("{door:?}, {mode:?}: valgrind, client one-call {row}");
        let output =
            valgrind.stdin(Stdio::null()).output().with_context(|| format!("{what}: `make setup` installs it"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what}: {}: {said}", output.status);
        let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok());
        let collected = collected.filter(|collected| *collected > 0.0);
        Ok(collected.with_context(|| format!("{what}: counted nothing: {said}"))? / f64::from(count))
    }

    /// Starts `count` processes of one tenant and waits until each stands at its gate.
    pub(crate) fn at_gate(
        &self,
        (door, mode): (Door, Mode),
        tenant: &str,
        arguments: &[String],
        count: usize,
    ) -> anyhow::Result<AtGate> {
        let (reader, gate) = std::io::pipe().context("a pipe")?;
        let mut running = Vec::with_capacity(count);
        for _ in 0..count {
            let reader: PipeReader = reader.try_clone().context("a second descriptor")?;
            let mut command = self.command(door, mode, tenant, arguments);
            let what = format!("{door:?}, {mode:?}: client {}", arguments.join(" "));
            running.push(Running::start(command.stdin(reader), what)?);
        }
        for process in &mut running {
            process.wait_ready()?;
        }
        Ok(AtGate { gate, running })
    }
}

/// Figures of one client process, by name.
pub(crate) type Figures = Vec<(String, f64)>;

/// The figure of this name.
///
/// # Errors
/// When the client did not print it.
pub(crate) fn figure(figures: &Figures, name: &str) -> anyhow::Result<f64> {
    let found = figures.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| *value).with_context(|| format!("the client printed no row '{name}'"))
}

/// Processes that wait at one gate.
#[derive(Debug)]
pub(crate) struct AtGate {
    gate: PipeWriter,
    running: Vec<Running>,
}

impl AtGate {
    /// Opens the gate for all at once, waits for all to end and reads their figures.
    pub(crate) fn open(self) -> anyhow::Result<Vec<Figures>> {
        drop(self.gate);
        self.running.into_iter().map(Running::finish).collect()
    }
}

/// A client process; it is killed and collected when the value is dropped before its end.
#[derive(Debug)]
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    what: String,
}

impl Running {
    fn start(command: &mut Command, what: String) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| what.clone())?;
        let stdout = BufReader::new(child.stdout.take().context("the client's output")?);
        Ok(Self { child, stdout, what })
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).with_context(|| self.what.clone())?;
        ensure!(line == "ready\n", "{}: printed {line:?} at its gate", self.what);
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Figures> {
        let mut figures = Figures::new();
        for line in (&mut self.stdout).lines() {
            let line = line.with_context(|| self.what.clone())?;
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["row", name, value] => figures.push((name.to_owned(), value.parse().with_context(|| line.clone())?)),
                _ => bail!("{}: printed {line:?}", self.what),
            }
        }
        let status = self.child.wait().with_context(|| self.what.clone())?;
        ensure!(status.success(), "{}: {status}", self.what);
        Ok(figures)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly when the client has ended and was collected.
        let _ended = self.child.kill();
        let _collected = self.child.wait();
    }
}
