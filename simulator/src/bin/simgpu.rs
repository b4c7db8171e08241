//! `simgpu`: runs a command on simulated devices, or answers questions about them.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use simulator::presets::{DEFAULT_CONTEXT_BYTES, DRIVERS, Driver, MAX_DEVICES, MAX_MEMORY, PRESETS, Preset};
use simulator::timeline::cost::{KernelModel, duration_ns};
use simulator::{client, faults, size};

#[path = "simgpu/launch.rs"]
mod launch;

/// What `--time-slice` accepts, in nanoseconds.
const MIN_SLICE_NS: u64 = 10_000;
const MAX_SLICE_NS: u64 = 1_000_000_000;

/// Runs a command on simulated GPUs.
///
/// The command finds simulated vendor libraries (libcuda.so.1, libnvidia-ml.so.1) instead of the real ones; all processes
/// it starts share the devices. The simulation ends when the command ends: processes that outlive it find the devices gone.
/// The exit status is the command's, or 128 + n when signal n killed it.
#[derive(Parser)]
#[command(version, after_help = "Example: simgpu --devices 2 --memory 16GiB -- nvidia-smi")]
struct Options {
    /// Number of devices, 1 to 16
    #[arg(long, default_value_t = 1, value_parser = parse_devices)]
    devices: usize,
    /// Device model: H200, A100-80GB or T4
    #[arg(long, default_value = PRESETS[0].key, value_parser = parse_model)]
    model: &'static Preset,
    /// Memory of each device, such as 16GiB or 80GB (the same unit), instead of the model's; less than 1TiB
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,
    /// Device memory that each context takes (default: 96MiB, a figure of the model)
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    context_memory: Option<u64>,
    /// Driver to present: 550, 535 or 580
    #[arg(long, default_value = DRIVERS[0].key, value_parser = parse_driver)]
    driver: &'static Driver,
    /// How long a context computes while others want to, such as 2ms or 500us
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = parse_slice)]
    time_slice: u64,
    /// How long the device takes to go from one context to another, such as 5us
    #[arg(long, value_name = "TIME", default_value = "5us", value_parser = parse_time)]
    switch_time: u64,
    /// File of kernel times: lines of a name pattern, a time such as 20us or 2us+1us/round, and a jitter such as ~10%
    #[arg(long, value_name = "FILE", value_parser = parse_kernel_model)]
    kernel_model: Option<KernelModel>,
    /// Seed of the jitter of kernel times
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// File that gets, as lines of JSON, who used how much device-time in every 10 ms; written when a process ends
    #[arg(long, value_name = "FILE")]
    usage_log: Option<PathBuf>,
    /// Calls that fail, such as cuMemAlloc_v2@3=2,cuMemFree_v2@1+: FUNCTION[@CALL[+]][=CODE], see simulator/README.md
    #[arg(long, value_name = "PLAN", value_parser = parse_plan)]
    fail: Option<String>,
    /// Folder of the simulated libraries (default: simgpu-libs beside this program)
    #[arg(long, value_name = "FOLDER")]
    libs: Option<PathBuf>,
    /// Inside a simulation: print who uses how much of which device, as JSON
    #[arg(long, conflicts_with_all = ["unsupported", "command"])]
    books: bool,
    /// Print the vendor functions that are exported without behaviour, as lines of library and name
    #[arg(long, conflicts_with = "command")]
    unsupported: bool,
    /// The command and its arguments
    #[arg(last = true, required_unless_present_any = ["books", "unsupported"])]
    command: Vec<OsString>,
}

fn parse_devices(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=MAX_DEVICES).contains(n)).ok_or(format!("accepted is 1 to {MAX_DEVICES}"))
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text)?;
    if bytes <= MAX_MEMORY { Ok(bytes) } else { Err("accepted is less than 1TiB".into()) }
}

fn parse_time(text: &str) -> Result<u64, String> {
    duration_ns(text)
}

fn parse_slice(text: &str) -> Result<u64, String> {
    duration_ns(text)
        .ok()
        .filter(|ns| (MIN_SLICE_NS..=MAX_SLICE_NS).contains(ns))
        .ok_or("accepted is 10us to 1s, such as 2ms".into())
}

fn parse_kernel_model(text: &str) -> Result<KernelModel, String> {
    let lines = std::fs::read_to_string(text).map_err(|error| format!("{text}: {error}"))?;
    KernelModel::parse(&lines).map_err(|error| format!("{text}: {error}"))
}

fn parse_model(text: &str) -> Result<&'static Preset, String> {
    let known: Vec<_> = PRESETS.iter().map(|p| p.key).collect();
    Preset::find(text).ok_or(format!("accepted is {}", known.join(", ")))
}

fn parse_driver(text: &str) -> Result<&'static Driver, String> {
    let known: Vec<_> = DRIVERS.iter().map(|d| d.key).collect();
    DRIVERS.iter().find(|d| d.key == text).ok_or(format!("accepted is {}", known.join(", ")))
}

fn parse_plan(text: &str) -> Result<String, faults::PlanError> {
    text.parse::<faults::Plan>().map(|_| text.to_owned())
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = if options.unsupported {
        print(simulator::UNSUPPORTED)
    } else if options.books {
        books().and_then(|text| print(&text))
    } else {
        launch::run(&options)
    };
    done.unwrap_or_else(|message| {
        eprintln!("simgpu: {message}");
        ExitCode::from(125)
    })
}

fn books() -> Result<String, String> {
    let simulation = client::connect().map_err(|e| e.to_string())?;
    let report = simulation.report().map_err(|e| e.to_string())?;
    serde_json::to_string_pretty(&report).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn print(text: &str) -> Result<ExitCode, String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as `head`, is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}
