//! Contexts: primary ones, a program's own, the stack of current ones.

use super::{NONE, PICK, Row, Turn, number, place};
use crate::Fault;
use crate::bench::CONTEXT;
use crate::executor::Argument;
use crate::model::Class;
use crate::world::DEVICES;

pub const KINDS: &[Row] = &[
    ("primary.retain", 3, [(0, 1), NONE, NONE], retain),
    ("primary.release", 1, [(0, 1), NONE, NONE], release),
    ("primary.reset", 1, [(0, 1), NONE, NONE], reset),
    ("context.create", 2, [(0, 1), (0, 2), NONE], create),
    ("context.destroy", 2, [PICK, NONE, NONE], destroy),
    ("context.set", 3, [PICK, NONE, NONE], set),
    ("context.push", 1, [PICK, NONE, NONE], push),
    ("context.pop", 1, [NONE, NONE, NONE], pop),
    ("context.synchronize", 2, [NONE, NONE, NONE], synchronize),
    ("context.limit", 1, [(0, 2), (0, 64), NONE], limit),
    ("context.peer", 1, [PICK, (0, 1), NONE], peer),
];

/// Retains the primary context of a device and makes it current, as the CUDA runtime does.
pub fn retain(turn: &mut Turn<'_, '_>, [ordinal, ..]: [u64; 3]) -> Result<(), Fault> {
    let device = turn.world.turned(ordinal as usize);
    // Refused only if there is none yet, and no room for one.
    let reply = turn.take(device, CONTEXT, "cuDevicePrimaryCtxRetain", &[place(), number(ordinal)])?;
    if reply.result != 0 {
        return Ok(());
    }
    turn.model().retained[ordinal as usize] += 1;
    turn.call("cuCtxSetCurrent", &[number(reply.number(0))])?;
    Ok(())
}

/// The handle of a primary context that is retained, without retaining it once more for good.
fn primary(turn: &mut Turn<'_, '_>, ordinal: u64) -> Result<Option<u64>, Fault> {
    if turn.model().retained[ordinal as usize] == 0 {
        return Ok(None);
    }
    let device = turn.world.turned(ordinal as usize);
    let reply = turn.take(device, CONTEXT, "cuDevicePrimaryCtxRetain", &[place(), number(ordinal)])?;
    if reply.result != 0 {
        return Ok(None);
    }
    turn.call("cuDevicePrimaryCtxRelease_v2", &[number(ordinal)])?;
    Ok(Some(reply.number(0)))
}

fn release(turn: &mut Turn<'_, '_>, [ordinal, ..]: [u64; 3]) -> Result<(), Fault> {
    if !turn.recall_from_contexts()? {
        return Ok(());
    }
    let context = primary(turn, ordinal)?;
    let reply = turn.call("cuDevicePrimaryCtxRelease_v2", &[number(ordinal)])?;
    if reply.result == 0 {
        let model = turn.model();
        model.retained[ordinal as usize] = model.retained[ordinal as usize].saturating_sub(1);
        if model.retained[ordinal as usize] == 0
            && let Some(context) = context
        {
            model.context_gone(context);
        }
    }
    Ok(())
}

fn reset(turn: &mut Turn<'_, '_>, [ordinal, ..]: [u64; 3]) -> Result<(), Fault> {
    if !turn.recall_from_contexts()? {
        return Ok(());
    }
    let context = primary(turn, ordinal)?;
    let reply = turn.call("cuDevicePrimaryCtxReset_v2", &[number(ordinal)])?;
    if reply.result != 0 {
        return Ok(());
    }
    let device = turn.world.turned(ordinal as usize);
    let model = turn.model();
    if let Some(context) = context {
        model.context_gone(context);
    }
    // Its green contexts end with it, and what each had retained is now the program's to release.
    for green in model.of(Class::Green).into_iter().filter(|green| green.device == device) {
        model.remove(Class::Green, green.handle);
        model.retained[ordinal as usize] += 1;
    }
    Ok(())
}

/// The handle of some primary context that is retained.
pub fn some_primary(turn: &mut Turn<'_, '_>) -> Result<Option<u64>, Fault> {
    for ordinal in 0..DEVICES as u64 {
        if let Some(context) = primary(turn, ordinal)? {
            return Ok(Some(context));
        }
    }
    Ok(None)
}

fn create(turn: &mut Turn<'_, '_>, [ordinal, version, _]: [u64; 3]) -> Result<(), Fault> {
    let device = turn.world.turned(ordinal as usize);
    let (function, arguments): (_, Vec<Argument>) = match version {
        0 => ("cuCtxCreate_v2", vec![place(), number(0), number(ordinal)]),
        1 => ("cuCtxCreate", vec![place(), number(0), number(ordinal)]),
        _ => ("cuCtxCreate_v3", vec![place(), number(0), number(0), number(0), number(ordinal)]),
    };
    let reply = turn.take(device, CONTEXT, function, &arguments)?;
    if reply.result == 0 {
        turn.add(Class::Context, reply.number(0), 0, device, 0);
    }
    Ok(())
}

fn destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Context, which) {
        Some(context) => turn.undo(context),
        None => Ok(()),
    }
}

fn set(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let handle = match turn.pick(Class::Context, which / 2) {
        Some(context) if which % 2 == 0 => context.handle,
        _ => match primary(turn, which % DEVICES as u64)? {
            Some(handle) => handle,
            None => return Ok(()),
        },
    };
    turn.call("cuCtxSetCurrent", &[number(handle)]).map(drop)
}

fn push(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Context, 0).is_none() {
        create(turn, [which % 2, which % 3, 0])?;
    }
    match turn.pick(Class::Context, which) {
        Some(context) => turn.call("cuCtxPushCurrent_v2", &[number(context.handle)]).map(drop),
        None => Ok(()),
    }
}

fn pop(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    turn.call("cuCtxPopCurrent_v2", &[place()]).map(drop)
}

fn synchronize(turn: &mut Turn<'_, '_>, _: [u64; 3]) -> Result<(), Fault> {
    turn.call("cuCtxSynchronize", &[]).map(drop)
}

/// Stack size, printf buffer and malloc heap: up to 64 times 256 KiB, the stack's a thousandth of it.
fn limit(turn: &mut Turn<'_, '_>, [which, steps, _]: [u64; 3]) -> Result<(), Fault> {
    let Some((_, device)) = turn.current() else { return Ok(()) };
    let bytes = steps * (256 << 10) / if which == 0 { 1024 } else { 1 };
    // A thread's stack is there for every thread that the device can run at once.
    let most = if which == 0 { bytes.saturating_mul(1 << 19) } else { bytes };
    turn.take(device, super::in_pages(most), "cuCtxSetLimit", &[number(which), number(bytes)]).map(drop)
}

/// Access to a context that the program made, whatever its device, or to the primary one of the other device.
fn peer(turn: &mut Turn<'_, '_>, [which, enable, _]: [u64; 3]) -> Result<(), Fault> {
    let made = turn.pick(Class::Context, which).map(|context| context.handle);
    let other = match (turn.current(), which % 4) {
        (_, 0) | (None, _) => made,
        (Some((_, device)), _) => primary(turn, turn.world.turned(DEVICES - 1 - device) as u64)?,
    };
    let Some(context) = other else { return Ok(()) };
    turn.call("cuCtxEnablePeerAccess", &[number(context), number(0)])?;
    if enable == 0 {
        turn.call("cuCtxDisablePeerAccess", &[number(context)])?;
    }
    Ok(())
}

/// Lets go of the primary contexts, as often as they were retained.
pub fn release_primaries(turn: &mut Turn<'_, '_>) -> Result<(), Fault> {
    for ordinal in 0..DEVICES {
        for _ in 0..turn.model().retained[ordinal] {
            turn.call("cuDevicePrimaryCtxRelease_v2", &[number(ordinal as u64)])?;
        }
    }
    Ok(())
}
