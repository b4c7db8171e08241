//! Graphs with memory nodes, made node by node or captured from a stream.

use super::{Bytes, NONE, PICK, Row, Turn, number, on_device, place, stream};
use crate::Fault;
use crate::executor::{Argument, Reply};
use crate::model::{Class, Object};
use crate::world::{CHUNK, DEVICES, MIB};

/// Where `dptr` stands in CUDA_MEM_ALLOC_NODE_PARAMS, behind the pool's properties, two words of access and the size.
const ADDRESS_AT: usize = 112;

pub const KINDS: &[Row] = &[
    ("graph.create", 4, [(1, 40 * MIB), (0, 1), (0, 1)], create),
    ("graph.capture", 4, [(1, 40 * MIB), PICK, (0, 1)], capture),
    ("graph.instantiate", 5, [PICK, (0, 1), NONE], instantiate),
    ("graph.launch", 6, [PICK, PICK, NONE], launch),
    ("graph.upload", 1, [PICK, PICK, NONE], upload),
    ("graph.destroy", 2, [PICK, NONE, NONE], destroy),
    ("graph.destroy_exec", 2, [PICK, NONE, NONE], destroy_exec),
    ("graph.trim", 3, [(0, 1), NONE, NONE], trim),
    ("graph.attribute", 1, [(0, 1), (0, 3), NONE], attribute),
];

/// What one allocation of a graph takes at most: the model's memory of graphs grows in the steps of its pools.
fn growth(bytes: u64) -> u64 {
    bytes.next_multiple_of(CHUNK)
}

/// Notes a graph. `size` is what a launch takes at most; `extra` the address of its allocation, 0 if it frees that itself.
fn note(turn: &mut Turn<'_, '_>, class: Class, handle: u64, size: u64, device: usize, extra: u64) {
    let context = if class == Class::Exec { turn.current().map_or(0, |(context, _)| context) } else { 0 };
    turn.model().add(Object { class, handle, size, device, context, extra, loan: None });
}

/// One allocation, filled, and freed again by the graph itself or not.
fn create(turn: &mut Turn<'_, '_>, [bytes, ordinal, frees]: [u64; 3]) -> Result<(), Fault> {
    let reply = turn.call("cuGraphCreate", &[place(), number(0)])?;
    if reply.result != 0 {
        return Ok(());
    }
    let (graph, device) = (reply.number(0), turn.world.turned(ordinal as usize));
    let properties = on_device(Bytes::default().u32(1).u32(0), ordinal as usize).zeros(72);
    let parameters = properties.u64(0).u64(0).u64(bytes).u64(0).buffer();
    let arguments = [place(), number(graph), number(0), number(0), parameters];
    let reply = turn.call("cuGraphAddMemAllocNode", &arguments)?;
    if reply.result != 0 {
        return turn.call("cuGraphDestroy", &[number(graph)]).map(drop);
    }
    let address = u64::from_le_bytes(reply.buffers[1][ADDRESS_AT..][..8].try_into().expect("eight bytes"));
    let mut left = address;
    if frees == 1 {
        let dependency = Bytes::default().u64(reply.number(0)).buffer();
        let arguments = [place(), number(graph), dependency, number(1), number(address)];
        let reply = turn.call("cuGraphAddMemFreeNode", &arguments)?;
        left = if reply.result == 0 { 0 } else { address };
    }
    note(turn, Class::Graph, graph, growth(bytes), device, left);
    Ok(())
}

/// The same as a program in capture mode writes it. Nothing is allocated while a stream is captured.
fn capture(turn: &mut Turn<'_, '_>, [bytes, which, frees]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Stream, 0).is_none() {
        stream::create(turn, [which % 2, 0, 0])?;
    }
    let (stream, Some((_, device))) = stream::pick(turn, which.max(1)) else { return Ok(()) };
    if stream == 0 || turn.call("cuStreamBeginCapture_v2", &[number(stream), number(0)])?.result != 0 {
        return Ok(());
    }
    let allocated = turn.call("cuMemAllocAsync", &[place(), number(bytes), number(stream)])?;
    let mut left = if allocated.result == 0 { allocated.number(0) } else { 0 };
    if left != 0 && frees == 1 && turn.call("cuMemFreeAsync", &[number(left), number(stream)])?.result == 0 {
        left = 0;
    }
    let ended: Reply = turn.call("cuStreamEndCapture", &[number(stream), place()])?;
    if ended.result == 0 && ended.number(0) != 0 {
        note(turn, Class::Graph, ended.number(0), growth(bytes), device, left);
    }
    Ok(())
}

fn instantiate(turn: &mut Turn<'_, '_>, [which, form, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Graph, 0).is_none() {
        let ordinal = turn.current().map_or(0, |(_, device)| turn.world.turned(device));
        create(turn, [1 + which * MIB, ordinal as u64, which % 2])?;
    }
    let Some(graph) = turn.pick(Class::Graph, which) else { return Ok(()) };
    let reply = if form == 0 {
        turn.call("cuGraphInstantiateWithFlags", &[place(), number(graph.handle), number(0)])?
    } else {
        let error = Argument::Buffer(vec![0; 16]);
        turn.call("cuGraphInstantiate_v2", &[place(), number(graph.handle), place(), error, number(16)])?
    };
    if reply.result == 0 {
        note(turn, Class::Exec, reply.number(0), graph.size, graph.device, graph.extra);
    }
    Ok(())
}

fn launch(turn: &mut Turn<'_, '_>, [which, on, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Exec, 0).is_none() {
        instantiate(turn, [which, on % 2, 0])?;
    }
    let Some(exec) = turn.pick(Class::Exec, which) else { return Ok(()) };
    let (stream, _) = stream::pick(turn, on);
    let reply = turn.take(exec.device, exec.size, "cuGraphLaunch", &[number(exec.handle), number(stream)])?;
    let known = turn.model().of(Class::Pooled).iter().any(|object| object.handle == exec.extra);
    if reply.result == 0 && exec.extra != 0 && !known {
        // The allocation lives on: the program frees it.
        turn.add(Class::Pooled, exec.extra, 1, exec.device, 0);
    }
    Ok(())
}

fn upload(turn: &mut Turn<'_, '_>, [which, on, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(exec) = turn.pick(Class::Exec, which) else { return Ok(()) };
    let (stream, _) = stream::pick(turn, on);
    turn.take(exec.device, exec.size, "cuGraphUpload", &[number(exec.handle), number(stream)]).map(drop)
}

fn destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Graph, which) {
        Some(graph) => turn.undo(graph),
        None => Ok(()),
    }
}

fn destroy_exec(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Exec, which) {
        Some(exec) => turn.undo(exec),
        None => Ok(()),
    }
}

fn trim(turn: &mut Turn<'_, '_>, [ordinal, ..]: [u64; 3]) -> Result<(), Fault> {
    turn.call("cuDeviceGraphMemTrim", &[number(ordinal)]).map(drop)
}

/// What the driver says of its memory for graphs stays as it says.
fn attribute(turn: &mut Turn<'_, '_>, [ordinal, attribute, _]: [u64; 3]) -> Result<(), Fault> {
    turn.call("cuDeviceGetGraphMemAttribute", &[number(ordinal), number(attribute), place()]).map(drop)
}

/// Gives back what graphs keep on the devices.
pub fn trim_all(turn: &mut Turn<'_, '_>) -> Result<(), Fault> {
    (0..DEVICES as u64).try_for_each(|ordinal| trim(turn, [ordinal, 0, 0]))
}
