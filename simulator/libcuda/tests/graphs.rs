//! Graphs: their parts, and what a launch of one does.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{alloc, context_on, cu, ok, own_device};
use ffi_headers::cuda::*;

const PTX: &[u8] =
    b".version 8.4\n.target sm_80\n.visible .entry spin_us200000()\n{ ret; }\n.visible .entry quick()\n{ ret; }\n\0";

fn function(name: &std::ffi::CStr) -> CUfunction {
    let (mut module, mut function) = (null_mut(), null_mut());
    ok!(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    function
}

fn graph() -> CUgraph {
    let mut graph = null_mut();
    ok!(cuGraphCreate(&mut graph, 0));
    graph
}

fn empty(graph: CUgraph, before: &[CUgraphNode]) -> CUgraphNode {
    let mut node = null_mut();
    ok!(cuGraphAddEmptyNode(&mut node, graph, before.as_ptr(), before.len()));
    node
}

fn kernel(graph: CUgraph, function: CUfunction, before: &[CUgraphNode]) -> CUgraphNode {
    let parameters = launch_of(function);
    let mut node = null_mut();
    ok!(cuGraphAddKernelNode_v2(&mut node, graph, before.as_ptr(), before.len(), &parameters));
    node
}

fn launch_of(function: CUfunction) -> CUDA_KERNEL_NODE_PARAMS {
    CUDA_KERNEL_NODE_PARAMS {
        func: function,
        gridDimX: 1,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 1,
        blockDimY: 1,
        blockDimZ: 1,
        ..Default::default()
    }
}

fn line_to_device(target: CUdeviceptr, source: &[u8]) -> CUDA_MEMCPY3D {
    CUDA_MEMCPY3D {
        srcMemoryType: CU_MEMORYTYPE_HOST,
        srcHost: source.as_ptr().cast(),
        dstMemoryType: CU_MEMORYTYPE_DEVICE,
        dstDevice: target,
        WidthInBytes: source.len(),
        Height: 1,
        Depth: 1,
        ..Default::default()
    }
}

fn fill_of(target: CUdeviceptr, value: u8, width: usize) -> CUDA_MEMSET_NODE_PARAMS {
    CUDA_MEMSET_NODE_PARAMS { dst: target, value: value.into(), elementSize: 1, width, height: 1, pitch: 0 }
}

fn instantiate(graph: CUgraph) -> CUgraphExec {
    let mut exec = null_mut();
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, 0));
    exec
}

fn run(exec: CUgraphExec) {
    ok!(cuGraphLaunch(exec, null_mut()));
    ok!(cuCtxSynchronize());
}

fn bytes_at(address: CUdeviceptr, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    ok!(cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), address, count));
    bytes
}

#[test]
fn a_launch_runs_the_nodes_behind_what_they_depend_on() {
    context_on(own_device());
    let (graph, address) = (graph(), alloc(16));
    let (sent, mut back) = ([9u8; 16], [0u8; 16]);
    // Added against the order in which they must run.
    let (mut out, mut fill, mut copy) = (null_mut(), null_mut(), null_mut());
    let outward = CUDA_MEMCPY3D {
        srcMemoryType: CU_MEMORYTYPE_DEVICE,
        srcDevice: address,
        dstMemoryType: CU_MEMORYTYPE_HOST,
        dstHost: back.as_mut_ptr().cast(),
        WidthInBytes: 16,
        Height: 1,
        Depth: 1,
        ..Default::default()
    };
    ok!(cuGraphAddMemcpyNode(&mut out, graph, null(), 0, &outward, null_mut()));
    ok!(cuGraphAddMemsetNode(&mut fill, graph, null(), 0, &fill_of(address + 4, 5, 4), null_mut()));
    ok!(cuGraphAddMemcpyNode(&mut copy, graph, null(), 0, &line_to_device(address, &sent), null_mut()));
    ok!(cuGraphAddDependencies(graph, [copy, fill].as_ptr(), [fill, out].as_ptr(), 2));
    let exec = instantiate(graph);
    assert_eq!(back, [0; 16], "nothing runs before the launch");
    run(exec);
    assert_eq!(back, [9, 9, 9, 9, 5, 5, 5, 5, 9, 9, 9, 9, 9, 9, 9, 9]);
    // The graph may go; what was made of it stays.
    ok!(cuGraphDestroy(graph));
    ok!(cuMemsetD8_v2(address, 0, 16));
    run(exec);
    assert_eq!(bytes_at(address, 6), [9, 9, 9, 9, 5, 5]);
    ok!(cuGraphExecDestroy(exec));
    assert_eq!(cu!(cuGraphLaunch(exec, null_mut())), CUDA_ERROR_INVALID_VALUE);
}

/// Runs on a thread of the library.
extern "C" fn count_up(data: *mut c_void) {
    // SAFETY: the tests pass a counter that lives as long as the process.
    unsafe { &*data.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn host_functions_run_once_in_each_launch_before_what_follows_them() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    context_on(own_device());
    let (graph, address) = (graph(), alloc(4));
    let spin = kernel(graph, function(c"spin_us200000"), &[]);
    let host = CUDA_HOST_NODE_PARAMS { fn_: Some(count_up), userData: (&raw const COUNT).cast_mut().cast() };
    let (mut call, mut copy) = (null_mut(), null_mut());
    ok!(cuGraphAddHostNode(&mut call, graph, &spin, 1, &host));
    let exec = instantiate(graph);
    let begin = Instant::now();
    ok!(cuGraphLaunch(exec, null_mut()));
    assert_eq!(COUNT.load(Ordering::SeqCst), 0, "the kernel before it is still running");
    ok!(cuCtxSynchronize());
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    assert_eq!(COUNT.load(Ordering::SeqCst), 1);
    let mut inward = line_to_device(address, &[0; 4]);
    inward.srcHost = (&raw const COUNT).cast();
    ok!(cuGraphAddMemcpyNode(&mut copy, graph, &call, 1, &inward, null_mut()));
    run(instantiate(graph));
    assert_eq!(bytes_at(address, 4), 2u32.to_ne_bytes());
}

#[test]
fn branches_run_side_by_side_and_chains_do_not() {
    context_on(own_device());
    let spin = function(c"spin_us200000");
    // Milliseconds from the end of one kernel to the end of the other.
    let apart = |chained: bool| {
        let (graph, mut node, mut events, mut milliseconds) = (graph(), null_mut(), [null_mut(); 2], -1.0);
        let first = [kernel(graph, spin, &[])];
        let second = kernel(graph, spin, if chained { &first } else { &[] });
        for (event, kernel) in events.iter_mut().zip([first[0], second]) {
            ok!(cuEventCreate(event, 0));
            ok!(cuGraphAddEventRecordNode(&mut node, graph, &kernel, 1, *event));
        }
        run(instantiate(graph));
        ok!(cuEventElapsedTime(&mut milliseconds, events[0], events[1]));
        milliseconds
    };
    assert_eq!((apart(true), apart(false)), (200.0, 0.0));
}

#[test]
fn nodes_and_edges_can_be_listed() {
    let graph = graph();
    let (a, b) = (empty(graph, &[]), empty(graph, &[]));
    let c = empty(graph, &[a, b]);
    let (mut nodes, mut count) = ([7 as CUgraphNode; 4], 0);
    ok!(cuGraphGetNodes(graph, null_mut(), &mut count));
    assert_eq!(count, 3);
    count = 4;
    ok!(cuGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count));
    assert_eq!((count, nodes), (3, [a, b, c, null_mut()]));
    count = 1;
    ok!(cuGraphGetRootNodes(graph, nodes.as_mut_ptr(), &mut count));
    assert_eq!((count, nodes[0], nodes[1]), (1, a, b));
    ok!(cuGraphGetRootNodes(graph, null_mut(), &mut count));
    assert_eq!(count, 2);
    let (mut from, mut to) = ([null_mut(); 2], [null_mut(); 2]);
    count = 2;
    ok!(cuGraphGetEdges(graph, from.as_mut_ptr(), to.as_mut_ptr(), &mut count));
    assert_eq!((count, from, to), (2, [a, b], [c, c]));
    ok!(cuGraphNodeGetDependencies(c, from.as_mut_ptr(), &mut count));
    assert_eq!((count, from), (2, [a, b]));
    ok!(cuGraphNodeGetDependentNodes(a, from.as_mut_ptr(), &mut count));
    assert_eq!((count, from[0]), (1, c));
    assert_eq!(cu!(cuGraphAddDependencies(graph, &c, &a, 1)), CUDA_ERROR_INVALID_VALUE, "a circle");
    assert_eq!(cu!(cuGraphAddDependencies(graph, &a, &c, 1)), CUDA_ERROR_INVALID_VALUE, "there already");
    ok!(cuGraphRemoveDependencies(graph, &a, &c, 1));
    assert_eq!(cu!(cuGraphRemoveDependencies(graph, &a, &c, 1)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuGraphDestroyNode(b));
    let mut kind = 0;
    assert_eq!(cu!(cuGraphNodeGetType(b, &mut kind)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuGraphNodeGetType(a, &mut kind));
    assert_eq!(kind, CU_GRAPH_NODE_TYPE_EMPTY);
    ok!(cuGraphGetEdges(graph, null_mut(), null_mut(), &mut count));
    assert_eq!(count, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("graph.dot");
    let name = std::ffi::CString::new(path.to_str().expect("text")).expect("no NUL");
    ok!(cuGraphDebugDotPrint(graph, name.as_ptr(), 0));
    let text = std::fs::read_to_string(path).expect("the file");
    assert!(text.starts_with("digraph") && text.matches("EMPTY").count() == 2, "{text}");
    ok!(cuGraphDestroy(graph));
    assert_eq!(cu!(cuGraphGetNodes(graph, null_mut(), &mut count)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn bad_nodes_are_refused() {
    context_on(own_device());
    let (whole, other, mut node) = (graph(), graph(), null_mut());
    let stranger = empty(other, &[]);
    let own = empty(whole, &[]);
    assert_eq!(cu!(cuGraphAddEmptyNode(&mut node, whole, &stranger, 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuGraphAddEmptyNode(&mut node, whole, [own, own].as_ptr(), 2)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuGraphAddEmptyNode(&mut node, whole, null(), 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuGraphAddEmptyNode(null_mut(), whole, null(), 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuGraphAddEmptyNode(&mut node, null_mut(), null(), 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuGraphAddChildGraphNode(&mut node, whole, null(), 0, whole)), CUDA_ERROR_INVALID_VALUE);
    let nobody = CUDA_HOST_NODE_PARAMS::default();
    assert_eq!(cu!(cuGraphAddHostNode(&mut node, whole, null(), 0, &nobody)), CUDA_ERROR_INVALID_VALUE);
    let no_function = launch_of(8 as CUfunction);
    assert_eq!(cu!(cuGraphAddKernelNode_v2(&mut node, whole, null(), 0, &no_function)), CUDA_ERROR_INVALID_HANDLE);
    let mut count = 0;
    ok!(cuGraphGetNodes(whole, null_mut(), &mut count));
    assert_eq!(count, 1);
    // A copy from what is no allocation is found when it runs, and then nothing runs.
    let address = alloc(16);
    ok!(cuGraphAddMemsetNode(&mut node, whole, null(), 0, &fill_of(address, 1, 16), null_mut()));
    ok!(cuGraphAddMemsetNode(&mut node, whole, null(), 0, &fill_of(address, 2, 17), null_mut()));
    ok!(cuMemsetD8_v2(address, 0, 16));
    assert_eq!(cu!(cuGraphLaunch(instantiate(whole), null_mut())), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(bytes_at(address, 16), [0; 16]);
}

#[test]
fn parameters_can_be_changed_in_the_graph_and_in_what_was_made_of_it() {
    context_on(own_device());
    let (whole, address, mut fill) = (graph(), alloc(4), null_mut());
    ok!(cuGraphAddMemsetNode(&mut fill, whole, null(), 0, &fill_of(address, 1, 4), null_mut()));
    let exec = instantiate(whole);
    ok!(cuGraphMemsetNodeSetParams(fill, &fill_of(address, 2, 4)));
    run(exec);
    assert_eq!(bytes_at(address, 4), [1; 4], "made before the change");
    let mut told = CUDA_MEMSET_NODE_PARAMS::default();
    ok!(cuGraphMemsetNodeGetParams(fill, &mut told));
    assert_eq!((told.value, told.width), (2, 4));
    ok!(cuGraphExecMemsetNodeSetParams(exec, fill, &fill_of(address, 3, 4), null_mut()));
    run(exec);
    assert_eq!(bytes_at(address, 4), [3; 4]);
    let mut told = CUDA_MEMCPY3D::default();
    assert_eq!(cu!(cuGraphMemcpyNodeGetParams(fill, &mut told)), CUDA_ERROR_INVALID_VALUE);
    let sent = [8u8; 4];
    let copy = line_to_device(address, &sent);
    assert_eq!(cu!(cuGraphExecMemcpyNodeSetParams(exec, fill, &copy, null_mut())), CUDA_ERROR_INVALID_VALUE);
    // Switched off, and on again.
    ok!(cuMemsetD8_v2(address, 0, 4));
    ok!(cuGraphNodeSetEnabled(exec, fill, 0));
    run(exec);
    let mut enabled = 9;
    ok!(cuGraphNodeGetEnabled(exec, fill, &mut enabled));
    assert_eq!((enabled, bytes_at(address, 4)), (0, vec![0; 4]));
    ok!(cuGraphNodeSetEnabled(exec, fill, 1));
    run(exec);
    assert_eq!(bytes_at(address, 4), [3; 4]);
    // A graph of the same form gives all its parameters.
    let (like, mut node) = (graph(), null_mut());
    ok!(cuGraphAddMemsetNode(&mut node, like, null(), 0, &fill_of(address, 4, 4), null_mut()));
    let mut result = CUgraphExecUpdateResultInfo { result: 9, ..Default::default() };
    ok!(cuGraphExecUpdate_v2(exec, like, &mut result));
    assert_eq!(result.result, CU_GRAPH_EXEC_UPDATE_SUCCESS);
    run(exec);
    assert_eq!(bytes_at(address, 4), [4; 4]);
    let unlike = graph();
    ok!(cuGraphAddMemcpyNode(&mut node, unlike, null(), 0, &copy, null_mut()));
    assert_eq!(cu!(cuGraphExecUpdate_v2(exec, unlike, &mut result)), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    assert_eq!((result.result, result.errorNode), (CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED, node));
    empty(unlike, &[]);
    assert_eq!(cu!(cuGraphExecUpdate_v2(exec, unlike, &mut result)), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    assert_eq!(result.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
}

#[test]
fn a_child_graph_is_a_copy_that_runs_in_place_of_its_node() {
    context_on(own_device());
    let (child, address, mut fill, mut node, mut last) = (graph(), alloc(4), null_mut(), null_mut(), null_mut());
    ok!(cuGraphAddMemsetNode(&mut fill, child, null(), 0, &fill_of(address, 1, 4), null_mut()));
    let whole = graph();
    ok!(cuGraphAddChildGraphNode(&mut node, whole, null(), 0, child));
    ok!(cuGraphAddMemsetNode(&mut last, whole, &node, 1, &fill_of(address, 2, 1), null_mut()));
    ok!(cuGraphMemsetNodeSetParams(fill, &fill_of(address, 7, 4)));
    let exec = instantiate(whole);
    run(exec);
    assert_eq!(bytes_at(address, 4), [2, 1, 1, 1], "the copy was made before the change");
    ok!(cuGraphExecChildGraphNodeSetParams(exec, node, child));
    run(exec);
    assert_eq!(bytes_at(address, 4), [2, 7, 7, 7]);
    let (mut inner, mut copied) = (null_mut(), null_mut());
    ok!(cuGraphChildGraphNodeGetGraph(node, &mut inner));
    ok!(cuGraphNodeFindInClone(&mut copied, fill, inner));
    ok!(cuGraphExecMemsetNodeSetParams(exec, copied, &fill_of(address, 5, 4), null_mut()));
    run(exec);
    assert_eq!(bytes_at(address, 4), [2, 5, 5, 5]);
    assert_eq!(cu!(cuGraphDestroy(inner)), CUDA_ERROR_INVALID_VALUE, "it goes with its node");
    let mut clone = null_mut();
    ok!(cuGraphClone(&mut clone, whole));
    ok!(cuGraphNodeFindInClone(&mut copied, last, clone));
    assert_ne!(copied, last);
    ok!(cuGraphDestroy(whole));
    run(instantiate(clone));
    assert_eq!(bytes_at(address, 4), [2, 1, 1, 1]);
}

#[test]
fn nodes_of_any_kind_can_be_added_by_one_call() {
    let device = own_device();
    context_on(device);
    let (graph, mut alloc_node, mut fill_node) = (graph(), null_mut(), null_mut());
    let mut parameters = CUgraphNodeParams { type_: CU_GRAPH_NODE_TYPE_MEM_ALLOC, ..Default::default() };
    let mut wanted = CUDA_MEM_ALLOC_NODE_PARAMS_v2 { bytesize: 4096, ..Default::default() };
    wanted.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.poolProps.location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device };
    parameters.__bindgen_anon_1.alloc = wanted;
    ok!(cuGraphAddNode(&mut alloc_node, graph, null(), 0, &mut parameters));
    // SAFETY: the call has filled in the member that the type names.
    let address = unsafe { parameters.__bindgen_anon_1.alloc.dptr };
    let mut parameters = CUgraphNodeParams { type_: CU_GRAPH_NODE_TYPE_MEMSET, ..Default::default() };
    parameters.__bindgen_anon_1.memset = CUDA_MEMSET_NODE_PARAMS_v2 {
        dst: address,
        value: 6,
        elementSize: 1,
        width: 4096,
        height: 1,
        ..Default::default()
    };
    ok!(cuGraphAddNode_v2(&mut fill_node, graph, &alloc_node, null(), 1, &mut parameters));
    run(instantiate(graph));
    assert_eq!(bytes_at(address, 4096), [6; 4096]);
    parameters.type_ = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    assert_eq!(cu!(cuGraphAddNode(&mut fill_node, graph, null(), 0, &mut parameters)), CUDA_ERROR_NOT_SUPPORTED);
}

#[test]
fn events_are_recorded_and_awaited_by_nodes() {
    context_on(own_device());
    let (whole, mut event, mut node) = (graph(), null_mut(), null_mut());
    ok!(cuEventCreate(&mut event, 0));
    let spin = kernel(whole, function(c"spin_us200000"), &[]);
    ok!(cuGraphAddEventRecordNode(&mut node, whole, &spin, 1, event));
    ok!(cuGraphLaunch(instantiate(whole), null_mut()));
    assert_eq!(cu!(cuEventQuery(event)), CUDA_ERROR_NOT_READY);
    let (waiting, mut stream) = (graph(), null_mut());
    ok!(cuStreamCreate(&mut stream, CU_STREAM_NON_BLOCKING));
    ok!(cuGraphAddEventWaitNode(&mut node, waiting, null(), 0, event));
    ok!(cuGraphLaunch(instantiate(waiting), stream));
    assert_eq!(cu!(cuStreamQuery(stream)), CUDA_ERROR_NOT_READY);
    ok!(cuStreamSynchronize(stream));
    ok!(cuEventQuery(event));
    let mut told = null_mut();
    ok!(cuGraphEventWaitNodeGetEvent(node, &mut told));
    assert_eq!(told, event);
}

#[test]
fn objects_of_the_program_live_as_long_as_a_graph_holds_them() {
    static ENDED: AtomicU32 = AtomicU32::new(0);
    let (graph, mut object) = (graph(), null_mut());
    let data = (&raw const ENDED).cast_mut().cast();
    let flags = CU_USER_OBJECT_NO_DESTRUCTOR_SYNC;
    assert_eq!(cu!(cuUserObjectCreate(&mut object, data, Some(count_up), 1, 0)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuUserObjectCreate(&mut object, data, Some(count_up), 1, flags));
    ok!(cuUserObjectRetain(object, 2));
    ok!(cuUserObjectRelease(object, 1));
    ok!(cuGraphRetainUserObject(graph, object, 2, 1));
    ok!(cuGraphReleaseUserObject(graph, object, 1));
    assert_eq!(cu!(cuGraphReleaseUserObject(graph, object, 2)), CUDA_ERROR_INVALID_VALUE);
    let exec = instantiate(graph);
    ok!(cuGraphDestroy(graph));
    assert_eq!(ENDED.load(Ordering::SeqCst), 0, "what was made ready of the graph holds it, too");
    ok!(cuGraphExecDestroy(exec));
    let deadline = Instant::now() + Duration::from_secs(20);
    while ENDED.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the object was not ended");
        std::thread::yield_now();
    }
    assert_eq!(cu!(cuUserObjectRetain(object, 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(ENDED.load(Ordering::SeqCst), 1);
}
