//! Virtual memory management: addresses, physical memory, mappings, access; multicast objects.

use super::{Bytes, NONE, PAGE, PICK, Row, Turn, in_pages, number, on_device, place};
use crate::Fault;
use crate::executor::Argument;
use crate::model::{Class, Object};

pub const KINDS: &[Row] = &[
    ("vmm.reserve", 4, [(1, 40), NONE, NONE], reserve),
    ("vmm.unreserve", 1, [PICK, NONE, NONE], unreserve),
    ("vmm.create", 6, [(1, 60), (0, 1), (0, 1)], create),
    ("vmm.create_host", 1, [(1, 20), NONE, NONE], create_host),
    ("vmm.create_odd", 1, [(1, 3 * PAGE), NONE, NONE], create_odd),
    ("vmm.release", 3, [PICK, NONE, NONE], release),
    ("vmm.map", 7, [PICK, PICK, (0, 9)], map),
    ("vmm.unmap", 3, [PICK, NONE, NONE], unmap),
    ("vmm.access", 4, [PICK, (0, 1), NONE], access),
    ("vmm.fill", 2, [PICK, (0, 255), NONE], fill),
    ("vmm.retain", 2, [PICK, NONE, NONE], retain),
    ("vmm.properties", 1, [PICK, NONE, NONE], properties),
    ("vmm.granularity", 1, [(0, 1), NONE, NONE], granularity),
    ("multicast.create", 1, [(1, 10), NONE, NONE], multicast_create),
    ("multicast.bind", 1, [PICK, PICK, NONE], multicast_bind),
];

/// CUmemAllocationProp: pinned memory, at a location, to be shared by file descriptor or not at all.
fn property(location: impl FnOnce(Bytes) -> Bytes, shareable: u64) -> Argument {
    location(Bytes::default().u32(1).u32(shareable as u32)).zeros(16).buffer()
}

fn reserve(turn: &mut Turn<'_, '_>, [pages, ..]: [u64; 3]) -> Result<(), Fault> {
    let size = pages * PAGE;
    let reply = turn.call("cuMemAddressReserve", &[place(), number(size), number(0), number(0), number(0)])?;
    if reply.result == 0 {
        turn.add(Class::Range, reply.number(0), size, 0, 0);
    }
    Ok(())
}

/// Refused by the driver while anything is mapped there.
fn unreserve(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Range, which) {
        Some(range) => turn.undo(range),
        None => Ok(()),
    }
}

pub fn create(turn: &mut Turn<'_, '_>, [pages, ordinal, shareable]: [u64; 3]) -> Result<(), Fault> {
    let device = turn.world.turned(ordinal as usize);
    let size = pages * PAGE;
    let property = property(|bytes| on_device(bytes, ordinal as usize), shareable);
    let reply = turn.take(device, size, "cuMemCreate", &[place(), number(size), property, number(0)])?;
    if reply.result == 0 {
        let (class, handle) = (Class::Physical, reply.number(0));
        turn.model().add(Object { class, handle, size, device, context: 0, extra: shareable, loan: None });
    }
    Ok(())
}

/// CU_MEM_LOCATION_TYPE_HOST: no device memory.
fn create_host(turn: &mut Turn<'_, '_>, [pages, ..]: [u64; 3]) -> Result<(), Fault> {
    let size = pages * PAGE;
    let property = property(|bytes| bytes.u32(2).u32(0), 0);
    let reply = turn.call("cuMemCreate", &[place(), number(size), property, number(0)])?;
    if reply.result == 0 {
        turn.add(Class::Physical, reply.number(0), size, 0, 0);
    }
    Ok(())
}

/// A size that is mostly no multiple of the granularity, which the driver does not take.
fn create_odd(turn: &mut Turn<'_, '_>, [size, ..]: [u64; 3]) -> Result<(), Fault> {
    let property = property(|bytes| on_device(bytes, 0), 0);
    let device = turn.world.turned(0);
    let reply = turn.take(device, in_pages(size), "cuMemCreate", &[place(), number(size), property, number(0)])?;
    if reply.result == 0 {
        turn.add(Class::Physical, reply.number(0), size, device, 0);
    }
    Ok(())
}

fn release(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Physical, which) {
        Some(physical) => turn.undo(physical),
        None => Ok(()),
    }
}

/// At some page of the range; the driver refuses what does not fit or is mapped already.
fn map(turn: &mut Turn<'_, '_>, [range, physical, page]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Range, 0).is_none() {
        reserve(turn, [70, 0, 0])?;
    }
    if turn.pick(Class::Physical, 0).is_none() {
        create(turn, [1 + page, range % 2, physical % 2])?;
    }
    let (Some(range), Some(physical)) = (turn.pick(Class::Range, range), turn.pick(Class::Physical, physical)) else {
        return Ok(());
    };
    let address = range.handle + page * PAGE;
    let arguments = [number(address), number(physical.size), number(0), number(physical.handle), number(0)];
    if turn.call("cuMemMap", &arguments)?.result == 0 {
        let (class, extra) = (Class::Mapping, physical.handle);
        turn.model().add(Object { class, handle: address, extra, context: 0, ..physical });
        if page % 2 == 0
            && let Some(mapping) = turn.model().of(Class::Mapping).pop()
        {
            let ordinal = turn.world.turned(physical.device);
            allow(turn, mapping, ordinal)?;
        }
    }
    Ok(())
}

fn unmap(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Mapping, which) {
        Some(mapping) => turn.undo(mapping),
        None => Ok(()),
    }
}

fn access(turn: &mut Turn<'_, '_>, [which, ordinal, _]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Mapping, which) {
        Some(mapping) => allow(turn, mapping, ordinal as usize),
        None => Ok(()),
    }
}

/// Reading and writing by a device: CUmemAccessDesc.
fn allow(turn: &mut Turn<'_, '_>, mapping: Object, ordinal: usize) -> Result<(), Fault> {
    let entry = on_device(Bytes::default(), ordinal).u32(3).buffer();
    turn.call("cuMemSetAccess", &[number(mapping.handle), number(mapping.size), entry, number(1)]).map(drop)
}

fn fill(turn: &mut Turn<'_, '_>, [which, value, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(mapping) = turn.pick(Class::Mapping, which) else { return Ok(()) };
    let bytes = 10_000;
    let reply = turn.call("cuMemsetD8_v2", &[number(mapping.handle), number(value), number(bytes)])?;
    if reply.result != 0 {
        return Ok(());
    }
    let room = Argument::Buffer(vec![!value as u8; bytes as usize]);
    let reply = turn.call("cuMemcpyDtoH_v2", &[room, number(mapping.handle), number(bytes)])?;
    match reply.result == 0 && reply.buffers[0].iter().any(|byte| u64::from(*byte) != value) {
        true => {
            Err(Fault(format!("mapped memory at {:#x} was filled with {value} and reads otherwise", mapping.handle)))
        }
        false => Ok(()),
    }
}

/// A further handle of what is mapped somewhere; it needs a release of its own.
fn retain(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some(mapping) = turn.pick(Class::Mapping, which) else { return Ok(()) };
    let reply = turn.call("cuMemRetainAllocationHandle", &[place(), number(mapping.handle)])?;
    if reply.result == 0 {
        turn.model().add(Object { class: Class::Physical, handle: reply.number(0), extra: 0, ..mapping });
    }
    Ok(())
}

fn properties(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some(physical) = turn.pick(Class::Physical, which) else { return Ok(()) };
    let room = Argument::Buffer(vec![0; 32]);
    turn.call("cuMemGetAllocationPropertiesFromHandle", &[room, number(physical.handle)]).map(drop)
}

fn granularity(turn: &mut Turn<'_, '_>, [option, ..]: [u64; 3]) -> Result<(), Fault> {
    let property = property(|bytes| on_device(bytes, 0), 0);
    turn.call("cuMemGetAllocationGranularity", &[place(), property, number(option)]).map(drop)
}

/// CUmulticastObjectProp of one device. The object itself takes no device memory.
fn multicast_create(turn: &mut Turn<'_, '_>, [pages, ..]: [u64; 3]) -> Result<(), Fault> {
    let size = pages * PAGE;
    let property = Bytes::default().u32(1).u32(0).u64(size).u64(0).u64(0).buffer();
    let reply = turn.call("cuMulticastCreate", &[place(), property])?;
    if reply.result == 0 {
        turn.add(Class::Multicast, reply.number(0), size, 0, 0);
        turn.call("cuMulticastAddDevice", &[number(reply.number(0)), number(0)])?;
    }
    Ok(())
}

fn multicast_bind(turn: &mut Turn<'_, '_>, [which, physical, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Multicast, 0).is_none() {
        multicast_create(turn, [40, 0, 0])?;
    }
    let (Some(object), Some(physical)) = (turn.pick(Class::Multicast, which), turn.pick(Class::Physical, physical))
    else {
        return Ok(());
    };
    if physical.loan.is_some() && object.loan.is_some() && physical.loan != object.loan {
        // An object of two lenders is more than the test keeps in mind.
        return Ok(());
    }
    let size = physical.size.min(object.size);
    let arguments = [number(object.handle), number(0), number(physical.handle), number(0), number(size), number(0)];
    if turn.call("cuMulticastBindMem", &arguments)?.result == 0 && physical.loan.is_some() {
        turn.model().borrow(Class::Multicast, object.handle, physical.loan);
    }
    Ok(())
}
