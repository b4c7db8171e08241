//! Memory that one process of the tenant shares with another: by file descriptor, by IPC handle and out of a pool.

use super::lending::{beside, loan};
use super::{NONE, PICK, Row, Turn, number, place, pool, virtual_memory};
use crate::Fault;
use crate::executor::{Argument, Reply};
use crate::model::{Class, Object};

/// CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
const BY_DESCRIPTOR: u64 = 1;

pub const KINDS: &[Row] = &[
    ("share.physical", 3, [PICK, NONE, NONE], physical),
    ("share.itself", 1, [PICK, NONE, NONE], physical_itself),
    ("share.home", 1, [PICK, NONE, NONE], physical_home),
    ("share.pool", 2, [PICK, NONE, NONE], share_pool),
    ("share.pooled", 3, [PICK, PICK, NONE], share_pooled),
    ("share.free", 2, [PICK, (0, 1), NONE], free),
    ("ipc.open", 3, [PICK, NONE, NONE], open),
    ("ipc.close", 2, [PICK, NONE, NONE], close),
];

/// Gives a descriptor of this process to another, and the other's number for it to `work` there; both are closed then.
fn pass(
    turn: &mut Turn<'_, '_>,
    to: usize,
    exported: &Reply,
    work: impl FnOnce(&mut Turn<'_, '_>, u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (pid, descriptor) = (turn.world.pid(turn.process), exported.word(0));
    let copy = turn.world.executor(to)?.duplicate(pid, descriptor)?;
    let done = u64::try_from(copy).map_err(|_| Fault(format!("descriptor {descriptor} of {pid} cannot be had")));
    let done = done.and_then(|copy| beside(turn, to, |turn| work(turn, copy)));
    turn.world.executor(turn.process)?.close(descriptor)?;
    if let Ok(copy) = u32::try_from(copy) {
        turn.world.executor(to)?.close(copy)?;
    }
    done
}

/// To a process that has not lent it.
fn physical(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let physical = some_physical(turn, which)?;
    match (turn.sibling(), physical) {
        (Some(to), Some(physical)) if physical.loan.is_none_or(|loan| loan.lender != to) => {
            physical_to(turn, to, physical)
        }
        _ => Ok(()),
    }
}

/// A process may import what it has exported itself, and has one handle more then.
fn physical_itself(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let physical = some_physical(turn, which)?;
    physical.map_or(Ok(()), |physical| physical_to(turn, turn.process, physical))
}

/// The same by way of a borrower. Without a handle of its own left the lender could not tell that it is its own memory.
fn physical_home(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some((physical, loan)) = turn.pick(Class::Physical, which).and_then(|one| Some((one, one.loan?))) else {
        return Ok(());
    };
    let known = turn.world.model_of(loan.lender).of(Class::Physical).iter().any(|one| one.handle == loan.handle);
    if known { physical_to(turn, loan.lender, physical) } else { Ok(()) }
}

/// Physical memory; made, where there is none.
fn some_physical(turn: &mut Turn<'_, '_>, which: u64) -> Result<Option<Object>, Fault> {
    if turn.pick(Class::Physical, 0).is_none() {
        virtual_memory::create(turn, [1 + which, which % 2, 1])?;
    }
    Ok(turn.pick(Class::Physical, which))
}

fn physical_to(turn: &mut Turn<'_, '_>, to: usize, physical: Object) -> Result<(), Fault> {
    let arguments = [place(), number(physical.handle), number(BY_DESCRIPTOR), number(0)];
    let exported = turn.call("cuMemExportToShareableHandle", &arguments)?;
    if exported.result != 0 {
        return Ok(());
    }
    let loan = loan(turn, to, physical);
    pass(turn, to, &exported, |turn, descriptor| {
        let arguments = [place(), number(descriptor), number(BY_DESCRIPTOR)];
        let reply = turn.call("cuMemImportFromShareableHandle", &arguments)?;
        if reply.result == 0 {
            turn.model().add(Object { handle: reply.number(0), context: 0, loan, ..physical });
        }
        Ok(())
    })
}

/// Shares a pool, from which the other process cannot allocate.
fn share_pool(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Pool, 0).is_none() {
        pool::create(turn, [which % 2, 1, 0])?;
    }
    match (turn.sibling(), turn.pick(Class::Pool, which)) {
        (Some(to), Some(pool)) => pool_to(turn, to, pool).map(drop),
        _ => Ok(()),
    }
}

/// The other's handle of a pool.
fn pool_to(turn: &mut Turn<'_, '_>, to: usize, pool: Object) -> Result<Option<u64>, Fault> {
    let arguments = [place(), number(pool.handle), number(BY_DESCRIPTOR), number(0)];
    let exported = turn.call("cuMemPoolExportToShareableHandle", &arguments)?;
    if exported.result != 0 {
        return Ok(None);
    }
    let loan = loan(turn, to, pool);
    let mut imported = None;
    pass(turn, to, &exported, |turn, descriptor| {
        let arguments = [place(), number(descriptor), number(BY_DESCRIPTOR), number(0)];
        let reply = turn.call("cuMemPoolImportFromShareableHandle", &arguments)?;
        if reply.result == 0 {
            let handle = reply.number(0);
            turn.model().add(Object { handle, loan, ..pool });
            imported = Some(handle);
        }
        Ok(())
    })?;
    Ok(imported)
}

/// Shares a pool and then an allocation of it.
fn share_pooled(turn: &mut Turn<'_, '_>, [which, pointer, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Pool, 0).is_none() {
        pool::create(turn, [which % 2, 1, 0])?;
    }
    let (Some(to), Some(pool)) = (turn.sibling(), turn.pick(Class::Pool, which)) else { return Ok(()) };
    let Some(imported) = pool_to(turn, to, pool)? else { return Ok(()) };
    let of_pool = |object: &Object| object.extra == pool.handle;
    if !turn.model().of(Class::Pooled).iter().any(of_pool) {
        pool::alloc_of(turn, 1 + pointer * 100_000, (pool.handle, pool.device), 0)?;
    }
    let all: Vec<_> = turn.model().of(Class::Pooled).into_iter().filter(of_pool).collect();
    let Some(pooled) = all.get(pointer as usize % all.len().max(1)).copied() else { return Ok(()) };
    let exported = turn.call("cuMemPoolExportPointer", &[Argument::Buffer(vec![0; 64]), number(pooled.handle)])?;
    if exported.result != 0 {
        return Ok(());
    }
    let loan = loan(turn, to, pooled);
    beside(turn, to, |turn| {
        let data = Argument::Buffer(exported.buffers[0].clone());
        let reply = turn.call("cuMemPoolImportPointer", &[place(), number(imported), data])?;
        if reply.result == 0 {
            let (class, handle) = (Class::Imported, reply.number(0));
            turn.model().add(Object { class, handle, loan, ..pooled });
        }
        Ok(())
    })
}

/// Frees memory of another process's pool, by either function.
fn free(turn: &mut Turn<'_, '_>, [which, by_stream, _]: [u64; 3]) -> Result<(), Fault> {
    let Some(imported) = turn.pick(Class::Imported, which) else { return Ok(()) };
    if by_stream == 0 {
        return turn.undo(imported);
    }
    if turn.call("cuMemFreeAsync", &[number(imported.handle), number(0)])?.result == 0 {
        turn.forget(imported);
    }
    Ok(())
}

fn open(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let (Some(to), Some(pointer)) = (turn.sibling(), turn.pick(Class::Pointer, which)) else { return Ok(()) };
    let exported = turn.call("cuIpcGetMemHandle", &[Argument::Buffer(vec![0; 64]), number(pointer.handle)])?;
    if exported.result != 0 {
        return Ok(());
    }
    let loan = loan(turn, to, pointer);
    beside(turn, to, |turn| {
        let current = turn.current();
        let handle = Argument::Buffer(exported.buffers[0].clone());
        let reply = turn.call("cuIpcOpenMemHandle_v2", &[place(), handle, number(1)])?;
        if reply.result == 0
            && let Some((context, device)) = current
        {
            let (class, handle) = (Class::Opened, reply.number(0));
            turn.model().add(Object { class, handle, device, context, loan, ..pointer });
        }
        Ok(())
    })
}

fn close(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Opened, which) {
        Some(opened) => turn.undo(opened),
        None => Ok(()),
    }
}
