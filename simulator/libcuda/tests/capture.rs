//! Capture of streams: what becomes a node, what joins, and what ends a capture.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

const PTX: &[u8] = b".version 8.4\n.target sm_80\n.visible .entry quick()\n{ ret; }\n\0";
const GLOBAL: CUstreamCaptureMode = CU_STREAM_CAPTURE_MODE_GLOBAL;
const THREAD: CUstreamCaptureMode = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const RELAXED: CUstreamCaptureMode = CU_STREAM_CAPTURE_MODE_RELAXED;

/// A context on a device of its own, while no other test of this program captures: the strictest mode binds all threads.
fn alone() -> (MutexGuard<'static, ()>, CUdevice) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let device = own_device();
    context_on(device);
    (turn, device)
}

fn stream(flags: u32) -> CUstream {
    let mut stream = null_mut();
    ok!(cuStreamCreate(&mut stream, flags));
    stream
}

fn event() -> CUevent {
    let mut event = null_mut();
    ok!(cuEventCreate(&mut event, CU_EVENT_DISABLE_TIMING));
    event
}

fn begin(stream: CUstream, mode: CUstreamCaptureMode) {
    ok!(cuStreamBeginCapture_v2(stream, mode));
}

fn end(stream: CUstream) -> CUgraph {
    let mut graph = null_mut();
    ok!(cuStreamEndCapture(stream, &mut graph));
    assert!(!graph.is_null());
    graph
}

fn failed_end(stream: CUstream) -> CUresult {
    let mut graph = 8 as CUgraph;
    let code = cu!(cuStreamEndCapture(stream, &mut graph));
    assert!(graph.is_null() || code == CUDA_ERROR_ILLEGAL_STATE);
    code
}

fn status(stream: CUstream) -> CUstreamCaptureStatus {
    let mut status = 9;
    ok!(cuStreamIsCapturing(stream, &mut status));
    status
}

fn kinds(graph: CUgraph) -> Vec<CUgraphNodeType> {
    let (mut nodes, mut count) = ([null_mut(); 32], 32);
    ok!(cuGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count));
    let kind = |node: &CUgraphNode| {
        let mut kind = 99;
        ok!(cuGraphNodeGetType(*node, &mut kind));
        kind
    };
    nodes[..count].iter().map(kind).collect()
}

fn launch(graph: CUgraph, stream: CUstream) {
    let mut exec = null_mut();
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, 0));
    ok!(cuGraphLaunch(exec, stream));
    ok!(cuCtxSynchronize());
    ok!(cuGraphExecDestroy(exec));
}

/// Runs on a thread of the library.
extern "C" fn count_up(data: *mut c_void) {
    // SAFETY: the tests pass a counter that lives as long as the process.
    unsafe { &*data.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn work_becomes_nodes_and_runs_at_the_launch() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (_turn, device) = alone();
    let (captured, address, sent, mut back) = (stream(CU_STREAM_NON_BLOCKING), alloc(8), [3u8; 8], [0u8; 8]);
    let (mut module, mut quick) = (null_mut(), null_mut());
    ok!(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut quick, module, c"quick".as_ptr()));
    assert_eq!(status(captured), CU_STREAM_CAPTURE_STATUS_NONE);
    begin(captured, THREAD);
    assert_eq!(status(captured), CU_STREAM_CAPTURE_STATUS_ACTIVE);
    assert_eq!(cu!(cuStreamBeginCapture_v2(captured, THREAD)), CUDA_ERROR_ILLEGAL_STATE);
    ok!(cuMemcpyHtoDAsync_v2(address, sent.as_ptr().cast(), 8, captured));
    ok!(cuLaunchKernel(quick, 1, 1, 1, 1, 1, 1, 0, captured, null_mut(), null_mut()));
    ok!(cuMemsetD8Async(address, 4, 2, captured));
    ok!(cuLaunchHostFunc(captured, Some(count_up), (&raw const COUNT).cast_mut().cast()));
    let mut own = 0;
    ok!(cuMemAllocAsync(&mut own, 3 << 20, captured));
    ok!(cuMemcpyDtoDAsync_v2(own, address, 8, captured));
    ok!(cuMemcpyDtoHAsync_v2(back.as_mut_ptr().cast(), own, 8, captured));
    ok!(cuMemFreeAsync(own, captured));
    let graph = end(captured);
    assert_eq!(status(captured), CU_STREAM_CAPTURE_STATUS_NONE);
    assert_eq!(
        kinds(graph),
        [
            CU_GRAPH_NODE_TYPE_MEMCPY,
            CU_GRAPH_NODE_TYPE_KERNEL,
            CU_GRAPH_NODE_TYPE_MEMSET,
            CU_GRAPH_NODE_TYPE_HOST,
            CU_GRAPH_NODE_TYPE_MEM_ALLOC,
            CU_GRAPH_NODE_TYPE_MEMCPY,
            CU_GRAPH_NODE_TYPE_MEMCPY,
            CU_GRAPH_NODE_TYPE_MEM_FREE,
        ]
    );
    let mut edges = 0;
    ok!(cuGraphGetEdges(graph, null_mut(), null_mut(), &mut edges));
    assert_eq!(edges, 7, "each behind the one before");
    assert_eq!((back, COUNT.load(Ordering::SeqCst)), ([0; 8], 0), "nothing has run");
    let before = used();
    launch(graph, captured);
    assert_eq!((back, COUNT.load(Ordering::SeqCst)), ([4, 4, 3, 3, 3, 3, 3, 3], 1));
    assert_eq!(used(), before + 2 * PAGE, "the graph's memory, not a pool's");
    ok!(cuGraphDestroy(graph));
    ok!(cuDeviceGraphMemTrim(device));
    assert_eq!(used(), before);
}

#[test]
fn events_fork_and_join_streams() {
    let (_turn, _) = alone();
    let (a, b) = (stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_DEFAULT));
    let (fork, join, address) = (event(), event(), alloc(8));
    begin(a, GLOBAL);
    ok!(cuMemsetD8Async(address, 1, 1, a));
    ok!(cuEventRecord(fork, a));
    assert_eq!(status(b), CU_STREAM_CAPTURE_STATUS_NONE);
    ok!(cuStreamWaitEvent(b, fork, 0));
    assert_eq!(status(b), CU_STREAM_CAPTURE_STATUS_ACTIVE);
    ok!(cuMemsetD8Async(address + 1, 2, 1, b));
    ok!(cuMemsetD8Async(address + 2, 3, 1, a));
    ok!(cuEventRecord(join, b));
    ok!(cuStreamWaitEvent(a, join, 0));
    ok!(cuMemsetD8Async(address + 3, 4, 1, a));
    let graph = end(a);
    assert_eq!(status(b), CU_STREAM_CAPTURE_STATUS_NONE);
    let (mut from, mut to, mut nodes, mut count) = ([null_mut(); 4], [null_mut(); 4], [null_mut(); 4], 4);
    ok!(cuGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count));
    ok!(cuGraphGetEdges(graph, from.as_mut_ptr(), to.as_mut_ptr(), &mut count));
    let [first, left, right, last] = nodes;
    let mut edges: Vec<_> = from.into_iter().zip(to).collect();
    edges.sort_unstable();
    let mut expected = vec![(first, left), (first, right), (left, last), (right, last)];
    expected.sort_unstable();
    assert_eq!(edges, expected);
    launch(graph, a);
    let mut back = [0u8; 4];
    ok!(cuMemcpyDtoH_v2(back.as_mut_ptr().cast(), address, 4));
    assert_eq!(back, [1, 2, 3, 4]);
    // Left apart, the fork makes the capture fail.
    begin(a, GLOBAL);
    ok!(cuEventRecord(fork, a));
    ok!(cuStreamWaitEvent(b, fork, 0));
    ok!(cuMemsetD8Async(address, 1, 1, b));
    assert_eq!(failed_end(b), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    assert_eq!(failed_end(a), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    begin(a, GLOBAL);
    ok!(cuEventRecord(fork, a));
    ok!(cuStreamWaitEvent(b, fork, 0));
    ok!(cuMemsetD8Async(address, 1, 1, b));
    assert_eq!(failed_end(a), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    assert_eq!((status(a), status(b)), (CU_STREAM_CAPTURE_STATUS_NONE, CU_STREAM_CAPTURE_STATUS_NONE));
}

#[test]
fn unsafe_calls_end_a_capture_by_its_mode() {
    let (_turn, _) = alone();
    let captured = stream(CU_STREAM_NON_BLOCKING);
    let refused = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    let try_alloc = || {
        let mut address = 0;
        let code = cu!(cuMemAlloc_v2(&mut address, 1 << 20));
        (code, address)
    };
    let elsewhere = |call: &(dyn Fn() -> CUresult + Sync)| {
        let mut context = null_mut();
        ok!(cuCtxGetCurrent(&mut context));
        let context = context as usize;
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                ok!(cuCtxSetCurrent(context as CUcontext));
                call()
            });
            other.join().expect("the thread")
        })
    };
    for (mode, own, others) in [(GLOBAL, refused, refused), (THREAD, refused, CUDA_SUCCESS), (RELAXED, 0, CUDA_SUCCESS)]
    {
        begin(captured, mode);
        assert_eq!(try_alloc().0, own, "mode {mode}");
        let invalid = own != CUDA_SUCCESS;
        let expected = if invalid { CU_STREAM_CAPTURE_STATUS_INVALIDATED } else { CU_STREAM_CAPTURE_STATUS_ACTIVE };
        assert_eq!(status(captured), expected, "mode {mode}");
        if invalid {
            let more = cu!(cuLaunchHostFunc(captured, Some(count_up), null_mut()));
            assert_eq!(more, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
            assert_eq!(failed_end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        } else {
            end(captured);
        }
        begin(captured, mode);
        assert_eq!(elsewhere(&|| try_alloc().0), others, "mode {mode}, another thread");
        let mut graph = null_mut();
        let number = captured as usize;
        let wrong = elsewhere(&|| {
            let mut graph = null_mut();
            cu!(cuStreamEndCapture(number as CUstream, &mut graph))
        });
        if mode == RELAXED {
            assert_eq!(wrong, CUDA_SUCCESS);
        } else {
            assert_eq!(wrong, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "mode {mode}");
            let code = cu!(cuStreamEndCapture(captured, &mut graph));
            assert_eq!(code == CUDA_SUCCESS, others == CUDA_SUCCESS, "mode {mode}: {code}");
        }
    }
    // A thread may ask not to be bound.
    begin(captured, GLOBAL);
    let mut mode = RELAXED;
    ok!(cuThreadExchangeStreamCaptureMode(&mut mode));
    assert_eq!(mode, GLOBAL);
    let (code, address) = try_alloc();
    assert_eq!(code, CUDA_SUCCESS);
    ok!(cuMemFree_v2(address));
    ok!(cuThreadExchangeStreamCaptureMode(&mut mode));
    assert_eq!(mode, RELAXED);
    end(captured);
    mode = 3;
    assert_eq!(cu!(cuThreadExchangeStreamCaptureMode(&mut mode)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn waiting_for_what_is_captured_is_refused() {
    let (_turn, _) = alone();
    let (captured, blocking) = (stream(CU_STREAM_NON_BLOCKING), stream(CU_STREAM_DEFAULT));
    let (recorded, address) = (event(), alloc(8));
    let refused = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    let waits: [(&str, &dyn Fn() -> CUresult, CUresult); 5] = [
        ("cuStreamSynchronize", &|| cu!(cuStreamSynchronize(captured)), refused),
        ("cuStreamQuery", &|| cu!(cuStreamQuery(captured)), refused),
        ("cuCtxSynchronize", &|| cu!(cuCtxSynchronize()), refused),
        ("cuEventSynchronize", &|| cu!(cuEventSynchronize(recorded)), CUDA_ERROR_CAPTURED_EVENT),
        ("cuEventQuery", &|| cu!(cuEventQuery(recorded)), CUDA_ERROR_CAPTURED_EVENT),
    ];
    for (name, wait, expected) in waits {
        begin(captured, RELAXED);
        ok!(cuEventRecord(recorded, captured));
        assert_eq!(wait(), expected, "{name}");
        assert_eq!(failed_end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "{name}");
    }
    // Recorded outside again, the event is as any other.
    ok!(cuEventRecord(recorded, blocking));
    ok!(cuEventSynchronize(recorded));
    begin(captured, RELAXED);
    assert_eq!(cu!(cuStreamWaitEvent(captured, recorded, 0)), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    assert_eq!(failed_end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    // The legacy default stream cannot be captured, nor wait for streams that are.
    assert_eq!(cu!(cuStreamBeginCapture_v2(null_mut(), RELAXED)), refused);
    begin(blocking, RELAXED);
    assert_eq!(cu!(cuMemsetD8Async(address, 1, 8, null_mut())), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    assert_eq!(failed_end(blocking), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    begin(captured, RELAXED);
    ok!(cuMemsetD8Async(address, 1, 8, null_mut()));
    end(captured);
    assert_eq!(failed_end(captured), CUDA_ERROR_ILLEGAL_STATE);
    // Two captures do not merge.
    begin(captured, RELAXED);
    begin(blocking, RELAXED);
    ok!(cuEventRecord(recorded, blocking));
    assert_eq!(cu!(cuStreamWaitEvent(captured, recorded, 0)), CUDA_ERROR_STREAM_CAPTURE_MERGE);
    assert_eq!(failed_end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    assert_eq!(failed_end(blocking), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

#[test]
fn the_place_of_a_stream_in_its_capture_can_be_asked_and_set() {
    let (_turn, _) = alone();
    let (captured, address) = (stream(CU_STREAM_NON_BLOCKING), alloc(8));
    let (mut status, mut id, mut graph, mut nodes, mut count) = (9, 0, null_mut(), std::ptr::null(), 0);
    begin(captured, RELAXED);
    ok!(cuMemsetD8Async(address, 1, 1, captured));
    ok!(cuStreamGetCaptureInfo_v2(captured, &mut status, &mut id, &mut graph, &mut nodes, &mut count));
    assert_eq!((status, count), (CU_STREAM_CAPTURE_STATUS_ACTIVE, 1));
    // SAFETY: the driver's list holds as many nodes as it said.
    let first = unsafe { *nodes };
    let mut own = null_mut();
    ok!(cuGraphAddEmptyNode(&mut own, graph, std::ptr::null(), 0));
    ok!(cuStreamUpdateCaptureDependencies(captured, &mut own, 1, CU_STREAM_ADD_CAPTURE_DEPENDENCIES));
    ok!(cuMemsetD8Async(address, 2, 1, captured));
    let ended = end(captured);
    assert_eq!(ended, graph);
    let (mut from, mut to) = ([null_mut(); 2], [null_mut(); 2]);
    count = 2;
    ok!(cuGraphGetEdges(graph, from.as_mut_ptr(), to.as_mut_ptr(), &mut count));
    assert_eq!((count, from, to[0] == to[1]), (2, [first, own], true));
    let update = cu!(cuStreamUpdateCaptureDependencies(captured, &mut own, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
    assert_eq!(update, CUDA_ERROR_ILLEGAL_STATE);
    // More can be captured to a graph that is there.
    let data = CUgraphEdgeData::default();
    ok!(cuStreamBeginCaptureToGraph(captured, graph, &own, &data, 1, RELAXED));
    ok!(cuMemsetD8Async(address, 3, 1, captured));
    assert_eq!(end(captured), graph);
    assert_eq!(kinds(graph).len(), 4);
    // A launch that is captured is a child graph.
    let mut exec = null_mut();
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, 0));
    begin(captured, RELAXED);
    ok!(cuGraphLaunch(exec, captured));
    let outer = end(captured);
    assert_eq!(kinds(outer), [CU_GRAPH_NODE_TYPE_GRAPH]);
    launch(outer, captured);
}

#[test]
fn memory_that_a_capture_allocates_is_the_graphs() {
    let (_turn, device) = alone();
    let (captured, mut address, outside) = (stream(CU_STREAM_NON_BLOCKING), 0, alloc(MIB));
    begin(captured, RELAXED);
    ok!(cuMemAllocAsync(&mut address, 5 << 20, captured));
    assert_eq!(cu!(cuMemFreeAsync(outside, captured)), CUDA_ERROR_INVALID_VALUE, "not of a graph");
    let graph = end(captured);
    assert_eq!(used(), CONTEXT + PAGE);
    launch(graph, captured);
    assert_eq!(used(), CONTEXT + 4 * PAGE);
    let mut reserved = 0u64;
    let place = (&raw mut reserved).cast();
    ok!(cuDeviceGetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, place));
    assert_eq!(reserved, 6 * MIB);
    ok!(cuMemFreeAsync(address, captured));
    ok!(cuDeviceGraphMemTrim(device));
    assert_eq!(used(), CONTEXT + PAGE);
    // A stream that goes takes its capture along.
    begin(captured, GLOBAL);
    ok!(cuStreamDestroy_v2(captured));
    ok!(cuMemFree_v2(outside));
}
