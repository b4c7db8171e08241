//! Streams and events.

use super::{NONE, PICK, Row, Turn, number, place};
use crate::Fault;
use crate::model::Class;

pub const KINDS: &[Row] = &[
    ("stream.create", 3, [(0, 1), NONE, NONE], create),
    ("stream.destroy", 1, [PICK, NONE, NONE], destroy),
    ("stream.synchronize", 5, [PICK, NONE, NONE], synchronize),
    ("event.create", 1, [NONE, NONE, NONE], event_create),
    ("event.record", 1, [PICK, PICK, NONE], event_record),
    ("event.synchronize", 2, [PICK, NONE, NONE], event_synchronize),
    ("event.destroy", 1, [PICK, NONE, NONE], event_destroy),
];

/// A stream's handle, its device and context: of one that was made, or, for 0, the current context's default stream.
pub fn pick(turn: &mut Turn<'_, '_>, which: u64) -> (u64, Option<(u64, usize)>) {
    match which.checked_sub(1).and_then(|which| turn.pick(Class::Stream, which)) {
        Some(stream) => (stream.handle, Some((stream.context, stream.device))),
        None => (0, turn.current()),
    }
}

pub fn create(turn: &mut Turn<'_, '_>, [flags, ..]: [u64; 3]) -> Result<(), Fault> {
    let current = turn.current();
    let reply = turn.call("cuStreamCreate", &[place(), number(flags)])?;
    if reply.result == 0
        && let Some((context, device)) = current
    {
        turn.add(Class::Stream, reply.number(0), 0, device, context);
    }
    Ok(())
}

fn destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Stream, which) {
        Some(stream) => turn.undo(stream),
        None => Ok(()),
    }
}

fn synchronize(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let (stream, _) = pick(turn, which);
    turn.call("cuStreamSynchronize", &[number(stream)]).map(drop)
}

fn event_create(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    let current = turn.current();
    let reply = turn.call("cuEventCreate", &[place(), number(0)])?;
    if reply.result == 0
        && let Some((context, device)) = current
    {
        turn.add(Class::Event, reply.number(0), 0, device, context);
    }
    Ok(())
}

fn event_record(turn: &mut Turn<'_, '_>, [which, stream, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Event, 0).is_none() {
        event_create(turn, [0; 3])?;
    }
    let Some(event) = turn.pick(Class::Event, which) else { return Ok(()) };
    let (stream, _) = pick(turn, stream);
    turn.call("cuEventRecord", &[number(event.handle), number(stream)]).map(drop)
}

fn event_synchronize(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Event, which) {
        Some(event) => turn.call("cuEventSynchronize", &[number(event.handle)]).map(drop),
        None => Ok(()),
    }
}

fn event_destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Event, which) {
        Some(event) => turn.undo(event),
        None => Ok(()),
    }
}
