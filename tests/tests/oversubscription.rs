//! `CUDA_OVERSUBSCRIBE`: a quota over the device's memory; what does not fit comes from the host. And `ACTIVE_OOM_KILLER`.

use std::os::unix::process::ExitStatusExt;

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::cuda_program;
use hami_tests::{Output, Run, Tenant, artefacts};

const OVERSUBSCRIBE: &str = "CUDA_OVERSUBSCRIBE";
/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96;

/// Runs steps of `kinds` on a device of 1 GiB under a quota of 2 GiB, with this value of `CUDA_OVERSUBSCRIBE`.
fn run(value: &str, steps: &str) -> Output {
    let tenant = Tenant::new("2g");
    let words = ["--audit", "start"].into_iter().chain(steps.split(' '));
    let client = cuda_program("kinds");
    let run = Run::new(client.path()).args(words).env("SIMGPU", artefacts::simgpu());
    tenant.hold(run).env(OVERSUBSCRIBE, value).simulated(["--memory", "1g"]).output()
}

/// Of each step but the first: its result, and bytes in use and in all as the program is shown, in MiB.
fn shown(output: &Output) -> Vec<(i64, u64, u64)> {
    let lines = output.stdout.lines().filter(|line| line.contains(" = ")).skip(1);
    let result = |line: &str| line.split(" = ").nth(1)?.split(' ').next()?.parse().ok();
    lines
        .map(|line| {
            (result(line).expect("a result"), figure(line, "view") / MIB - CONTEXT, figure(line, "total") / MIB)
        })
        .collect()
}

#[test]
fn what_does_not_fit_comes_from_the_host_and_counts() {
    let steps = "alloc a 700M alloc b 700M fill b 700M alloc c 600M alloc d 500M free a free b free d";
    let output = run("true", steps).succeeded();
    let found = shown(&output);
    let expected = [(0, 700), (0, 1400), (0, 1400), (2, 1400), (0, 1900), (0, 1200), (0, 500), (0, 0)];
    assert_eq!(found, expected.map(|(result, used)| (result, used, 2048)), "{output}");
    assert_eq!(output.stderr.matches("come from the host's memory").count(), 1, "said once: {output}");
    // The device itself never gives more than it has.
    for line in output.stdout.lines().filter(|line| line.contains(" = ")) {
        assert!(figure(line, "device") <= 1024 * MIB, "{line}");
    }
}

#[test]
fn pitched_memory_spills_and_what_has_no_form_on_the_host_does_not() {
    let output = run("1", "alloc a 900M pitch p 1000 300000 mem m 100M async s 100M free p").succeeded();
    let found: Vec<_> = shown(&output).into_iter().map(|(result, used, _)| (result, used)).collect();
    // 300,000 rows of 1,024 bytes.
    assert_eq!(found, [(0, 900), (0, 1194), (2, 1194), (2, 1194), (0, 900)], "{output}");
    assert!(output.stdout.contains("pitch 1024\n"), "{output}");
}

#[test]
fn without_it_a_quota_over_the_device_counts_as_the_device() {
    for value in ["", "false", "0"] {
        let output = run(value, "alloc a 700M alloc b 700M").succeeded();
        assert_eq!(shown(&output), [(0, 700, 1024), (2, 700, 1024)], "{output}");
        assert_eq!(output.stderr, "", "{output}");
    }
}

#[test]
fn a_value_that_cannot_be_read_grants_nothing() {
    let output = run("perhaps", "alloc a 1M");
    assert!(!output.status.success(), "{output}");
    assert!(output.stderr.contains("CUDA_OVERSUBSCRIBE=\"perhaps\""), "{output}");
    assert!(output.stderr.contains("accepted are true, 1, false and 0"), "{output}");
}

#[test]
fn nvidia_smi_shows_the_quota_that_is_over_the_device() {
    let smi = artefacts::repository().join("target/clients/nvidia-550/nvidia-smi");
    let query = ["--query-gpu=memory.total,memory.used,memory.free", "--format=csv,noheader"];
    let tenant = Tenant::new("2g");
    let output =
        tenant.hold(Run::new(smi).args(query)).env(OVERSUBSCRIBE, "true").simulated(["--memory", "1g"]).output();
    assert_eq!(output.succeeded().stdout, "2048 MiB, 0 MiB, 2048 MiB\n");
}

#[test]
fn a_request_over_the_quota_ends_the_process_only_where_that_is_asked_for() {
    let client = cuda_program("kinds");
    for (value, signal) in [("", None), ("false", None), ("true", Some(9)), ("1", Some(9))] {
        let tenant = Tenant::new("1g");
        let script = Run::new("sh").args(["-c", "\"$0\" start alloc a 100M alloc b 1g alloc c 1M; echo status $?"]);
        let run = tenant.hold(script.arg(client.path())).env("ACTIVE_OOM_KILLER", value);
        let output = run.simulated([] as [&str; 0]).output();
        assert_eq!(output.status.signal(), None, "{output}");
        let ended = signal.map_or(0, |signal| 128 + signal);
        assert!(output.stdout.contains(&format!("status {ended}\n")), "{value:?}: {output}");
        assert_eq!(output.stderr.contains("ACTIVE_OOM_KILLER"), signal.is_some(), "{value:?}: {output}");
    }
}

#[test]
fn a_region_that_cannot_be_opened_ends_no_process() {
    let client = cuda_program("kinds");
    let run = Run::new(client.path()).args(["start"]).preloaded().env("CUDA_DEVICE_MEMORY_LIMIT", "1g");
    let run = run.env("CUDA_DEVICE_MEMORY_SHARED_CACHE", "/nowhere/region").env("ACTIVE_OOM_KILLER", "true");
    let output = run.simulated([] as [&str; 0]).output();
    assert_eq!(output.status.code(), Some(1), "{output}");
    assert!(output.stderr.contains("/nowhere/region") && !output.stderr.contains("ACTIVE_OOM_KILLER"), "{output}");
}
