//! Nodes of graphs: adding them, and what they do.

use std::sync::Arc;

use ffi_headers::cuda::*;

use super::graph::{dependencies, find, find_node, handle};
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver, in_context};
use crate::graph::{Action, GraphAllocation, Node, Opaque, kernel};
use crate::launch::with_function;

driver_functions! {
    extern "C" fn cuGraphAddEmptyNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize) {
        add(node, graph, before, count, |_| Ok(Action::Empty))?;
    }

    extern "C" fn cuGraphAddKernelNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, parameters: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        add(node, graph, before, count, |driver| kernel_action(driver, widen(&parameters.get()?)))?;
    }

    extern "C" fn cuGraphAddKernelNode_v2(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, parameters: In<CUDA_KERNEL_NODE_PARAMS>) {
        add(node, graph, before, count, |driver| kernel_action(driver, parameters.get()?))?;
    }

    extern "C" fn cuGraphAddMemcpyNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, copy: In<CUDA_MEMCPY3D>, context: CUcontext) {
        add(node, graph, before, count, |driver| copy_action(driver, copy.get()?, context))?;
    }

    extern "C" fn cuGraphAddMemsetNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, fill: In<CUDA_MEMSET_NODE_PARAMS>, context: CUcontext) {
        add(node, graph, before, count, |driver| fill_action(driver, fill.get()?, context))?;
    }

    extern "C" fn cuGraphAddHostNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, parameters: In<CUDA_HOST_NODE_PARAMS>) {
        add(node, graph, before, count, |_| host_action(parameters.get()?))?;
    }

    extern "C" fn cuGraphAddChildGraphNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, child: CUgraph) {
        add(node, graph, before, count, |driver| child_action(driver, graph, child))?;
    }

    extern "C" fn cuGraphAddEventRecordNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, event: CUevent) {
        add(node, graph, before, count, |driver| Ok(Action::Record(event_action(driver, event)?)))?;
    }

    extern "C" fn cuGraphAddEventWaitNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, event: CUevent) {
        add(node, graph, before, count, |driver| Ok(Action::Wait(event_action(driver, event)?)))?;
    }

    /// The address goes back in the parameters.
    extern "C" fn cuGraphAddMemAllocNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, parameters: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        let mut given = parameters.get()?;
        add(node, graph, before, count, |driver| {
            let access = In::from_raw(given.accessDescs).slice(given.accessDescCount);
            let (action, address) = Action::allocate(driver, given.poolProps, access, given.bytesize)?;
            given.dptr = address;
            Ok(action)
        })?;
        parameters.set(given)?;
    }

    extern "C" fn cuGraphAddMemFreeNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, address: CUdeviceptr) {
        add(node, graph, before, count, |driver| free_action(driver, address))?;
    }

    extern "C" fn cuGraphAddNode(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, count: usize, parameters: Out<CUgraphNodeParams>) {
        add_any(node, graph, before, None, count, parameters)?;
    }

    extern "C" fn cuGraphAddNode_v2(node: Out<CUgraphNode>, graph: CUgraph, before: In<CUgraphNode>, data: In<CUgraphEdgeData>, count: usize, parameters: Out<CUgraphNodeParams>) {
        add_any(node, graph, before, Some(data), count, parameters)?;
    }

    extern "C" fn cuGraphNodeSetParams(node: CUgraphNode, parameters: Out<CUgraphNodeParams>) {
        let driver = driver()?;
        set(driver, node, any_action(driver, std::ptr::null_mut(), &mut parameters.get()?)?)?;
    }

    extern "C" fn cuGraphKernelNodeGetParams(node: CUgraphNode, place: Out<CUDA_KERNEL_NODE_PARAMS_v1>) {
        let Action::Kernel(Opaque(p)) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(CUDA_KERNEL_NODE_PARAMS_v1 {
            func: p.func,
            gridDimX: p.gridDimX,
            gridDimY: p.gridDimY,
            gridDimZ: p.gridDimZ,
            blockDimX: p.blockDimX,
            blockDimY: p.blockDimY,
            blockDimZ: p.blockDimZ,
            sharedMemBytes: p.sharedMemBytes,
            kernelParams: p.kernelParams,
            extra: p.extra,
        })?;
    }

    extern "C" fn cuGraphKernelNodeGetParams_v2(node: CUgraphNode, place: Out<CUDA_KERNEL_NODE_PARAMS>) {
        let Action::Kernel(parameters) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(parameters.0)?;
    }

    extern "C" fn cuGraphKernelNodeSetParams(node: CUgraphNode, parameters: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        let driver = driver()?;
        set(driver, node, kernel_action(driver, widen(&parameters.get()?))?)?;
    }

    extern "C" fn cuGraphKernelNodeSetParams_v2(node: CUgraphNode, parameters: In<CUDA_KERNEL_NODE_PARAMS>) {
        let driver = driver()?;
        set(driver, node, kernel_action(driver, parameters.get()?)?)?;
    }

    extern "C" fn cuGraphKernelNodeGetAttribute(node: CUgraphNode, attribute: CUkernelNodeAttrID, value: Out<CUkernelNodeAttrValue>) {
        let node = kernel_node(node)?;
        let set = node.attributes.lock().iter().find(|(id, _)| *id == attribute).map(|(_, value)| value.0);
        value.set(set.unwrap_or_default())?;
    }

    extern "C" fn cuGraphKernelNodeSetAttribute(node: CUgraphNode, attribute: CUkernelNodeAttrID, value: In<CUkernelNodeAttrValue>) {
        let (node, value) = (kernel_node(node)?, Opaque(value.get()?));
        let mut set = node.attributes.lock();
        set.retain(|(id, _)| *id != attribute);
        set.push((attribute, value));
    }

    extern "C" fn cuGraphKernelNodeCopyAttributes(target: CUgraphNode, source: CUgraphNode) {
        let (target, source) = (kernel_node(target)?, kernel_node(source)?);
        let copied = source.attributes.lock().clone();
        *target.attributes.lock() = copied;
    }

    extern "C" fn cuGraphMemcpyNodeGetParams(node: CUgraphNode, place: Out<CUDA_MEMCPY3D>) {
        let Action::Copy(copy) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(copy.0)?;
    }

    extern "C" fn cuGraphMemcpyNodeSetParams(node: CUgraphNode, copy: In<CUDA_MEMCPY3D>) {
        let driver = driver()?;
        set(driver, node, copy_action(driver, copy.get()?, std::ptr::null_mut())?)?;
    }

    extern "C" fn cuGraphMemsetNodeGetParams(node: CUgraphNode, place: Out<CUDA_MEMSET_NODE_PARAMS>) {
        let Action::Fill(fill) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(fill)?;
    }

    extern "C" fn cuGraphMemsetNodeSetParams(node: CUgraphNode, fill: In<CUDA_MEMSET_NODE_PARAMS>) {
        let driver = driver()?;
        set(driver, node, fill_action(driver, fill.get()?, std::ptr::null_mut())?)?;
    }

    extern "C" fn cuGraphHostNodeGetParams(node: CUgraphNode, place: Out<CUDA_HOST_NODE_PARAMS>) {
        let Action::Host(parameters) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(parameters.0)?;
    }

    extern "C" fn cuGraphHostNodeSetParams(node: CUgraphNode, parameters: In<CUDA_HOST_NODE_PARAMS>) {
        set(driver()?, node, host_action(parameters.get()?)?)?;
    }

    extern "C" fn cuGraphChildGraphNodeGetGraph(node: CUgraphNode, place: Out<CUgraph>) {
        let Action::Child(child) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(handle(&child))?;
    }

    extern "C" fn cuGraphEventRecordNodeGetEvent(node: CUgraphNode, place: Out<CUevent>) {
        let Action::Record(event) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(event.0)?;
    }

    extern "C" fn cuGraphEventRecordNodeSetEvent(node: CUgraphNode, event: CUevent) {
        let driver = driver()?;
        set(driver, node, Action::Record(event_action(driver, event)?))?;
    }

    extern "C" fn cuGraphEventWaitNodeGetEvent(node: CUgraphNode, place: Out<CUevent>) {
        let Action::Wait(event) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(event.0)?;
    }

    extern "C" fn cuGraphEventWaitNodeSetEvent(node: CUgraphNode, event: CUevent) {
        let driver = driver()?;
        set(driver, node, Action::Wait(event_action(driver, event)?))?;
    }

    extern "C" fn cuGraphMemAllocNodeGetParams(node: CUgraphNode, place: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        let Action::Allocate(allocation) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(described(&allocation))?;
    }

    extern "C" fn cuGraphMemFreeNodeGetParams(node: CUgraphNode, place: Out<CUdeviceptr>) {
        let Action::Free(address) = action(node)? else { return Err(CUDA_ERROR_INVALID_VALUE) };
        place.set(address)?;
    }
}

/// The parameters of an allocation node; the access descriptions lie in the node.
fn described(allocation: &GraphAllocation) -> CUDA_MEM_ALLOC_NODE_PARAMS {
    CUDA_MEM_ALLOC_NODE_PARAMS {
        poolProps: allocation.properties.0,
        accessDescs: if allocation.access.is_empty() { std::ptr::null() } else { allocation.access.as_ptr() },
        accessDescCount: allocation.access.len(),
        bytesize: allocation.bytes as usize,
        dptr: allocation.address,
    }
}

/// Makes an action and a node of it; the node's place and graph are checked first.
fn add(
    place: Out<CUgraphNode>,
    graph: CUgraph,
    before: In<CUgraphNode>,
    count: usize,
    action: impl FnOnce(&Driver) -> Outcome<Action>,
) -> Outcome {
    add_behind(place, graph, (before, None, count), action)
}

fn add_behind(
    place: Out<CUgraphNode>,
    graph: CUgraph,
    (before, data, count): (In<CUgraphNode>, Option<In<CUgraphEdgeData>>, usize),
    action: impl FnOnce(&Driver) -> Outcome<Action>,
) -> Outcome {
    let driver = driver()?;
    let place = place.required()?;
    let graph = find(driver, graph)?;
    if count > 0 && before.address().is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let before = dependencies(before, data, count);
    let node = graph.add(driver, action(driver)?, &before)?;
    place.set(node.key() as CUgraphNode)
}

fn add_any(
    place: Out<CUgraphNode>,
    graph: CUgraph,
    before: In<CUgraphNode>,
    data: Option<In<CUgraphEdgeData>>,
    count: usize,
    parameters: Out<CUgraphNodeParams>,
) -> Outcome {
    let mut given = parameters.get()?;
    add_behind(place, graph, (before, data, count), |driver| any_action(driver, graph, &mut given))?;
    // An allocation node has put its address there.
    parameters.set(given)
}

/// The action that parameters of any kind describe, for a node of `graph` if one is to be added.
pub fn any_action(driver: &Driver, graph: CUgraph, given: &mut CUgraphNodeParams) -> Outcome<Action> {
    let any = &mut given.__bindgen_anon_1;
    // SAFETY: by the contract of the API the type says which member is set; every member consists of numbers and pointers,
    // so that none has a bit pattern that it must not have.
    unsafe {
        match given.type_ {
            CU_GRAPH_NODE_TYPE_EMPTY => Ok(Action::Empty),
            CU_GRAPH_NODE_TYPE_KERNEL => {
                let p = any.kernel;
                kernel_action(
                    driver,
                    CUDA_KERNEL_NODE_PARAMS {
                        func: p.func,
                        gridDimX: p.gridDimX,
                        gridDimY: p.gridDimY,
                        gridDimZ: p.gridDimZ,
                        blockDimX: p.blockDimX,
                        blockDimY: p.blockDimY,
                        blockDimZ: p.blockDimZ,
                        sharedMemBytes: p.sharedMemBytes,
                        kernelParams: p.kernelParams,
                        extra: p.extra,
                        kern: p.kern,
                        ctx: p.ctx,
                    },
                )
            }
            CU_GRAPH_NODE_TYPE_MEMCPY => copy_action(driver, any.memcpy.copyParams, any.memcpy.copyCtx),
            CU_GRAPH_NODE_TYPE_MEMSET => {
                let CUDA_MEMSET_NODE_PARAMS_v2 { dst, pitch, value, elementSize, width, height, ctx } = any.memset;
                fill_action(driver, CUDA_MEMSET_NODE_PARAMS { dst, pitch, value, elementSize, width, height }, ctx)
            }
            CU_GRAPH_NODE_TYPE_HOST => {
                host_action(CUDA_HOST_NODE_PARAMS { fn_: any.host.fn_, userData: any.host.userData })
            }
            CU_GRAPH_NODE_TYPE_GRAPH => child_action(driver, graph, any.graph.graph),
            CU_GRAPH_NODE_TYPE_EVENT_RECORD => Ok(Action::Record(event_action(driver, any.eventRecord.event)?)),
            CU_GRAPH_NODE_TYPE_WAIT_EVENT => Ok(Action::Wait(event_action(driver, any.eventWait.event)?)),
            CU_GRAPH_NODE_TYPE_MEM_ALLOC => {
                let wanted = &mut any.alloc;
                let access = In::from_raw(wanted.accessDescs).slice(wanted.accessDescCount);
                let (action, address) = Action::allocate(driver, wanted.poolProps, access, wanted.bytesize)?;
                wanted.dptr = address;
                Ok(action)
            }
            CU_GRAPH_NODE_TYPE_MEM_FREE => free_action(driver, any.free.dptr),
            CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL
            | CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT
            | CU_GRAPH_NODE_TYPE_BATCH_MEM_OP
            | CU_GRAPH_NODE_TYPE_CONDITIONAL => Err(CUDA_ERROR_NOT_SUPPORTED),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }
}

/// The older form of kernel parameters in the newer one, for the current context.
pub fn widen(p: &CUDA_KERNEL_NODE_PARAMS_v1) -> CUDA_KERNEL_NODE_PARAMS {
    CUDA_KERNEL_NODE_PARAMS {
        func: p.func,
        gridDimX: p.gridDimX,
        gridDimY: p.gridDimY,
        gridDimZ: p.gridDimZ,
        blockDimX: p.blockDimX,
        blockDimY: p.blockDimY,
        blockDimZ: p.blockDimZ,
        sharedMemBytes: p.sharedMemBytes,
        kernelParams: p.kernelParams,
        extra: p.extra,
        ..Default::default()
    }
}

/// Kernel parameters are not looked into; their pointers are given back as they came.
pub fn kernel_action(driver: &Driver, parameters: CUDA_KERNEL_NODE_PARAMS) -> Outcome<Action> {
    let (function, shape) = kernel(&parameters);
    if !parameters.ctx.is_null() {
        driver.context(parameters.ctx)?;
    }
    if shape.blocks() == 0 || shape.threads() == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    with_function(driver, function, None, |_, _| Ok(()))?;
    Ok(Action::Kernel(Opaque(parameters)))
}

/// What lies at the addresses is checked when the graph runs: it may be memory of the graph itself.
pub fn copy_action(driver: &Driver, copy: CUDA_MEMCPY3D, context: CUcontext) -> Outcome<Action> {
    let known = |kind| (CU_MEMORYTYPE_HOST..=CU_MEMORYTYPE_UNIFIED).contains(&kind);
    if !known(copy.srcMemoryType) || !known(copy.dstMemoryType) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check_context(driver, context)?;
    Ok(Action::Copy(Opaque(copy)))
}

pub fn fill_action(driver: &Driver, fill: CUDA_MEMSET_NODE_PARAMS, context: CUcontext) -> Outcome<Action> {
    if !matches!(fill.elementSize, 1 | 2 | 4) || fill.dst == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check_context(driver, context)?;
    Ok(Action::Fill(fill))
}

pub fn host_action(parameters: CUDA_HOST_NODE_PARAMS) -> Outcome<Action> {
    if parameters.fn_.is_none() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(Action::Host(Opaque(parameters)))
}

pub fn event_action(driver: &Driver, event: CUevent) -> Outcome<Opaque<CUevent>> {
    driver.events.get(event).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    Ok(Opaque(event))
}

/// A graph within a graph is a copy; it cannot be within itself.
fn child_action(driver: &Driver, graph: CUgraph, child: CUgraph) -> Outcome<Action> {
    if graph.is_null() || graph == child {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(Action::Child(find(driver, child)?.copy(driver, true)?))
}

/// Only memory of an allocation node can be freed by a node.
pub fn free_action(driver: &Driver, address: CUdeviceptr) -> Outcome<Action> {
    let device = driver.device_at(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if !device.space().is_graph_allocation(address) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(Action::Free(address))
}

/// The null context means the current one.
fn check_context(driver: &Driver, context: CUcontext) -> Outcome {
    if context.is_null() {
        return Ok(());
    }
    let found = driver.context(context)?;
    if found.is_live() { Ok(()) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
}

fn action(node: CUgraphNode) -> Outcome<Action> {
    Ok(find_node(driver()?, node)?.action.lock().clone())
}

fn kernel_node(node: CUgraphNode) -> Outcome<Arc<Node>> {
    let node = find_node(in_context()?.0, node)?;
    if node.kind() == CU_GRAPH_NODE_TYPE_KERNEL { Ok(node) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// Gives a node new parameters of its kind. What a memory node does is fixed.
fn set(driver: &Driver, node: CUgraphNode, action: Action) -> Outcome {
    let node = find_node(driver, node)?;
    if node.kind() != action.kind() || action.is_memory_node() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    *node.action.lock() = action;
    Ok(())
}
