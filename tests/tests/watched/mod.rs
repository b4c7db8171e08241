//! A run of a program under a quota while an NVML client outside of the quota watches the devices.

use hami_tests::audit::figure;
use hami_tests::tenant::{program, with_books};
use hami_tests::{Output, Program, Run, Tenant, artefacts};

/// Compiles `tests/programs/watch.c`, which runs another program and watches.
fn watch() -> Program {
    let library = |name: &str| artefacts::built(name).to_str().expect("a path in UTF-8").to_owned();
    let (driver, nvml) = (library("simgpu-libs/libcuda.so.1"), library("simgpu-libs/libnvidia-ml.so.1"));
    program("watch", &[&driver, &nvml])
}

/// Runs the client, watched, as the tenant; the last lines of its output are the watcher's.
pub fn watched(tenant: &Tenant, client: &Program, arguments: &[&str], simulation: &[&str]) -> Output {
    let watch = watch();
    let run = tenant.hold(with_books(Run::new(watch.path()))).arg(client.path()).args(arguments);
    let output = run.simulated(simulation).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output
}

/// Most bytes that the watcher saw in use on a device.
pub fn most(output: &Output, device: u32) -> u64 {
    let start = format!("device {device} most ");
    let line = output.stdout.lines().find(|line| line.starts_with(&start));
    figure(line.unwrap_or_else(|| panic!("no line {start:?}: {output}")), "most")
}
