//! Who has what of whom, and what a lender may do meanwhile.
//!
//! Memory that outlives its lender is charged to nobody (docs/decisions/0007), and to free what another process still has open
//! is undefined for IPC. So before a process gives up its last hold on what it lent, or ends, the borrowers let go; what they
//! cannot let go of, the lender keeps.

use super::Turn;
use crate::Fault;
use crate::model::{Class, Loan, Object};

impl Turn<'_, '_> {
    /// Makes the borrowers of what this process lent let go of it, as far as `of` says; answers whether nobody has it any more.
    pub fn recall(&mut self, of: impl Fn(Loan) -> bool) -> Result<bool, Fault> {
        let lender = self.process;
        let lent = |object: &Object| object.loan.is_some_and(|loan| loan.lender == lender && of(loan));
        let mut returned = true;
        for other in 0..self.world.count() {
            for object in self.world.model_of(other).borrowed().into_iter().filter(lent) {
                beside(self, other, |turn| turn.undo(object))?;
            }
            returned &= !self.world.model_of(other).borrowed().iter().any(lent);
        }
        Ok(returned)
    }

    /// The same for everything that ends with a context: what was lent by IPC.
    pub fn recall_from_contexts(&mut self) -> Result<bool, Fault> {
        self.recall(|loan| loan.class == Class::Pointer)
    }

    /// Whether this process may let go of a thing: nobody else has it, or this is not the last hold on it.
    pub fn may_end(&mut self, object: Object) -> Result<bool, Fault> {
        match object.class {
            _ if object.loan.is_some() => Ok(true),
            Class::Context | Class::Green => self.recall_from_contexts(),
            Class::Physical | Class::Mapping => {
                let handle = if object.class == Class::Physical { object.handle } else { object.extra };
                let last = self.model().holds(handle) <= 1;
                if last { self.recall(|loan| (loan.class, loan.handle) == (Class::Physical, handle)) } else { Ok(true) }
            }
            class => self.recall(|loan| (loan.class, loan.handle) == (class, object.handle)),
        }
    }
}

/// Whose a thing is for process `to`, which gets it from this one.
pub fn loan(turn: &Turn<'_, '_>, to: usize, object: Object) -> Option<Loan> {
    let own = Loan { lender: turn.process, class: object.class, handle: object.handle };
    Some(object.loan.unwrap_or(own)).filter(|loan| loan.lender != to)
}

/// The same turn, in another process.
pub fn beside<T>(
    turn: &mut Turn<'_, '_>,
    process: usize,
    work: impl FnOnce(&mut Turn<'_, '_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let door = turn.door;
    work(&mut Turn { world: turn.world, process, door })
}
