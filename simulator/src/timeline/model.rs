//! The timeline: what has been submitted, and the calls by which it is used.

use std::collections::VecDeque;

use super::state::{ContextState, DeviceState, State, StreamState, Usage};
use super::{FOREVER, Kernel, LONGEST_NS, Role, Timing, Work};

/// A context of some process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContextId(pub(super) u32);

/// A stream of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub(super) u32);

/// A command. Its place is used again when the command has ended; the serial number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId {
    pub(super) index: u32,
    pub(super) serial: u64,
}

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub command: CommandId,
    /// When.
    pub at: u64,
}

/// What will happen if nothing else is submitted.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    /// Ends, in order of time.
    pub ended: Vec<Ended>,
    /// Times of computing that end.
    pub usage: Vec<Usage>,
    /// Up to when all that happens is listed.
    pub until: u64,
    /// When the next thing happens after that by itself; [`FOREVER`] for never.
    pub next: u64,
}

/// The devices of a simulation and all work that was submitted to them.
#[derive(Debug)]
pub struct Timeline {
    pub(super) timing: Timing,
    pub(super) commands: Vec<Command>,
    free_commands: Vec<u32>,
    pub(super) streams: Vec<Stream>,
    pub(super) free_streams: Vec<u32>,
    pub(super) contexts: Vec<Context>,
    pub(super) free_contexts: Vec<u32>,
    pub(super) state: State,
    last_serial: u64,
    /// Streams whose first command may be able to start.
    pub(super) ready: VecDeque<u32>,
    /// Devices on which something may have ended, by bit.
    pub(super) due: u32,
    /// Devices on which something has changed, by bit.
    pub(super) dirty: u32,
    pub(super) ended: Vec<Ended>,
    pub(super) usage: Vec<Usage>,
}

#[derive(Debug)]
pub(super) struct Command {
    /// 0 for a free place.
    pub serial: u64,
    pub stream: u32,
    pub work: Work,
    /// Whether its client has let it end, for a gate.
    pub open: bool,
    /// When it ended; 0 before.
    pub end: u64,
    /// What must have ended before it starts.
    pub after: Vec<CommandId>,
    /// Streams that hold commands which wait for it.
    pub awaited_by: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub context: u32,
    pub role: Role,
    pub queue: VecDeque<u32>,
    /// Goes when its queue is empty.
    pub closing: bool,
    pub live: bool,
}

#[derive(Debug)]
pub(super) struct Context {
    pub device: usize,
    pub owner: u64,
    /// Kernels with jitter that it has submitted.
    draws: u64,
    /// Its streams that follow the legacy default-stream rules.
    pub ruled: Vec<u32>,
    pub live: bool,
}

impl CommandId {
    /// Its place: a small number, which no other command has before this one has ended.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl Timeline {
    /// `devices` idle devices at the time `now`; at most 32.
    pub fn new(devices: usize, timing: Timing, now: u64) -> Self {
        assert!(devices <= 32, "a timeline of {devices} devices; at most 32");
        let device = DeviceState { next: FOREVER, ..DeviceState::default() };
        let devices = vec![device; devices];
        Self {
            timing: Timing { slice_ns: timing.slice_ns.max(1), ..timing },
            commands: Vec::new(),
            free_commands: Vec::new(),
            streams: Vec::new(),
            free_streams: Vec::new(),
            contexts: Vec::new(),
            free_contexts: Vec::new(),
            state: State { now, streams: Vec::new(), contexts: Vec::new(), devices, meets: Vec::new() },
            last_serial: 0,
            ready: VecDeque::new(),
            due: 0,
            dirty: 0,
            ended: Vec::new(),
            usage: Vec::new(),
        }
    }

    /// Up to when everything has happened.
    pub fn now(&self) -> u64 {
        self.state.now
    }

    /// How often `device` has gone from one context to another.
    pub fn switches(&self, device: usize) -> u64 {
        self.state.devices[device].switches
    }

    /// The context that computes on `device` now, and since when it does without a break.
    pub fn computing(&self, device: usize) -> Option<(ContextId, u64)> {
        self.state.devices[device].computing.map(|(context, since)| (ContextId(context), since))
    }

    /// A new context on `device`. `owner` and the order of an owner's kernels decide their jitter.
    pub fn context(&mut self, device: usize, owner: u64) -> ContextId {
        let context = Context { device, owner, draws: 0, ruled: Vec::new(), live: true };
        let index = if let Some(index) = self.free_contexts.pop() {
            self.contexts[index as usize] = context;
            index
        } else {
            self.contexts.push(context);
            self.state.contexts.push(ContextState::default());
            self.contexts.len() as u32 - 1
        };
        ContextId(index)
    }

    /// A new stream of a live context.
    pub fn stream(&mut self, context: ContextId, role: Role) -> StreamId {
        let index = if let Some(index) = self.free_streams.pop() {
            let stream = &mut self.streams[index as usize];
            (stream.context, stream.role, stream.closing, stream.live) = (context.0, role, false, true);
            index
        } else {
            let queue = VecDeque::new();
            self.streams.push(Stream { context: context.0, role, queue, closing: false, live: true });
            self.state.streams.push(StreamState::default());
            self.streams.len() as u32 - 1
        };
        if role != Role::Free {
            self.contexts[context.0 as usize].ruled.push(index);
        }
        StreamId(index)
    }

    /// Queues `work` in `stream`, to start when everything before it there and all of `after` has ended.
    pub fn submit(&mut self, stream: StreamId, work: Work, after: &[CommandId]) -> CommandId {
        let work = self.settled_work(stream, work);
        let index = self.free_commands.pop().unwrap_or_else(|| {
            self.commands.push(Command {
                serial: 0,
                stream: 0,
                work,
                open: false,
                end: 0,
                after: Vec::new(),
                awaited_by: Vec::new(),
            });
            self.commands.len() as u32 - 1
        });
        self.last_serial += 1;
        let serial = self.last_serial;
        let mut waits = std::mem::take(&mut self.commands[index as usize].after);
        waits.extend(after.iter().filter(|id| self.is_pending(**id)));
        self.add_legacy_waits(stream, &mut waits);
        for wait in &waits {
            self.commands[wait.index as usize].awaited_by.push(stream.0);
        }
        let command = &mut self.commands[index as usize];
        (command.serial, command.stream, command.work, command.after) = (serial, stream.0, work, waits);
        (command.open, command.end) = (false, 0);
        let queue = &mut self.streams[stream.0 as usize].queue;
        // All before it have ended; that may be so of commands which are still in the queue, as those leave it by `advance`.
        if queue.len() == self.state.streams[stream.0 as usize].position {
            self.ready.push_back(stream.0);
        }
        queue.push_back(index);
        CommandId { index, serial }
    }

    /// As [`Self::submit`], in a stream of its own.
    pub fn submit_loose(&mut self, context: ContextId, work: Work, after: &[CommandId]) -> CommandId {
        let stream = self.stream(context, Role::Free);
        let command = self.submit(stream, work, after);
        self.close_stream(stream);
        command
    }

    /// Nothing more comes for the stream; what it holds goes on.
    pub fn close_stream(&mut self, stream: StreamId) {
        if self.streams[stream.0 as usize].queue.is_empty() {
            self.free_stream(stream.0);
        } else {
            self.streams[stream.0 as usize].closing = true;
        }
    }

    /// Lets a gate end.
    pub fn open(&mut self, gate: CommandId) {
        if self.is_pending(gate) {
            self.commands[gate.index as usize].open = true;
            self.ready.push_back(self.commands[gate.index as usize].stream);
        }
    }

    /// Whether a command has not ended.
    pub fn is_pending(&self, id: CommandId) -> bool {
        let command = &self.commands[id.index as usize];
        command.serial == id.serial && command.end == 0
    }

    pub(super) fn free_command(&mut self, index: u32) {
        let command = &mut self.commands[index as usize];
        command.serial = 0;
        command.after.clear();
        command.awaited_by.clear();
        self.free_commands.push(index);
    }

    pub(super) fn free_stream(&mut self, index: u32) {
        let stream = &mut self.streams[index as usize];
        stream.live = false;
        if stream.role != Role::Free {
            self.contexts[stream.context as usize].ruled.retain(|other| *other != index);
        }
        self.state.streams[index as usize] = StreamState::default();
        self.free_streams.push(index);
    }

    /// The legacy default stream waits for what the blocking streams of its context hold, and the other way round.
    fn add_legacy_waits(&self, stream: StreamId, waits: &mut Vec<CommandId>) {
        let Stream { context, role, .. } = self.streams[stream.0 as usize];
        let other = match role {
            Role::Free => return,
            Role::Default => Role::Blocking,
            Role::Blocking => Role::Default,
        };
        for other_stream in &self.contexts[context as usize].ruled {
            let found = &self.streams[*other_stream as usize];
            if let (true, Some(last)) = (found.role == other, found.queue.back()) {
                waits.push(CommandId { index: *last, serial: self.commands[*last as usize].serial });
            }
        }
    }

    /// `work` with sensible figures and its jitter drawn.
    fn settled_work(&mut self, stream: StreamId, work: Work) -> Work {
        let Work::Kernel(mut kernel) = work else { return work };
        kernel.width = kernel.width.clamp(1, super::FULL_WIDTH);
        kernel.meet = kernel.meet.filter(|meet| meet.count > 1);
        if kernel.ns != FOREVER {
            kernel.ns = self.with_jitter(stream, kernel).min(LONGEST_NS);
        }
        Work::Kernel(kernel)
    }

    fn with_jitter(&mut self, stream: StreamId, kernel: Kernel) -> u64 {
        let percent = u64::from(kernel.jitter_percent.min(100));
        if percent == 0 {
            return kernel.ns;
        }
        let context = &mut self.contexts[self.streams[stream.0 as usize].context as usize];
        context.draws += 1;
        let drawn = mix(mix(self.timing.seed ^ context.owner.rotate_left(32)).wrapping_add(context.draws));
        // A figure from -percent to +percent in thousandths of a percent.
        let offset = (drawn % (2000 * percent + 1)) as i64 - 1000 * percent as i64;
        let factor = (100_000 + offset) as u128;
        (u128::from(kernel.ns.min(LONGEST_NS)) * factor / 100_000) as u64
    }
}

/// A well-mixed word from any other: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
