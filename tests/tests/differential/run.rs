//! A sequence's two runs: with the library, and without it the same calls but those that the quota refused.

use crate::Fault;
use crate::bench::Bench;
use crate::executor::Door;
use crate::kinds::{KINDS, Turn};
use crate::sequence::{Sequence, Step};
use crate::world::{DEVICES, Entry, World};

/// Runs a sequence with the library and then without.
pub fn both(bench: &mut Bench, sequence: &Sequence) -> Result<(), Fault> {
    let log = one(bench, sequence, None).map_err(|fault| fault.after("with the library"))?;
    one(bench, sequence, Some(&log)).map_err(|fault| fault.after("without the library"))?;
    Ok(())
}

fn one(bench: &mut Bench, sequence: &Sequence, hooked_log: Option<&[Entry]>) -> Result<Vec<Entry>, Fault> {
    let mut world = World::start(bench, &sequence.setting, hooked_log)?;
    let count = world.count();
    if sequence.setting.contexts {
        let kind = KINDS.iter().position(|kind| kind.name == "primary.retain").expect("a kind");
        for process in 0..count {
            let arguments = [process as u64 % DEVICES as u64, 0, 0];
            let step = Step { process: process as u8, door: Door::Linked, kind, arguments };
            take(&mut world, &step).map_err(|fault| fault.after("at the start"))?;
        }
    }
    for (number, step) in sequence.steps.iter().enumerate() {
        take(&mut world, step).map_err(|fault| fault.after(&format!("step {} ({step})", number + 1)))?;
    }
    if sequence.setting.frees {
        for process in 0..count {
            let mut turn = Turn { world: &mut world, process, door: Door::Linked };
            let returned = turn.return_everything();
            returned.map_err(|fault| fault.after(&format!("process {process}: returning everything")))?;
        }
        for process in 0..count {
            let mut turn = Turn { world: &mut world, process, door: Door::Linked };
            turn.free_everything().map_err(|fault| fault.after(&format!("process {process}: freeing everything")))?;
        }
        for process in 0..count {
            if world.holds(process) != [0; DEVICES] {
                let held = world.holds(process);
                return Err(Fault(format!("process {process} has freed everything and holds {held:?}")));
            }
        }
    }
    world.end()
}

fn take(world: &mut World<'_>, step: &Step) -> Result<(), Fault> {
    let process = usize::from(step.process) % world.count();
    (KINDS[step.kind].run)(&mut Turn { world, process, door: step.door }, step.arguments)
}
