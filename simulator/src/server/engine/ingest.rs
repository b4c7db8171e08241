//! Reading what clients have written into their rings.

use std::sync::atomic::Ordering;

use super::core::{Client, ClientStream, Core, Gate, Info};
use crate::channel::{CELLS, FINAL, Packet, Request};
use crate::futex;
use crate::timeline::{CommandId, ContextId, Work};

/// Whether a client has written anything.
fn has_arrivals(client: &Client) -> bool {
    !client.broken && client.memory.pending(client.head) != Some(0)
}

/// Most contexts and streams that a client may have named.
const MOST_NAMES: usize = 1 << 18;

impl Core {
    /// Takes in what has arrived, in the order in which it was sent; it counts from then, but from no time before `from`.
    pub(super) fn ingest(&mut self, from: u64, now: u64) {
        let slots: Vec<_> = self.clients.keys().copied().collect();
        let mut arrived: Vec<_> = slots
            .into_iter()
            .filter_map(|slot| Some((slot, self.arrived(slot)?)).filter(|(_, end)| *end > 0))
            .collect();
        while let Some((at, which)) = arrived
            .iter()
            .enumerate()
            .filter_map(|(which, (slot, _))| {
                let client = self.clients.get(slot)?;
                Some((client.memory.sent_at(client.head).clamp(from, now), which))
            })
            .min()
        {
            if at > self.timeline.now() {
                self.settle(at);
            }
            let (slot, left) = &mut arrived[which];
            *left -= 1;
            let (slot, done) = (*slot, *left == 0);
            if !self.take_in(slot) || done {
                self.make_room(slot);
                arrived.swap_remove(which);
            }
        }
    }

    /// The last look before sleeping: whether something has come that must be dealt with now; before a `rest`, whether anything
    /// has come. What is left stays where it is, as what is taken in counts from the moment up to which time has passed, and
    /// that is gone.
    pub fn has_news(&self, rest: bool) -> bool {
        self.moved
            || self.gates.iter().any(|gate| self.is_opened(gate))
            || self.clients.values().any(|client| if rest { has_arrivals(client) } else { self.rings_for(client) })
    }

    fn rings_for(&self, client: &Client) -> bool {
        // A ring that makes no sense is news, too: dealing with it ends that.
        let Some(pending) = client.memory.pending(client.head).filter(|_| !client.broken) else {
            return !client.broken;
        };
        (0..pending).any(|offset| {
            let Some(packet) = client.memory.read(client.head + offset) else { return true };
            let before = client.streams.get(&packet.stream).and_then(|stream| stream.last);
            let after = packet.after.iter().take_while(|cell| **cell != 0);
            let mut waits = before.into_iter().chain(after.filter_map(|cell| client.command_of(*cell)));
            packet.request != Request::CloseStream && !waits.any(|command| self.is_unknown(command))
        })
    }

    /// Whether a command has not ended and no end of it is foretold: what comes behind it changes nothing that is.
    fn is_unknown(&self, command: CommandId) -> bool {
        self.timeline.is_pending(command) && self.infos.get(command.index()).is_some_and(|info| info.published == 0)
    }

    /// Lets the gates end that their clients have opened.
    pub(super) fn open_gates(&mut self) {
        let mut gates = std::mem::take(&mut self.gates);
        gates.retain(|gate| {
            let opened = self.is_opened(gate);
            if opened {
                self.timeline.open(gate.command);
            }
            !opened && self.timeline.is_pending(gate.command)
        });
        self.gates = gates;
    }

    fn is_opened(&self, gate: &Gate) -> bool {
        // SeqCst: looked at after the engine has said that it sleeps; a client opens the gate before it looks at that.
        self.clients
            .get(&gate.slot)
            .is_some_and(|client| client.memory.cell(gate.cell).open.load(Ordering::SeqCst) != 0)
    }

    /// How many commands of a client have arrived.
    fn arrived(&mut self, slot: usize) -> Option<u64> {
        let client = self.clients.get(&slot).filter(|client| !client.broken)?;
        let pending = client.memory.pending(client.head);
        if pending.is_none() {
            self.give_up_on(slot);
        }
        pending
    }

    /// Takes in a client's next command. False if that makes no sense.
    fn take_in(&mut self, slot: usize) -> bool {
        let Some(client) = self.clients.get_mut(&slot) else { return false };
        let packet = client.memory.read(client.head);
        client.head += 1;
        let accepted = packet.and_then(|packet| self.accept(slot, &packet)).is_some();
        if !accepted {
            self.give_up_on(slot);
        }
        accepted
    }

    /// Tells a client how far its ring was read.
    fn make_room(&self, slot: usize) {
        let Some(client) = self.clients.get(&slot).filter(|client| !client.broken) else { return };
        // SeqCst: before the look at the bell; a client sets the bell before it looks at `head` again.
        client.memory.head.0.store(client.head, Ordering::SeqCst);
        if client.memory.room_bell.0.swap(0, Ordering::SeqCst) != 0 {
            futex::wake(&client.memory.room_bell.0);
        }
    }

    /// The client does not speak the language: what it has ends, and nothing more is read.
    fn give_up_on(&mut self, slot: usize) {
        let Some(client) = self.clients.get_mut(&slot) else { return };
        client.broken = true;
        let contexts: Vec<_> = client.contexts.values().flatten().copied().collect();
        client.contexts.values_mut().for_each(|context| *context = None);
        client.streams.clear();
        contexts.into_iter().for_each(|context| self.end_context(context));
    }

    /// Does what a packet asks. `None` if it makes no sense.
    fn accept(&mut self, slot: usize, packet: &Packet) -> Option<()> {
        let client = self.clients.get_mut(&slot)?;
        if usize::from(packet.device) >= self.usage.devices()
            || client.contexts.len() + client.streams.len() > MOST_NAMES
        {
            return None;
        }
        match packet.request {
            Request::Run(work) => self.run(slot, packet, work),
            Request::CloseStream => {
                if let Some(stream) = client.streams.remove(&packet.stream) {
                    self.timeline.close_stream(stream.id);
                }
                Some(())
            }
            Request::EndContext => {
                let context = client.contexts.insert(packet.context, None).flatten();
                client.streams.retain(|_, stream| stream.context != packet.context);
                if let Some(context) = context {
                    self.end_context(context);
                }
                self.end_at_once(slot, packet);
                Some(())
            }
        }
    }

    fn run(&mut self, slot: usize, packet: &Packet, work: Work) -> Option<()> {
        let client = self.clients.get_mut(&slot)?;
        let context = *client.contexts.entry(packet.context).or_insert_with(|| {
            let context = self.timeline.context(usize::from(packet.device), slot as u64);
            self.owners.insert(context, slot);
            Some(context)
        });
        let Some(context) = context else {
            self.end_at_once(slot, packet);
            return Some(());
        };
        let mut after: Vec<CommandId> = Vec::new();
        let cells = packet.after.iter().take_while(|cell| **cell != 0);
        after.extend(cells.filter_map(|cell| client.command_of(*cell)));
        after.extend(self.record_behind(context, packet.shared_after));

        let client = self.clients.get_mut(&slot)?;
        let command = if packet.stream == 0 {
            self.timeline.submit_loose(context, work, &after)
        } else {
            let stream = client.streams.entry(packet.stream).or_insert_with(|| ClientStream {
                id: self.timeline.stream(context, packet.role),
                context: packet.context,
                last: None,
            });
            if stream.context != packet.context {
                return None;
            }
            let command = self.timeline.submit(stream.id, work, &after);
            stream.last = Some(command);
            command
        };
        let cell = packet.cell as usize;
        if cell > 0 && cell < CELLS {
            if client.cells.len() <= cell {
                client.cells.resize(cell + 1, None);
            }
            client.cells[cell] = Some(command);
        }
        if work == Work::Gate {
            self.gates.push(Gate { command, slot, cell: packet.cell });
        }
        if packet.record.1 != 0 {
            client.last_tag = packet.record.1 as u32;
            self.records.insert(packet.record.1, command);
        }
        let index = command.index();
        if self.infos.len() <= index {
            self.infos.resize(index + 1, Info::default());
        }
        self.infos[index] =
            Info { command: Some(command), slot, cell: packet.cell, record: packet.record, published: 0, pass: 0 };
        Some(())
    }

    /// What to wait for so that the record of a shared event with this tag has been reached; nothing if it has.
    fn record_behind(&mut self, context: ContextId, tag: u64) -> Option<CommandId> {
        if tag == 0 {
            return None;
        }
        if let Some(record) = self.records.get(&tag) {
            return Some(*record);
        }
        let serial = (tag & !FINAL) >> 32;
        let recorder = self.clients.values().find(|client| u64::from(client.serial) == serial && !client.broken)?;
        if tag as u32 <= recorder.last_tag {
            return None;
        }
        // It was announced in the books and is still on its way.
        let gate = self.timeline.submit_loose(context, Work::Gate, &[]);
        if self.infos.len() <= gate.index() {
            self.infos.resize(gate.index() + 1, Info::default());
        }
        self.infos[gate.index()] = Info::default();
        self.expected.entry(tag).or_default().push(gate);
        Some(gate)
    }

    fn end_at_once(&mut self, slot: usize, packet: &Packet) {
        let now = self.timeline.now();
        self.write_end(slot, packet.cell, packet.record, now);
    }
}
