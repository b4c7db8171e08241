//! Host memory, modules, green contexts, questions to NVML; and the end of a process.

use super::{Bytes, NONE, PAGE, PICK, Row, Turn, in_pages, number, place};
use crate::Fault;
use crate::executor::Argument;
use crate::model::{Class, Object};

/// A module's text, with a variable of 1,000 bytes.
const PTX: &str = ".version 8.0\n.target sm_70\n.address_size 64\n.global .align 4 .b8 table[1000];\n.visible .entry work()\n{\n\tret;\n}\n";

pub const KINDS: &[Row] = &[
    ("host.alloc", 2, [(1, 5 * PAGE), NONE, NONE], host_alloc),
    ("host.free", 1, [PICK, NONE, NONE], host_free),
    ("module.load", 2, [NONE, NONE, NONE], module_load),
    ("module.unload", 1, [PICK, NONE, NONE], module_unload),
    ("library.load", 1, [NONE, NONE, NONE], library_load),
    ("library.unload", 1, [PICK, NONE, NONE], library_unload),
    ("green.create", 1, [(0, 1), NONE, NONE], green_create),
    ("green.destroy", 1, [PICK, NONE, NONE], green_destroy),
    ("nvml.processes", 1, [(0, 1), NONE, NONE], nvml_processes),
    ("nvml.bar1", 1, [(0, 1), NONE, NONE], nvml_bar1),
    ("process.kill", 1, [NONE, NONE, NONE], kill),
    ("process.exit", 1, [NONE, NONE, NONE], exit),
];

/// Pinned host memory takes nothing of a device, and no quota refuses it.
fn host_alloc(turn: &mut Turn<'_, '_>, [bytes, ..]: [u64; 3]) -> Result<(), Fault> {
    let current = turn.current();
    let reply = turn.call("cuMemHostAlloc", &[place(), number(bytes), number(0)])?;
    if reply.result == 0 {
        let context = current.map_or(0, |(context, _)| context);
        turn.add(Class::Host, reply.number(0), bytes, 0, context);
    }
    Ok(())
}

fn host_free(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Host, which) {
        Some(host) => turn.undo(host),
        None => Ok(()),
    }
}

fn image() -> Argument {
    Argument::Buffer(format!("{PTX}\0").into_bytes())
}

fn module_load(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    let Some((context, device)) = turn.current() else { return Ok(()) };
    let reply = turn.take(device, in_pages(PTX.len() as u64), "cuModuleLoadData", &[place(), image()])?;
    if reply.result == 0 {
        turn.add(Class::Module, reply.number(0), 0, device, context);
    }
    Ok(())
}

fn module_unload(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Module, which) {
        Some(module) => turn.undo(module),
        None => Ok(()),
    }
}

fn library_load(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    let Some((_, device)) = turn.current() else { return Ok(()) };
    let arguments = [place(), image(), number(0), number(0), number(0), number(0), number(0), number(0)];
    let reply = turn.take(device, in_pages(PTX.len() as u64), "cuLibraryLoadData", &arguments)?;
    if reply.result == 0 {
        turn.model().add(Object {
            class: Class::Library,
            handle: reply.number(0),
            size: 0,
            device,
            context: 0,
            extra: 0,
            loan: None,
        });
    }
    Ok(())
}

fn library_unload(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Library, which) {
        Some(library) => turn.undo(library),
        None => Ok(()),
    }
}

/// A green context on all multiprocessors of a device: resource, descriptor, context.
fn green_create(turn: &mut Turn<'_, '_>, [ordinal, ..]: [u64; 3]) -> Result<(), Fault> {
    let room = Argument::Buffer(vec![0; 256]);
    let resource = turn.call("cuDeviceGetDevResource", &[number(ordinal), room, number(1)])?;
    if resource.result != 0 {
        return Ok(());
    }
    let resource = Argument::Buffer(resource.buffers[0].clone());
    let descriptor = turn.call("cuDevResourceGenerateDesc", &[place(), resource, number(1)])?;
    if descriptor.result != 0 {
        return Ok(());
    }
    let device = turn.world.turned(ordinal as usize);
    let arguments = [place(), number(descriptor.number(0)), number(ordinal), number(1)];
    let reply = turn.take(device, crate::bench::CONTEXT, "cuGreenCtxCreate", &arguments)?;
    if reply.result == 0 {
        turn.add(Class::Green, reply.number(0), 0, device, 0);
    }
    Ok(())
}

fn green_destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Green, which) {
        Some(green) => turn.undo(green),
        None => Ok(()),
    }
}

/// NVML's handle of a device.
fn nvml_device(turn: &mut Turn<'_, '_>, index: u64) -> Result<u64, Fault> {
    Ok(turn.call("nvmlDeviceGetHandleByIndex_v2", &[number(index), place()])?.number(0))
}

/// A count, and room for as many processes.
fn nvml_processes(turn: &mut Turn<'_, '_>, [index, ..]: [u64; 3]) -> Result<(), Fault> {
    let device = nvml_device(turn, index)?;
    let count = Bytes::default().u32(16).zeros(4).buffer();
    let arguments = [number(device), count, Argument::Buffer(vec![0; 16 * 24])];
    turn.call("nvmlDeviceGetComputeRunningProcesses_v3", &arguments).map(drop)
}

fn nvml_bar1(turn: &mut Turn<'_, '_>, [index, ..]: [u64; 3]) -> Result<(), Fault> {
    let device = nvml_device(turn, index)?;
    turn.call("nvmlDeviceGetBAR1MemoryInfo", &[number(device), Argument::Buffer(vec![0; 24])]).map(drop)
}

fn kill(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    end(turn, false)
}

fn exit(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    end(turn, true)
}

/// Ends the process, once nobody has anything of it.
fn end(turn: &mut Turn<'_, '_>, by_exit: bool) -> Result<(), Fault> {
    if turn.recall(|_| true)? { turn.world.restart(turn.process, by_exit) } else { Ok(()) }
}
