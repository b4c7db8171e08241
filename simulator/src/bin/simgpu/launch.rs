//! Starts the simulation and the command, passes signals on, and ends with the command's status.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use simulator::SOCKET_ENV;
use simulator::faults::FAIL_ENV;
use simulator::presets::Preset;
use simulator::server::Server;
use simulator::timeline::Timing;

use super::{DEFAULT_CONTEXT_BYTES, Options};

/// Signals that are passed on to the command; the defaults of all of them would end `simgpu`.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

pub fn run(options: &Options) -> Result<ExitCode, String> {
    let libs = libraries(options)?;
    let plan = failures(options)?;
    let folder = tempfile::Builder::new().prefix("simgpu-").tempdir().map_err(|e| format!("temporary folder: {e}"))?;
    let socket = folder.path().join("socket");
    let context_bytes = options.context_memory.unwrap_or(DEFAULT_CONTEXT_BYTES);
    let mut description =
        Preset::describe(options.model, options.devices, options.memory, options.driver, context_bytes);
    description.timing = Timing {
        slice_ns: options.time_slice,
        switch_ns: options.switch_time,
        seed: options.seed,
        kernels: options.kernel_model.clone().unwrap_or_default(),
    };
    let usage_log = options
        .usage_log
        .as_ref()
        .map(|path| File::create(path).map_err(|error| format!("--usage-log {}: {error}", path.display())));
    let usage_log = usage_log.transpose()?;

    // Blocked before the command starts and before there is a second thread, so that none is lost and all come here.
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    let before =
        signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).map_err(|e| format!("signals: {e}"))?;

    let server =
        Server::start_with(&socket, description, usage_log).map_err(|e| format!("cannot start the simulation: {e}"))?;
    let (program, arguments) = options.command.split_first().ok_or("no command was given")?;
    let mut command = Command::new(program);
    command.args(arguments).env(SOCKET_ENV, &socket).env("LD_LIBRARY_PATH", library_path(libs));
    command.envs(plan.map(|plan| (FAIL_ENV, plan)));
    restore_signals(&mut command, before);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("simgpu: cannot run '{}': {error}", program.to_string_lossy());
            // As shells do: 127 when the command is not there, 126 when it cannot be run.
            return Ok(ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }));
        }
    };
    let status = wait(&mut child, &signals).map_err(|e| format!("waiting for the command: {e}"))?;
    drop(server);
    Ok(exit_code(status))
}

/// What `--fail` says, or else what the environment already says; checked here, where a mistake can still be refused.
fn failures(options: &Options) -> Result<Option<String>, String> {
    if options.fail.is_some() {
        return Ok(options.fail.clone());
    }
    let Some(text) = env::var_os(FAIL_ENV).filter(|text| !text.is_empty()) else { return Ok(None) };
    let text = text.to_string_lossy().into_owned();
    super::parse_plan(&text).map(Some).map_err(|error| format!("{FAIL_ENV}: {error}"))
}

/// The folder with the simulated libraries.
fn libraries(options: &Options) -> Result<PathBuf, String> {
    let folder = match &options.libs {
        Some(folder) => folder.clone(),
        None => {
            let program = env::current_exe().map_err(|e| format!("own path: {e}"))?;
            program.with_file_name("simgpu-libs")
        }
    };
    if !folder.join("libcuda.so.1").exists() {
        return Err(format!(
            "'{}' has no libcuda.so.1; 'make build' puts the simulated libraries there, --libs names another folder",
            folder.display()
        ));
    }
    std::path::absolute(&folder).map_err(|e| format!("'{}': {e}", folder.display()))
}

fn library_path(libs: PathBuf) -> OsString {
    let mut path = libs.into_os_string();
    if let Some(rest) = env::var_os("LD_LIBRARY_PATH").filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Gives the command the signal mask that `simgpu` was started with.
#[expect(unsafe_code)]
// UNSAFETY: runs code between fork and exec.
fn restore_signals(command: &mut Command, mask: SigSet) {
    // SAFETY: the closure only calls pthread_sigmask, which is async-signal-safe, on a value it owns; it does not allocate.
    unsafe { command.pre_exec(move || mask.thread_set_mask().map_err(io::Error::from)) };
}

/// Waits for the command to end; meanwhile passes on the signals that other processes send to `simgpu`.
fn wait(child: &mut Child, signals: &SigSet) -> io::Result<ExitStatus> {
    let incoming = SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC)?;
    let pid = Pid::from_raw(child.id() as i32);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let Some(signal) = incoming.read_signal()? else { continue };
        // What the kernel sends (a key at the terminal) goes to the whole foreground group, the command included.
        let from_kernel = signal.ssi_code > 0;
        match Signal::try_from(signal.ssi_signo as i32) {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(_) if from_kernel => {}
            // The command may have ended in between; the next try_wait says so.
            Ok(signal) => drop(kill(pid, signal)),
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(125);
    ExitCode::from(code as u8)
}
