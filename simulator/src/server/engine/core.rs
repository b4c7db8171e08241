//! What the engine knows: the timeline, its clients, and which command is whose.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::publish::Foretold;
use super::usage::{UsageLog, Who};
use crate::books::SharedBooks;
use crate::channel::SharedMemory;
use crate::client::monotonic_ns;
use crate::device::Description;
use crate::timeline::{CommandId, ContextId, StreamId, Timeline};

/// What is decided holds from this long after the clock was read, as the clocks of two processors may differ a little.
const MARGIN_NS: u64 = 200;

pub struct Core {
    pub(super) books: Arc<SharedBooks>,
    pub(super) timeline: Timeline,
    pub(super) clients: HashMap<usize, Client>,
    /// By context, the slot of its client.
    pub(super) owners: HashMap<ContextId, usize>,
    /// By the index of a command.
    pub(super) infos: Vec<Info>,
    pub(super) foretold: Foretold,
    pub(super) gates: Vec<Gate>,
    /// Records of shared events that have not ended, by tag.
    pub(super) records: HashMap<u64, CommandId>,
    /// Gates that stand for records that have not arrived, by tag.
    pub(super) expected: HashMap<u64, Vec<CommandId>>,
    pub(super) usage: UsageLog,
    /// From when on nothing is foretold, as all that the devices have ends before; `u64::MAX`: it does not.
    pub(super) quiet_from: u64,
    /// Something has changed since the engine's thread last looked, so what it knows of the next moment is old.
    pub(super) moved: bool,
    closed: bool,
}

/// A client and the names by which it calls things.
pub struct Client {
    pub memory: SharedMemory,
    pub head: u64,
    pub serial: u32,
    /// Of the last record of a shared event that has arrived.
    pub last_tag: u32,
    /// `None` for a context that has ended.
    pub contexts: HashMap<u32, Option<ContextId>>,
    pub streams: HashMap<u32, ClientStream>,
    /// The command that last had each cell.
    pub cells: Vec<Option<CommandId>>,
    /// It wrote what makes no sense and is not listened to any more.
    pub broken: bool,
}

#[derive(Clone, Copy)]
pub struct ClientStream {
    pub id: StreamId,
    /// The client's number of its context.
    pub context: u32,
    pub last: Option<CommandId>,
}

/// Whose a command is, and where its end goes.
#[derive(Clone, Copy, Default)]
pub struct Info {
    pub command: Option<CommandId>,
    pub slot: usize,
    pub cell: u32,
    pub record: (u32, u64),
    /// The end that was published; 0 for none.
    pub published: u64,
    /// Number of the last pass in which the end was foretold.
    pub pass: u64,
}

/// A gate that its client opens.
pub struct Gate {
    pub command: CommandId,
    pub slot: usize,
    pub cell: u32,
}

impl Client {
    /// The command that last had this cell.
    pub fn command_of(&self, cell: u32) -> Option<CommandId> {
        self.cells.get(cell as usize).copied().flatten()
    }
}

impl Core {
    pub fn new(books: Arc<SharedBooks>, description: &Description, usage_log: Option<File>) -> Self {
        let devices = description.devices.len();
        Self {
            books,
            timeline: Timeline::new(devices, description.timing.clone(), monotonic_ns()),
            clients: HashMap::new(),
            owners: HashMap::new(),
            infos: Vec::new(),
            foretold: Foretold::default(),
            gates: Vec::new(),
            records: HashMap::new(),
            expected: HashMap::new(),
            usage: UsageLog::new(devices, usage_log),
            quiet_from: u64::MAX,
            moved: false,
            closed: false,
        }
    }

    /// A new client; false if the slot has one.
    pub fn add(&mut self, slot: usize, memory: SharedMemory, serial: u32, who: Who) -> bool {
        let client = Client {
            memory,
            head: 0,
            serial,
            last_tag: 0,
            contexts: HashMap::new(),
            streams: HashMap::new(),
            cells: Vec::new(),
            broken: false,
        };
        if self.clients.contains_key(&slot) {
            return false;
        }
        self.clients.insert(slot, client);
        self.usage.begin(who);
        true
    }

    /// Ends what a client that is gone has on the devices.
    pub fn remove(&mut self, slot: usize) {
        if !self.clients.contains_key(&slot) {
            return;
        }
        self.change(|core| core.drop_client(slot));
    }

    /// Ends everything.
    pub fn close(&mut self) {
        if self.closed {
            return;
        }
        self.change(|core| {
            let slots: Vec<_> = core.clients.keys().copied().collect();
            // Relaxed: a lone flag; who sleeps looks at it from time to time.
            core.books.engine.closed.0.store(1, Ordering::Relaxed);
            slots.into_iter().for_each(|slot| core.drop_client(slot));
        });
        self.closed = true;
    }

    /// One look at the rings and the clock. Returns when the next is due at the latest; `None` when it was the last.
    pub fn pass(&mut self) -> Option<u64> {
        if self.closed {
            return None;
        }
        Some(self.change(|_| {}))
    }

    /// Lets time pass up to now, takes `change` and what has arrived for changes of this moment, and foretells what comes.
    fn change(&mut self, change: impl FnOnce(&mut Self)) -> u64 {
        // SeqCst and the fence: lowered before the clock is read; see the head of the module.
        self.books.engine.promised.0.store(monotonic_ns(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let now = monotonic_ns() + MARGIN_NS;
        // What comes to idle devices counts from when it was sent, however late that is seen: nothing that anybody was told
        // is changed by it.
        let from = self.quiet_from.min(now);
        self.settle(from);
        self.ingest(from, now);
        self.settle(now);
        change(self);
        self.open_gates();
        self.settle(now);
        let wake = self.foretell();
        self.moved = true;
        // SeqCst: after the ends; a client that sees it sees them.
        self.books.engine.promised.0.store(u64::MAX, Ordering::SeqCst);
        wake
    }

    /// Whether the devices soon have nothing to do, if nothing comes.
    pub fn is_quiet(&self) -> bool {
        self.quiet_from != u64::MAX
    }

    /// Lets time pass up to `now` and tells the clients what has ended for good.
    pub(super) fn settle(&mut self, now: u64) {
        loop {
            let ended = self.timeline.advance(now);
            if ended.is_empty() {
                break;
            }
            self.finish(&ended);
        }
        let usage = self.timeline.take_usage();
        self.count(&usage);
    }

    fn drop_client(&mut self, slot: usize) {
        let Some(client) = self.clients.get(&slot) else { return };
        let (contexts, serial) = (client.contexts.values().flatten().copied().collect::<Vec<_>>(), client.serial);
        for context in contexts {
            self.end_context(context);
        }
        let usage = self.timeline.take_usage();
        self.count(&usage);
        // Nothing that it announced comes any more.
        let gone: Vec<_> =
            self.expected.keys().copied().filter(|tag| (tag >> 32) as u32 & 0x7FFF_FFFF == serial).collect();
        for gate in gone.into_iter().filter_map(|tag| self.expected.remove(&tag)).flatten() {
            self.timeline.open(gate);
        }
        self.owners.retain(|_, owner| *owner != slot);
        self.gates.retain(|gate| gate.slot != slot);
        self.usage.end(slot);
        self.clients.remove(&slot);
    }

    /// Ends a context now.
    pub(super) fn end_context(&mut self, context: ContextId) {
        let ended = self.timeline.end_context(context);
        self.finish(&ended);
    }
}
