//! What the client processes do.

use std::ffi::CStr;
use std::io::{BufRead, stdin};
use std::process::ExitCode;

use ffi_headers::cuda::*;

use crate::common::{MIB, PAGE, context_on, cu, ok};

/// Plays a role to its end.
pub fn play(role: &str) -> ExitCode {
    match role {
        "outside" => outside(),
        "report" => report(),
        "obey" => obey(),
        "compute" => crate::slices::play(),
        "peer" => crate::peer::play(),
        "churn" => churn(),
        "fork" => fork(),
        "devices" => devices(),
        "cramped" => cramped(),
        "fail" => crate::faults::call_all(),
        other => panic!("no role {other}"),
    }
    ExitCode::SUCCESS
}

fn outside() {
    let (mut version, mut count) = (0, 0);
    let init = cu!(cuInit(0));
    ok!(cuDriverGetVersion(&mut version));
    println!("init {init} version {version} count {}", cu!(cuDeviceGetCount(&mut count)));
}

fn report() {
    let report = simulator::client::connect().expect("a simulation").report().expect("a report");
    println!("{}", serde_json::to_string(&report).expect("JSON"));
}

/// Does what the lines on standard input say; answers each with a result code or a count.
fn obey() {
    ok!(cuInit(0));
    context_on(0);
    let mut held: Vec<CUdeviceptr> = Vec::new();
    let alloc = |held: &mut Vec<_>, mebibytes: u64| {
        let mut address = 0;
        let result = cu!(cuMemAlloc_v2(&mut address, (mebibytes * MIB) as usize));
        if result == CUDA_SUCCESS {
            held.push(address);
        }
        result
    };
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        let (verb, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: u64 = number.parse().expect("a number");
        let answer = match verb {
            "ready" => 0,
            "alloc" => alloc(&mut held, number),
            "fill" => (0..).take_while(|_| alloc(&mut held, number) == CUDA_SUCCESS).count() as u32,
            "free" => held.drain(..).map(|address| cu!(cuMemFree_v2(address))).max().unwrap_or(0),
            "clear" => {
                ok!(cuMemsetD8_v2(*held.last().expect("an allocation"), 0, (number * MIB) as usize));
                ok!(cuCtxSynchronize());
                0
            }
            "free-memory" => {
                let (mut free, mut total) = (0, 0);
                ok!(cuMemGetInfo_v2(&mut free, &mut total));
                (free as u64 / MIB) as u32
            }
            "device" => {
                context_on(number as i32);
                0
            }
            other => panic!("no verb {other}"),
        };
        println!("{answer}");
    }
}

/// Says what cuInit and cuDeviceGetCount answer, then the UUID, the bus id and the size of each device.
fn devices() {
    let mut count = -1;
    let init = cu!(cuInit(0));
    println!("{init} {} {count}", cu!(cuDeviceGetCount(&mut count)));
    for ordinal in 0..count {
        let (mut uuid, mut bus, mut total) = (CUuuid { bytes: [0; 16] }, [0u8; 32], 0);
        ok!(cuDeviceGetUuid_v2(&mut uuid, ordinal));
        ok!(cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), 32, ordinal));
        ok!(cuDeviceTotalMem_v2(&mut total, ordinal));
        let mut found = -1;
        ok!(cuDeviceGetByPCIBusId(&mut found, bus.as_ptr().cast()));
        assert_eq!(found, ordinal);
        let uuid: String = uuid.bytes.iter().map(|byte| format!("{:02x}", *byte as u8)).collect();
        let bus = CStr::from_bytes_until_nul(&bus).expect("a NUL").to_str().expect("text");
        println!("{uuid} {bus} {total}");
    }
    let mut beyond = -1;
    assert_eq!(cu!(cuDeviceGet(&mut beyond, count)), CUDA_ERROR_INVALID_DEVICE);
}

/// Reads the bytes of addresses that it may have and the mebibytes to allocate; says what the calls answer.
fn cramped() {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).expect("a line");
    let (limit, mebibytes) = line.trim_end().split_once(' ').expect("two numbers");
    let limit = limit.parse().expect("a number");
    // SAFETY: a limit on the stack, which the kernel only reads.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &libc::rlimit { rlim_cur: limit, rlim_max: limit }) };
    assert_eq!(set, 0);
    let init = cu!(cuInit(0));
    if init != CUDA_SUCCESS {
        println!("{init}");
        return;
    }
    context_on(0);
    let mut address = 0;
    let bytes = mebibytes.parse::<u64>().expect("a number") * MIB;
    let alloc = cu!(cuMemAlloc_v2(&mut address, bytes as usize));
    let host = Vec::<u8>::new().try_reserve_exact(512 * MIB as usize).is_ok();
    println!("{init} {alloc} {}", u8::from(host));
}

/// Takes and gives back contexts and memory until it is killed.
fn churn() {
    ok!(cuInit(0));
    println!("started");
    for round in 0u64.. {
        let context = context_on(0);
        let mut addresses = [0; 8];
        for (index, address) in addresses.iter_mut().enumerate() {
            ok!(cuMemAlloc_v2(address, ((round + index as u64) % 5 * PAGE + 1000) as usize));
        }
        for address in addresses {
            ok!(cuMemFree_v2(address));
        }
        ok!(cuCtxDestroy_v2(context));
    }
}

/// Forks after initialisation; the child outlives the parent until a line comes.
fn fork() {
    ok!(cuInit(0));
    context_on(0);
    let mut address = 0;
    ok!(cuMemAlloc_v2(&mut address, 3 * PAGE as usize));
    let (mut current, mut pipe) = (std::ptr::null_mut(), [0; 2]);
    // SAFETY: an array of two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    // SAFETY: this process has one thread, so the child may run any code.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let (init, alloc) = (cu!(cuInit(0)), cu!(cuMemAlloc_v2(&mut address, 1)));
        println!("child: init {init} alloc {alloc} current {}", cu!(cuCtxGetCurrent(&mut current)));
        // SAFETY: writes one byte that lives on the stack.
        assert_eq!(unsafe { libc::write(pipe[1], [0u8].as_ptr().cast(), 1) }, 1);
        stdin().lock().read_line(&mut String::new()).expect("a line");
        return;
    }
    assert!(child > 0);
    let mut byte = [0u8];
    // SAFETY: reads one byte into the stack.
    assert_eq!(unsafe { libc::read(pipe[0], byte.as_mut_ptr().cast(), 1) }, 1);
    println!("parent: alloc {}", cu!(cuMemAlloc_v2(&mut address, PAGE as usize)));
}
