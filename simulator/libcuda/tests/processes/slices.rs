//! Several processes that compute on one device.

use std::io::{BufRead, stdin};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use ffi_headers::cuda::*;

use crate::common::{context_on, cu, ok};
use crate::{Client, Simulation};

/// More blocks of 1024 threads than an H200 holds at once: 132 SMs of 2048 threads each.
const FULL: u32 = 264;

/// Does what the lines on standard input say, each a verb and a kernel's name or nothing; answers each with a number.
pub fn play() {
    ok!(cuInit(0));
    context_on(0);
    let (mut stream, mut start, mut end) = (null_mut(), null_mut(), null_mut());
    ok!(cuStreamCreate(&mut stream, CU_STREAM_NON_BLOCKING));
    ok!(cuEventCreate(&mut start, 0));
    ok!(cuEventCreate(&mut end, 0));
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb {
            "start" => {
                ok!(cuEventRecord(start, stream));
                0
            }
            // A hundred times, each over the whole device.
            "launch" => {
                let function = function(argument);
                for _ in 0..100 {
                    launch(function, stream);
                }
                0
            }
            "launch-one" => {
                launch(function(argument), stream);
                0
            }
            "query" => cu!(cuStreamQuery(stream)),
            "wait" => cu!(cuStreamSynchronize(stream)),
            // Microseconds since the start, when all work is done.
            "elapsed" => {
                let mut milliseconds = 0.0;
                ok!(cuEventRecord(end, stream));
                ok!(cuEventSynchronize(end));
                ok!(cuEventElapsedTime(&mut milliseconds, start, end));
                (milliseconds * 1000.0) as u32
            }
            other => panic!("no verb {other}"),
        };
        println!("{answer}");
    }
}

fn function(name: &str) -> CUfunction {
    let image = format!(".version 8.0\n.entry {name} ()\n\0");
    let name = std::ffi::CString::new(name).expect("no NUL");
    let (mut module, mut function) = (null_mut(), null_mut());
    ok!(cuModuleLoadData(&mut module, image.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    function
}

fn launch(function: CUfunction, stream: CUstream) {
    ok!(cuLaunchKernel(function, FULL, 1, 1, 1024, 1, 1, 0, stream, null_mut(), null_mut()));
}

fn told(client: &mut Client, line: &str) {
    assert_eq!(client.ask(line), 0, "{line}");
}

pub fn processes_take_turns_on_a_device() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut clients = [(); 2].map(|()| Client::start(&simulation.socket(), "compute"));
    clients.iter_mut().for_each(|client| told(client, "start"));
    let begin = Instant::now();
    clients.iter_mut().for_each(|client| told(client, "launch spin_us10000"));
    clients.iter_mut().for_each(|client| told(client, "wait"));
    let wall = begin.elapsed();
    let report = simulation.report();
    let device = &report.devices[0];
    for process in &device.processes {
        // A kernel that was interrupted takes no more of the device for that.
        assert_eq!(Duration::from_nanos(process.busy_ns).as_millis(), 1000, "{device:?}");
    }
    assert_eq!(device.processes.len(), 2);
    assert_eq!(device.busy_ns, device.processes.iter().map(|process| process.busy_ns).sum::<u64>());
    assert!(wall >= Duration::from_nanos(device.busy_ns), "{wall:?} {device:?}");
    assert!(device.switches > 100, "{device:?}");
}

pub fn an_endless_kernel_delays_others_by_slices() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut endless = Client::start(&simulation.socket(), "compute");
    let mut other = Client::start(&simulation.socket(), "compute");
    told(&mut endless, "launch-one spin_forever");
    told(&mut other, "start");
    told(&mut other, "launch-one spin_us100000");
    let elapsed = other.ask("elapsed");
    // Half of the device, in slices of 2 ms.
    assert!((190_000..400_000).contains(&elapsed), "{elapsed} us");
    assert_eq!(endless.ask("query"), u64::from(CUDA_ERROR_NOT_READY));
}

pub fn work_ends_with_its_process_and_not_with_a_stop() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut first = Client::start(&simulation.socket(), "compute");
    let mut other = Client::start(&simulation.socket(), "compute");
    told(&mut first, "launch spin_us10000");
    first.signal(libc::SIGSTOP);
    let deadline = Instant::now() + Duration::from_secs(30);
    while simulation.report().devices[0].busy_ns < 1_000_000_000 {
        assert!(Instant::now() < deadline, "{:?}", simulation.report());
    }
    first.signal(libc::SIGCONT);
    told(&mut first, "wait");
    told(&mut first, "launch-one spin_forever");
    first.signal(libc::SIGKILL);
    first.child.wait().expect("the child");
    let report = simulation.report();
    assert!(report.devices[0].busy_ns >= 1_000_000_000, "what the dead have used stays: {report:?}");
    told(&mut other, "start");
    told(&mut other, "launch-one spin_us100000");
    let elapsed = other.ask("elapsed");
    assert!((100_000..190_000).contains(&elapsed), "{elapsed} us with the device for itself");
}

pub fn kernels_of_two_processes_meet_on_one_device() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut first = Client::start(&simulation.socket(), "compute");
    let mut second = Client::start(&simulation.socket(), "compute");
    told(&mut first, "launch-one all_reduce_meet2_us1000");
    told(&mut second, "launch-one spin_us20000");
    told(&mut second, "wait");
    assert_eq!(first.ask("query"), u64::from(CUDA_ERROR_NOT_READY));
    told(&mut second, "launch-one all_reduce_meet2_us1000");
    told(&mut first, "wait");
    told(&mut second, "wait");
}
