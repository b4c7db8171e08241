//! Graphs that allocate memory: charged by what the driver keeps reserved for a device's graphs.
//!
//! Adding a node takes nothing, and neither does making a graph executable: physical memory is taken when it is launched or
//! uploaded for the first time, and stays reserved until graph memory is trimmed (CUDA programming guide, "Graph memory
//! nodes"). So what an executable graph may need is read from its nodes when it is made, and taken when it is launched.
// UNSAFETY: calls the vendor's functions and reads what the driver wrote.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_ulonglong};
use core::ptr;
use core::sync::atomic::Ordering;

use ffi_headers::cuda::{
    CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, CU_GRAPH_NODE_TYPE_GRAPH,
    CU_GRAPH_NODE_TYPE_MEM_ALLOC, CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD, CUDA_GRAPH_INSTANTIATE_PARAMS,
    CUDA_MEM_ALLOC_NODE_PARAMS, CUDA_SUCCESS, CUdevice, CUgraph, CUgraphExec, CUgraphExecUpdateResult,
    CUgraphMem_attribute, CUgraphNode, CUresult, CUstream,
};

use super::{device_at, pool, refused};
use crate::books;
use crate::compute::{Command, Queue};
use crate::guard::{self, Inside};
use crate::private::{Exec, Private};
use crate::tenant::{self, Quota, Tenant};
use crate::{compute, vendor};

/// Graphs within graphs that are looked into; CUDA itself nests less.
const DEEPEST: u32 = 64;

/// One of the attributes of a device's graph memory, in bytes.
fn attribute(device: CUdevice, which: CUgraphMem_attribute) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: these attributes are 64 bits wide, as cuda.h documents.
    let answer = unsafe { vendor::graph_mem_attribute(device, which, (&raw mut value).cast()) };
    (answer == CUDA_SUCCESS).then_some(value)
}

/// The driver's answer as a result.
fn ok(answer: CUresult) -> Result<(), CUresult> {
    if answer == CUDA_SUCCESS { Ok(()) } else { Err(answer) }
}

/// The nodes of a graph.
fn nodes(graph: CUgraph) -> Result<Vec<CUgraphNode>, CUresult> {
    let mut count = 0_usize;
    // SAFETY: NULL asks for the number of nodes, a local to write.
    ok(unsafe { vendor::graph_nodes(graph, ptr::null_mut(), &raw mut count) })?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut nodes = vec![ptr::null_mut(); count];
    // SAFETY: room for `count` nodes.
    ok(unsafe { vendor::graph_nodes(graph, nodes.as_mut_ptr(), &raw mut count) })?;
    nodes.truncate(count);
    Ok(nodes)
}

/// Adds what the allocations of a graph, and of graphs in it, may need on each device, in whole pages.
fn add_needs(needs: &mut Vec<(CUdevice, u64)>, graph: CUgraph, depth: u32) -> Result<(), CUresult> {
    for node in nodes(graph)? {
        let mut kind = 0;
        // SAFETY: a node of a graph that lives during the program's call, and a local to write.
        ok(unsafe { vendor::graph_node_type(node, &raw mut kind) })?;
        if kind == CU_GRAPH_NODE_TYPE_MEM_ALLOC {
            let mut parameters = CUDA_MEM_ALLOC_NODE_PARAMS::default();
            // SAFETY: an allocation node, and a local to write.
            ok(unsafe { vendor::graph_alloc_params(node, &raw mut parameters) })?;
            if let Some(device) = device_at(parameters.poolProps.location) {
                let bytes = books::most(parameters.bytesize as u64);
                match needs.iter_mut().find(|(known, _)| *known == device) {
                    Some((_, sum)) => *sum = sum.saturating_add(bytes),
                    None => needs.push((device, bytes)),
                }
            }
        } else if kind == CU_GRAPH_NODE_TYPE_GRAPH && depth < DEEPEST {
            let mut child: CUgraph = ptr::null_mut();
            // SAFETY: a node of that type, and a local to write.
            ok(unsafe { vendor::graph_child(node, &raw mut child) })?;
            add_needs(needs, child, depth + 1)?;
        }
    }
    Ok(())
}

/// Brings the charge for a device's graph memory to what is reserved now, `taken` having been taken beforehand.
fn settle(tenant: &Tenant, private: &mut Private, quota: &'static Quota, device: CUdevice, taken: u64) {
    let before = private.graphs.reserved.get(&(device as u64)).copied().unwrap_or(0);
    let now = attribute(device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT).unwrap_or(before + taken);
    private.graphs.reserved.insert(device as u64, now);
    tenant.settle(private, quota.device, before + taken, now);
}

/// Runs `send`, which gives memory to an executable graph with these needs. `backed`: it has had it already.
fn back(
    tenant: &'static Tenant,
    inside: &mut Inside,
    needs: &[(CUdevice, u64)],
    backed: bool,
    send: impl FnOnce(&mut Inside) -> CUresult,
) -> CUresult {
    let mut taken: Vec<(CUdevice, &'static Quota, u64)> = Vec::new();
    let mut short = None;
    for (device, bytes) in needs {
        let Some(quota) = tenant.of_ordinal(*device) else { continue };
        let reserved = attribute(*device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0);
        let used = attribute(*device, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT).unwrap_or(reserved);
        if backed {
            taken.push((*device, quota, 0));
        } else if pool::take(tenant, quota, *bytes) {
            taken.push((*device, quota, *bytes));
        } else if quota.limit() > 0 && *bytes <= reserved.saturating_sub(used) {
            taken.push((*device, quota, 0)); // what others of this process's graphs have left serves
        } else {
            short = Some(quota);
        }
    }
    let result = match short {
        Some(quota) => refused(tenant, quota),
        None => send(inside),
    };
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        for (device, quota, bytes) in taken {
            settle(tenant, &mut private, quota, device, bytes);
        }
    });
    result
}

/// Runs `call`, which makes `graph` executable and writes its handle to `exec`; with `uploads` it gives it memory as well.
fn instantiate(exec: *mut CUgraphExec, graph: CUgraph, uploads: bool, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let mut needs = Vec::new();
    if let Err(error) = add_needs(&mut needs, graph, 0) {
        // It is no graph, and the driver says so in its own way; or what its launch would take is not known.
        let result = inside.driver(call);
        if result != CUDA_SUCCESS {
            return result;
        }
        // SAFETY: after success the driver has written it, and nobody else has seen it yet.
        let _gone = unsafe { vendor::graph_exec_destroy(exec.read()) };
        return error;
    }
    let result = if uploads {
        back(tenant, &mut inside, &needs, false, |inside| inside.driver(call))
    } else {
        inside.driver(call)
    };
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            // SAFETY: after success the driver has written it.
            let exec = unsafe { exec.read() } as u64;
            let mut private = tenant.private();
            if needs.is_empty() {
                private.graphs.execs.remove(&exec); // an earlier one that was destroyed without our seeing it
            } else {
                tenant.uses_graph_memory.store(true, Ordering::Relaxed); // see `launch`
                private.graphs.execs.insert(exec, Exec { needs, backed: uploads });
            }
        });
    }
    result
}

/// cuGraphInstantiate, first and second version.
pub(crate) fn instantiate_with_log(
    original: unsafe extern "C" fn(*mut CUgraphExec, CUgraph, *mut CUgraphNode, *mut c_char, usize) -> CUresult,
    exec: *mut CUgraphExec,
    graph: CUgraph,
    error_node: *mut CUgraphNode,
    log: *mut c_char,
    log_size: usize,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    instantiate(exec, graph, false, || unsafe { original(exec, graph, error_node, log, log_size) })
}

/// cuGraphInstantiateWithFlags, which is cuGraphInstantiate since CUDA 12.
pub(crate) fn instantiate_with_flags(
    original: unsafe extern "C" fn(*mut CUgraphExec, CUgraph, c_ulonglong) -> CUresult,
    exec: *mut CUgraphExec,
    graph: CUgraph,
    flags: c_ulonglong,
) -> CUresult {
    let uploads = flags & c_ulonglong::from(CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0;
    // SAFETY: the program's own arguments, unchanged.
    instantiate(exec, graph, uploads, || unsafe { original(exec, graph, flags) })
}

/// cuGraphInstantiateWithParams.
pub(crate) fn instantiate_with_params(
    original: unsafe extern "C" fn(*mut CUgraphExec, CUgraph, *mut CUDA_GRAPH_INSTANTIATE_PARAMS) -> CUresult,
    exec: *mut CUgraphExec,
    graph: CUgraph,
    params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
) -> CUresult {
    // SAFETY: by the function's contract NULL or parameters.
    let flags = unsafe { params.as_ref() }.map_or(0, |params| params.flags);
    let uploads = flags & u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0;
    // SAFETY: the program's own arguments, unchanged.
    instantiate(exec, graph, uploads, || unsafe { original(exec, graph, params) })
}

/// cuGraphUpload: gives a graph memory before its first launch. That takes no time that is worth a wait.
pub(crate) fn upload(
    original: unsafe extern "C" fn(CUgraphExec, CUstream) -> CUresult,
    exec: CUgraphExec,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(exec, stream) };
    match with_memory(exec) {
        Some((tenant, mut inside)) => give_memory(tenant, &mut inside, exec, |inside| inside.driver(call)),
        None => call(),
    }
}

/// cuGraphLaunch: one command, and memory for it if it was not uploaded.
pub(crate) fn launch(
    original: unsafe extern "C" fn(CUgraphExec, CUstream) -> CUresult,
    exec: CUgraphExec,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    launch_in(Queue { handle: stream, per_thread: false }, exec, || unsafe { original(exec, stream) })
}

/// cuGraphLaunch in its form for per-thread default streams.
pub(crate) fn launch_per_thread(
    original: unsafe extern "C" fn(CUgraphExec, CUstream) -> CUresult,
    exec: CUgraphExec,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    launch_in(Queue { handle: stream, per_thread: true }, exec, || unsafe { original(exec, stream) })
}

fn launch_in(queue: Queue, exec: CUgraphExec, call: impl FnOnce() -> CUresult) -> CUresult {
    let command = Command::Graph { exec: exec as usize };
    match with_memory(exec) {
        Some((tenant, mut inside)) => {
            give_memory(tenant, &mut inside, exec, |inside| compute::submit_inside(inside, queue, command, call))
        }
        None => compute::submit(queue, command, call),
    }
}

/// The tenant, and this thread's stay in a hook, if this may be a graph with memory of its own and is about to get it.
fn with_memory(exec: CUgraphExec) -> Option<(&'static Tenant, Inside)> {
    let tenant = tenant::get()?;
    // Relaxed: a thread that launches a graph which another has made got its handle after this was stored.
    if !tenant.uses_graph_memory.load(Ordering::Relaxed) {
        return None;
    }
    let inside = Inside::enter()?;
    tenant.private().graphs.execs.contains_key(&(exec as u64)).then_some((tenant, inside))
}

/// Runs `send`, which uploads or launches a graph with memory of its own.
fn give_memory(
    tenant: &'static Tenant,
    inside: &mut Inside,
    exec: CUgraphExec,
    send: impl FnOnce(&mut Inside) -> CUresult,
) -> CUresult {
    let known = tenant.private().graphs.execs.get(&(exec as u64)).cloned();
    let Some(Exec { needs, backed }) = known else { return send(inside) };
    let result = back(tenant, inside, &needs, backed, send);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| {
            if let Some(known) = tenant.private().graphs.execs.get_mut(&(exec as u64)) {
                known.backed = true;
            }
        });
    }
    result
}

/// cuGraphExecUpdate: the graph is another now, and its cost unknown.
pub(crate) fn update<A>(
    original: unsafe extern "C" fn(CUgraphExec, CUgraph, A) -> CUresult,
    _per_thread: bool,
    exec: CUgraphExec,
    graph: CUgraph,
    result: A,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let answer = unsafe { original(exec, graph, result) };
    compute::graph_exec_changed(exec as usize);
    answer
}

/// The same in its first version.
pub(crate) fn update_with_node(
    original: unsafe extern "C" fn(CUgraphExec, CUgraph, *mut CUgraphNode, *mut CUgraphExecUpdateResult) -> CUresult,
    _per_thread: bool,
    exec: CUgraphExec,
    graph: CUgraph,
    node: *mut CUgraphNode,
    result: *mut CUgraphExecUpdateResult,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let answer = unsafe { original(exec, graph, node, result) };
    compute::graph_exec_changed(exec as usize);
    answer
}

/// cuGraphExecDestroy: its memory stays reserved for other graphs.
pub(crate) fn destroy(original: unsafe extern "C" fn(CUgraphExec) -> CUresult, exec: CUgraphExec) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(exec) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let struck = tenant.private().graphs.execs.remove(&(exec as u64));
    compute::graph_exec_destroyed(exec as usize);
    let result = inside.driver(call);
    if let Some(struck) = struck {
        guard::bookkeeping(|| {
            let mut private = tenant.private();
            if result == CUDA_SUCCESS {
                for (device, _) in struck.needs {
                    if let Some(quota) = tenant.of_ordinal(device) {
                        settle(tenant, &mut private, quota, device, 0);
                    }
                }
            } else {
                private.graphs.execs.insert(exec as u64, struck);
            }
        });
    }
    result
}

/// cuDeviceGraphMemTrim: what no graph uses just now goes back to the device, and is taken anew at the next launch.
pub(crate) fn trim(original: unsafe extern "C" fn(CUdevice) -> CUresult, device: CUdevice) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(device) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    for exec in tenant.private().graphs.execs.values_mut() {
        exec.backed = false;
    }
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        if let Some(quota) = tenant.of_ordinal(device) {
            settle(tenant, &mut tenant.private(), quota, device, 0);
        }
    });
    result
}
