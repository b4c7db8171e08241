//! Limits that change while a program runs: they hold from its next call on, and what cannot be read grants nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program};
use hami_tests::{Output, Program, Run, Running, Tenant, artefacts, poll_until};
use shared_region::Access;
use shared_region::limits::{Limit, LimitsWriter, path_of};

const GIB: u64 = 1 << 30;
/// What tells a file of limits from others.
const HEAD: usize = 32;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The demo's program, which takes orders and answers each by a line.
struct Holder {
    orders: File,
    answers: usize,
    running: Running,
    _program: Program,
}

impl Holder {
    fn start(tenant: &Tenant, memory: &str) -> Holder {
        let libcuda = artefacts::built("simgpu-libs/libcuda.so.1");
        let libcuda = libcuda.to_str().expect("a path in UTF-8");
        let program = Program::gcc(include_str!("../../demo/holder.c"), &[libcuda, "-Wl,--allow-shlib-undefined"]);
        let fifo = tenant.region().with_extension("orders");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
        // For reading as well: the end does not wait for the other one.
        let orders = OpenOptions::new().read(true).write(true).open(&fifo).expect("a pipe");
        let run = Run::new("sh").args(["-c", "exec \"$0\" <\"$1\""]).arg(program.path()).arg(&fifo);
        let run = tenant.hold(run).env(MEMORY_LIMIT, memory).simulated(["--memory", "16g"]);
        Holder { orders, answers: 0, running: run.start(), _program: program }
    }

    fn order(&mut self, order: &str) -> String {
        self.orders.write_all(format!("{order}\n").as_bytes()).expect("the program reads");
        let answers = || self.running.stdout().lines().map(str::to_owned).collect::<Vec<_>>();
        poll_until(order, PATIENCE, || answers().len() > self.answers);
        self.answers += 1;
        answers().swap_remove(self.answers - 1)
    }

    /// Free and total bytes, as the program is shown them.
    fn info(&mut self) -> (u64, u64) {
        let answer = self.order("info");
        let (free, total) = answer.split_once(' ').unwrap_or_else(|| panic!("no figures: {answer}"));
        (free.parse().expect("a number"), total.parse().expect("a number"))
    }

    fn end(self) -> Output {
        drop(self.orders);
        self.running.finish().succeeded()
    }
}

/// Memory as the only limit; 0 is none.
fn memory(bytes: u64) -> Limit {
    Limit { memory: Some(bytes), ..Limit::default() }
}

const OUT_OF_MEMORY: &str = "CUDA_ERROR_OUT_OF_MEMORY";

#[test]
fn a_quota_changes_both_ways_under_a_running_program() {
    let tenant = Tenant::new("");
    let limits = LimitsWriter::create(&tenant.region(), Access::default()).expect("a file of limits");
    let mut holder = Holder::start(&tenant, "4g");
    assert_eq!(holder.info().1, 4 * GIB, "the file says nothing: the environment counts");
    limits.set(None, memory(2 * GIB)).expect("a limit");
    assert_eq!(holder.info().1, 2 * GIB);
    assert_eq!(holder.order("take 3000"), OUT_OF_MEMORY);
    limits.set(None, memory(8 * GIB)).expect("a limit");
    assert_eq!(holder.order("take 3000"), "granted");
    let (free, total) = holder.info();
    assert!(total == 8 * GIB && free <= total - (3000 << 20), "{free} of {total}");

    limits.set(None, memory(GIB)).expect("a limit");
    assert_eq!(holder.info(), (0, GIB), "what it has it keeps");
    assert_eq!(holder.order("take 1"), OUT_OF_MEMORY);
    assert_eq!(holder.order("check"), "intact");

    limits.set(None, memory(0)).expect("a limit");
    assert!(holder.info().1 > 15 * GIB, "0 is no limit");
    assert_eq!(holder.order("take 4000"), "granted");
    limits.clear(None).expect("no limit");
    assert_eq!(holder.info(), (0, 4 * GIB), "the environment counts again, and all that was taken");
    assert_eq!(holder.end().stderr, "");
}

#[test]
fn a_program_that_began_without_a_limit_is_held_to_one_that_comes() {
    let tenant = Tenant::new("");
    let limits = LimitsWriter::create(&tenant.region(), Access::default()).expect("a file of limits");
    let mut holder = Holder::start(&tenant, "");
    let (_, whole) = holder.info();
    assert!(whole > 15 * GIB, "{whole}");
    assert_eq!(holder.order("take 1500"), "granted");
    limits.set(None, memory(2 * GIB)).expect("a limit");
    let (free, total) = holder.info();
    assert!(total == 2 * GIB && free < 548 << 20, "what it took before counts: {free} of {total}");
    assert_eq!(holder.order("take 600"), OUT_OF_MEMORY);
    limits.set(None, memory(0)).expect("no limit");
    assert_eq!(holder.order("take 600"), "granted");
    assert_eq!(holder.info().1, whole);
    assert_eq!(holder.end().stderr, "");
}

#[test]
fn a_limit_on_compute_alone_leaves_memory_as_it_is() {
    let client = cuda_program("client");
    let steps = ["init", "total", "retain", "current", "create2", "alloc", "a", "5000m", "info", "free", "a", "info"];
    let run = || Run::new(client.path()).args(steps);
    let native = run().simulated([] as [&str; 0]).output().succeeded();
    assert!(native.stdout.contains("alloc a 5000m = 0"), "{native}");
    let tenant = Tenant::new("");
    let limited = tenant.hold(run()).env("CUDA_DEVICE_SM_LIMIT", "30").simulated([] as [&str; 0]).output();
    limited.same_as(&native);
    assert!(tenant.region().exists(), "the cap is there");
}

#[test]
fn without_a_file_of_limits_an_unlimited_program_has_no_region() {
    let tenant = Tenant::new("");
    let mut holder = Holder::start(&tenant, "");
    assert_eq!(holder.order("take 100"), "granted");
    assert!(!tenant.region().exists());
    assert_eq!(holder.end().stderr, "");
}

#[test]
fn limits_that_become_unreadable_grant_nothing_until_they_are_mended() {
    let tenant = Tenant::new("");
    let limits = LimitsWriter::create(&tenant.region(), Access::default()).expect("a file of limits");
    limits.set(None, memory(4 * GIB)).expect("a limit");
    let mut holder = Holder::start(&tenant, "");
    assert_eq!(holder.order("take 100"), "granted");
    let file = OpenOptions::new().read(true).write(true).open(path_of(&tenant.region())).expect("the file");
    let good = std::fs::read(path_of(&tenant.region())).expect("the file");
    // Behind what says what the file is.
    file.write_all_at(&vec![0xa5; good.len() - HEAD], HEAD as u64).expect("the file takes it");
    assert_eq!(holder.order("take 1"), OUT_OF_MEMORY);
    assert_eq!(holder.info(), (0, 0));
    assert_eq!(holder.order("check"), "intact");
    file.write_all_at(&good, 0).expect("the file takes it");
    assert_eq!(holder.order("take 100"), "granted");
    assert_eq!(holder.info().1, 4 * GIB);
    let output = holder.end();
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains(path_of(&tenant.region()).to_str().expect("UTF-8")), "{output}");
}

/// Runs the client with this region, whose limits cannot be read, and checks that nothing is granted, and that one line names them.
fn limits_refused(client: &Path, region: &Path, environment: (&str, &str), why: &str) {
    let run = Run::new(client).preloaded().env(environment.0, environment.1).env(REGION, region);
    let output = run.args(["init", "retain", "exit", "7"]).simulated([] as [&str; 0]).output();
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), "init = 0\nretain = 2\n"), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    for word in [path_of(region).to_str().expect("UTF-8"), why, "no device memory is granted"] {
        assert!(output.stderr.contains(word), "not named: {word}: {output}");
    }
}

#[test]
fn limits_that_cannot_be_read_grant_nothing_and_are_named() {
    let client = cuda_program("client");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let region = folder.path().join("region");
    for environment in [(MEMORY_LIMIT, "4g"), ("CUDA_DEVICE_SM_LIMIT", "30"), (MEMORY_LIMIT, "")] {
        std::fs::write(path_of(&region), [0xa5; 8192]).expect("a file");
        limits_refused(&client.path(), &region, environment, "not a");
        std::fs::remove_file(path_of(&region)).expect("the file");
        std::fs::create_dir(path_of(&region)).expect("a folder");
        limits_refused(&client.path(), &region, environment, "not a regular file");
        std::fs::remove_dir(path_of(&region)).expect("the folder");
    }
}
