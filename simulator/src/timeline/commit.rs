//! Moving time: for good, and ahead to see what will come.

use super::model::{Ended, Prediction, Timeline};
use super::state::{ContextState, Usage};
use super::{ContextId, FOREVER};

impl Timeline {
    /// Lets time pass up to `to`, if that is ahead. What ended is returned in order of time.
    pub fn advance(&mut self, to: u64) -> Vec<Ended> {
        self.run(to, usize::MAX);
        self.state.now = self.state.now.max(to);
        let ended = std::mem::take(&mut self.ended);
        for end in &ended {
            self.retire(end.command.index);
        }
        ended
    }

    /// Times of computing that have ended since the last call.
    pub fn take_usage(&mut self) -> Vec<Usage> {
        std::mem::take(&mut self.usage)
    }

    /// What will happen up to `to`, or until about `most` commands have ended.
    pub fn predict(&mut self, to: u64, most: usize) -> Prediction {
        self.settle();
        let (saved, ended, usage) = (self.state.clone(), self.ended.len(), self.usage.len());
        self.run(to, ended.saturating_add(most));
        let prediction = Prediction {
            ended: self.ended.split_off(ended),
            usage: self.usage.split_off(usage),
            until: if self.next_event() > to { to } else { self.state.now },
            next: self.next_event(),
        };
        self.state = saved;
        for end in &prediction.ended {
            self.commands[end.command.index as usize].end = 0;
        }
        prediction
    }

    /// Ends everything of a context at once, and the context. Its streams are gone.
    pub fn end_context(&mut self, context: ContextId) -> Vec<Ended> {
        self.settle();
        let index = context.0 as usize;
        let (device, now) = (self.contexts[index].device, self.state.now);
        self.progress(device);
        let mut ended = std::mem::take(&mut self.ended);
        for end in &ended {
            self.retire(end.command.index);
        }
        let streams = self.streams.iter().enumerate();
        let streams = streams.filter(|(_, stream)| stream.live && stream.context == context.0);
        let streams: Vec<_> = streams.map(|(index, _)| index as u32).collect();
        for stream in streams {
            for command in std::mem::take(&mut self.streams[stream as usize].queue) {
                ended.push(Ended { command: self.id(command), at: now });
                for engine in &mut self.state.devices[device].copies {
                    engine.queue.retain(|other| *other != command);
                    engine.current = engine.current.filter(|current| current.0 != command);
                }
                let waiting = std::mem::take(&mut self.commands[command as usize].awaited_by);
                self.ready.extend(waiting);
                self.free_command(command);
            }
            self.ready.retain(|other| *other != stream);
            self.free_stream(stream);
        }
        self.state.contexts[index] = ContextState::default();
        let state = &mut self.state.devices[device];
        state.queue.retain(|other| *other != context.0);
        if let Some((computing, from)) = state.computing.filter(|computing| computing.0 == context.0) {
            state.computing = None;
            self.usage.push(Usage { context: ContextId(computing), device, from, to: now });
        }
        if state.active == Some(context.0) {
            (state.active, state.switching) = (None, None);
        }
        self.contexts[index].live = false;
        self.free_contexts.push(context.0);
        self.due |= 1 << device;
        self.settle();
        ended
    }

    /// Whether a context has not been ended.
    pub fn is_live(&self, context: ContextId) -> bool {
        self.contexts.get(context.0 as usize).is_some_and(|context| context.live)
    }

    /// Takes a command that has ended out of its stream.
    fn retire(&mut self, index: u32) {
        let stream = self.commands[index as usize].stream;
        let (queue, state) = (&mut self.streams[stream as usize].queue, &mut self.state.streams[stream as usize]);
        let first = queue.pop_front();
        debug_assert_eq!(first, Some(index), "commands end in the order of their stream");
        state.position -= 1;
        self.free_command(index);
        if queue_is_done(&self.streams[stream as usize]) {
            self.free_stream(stream);
        }
    }

    fn run(&mut self, to: u64, most: usize) {
        self.settle();
        while self.ended.len() < most {
            let next = self.next_event();
            if next > to || next == FOREVER {
                return;
            }
            self.state.now = next;
            for (index, device) in self.state.devices.iter().enumerate() {
                self.due |= u32::from(device.next <= next) << index;
            }
            self.settle();
        }
    }

    fn next_event(&self) -> u64 {
        self.state.devices.iter().map(|device| device.next).min().unwrap_or(FOREVER)
    }
}

fn queue_is_done(stream: &super::model::Stream) -> bool {
    stream.closing && stream.queue.is_empty()
}
