//! What the gate hears of beside launches: whatever else may keep a stream waiting, and threads that end.
// UNSAFETY: asks the system for two numbers.
#![expect(unsafe_code)]

use core::sync::atomic::Ordering;
use std::sync::{MutexGuard, TryLockError};

use shared_region::clock;

use super::{CAPTURES, Entered, Gate, NO_STREAM, State, WORD, mark, sleep_until};
use crate::compute::spans::Behind;
use crate::compute::thread::Thread;
use crate::guard;
use crate::tenant::Tenant;

/// How often the end of a thread asks for the lock, a tenth of a millisecond each.
const PATIENCE: u32 = 500;

/// Something that may keep it waiting is about to be put into a stream.
#[cold]
pub(in crate::compute) fn interrupted(thread: &Thread, handle: usize) {
    if let Some(gate) = Gate::existing()
        && let Some(entered) = Entered::of(handle)
    {
        gate.interrupted(thread, entered.context, handle);
    }
}

/// What may wait for the program was put into a stream: a mark behind it tells when that is over.
#[cold]
pub(in crate::compute) fn waits(tenant: &'static Tenant, thread: &Thread, handle: usize) {
    let Some(entered) = Entered::of(handle) else { return };
    let context = entered.context;
    let gate = Gate::get();
    // During a capture the driver is asked nothing.
    if WORD.load(Ordering::Relaxed) & CAPTURES == 0
        && let Some(place) = gate.place(tenant, context)
    {
        let stream = thread.id(context, handle);
        let mut state = gate.lock();
        let spans = state.devices.get_mut(place).map(|device| &mut device.pace.spans);
        if spans.is_some_and(|spans| !spans.full(stream) && !spans.stalled(stream)) {
            drop(mark(gate, state, (place, stream), Behind::AWait));
        }
    }
}

/// A stream is about to be destroyed.
#[cold]
pub(in crate::compute) fn stream_destroyed(thread: &Thread, handle: usize) {
    if let Some(gate) = Gate::existing()
        && let Some(entered) = Entered::of(handle)
    {
        gate.stream_destroyed(thread, entered.context, handle);
    }
}

impl Gate {
    /// What was sent before it is measured by itself: were it not, a program that has such a thing behind each launch would
    /// be charged what it was once found to cost, whatever it takes.
    fn interrupted(&self, thread: &Thread, context: usize, handle: usize) {
        let stream = thread.id(context, handle);
        let mut state = self.lock();
        state.flushed(thread.flush(handle));
        let Some(place) = state.contexts.get(&(context as u64)).copied() else { return };
        // Not while anything is captured: then the driver is asked nothing.
        let asks = WORD.load(Ordering::Relaxed) & CAPTURES == 0;
        if asks && state.devices.get(place).is_some_and(|device| device.pace.spans.measurable(stream)) {
            state = mark(self, state, (place, stream), Behind::Anything);
        }
        if let Some(device) = state.devices.get_mut(place) {
            device.pace.spans.interrupt(stream);
        }
    }

    /// A thread ends: what it sent is charged, and its own default streams end with it. With the first thread the process ends:
    /// what the device has finished is charged as what it was.
    fn thread_ends(&self, thread: &Thread) {
        // A signal may have found this very thread at the gate, and its handler may have called exit.
        let Some(mut state) = (0..PATIENCE).find_map(|_| self.lock_soon()) else { return };
        for flushed in thread.flush_all() {
            state.flushed(flushed);
        }
        for device in &mut state.devices {
            device.pace.retire(|stream| stream.thread == thread.number());
        }
        // SAFETY: asks for two numbers.
        let is_first = unsafe { libc::gettid() == libc::getpid() };
        if is_first && WORD.load(Ordering::Relaxed) & CAPTURES == 0 {
            for place in 0..state.devices.len() {
                state.harvest(place, NO_STREAM, clock::now());
            }
        }
    }

    /// The lock, if it is free within a short while.
    fn lock_soon(&self) -> Option<MutexGuard<'_, State>> {
        match self.0.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                sleep_until(clock::now() + 100_000);
                None
            }
        }
    }

    /// A stream is about to be destroyed; one that is made next may have its handle.
    fn stream_destroyed(&self, thread: &Thread, context: usize, handle: usize) {
        self.interrupted(thread, context, handle);
        for device in &mut self.lock().devices {
            device.pace.retire(|stream| stream.handle == handle);
        }
    }
}

/// Tells the gate of its thread's end.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(gate) = Gate::existing() {
            guard::locked_bookkeeping(|| guard::with_thread(|thread| gate.thread_ends(thread)));
        }
    }
}

std::thread_local! {
    static LEAVING: Leaving = const { Leaving };
}

/// Has the gate told when the calling thread ends.
pub(super) fn tell_of_its_end() {
    // Too late where the thread is ending: what it sends from then on is charged as far as it comes here.
    let _ending = LEAVING.try_with(|_| ());
}
