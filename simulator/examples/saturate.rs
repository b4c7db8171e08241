//! Measures the engine: clients that keep a device full of short kernels, and what that costs.
//!
//! `cargo run --release -p simulator --example saturate -- [CLIENTS] [MICROSECONDS] [SECONDS]` (8, 20, 5) prints how busy the
//! device was, the processor time of the engine and of the clients, and what calls cost.

use std::path::Path;
use std::process::{Command as Process, ExitCode};
use std::time::{Duration, Instant};

use simulator::client::Simulation;
use simulator::client::channel::{Command, Ticket};
use simulator::presets::{DRIVERS, PRESETS};
use simulator::server::Server;
use simulator::timeline::{FULL_WIDTH, Kernel, Role, Work};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [socket, us, seconds, "client"] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        client(Path::new(socket), number(us), number(seconds));
        return ExitCode::SUCCESS;
    }
    let mut numbers = arguments.iter().map(|text| number(text));
    let (clients, us, seconds) =
        (numbers.next().unwrap_or(8), numbers.next().unwrap_or(20), numbers.next().unwrap_or(5));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let description = PRESETS[0].describe(1, None, &DRIVERS[0], 0);
    let _server = Server::start(&socket, description).expect("a server");
    let observer = Simulation::open_at(&socket).expect("a simulation");
    costs(&observer);
    let program = std::env::current_exe().expect("this program");
    let spawn = |_| {
        let mut process = Process::new(&program);
        process.arg(&socket).args([us.to_string(), seconds.to_string(), "client".into()]);
        process.spawn().expect("a client")
    };
    let children: Vec<_> = (0..clients).map(spawn).collect();
    // The clients have started by then; what is measured lies within their run.
    std::thread::sleep(Duration::from_millis(500));
    let (engine, start, busy) = (engine_ns(), Instant::now(), device_ns(&observer));
    std::thread::sleep(Duration::from_secs(seconds).saturating_sub(Duration::from_millis(800)));
    let (wall, busy) = (start.elapsed().as_nanos() as f64, device_ns(&observer) - busy);
    let engine = (engine_ns() - engine) as f64;
    println!("device busy    {:6.2} %", busy as f64 / wall * 100.0);
    println!("engine         {:6.2} % of a processor", engine / wall * 100.0);
    for mut child in children {
        child.wait().expect("a client");
    }
    ExitCode::SUCCESS
}

/// Keeps about ten milliseconds of kernels queued.
fn client(socket: &Path, us: u64, seconds: u64) {
    let simulation = Simulation::open_at(socket).expect("a simulation");
    let channel = simulation.channel().expect("a channel");
    let queue = channel.queue(channel.context(0), Role::Blocking);
    let start = Instant::now();
    let mut launches = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        queue.submit(&Command::new(kernel(us)));
        launches += 1;
    }
    let used = processor_ns();
    println!(
        "client {}: {launches} launches, {:.2} % of a processor, {:.0} ns of it per launch",
        std::process::id(),
        used as f64 / start.elapsed().as_nanos() as f64 * 100.0,
        used as f64 / launches as f64
    );
}

/// Prints what calls cost while nothing waits.
fn costs(simulation: &Simulation) {
    const CALLS: u64 = 1000;
    let channel = simulation.channel().expect("a channel");
    let context = channel.context(0);
    let queue = channel.queue(context, Role::Blocking);
    let launches = |what: &str, ahead_us: u64, us: u64, count: u32| {
        let mut best = f64::MAX;
        for _ in 0..20 {
            queue.submit(&Command::new(kernel(ahead_us)));
            let start = Instant::now();
            (0..count).for_each(|_| drop(queue.submit(&Command::new(kernel(us)))));
            best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count));
            queue.submit(&Command::new(Work::Marker)).wait().expect("a simulation");
        }
        println!("{what} {best:7.1} ns");
    };
    launches("launch, queue full       ", 20_000, 1, 1000);
    launches("launch, queue nearly dry ", 0, 1, 1000);
    launches("launch, queue dry        ", 0, 0, 1000);
    let start = Instant::now();
    for _ in 0..CALLS {
        queue.submit(&Command::new(kernel(20))).wait().expect("a simulation");
    }
    println!("20 us kernel and wait     {:7.1} ns", start.elapsed().as_nanos() as f64 / CALLS as f64);
    let past = queue.submit(&Command::new(Work::Marker));
    past.wait().expect("a simulation");
    let query = |what: &str, ticket: &Ticket| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| {
            std::hint::black_box(std::hint::black_box(ticket).is_reached());
        });
        println!("{what} {:7.1} ns", start.elapsed().as_nanos() as f64 / CALLS as f64);
    };
    query("query, reached           ", &past);
    let soon = queue.submit(&Command::new(kernel(900)));
    // By then the engine has seen it.
    std::thread::sleep(Duration::from_micros(200));
    query("query, end foretold      ", &soon);
    let ahead = queue.submit(&Command::new(kernel(1_000_000)));
    query("query, end not known     ", &ahead);
    drop(queue);
    ahead.wait().expect("a simulation");
}

fn kernel(us: u64) -> Work {
    Work::Kernel(Kernel { ns: us * 1000, width: FULL_WIDTH, jitter_percent: 0, meet: None })
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not a number"))
}

fn device_ns(simulation: &Simulation) -> u64 {
    simulation.report().expect("a report").devices[0].busy_ns
}

/// Processor time of the engine's thread so far, in nanoseconds.
fn engine_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this process's threads").flatten();
    let read = |folder: &Path, name| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let mut engines = tasks.map(|task| task.path()).filter(|task| read(task, "comm").trim() == "simgpu-engine");
    let engine = engines.next().expect("the engine runs");
    number(read(&engine, "schedstat").split_whitespace().next().expect("a figure"))
}

/// Processor time of this process so far, in nanoseconds.
fn processor_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has this clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}
