//! Graphs: nodes, edges, copies, and the objects of the program that they keep.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver};
use crate::graph::{Edge, Graph, Key, Node, Reference, UserObject, dot};

const NO_DATA: CUgraphEdgeData = CUgraphEdgeData { from_port: 0, to_port: 0, type_: 0, reserved: [0; 5] };

driver_functions! {
    extern "C" fn cuGraphCreate(graph: Out<CUgraph>, flags: u32) {
        let driver = driver()?;
        let place = graph.required()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.set(driver.graph.graphs.insert(Arc::new(Graph::default())))?;
    }

    /// A graph that a node holds goes with that node.
    extern "C" fn cuGraphDestroy(graph: CUgraph) {
        let driver = driver()?;
        let graph = find(driver, graph)?;
        if graph.embedded {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        graph.destroy(driver);
    }

    extern "C" fn cuGraphClone(copy: Out<CUgraph>, graph: CUgraph) {
        let driver = driver()?;
        let place = copy.required()?;
        place.set(handle(&find(driver, graph)?.copy(driver, false)?))?;
    }

    extern "C" fn cuGraphDestroyNode(node: CUgraphNode) {
        let driver = driver()?;
        let node = find_node(driver, node)?;
        node.graph.upgrade().ok_or(CUDA_ERROR_INVALID_VALUE)?.remove(driver, node.key())?;
    }

    extern "C" fn cuGraphNodeGetType(node: CUgraphNode, kind: Out<CUgraphNodeType>) {
        kind.set(find_node(driver()?, node)?.kind())?;
    }

    extern "C" fn cuGraphNodeFindInClone(place: Out<CUgraphNode>, original: CUgraphNode, copy: CUgraph) {
        let driver = driver()?;
        let found = find(driver, copy)?.copied_from(original as Key).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        place.set(found as CUgraphNode)?;
    }

    extern "C" fn cuGraphGetNodes(graph: CUgraph, nodes: Out<CUgraphNode>, count: Out<usize>) {
        let graph = find(driver()?, graph)?;
        list(graph.nodes().iter().map(|node| node.key()).collect(), nodes, count)?;
    }

    extern "C" fn cuGraphGetRootNodes(graph: CUgraph, nodes: Out<CUgraphNode>, count: Out<usize>) {
        list(find(driver()?, graph)?.roots(), nodes, count)?;
    }

    extern "C" fn cuGraphGetEdges(graph: CUgraph, from: Out<CUgraphNode>, to: Out<CUgraphNode>, count: Out<usize>) {
        let edges = find(driver()?, graph)?.edges();
        list_edges(&edges, [from, to], None, count)?;
    }

    extern "C" fn cuGraphGetEdges_v2(graph: CUgraph, from: Out<CUgraphNode>, to: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) {
        let edges = find(driver()?, graph)?.edges();
        list_edges(&edges, [from, to], Some(data), count)?;
    }

    extern "C" fn cuGraphNodeGetDependencies(node: CUgraphNode, nodes: Out<CUgraphNode>, count: Out<usize>) {
        list_edges(&around(node, true)?, [nodes, Out::from_raw(std::ptr::null_mut())], None, count)?;
    }

    extern "C" fn cuGraphNodeGetDependencies_v2(node: CUgraphNode, nodes: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) {
        list_edges(&around(node, true)?, [nodes, Out::from_raw(std::ptr::null_mut())], Some(data), count)?;
    }

    extern "C" fn cuGraphNodeGetDependentNodes(node: CUgraphNode, nodes: Out<CUgraphNode>, count: Out<usize>) {
        list_edges(&around(node, false)?, [Out::from_raw(std::ptr::null_mut()), nodes], None, count)?;
    }

    extern "C" fn cuGraphNodeGetDependentNodes_v2(node: CUgraphNode, nodes: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) {
        list_edges(&around(node, false)?, [Out::from_raw(std::ptr::null_mut()), nodes], Some(data), count)?;
    }

    extern "C" fn cuGraphAddDependencies(graph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, count: usize) {
        find(driver()?, graph)?.connect(&edges(from, to, None, count))?;
    }

    extern "C" fn cuGraphAddDependencies_v2(graph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, data: In<CUgraphEdgeData>, count: usize) {
        find(driver()?, graph)?.connect(&edges(from, to, Some(data), count))?;
    }

    extern "C" fn cuGraphRemoveDependencies(graph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, count: usize) {
        disconnect(graph, from, to, count)?;
    }

    extern "C" fn cuGraphRemoveDependencies_v2(graph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, _data: In<CUgraphEdgeData>, count: usize) {
        disconnect(graph, from, to, count)?;
    }

    extern "C" fn cuGraphDebugDotPrint(graph: CUgraph, path: In<c_char>, _flags: u32) {
        let graph = find(driver()?, graph)?;
        let path = path.text()?.to_str().map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        std::fs::write(path, dot(&graph)).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)?;
    }

    extern "C" fn cuUserObjectCreate(object: Out<CUuserObject>, pointer: *mut c_void, destroy: CUhostFn, count: u32, flags: u32) {
        let driver = driver()?;
        let place = object.required()?;
        // The only flag is demanded: nobody can wait for the function that ends the object.
        if destroy.is_none() || count == 0 || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let destroy = CUDA_HOST_NODE_PARAMS { fn_: destroy, userData: pointer };
        place.set(driver.graph.user_objects.insert(Arc::new(UserObject::new(destroy, count.into()))))?;
    }

    extern "C" fn cuUserObjectRetain(object: CUuserObject, count: u32) {
        find_object(driver()?, object, count)?.retain(count.into())?;
    }

    extern "C" fn cuUserObjectRelease(object: CUuserObject, count: u32) {
        find_object(driver()?, object, count)?.release(count.into())?;
    }

    extern "C" fn cuGraphRetainUserObject(graph: CUgraph, object: CUuserObject, count: u32, flags: u32) {
        let driver = driver()?;
        let (graph, object) = (find(driver, graph)?, find_object(driver, object, count)?);
        match flags {
            0 => object.retain(count.into())?,
            // The caller's references become the graph's.
            GRAPH_USER_OBJECT_MOVE => {}
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        graph.user_objects.lock().push(Reference { object, count: count.into() });
    }

    extern "C" fn cuGraphReleaseUserObject(graph: CUgraph, object: CUuserObject, count: u32) {
        let driver = driver()?;
        let (graph, object) = (find(driver, graph)?, find_object(driver, object, count)?);
        let mut held = graph.user_objects.lock();
        let of_object = |reference: &&mut Reference| Arc::ptr_eq(&reference.object, &object);
        let mut left = u64::from(count);
        if held.iter_mut().filter(of_object).map(|reference| reference.count).sum::<u64>() < left {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        for reference in held.iter_mut().filter(of_object) {
            let taken = reference.count.min(left);
            reference.count -= taken;
            left -= taken;
        }
        held.retain(|reference| reference.count > 0);
        drop(held);
        object.release(count.into())?;
    }
}

/// CU_GRAPH_USER_OBJECT_MOVE of the vendor's header.
const GRAPH_USER_OBJECT_MOVE: u32 = 1;

/// The graph behind a handle.
pub fn find(driver: &Driver, graph: CUgraph) -> Outcome<Arc<Graph>> {
    driver.graph.graphs.get(graph).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// The node behind a handle.
pub fn find_node(driver: &Driver, node: CUgraphNode) -> Outcome<Arc<Node>> {
    driver.graph.nodes.get(node).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// The handle of a graph.
pub fn handle(graph: &Arc<Graph>) -> CUgraph {
    Arc::as_ptr(graph).cast_mut().cast()
}

/// Nodes with the edge data that go with them: plain edges where there is none.
pub fn dependencies(
    nodes: In<CUgraphNode>,
    data: Option<In<CUgraphEdgeData>>,
    count: usize,
) -> Vec<(Key, CUgraphEdgeData)> {
    let keys = nodes.slice(count).into_iter().map(|node| node as Key);
    let data = data.map(|data| data.slice(count)).unwrap_or_default();
    keys.zip(data.into_iter().chain(std::iter::repeat(NO_DATA))).collect()
}

fn find_object(driver: &Driver, object: CUuserObject, count: u32) -> Outcome<Arc<UserObject>> {
    if count == 0 || count > i32::MAX as u32 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    driver.graph.user_objects.get(object).ok_or(CUDA_ERROR_INVALID_VALUE)
}

fn edges(from: In<CUgraphNode>, to: In<CUgraphNode>, data: Option<In<CUgraphEdgeData>>, count: usize) -> Vec<Edge> {
    let ends = to.slice(count).into_iter().map(|node| node as Key);
    dependencies(from, data, count).into_iter().zip(ends).map(|((from, data), to)| Edge { from, to, data }).collect()
}

fn disconnect(graph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, count: usize) -> Outcome {
    let pairs: Vec<_> = edges(from, to, None, count).into_iter().map(|edge| (edge.from, edge.to)).collect();
    find(driver()?, graph)?.disconnect(&pairs)
}

/// The edges that end at a node, or that start there.
fn around(node: CUgraphNode, before: bool) -> Outcome<Vec<Edge>> {
    let node = find_node(driver()?, node)?;
    let graph = node.graph.upgrade().ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let key = node.key();
    Ok(graph.edges().into_iter().filter(|edge| key == if before { edge.to } else { edge.from }).collect())
}

/// Writes as many nodes as the caller has room for, and how many these are; nulls behind them. Without a place for nodes,
/// writes how many there are.
fn list(keys: Vec<Key>, nodes: Out<CUgraphNode>, count: Out<usize>) -> Outcome {
    let all = keys.len();
    let room = if nodes.is_null() { all } else { count.get()? };
    column(keys.into_iter().map(|key| key as CUgraphNode), std::ptr::null_mut(), nodes, room);
    count.set(room.min(all))
}

/// The same for edges, of which any part may be left out.
fn list_edges(
    edges: &[Edge],
    [from, to]: [Out<CUgraphNode>; 2],
    data: Option<Out<CUgraphEdgeData>>,
    count: Out<usize>,
) -> Outcome {
    let count_only = from.is_null() && to.is_null();
    let plain = |edge: &Edge| edge.data.from_port == 0 && edge.data.to_port == 0 && edge.data.type_ == 0;
    // The caller would miss what the edges say.
    if !count_only && data.is_none_or(Out::is_null) && !edges.iter().all(plain) {
        return Err(CUDA_ERROR_LOSSY_QUERY);
    }
    let room = if count_only { edges.len() } else { count.get()? };
    column(edges.iter().map(|edge| edge.from as CUgraphNode), std::ptr::null_mut(), from, room);
    column(edges.iter().map(|edge| edge.to as CUgraphNode), std::ptr::null_mut(), to, room);
    if let Some(data) = data {
        column(edges.iter().map(|edge| edge.data), NO_DATA, data, room);
    }
    count.set(room.min(edges.len()))
}

fn column<T: Copy>(values: impl Iterator<Item = T>, none: T, place: Out<T>, room: usize) {
    place.set_slice(values.chain(std::iter::repeat(none)).take(room));
}
