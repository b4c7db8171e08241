//! The far end of the test: processes that make the driver calls they are told, each a fork of a program that has made none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use hami_tests::{Program, artefacts};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Fault;

/// How long one call may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// Functions of NVML that are called; those of CUDA are in the simulator's list of entry points.
const NVML: &[&str] = &[
    "nvmlInit_v2",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetBAR1MemoryInfo",
    "nvmlDeviceGetUtilizationRates",
];

/// By exported name: the name and the version by which `cuGetProcAddress` knows a function, as the vendor published them.
pub fn entry_points() -> &'static BTreeMap<&'static str, (&'static str, u32)> {
    static KNOWN: OnceLock<BTreeMap<&'static str, (&'static str, u32)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let lines = include_str!("../../../simulator/libcuda/entry_points.txt").lines();
        let rows = lines.filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect::<Vec<_>>());
        rows.filter(|row| row.len() >= 3).map(|row| (row[2], (row[0], row[1].parse().expect("a version")))).collect()
    })
}

/// How a function is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Linked,
    ByHandle,
    ByDefault,
    ProcAddress,
    ProcAddress2,
    PerThread,
}

impl Door {
    pub const ALL: [(Self, &str); 6] = [
        (Self::Linked, "linked"),
        (Self::ByHandle, "dlsym"),
        (Self::ByDefault, "default"),
        (Self::ProcAddress, "address"),
        (Self::ProcAddress2, "address2"),
        (Self::PerThread, "perthread"),
    ];

    /// This door, or dlsym where `cuGetProcAddress` does not know the function.
    fn for_function(self, name: &str) -> Self {
        let by_address = matches!(self, Self::ProcAddress | Self::ProcAddress2 | Self::PerThread);
        if by_address && !entry_points().contains_key(name) { Self::ByHandle } else { self }
    }
}

/// One argument of a call. Buffers go there, and come back as the call left them.
#[derive(Debug, Clone)]
pub enum Argument {
    /// A number, handle or device address.
    Number(u64),
    /// A pointer to these bytes.
    Buffer(Vec<u8>),
}

/// What a call left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub result: i32,
    /// errno afterwards; it was 1234 before.
    pub errno: i32,
    /// Buffers, in the order of the arguments.
    pub buffers: Vec<Vec<u8>>,
}

impl Reply {
    /// The 64-bit number at the start of a buffer.
    pub fn number(&self, buffer: usize) -> u64 {
        u64::from_le_bytes(self.buffers[buffer][..8].try_into().expect("eight bytes"))
    }

    /// The 32-bit number at the start of a buffer.
    pub fn word(&self, buffer: usize) -> u32 {
        u32::from_le_bytes(self.buffers[buffer][..4].try_into().expect("four bytes"))
    }
}

/// `used` and `total` as somebody shows them, with what he answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub result: u64,
    pub total: u64,
    pub free: u64,
    pub used: u64,
    /// Set apart by the driver; part of `used` in NVML's first form.
    pub reserved: u64,
}

/// Everything that a process is shown.
#[derive(Debug, Clone)]
pub struct Views {
    /// The current context's handle, 0 for none, and its device's ordinal, -1 where it cannot be told.
    pub context: u64,
    pub device: i64,
    /// cuMemGetInfo, meaningful when there is a device.
    pub info: Shown,
    /// cuDeviceTotalMem by ordinal: answer and bytes.
    pub totals: Vec<(u64, u64)>,
    /// NVML's two forms, by NVML's index.
    pub nvml: Vec<[Shown; 2]>,
}

/// The program, built once.
pub fn program() -> &'static Program {
    static BUILT: OnceLock<Program> = OnceLock::new();
    BUILT.get_or_init(|| {
        let names = entry_points().keys().chain(NVML).map(|name| format!(" X({name})")).collect::<String>();
        let list = format!("#define FUNCTIONS(X){names}\n");
        let text = artefacts::repository().join("tests/programs/executor.c");
        let text = std::fs::read_to_string(&text).unwrap_or_else(|error| panic!("{}: {error}", text.display()));
        let include = format!("-I{}", artefacts::repository().join("ffi-headers/include").display());
        let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| artefacts::built("simgpu-libs").join(name));
        let libraries = libraries.map(|path| path.display().to_string());
        let options = ["-D_GNU_SOURCE", "-pthread", "-Wl,--no-as-needed", &include, &libraries[0], &libraries[1]];
        Program::gcc(&(list + &text), &options)
    })
}

/// The program that forks.
pub struct Forker {
    wire: UnixStream,
    listener: UnixListener,
    program: Child,
}

impl Forker {
    /// Starts it with these variables and no others; `stderr` gets what it and its children write there.
    pub fn start(folder: &Path, name: &str, variables: &[(&str, OsString)], stderr: &File) -> Self {
        let path = folder.join(name);
        let listener = UnixListener::bind(&path).expect("a socket");
        let program = Command::new(program().path())
            .arg(&path)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stderr(stderr.try_clone().expect("a second descriptor"))
            .spawn()
            .expect("the compiled executor");
        let (wire, _) = accept(&listener).expect("the executor calls at once");
        Self { wire, listener, program }
    }

    /// A fresh process with these variables beside the program's own.
    pub fn fork(&mut self, variables: &[String]) -> Result<Executor, Fault> {
        let text: Vec<u8> = variables.iter().flat_map(|setting| setting.bytes().chain([0])).collect();
        self.wire.write_all(&[&(text.len() as u32).to_le_bytes()[..], &text].concat()).map_err(lost)?;
        let (wire, pid) = accept(&self.listener).map_err(lost)?;
        Ok(Executor { wire, pid })
    }
}

impl Drop for Forker {
    fn drop(&mut self) {
        // It ends by itself when its socket closes; killed all the same, since a test must not leave anything behind.
        let _already_gone = self.program.kill();
        let _status = self.program.wait();
    }
}

fn accept(listener: &UnixListener) -> std::io::Result<(UnixStream, u32)> {
    let limit = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    if poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], limit)? == 0 {
        return Err(ErrorKind::TimedOut.into());
    }
    let (mut wire, _) = listener.accept()?;
    wire.set_read_timeout(Some(PATIENCE))?;
    let mut pid = [0; 4];
    wire.read_exact(&mut pid)?;
    Ok((wire, u32::from_le_bytes(pid)))
}

fn lost(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Fault(format!("no answer within {PATIENCE:?}")),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            Fault("the process died".to_owned())
        }
        _ => Fault(format!("the connection to the process: {error}")),
    }
}

/// A process of the test.
pub struct Executor {
    wire: UnixStream,
    pub pid: u32,
}

impl Executor {
    fn read(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; length];
        self.wire.read_exact(&mut bytes).map_err(lost)?;
        Ok(bytes)
    }

    /// Makes a call.
    pub fn call(&mut self, door: Door, name: &str, arguments: &[Argument]) -> Result<Reply, Fault> {
        let door = door.for_function(name);
        let (base, version) = entry_points().get(name).copied().unwrap_or((name, 0));
        let mut order = vec![b'C', door as u8];
        for text in [name, base] {
            order.extend((text.len() as u32).to_le_bytes());
            order.extend(text.bytes());
        }
        order.extend(version.to_le_bytes());
        order.push(arguments.len() as u8);
        let mut lengths = Vec::new();
        for argument in arguments {
            match argument {
                Argument::Number(number) => {
                    order.push(0);
                    order.extend(number.to_le_bytes());
                }
                Argument::Buffer(bytes) => {
                    order.push(1);
                    order.extend((bytes.len() as u32).to_le_bytes());
                    order.extend(bytes);
                    lengths.push(bytes.len());
                }
            }
        }
        self.wire.write_all(&order).map_err(lost)?;
        let bytes = self.read(8 + lengths.iter().sum::<usize>())?;
        let number = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let mut rest = &bytes[8..];
        let buffers = lengths.iter().map(|length| rest.split_off(..*length).expect("as many as were read").to_vec());
        Ok(Reply { result: number(0), errno: number(4), buffers: buffers.collect() })
    }

    /// Asks for everything that the process is shown; [`Self::seen`] reads the answer.
    pub fn look(&mut self, devices: usize) -> Result<(), Fault> {
        self.wire.write_all(&[b'V', devices as u8, devices as u8]).map_err(lost)
    }

    /// The answer to [`Self::look`].
    pub fn seen(&mut self, devices: usize) -> Result<Views, Fault> {
        let bytes = self.read((5 + devices * 11) * 8)?;
        let mut words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        let mut next = || words.next().expect("as many as were read");
        let (context, device) = (next(), next() as i64);
        let (result, free, total) = (next(), next(), next());
        let info = Shown { result, total, free, used: total.wrapping_sub(free), reserved: 0 };
        let totals = (0..devices).map(|_| (next(), next())).collect();
        let nvml = (0..devices).map(|_| {
            let (result, total, free, used) = (next(), next(), next(), next());
            let first = Shown { result, total, free, used, reserved: 0 };
            let (result, total, reserved, free, used) = (next(), next(), next(), next(), next());
            [first, Shown { result, total, free, used, reserved }]
        });
        Ok(Views { context, device, info, totals, nvml: nvml.collect() })
    }

    /// A copy of another process's descriptor in this one.
    pub fn duplicate(&mut self, pid: u32, descriptor: u32) -> Result<i32, Fault> {
        self.wire.write_all(&[&b"D"[..], &pid.to_le_bytes(), &descriptor.to_le_bytes()].concat()).map_err(lost)?;
        Ok(i32::from_le_bytes(self.read(4)?.try_into().expect("four bytes")))
    }

    /// Closes a descriptor of the process.
    pub fn close(&mut self, descriptor: u32) -> Result<(), Fault> {
        self.wire.write_all(&[&b"c"[..], &descriptor.to_le_bytes()].concat()).map_err(lost)
    }

    /// Ends the process: by exit(3), or by SIGKILL. Returns when the kernel has closed its descriptors.
    pub fn end(mut self, by_exit: bool) -> Result<(), Fault> {
        if by_exit {
            self.wire.write_all(b"E").map_err(lost)?;
        } else {
            let pid = Pid::from_raw(i32::try_from(self.pid).expect("process numbers are below 2^22"));
            kill(pid, Signal::SIGKILL).map_err(|error| Fault(format!("kill: {error}")))?;
        }
        match self.wire.read(&mut [0]) {
            Ok(0) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(lost(error)),
            Ok(_) => Err(Fault("an answer without a question".to_owned())),
        }
    }
}
