//! Running a command: preloaded or not, on simulated devices or not, never longer than its limit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::{artefacts, poll};

/// How long a command may run when the test does not say.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

/// Variables of the machine's own environment that would change what a test sees, by prefix.
const CLEARED: &[&str] =
    &["LD_", "CUDA_", "NPU_", "ASCEND_", "GPU_CORE_", "LIBCUDA_", "SIMGPU_", "HAMI_", "RUST_BACKTRACE", "MAKE"];

/// A command to run. It starts in a process group of its own, so that a run over its limit is killed with its children.
#[derive(Debug, Clone)]
pub struct Run {
    command: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    simulation: Option<Vec<OsString>>,
    folder: Option<PathBuf>,
    limit: Duration,
}

impl Run {
    /// A command without arguments: a path, or a name to look up in PATH.
    pub fn new(program: impl AsRef<OsStr>) -> Run {
        Run {
            command: vec![program.as_ref().into()],
            environment: Vec::new(),
            simulation: None,
            folder: None,
            limit: DEFAULT_LIMIT,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Run {
        self.command.push(argument.as_ref().into());
        self
    }

    /// Adds several arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.command.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Sets a variable in the command's environment, not in that of the simulation around it.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Preloads the built library into the command.
    pub fn preloaded(self) -> Run {
        self.env("LD_PRELOAD", artefacts::library())
    }

    /// Runs the command on simulated devices; the options are those of `simgpu`: `["--devices", "2"]`.
    pub fn simulated<S: AsRef<OsStr>>(mut self, options: impl IntoIterator<Item = S>) -> Run {
        self.simulation = Some(options.into_iter().map(|option| option.as_ref().into()).collect());
        self
    }

    /// Runs the command in this folder; in the test's own when not said.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Run {
        self.folder = Some(folder.into());
        self
    }

    /// Sets how long the command may run; a minute when not said.
    pub fn within(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Runs the command to its end, with an empty standard input.
    ///
    /// # Panics
    /// When it cannot be started, and as [`Running::finish`] does.
    pub fn output(self) -> Output {
        self.start().finish()
    }

    /// Starts the command and returns at once; it is killed with its children when the value is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self) -> Running {
        let line = self.line();
        let limit = self.limit;
        // Files, not pipes: a grandchild that keeps the output open cannot make the test wait for it.
        let stdout = tempfile::tempfile().expect("a temporary file");
        let stderr = tempfile::tempfile().expect("a temporary file");
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).process_group(0).stdin(Stdio::null());
        command.stdout(stdout.try_clone().expect("a second descriptor"));
        command.stderr(stderr.try_clone().expect("a second descriptor"));
        for (name, _) in std::env::vars_os() {
            if CLEARED.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        if self.simulation.is_none() {
            command.envs(self.environment);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", display(&line)));
        Running { line, child: Some(child), stdout, stderr, limit }
    }

    /// The whole command line. Under `simgpu` the variables are set by `env` inside, so that they do not reach `simgpu` itself.
    fn line(&self) -> Vec<OsString> {
        let Some(options) = &self.simulation else {
            return self.command.clone();
        };
        let mut line = vec![artefacts::simgpu().into_os_string()];
        line.extend(options.iter().cloned());
        line.extend(["--".into(), "env".into()]);
        for (name, value) in &self.environment {
            let mut setting = name.clone();
            setting.push("=");
            setting.push(value);
            line.push(setting);
        }
        line.extend(self.command.iter().cloned());
        line
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    line: Vec<OsString>,
    /// Taken when the end has been waited for: its number, and its group's, may belong to others from then on.
    child: Option<Child>,
    stdout: File,
    stderr: File,
    limit: Duration,
}

impl Running {
    /// The process started: the command's, or that of the simulation around it.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("only `finish` takes the child, and it takes the whole value");
        Pid::from_raw(i32::try_from(child.id()).expect("process numbers are below 2^22"))
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for the end; what the command left running in its group is killed.
    ///
    /// # Panics
    /// When the command is over its limit: it is killed then, and the message holds what it had written.
    pub fn finish(mut self) -> Output {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ended = poll::poll(self.limit, || match waitid(Id::Pid(self.pid()), flags) {
            Ok(WaitStatus::StillAlive) => None,
            Ok(_) => Some(()),
            Err(error) => panic!("cannot wait for {}: {error}", display(&self.line)),
        });
        let status = self.kill();
        let output =
            Output { stdout: self.stdout(), stderr: self.stderr(), line: std::mem::take(&mut self.line), status };
        assert!(ended.is_some(), "killed, since it ran longer than {:?}: {output}", self.limit);
        output
    }

    /// Kills what is left of the group and reaps the command.
    fn kill(&mut self) -> ExitStatus {
        // The child is not yet reaped, so the group's number is still its own. An error means that the group is empty.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let mut child = self.child.take().expect("`pid` found it");
        child.wait().expect("our own child can be waited for")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// What a command that ended left.
#[derive(Debug)]
pub struct Output {
    line: Vec<OsString>,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
}

impl Output {
    /// Checks that the exit status is 0, and returns the output.
    ///
    /// # Panics
    /// When it is not; the message holds the command and all it wrote.
    pub fn succeeded(self) -> Output {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Checks that the command behaved as `expected`: status, standard output and standard error, to the byte.
    ///
    /// # Panics
    /// When one of them differs.
    pub fn same_as(&self, expected: &Output) {
        assert_eq!(self.seen(), expected.seen(), "{} differs from {}", display(&self.line), display(&expected.line));
    }

    fn seen(&self) -> (Option<i32>, Option<i32>, &str, &str) {
        (self.status.code(), self.status.signal(), &self.stdout, &self.stderr)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\nstdout: {}\nstderr: {}", display(&self.line), self.status, self.stdout, self.stderr)
    }
}

fn display(line: &[OsString]) -> String {
    line.iter().map(|word| Path::new(word).display().to_string()).collect::<Vec<_>>().join(" ")
}

/// The whole file, opened once more: reading through the command's descriptor would move where it writes.
fn text(file: &File) -> String {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}
