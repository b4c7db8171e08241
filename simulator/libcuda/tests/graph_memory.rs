//! Memory of graphs: when its pages are taken, shared and given back.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::{null, null_mut};

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

fn graph() -> CUgraph {
    let mut graph = null_mut();
    ok!(cuGraphCreate(&mut graph, 0));
    graph
}

fn wanted(device: CUdevice, bytes: u64) -> CUDA_MEM_ALLOC_NODE_PARAMS {
    let mut wanted = CUDA_MEM_ALLOC_NODE_PARAMS { bytesize: bytes as usize, ..Default::default() };
    wanted.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.poolProps.location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device };
    wanted
}

/// Adds an allocation node behind `before`: node and address.
fn allocate(graph: CUgraph, device: CUdevice, bytes: u64, before: &[CUgraphNode]) -> (CUgraphNode, CUdeviceptr) {
    let (mut node, mut wanted) = (null_mut(), wanted(device, bytes));
    ok!(cuGraphAddMemAllocNode(&mut node, graph, before.as_ptr(), before.len(), &mut wanted));
    assert_ne!(wanted.dptr, 0);
    (node, wanted.dptr)
}

fn free(graph: CUgraph, address: CUdeviceptr, before: &[CUgraphNode]) -> CUgraphNode {
    let mut node = null_mut();
    ok!(cuGraphAddMemFreeNode(&mut node, graph, before.as_ptr(), before.len(), address));
    node
}

fn instantiate(graph: CUgraph, flags: u32) -> CUgraphExec {
    let mut exec = null_mut();
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, flags.into()));
    exec
}

fn launch(exec: CUgraphExec) -> CUresult {
    cu!(cuGraphLaunch(exec, null_mut()))
}

fn figure(device: CUdevice, attribute: CUgraphMem_attribute) -> u64 {
    let mut value = 0u64;
    ok!(cuDeviceGetGraphMemAttribute(device, attribute, (&raw mut value).cast()));
    value
}

/// Used and reserved, in MiB.
fn figures(device: CUdevice) -> (u64, u64) {
    let mib = |attribute| figure(device, attribute) / MIB;
    (mib(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), mib(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT))
}

#[test]
fn pages_come_with_the_first_launch_and_go_with_a_trim() {
    let device = own_device();
    context_on(device);
    let graph = graph();
    let (node, address) = allocate(graph, device, 5 * MIB, &[]);
    free(graph, address, &[node]);
    assert_eq!((used(), figures(device)), (CONTEXT, (0, 0)), "a node takes no memory");
    let exec = instantiate(graph, 0);
    assert_eq!((used(), figures(device)), (CONTEXT, (0, 0)), "nor does making ready");
    for _ in 0..3 {
        assert_eq!(launch(exec), CUDA_SUCCESS);
        assert_eq!((used(), figures(device)), (CONTEXT + 3 * PAGE, (6, 6)));
    }
    ok!(cuCtxSynchronize());
    ok!(cuGraphExecDestroy(exec));
    ok!(cuGraphDestroy(graph));
    assert_eq!((used(), figures(device)), (CONTEXT + 3 * PAGE, (0, 6)), "the pool keeps what was its graph's");
    ok!(cuDeviceGraphMemTrim(device));
    assert_eq!((used(), figures(device)), (CONTEXT, (0, 0)));
    let high = |attribute| figure(device, attribute);
    assert_eq!((high(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH), high(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)), (6 * MIB, 6 * MIB));
    let (mut one, mut zero) = (1u64, 0u64);
    let (one, place) = ((&raw mut one).cast(), (&raw mut zero).cast());
    assert_eq!(
        cu!(cuDeviceSetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, one)),
        CUDA_ERROR_INVALID_VALUE
    );
    ok!(cuDeviceSetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, place));
    assert_eq!((high(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH), high(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)), (0, 6 * MIB));
    assert_eq!(
        cu!(cuDeviceSetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, place)),
        CUDA_ERROR_INVALID_VALUE
    );
}

#[test]
fn an_upload_takes_the_pages_ahead_of_the_launch() {
    let device = own_device();
    context_on(device);
    let graph = graph();
    allocate(graph, device, 5 * MIB, &[]);
    let exec = instantiate(graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
    ok!(cuGraphUpload(exec, null_mut()));
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    assert_eq!(launch(exec), CUDA_SUCCESS);
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    ok!(cuGraphExecDestroy(exec));
    let mut parameters = CUDA_GRAPH_INSTANTIATE_PARAMS {
        flags: u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD),
        ..Default::default()
    };
    let mut exec = null_mut();
    ok!(cuGraphInstantiateWithParams(&mut exec, graph, &mut parameters));
    assert_eq!(parameters.result_out, CUDA_GRAPH_INSTANTIATE_SUCCESS);
    // The allocation of the first launch is still live, in pages of its own.
    assert_eq!((used(), figures(device)), (CONTEXT + 6 * PAGE, (12, 12)));
}

#[test]
fn memory_that_is_freed_in_the_graph_is_taken_again_by_what_comes_after() {
    let device = own_device();
    context_on(device);
    // One behind the other: 4 MiB, freed, then 6 MiB: 3 pages are enough.
    let chain = graph();
    let (a, address) = allocate(chain, device, 4 * MIB, &[]);
    let freed = free(chain, address, &[a]);
    let (b, address) = allocate(chain, device, 6 * MIB, &[freed]);
    free(chain, address, &[b]);
    let exec = instantiate(chain, 0);
    assert_eq!(launch(exec), CUDA_SUCCESS);
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    ok!(cuGraphExecDestroy(exec));
    ok!(cuDeviceGraphMemTrim(device));
    // Side by side: 5 pages.
    let wide = graph();
    for bytes in [4 * MIB, 6 * MIB] {
        let (node, address) = allocate(wide, device, bytes, &[]);
        free(wide, address, &[node]);
    }
    let exec = instantiate(wide, 0);
    assert_eq!(launch(exec), CUDA_SUCCESS);
    assert_eq!(used(), CONTEXT + 5 * PAGE);
    // What a graph that is gone leaves in the pool, the next one takes: 4 of 5 pages, and no new one.
    ok!(cuGraphExecDestroy(exec));
    let next = graph();
    let (node, address) = allocate(next, device, 8 * MIB, &[]);
    free(next, address, &[node]);
    let exec = instantiate(next, 0);
    assert_eq!(launch(exec), CUDA_SUCCESS);
    assert_eq!((used(), figures(device)), (CONTEXT + 5 * PAGE, (8, 10)));
}

#[test]
fn an_allocation_may_outlive_its_graph_and_is_freed_like_any_other() {
    let device = own_device();
    context_on(device);
    let frees: [fn(CUdeviceptr) -> CUresult; 3] = [
        |a| cu!(cuMemFree_v2(a)),
        |a| cu!(cuMemFreeAsync(a, null_mut())),
        |a| {
            let graph = graph();
            free(graph, a, &[]);
            let exec = instantiate(graph, 0);
            let code = launch(exec);
            ok!(cuGraphExecDestroy(exec));
            ok!(cuGraphDestroy(graph));
            code
        },
    ];
    for by in frees {
        let graph = graph();
        let (_, address) = allocate(graph, device, 3 * MIB, &[]);
        let mut byte = 0u8;
        let place = (&raw mut byte).cast();
        assert_eq!(cu!(cuMemcpyDtoH_v2(place, address, 1)), CUDA_ERROR_INVALID_VALUE, "not launched yet");
        assert_eq!(by(address), CUDA_ERROR_INVALID_VALUE, "nothing to free yet");
        let exec = instantiate(graph, 0);
        assert_eq!(launch(exec), CUDA_SUCCESS);
        assert_eq!(launch(exec), CUDA_ERROR_INVALID_VALUE, "the allocation of the last launch is live");
        ok!(cuMemsetD8_v2(address, 7, 3 << 20));
        ok!(cuCtxSynchronize());
        let (mut base, mut size) = (0, 0);
        ok!(cuMemGetAddressRange_v2(&mut base, &mut size, address + 100));
        assert_eq!((base, size as u64), (address, 3 * MIB));
        ok!(cuGraphExecDestroy(exec));
        ok!(cuGraphDestroy(graph));
        ok!(cuDeviceGraphMemTrim(device));
        assert_eq!((used(), figures(device)), (CONTEXT + 2 * PAGE, (4, 4)), "a live allocation keeps its pages");
        ok!(cuMemcpyDtoH_v2(place, address, 1));
        assert_eq!(byte, 7);
        assert_eq!(by(address), CUDA_SUCCESS);
        assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE);
        assert_eq!((used(), figures(device)), (CONTEXT + 2 * PAGE, (0, 4)));
        ok!(cuDeviceGraphMemTrim(device));
        assert_eq!(used(), CONTEXT);
    }
}

#[test]
fn a_graph_that_frees_at_its_launch_can_be_launched_again() {
    let device = own_device();
    context_on(device);
    let graph = graph();
    let (_, address) = allocate(graph, device, 3 * MIB, &[]);
    let exec = instantiate(graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
    let mut flags = 0;
    ok!(cuGraphExecGetFlags(exec, &mut flags));
    assert_eq!(flags, u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
    for _ in 0..3 {
        assert_eq!(launch(exec), CUDA_SUCCESS);
        assert_eq!(used(), CONTEXT + 2 * PAGE);
    }
    ok!(cuMemFree_v2(address));
    assert_eq!(launch(exec), CUDA_SUCCESS);
}

#[test]
fn a_launch_that_finds_no_room_does_nothing_and_can_be_tried_again() {
    let device = own_device();
    context_on(device);
    let (mut free_bytes, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free_bytes, &mut total));
    let pages = free_bytes as u64 / PAGE;
    let most = alloc((pages - 2) * PAGE);
    let graph = graph();
    let (node, address) = allocate(graph, device, 5 * MIB, &[]);
    free(graph, address, &[node]);
    let exec = instantiate(graph, 0);
    let before = used();
    assert_eq!(launch(exec), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(cu!(cuGraphUpload(exec, null_mut())), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!((used(), figures(device)), (before, (0, 0)));
    ok!(cuMemFree_v2(most));
    assert_eq!(launch(exec), CUDA_SUCCESS);
    assert_eq!(used(), CONTEXT + 3 * PAGE);
}

#[test]
fn graphs_with_memory_nodes_are_one_of_a_kind() {
    let device = own_device();
    context_on(device);
    let (whole, mut copy, mut exec, mut node) = (graph(), null_mut(), null_mut(), null_mut());
    let (a, address) = allocate(whole, device, MIB, &[]);
    let b = free(whole, address, &[a]);
    assert_eq!(cu!(cuGraphClone(&mut copy, whole)), CUDA_ERROR_NOT_SUPPORTED);
    assert_eq!(cu!(cuGraphAddChildGraphNode(&mut node, graph(), null(), 0, whole)), CUDA_ERROR_NOT_SUPPORTED);
    assert_eq!(cu!(cuGraphDestroyNode(b)), CUDA_ERROR_NOT_SUPPORTED);
    assert_eq!(cu!(cuGraphRemoveDependencies(whole, &a, &b, 1)), CUDA_ERROR_NOT_SUPPORTED);
    assert_eq!(cu!(cuGraphAddMemFreeNode(&mut node, whole, null(), 0, address)), CUDA_ERROR_INVALID_VALUE);
    let linear = alloc(MIB);
    assert_eq!(cu!(cuGraphAddMemFreeNode(&mut node, whole, null(), 0, linear)), CUDA_ERROR_INVALID_VALUE);
    let first = instantiate(whole, 0);
    assert_eq!(cu!(cuGraphInstantiateWithFlags(&mut exec, whole, 0)), CUDA_ERROR_NOT_SUPPORTED);
    ok!(cuGraphExecDestroy(first));
    ok!(cuGraphInstantiateWithFlags(&mut exec, whole, 0));
    let mut bad = wanted(device, 0);
    assert_eq!(cu!(cuGraphAddMemAllocNode(&mut node, whole, null(), 0, &mut bad)), CUDA_ERROR_INVALID_VALUE);
    bad = wanted(99, MIB);
    assert_eq!(cu!(cuGraphAddMemAllocNode(&mut node, whole, null(), 0, &mut bad)), CUDA_ERROR_INVALID_VALUE);
    let mut told = CUDA_MEM_ALLOC_NODE_PARAMS::default();
    ok!(cuGraphMemAllocNodeGetParams(a, &mut told));
    assert_eq!((told.dptr, told.bytesize as u64, told.poolProps.location.id), (address, MIB, device));
    let mut freed = 0;
    ok!(cuGraphMemFreeNodeGetParams(b, &mut freed));
    assert_eq!(freed, address);
}
