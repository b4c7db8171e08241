//! Submitting work to the devices, and finding out when it ends.
//!
//! A process has one channel for all devices. Work goes into a [`Queue`] (a stream) or stands alone; its [`Ticket`] says
//! when it ends.

mod ring;
mod ticket;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use ticket::{Disconnected, Ticket};

use super::fork::SameProcess;
use super::link::Link;
use super::{Simulation, monotonic_ns};
use crate::books::SharedBooks;
use crate::channel::{Counts, FINAL, MAX_AFTER, Packet, Request, SharedMemory};
use crate::protocol;
use crate::timeline::{Role, Work};

/// Unfinished commands that a queue holds before a submission sleeps, as a real channel has an end.
const BACKLOG: usize = 1024;
/// Unfinished commands in no queue before a submission sleeps.
const LOOSE_BACKLOG: usize = 16_384;
/// How many of them end before it goes on, so that not each is a wake-up.
const BACKLOG_STEP: usize = 64;

/// The connection of this process to the devices.
pub struct Channel {
    memory: SharedMemory,
    books: Arc<SharedBooks>,
    link: Weak<Link>,
    process: SameProcess,
    /// Of the server's choice; part of this channel's tags.
    serial: u32,
    /// Tickets of each cell, and one more while the end is not final.
    counts: Counts,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tail: u64,
    free: Vec<u32>,
    /// Cells from here on were never used.
    fresh: u32,
    /// Commands in no queue, or in one that is gone, that may not have ended, by context.
    loose: Vec<(u32, u32)>,
    /// When `loose` is looked through.
    loose_limit: usize,
    last_context: u32,
    last_stream: u32,
    last_tag: u32,
    queues: HashMap<u32, Vec<Weak<Shared>>>,
}

/// A context on a device, for the time-slicing a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    number: u32,
    device: u8,
}

/// A stream: what is submitted here starts in order. Dropping it lets it go: what it holds still runs.
pub struct Queue(Arc<Shared>);

struct Shared {
    channel: &'static Channel,
    context: Context,
    number: u32,
    role: Role,
    /// Cells of the commands whose end is not known to be final, in order.
    flight: Mutex<VecDeque<u32>>,
}

/// Work and what it waits for.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    work: Work,
    after: &'a [Ticket],
    shared_after: Option<SharedMark>,
    record: (u32, u64),
}

/// One record of an event that processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedMark(u64);

/// What a shared event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedState {
    /// It was never recorded.
    Never,
    /// The last record has not been reached.
    Pending(SharedMark),
    /// The last record was reached at this time (CLOCK_MONOTONIC nanoseconds).
    At(u64),
}

impl<'a> Command<'a> {
    /// Work that waits for nothing but what is before it in its queue.
    pub fn new(work: Work) -> Self {
        Self { work, after: &[], shared_after: None, record: (0, 0) }
    }

    /// Starts only when all of `after` has ended.
    pub fn after(self, after: &'a [Ticket]) -> Self {
        Self { after, ..self }
    }

    /// Starts only when this record of a shared event has been reached.
    pub fn shared_after(self, mark: SharedMark) -> Self {
        Self { shared_after: Some(mark), ..self }
    }
}

impl Simulation {
    /// The channel of this process to the devices; made at the first call, and never unmapped.
    ///
    /// # Errors
    /// When the simulation has ended, or there is no memory.
    pub fn channel(&self) -> io::Result<&'static Channel> {
        let mut made = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = *made {
            return Ok(channel);
        }
        let (reply, file) = self.link.ask_with(&protocol::Request::Channel, None)?;
        let (protocol::Reply::Channel { serial }, Some(file)) = (&reply, file) else {
            return Err(io::Error::other(format!("the server said {reply:?}")));
        };
        let memory = SharedMemory::open(&File::from(file))?;
        memory.cell(0).end.store(FINAL | monotonic_ns(), Ordering::Relaxed);
        let inner = Inner { fresh: 1, loose_limit: 64, ..Inner::default() };
        let channel: &'static Channel = Box::leak(Box::new(Channel {
            memory,
            books: Arc::clone(&self.books),
            link: Arc::downgrade(&self.link),
            process: self.process,
            serial: *serial,
            counts: Counts::new()?,
            inner: Mutex::new(inner),
        }));
        *made = Some(channel);
        Ok(channel)
    }

    /// What the shared event with this cell says.
    pub fn shared_event(&self, cell: u32) -> SharedState {
        // Acquire: what was done before the event was recorded is seen.
        match self.books.cell(cell).map_or(0, |word| word.load(Ordering::Acquire)) {
            0 => SharedState::Never,
            word if word & FINAL != 0 => SharedState::Pending(SharedMark(word)),
            end => SharedState::At(end),
        }
    }
}

impl Channel {
    /// A new context on device number `device`.
    pub fn context(&self, device: usize) -> Context {
        let mut inner = self.lock();
        inner.last_context += 1;
        Context { number: inner.last_context, device: device as u8 }
    }

    /// Ends the context and everything of it now. What is submitted to it later ends at once.
    pub fn end_context(&'static self, context: Context) -> Ticket {
        self.lock().queues.remove(&context.number);
        let ticket = self.put(context, None, Request::EndContext, &Command::new(Work::Marker));
        self.keep_loose(context, ticket.cell);
        ticket
    }

    /// A new stream of `context`.
    pub fn queue(&'static self, context: Context, role: Role) -> Queue {
        let mut inner = self.lock();
        inner.last_stream += 1;
        let flight = Mutex::default();
        let shared = Arc::new(Shared { channel: self, context, number: inner.last_stream, role, flight });
        let queues = inner.queues.entry(context.number).or_default();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&shared));
        Queue(shared)
    }

    /// Submits work that is in no queue: only `command` says what it waits for. Sleeps while too much of it has not ended.
    pub fn submit_loose(&'static self, context: Context, command: &Command<'_>) -> Ticket {
        let ticket = self.put(context, None, Request::Run(command.work), command);
        self.keep_loose(context, ticket.cell);
        if let Some(earlier) = self.loose_surplus() {
            // If the simulation has ended, the next call says so.
            let _ = earlier.wait();
        }
        ticket
    }

    /// If too much that is in no queue has not ended: what must end before there is room again.
    fn loose_surplus(&'static self) -> Option<Ticket> {
        let mut inner = self.lock();
        inner.loose.len().checked_sub(LOOSE_BACKLOG)?;
        self.sweep(&mut inner);
        let surplus = inner.loose.len().checked_sub(LOOSE_BACKLOG)?;
        let [last, later] = [surplus, surplus + BACKLOG_STEP].map(|index| Ticket::another(self, inner.loose[index].1));
        // Dropping a ticket may take the lock.
        drop(inner);
        (!last.is_reached()).then_some(later)
    }

    /// Tickets of everything that has been submitted to the context and may not have ended.
    pub fn all_of(&'static self, context: Context) -> Vec<Ticket> {
        let inner = self.lock();
        let loose = inner.loose.iter().filter(|(owner, _)| *owner == context.number);
        let mut tickets: Vec<_> = loose.map(|(_, cell)| Ticket::another(self, *cell)).collect();
        let queues: Vec<_> =
            inner.queues.get(&context.number).into_iter().flatten().filter_map(Weak::upgrade).collect();
        // Dropping a queue takes the lock.
        drop(inner);
        tickets.extend(queues.iter().filter_map(|queue| queue.last()));
        tickets.retain(|ticket| !ticket.is_reached());
        tickets
    }

    /// The end of `ticket`, recorded before the event was shared, becomes the record of the shared event with this cell.
    pub fn share_ticket(&'static self, context: Context, cell: u32, ticket: &Ticket) -> Ticket {
        let after = [ticket.clone()];
        let record = self.begin_record(cell);
        self.submit_loose(context, &Command { record, ..Command::new(Work::Marker).after(&after) })
    }

    /// Marks the shared event as being recorded; returns what the command must carry.
    fn begin_record(&self, cell: u32) -> (u32, u64) {
        let mut inner = self.lock();
        inner.last_tag += 1;
        let tag = FINAL | u64::from(self.serial) << 32 | u64::from(inner.last_tag);
        if let Some(word) = self.books.cell(cell) {
            // Release: see `shared_event`.
            word.store(tag, Ordering::Release);
        }
        (cell, tag)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the simulation has ended, as far as the shared memory tells.
    fn is_closed(&self) -> bool {
        // Relaxed: a lone flag.
        self.books.engine.closed.0.load(Ordering::Relaxed) != 0
    }

    fn is_connected(&self) -> bool {
        !self.is_closed() && self.link.upgrade().is_some_and(|link| link.is_open())
    }

    /// Writes the command for `queue`, with its waits, behind the command with the cell `before` there. Rings if the engine
    /// may have to look at it now: not if something that it waits for has no known end, for then it changes nothing that
    /// has been foretold.
    fn put(
        &'static self,
        context: Context,
        queue: Option<(&Shared, Option<u32>)>,
        request: Request,
        command: &Command<'_>,
    ) -> Ticket {
        let (stream, role) = queue.map_or((0, Role::Free), |(queue, _)| (queue.number, queue.role));
        let packet = Packet {
            device: context.device,
            context: context.number,
            stream,
            role,
            record: command.record,
            shared_after: command.shared_after.map_or(0, |mark| mark.0),
            ..Packet::new(request)
        };
        let waits: Vec<_> =
            command.after.iter().filter(|ticket| !ticket.is_final()).map(|ticket| ticket.cell).collect();
        let mut waits = waits.as_slice();
        let mut join = 0;
        while waits.len() + usize::from(join != 0) > MAX_AFTER {
            // More than fit into one entry: a marker of its own waits for some of them, and what follows for the marker.
            let marker = Packet { stream: 0, role: Role::Free, record: (0, 0), ..packet };
            let (now, later) = waits.split_at(MAX_AFTER - usize::from(join != 0));
            let ticket = self.push(marker.with_request(Request::Run(Work::Marker)).with_after(join, now), true);
            join = ticket.as_ref().map_or(0, |ticket| ticket.cell);
            self.keep_loose(context, join);
            waits = later;
        }
        let Some(ticket) = self.push(packet.with_after(join, waits), true) else {
            return Ticket::another(self, 0);
        };
        // SeqCst: after the move of `tail`; the engine publishes ends before it looks at `tail` for the last time. One of the
        // two sees the other.
        let unknown = |cell: u32| self.memory.cell(cell).end.load(Ordering::SeqCst) == 0;
        let before = queue.and_then(|(_, before)| before);
        if !before.is_some_and(unknown) && !command.after.iter().any(|ticket| unknown(ticket.cell)) {
            self.announce();
        }
        ticket
    }
}

impl Queue {
    /// Submits work behind what is in the queue. Sleeps while the queue is full.
    pub fn submit(&self, command: &Command<'_>) -> Ticket {
        self.0.submit(command)
    }

    /// Records the shared event with this cell behind what is in the queue and `after`.
    pub fn record_shared(&self, cell: u32, after: &[Ticket]) -> Ticket {
        let record = self.0.channel.begin_record(cell);
        self.submit(&Command { record, ..Command::new(Work::Marker).after(after) })
    }

    /// The last command, unless it is known that all have ended. The rules of the default stream are not looked at.
    pub fn last(&self) -> Option<Ticket> {
        self.0.last()
    }
}

impl Shared {
    fn submit(&self, command: &Command<'_>) -> Ticket {
        let channel = self.channel;
        let mut flight = self.lock();
        loop {
            self.land(&mut flight);
            let surplus = flight.len().checked_sub(BACKLOG);
            let Some(surplus) = surplus.filter(|surplus| !Ticket::another(channel, flight[*surplus]).is_reached())
            else {
                break;
            };
            let later = Ticket::another(channel, flight[surplus + BACKLOG_STEP]);
            drop(flight);
            if later.wait().is_err() {
                return Ticket::another(channel, 0);
            }
            flight = self.lock();
        }
        let before = flight.back().copied();
        let ticket = channel.put(self.context, Some((self, before)), Request::Run(command.work), command);
        if ticket.cell != 0 {
            flight.push_back(ticket.cell);
        }
        ticket
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u32>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the commands at the front whose end is final.
    fn land(&self, flight: &mut VecDeque<u32>) {
        while let Some(&cell) = flight.front().filter(|cell| self.channel.is_final(**cell)) {
            flight.pop_front();
            if self.channel.count_down(cell) {
                self.channel.lock().free.push(cell);
            }
        }
    }

    fn last(&self) -> Option<Ticket> {
        let mut flight = self.lock();
        self.land(&mut flight);
        flight.back().map(|cell| Ticket::another(self.channel, *cell))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.channel.process.holds() {
            return;
        }
        let cells = std::mem::take(self.flight.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut inner = self.channel.lock();
        inner.loose.extend(cells.into_iter().map(|cell| (self.context.number, cell)));
        if inner.loose.len() > inner.loose_limit {
            self.channel.sweep(&mut inner);
        }
        drop(inner);
        let Context { number: context, device } = self.context;
        let close =
            Packet { device, context, stream: self.number, role: self.role, ..Packet::new(Request::CloseStream) };
        self.channel.push(close, false);
    }
}
