//! The multiprocessors of a device: contexts take turns, and kernels of one context share what there is.

use super::model::{ContextId, Timeline};
use super::state::{Running, Usage};
use super::{FOREVER, FULL_WIDTH, LONGEST_NS, Work};

impl Timeline {
    /// Puts a context with something to run into the device's queue, unless it has the device.
    pub(super) fn enqueue(&mut self, device: usize, context: u32) {
        let (now, slice) = (self.state.now, self.timing.slice_ns);
        let state = &mut self.state.devices[device];
        let queued = &mut self.state.contexts[context as usize].queued;
        if state.active == Some(context) || *queued {
            return;
        }
        *queued = true;
        if state.queue.is_empty() && state.slice_end <= now {
            // Nobody wanted the device: its slices followed each other all the while.
            state.slice_end += ((now - state.slice_end) / slice + 1) * slice;
        }
        state.queue.push_back(context);
    }

    /// Counts the work that the kernels on the device have done up to now.
    pub(super) fn progress(&mut self, device: usize) {
        let now = self.state.now;
        let state = &mut self.state.devices[device];
        let passed = now - state.progressed.min(now);
        state.progressed = now;
        let (Some(active), None) = (state.active, state.switching) else { return };
        for kernel in &mut self.state.contexts[active as usize].running {
            if kernel.released && kernel.remaining != FOREVER {
                let done =
                    u128::from(passed) * u128::from(FULL_WIDTH) * u128::from(kernel.granted) / u128::from(kernel.width);
                kernel.remaining = kernel.remaining.saturating_sub(u64::try_from(done).unwrap_or(u64::MAX));
            }
        }
    }

    /// Ends the markers and kernels of the active context that are due.
    pub(super) fn complete_kernels(&mut self, device: usize) {
        let now = self.state.now;
        let state = &mut self.state.devices[device];
        if state.switching.is_some_and(|until| until <= now) {
            state.switching = None;
            state.slice_end = now + self.timing.slice_ns;
        }
        let (Some(active), None) = (state.active, state.switching) else { return };
        for marker in std::mem::take(&mut self.state.contexts[active as usize].markers) {
            self.end(marker);
        }
        let mut running = std::mem::take(&mut self.state.contexts[active as usize].running);
        running.retain_mut(|kernel| {
            // A kernel that met all others begins its time now; see `start`.
            kernel.released = kernel.released || kernel.meet.is_none_or(|(key, all)| self.state.started(key) >= all);
            let over = kernel.released && kernel.remaining == 0;
            if over {
                self.end(kernel.command);
            }
            !over
        });
        self.state.contexts[active as usize].running = running;
    }

    /// Gives the multiprocessors to the context whose turn it is, and to its kernels.
    pub(super) fn dispatch(&mut self, device: usize) {
        self.progress(device);
        let now = self.state.now;
        let state = &mut self.state.devices[device];
        if state.switching.is_none() {
            let at_work = state.active.filter(|active| self.state.contexts[*active as usize].has_work());
            let turn_over = at_work.is_none() || now >= state.slice_end;
            let next = if turn_over { state.queue.pop_front() } else { None };
            if let Some(next) = next {
                self.state.contexts[next as usize].queued = false;
                if let Some(previous) = at_work {
                    state.queue.push_back(previous);
                    self.state.contexts[previous as usize].queued = true;
                }
                let cost = if state.active.is_some() { self.timing.switch_ns } else { 0 };
                state.switches += u64::from(state.active.is_some());
                state.active = Some(next);
                // Also one without cost ends by `complete_kernels`.
                state.switching = Some(now + cost);
                self.due |= u32::from(cost == 0) << device;
            } else if let Some(active) = at_work {
                self.share(device, active);
            }
        }
        self.account(device);
        self.state.devices[device].next = self.next_of(device);
    }

    /// Shares the width among the kernels of the active context: the older first, and the last one gets what is left.
    fn share(&mut self, device: usize, context: u32) {
        let mut left = FULL_WIDTH;
        for kernel in &mut self.state.contexts[context as usize].running {
            kernel.granted = kernel.width.min(left);
            left -= kernel.granted;
        }
        while left > 0 {
            let Some(command) = self.state.contexts[context as usize].waiting.pop_front() else { break };
            let kernel = self.start(command, left);
            left -= kernel.granted;
            if kernel.released && kernel.remaining == 0 {
                self.due |= 1 << device;
            }
            self.state.contexts[context as usize].running.push(kernel);
        }
    }

    fn start(&mut self, command: u32, left: u32) -> Running {
        let (ns, width, meet) = match self.commands[command as usize].work {
            Work::Kernel(kernel) => (kernel.ns, kernel.width, kernel.meet),
            Work::Compute { ns } => (ns.min(LONGEST_NS), FULL_WIDTH, None),
            _ => (0, FULL_WIDTH, None),
        };
        let meet = meet.map(|meet| {
            let count = u64::from(meet.count);
            let all = (self.state.start_meeting(meet.key) / count + 1) * count;
            if self.state.started(meet.key) == all {
                // Those that wait on any device go on from now.
                self.due |= ((1u64 << self.state.devices.len()) - 1) as u32;
            }
            (meet.key, all)
        });
        let remaining = if ns == FOREVER { FOREVER } else { ns * u64::from(FULL_WIDTH) };
        Running { command, width, granted: width.min(left), remaining, meet, released: meet.is_none() }
    }

    /// Notes who computes, when that changes.
    fn account(&mut self, device: usize) {
        let now = self.state.now;
        let state = &mut self.state.devices[device];
        let active = state.active.filter(|_| state.switching.is_none());
        let computing = active.filter(|active| !self.state.contexts[*active as usize].running.is_empty());
        if state.computing.map(|(context, _)| context) == computing {
            return;
        }
        if let Some((context, from)) = state.computing.filter(|(_, from)| *from < now) {
            self.usage.push(Usage { context: ContextId(context), device, from, to: now });
        }
        state.computing = computing.map(|context| (context, now));
    }

    /// The next time at which something happens on a device.
    fn next_of(&self, device: usize) -> u64 {
        let (now, state) = (self.state.now, &self.state.devices[device]);
        let copies = state.copies.iter().filter_map(|engine| engine.current).map(|(_, end)| end);
        let mut next = copies.min().unwrap_or(FOREVER);
        if let Some(until) = state.switching {
            return next.min(until);
        }
        let Some(active) = state.active.map(|active| &self.state.contexts[active as usize]) else { return next };
        for kernel in active.running.iter().filter(|kernel| kernel.released && kernel.remaining != FOREVER) {
            let full = u128::from(FULL_WIDTH) * u128::from(kernel.granted);
            let left = (u128::from(kernel.remaining) * u128::from(kernel.width)).div_ceil(full);
            next = next.min(now.saturating_add(u64::try_from(left).unwrap_or(FOREVER)));
        }
        if active.has_work() && !state.queue.is_empty() {
            next = next.min(state.slice_end);
        }
        next
    }
}
