//! Stream-ordered memory and its pools.

use super::{Bytes, NONE, PICK, Row, Turn, number, on_device, place, stream};
use crate::Fault;
use crate::model::{Class, Object};
use crate::world::{CHUNK, DEVICES, MIB};

/// CU_MEMPOOL_ATTR_RELEASE_THRESHOLD and RESERVED_MEM_CURRENT.
const RELEASE_THRESHOLD: u64 = 4;
const RESERVED_CURRENT: u64 = 5;

pub const KINDS: &[Row] = &[
    ("async.alloc", 8, [(1, 40 * MIB), PICK, NONE], alloc),
    ("async.small", 4, [(1, 100_000), PICK, NONE], alloc),
    ("async.free", 8, [PICK, PICK, NONE], free),
    ("pool.alloc", 6, [(1, 40 * MIB), PICK, PICK], alloc_from),
    ("pool.create", 3, [(0, 1), (0, 1), NONE], create),
    ("pool.destroy", 2, [PICK, NONE, NONE], destroy),
    ("pool.trim", 3, [PICK, (0, 40), NONE], trim),
    ("pool.threshold", 2, [PICK, (0, 3), NONE], threshold),
    ("pool.choose", 2, [PICK, NONE, NONE], choose),
    ("pool.attributes", 1, [PICK, (1, 8), NONE], attributes),
    ("pool.access", 1, [PICK, (0, 1), NONE], access),
];

/// A request for stream-ordered memory takes at most what its pool grows by for it: the model grows in steps of 32 MiB.
fn growth(bytes: u64) -> u64 {
    bytes.next_multiple_of(CHUNK)
}

/// Notes memory. `extra` is the pool that it was asked of, or 0.
fn note(turn: &mut Turn<'_, '_>, handle: u64, size: u64, device: usize, extra: u64) {
    turn.model().add(Object { class: Class::Pooled, handle, size, device, context: 0, extra, loan: None });
    turn.model().pools_used = true;
}

fn alloc(turn: &mut Turn<'_, '_>, [bytes, which, _]: [u64; 3]) -> Result<(), Fault> {
    let (stream, place_of) = stream::pick(turn, which);
    let device = place_of.map_or(0, |(_, device)| device);
    let reply = turn.take(device, growth(bytes), "cuMemAllocAsync", &[place(), number(bytes), number(stream)])?;
    if reply.result == 0 {
        note(turn, reply.number(0), bytes, device, 0);
    }
    Ok(())
}

fn free(turn: &mut Turn<'_, '_>, [which, stream, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(pointer) = turn.pick(Class::Pooled, which) else { return Ok(()) };
    if !turn.may_end(pointer)? {
        return Ok(());
    }
    let (stream, _) = stream::pick(turn, stream);
    let reply = turn.call("cuMemFreeAsync", &[number(pointer.handle), number(stream)])?;
    if reply.result == 0 {
        turn.forget(pointer);
    }
    Ok(())
}

/// A pool: one that was made, or a device's own. With its device.
fn pick(turn: &mut Turn<'_, '_>, which: u64) -> Result<Option<(u64, usize)>, Fault> {
    if !which.is_multiple_of(3)
        && let Some(pool) = turn.pick(Class::Pool, which / 3)
    {
        return Ok(Some((pool.handle, pool.device)));
    }
    let ordinal = which % DEVICES as u64;
    let reply = turn.call("cuDeviceGetDefaultMemPool", &[place(), number(ordinal)])?;
    let device = turn.world.turned(ordinal as usize);
    Ok((reply.result == 0).then(|| (reply.number(0), device)))
}

fn alloc_from(turn: &mut Turn<'_, '_>, [bytes, pool, stream]: [u64; 3]) -> Result<(), Fault> {
    let Some(pool) = pick(turn, pool)? else { return Ok(()) };
    let (stream, _) = stream::pick(turn, stream);
    alloc_of(turn, bytes, pool, stream)
}

/// Memory of a pool, which is given with its device.
pub fn alloc_of(turn: &mut Turn<'_, '_>, bytes: u64, (pool, device): (u64, usize), stream: u64) -> Result<(), Fault> {
    let arguments = [place(), number(bytes), number(pool), number(stream)];
    let reply = turn.take(device, growth(bytes), "cuMemAllocFromPoolAsync", &arguments)?;
    if reply.result == 0 {
        note(turn, reply.number(0), bytes, device, pool);
    }
    Ok(())
}

/// CUmemPoolProps: pinned memory of a device; `shareable` by file descriptor.
pub fn create(turn: &mut Turn<'_, '_>, [ordinal, shareable, _]: [u64; 3]) -> Result<(), Fault> {
    let properties = on_device(Bytes::default().u32(1).u32(shareable as u32), ordinal as usize).zeros(72);
    let reply = turn.call("cuMemPoolCreate", &[place(), properties.buffer()])?;
    if reply.result == 0 {
        let device = turn.world.turned(ordinal as usize);
        let (class, extra) = (Class::Pool, shareable);
        turn.model().add(Object { class, handle: reply.number(0), size: 0, device, context: 0, extra, loan: None });
    }
    Ok(())
}

/// Also with live allocations: these stay, and give their memory back one by one.
fn destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Pool, which) {
        Some(pool) => turn.undo(pool),
        None => Ok(()),
    }
}

fn trim(turn: &mut Turn<'_, '_>, [which, keep, _]: [u64; 3]) -> Result<(), Fault> {
    let Some((pool, _)) = pick(turn, which)? else { return Ok(()) };
    turn.call("cuMemPoolTrimTo", &[number(pool), number(keep * 4 * MIB)]).map(drop)
}

fn set_threshold(turn: &mut Turn<'_, '_>, pool: u64, bytes: u64) -> Result<(), Fault> {
    let value = Bytes::default().u64(bytes).buffer();
    turn.call("cuMemPoolSetAttribute", &[number(pool), number(RELEASE_THRESHOLD), value]).map(drop)
}

fn threshold(turn: &mut Turn<'_, '_>, [which, steps, _]: [u64; 3]) -> Result<(), Fault> {
    let Some((pool, _)) = pick(turn, which)? else { return Ok(()) };
    turn.model().pools_used = true;
    set_threshold(turn, pool, [0, 32 * MIB, 100 * MIB, u64::MAX][steps as usize])
}

fn choose(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some((pool, device)) = pick(turn, which)? else { return Ok(()) };
    let ordinal = turn.world.turned(device) as u64;
    turn.call("cuDeviceSetMemPool", &[number(ordinal), number(pool)]).map(drop)
}

/// What a pool says of itself is the driver's business, and stays as it says.
fn attributes(turn: &mut Turn<'_, '_>, [which, attribute, _]: [u64; 3]) -> Result<(), Fault> {
    let Some((pool, _)) = pick(turn, which)? else { return Ok(()) };
    turn.call("cuMemPoolGetAttribute", &[number(pool), number(attribute), place()]).map(drop)
}

fn access(turn: &mut Turn<'_, '_>, [which, ordinal, _]: [u64; 3]) -> Result<(), Fault> {
    let Some((pool, _)) = pick(turn, which)? else { return Ok(()) };
    let entry = on_device(Bytes::default(), ordinal as usize).u32(3).buffer();
    turn.call("cuMemPoolSetAccess", &[number(pool), entry, number(1)]).map(drop)
}

/// Gives back what the devices' own pools keep.
pub fn empty_all(turn: &mut Turn<'_, '_>) -> Result<(), Fault> {
    if !turn.model().pools_used {
        return Ok(());
    }
    for ordinal in 0..DEVICES as u64 {
        let reply = turn.call("cuDeviceGetDefaultMemPool", &[place(), number(ordinal)])?;
        let pool = reply.number(0);
        set_threshold(turn, pool, 0)?;
        turn.call("cuMemPoolTrimTo", &[number(pool), number(0)])?;
        let reply = turn.call("cuMemPoolGetAttribute", &[number(pool), number(RESERVED_CURRENT), place()])?;
        if reply.number(0) != 0 {
            return Err(Fault(format!("an empty pool keeps {} bytes after a trim", reply.number(0))));
        }
    }
    Ok(())
}
