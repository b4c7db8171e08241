//! Several processes on one simulation: races, deaths, stops, forks, and the end of the simulation.
//!
//! A harness of its own, since the tests start this program again in the role of a client.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers; forks.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod peer;
mod roles;
mod sharing;
mod slices;
mod visible;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{CONTEXT, MIB, PAGE, describe, start_described};
use ffi_headers::cuda::*;
use simulator::SOCKET_ENV;
use simulator::device::Description;
use simulator::protocol::Report;
use simulator::server::Server;

const ROLE_ENV: &str = "SIMULATOR_TEST_ROLE";

const TESTS: &[(&str, fn())] = &[
    ("without_a_simulation_there_is_no_device", without_a_simulation_there_is_no_device),
    ("sigkill_returns_the_memory", sigkill_returns_the_memory),
    ("a_stopped_process_holds_nobody_up", a_stopped_process_holds_nobody_up),
    ("racing_processes_get_exactly_what_fits", racing_processes_get_exactly_what_fits),
    ("kills_at_random_points_lose_no_page", kills_at_random_points_lose_no_page),
    ("a_fork_has_no_driver_and_keeps_the_memory", a_fork_has_no_driver_and_keeps_the_memory),
    ("the_end_of_the_simulation_is_an_error_and_no_hang", the_end_of_the_simulation_is_an_error_and_no_hang),
    ("devices_have_books_of_their_own", devices_have_books_of_their_own),
    ("the_variable_selects_and_orders_devices", visible::the_variable_selects_and_orders_devices),
    ("ordinals_stand_for_the_devices_selected", visible::ordinals_stand_for_the_devices_selected),
    ("every_function_can_be_made_to_fail", faults::every_function_can_be_made_to_fail),
    ("only_the_planned_calls_fail_and_they_do_nothing", faults::only_the_planned_calls_fail_and_they_do_nothing),
    ("a_bad_plan_is_said_once_and_fails_nothing", faults::a_bad_plan_is_said_once_and_fails_nothing),
    ("exported_memory_is_shared_and_counted_once", sharing::exported_memory_is_shared_and_counted_once),
    (
        "a_process_that_imports_its_own_memory_has_one_handle_more",
        sharing::a_process_that_imports_its_own_memory_has_one_handle_more,
    ),
    (
        "a_killed_exporter_leaves_shared_memory_to_an_importer",
        sharing::a_killed_exporter_leaves_shared_memory_to_an_importer,
    ),
    ("a_killed_importer_changes_nothing_for_the_exporter", sharing::a_killed_importer_changes_nothing_for_the_exporter),
    ("an_open_descriptor_keeps_memory_that_is_nobodys", sharing::an_open_descriptor_keeps_memory_that_is_nobodys),
    ("a_descriptor_is_inherited", sharing::a_descriptor_is_inherited),
    ("fabric_handles_are_bytes", sharing::fabric_handles_are_bytes),
    ("host_memory_is_shared_and_takes_no_page", sharing::host_memory_is_shared_and_takes_no_page),
    ("memory_of_cumemalloc_is_shared_by_64_bytes", sharing::memory_of_cumemalloc_is_shared_by_64_bytes),
    ("an_opened_handle_outlives_the_exporters_free", sharing::an_opened_handle_outlives_the_exporters_free),
    ("small_allocations_share_their_block", sharing::small_allocations_share_their_block),
    ("pools_are_shared_pointer_by_pointer", sharing::pools_are_shared_pointer_by_pointer),
    ("events_are_shared", sharing::events_are_shared),
    ("a_multicast_team_spans_processes", sharing::a_multicast_team_spans_processes),
    ("kills_among_sharers_lose_no_page", sharing::kills_among_sharers_lose_no_page),
    ("processes_take_turns_on_a_device", slices::processes_take_turns_on_a_device),
    ("an_endless_kernel_delays_others_by_slices", slices::an_endless_kernel_delays_others_by_slices),
    ("work_ends_with_its_process_and_not_with_a_stop", slices::work_ends_with_its_process_and_not_with_a_stop),
    ("kernels_of_two_processes_meet_on_one_device", slices::kernels_of_two_processes_meet_on_one_device),
    ("scarce_addresses_still_hold_all_the_memory", scarce_addresses_still_hold_all_the_memory),
    ("fewer_addresses_than_memory_leave_a_part_usable", fewer_addresses_than_memory_leave_a_part_usable),
    ("a_process_keeps_addresses_for_itself", a_process_keeps_addresses_for_itself),
    ("too_few_addresses_are_an_error", too_few_addresses_are_an_error),
];

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE_ENV) {
        return roles::play(&role);
    }
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = 0;
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            let passed = std::panic::catch_unwind(test).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed += u8::from(!passed);
        }
    }
    ExitCode::from(u8::from(failed > 0))
}

/// A simulation of the test, and a look at its true state.
struct Simulation {
    server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Simulation {
    fn new(devices: usize, memory: u64) -> Self {
        Self::described(describe(devices, Some(memory)))
    }

    fn described(description: Description) -> Self {
        let (server, folder) = start_described(description);
        Self { server: Some(server), folder }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    /// The true state, asked by a process of its own.
    fn report(&self) -> Report {
        let mut reporter = Client::start(&self.socket(), "report");
        serde_json::from_str(&reporter.line()).expect("a report")
    }

    fn used(&self) -> u64 {
        self.report().devices[0].used_bytes
    }
}

/// A process of this program in some role. Killed when dropped.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(socket: &Path, role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.env(ROLE_ENV, role).env(SOCKET_ENV, socket);
        Self::spawn(command)
    }

    /// With CUDA_VISIBLE_DEVICES as given, or without it.
    fn start_with_visible(socket: &Path, role: &str, visible: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.env(ROLE_ENV, role).env(SOCKET_ENV, socket).env_remove(visible::VARIABLE);
        command.envs(visible.map(|list| (visible::VARIABLE, list)));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the client listens");
    }

    /// Says `line` and reads the answer as a number.
    fn ask(&mut self, line: &str) -> u64 {
        self.say(line);
        self.line().parse().expect("a number")
    }

    fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that has not been waited for, so the id is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A child that has ended already is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn without_a_simulation_there_is_no_device() {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.env(ROLE_ENV, "outside").env_remove(SOCKET_ENV);
    assert_eq!(Client::spawn(command).line(), "init 100 version 12040 count 3");
    let mut unreachable = Client::start(Path::new("/nonexistent/socket"), "outside");
    assert_eq!(unreachable.line(), "init 46 version 12040 count 3");
}

fn sigkill_returns_the_memory() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut client = Client::start(&simulation.socket(), "obey");
    assert_eq!(client.ask("alloc 500"), 0);
    let report = simulation.report();
    assert_eq!(report.devices[0].processes.len(), 1);
    let process = &report.devices[0].processes[0];
    assert_eq!((process.pid, process.contexts, process.used_bytes), (client.child.id(), 1, CONTEXT + 500 * MIB));
    client.signal(libc::SIGKILL);
    client.child.wait().expect("the child");
    assert_eq!(simulation.used(), 0);
    let mut next = Client::start(&simulation.socket(), "obey");
    assert_eq!(next.ask("alloc 900"), 0);
}

fn a_stopped_process_holds_nobody_up() {
    let simulation = Simulation::new(1, 2 << 30);
    let mut stopped = Client::start(&simulation.socket(), "obey");
    // Leaves more credit with the process than it uses.
    assert_eq!(stopped.ask("alloc 1000"), 0);
    assert_eq!(stopped.ask("free"), 0);
    stopped.signal(libc::SIGSTOP);
    let mut status = 0;
    // SAFETY: waits for a child of ours to stop.
    assert!(unsafe { libc::waitpid(stopped.child.id() as i32, &mut status, libc::WUNTRACED) } > 0);
    assert!(libc::WIFSTOPPED(status));
    let mut other = Client::start(&simulation.socket(), "obey");
    let free = 2048 - 2 * (CONTEXT / MIB);
    assert_eq!(other.ask(&format!("alloc {}", free + 2)), u64::from(CUDA_ERROR_OUT_OF_MEMORY));
    assert_eq!(other.ask(&format!("alloc {free}")), 0);
    assert_eq!(simulation.used(), 2 << 30);
    stopped.signal(libc::SIGCONT);
    assert_eq!(stopped.ask("alloc 2"), u64::from(CUDA_ERROR_OUT_OF_MEMORY));
    assert_eq!(other.ask("free"), 0);
    assert_eq!(stopped.ask("alloc 1000"), 0);
}

fn racing_processes_get_exactly_what_fits() {
    const PROCESSES: u64 = 8;
    const PIECE: u64 = 24;
    let memory = 3 << 30;
    let simulation = Simulation::new(1, memory);
    let mut clients: Vec<_> = (0..PROCESSES).map(|_| Client::start(&simulation.socket(), "obey")).collect();
    // Every context exists before the race.
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("ready"), 0));
    let expected = (memory - PROCESSES * CONTEXT) / (PIECE * MIB);
    for round in 0..50 {
        clients.iter_mut().for_each(|client| client.say(&format!("fill {PIECE}")));
        let got: u64 = clients.iter_mut().map(|client| client.line().parse::<u64>().expect("a number")).sum();
        assert_eq!(got, expected, "round {round}");
        assert_eq!(simulation.used(), PROCESSES * CONTEXT + got * PIECE * MIB, "round {round}");
        clients.iter_mut().for_each(|client| assert_eq!(client.ask("free"), 0));
    }
}

fn kills_at_random_points_lose_no_page() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut survivor = Client::start(&simulation.socket(), "obey");
    assert_eq!(survivor.ask("alloc 100"), 0);
    // The delay picks the moment of death, which differs from run to run anyway; no condition hangs on it. A third of the
    // victims may die before they are connected.
    for step in 0..150u64 {
        let mut victim = Client::start(&simulation.socket(), "churn");
        if step % 3 > 0 {
            assert_eq!(victim.line(), "started");
        }
        std::thread::sleep(Duration::from_micros(step * 6367 % 5_000));
        victim.signal(libc::SIGKILL);
        drop(victim);
        assert_eq!(simulation.used(), CONTEXT + 100 * MIB, "after kill {step}");
    }
    assert_eq!(survivor.ask(&format!("alloc {}", 1024 - 100 - CONTEXT / MIB)), 0);
}

fn a_fork_has_no_driver_and_keeps_the_memory() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut parent = Client::start(&simulation.socket(), "fork");
    assert_eq!(parent.line(), "child: init 3 alloc 3 current 3");
    assert_eq!(parent.line(), "parent: alloc 0");
    // The parent has ended, its fork has not: the connection is still open.
    assert_eq!(parent.child.wait().expect("the parent").code(), Some(0));
    assert_eq!(simulation.used(), CONTEXT + 4 * PAGE);
    parent.say("end");
    until("the fork ends", || simulation.used() == 0);
}

fn the_end_of_the_simulation_is_an_error_and_no_hang() {
    let mut simulation = Simulation::new(1, 1 << 30);
    let mut client = Client::start(&simulation.socket(), "obey");
    assert_eq!(client.ask("alloc 100"), 0);
    simulation.server = None;
    assert_eq!(client.ask("alloc 500"), u64::from(CUDA_ERROR_DEVICE_UNAVAILABLE));
    assert_eq!(client.ask("free"), 0);
}

fn devices_have_books_of_their_own() {
    let simulation = Simulation::new(2, 1 << 30);
    let mut client = Client::start(&simulation.socket(), "obey");
    assert_eq!(client.ask("alloc 100"), 0);
    assert_eq!(client.ask("device 1"), 0);
    assert_eq!(client.ask("alloc 300"), 0);
    let used: Vec<_> = simulation.report().devices.iter().map(|device| device.used_bytes).collect();
    assert_eq!(used, [CONTEXT + 100 * MIB, CONTEXT + 300 * MIB]);
}

/// The answers of a process to which the kernel gives `addresses` MiB of them: cuInit, then an allocation of `mebibytes`, then
/// whether 512 MiB of the host can be had.
fn cramped(simulation: &Simulation, addresses: u64, mebibytes: u64) -> Vec<u32> {
    let mut client = Client::start(&simulation.socket(), "cramped");
    client.say(&format!("{} {mebibytes}", addresses * MIB));
    let answers = client.line();
    answers.split(' ').map(|word| word.parse().expect("a number")).collect()
}

fn scarce_addresses_still_hold_all_the_memory() {
    // The usual reservation is four times the memory, of both devices.
    let simulation = Simulation::new(2, 8 << 30);
    assert_eq!(cramped(&simulation, 20 << 10, 8192 - CONTEXT / MIB), [CUDA_SUCCESS, CUDA_SUCCESS, 1]);
}

fn fewer_addresses_than_memory_leave_a_part_usable() {
    let simulation = Simulation::new(1, 8 << 30);
    assert_eq!(cramped(&simulation, 6 << 10, 3 << 10), [CUDA_SUCCESS, CUDA_SUCCESS, 1]);
    assert_eq!(cramped(&simulation, 6 << 10, 7 << 10), [CUDA_SUCCESS, CUDA_ERROR_OUT_OF_MEMORY, 1]);
    assert_eq!(simulation.used(), 0);
}

fn a_process_keeps_addresses_for_itself() {
    let simulation = Simulation::new(1, 8 << 30);
    // Half of the memory would fit, with next to nothing left.
    assert_eq!(cramped(&simulation, 4608, 1 << 10), [CUDA_SUCCESS, CUDA_SUCCESS, 1]);
}

fn too_few_addresses_are_an_error() {
    let simulation = Simulation::new(1, 8 << 30);
    assert_eq!(cramped(&simulation, 1 << 10, 1), [CUDA_ERROR_OPERATING_SYSTEM]);
}

/// Waits for a condition; fails after ten seconds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        std::thread::yield_now();
    }
}
