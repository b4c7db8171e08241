//! When work runs: in the order of streams, side by side where it may, and how long by the device's own clock.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers; a host function gets a pointer to what the test made.

mod common;

use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use std::sync::{Condvar, Mutex};

use common::{alloc, context_on, cu, ok, own_device};
use ffi_headers::cuda::*;

const PTX: &[u8] = b".version 8.4\n.target sm_90\n.visible .entry spin_us0()\n.visible .entry spin_us20000()\n\
    .visible .entry spin_us300000()\n.visible .entry spin_us1000000()\n.visible .entry spin_forever()\n\
    .visible .entry pair_meet2_us1000()\n\0";

/// More blocks of 1024 threads than an H200 holds at once: 132 SMs of 2048 threads each.
const FULL: u32 = 264;

fn function(name: &CStr) -> CUfunction {
    let (mut module, mut function) = (null_mut(), null_mut());
    ok!(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    function
}

fn launch(function: CUfunction, blocks: u32, stream: CUstream) {
    ok!(cuLaunchKernel(function, blocks, 1, 1, 1024, 1, 1, 0, stream, null_mut(), null_mut()));
}

fn stream(flags: u32) -> CUstream {
    let mut stream = null_mut();
    ok!(cuStreamCreate(&mut stream, flags));
    stream
}

fn record(stream: CUstream) -> CUevent {
    let mut event = null_mut();
    ok!(cuEventCreate(&mut event, 0));
    ok!(cuEventRecord(event, stream));
    event
}

/// Milliseconds by the device's clock.
fn between(start: CUevent, end: CUevent) -> f32 {
    let mut milliseconds = 0.0;
    ok!(cuEventSynchronize(end));
    ok!(cuEventElapsedTime(&mut milliseconds, start, end));
    milliseconds
}

#[test]
fn the_devices_clock_counts_half_microseconds() {
    context_on(own_device());
    let (spin, stream) = (function(c"spin_us20000"), stream(CU_STREAM_NON_BLOCKING));
    let start = record(stream);
    launch(spin, 1, stream);
    let milliseconds = between(start, record(stream));
    assert!(milliseconds >= 20.0, "{milliseconds}");
    let ticks = f64::from(milliseconds) * 2000.0;
    assert!((ticks - ticks.round()).abs() < 0.01, "{ticks} ticks of 0.5 µs");
    assert_eq!(between(start, start), 0.0);
}

#[test]
fn kernels_of_two_streams_overlap_while_they_fit() {
    context_on(own_device());
    let (spin, a, b) = (function(c"spin_us300000"), stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_NON_BLOCKING));
    let start = record(a);
    launch(spin, 1, a);
    launch(spin, 1, b);
    let both = between(start, record(a)).max(between(start, record(b)));
    assert!((300.0..600.0).contains(&both), "{both}");
}

#[test]
fn kernels_that_fill_the_device_take_turns() {
    context_on(own_device());
    let (spin, a, b) = (function(c"spin_us300000"), stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_NON_BLOCKING));
    let start = record(a);
    launch(spin, FULL, a);
    launch(spin, FULL, b);
    let both = between(start, record(a)).max(between(start, record(b)));
    assert!(both >= 600.0, "{both}");
}

#[test]
fn the_default_stream_and_blocking_streams_wait_for_each_other() {
    context_on(own_device());
    let spin = function(c"spin_us300000");
    let (a, b, free) = (stream(CU_STREAM_DEFAULT), stream(CU_STREAM_DEFAULT), stream(CU_STREAM_NON_BLOCKING));
    let start = record(free);
    launch(spin, 1, a);
    launch(spin, 1, null_mut());
    launch(spin, 1, b);
    launch(spin, 1, free);
    let (last, beside) = (record(b), record(free));
    assert_eq!(cu!(cuStreamQuery(b)), CUDA_ERROR_NOT_READY);
    let beside = between(start, beside);
    assert!((300.0..600.0).contains(&beside), "{beside}");
    assert!(between(start, last) >= 900.0);
    ok!(cuStreamQuery(null_mut()));
}

#[test]
fn copies_run_beside_kernels() {
    context_on(own_device());
    let (spin, a, b) = (function(c"spin_us1000000"), stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_NON_BLOCKING));
    let (device, host) = (alloc(1 << 20), vec![1u8; 1 << 20]);
    launch(spin, FULL, a);
    ok!(cuMemcpyHtoDAsync_v2(device, host.as_ptr().cast(), host.len(), b));
    ok!(cuStreamSynchronize(b));
    assert_eq!(cu!(cuStreamQuery(a)), CUDA_ERROR_NOT_READY, "the kernel is still running");
    ok!(cuMemcpyDtoDAsync_v2(device, device + (1 << 19), 1 << 19, b));
    let copied = record(b);
    ok!(cuStreamSynchronize(a));
    let kernel = record(a);
    assert!(between(copied, kernel) <= 1000.0);
}

/// What a host function waits for.
#[derive(Default)]
struct Gate {
    log: Mutex<Vec<u32>>,
    open: Mutex<bool>,
    opened: Condvar,
}

/// Runs on a thread of the library.
extern "C" fn wait_for_the_gate(data: *mut c_void) {
    // SAFETY: the test passes a gate that lives as long as the process.
    let gate = unsafe { &*data.cast::<Gate>() };
    let open = gate.opened.wait_while(gate.open.lock().expect("no panic"), |open| !*open).expect("no panic");
    drop(open);
    gate.log.lock().expect("no panic").push(1);
}

/// Runs on a thread of the library.
extern "C" fn pass(data: *mut c_void) {
    // SAFETY: as above.
    unsafe { &*data.cast::<Gate>() }.log.lock().expect("no panic").push(2);
}

#[test]
fn a_stream_waits_for_its_host_functions_and_others_do_not() {
    context_on(own_device());
    let gate: &Gate = Box::leak(Box::default());
    let data: *mut c_void = (&raw const *gate).cast_mut().cast();
    let (spin, a, b) = (function(c"spin_us20000"), stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_NON_BLOCKING));
    ok!(cuLaunchHostFunc(a, Some(wait_for_the_gate), data));
    launch(spin, 1, a);
    ok!(cuLaunchHostFunc(a, Some(pass), data));
    let end = record(a);
    // The kernel would end before this one, if it could start.
    launch(function(c"spin_us300000"), 1, b);
    ok!(cuStreamSynchronize(b));
    assert_eq!(cu!(cuEventQuery(end)), CUDA_ERROR_NOT_READY);
    let waited = stream(CU_STREAM_NON_BLOCKING);
    ok!(cuStreamWaitEvent(waited, end, 0));
    assert_eq!(cu!(cuStreamQuery(waited)), CUDA_ERROR_NOT_READY);
    let before = record(b);
    ok!(cuEventSynchronize(before));
    *gate.open.lock().expect("no panic") = true;
    gate.opened.notify_all();
    ok!(cuStreamSynchronize(waited));
    assert_eq!(*gate.log.lock().expect("no panic"), [1, 2]);
    assert!(between(before, end) >= 20.0, "the kernel starts when the function has returned");
}

fn kernel_node(graph: CUgraph, function: CUfunction, behind: &[CUgraphNode]) -> CUgraphNode {
    let mut node = null_mut();
    let parameters = CUDA_KERNEL_NODE_PARAMS {
        func: function,
        gridDimX: 1,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 32,
        blockDimY: 1,
        blockDimZ: 1,
        ..Default::default()
    };
    ok!(cuGraphAddKernelNode_v2(&mut node, graph, behind.as_ptr(), behind.len(), &parameters));
    node
}

#[test]
fn branches_of_a_graph_overlap_and_the_stream_goes_on_behind_all() {
    context_on(own_device());
    let (spin, quick, stream) = (function(c"spin_us300000"), function(c"spin_us0"), stream(CU_STREAM_NON_BLOCKING));
    let (mut graph, mut exec) = (null_mut(), null_mut());
    ok!(cuGraphCreate(&mut graph, 0));
    let root = kernel_node(graph, quick, &[]);
    let (left, right) = (kernel_node(graph, spin, &[root]), kernel_node(graph, spin, &[root]));
    kernel_node(graph, quick, &[left]);
    kernel_node(graph, quick, &[right]);
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, 0));
    let start = record(stream);
    ok!(cuGraphLaunch(exec, stream));
    let once = record(stream);
    ok!(cuGraphLaunch(exec, stream));
    let twice = record(stream);
    ok!(cuGraphExecDestroy(exec));
    assert!((300.0..600.0).contains(&between(start, once)), "{}", between(start, once));
    assert!((600.0..1200.0).contains(&between(start, twice)), "{}", between(start, twice));
}

#[test]
fn an_endless_kernel_ends_with_its_context() {
    let device = own_device();
    let (mut popped, endless) = (null_mut(), context_on(device));
    let stream = stream(CU_STREAM_NON_BLOCKING);
    launch(function(c"spin_forever"), FULL, stream);
    let behind = record(stream);
    assert_eq!(cu!(cuEventQuery(behind)), CUDA_ERROR_NOT_READY);
    ok!(cuStreamDestroy_v2(stream));
    ok!(cuCtxDestroy_v2(endless));
    assert_eq!(cu!(cuEventQuery(behind)), CUDA_ERROR_INVALID_HANDLE);
    context_on(device);
    let start = record(null_mut());
    launch(function(c"spin_us300000"), FULL, null_mut());
    let milliseconds = between(start, record(null_mut()));
    assert!((300.0..550.0).contains(&milliseconds), "{milliseconds}: half of the device would make 600");
    ok!(cuCtxPopCurrent_v2(&mut popped));
}

#[test]
fn kernels_that_meet_wait_for_their_peer_on_another_device() {
    let (first, second) = (own_device(), own_device());
    let contexts = [context_on(first), context_on(second)];
    let mut streams = [null_mut(); 2];
    let mut functions = [null_mut(); 2];
    for (index, context) in contexts.into_iter().enumerate() {
        ok!(cuCtxSetCurrent(context));
        streams[index] = stream(CU_STREAM_NON_BLOCKING);
        functions[index] = function(c"pair_meet2_us1000");
    }
    launch(functions[1], 1, streams[1]);
    // Another stream's work has come and gone: the kernel that waits has had its chance.
    let other = stream(CU_STREAM_NON_BLOCKING);
    launch(function(c"spin_us20000"), 1, other);
    ok!(cuStreamSynchronize(other));
    assert_eq!(cu!(cuStreamQuery(streams[1])), CUDA_ERROR_NOT_READY);
    ok!(cuCtxSetCurrent(contexts[0]));
    launch(functions[0], 1, streams[0]);
    ok!(cuStreamSynchronize(streams[0]));
    ok!(cuStreamSynchronize(streams[1]));
}

/// Calls the form of `$name` for per-thread default streams, which has the same arguments.
macro_rules! per_thread {
    ($name:ident($($argument:expr),* $(,)?)) => {{
        let address = common::lookup(concat!(stringify!($name), "_ptsz"));
        assert!(!address.is_null());
        // SAFETY: the address is that of the function whose type this is.
        let function: pastey::paste! { [<PFN_ $name>] } = unsafe { std::mem::transmute(address) };
        // SAFETY: as in `cu!`.
        #[allow(clippy::macro_metavars_in_unsafe)]
        let code = unsafe { function.expect("not null")($($argument),*) };
        assert_eq!(code, CUDA_SUCCESS);
    }};
}

#[test]
fn every_form_of_a_launch_takes_its_time() {
    context_on(own_device());
    let spin = function(c"spin_us20000");
    ok!(cuFuncSetBlockShape(spin, 32, 1, 1));
    let (own, none) = (stream(CU_STREAM_DEFAULT), null_mut());
    let config = CUlaunchConfig {
        gridDimX: 1,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 32,
        blockDimY: 1,
        blockDimZ: 1,
        ..Default::default()
    };
    let mut teams = [CUDA_LAUNCH_PARAMS {
        function: spin,
        gridDimX: 1,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 32,
        blockDimY: 1,
        blockDimZ: 1,
        hStream: own,
        ..Default::default()
    }];
    let forms: [(&str, &mut dyn FnMut()); 10] = [
        ("cuLaunchKernel", &mut || ok!(cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, null_mut(), none, none))),
        ("its _ptsz", &mut || per_thread!(cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, null_mut(), none, none))),
        ("cuLaunchKernelEx", &mut || ok!(cuLaunchKernelEx(&config, spin, none, none))),
        ("its _ptsz", &mut || per_thread!(cuLaunchKernelEx(&config, spin, none, none))),
        ("cooperative", &mut || ok!(cuLaunchCooperativeKernel(spin, 1, 1, 1, 32, 1, 1, 0, null_mut(), none))),
        ("its _ptsz", &mut || per_thread!(cuLaunchCooperativeKernel(spin, 1, 1, 1, 32, 1, 1, 0, null_mut(), none))),
        ("of several devices", &mut || ok!(cuLaunchCooperativeKernelMultiDevice(teams.as_mut_ptr(), 1, 0))),
        ("cuLaunch", &mut || ok!(cuLaunch(spin))),
        ("cuLaunchGrid", &mut || ok!(cuLaunchGrid(spin, 1, 1))),
        ("cuLaunchGridAsync", &mut || ok!(cuLaunchGridAsync(spin, 1, 1, own))),
    ];
    for (name, form) in forms {
        let start = record(null_mut());
        form();
        let milliseconds = between(start, record(null_mut()));
        assert!(milliseconds >= 20.0, "{name}: {milliseconds}");
    }
}

#[test]
fn fills_and_copies_take_their_time() {
    context_on(own_device());
    let (bytes, device) = (64usize << 20, alloc(128 << 20));
    let stream = stream(CU_STREAM_NON_BLOCKING);
    let mut host = vec![0u8; bytes];
    let pointer: *mut c_void = host.as_mut_ptr().cast();
    // At 4.8 TB/s (NVIDIA's data sheet of the H200) and 64 GB/s of the link's 16 lanes: no copy is quicker.
    let (memory, link) = (bytes as f32 / 4.8e9, bytes as f32 / 64e6);
    let forms: [(&str, f32, &mut dyn FnMut()); 4] = [
        ("fill", memory, &mut || ok!(cuMemsetD8Async(device, 1, bytes, stream))),
        ("device to device", 2.0 * memory, &mut || {
            ok!(cuMemcpyDtoDAsync_v2(device + bytes as u64, device, bytes, stream))
        }),
        ("host to device", link, &mut || ok!(cuMemcpyHtoDAsync_v2(device, pointer, bytes, stream))),
        ("device to host", link, &mut || ok!(cuMemcpyDtoHAsync_v2(pointer, device, bytes, stream))),
    ];
    for (name, least, form) in forms {
        let start = record(stream);
        form();
        let milliseconds = between(start, record(stream));
        assert!(milliseconds >= least, "{name}: {milliseconds} of {least} ms");
    }
}
