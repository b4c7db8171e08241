//! Runs the body of a test in a process of its own inside a simulation, with the built library loaded as clients load it.
// UNSAFETY: loads the library under test and calls its C functions.
#![expect(unsafe_code)]
// Each test file uses its own part.
#![allow(dead_code)]

use ffi_headers::nvml::*;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use simulator::presets::{DEFAULT_CONTEXT_BYTES, DRIVERS, PRESETS, Preset};
use simulator::server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Calls a function of the library: `call!(nvml, "name", fn(A, B), a, b)`. All of these return an nvmlReturn_t.
#[macro_export]
macro_rules! call {
    ($nvml:expr, $name:expr, fn($($type:ty),*) $(, $argument:expr)*) => {{
        let function: unsafe extern "C" fn($($type),*) -> nvmlReturn_t = $nvml.get($name);
        let arguments: ($($type,)*) = ($($argument,)*);
        $crate::common::Invoke::invoke(function, arguments)
    }};
}

/// A C function that takes the arguments `A`.
pub trait Invoke<A> {
    fn invoke(self, arguments: A) -> nvmlReturn_t;
}

macro_rules! invoke {
    ($($argument:ident: $type:ident),*) => {
        impl<$($type),*> Invoke<($($type,)*)> for unsafe extern "C" fn($($type),*) -> nvmlReturn_t {
            fn invoke(self, ($($argument,)*): ($($type,)*)) -> nvmlReturn_t {
                // SAFETY: each pointer given is null or refers to a live value of the type the function expects.
                unsafe { self($($argument),*) }
            }
        }
    };
}

invoke!();
invoke!(a: A);
invoke!(a: A, b: B);
invoke!(a: A, b: B, c: C);
invoke!(a: A, b: B, c: C, d: D);
invoke!(a: A, b: B, c: C, d: D, e: E);

/// Names the test whose body the process is to run.
const BODY: &str = "NVML_TEST_BODY";

/// The built library. Cargo puts it beside the test programs.
pub fn library() -> PathBuf {
    let here = std::env::current_exe().expect("path of the test program");
    let library = here.parent().expect("folder of the test program").join("libnvidia_ml.so");
    assert!(library.exists(), "{} is missing: `cargo test -p simulator-libnvidia-ml` builds it", library.display());
    library
}

/// A running simulation and the folder it lives in.
pub struct Simulation {
    _server: Server,
    folder: tempfile::TempDir,
}

impl Simulation {
    pub fn start(model: &str, devices: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the socket");
        let preset = Preset::find(model).unwrap_or_else(|| panic!("no preset '{model}' among {}", PRESETS.len()));
        let description = preset.describe(devices, None, &DRIVERS[0], DEFAULT_CONTEXT_BYTES);
        let server = Server::start(&folder.path().join("socket"), description).expect("start the server");
        std::os::unix::fs::symlink(library(), folder.path().join("libnvidia-ml.so.1")).expect("name the library");
        Self { _server: server, folder }
    }

    /// A command that finds the simulation and its library.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env(simulator::SOCKET_ENV, self.folder.path().join("socket"));
        command.env("LD_LIBRARY_PATH", self.folder.path());
        command
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Runs `body`, the body of the test called `test`, in a process of its own in a simulation of `devices` devices.
pub fn inside(test: &str, model: &str, devices: usize, body: impl FnOnce(&Nvml)) {
    if std::env::var(BODY).is_ok_and(|wanted| wanted == test) {
        return body(&Nvml::load());
    }
    let simulation = Simulation::start(model, devices);
    run_body(test, simulation.command(std::env::current_exe().expect("path of the test program")));
}

/// As [`inside`], without a simulation.
pub fn outside(test: &str, body: impl FnOnce(&Nvml)) {
    if std::env::var(BODY).is_ok_and(|wanted| wanted == test) {
        return body(&Nvml::load());
    }
    let mut command = Command::new(std::env::current_exe().expect("path of the test program"));
    command.env_remove(simulator::SOCKET_ENV);
    run_body(test, command);
}

/// As [`inside`], with one more environment variable.
pub fn inside_with(test: &str, variable: (&str, &str), body: impl FnOnce(&Nvml)) {
    if std::env::var(BODY).is_ok_and(|wanted| wanted == test) {
        return body(&Nvml::load());
    }
    let simulation = Simulation::start("H200", 1);
    let mut command = simulation.command(std::env::current_exe().expect("path of the test program"));
    command.env(variable.0, variable.1);
    run_body(test, command);
}

fn run_body(test: &str, mut command: Command) {
    let output = command.args(["--exact", test, "--nocapture"]).env(BODY, test).output().expect("run the test program");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "in its own process: {}\n{text}", output.status);
    assert!(text.contains("1 passed"), "the name '{test}' selects no test:\n{text}");
}

/// Tries until `condition` gives a value; fails after ten seconds.
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within_ten_seconds(condition).unwrap_or_else(|| panic!("not within ten seconds: {what}"))
}

/// What `condition` gives as soon as it gives anything, or nothing after ten seconds.
pub fn within_ten_seconds<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The library as a client has it after dlopen.
pub struct Nvml(Library);

impl Nvml {
    pub fn load() -> Self {
        // SAFETY: loading runs no code of ours, and the library needs nothing from its loader.
        Self(unsafe { Library::open(Some(library()), RTLD_NOW | RTLD_LOCAL) }.expect("dlopen the library"))
    }

    /// The function `name`; `F` is its type.
    pub fn get<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller gives the type that nvml.h gives the name; the library stays loaded while `self` lives.
        let symbol: Symbol<F> = unsafe { self.0.get(name.as_bytes()) }.unwrap_or_else(|e| panic!("{name}: {e}"));
        *symbol
    }

    pub fn init(&self) -> nvmlReturn_t {
        call!(self, "nvmlInit_v2", fn())
    }

    pub fn shutdown(&self) -> nvmlReturn_t {
        call!(self, "nvmlShutdown", fn())
    }

    /// The handle of device `index`.
    pub fn device(&self, index: u32) -> nvmlDevice_t {
        let mut device = std::ptr::null_mut();
        let code = call!(self, "nvmlDeviceGetHandleByIndex_v2", fn(u32, *mut nvmlDevice_t), index, &mut device);
        assert_eq!(code, NVML_SUCCESS);
        device
    }

    /// What a function of the shape `f(device, &out)` writes.
    pub fn query<T: Default>(&self, name: &str, device: nvmlDevice_t) -> Result<T, nvmlReturn_t> {
        let mut value = T::default();
        match call!(self, name, fn(nvmlDevice_t, *mut T), device, &mut value) {
            NVML_SUCCESS => Ok(value),
            code => Err(code),
        }
    }

    /// What a function of the shape `f(device, buffer, length)` writes.
    pub fn text(&self, name: &str, device: nvmlDevice_t, room: usize) -> Result<String, nvmlReturn_t> {
        let mut buffer = vec![0xffu8; room];
        let length = room as u32;
        match call!(self, name, fn(nvmlDevice_t, *mut u8, u32), device, buffer.as_mut_ptr(), length) {
            NVML_SUCCESS => {
                let text = std::ffi::CStr::from_bytes_until_nul(&buffer).expect("NUL-terminated");
                Ok(text.to_str().expect("UTF-8").to_owned())
            }
            code => Err(code),
        }
    }

    /// What a function of the shape `f(device, &count, array)` gives for an array of `room` elements: the code, the count, the array.
    pub fn list<T: Default + Clone>(
        &self,
        name: &str,
        device: nvmlDevice_t,
        room: usize,
    ) -> (nvmlReturn_t, u32, Vec<T>) {
        let mut count = room as u32;
        let mut array = vec![T::default(); room];
        let pointer = if room == 0 { std::ptr::null_mut() } else { array.as_mut_ptr() };
        let code = call!(self, name, fn(nvmlDevice_t, *mut u32, *mut T), device, &mut count, pointer);
        (code, count, array)
    }
}

impl Nvml {
    pub fn error_string(&self, code: nvmlReturn_t) -> String {
        let function: unsafe extern "C" fn(nvmlReturn_t) -> *const std::ffi::c_char = self.get("nvmlErrorString");
        // SAFETY: the function gives a NUL-terminated text that lives as long as the library.
        unsafe { std::ffi::CStr::from_ptr(function(code)) }.to_str().expect("ASCII").to_owned()
    }
}

/// Runs `body` in a fork of this process; the child's exit status is 0 when no assertion in it failed.
pub fn fork(body: impl FnOnce()) -> nix::unistd::Pid {
    // SAFETY: the child runs `body` and ends by _exit without returning into the test harness. glibc keeps malloc usable in it.
    match unsafe { nix::unistd::fork() }.expect("fork") {
        nix::unistd::ForkResult::Parent { child } => child,
        nix::unistd::ForkResult::Child => {
            let status = i32::from(std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err());
            // SAFETY: ends this process and touches nothing of the test harness.
            unsafe { nix::libc::_exit(status) }
        }
    }
}

/// Exit status of a child; a signal counts as 128 and its number.
pub fn wait(child: nix::unistd::Pid) -> i32 {
    use nix::sys::wait::{WaitStatus, waitpid};
    match waitpid(child, None).expect("wait for the child") {
        WaitStatus::Exited(_, status) => status,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => panic!("{other:?}"),
    }
}

/// A field's value as an unsigned number of 32 bits.
pub fn as_unsigned(value: nvmlValue_t) -> u32 {
    // SAFETY: every member is plain data, so any bit pattern of the union reads as a number.
    unsafe { value.uiVal }
}

/// The entries of a table the library handed out.
pub fn read_table<T: Copy>(table: *const [T; 256]) -> [T; 256] {
    assert!(!table.is_null());
    // SAFETY: not null, and the library's tables are statics of 256 entries.
    unsafe { *table }
}
