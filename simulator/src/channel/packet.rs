//! How a command is written in the ring: seventeen words.

use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{Entry, Memory, RING};
use crate::timeline::{Kernel, Meet, Role, Work};

/// Commands that one command in the ring can wait for.
pub const MAX_AFTER: usize = 16;

/// The word that says when a command was sent.
const SENT_AT: usize = 16;

/// A command in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What is asked.
    pub request: Request,
    /// Index of the context's device.
    pub device: u8,
    /// Number of the context, of the client's choice; a new one is a new context.
    pub context: u32,
    /// Number of the stream, of the client's choice; a new one is a new stream. 0 for a command in no stream.
    pub stream: u32,
    /// How the stream takes part in the legacy default-stream rules.
    pub role: Role,
    /// Where the end goes; 0 for nowhere.
    pub cell: u32,
    /// Cells of earlier commands of this channel that must have ended; 0 for none.
    pub after: [u32; MAX_AFTER],
    /// Cell in the books and tag of the record of a shared event; tag 0 for none.
    pub record: (u32, u64),
    /// Tag of the record of a shared event that must have ended; 0 for none.
    pub shared_after: u64,
    /// When it was sent, in CLOCK_MONOTONIC nanoseconds.
    pub sent_at: u64,
}

/// What a client asks of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run this.
    Run(Work),
    /// End a context and all that it has.
    EndContext,
    /// Nothing more comes for a stream.
    CloseStream,
}

impl Packet {
    /// A request that waits for nothing.
    pub fn new(request: Request) -> Self {
        let (record, after) = ((0, 0), [0; MAX_AFTER]);
        let (role, shared_after, sent_at) = (Role::Free, 0, 0);
        Self { request, device: 0, context: 0, stream: 0, role, cell: 0, after, record, shared_after, sent_at }
    }

    /// With another request.
    pub fn with_request(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// Waits for these cells, at most [`MAX_AFTER`] of them, and for `first` unless that is 0.
    pub fn with_after(mut self, first: u32, cells: &[u32]) -> Self {
        let cells = std::iter::once(first).filter(|cell| *cell != 0).chain(cells.iter().copied());
        for (place, cell) in self.after.iter_mut().zip(cells) {
            *place = cell;
        }
        self
    }
}

impl Memory {
    /// Client: writes a command at `position`, which must be free. The caller moves `tail`.
    pub fn write(&self, position: u64, packet: &Packet) {
        let Entry(words) = self.entry(position);
        // Relaxed: the store to `tail` publishes the entry.
        let put = |index: usize, word: u64| words[index].store(word, Ordering::Relaxed);
        let (kind, ns, kernel) = match packet.request {
            Request::Run(Work::Kernel(kernel)) => (0, kernel.ns, Some(kernel)),
            Request::Run(Work::Compute { ns }) => (1, ns, None),
            Request::Run(Work::CopyToDevice { ns }) => (2, ns, None),
            Request::Run(Work::CopyToHost { ns }) => (3, ns, None),
            Request::Run(Work::Marker) => (4, 0, None),
            Request::Run(Work::Gate) => (5, 0, None),
            Request::EndContext => (6, 0, None),
            Request::CloseStream => (7, 0, None),
        };
        let role = match packet.role {
            Role::Default => 0,
            Role::Blocking => 1,
            Role::Free => 2,
        };
        let (width, jitter) = kernel.map_or((0, 0), |kernel| (kernel.width, u64::from(kernel.jitter_percent)));
        let meet = kernel.and_then(|kernel| kernel.meet).unwrap_or(Meet { key: 0, count: 0 });
        let waits = packet.after.iter().take_while(|cell| **cell != 0).count();
        put(0, kind | u64::from(packet.device) << 8 | role << 16 | jitter << 24 | (waits as u64) << 32);
        put(1, pair(packet.context, packet.stream));
        put(2, pair(packet.cell, width));
        put(3, ns);
        put(4, meet.key);
        put(5, pair(meet.count, packet.record.0));
        put(6, packet.record.1);
        put(7, packet.shared_after);
        put(SENT_AT, packet.sent_at);
        for index in 0..waits.div_ceil(2) {
            put(8 + index, pair(packet.after[2 * index], packet.after[2 * index + 1]));
        }
    }

    /// Engine: the command at `position`, or `None` if the words make no sense.
    pub fn read(&self, position: u64) -> Option<Packet> {
        let Entry(words) = self.entry(position);
        // Relaxed: reading `tail` has ordered the entry before this.
        let get = |index: usize| words[index].load(Ordering::Relaxed);
        let first = get(0);
        let (context, stream) = halves(get(1));
        let (cell, width) = halves(get(2));
        let ns = get(3);
        let (count, record) = halves(get(5));
        let meet = (count > 0).then_some(Meet { key: get(4), count });
        let jitter_percent = (first >> 24) as u8;
        let request = match first as u8 {
            0 => Request::Run(Work::Kernel(Kernel { ns, width, jitter_percent, meet })),
            1 => Request::Run(Work::Compute { ns }),
            2 => Request::Run(Work::CopyToDevice { ns }),
            3 => Request::Run(Work::CopyToHost { ns }),
            4 => Request::Run(Work::Marker),
            5 => Request::Run(Work::Gate),
            6 => Request::EndContext,
            7 => Request::CloseStream,
            _ => return None,
        };
        let role = match (first >> 16) as u8 {
            0 => Role::Default,
            1 => Role::Blocking,
            2 => Role::Free,
            _ => return None,
        };
        let waits = (first >> 32) as u32 as usize;
        if waits > MAX_AFTER {
            return None;
        }
        let mut after = [0; MAX_AFTER];
        for (index, wait) in after.iter_mut().enumerate().take(waits) {
            let (low, high) = halves(get(8 + index / 2));
            *wait = if index % 2 == 0 { low } else { high };
        }
        let device = (first >> 8) as u8;
        Some(Packet {
            request,
            device,
            context,
            stream,
            role,
            cell,
            after,
            record: (record, get(6)),
            shared_after: get(7),
            sent_at: get(SENT_AT),
        })
    }

    /// Engine: when the command at `position` was sent, as its client says.
    pub fn sent_at(&self, position: u64) -> u64 {
        // Relaxed: as in `read`.
        self.entry(position).0[SENT_AT].load(Ordering::Relaxed)
    }

    /// Writes any words, as a client could.
    #[cfg(test)]
    pub fn scribble(&self, position: u64, words: [u64; 17]) {
        for (place, word) in self.entry(position).0.iter().zip(words) {
            // Relaxed: as in `write`.
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Whether the ring has room for a command at `position`.
    pub fn has_room(&self, position: u64) -> bool {
        // Acquire pairs with the engine's release: it has read what was in the place before.
        position.wrapping_sub(self.head.0.load(Ordering::Acquire)) < RING as u64
    }

    /// Engine: how many commands there are to read from `head` on; `None` if that is more than the ring holds.
    pub fn pending(&self, head: u64) -> Option<u64> {
        // SeqCst: see the engine, which looks here once more before it sleeps; also acquires the entries.
        let pending = self.tail.0.load(Ordering::SeqCst).wrapping_sub(head);
        (pending <= RING as u64).then_some(pending)
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// The entry's words are plain numbers to both sides.
const _: () = assert!(size_of::<Entry>() == 24 * size_of::<AtomicU64>());
