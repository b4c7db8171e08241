//! What the gate hears of beside launches: whatever else may keep a stream waiting, and threads that end.

use super::{Gate, current_context};
use crate::compute::spans::StreamId;
use crate::compute::thread::Thread;
use crate::guard;

/// Something that may keep it waiting was put into a stream.
#[cold]
pub(in crate::compute) fn interrupted(thread: &Thread, handle: usize) {
    if let (false, Some(gate), Some(context)) = (thread.interrupt(handle), Gate::existing(), current_context()) {
        gate.interrupted(thread.id(context, handle));
    }
}

impl Gate {
    fn interrupted(&self, stream: StreamId) {
        let mut state = self.lock();
        if let Some(place) = state.contexts.get(&(stream.context as u64)).copied()
            && let Some(device) = state.devices.get_mut(place)
        {
            device.pace.spans.interrupt(stream);
        }
    }

    /// A thread ends: what it sent is charged, and its own default streams end with it.
    fn thread_ends(&self, thread: &Thread) {
        let mut state = self.lock();
        for flushed in thread.flush_all() {
            state.flushed(flushed);
        }
        for device in &mut state.devices {
            device.pace.thread_ends(thread.number());
        }
    }
}

/// Tells the gate of its thread's end.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(gate) = Gate::existing() {
            guard::bookkeeping(|| guard::with_thread(|thread| gate.thread_ends(thread)));
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
