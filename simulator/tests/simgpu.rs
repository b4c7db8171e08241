//! The `simgpu` program: exit statuses, signals, environment, options, and what it leaves behind.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use simulator::client::Simulation;
use simulator::client::channel::Command as Task;
use simulator::protocol::Report;
use simulator::timeline::Role;

/// A folder that stands for the built libraries: `simgpu` only looks whether they are there.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("libs")).expect("a folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
        std::fs::write(folder.path().join("libs/libcuda.so.1"), "").expect("a file");
        Self { folder }
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    fn simgpu(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simgpu"));
        command.arg("--libs").arg(self.folder.path().join("libs")).args(arguments);
        command.env_remove(simulator::faults::FAIL_ENV);
        command.env("TMPDIR", self.temporary()).env_remove("LD_LIBRARY_PATH").env_remove(simulator::SOCKET_ENV);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.simgpu(arguments).output().expect("simgpu runs")
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder").next().is_none()
}

#[test]
fn the_exit_status_is_the_commands() {
    let stage = Stage::new();
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        assert_eq!(stage.run(&["--", "sh", "-c", script]).status.code(), Some(status), "{script}");
    }
    let missing = stage.run(&["--", "/no/such/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("'/no/such/program'"));
    assert_eq!(stage.run(&["--", "/etc/passwd"]).status.code(), Some(126));
    assert!(is_empty(&stage.temporary()), "a simulation left files behind");
}

#[test]
fn a_signal_is_passed_on_to_the_command() {
    let stage = Stage::new();
    let script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = stage.simgpu(&["--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().expect("simgpu runs");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    line.clear();
    output.read_to_string(&mut line).expect("the rest");
    assert_eq!((line.as_str(), child.wait().expect("simgpu").code()), ("got it\n", Some(9)));
}

#[test]
fn the_command_starts_with_the_signal_mask_of_simgpu() {
    let stage = Stage::new();
    // Blocked and ignored signals; real-time ones are left out, as the C library sets some of them for itself.
    let masks = |command: &mut Command| -> Vec<u64> {
        let output = command.output().expect("it runs").stdout;
        let text = String::from_utf8_lossy(&output).into_owned();
        let lines = text.lines().filter_map(|line| line.strip_prefix("SigBlk:").or(line.strip_prefix("SigIgn:")));
        lines.map(|mask| u64::from_str_radix(mask.trim(), 16).expect("a mask") & 0x7fff_ffff).collect()
    };
    let plain = masks(Command::new("cat").arg("/proc/self/status"));
    assert_eq!(plain.len(), 2);
    assert_eq!(masks(&mut stage.simgpu(&["--", "cat", "/proc/self/status"])), plain);
}

#[test]
fn the_books_show_the_devices() {
    let stage = Stage::new();
    let program = env!("CARGO_BIN_EXE_simgpu");
    let output = stage.run(&["--devices", "3", "--model", "t4", "--", program, "--books"]);
    let report: Report = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report.devices.len(), 3);
    for device in &report.devices {
        assert_eq!((device.total_bytes, device.used_bytes, device.processes.len()), (15_360 << 20, 0, 0));
    }
    let uuids: std::collections::BTreeSet<_> = report.devices.iter().map(|device| &device.uuid).collect();
    assert_eq!(uuids.len(), 3);
    let again = stage.run(&["--devices", "3", "--model", "T4", "--", program, "--books"]);
    assert_eq!(again.stdout, output.stdout, "identities are the same in every run");
    for size in ["5GiB", "5Gi", "5gb", "5120mb", "0.0048828125T"] {
        let sized = stage.run(&["--memory", size, "--", program, "--books"]);
        let report: Report = serde_json::from_slice(&sized.stdout).expect("JSON");
        assert_eq!(report.devices[0].total_bytes, 5 << 30, "{size}");
    }
}

#[test]
fn the_libraries_come_first_in_the_search_path() {
    let stage = Stage::new();
    let mut command = stage.simgpu(&["--", "sh", "-c", "echo $LD_LIBRARY_PATH"]);
    let output = command.env("LD_LIBRARY_PATH", "/somewhere/else").output().expect("simgpu runs");
    let expected = format!("{}:/somewhere/else\n", stage.folder.path().join("libs").display());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// Not only the shape: what a client with these options is told.
#[test]
fn the_options_of_time_reach_the_clients() {
    let stage = Stage::new();
    let model = stage.folder.path().join("kernels.txt");
    std::fs::write(&model, "mine  3us\n").expect("a file");
    let log = stage.folder.path().join("usage");
    let options = ["--time-slice", "1.5ms", "--switch-time", "0us", "--seed", "7", "--kernel-model"];
    let mut command = stage.simgpu(&options);
    command.arg(&model).arg("--usage-log").arg(&log).args(["--", "sh", "-c", "echo $SIMGPU_SOCKET; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("simgpu runs");
    let mut socket = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut socket).expect("a line");
    let client = Simulation::open_at(Path::new(socket.trim())).expect("a simulation");
    let timing = client.timing();
    assert_eq!((timing.slice_ns, timing.switch_ns, timing.seed), (1_500_000, 0, 7));
    let device = client.device(0);
    assert_eq!(client.kernel_cost("mine").kernel(1, 1, device).ns, 3_000);
    let channel = client.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    queue.submit(&Task::new(client.kernel_cost("mine").kernel(1, 1, device).into())).wait().expect("a simulation");
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("simgpu").code(), Some(1));
    let lines = std::fs::read_to_string(&log).expect("the log");
    let line: serde_json::Value = serde_json::from_str(lines.trim()).expect("one line of JSON");
    assert_eq!(line["pid"], std::process::id());
    assert_eq!((&line["device"], &line["bucket_ns"]), (&0.into(), &10_000_000.into()));
    let busy = line["busy_ns"].as_array().expect("buckets").iter().map(|ns| ns.as_u64().expect("a figure"));
    assert_eq!(busy.sum::<u64>(), 3_000);
}

#[test]
fn bad_input_is_named_and_answered_with_what_is_accepted() {
    let stage = Stage::new();
    for (option, value, accepted) in [
        ("--memory", "5gg", "KiB"),
        ("--memory", "1TiB", "less than 1TiB"),
        ("--memory", "0", "above 0"),
        ("--context-memory", "x", "KiB"),
        ("--devices", "0", "1 to 16"),
        ("--devices", "17", "1 to 16"),
        ("--model", "H1000", "H200, A100-80GB, T4"),
        ("--driver", "470", "550, 535, 580"),
        ("--time-slice", "2", "10us to 1s"),
        ("--time-slice", "1us", "10us to 1s"),
        ("--switch-time", "5 parsecs", "ns, us, ms or s"),
        ("--seed", "x", "invalid digit"),
        ("--kernel-model", "/no/such/file", "No such file"),
        ("--fail", "cuMemAllocate=2", "such as cuMemAlloc_v2@3=2"),
        ("--fail", "cuMemAlloc_v2@0=2", "from 1 on"),
        ("--fail", "cuMemAlloc_v2@1=x", "from 1 to 4294967295"),
    ] {
        let output = stage.run(&[option, value, "--", "true"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
        assert!(message.contains(option) && message.contains(value) && message.contains(accepted), "{message}");
    }
    let model = stage.folder.path().join("kernels.txt");
    std::fs::write(&model, "gemm* 120us # as measured\ngemm 120\n").expect("a file");
    let output = stage.run(&["--kernel-model", &model.to_string_lossy(), "--", "true"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(["kernels.txt: line 2: 'gemm 120'", "such as 20us"].iter().all(|part| message.contains(part)), "{message}");
    let output = stage.run(&["--usage-log", "/no/such/folder/log", "--", "true"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--usage-log /no/such/folder/log: "));
    let outside = stage.run(&["--books"]);
    assert_eq!(outside.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&outside.stderr).contains("SIMGPU_SOCKET"));
    let no_libraries = stage.simgpu(&["--", "true"]).arg("x").env("HOME", "/").output().expect("simgpu runs");
    assert_eq!(no_libraries.status.code(), Some(0), "arguments behind -- are the command's");
}

#[test]
fn unsupported_lists_names_without_behaviour_only() {
    let output = Stage::new().run(&["--unsupported"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.lines().any(|line| line == "libcuda.so.1 cudbgApiInit"), "{text}");
    assert!(text.lines().all(|line| line.starts_with("libcuda.so.1 ") || line.starts_with("libnvidia-ml.so.1 ")));
    for implemented in ["cuMemAlloc_v2", "cuInit", "cuLaunchKernel_ptsz"] {
        assert!(!text.lines().any(|line| line.ends_with(&format!(" {implemented}"))), "{implemented}");
    }
}

#[test]
fn the_failures_reach_the_command_by_the_environment() {
    let stage = Stage::new();
    let echo = ["--", "sh", "-c", "echo $SIMGPU_FAIL"];
    let given = stage.run(&[&["--fail", "cuInit@2=100"][..], &echo].concat());
    assert_eq!(String::from_utf8_lossy(&given.stdout), "cuInit@2=100\n");
    let with = |plan: &str| stage.simgpu(&echo).env("SIMGPU_FAIL", plan).output().expect("simgpu runs");
    assert_eq!(String::from_utf8_lossy(&with("nvmlInit_v2").stdout), "nvmlInit_v2\n");
    assert_eq!(String::from_utf8_lossy(&with("").stdout), "\n");
    let refused = with("nvmlInit_v3");
    assert_eq!((refused.status.code(), &refused.stdout[..]), (Some(125), &b""[..]));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.starts_with("simgpu: SIMGPU_FAIL: 'nvmlInit_v3': "), "{message}");
}
