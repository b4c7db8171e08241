//! Real programs, unchanged, on simulated devices. `tests/setup/clients.sh` fetches them.

mod common;

use common::{Simulation, within_ten_seconds};
use std::path::PathBuf;
use std::process::Command;

/// A fetched program; without it the test fails and says what fetches it.
fn client(path: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/clients").join(path);
    assert!(program.exists(), "{} is missing: run tests/setup/clients.sh", program.display());
    program
}

fn printed(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    assert_eq!(errors, "", "{command:?} wrote to stderr");
    text
}

fn nvidia_smi(series: &str, arguments: &[&str]) -> String {
    let simulation = Simulation::start("H200", 2);
    let mut command = simulation.command(client(&format!("nvidia-{series}/nvidia-smi")));
    command.args(arguments);
    printed(command)
}

const SERIES: [&str; 2] = ["535", "550"];

#[test]
fn nvidia_smi_prints_its_table() {
    // The table of 535 has no room for six-digit sizes and cuts them itself.
    for (series, memory) in [("535", "0MiB / 14377... |"), ("550", "0MiB / 143771MiB |")] {
        let table = nvidia_smi(series, &[]);
        assert_eq!(table.matches("NVIDIA H200 ").count(), 2, "{table}");
        assert_eq!(table.matches(memory).count(), 2, "{table}");
        assert!(table.contains("550.163.01"), "{table}");
        assert!(!table.contains("ERR!") && !table.contains("Unknown"), "{table}");
    }
}

#[test]
fn nvidia_smi_answers_queries() {
    for series in SERIES {
        let fields = "--query-gpu=memory.total,memory.used,memory.free,name,utilization.gpu";
        let csv = nvidia_smi(series, &[fields, "--format=csv,noheader"]);
        assert_eq!(csv, "143771 MiB, 0 MiB, 143771 MiB, NVIDIA H200, 0 %\n".repeat(2));
        let list = nvidia_smi(series, &["-L"]);
        assert_eq!(list.matches("NVIDIA H200 (UUID: GPU-").count(), 2, "{list}");
    }
}

/// The variable is for CUDA alone.
#[test]
fn cuda_visible_devices_hides_no_device_here() {
    let simulation = Simulation::start("H200", 2);
    for list in ["1", "", "-1"] {
        let mut command = simulation.command(client("nvidia-550/nvidia-smi"));
        let query = ["--query-gpu=index,pci.bus_id", "--format=csv,noheader"];
        command.env("CUDA_VISIBLE_DEVICES", list).args(query);
        assert_eq!(printed(command), "0, 00000000:18:00.0\n1, 00000000:22:00.0\n", "{list:?}");
    }
}

#[test]
fn nvidia_smi_prints_its_long_reports() {
    for series in SERIES {
        let report = nvidia_smi(series, &["-q"]);
        assert_eq!(report.matches("Total                             : 143771 MiB").count(), 2, "{report}");
        assert!(!report.contains("Unknown Error") && !report.contains("ERR!"), "{report}");
        let memory = nvidia_smi(series, &["-q", "-d", "MEMORY"]);
        assert_eq!(memory.matches("FB Memory Usage").count(), 2, "{memory}");
        let xml = nvidia_smi(series, &["-q", "-x"]);
        assert_eq!(xml.matches("<total>143771 MiB</total>").count(), 2, "{xml}");
        assert!(xml.trim_end().ends_with("</nvidia_smi_log>"), "{xml}");
    }
}

#[test]
fn nvidia_ml_py_reads_memory_processes_and_utilisation() {
    let simulation = Simulation::start("A100-80GB", 1);
    let mut command = simulation.command(client("venv/bin/python"));
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/nvidia_ml.py"));
    assert_eq!(printed(command), "NVIDIA A100-SXM4-80GB 81920 MiB\n");
}

#[test]
fn nvml_wrapper_reads_a_device() {
    common::inside("nvml_wrapper_reads_a_device", "T4", 1, |_| {
        let nvml = nvml_wrapper::Nvml::builder().lib_path(common::library().as_os_str()).init().expect("init");
        assert_eq!(nvml.device_count().expect("count"), 1);
        let device = nvml.device_by_index(0).expect("device");
        assert_eq!(device.name().expect("name"), "Tesla T4");
        let memory = device.memory_info().expect("memory");
        assert_eq!((memory.total, memory.used), (15_360 << 20, 0));
        assert!(device.running_compute_processes().expect("processes").is_empty());
        assert_eq!(device.utilization_rates().expect("utilisation").gpu, 0);
        assert_eq!(device.brand().expect("brand"), nvml_wrapper::enum_wrappers::device::Brand::Nvidia);
        assert_eq!(device.pci_info().expect("pci").bus, 0x18);
        let fan = device.fan_speed(0);
        assert!(matches!(fan, Err(nvml_wrapper::error::NvmlError::NotSupported)), "{fan:?}");
    });
}

/// nvtop draws on a terminal: tmux is one.
#[test]
fn nvtop_shows_the_device() {
    let simulation = Simulation::start("H200", 2);
    let socket = simulation.folder().join("tmux");
    let tmux = |arguments: &[&str]| {
        let mut command = simulation.command("tmux");
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").arg("-S").arg(&socket).args(arguments);
        command.output().expect("tmux (tests/setup/packages.sh installs it)")
    };
    let nvtop = client("nvtop/nvtop");
    let started =
        tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "40", nvtop.to_str().expect("UTF-8")]);
    assert!(started.status.success(), "{started:?}");
    let screen = || String::from_utf8_lossy(&tmux(&["capture-pane", "-p"]).stdout).into_owned();
    let shown = within_ten_seconds(|| {
        let screen = screen();
        (screen.matches("NVIDIA H200").count() >= 2 && screen.contains("140.401Gi")).then_some(())
    });
    let last = screen();
    tmux(&["kill-server"]);
    assert!(shown.is_some(), "both devices and their memory are not shown; last screen:\n{last}");
}
