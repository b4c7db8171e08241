//! Who may submit how much work to a device, and when: the gate in front of every command that takes device-time.
//!
//! A thread is granted some device-time ahead, and spends it launch by launch by what each is expected to cost: a few loads, no
//! lock and no clock. When that is used up it comes through the gate ([`gate`]): what the device has finished is measured by
//! timing events ([`spans`], [`events`]), the difference to what was expected goes to the tenant's account, commands' costs are
//! learnt ([`learner`]), and the call waits for the cap, for its turn and for the device ([`pace`]).

/// Timing events.
mod events;
/// The way through the gate: locks, clock, driver.
mod gate;
/// What commands cost.
mod learner;
/// Whether the next command may go.
mod pace;
/// Device-time from timing events.
mod spans;
/// What one thread may send without asking.
mod thread;
/// This process's place among those that take turns.
mod turns;

pub(crate) use thread::Thread;

use core::sync::atomic::{AtomicU64, Ordering};

use ffi_headers::cuda::{CUresult, CUstream};

use crate::guard::{self, Inside};
use crate::tenant::{self, Tenant};
use gate::Gate;
use thread::Launch;

/// A command that takes device-time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    /// A kernel: its function's handle and the blocks of its grid.
    Kernel { function: usize, blocks: u64 },
    /// A launch of an executable graph.
    Graph { exec: usize },
    /// Device memory that is filled.
    Fill { bytes: u64 },
    /// Device memory that is copied within a device or to another.
    Copy { bytes: u64 },
}

/// Where a command goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    /// The stream as the program named it.
    pub(crate) handle: CUstream,
    /// Whether NULL means the thread's own default stream.
    pub(crate) per_thread: bool,
}

/// Handles of the default streams (`CU_STREAM_LEGACY`, `CU_STREAM_PER_THREAD` of cuda.h).
const LEGACY: usize = 1;
const PER_THREAD: usize = 2;

impl Queue {
    /// The stream's handle, with a default stream named by its own.
    #[inline]
    fn named(self) -> usize {
        match self.handle as usize {
            0 if self.per_thread => PER_THREAD,
            0 => LEGACY,
            handle => handle,
        }
    }
}

/// What every launch looks at first. In its lowest bits whether anything is gated, see the modes below; then the number of
/// streams that are being captured; in its upper half a number that grows when grants end.
static WORD: AtomicU64 = AtomicU64::new(UNDECIDED);
const MODE: u64 = 3;
/// Nobody has asked yet.
const UNDECIDED: u64 = 0;
/// Nothing is gated, nor will be.
const OFF: u64 = 1;
/// Work is gated, or may be.
const ON: u64 = 2;
/// As `ON`; and there are several contexts, so that a default stream's handle may mean any of them.
const SEVERAL: u64 = 3;
const CAPTURE: u64 = 1 << 2;
const CAPTURES: u64 = (1 << 32) - CAPTURE;
const EPOCH: u64 = 1 << 32;

/// Whether nothing is gated in this process, nor will be.
#[inline]
pub(crate) fn is_off() -> bool {
    // Relaxed: OFF stays so.
    WORD.load(Ordering::Relaxed) & MODE == OFF
}

/// Sends a command when this process may, and charges its tenant for it.
#[inline]
pub(crate) fn submit(queue: Queue, command: Command, send: impl FnOnce() -> CUresult) -> CUresult {
    // Relaxed, here and below: OFF stays so; all else is only compared with what a grant was given under. A launch that misses a
    // change of another thread comes before it.
    if WORD.load(Ordering::Relaxed) & MODE == OFF {
        return send();
    }
    let Some(tenant) = tenant() else { return send() };
    let Some(mut inside) = Inside::enter() else { return send() };
    gated(tenant, &mut inside, queue, command, send)
}

/// As [`submit`], for a hook that has entered already.
#[inline]
pub(crate) fn submit_inside(
    inside: &mut Inside,
    queue: Queue,
    command: Command,
    send: impl FnOnce() -> CUresult,
) -> CUresult {
    if WORD.load(Ordering::Relaxed) & MODE == OFF {
        return inside.driver(send);
    }
    match tenant() {
        Some(tenant) => gated(tenant, inside, queue, command, send),
        None => inside.driver(send),
    }
}

/// Puts something into a stream that takes none of the device's time but may keep the stream for long: a copy to or from the
/// host.
#[inline]
pub(crate) fn interrupt(queue: Queue, send: impl FnOnce() -> CUresult) -> CUresult {
    if WORD.load(Ordering::Relaxed) & MODE == OFF || tenant().is_none() {
        return send();
    }
    let Some(mut inside) = Inside::enter() else { return send() };
    guard::locked_bookkeeping(|| gate::interrupted(inside.compute(), queue.named()));
    inside.driver(send)
}

/// As [`interrupt`], of what may wait for the program itself: an event, a value in memory, a host function.
#[inline]
pub(crate) fn wait(queue: Queue, send: impl FnOnce() -> CUresult) -> CUresult {
    if WORD.load(Ordering::Relaxed) & MODE == OFF {
        return send();
    }
    let Some(tenant) = tenant() else { return send() };
    let Some(mut inside) = Inside::enter() else { return send() };
    guard::locked_bookkeeping(|| gate::interrupted(inside.compute(), queue.named()));
    let result = inside.driver(send);
    guard::locked_bookkeeping(|| gate::waits(tenant, inside.compute(), queue.named()));
    result
}

/// The tenant, if any of its work may be gated.
#[inline]
fn tenant() -> Option<&'static Tenant> {
    let tenant = tenant::get();
    if WORD.load(Ordering::Relaxed) & MODE == UNDECIDED {
        let mode = if tenant.is_some_and(Tenant::may_gate) { ON } else { OFF };
        WORD.fetch_or(mode, Ordering::Relaxed); // each that comes here finds the same mode
    }
    tenant.filter(|tenant| tenant.gates())
}

#[inline]
fn gated(
    tenant: &'static Tenant,
    inside: &mut Inside,
    queue: Queue,
    command: Command,
    send: impl FnOnce() -> CUresult,
) -> CUresult {
    let word = WORD.load(Ordering::Relaxed);
    let launch = Launch { handle: queue.named(), key: command.key(), word, generation: tenant.generation() };
    let same_context = || {
        word & MODE != SEVERAL
            || launch.handle > PER_THREAD
            || gate::current_context() == Some(inside.compute().granted_context(launch.handle))
    };
    if same_context() && inside.compute().spend(launch) {
        return inside.driver(send);
    }
    let mut after = None;
    guard::locked_bookkeeping(|| after = gate::before(tenant, inside.compute(), launch, command));
    let result = inside.driver(send);
    if let Some(after) = after {
        guard::locked_bookkeeping(|| gate::after(after));
    }
    result
}

/// Whether anything was ever sent through the gate.
pub(crate) fn is_measuring() -> bool {
    !is_off() && Gate::existing().is_some()
}

/// The program has waited for the device: what that has finished is charged as what it was. Its process may end next.
pub(crate) fn finished() {
    // Relaxed: as in `submit`. During a capture the driver is asked nothing.
    if WORD.load(Ordering::Relaxed) & CAPTURES == 0
        && let Some(gate) = Gate::existing()
    {
        guard::locked_bookkeeping(|| gate.finished());
    }
}

/// Before a stream goes.
pub(crate) fn stream_destroyed(inside: &Inside, handle: CUstream) {
    if is_measuring() {
        guard::locked_bookkeeping(|| gate::stream_destroyed(inside.compute(), handle as usize));
        end_grants();
    }
}

/// Before a context goes: what was recorded in it is forgotten.
pub(crate) fn context_destroyed(context: usize) {
    if let Some(gate) = Gate::existing() {
        guard::locked_bookkeeping(|| gate.context_destroyed(context));
        end_grants();
    }
}

/// An executable graph was changed: its cost is measured anew.
pub(crate) fn graph_exec_changed(exec: usize) {
    if let Some(gate) = Gate::existing() {
        guard::locked_bookkeeping(|| gate.doubt(Command::Graph { exec }));
        end_grants();
    }
}

/// An executable graph is gone.
pub(crate) fn graph_exec_destroyed(exec: usize) {
    if let Some(gate) = Gate::existing() {
        gate.forget(Command::Graph { exec });
        end_grants();
    }
}

/// Functions are gone: their handles may come again.
pub(crate) fn functions_gone() {
    if let Some(gate) = Gate::existing() {
        gate.forget_functions();
        end_grants();
    }
}

fn end_grants() {
    WORD.fetch_add(EPOCH, Ordering::Relaxed); // see `submit`
}

/// A stream is about to be captured. When this returns, no thread is asking the driver anything that a capture forbids.
pub(crate) fn capture_begun() {
    WORD.fetch_add(CAPTURE, Ordering::Relaxed); // ordered before what others do by the lock, which is taken next
    if let Some(gate) = Gate::existing() {
        gate.settle();
    }
}

/// A capture has ended.
pub(crate) fn capture_ended() {
    WORD.fetch_sub(CAPTURE, Ordering::Relaxed); // see `submit`
}

/// This process is a forked child: it has nothing.
pub(crate) fn forked() {
    Gate::abandon();
    // Only this thread exists. What its parent was capturing is none of the child's.
    let word = WORD.load(Ordering::Relaxed);
    WORD.store((word & !(CAPTURES | MODE)).wrapping_add(EPOCH), Ordering::Relaxed);
}
