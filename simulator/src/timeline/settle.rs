//! One moment: starts and ends everything that can start and end now, until nothing changes.

use super::model::{CommandId, Ended, Timeline};
use super::{LONGEST_NS, Work};

impl Timeline {
    pub(super) fn settle(&mut self) {
        loop {
            // All that ends comes before what starts, and all that is ready before the device chooses: a context whose next
            // kernel is ready has something to run.
            if self.due != 0 {
                let device = self.due.trailing_zeros();
                self.due &= self.due - 1;
                self.dirty |= 1 << device;
                self.complete(device as usize);
            } else if let Some(stream) = self.ready.pop_front() {
                self.start_first(stream);
            } else if self.dirty != 0 {
                let device = self.dirty.trailing_zeros() as usize;
                self.dirty &= self.dirty - 1;
                self.dispatch(device);
            } else {
                return;
            }
        }
    }

    pub(super) fn id(&self, index: u32) -> CommandId {
        CommandId { index, serial: self.commands[index as usize].serial }
    }

    /// Starts the first command of a stream that has not ended, if it can start and has not.
    fn start_first(&mut self, stream: u32) {
        let place = self.state.streams[stream as usize];
        let Some(&index) = self.streams[stream as usize].queue.get(place.position) else { return };
        let command = &self.commands[index as usize];
        if place.started || command.after.iter().any(|id| self.is_pending(*id)) {
            return;
        }
        let (work, open) = (command.work, command.open);
        if work == Work::Gate && !open {
            return;
        }
        self.state.streams[stream as usize].started = true;
        let context = self.streams[stream as usize].context;
        let device = self.contexts[context as usize].device;
        match work {
            Work::Gate => self.end(index),
            Work::Marker if self.passes_markers(device, context) => self.end(index),
            Work::Marker => {
                self.state.contexts[context as usize].markers.push(index);
                self.enqueue(device, context);
            }
            Work::Kernel(_) | Work::Compute { .. } => {
                self.state.contexts[context as usize].waiting.push_back(index);
                self.enqueue(device, context);
            }
            Work::CopyToDevice { .. } | Work::CopyToHost { .. } => {
                let which = usize::from(matches!(work, Work::CopyToHost { .. }));
                self.state.devices[device].copies[which].queue.push_back(index);
                self.due |= 1 << device;
            }
        }
        self.dirty |= 1 << device;
    }

    /// Whether a marker of `context` need not wait: the context has the device, or nobody wants it.
    fn passes_markers(&self, device: usize, context: u32) -> bool {
        let state = &self.state.devices[device];
        if state.switching.is_some() {
            return false;
        }
        let idle = state.queue.is_empty()
            && state.active.is_none_or(|active| !self.state.contexts[active as usize].has_work());
        idle || state.active == Some(context)
    }

    /// Ends a command now.
    pub(super) fn end(&mut self, index: u32) {
        let now = self.state.now;
        let command = self.id(index);
        self.ended.push(Ended { command, at: now });
        let command = &mut self.commands[index as usize];
        command.end = now.max(1);
        let state = &mut self.state.streams[command.stream as usize];
        state.position += 1;
        state.started = false;
        self.ready.push_back(command.stream);
        self.ready.extend(&command.awaited_by);
    }

    /// Ends what is due on a device.
    fn complete(&mut self, device: usize) {
        self.progress(device);
        self.complete_copies(device);
        self.complete_kernels(device);
    }

    fn complete_copies(&mut self, device: usize) {
        let now = self.state.now;
        for which in 0..2 {
            loop {
                let engine = &mut self.state.devices[device].copies[which];
                match engine.current {
                    Some((_, end)) if end > now => break,
                    Some((index, _)) => {
                        engine.current = None;
                        self.end(index);
                    }
                    None => {
                        let Some(index) = engine.queue.pop_front() else { break };
                        let ns = match self.commands[index as usize].work {
                            Work::CopyToDevice { ns } | Work::CopyToHost { ns } => ns.min(LONGEST_NS),
                            _ => 0,
                        };
                        engine.current = Some((index, now + ns));
                    }
                }
            }
        }
    }
}
