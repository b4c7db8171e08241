//! Linear, pitched and managed memory; frees of all sorts; what is done with memory.

use super::{NONE, PAGE, PICK, Row, Turn, in_pages, number, place};
use crate::Fault;
use crate::executor::{Argument, Reply};
use crate::model::{Class, Object};
use crate::world::MIB;

/// More than any device has.
const HUGE: u64 = 1 << 45;
/// Longest run of bytes that is filled or copied.
const FILLED: u64 = 100_000;

pub const KINDS: &[Row] = &[
    ("alloc.small", 8, [(1, 70_000), NONE, NONE], small),
    ("alloc.odd", 6, [(1, 5 * PAGE), NONE, NONE], small),
    ("alloc.pages", 6, [(1, 60), NONE, NONE], pages),
    ("alloc.large", 4, [(1, 900), NONE, NONE], large),
    ("alloc.huge", 1, [(HUGE, HUGE + 9), NONE, NONE], small),
    ("alloc.zero", 1, [NONE, NONE, NONE], small),
    ("alloc.pitch", 4, [(1, 5000), (1, 1500), (0, 2)], pitch),
    ("alloc.managed", 4, [(1, 9 * PAGE), (1, 2), NONE], managed),
    ("alloc.v1", 1, [(1, 5 * PAGE), NONE, NONE], first_version),
    ("free.own", 12, [PICK, NONE, NONE], free_own),
    ("free.twice", 2, [PICK, NONE, NONE], free_twice),
    ("free.inside", 1, [PICK, (1, 4096), NONE], free_inside),
    ("free.others", 1, [PICK, NONE, NONE], free_others),
    ("free.pooled", 2, [PICK, NONE, NONE], free_pooled),
    ("free.nothing", 1, [(0, 2), NONE, NONE], free_nothing),
    ("memory.fill", 3, [PICK, (0, 255), NONE], fill),
    ("memory.copy", 2, [PICK, PICK, NONE], copy),
    ("memory.range", 1, [PICK, (0, 4096), NONE], range),
    ("memory.attribute", 1, [PICK, (1, 12), NONE], attribute),
    ("memory.advise", 1, [PICK, (1, 6), NONE], advise),
    ("memory.prefetch", 1, [PICK, NONE, NONE], prefetch),
];

/// Notes an address that a call gave, unless it failed.
fn got(turn: &mut Turn<'_, '_>, reply: &Reply, size: u64, (context, device): (u64, usize), managed: bool) {
    if reply.result == 0 {
        let handle = reply.number(0);
        let extra = u64::from(managed);
        turn.model().add(Object { class: Class::Pointer, handle, size, device, context, extra, loan: None });
    }
}

fn linear(turn: &mut Turn<'_, '_>, bytes: u64) -> Result<(), Fault> {
    let (context, device) = turn.current().unwrap_or((0, 0));
    let reply = turn.take(device, in_pages(bytes), "cuMemAlloc_v2", &[place(), number(bytes)])?;
    got(turn, &reply, bytes, (context, device), false);
    Ok(())
}

fn small(turn: &mut Turn<'_, '_>, [bytes, ..]: [u64; 3]) -> Result<(), Fault> {
    linear(turn, bytes)
}

fn pages(turn: &mut Turn<'_, '_>, [pages, ..]: [u64; 3]) -> Result<(), Fault> {
    linear(turn, pages * PAGE)
}

fn large(turn: &mut Turn<'_, '_>, [mebibytes, ..]: [u64; 3]) -> Result<(), Fault> {
    linear(turn, mebibytes * MIB)
}

fn pitch(turn: &mut Turn<'_, '_>, [width, height, element]: [u64; 3]) -> Result<(), Fault> {
    let (context, device) = turn.current().unwrap_or((0, 0));
    let bytes = width.next_multiple_of(512) * height;
    let arguments = [place(), place(), number(width), number(height), number(4 << element)];
    let reply = turn.take(device, in_pages(bytes), "cuMemAllocPitch_v2", &arguments)?;
    got(turn, &reply, width, (context, device), false);
    Ok(())
}

fn managed(turn: &mut Turn<'_, '_>, [bytes, flags, _]: [u64; 3]) -> Result<(), Fault> {
    let (context, device) = turn.current().unwrap_or((0, 0));
    let arguments = [place(), number(bytes), number(flags)];
    let reply = turn.take(device, in_pages(bytes), "cuMemAllocManaged", &arguments)?;
    got(turn, &reply, bytes, (context, device), true);
    Ok(())
}

/// The form with 32-bit addresses: it may fail, since few are left of them, but must leave nothing behind then.
fn first_version(turn: &mut Turn<'_, '_>, [bytes, ..]: [u64; 3]) -> Result<(), Fault> {
    let (context, device) = turn.current().unwrap_or((0, 0));
    // Refused for want of short addresses as well.
    let reply = turn.take(device, u64::MAX, "cuMemAlloc", &[place(), number(bytes)])?;
    got(turn, &reply, bytes, (context, device), false);
    Ok(())
}

/// Frees an address by either of the two functions, and forgets it if that worked.
fn free(turn: &mut Turn<'_, '_>, address: u64, by_stream: bool) -> Result<(), Fault> {
    let object = turn.model().at(address);
    if let Some(object) = object
        && !turn.may_end(object)?
    {
        return Ok(());
    }
    let reply = if by_stream {
        turn.call("cuMemFreeAsync", &[number(address), number(0)])?
    } else {
        turn.call("cuMemFree_v2", &[number(address)])?
    };
    if reply.result == 0
        && let Some(object) = object
    {
        turn.forget(object);
    }
    Ok(())
}

fn free_own(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Pointer, which) {
        Some(pointer) => free(turn, pointer.handle, which % 5 == 4),
        None => Ok(()),
    }
}

fn free_pooled(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Pooled, which) {
        Some(pointer) => free(turn, pointer.handle, false),
        None => Ok(()),
    }
}

/// An address that was freed already.
fn free_twice(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let freed = &turn.model().freed;
    if freed.is_empty() {
        return Ok(());
    }
    let address = freed[(which % freed.len() as u64) as usize];
    free_strange(turn, address, which % 2 == 1)
}

/// Frees an address that is none of the process's. Should it be one by now, which the kernel decides, and otherwise in each of
/// the two runs, then one that is never any.
fn free_strange(turn: &mut Turn<'_, '_>, address: u64, by_stream: bool) -> Result<(), Fault> {
    let taken = turn.model().at(address).is_some();
    free(turn, if taken { 1 } else { address }, by_stream)
}

fn free_inside(turn: &mut Turn<'_, '_>, [which, offset, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = turn.pick(Class::Pointer, which).filter(|pointer| offset < pointer.size && offset % 512 != 0)
    else {
        return Ok(());
    };
    turn.call("cuMemFree_v2", &[number(pointer.handle + offset)]).map(drop)
}

/// An address of another process.
fn free_others(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let other = (turn.process + 1) % turn.world.count();
    let Some(pointer) = turn.world.model(other).pick(Class::Pointer, which) else { return Ok(()) };
    free_strange(turn, pointer.handle, false)
}

fn free_nothing(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    turn.call("cuMemFree_v2", &[number([0, 1, u64::MAX][which as usize])]).map(drop)
}

/// Fills memory and reads it back: the contents are the program's own.
fn fill(turn: &mut Turn<'_, '_>, [which, value, _]: [u64; 3]) -> Result<(), Fault> {
    let class = if which % 2 == 0 { Class::Pointer } else { Class::Pooled };
    if class == Class::Pointer && turn.pick(class, 0).is_none() {
        linear(turn, 1 + 40 * value * value)?;
    }
    let Some(pointer) = turn.pick(class, which / 2) else { return Ok(()) };
    let bytes = pointer.size.min(FILLED);
    let reply = turn.call("cuMemsetD8_v2", &[number(pointer.handle), number(value), number(bytes)])?;
    if reply.result != 0 {
        return Ok(());
    }
    let room = Argument::Buffer(vec![!value as u8; bytes as usize]);
    let reply = turn.call("cuMemcpyDtoH_v2", &[room, number(pointer.handle), number(bytes)])?;
    match reply.result == 0 && reply.buffers[0].iter().any(|byte| u64::from(*byte) != value) {
        true => Err(Fault(format!("memory at {:#x} was filled with {value} and reads otherwise", pointer.handle))),
        false => Ok(()),
    }
}

fn copy(turn: &mut Turn<'_, '_>, [from, to, _]: [u64; 3]) -> Result<(), Fault> {
    let (Some(from), Some(to)) = (turn.pick(Class::Pointer, from), turn.pick(Class::Pointer, to)) else {
        return Ok(());
    };
    let bytes = from.size.min(to.size).min(FILLED);
    turn.call("cuMemcpyDtoD_v2", &[number(to.handle), number(from.handle), number(bytes)]).map(drop)
}

fn range(turn: &mut Turn<'_, '_>, [which, offset, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = turn.pick(Class::Pointer, which).filter(|pointer| offset < pointer.size) else { return Ok(()) };
    let reply = turn.call("cuMemGetAddressRange_v2", &[place(), place(), number(pointer.handle + offset)])?;
    match reply.result == 0 && reply.number(0) != pointer.handle {
        true => Err(Fault(format!("the range of {:#x} begins at {:#x}", pointer.handle, reply.number(0)))),
        false => Ok(()),
    }
}

fn attribute(turn: &mut Turn<'_, '_>, [which, attribute, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = turn.pick(Class::Pointer, which) else { return Ok(()) };
    let room = Argument::Buffer(vec![0; 16]);
    turn.call("cuPointerGetAttribute", &[room, number(attribute), number(pointer.handle)]).map(drop)
}

/// Managed memory, if there is any.
fn managed_one(turn: &mut Turn<'_, '_>, which: u64) -> Option<Object> {
    let all: Vec<_> = turn.model().of(Class::Pointer).into_iter().filter(|pointer| pointer.extra == 1).collect();
    (!all.is_empty()).then(|| all[(which % all.len() as u64) as usize])
}

fn advise(turn: &mut Turn<'_, '_>, [which, advice, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = managed_one(turn, which) else { return Ok(()) };
    let arguments = [number(pointer.handle), number(pointer.size), number(advice), number(0)];
    turn.call("cuMemAdvise", &arguments).map(drop)
}

fn prefetch(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = managed_one(turn, which) else { return Ok(()) };
    let arguments = [number(pointer.handle), number(pointer.size), number(0), number(0)];
    turn.take(pointer.device, in_pages(pointer.size), "cuMemPrefetchAsync", &arguments).map(drop)
}
