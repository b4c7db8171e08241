//! Calls that fail because the plan in the environment says so.

use std::process::{Command, Stdio};

use ffi_headers::cuda::*;
use simulator::faults::{DEFAULT_CODE, FAIL_ENV};
use simulator::{EXPORTED, SOCKET_ENV};

use crate::common::{CONTEXT, MIB, lookup};
use crate::{Client, ROLE_ENV, Simulation};

/// Every exported name with a code of its own.
fn names() -> Vec<(&'static str, CUresult)> {
    EXPORTED.lines().filter_map(|line| line.strip_prefix("libcuda.so.1 ")).zip(7000..).collect()
}

fn client(simulation: &Simulation, plan: &str) -> Client {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.env(ROLE_ENV, "obey").env(SOCKET_ENV, simulation.socket()).env(FAIL_ENV, plan);
    Client::spawn(command)
}

pub fn every_function_can_be_made_to_fail() {
    let plan: Vec<_> = names().iter().map(|(name, code)| format!("{name}={code}")).collect();
    assert!(plan.len() > 600);
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.env(ROLE_ENV, "fail").env_remove(SOCKET_ENV).env(FAIL_ENV, plan.join(","));
    assert_eq!(Client::spawn(command).line(), "[]");
}

/// The part of the client above: says which functions did not fail as planned.
pub fn call_all() {
    type Any = extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize, usize, usize, usize) -> CUresult;
    let wrong = names().into_iter().filter(|(name, code)| {
        let address = lookup(name);
        // SAFETY: every function of the library gives a code; those that look at their arguments get zeros, which are null.
        let function: Any = unsafe { std::mem::transmute(address) };
        function(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) != *code
    });
    println!("{:?}", wrong.map(|(name, _)| name).collect::<Vec<_>>());
}

pub fn only_the_planned_calls_fail_and_they_do_nothing() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut client = client(&simulation, "cuMemAlloc_v2@2=46,cuMemAlloc_v2@4+=2,cuMemFree_v2@1");
    let used = || simulation.used() - CONTEXT;
    assert_eq!((client.ask("alloc 100"), used()), (0, 100 * MIB));
    assert_eq!((client.ask("alloc 100"), used()), (46, 100 * MIB));
    assert_eq!((client.ask("alloc 10"), used()), (0, 110 * MIB));
    assert_eq!((client.ask("alloc 10"), used()), (2, 110 * MIB));
    assert_eq!((client.ask("alloc 10"), used()), (2, 110 * MIB));
    // The first of the two is refused, and still there.
    assert_eq!((client.ask("free"), used()), (u64::from(DEFAULT_CODE), 100 * MIB));
    let mut other = Client::start(&simulation.socket(), "obey");
    assert_eq!((other.ask("alloc 10"), other.ask("alloc 10")), (0, 0), "another process has another plan");
}

pub fn a_bad_plan_is_said_once_and_fails_nothing() {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.env(ROLE_ENV, "outside").env_remove(SOCKET_ENV).env(FAIL_ENV, "cuInit=2,cuInitialise");
    let output = command.stdin(Stdio::null()).output().expect("a process");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "init 100 version 12040 count 3\n");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.starts_with("simgpu: SIMGPU_FAIL: 'cuInitialise': "), "{message}");
    assert!(message.ends_with("; no call is made to fail\n") && message.lines().count() == 1, "{message}");
}
