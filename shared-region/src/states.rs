//! Atomics of the exploration of all states: each names a place of a model memory, and each access is one step of a process.
//!
//! The memory is sequentially consistent. A process is played by running the protocol's own code from the beginning of
//! an operation with the values that it has read so far; the access after those is its next step, and the code is left
//! there by unwinding. So what a process will do depends on nothing but the operation and those values.

use core::cell::RefCell;
use core::sync::atomic::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// One access to a place of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Load,
    Store(u128),
    /// fetch_max. Who reads its result does not compile, so it is no part of what a process has read.
    Max(u128),
    /// fetch_add, likewise.
    Add(u128),
    /// compare_exchange; what is read is the value before.
    Swap {
        old: u128,
        new: u128,
    },
}

impl Access {
    /// Does it; answers what the process reads.
    pub(crate) fn on(self, value: &mut u128) -> u128 {
        let before = *value;
        *value = match self {
            Self::Load => before,
            Self::Store(new) => new,
            Self::Max(new) => before.max(new),
            Self::Add(more) => before + more,
            Self::Swap { old, new } if before == old => new,
            Self::Swap { .. } => before,
        };
        if matches!(self, Self::Load | Self::Swap { .. }) { before } else { 0 }
    }
}

/// What is taken out of the protocol, to see that its absence is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody acknowledges the operation whose word it replaces.
    NoAcknowledgement,
    /// A slot's generation never changes.
    NoGeneration,
    /// What a slot will hold is written after the word.
    OutcomeLast,
}

/// What an access does now.
enum Mode {
    /// It happens in this memory.
    Direct(Vec<u128>),
    /// It answers what was read the last time; the one after those ends the run.
    Replay { read: Vec<u128>, done: usize, point: Option<Point> },
}

/// A point in the code, and all that a process carries on from what it has read before.
pub(crate) type Point = (u32, Vec<u128>);

struct Machine {
    mode: Mode,
    fault: Option<Fault>,
    /// A store that `Fault::OutcomeLast` holds back.
    held_back: Option<(usize, u128)>,
}

thread_local! {
    static MACHINE: RefCell<Machine> =
        const { RefCell::new(Machine { mode: Mode::Direct(Vec::new()), fault: None, held_back: None }) };
}

/// What unwinds out of the access that a replay ends with.
pub(crate) struct Next {
    pub(crate) place: usize,
    pub(crate) access: Access,
    /// The last one that was passed since the last value that was read.
    pub(crate) point: Option<Point>,
}

/// Sets what the protocol lacks from now on, in this thread.
pub(crate) fn set_fault(fault: Option<Fault>) {
    MACHINE.with_borrow_mut(|machine| machine.fault = fault);
}

/// Runs `work` on a memory, each access at once.
pub(crate) fn direct<T>(memory: &mut Vec<u128>, work: impl FnOnce() -> T) -> T {
    let swap = |memory: &mut Vec<u128>| {
        MACHINE.with_borrow_mut(|machine| {
            let theirs = core::mem::replace(&mut machine.mode, Mode::Direct(core::mem::take(memory)));
            if let Mode::Direct(theirs) = theirs {
                *memory = theirs;
            }
        });
    };
    swap(memory);
    let answer = work();
    flush();
    swap(memory);
    answer
}

/// Runs `work` as a process that has read these values: its outcome, or else its next access, with the place.
pub(crate) fn replay<T>(read: Vec<u128>, work: impl FnOnce() -> T) -> Result<T, Box<Next>> {
    MACHINE.with_borrow_mut(|machine| {
        machine.mode = Mode::Replay { read, done: 0, point: None };
        machine.held_back = None;
    });
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let answer = work();
        flush();
        answer
    }));
    MACHINE.with_borrow_mut(|machine| machine.mode = Mode::Direct(Vec::new()));
    ended.map_err(|cause| cause.downcast::<Next>().unwrap_or_else(|other| resume_unwind(other)))
}

/// Places of a memory in the order of the layout that `ledger_states.rs` gives it: which are a slot's `after`.
fn is_after(place: usize) -> bool {
    (1..=12).contains(&place) && (place - 1) % 4 < 2
}

fn is_acked(place: usize) -> bool {
    (1..=12).contains(&place) && (place - 1) % 4 == 3
}

fn access(place: usize, access: Access) -> u128 {
    let fault = MACHINE.with_borrow(|machine| machine.fault);
    match (fault, access) {
        (Some(Fault::NoAcknowledgement), Access::Max(_)) if is_acked(place) => return 0,
        (Some(Fault::NoGeneration), Access::Add(_)) => return 0,
        (Some(Fault::OutcomeLast), Access::Store(value)) if is_after(place) => {
            flush();
            MACHINE.with_borrow_mut(|machine| machine.held_back = Some((place, value)));
            return 0;
        }
        _ => {}
    }
    let answer = issue(place, access);
    if matches!(access, Access::Swap { .. }) {
        flush();
    }
    answer
}

/// Does the store that was held back.
fn flush() {
    if let Some((place, value)) = MACHINE.with_borrow_mut(|machine| machine.held_back.take()) {
        issue(place, Access::Store(value));
    }
}

fn issue(place: usize, access: Access) -> u128 {
    let answer = MACHINE.with_borrow_mut(|machine| match &mut machine.mode {
        Mode::Direct(memory) => Ok(access.on(&mut memory[place])),
        Mode::Replay { read, done, point } => {
            *done += 1;
            read.get(*done - 1).copied().ok_or_else(|| point.take())
        }
    });
    answer.unwrap_or_else(|point| resume_unwind(Box::new(Next { place, access, point })))
}

/// See `crate::carries_only`.
pub(crate) fn carries_only(at: u32, carried: &[u128]) {
    MACHINE.with_borrow_mut(|machine| {
        if let Mode::Replay { read, done, point } = &mut machine.mode
            && *done == read.len()
        {
            *point = Some((at, carried.to_vec()));
        }
    });
}

macro_rules! atomic {
    ($name:ident, $value:ty, $place:ty) => {
        /// Stands for the atomic of this name; holds the number of a place.
        #[repr(transparent)]
        pub(crate) struct $name($place);

        // Each build uses of these what the protocol and the file need.
        #[allow(dead_code)]
        impl $name {
            pub(crate) fn at(place: usize) -> Self {
                Self(place as $place)
            }

            pub(crate) fn load(&self, _: Ordering) -> $value {
                access(self.0 as usize, Access::Load) as $value
            }

            pub(crate) fn store(&self, value: $value, _: Ordering) {
                access(self.0 as usize, Access::Store(value.into()));
            }

            pub(crate) fn fetch_max(&self, value: $value, _: Ordering) {
                access(self.0 as usize, Access::Max(value.into()));
            }

            pub(crate) fn fetch_add(&self, value: $value, _: Ordering) {
                access(self.0 as usize, Access::Add(value.into()));
            }

            pub(crate) fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                _: Ordering,
                _: Ordering,
            ) -> Result<$value, $value> {
                let before = access(self.0 as usize, Access::Swap { old: old.into(), new: new.into() }) as $value;
                if before == old { Ok(before) } else { Err(before) }
            }
        }
    };
}

// As large as the real ones, so that what checks the layout holds here too.
atomic!(AtomicU64, u64, u64);
atomic!(AtomicU128, u128, u128);
