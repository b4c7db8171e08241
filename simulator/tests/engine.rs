//! The devices at work in real time: what clients submit through their channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use simulator::client::channel::{Command, Queue, SharedState, Ticket};
use simulator::client::{Simulation, monotonic_ns};
use simulator::presets::{DRIVERS, PRESETS};
use simulator::protocol::Contents;
use simulator::server::Server;
use simulator::timeline::{FOREVER, FULL_WIDTH, Kernel, Role, Work};

struct Bench {
    folder: tempfile::TempDir,
    _server: Server,
}

impl Bench {
    fn new(devices: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let description = PRESETS[0].describe(devices, None, &DRIVERS[0], 0);
        let server = Server::start(&folder.path().join("socket"), description).expect("a server");
        Self { folder, _server: server }
    }

    fn client(&self) -> Simulation {
        Simulation::open_at(&self.folder.path().join("socket")).expect("a simulation")
    }
}

fn kernel(us: u64) -> Work {
    Work::Kernel(Kernel { ns: us * 1000, width: FULL_WIDTH, jitter_percent: 0, meet: None })
}

fn end(ticket: &Ticket) -> u64 {
    ticket.wait().expect("a simulation");
    ticket.end().expect("reached")
}

/// The ticket of the last of `count` kernels.
fn submit_many(queue: &Queue, count: usize, us: u64) -> Ticket {
    for _ in 1..count {
        queue.submit(&Command::new(kernel(us)));
    }
    queue.submit(&Command::new(kernel(us)))
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn kernels_take_their_time_and_ends_do_not_change() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let context = channel.context(0);
    let queue = channel.queue(context, Role::Blocking);
    let begin = queue.submit(&Command::new(Work::Marker));
    let kernels: Vec<_> = (0..3000).map(|_| queue.submit(&Command::new(kernel(20)))).collect();
    let last = queue.submit(&Command::new(Work::Marker));
    let (from, to) = (end(&begin), end(&last));
    assert!(to <= monotonic_ns());
    // Nothing else runs: they follow each other, except where the submissions fell behind.
    let ends: Vec<_> = kernels.iter().map(end).collect();
    assert!(ends.windows(2).all(|pair| pair[1] - pair[0] >= 20_000));
    assert!(to - from >= 3000 * 20_000, "{} ns", to - from);
    assert_eq!(ends, kernels.iter().map(end).collect::<Vec<_>>());
    drop(queue);
    eventually("the books have it all", || client.report().expect("a report").devices[0].busy_ns == 3000 * 20_000);
}

#[test]
fn two_clients_take_turns_and_the_books_add_up() {
    let bench = Bench::new(1);
    let clients = [bench.client(), bench.client()];
    let (_, contents) = clients[0].share(Contents::Cell { number: 0 }, vec![], None).expect("a cell");
    let Contents::Cell { number } = contents else { panic!("{contents:?}") };
    let queues = clients.each_ref().map(|client| {
        let channel = client.channel().expect("a channel");
        channel.queue(channel.context(0), Role::Blocking)
    });
    // Both begin at the same moment, with all their work at hand.
    let gate = queues[0].submit(&Command::new(Work::Gate));
    let record = queues[0].record_shared(number, &[]);
    let SharedState::Pending(mark) = clients[1].shared_event(number) else { panic!("not pending") };
    queues[1].submit(&Command::new(Work::Marker).shared_after(mark));
    let tickets = queues.each_ref().map(|queue| submit_many(queue, 400, 100));
    gate.finish();
    let start = end(&record);
    let ends = tickets.each_ref().map(|ticket| end(ticket) - start);
    // Each has 40 ms of work: twenty slices, and a switch of 5 µs before all but the first.
    let (first, last) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    assert_eq!(last, 80_000_000 + 39 * 5_000);
    assert_eq!(first, last - 2_000_000 - 5_000);
    let report = clients[0].report().expect("a report");
    let busy: Vec<_> = report.devices[0].processes.iter().map(|process| process.busy_ns).collect();
    assert_eq!(busy, [40_000_000, 40_000_000]);
    assert_eq!(report.devices[0].busy_ns, 80_000_000);
    assert_eq!(report.devices[0].switches, 39);
}

#[test]
fn a_gate_holds_what_is_behind_it() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let due = queue.submit(&Command::new(Work::Marker));
    let done = queue.submit(&Command::new(Work::Gate));
    let behind = queue.submit(&Command::new(kernel(5)));
    due.wait().expect("reached");
    assert!(!behind.is_reached());
    let opened = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let (behind, opened) = (behind.clone(), Arc::clone(&opened));
        move || {
            behind.wait().expect("reached");
            // Acquire: pairs with the store before the gate opens.
            assert!(opened.load(Ordering::Acquire), "it was reached before the gate opened");
        }
    });
    opened.store(true, Ordering::Release);
    let now = monotonic_ns();
    done.finish();
    assert!(end(&behind) >= now + 5_000);
    thread.join().expect("no panic");
}

#[test]
fn the_death_of_a_client_frees_the_device_and_its_time_stays_in_the_books() {
    let bench = Bench::new(1);
    let (client, other) = (bench.client(), bench.client());
    let channel = client.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let endless = Kernel { ns: FOREVER, width: FULL_WIDTH, jitter_percent: 0, meet: None };
    let endless = queue.submit(&Command::new(Work::Kernel(endless)));
    let channel = other.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    end(&queue.submit(&Command::new(kernel(10))));
    assert!(!endless.is_reached());
    drop(client);
    eventually("the device is free", || {
        let report = other.report().expect("a report");
        let device = &report.devices[0];
        device.busy_ns == other.report().expect("a report").devices[0].busy_ns
    });
    let before = monotonic_ns();
    let alone = end(&queue.submit(&Command::new(kernel(5_000)))) - before;
    assert!(alone < 200_000_000, "{alone} ns");
    let report = other.report().expect("a report");
    let (device, mine) = (report.devices[0].busy_ns, report.devices[0].processes[0].busy_ns);
    assert!(mine < device, "{mine} of {device} ns are this process's");
}

#[test]
fn the_end_of_a_context_ends_what_it_runs() {
    let bench = Bench::new(2);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let contexts = [channel.context(0), channel.context(1)];
    let queues = contexts.map(|context| channel.queue(context, Role::Blocking));
    let endless = Kernel { ns: FOREVER, width: FULL_WIDTH, jitter_percent: 0, meet: None };
    let first = queues[0].submit(&Command::new(Work::Kernel(endless)));
    let after = [first.clone()];
    let second = queues[1].submit(&Command::new(kernel(7)).after(&after));
    assert_eq!(channel.all_of(contexts[0]).len(), 1);
    end(&channel.end_context(contexts[0]));
    assert!(end(&second) >= end(&first) + 7_000);
    assert_eq!(channel.all_of(contexts[0]).len(), 0);
    end(&queues[0].submit(&Command::new(kernel(7))));
}

#[test]
fn many_waits_are_joined() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let context = channel.context(0);
    let gate = channel.submit_loose(context, &Command::new(Work::Gate));
    let after = [gate.clone()];
    let nodes: Vec<_> =
        (0..100).map(|_| channel.submit_loose(context, &Command::new(kernel(1)).after(&after))).collect();
    let sink = channel.submit_loose(context, &Command::new(Work::Marker).after(&nodes));
    assert!(!sink.is_reached());
    gate.finish();
    let sink = end(&sink);
    assert_eq!(nodes.iter().map(end).max(), Some(sink));
}

#[test]
fn a_shared_event_is_seen_by_other_processes() {
    let bench = Bench::new(1);
    let [recorder, waiter] = [bench.client(), bench.client()];
    let (_, contents) = recorder.share(Contents::Cell { number: 0 }, vec![], None).expect("a cell");
    let Contents::Cell { number } = contents else { panic!("{contents:?}") };
    assert_eq!(waiter.shared_event(number), SharedState::Never);
    let channel = recorder.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let gate = queue.submit(&Command::new(Work::Gate));
    let record = queue.record_shared(number, &[]);
    let SharedState::Pending(mark) = waiter.shared_event(number) else { panic!("not pending") };
    let channel = waiter.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let behind = queue.submit(&Command::new(kernel(3)).shared_after(mark));
    assert!(!behind.is_reached());
    gate.finish();
    let record = end(&record);
    assert!(end(&behind) >= record + 3_000);
    eventually("the end is in the books", || waiter.shared_event(number) == SharedState::At(record));
}

#[test]
fn a_record_that_dies_with_its_process_holds_nobody() {
    let bench = Bench::new(1);
    let [recorder, waiter] = [bench.client(), bench.client()];
    let (_, contents) = recorder.share(Contents::Cell { number: 0 }, vec![], None).expect("a cell");
    let Contents::Cell { number } = contents else { panic!("{contents:?}") };
    let channel = recorder.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    queue.submit(&Command::new(Work::Gate));
    queue.record_shared(number, &[]);
    let SharedState::Pending(mark) = waiter.shared_event(number) else { panic!("not pending") };
    let channel = waiter.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let behind = queue.submit(&Command::new(kernel(3)).shared_after(mark));
    drop(recorder);
    end(&behind);
}

#[test]
fn a_full_queue_makes_its_submitter_wait() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let first = queue.submit(&Command::new(kernel(20_000)));
    let last = submit_many(&queue, 1100, 0);
    assert!(first.is_reached(), "1101 commands were in the queue at once");
    end(&last);
}

#[test]
fn too_much_in_no_queue_makes_its_submitter_wait() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let context = channel.context(0);
    let queue = channel.queue(context, Role::Blocking);
    let first = [queue.submit(&Command::new(kernel(100_000)))];
    for _ in 0..16_500 {
        channel.submit_loose(context, &Command::new(kernel(0)).after(&first));
    }
    assert!(first[0].is_reached(), "16,500 commands were under way at once");
    for ticket in channel.all_of(context) {
        end(&ticket);
    }
}

#[test]
fn the_end_of_the_simulation_ends_every_wait() {
    let bench = Bench::new(1);
    let client = bench.client();
    let channel = client.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let gate = queue.submit(&Command::new(Work::Gate));
    let waiting = std::thread::spawn({
        let gate = gate.clone();
        move || gate.wait()
    });
    drop(bench);
    // Either: it ended with its context, or it was cut off.
    let _ = waiting.join().expect("no panic");
    let _ = queue.submit(&Command::new(kernel(20))).wait();
}

/// Ends are published ahead of time and revised when something comes in between; nobody may see a revision.
#[test]
fn an_end_that_was_seen_never_changes() {
    let bench = Bench::new(1);
    std::thread::scope(|scope| {
        for number in 0..4u64 {
            let client = bench.client();
            scope.spawn(move || {
                let channel = client.channel().expect("a channel");
                let queue = channel.queue(channel.context(0), Role::Blocking);
                let mut seen = Vec::new();
                for round in 0..1500u64 {
                    let ticket = queue.submit(&Command::new(kernel((round * 7 + number * 13) % 60)));
                    let asked = monotonic_ns();
                    match (round + number) % 3 {
                        0 => ticket.wait().expect("a simulation"),
                        1 => {
                            while !ticket.is_reached() && monotonic_ns() < asked + 30_000 {
                                std::hint::spin_loop();
                            }
                        }
                        _ => {}
                    }
                    let first = ticket.end();
                    seen.push((ticket, first));
                }
                let mut before = 0;
                for (ticket, first) in seen {
                    let last = end(&ticket);
                    assert!(first.is_none_or(|first| first == last), "first {first:?}, then {last}");
                    assert!(last >= before, "{last} after {before}");
                    before = last;
                }
            });
        }
    });
}
