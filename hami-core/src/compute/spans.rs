//! Device-time from timing events: marks in streams, the spans between them, and how much of the device they cover.
//!
//! A **mark** is an event of ours in a stream; a **span** is what lies between one mark of a stream and the next. Spans of
//! streams that run side by side overlap: each is charged what it adds to their union. Knows no clock and no driver.

/// What a span took.
mod measure;

use std::collections::VecDeque;

use super::learner::{Key, Sample};

/// Most streams that are followed at once; beyond, the one that was longest unused is given up.
const MOST_STREAMS: usize = 256;
/// Most marks in a stream behind what may wait for the program: a stream of the driver's holds some 1024 commands.
const MOST_MARKS: u32 = 64;
/// Most streams whose marks one look asks for: all of them, or some that wait for the program would hide the others.
const LOOKS: usize = MOST_STREAMS;
/// What sending a command is taken to need at most before the device can have it, in nanoseconds. One that takes longer may have
/// been waiting for the command's end.
pub(super) const SENDING: u64 = 3_000;
/// How soon after it was put a mark in an empty stream is passed where nobody else is on the device, in nanoseconds.
const AT_ONCE: u64 = 100_000;

/// A stream as this process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamId {
    /// The context that its events are made in.
    pub(crate) context: usize,
    /// Its handle; the default ones by their special handles.
    pub(crate) handle: usize,
    /// Tells the threads' own default streams apart; 0 for all others.
    pub(crate) thread: usize,
}

/// Commands that were sent into one stream since its last mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Nanoseconds of device-time that they were expected to take, as charged.
    pub(super) cost: u64,
    /// How many they are.
    pub(super) launches: u32,
    /// The command that all of them are, [`Key::NONE`] where they differ.
    pub(super) key: Key,
    /// Whether the costs of all were measured often enough to be known.
    pub(super) known: bool,
}

impl Sent {
    pub(super) const NOTHING: Self = Self { cost: 0, launches: 0, key: Key::NONE, known: true };

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        let key = match (self.launches, other.launches) {
            (0, _) => other.key,
            (_, 0) => self.key,
            _ if self.key == other.key => self.key,
            _ => Key::NONE,
        };
        Self {
            cost: self.cost + other.cost,
            launches: self.launches + other.launches,
            key,
            known: self.known && other.known,
        }
    }
}

/// What lies between a mark and the one before it in its stream.
#[derive(Debug, Clone, Copy)]
struct Span {
    sent: Sent,
    /// The stream may have waited in it for something that is no work of the device's.
    interrupted: bool,
    /// When the mark at its end was put.
    put: Put,
    claim: Claim,
}

impl Span {
    /// How long the device may have been idle in it, if it passed the mark before at `begin` by the clock: while the program had
    /// not yet sent all. [`u64::MAX`]: nobody can tell.
    fn idle(&self, begin: u64) -> u64 {
        if self.interrupted { u64::MAX } else { self.put.ended.saturating_sub(begin) }
    }

    /// How much of that had passed when all was sent, and only the mark was not; 0: nobody knows.
    fn sending(&self, begin: u64) -> u64 {
        match self.put.behind {
            Behind::Command { since } if !self.interrupted && begin < since => {
                self.put.began.min(since + SENDING).saturating_sub(begin)
            }
            _ => 0,
        }
    }
}

/// When a mark was put, by the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Put {
    /// Not before.
    pub(super) began: u64,
    /// Not after.
    pub(super) ended: u64,
    pub(super) behind: Behind,
}

/// What a mark is put behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Whatever was sent, some time before.
    Anything,
    /// A command that was sent just before, from this time on.
    Command { since: u64 },
    /// Something, just before, that may keep the stream waiting for the program.
    AWait,
}

/// A time for which this process alone was to use the device, by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) since: u64,
    pub(super) until: u64,
}

/// What is known of others on the device while a span lasts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// When the device was expected to pass the mark, by the clock.
    pub(super) expected: u64,
    /// Until when nobody else was to use it.
    pub(super) until: u64,
    /// How often others had begun to want it; `None`: somebody did want it.
    pub(super) calls: Option<u32>,
}

/// An event of ours that the device has not been seen to pass.
#[derive(Debug)]
struct Mark<E> {
    stream: u64,
    context: usize,
    event: E,
    /// When it was put, at the earliest.
    put: u64,
    /// `None`: nothing that counts lies between it and the mark before.
    span: Option<Span>,
    /// Whether the stream had nothing to do, so that the device passes it as soon as it comes to this process.
    first: bool,
    /// Whether it lies behind something that may keep the stream waiting for the program.
    held: bool,
}

#[derive(Debug)]
struct Stream {
    number: u64,
    id: StreamId,
    /// Since the last mark.
    sent: Sent,
    /// Whether there is a mark before that.
    marked: bool,
    /// Marks that the device has not been seen to pass.
    pending: u32,
    /// When it passed the last one that it was seen to pass.
    passed: Option<u64>,
    /// Its work has not got on for as long as anybody waits for that: it may be waiting for the very thread that stands at the
    /// gate. So none of it counts as on its way, and no mark takes up room in the stream, until one of them is passed.
    stalled: bool,
    /// Something that is no work of the device's lies behind the last mark.
    interrupted: bool,
    /// Counts uses, for giving up the longest unused.
    used: u64,
}

/// What a mark says when it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// The device has not come to it.
    Pending,
    /// The device passed it.
    Passed {
        /// When, in nanoseconds of the device's own time.
        at: u64,
        /// When, in nanoseconds of the host's clock, as well as that can be told.
        by_clock: u64,
    },
    /// Nobody can tell any more.
    Lost,
}

/// What a finished span says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    /// What was charged for it.
    pub(super) sent: Sent,
    /// What it took, in nanoseconds of device-time.
    pub(super) took: u64,
    /// What it says of each of its commands, where all are the same one.
    pub(super) sample: Option<Sample>,
}

/// How far the device has come, by the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// When it passed the last mark that was found passed.
    pub(super) latest: Option<u64>,
    /// How much later than expected it passed the last one before the time that was asked for.
    pub(super) behind: Option<u64>,
}

/// The marks of one device.
#[derive(Debug)]
pub(super) struct Spans<E> {
    streams: Vec<Stream>,
    marks: VecDeque<Mark<E>>,
    /// Up to here all that the device did for this process is charged.
    covered: u64,
    /// Sum of what pending spans were charged.
    in_flight: u64,
    /// Commands in pending spans.
    commands: u32,
    last_number: u64,
    uses: u64,
    /// When the device last came at once to a mark in an empty stream: nobody else's work was there then.
    clear: Option<u64>,
    /// When it last came late to one.
    delayed: Option<u64>,
    /// Whether the tenant uses several devices, so that a kernel may wait in one for another.
    pub(super) clips: bool,
}

impl<E> Default for Spans<E> {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            marks: VecDeque::new(),
            covered: 0,
            in_flight: 0,
            commands: 0,
            last_number: 0,
            uses: 0,
            clear: None,
            delayed: None,
            clips: false,
        }
    }
}

impl<E: Copy> Spans<E> {
    /// Device-time in nanoseconds that is expected of the work which the device has not been seen to finish.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// How many commands that are.
    pub(super) fn commands(&self) -> u32 {
        self.commands
    }

    fn stream(&mut self, id: StreamId) -> &mut Stream {
        self.uses += 1;
        let uses = self.uses;
        let at = match self.streams.iter().position(|stream| stream.id == id) {
            Some(at) => at,
            None => {
                if self.streams.len() >= MOST_STREAMS {
                    let oldest = (0..self.streams.len()).min_by_key(|at| self.streams[*at].used).unwrap_or(0);
                    self.streams.swap_remove(oldest);
                }
                self.last_number += 1;
                self.streams.push(Stream {
                    number: self.last_number,
                    id,
                    sent: Sent::NOTHING,
                    marked: false,
                    pending: 0,
                    passed: None,
                    stalled: false,
                    interrupted: false,
                    used: 0,
                });
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[at];
        stream.used = uses;
        stream
    }

    /// Whether something is on its way that was charged by a guess, and will soon be known better.
    pub(super) fn guessed(&self) -> bool {
        self.marks.iter().any(|mark| mark.span.is_some_and(|span| !span.sent.known) && !self.is_stalled(mark.stream))
    }

    fn is_stalled(&self, number: u64) -> bool {
        self.streams.iter().any(|stream| stream.number == number && stream.stalled)
    }

    /// Whether the stream is not waited for.
    pub(super) fn stalled(&mut self, id: StreamId) -> bool {
        self.stream(id).stalled
    }

    /// Streams that may be waiting for the program are not waited for any longer, if there is a mark in them from before `since`
    /// that the device has still not passed. A kernel that takes long is no reason.
    pub(super) fn stall(&mut self, since: u64) {
        let Self { streams, marks, .. } = self;
        for stream in streams.iter_mut().filter(|stream| !stream.stalled) {
            let mut own = marks.iter().filter(|mark| mark.stream == stream.number);
            stream.stalled = own.clone().any(|mark| mark.held) && own.any(|mark| mark.put < since);
        }
        self.count();
    }

    /// Counts anew what is on its way.
    fn count(&mut self) {
        let counted = self.marks.iter().filter(|mark| !self.is_stalled(mark.stream)).filter_map(|mark| mark.span);
        let (in_flight, commands) =
            counted.fold((0, 0), |(time, commands), Span { sent, .. }| (time + sent.cost, commands + sent.launches));
        (self.in_flight, self.commands) = (in_flight, commands);
    }

    /// Commands went into a stream.
    pub(super) fn sent(&mut self, id: StreamId, sent: Sent) {
        let stream = self.stream(id);
        stream.sent = stream.sent.and(sent);
    }

    /// Device-time in nanoseconds that is expected of what lies behind the last marks.
    pub(super) fn open_cost(&self) -> u64 {
        self.streams.iter().filter(|stream| !stream.stalled).map(|stream| stream.sent.cost).sum()
    }

    /// Whether commands lie in the stream behind its last mark.
    pub(super) fn open(&mut self, id: StreamId) -> bool {
        self.stream(id).sent.launches > 0
    }

    /// Whether a mark would measure what lies behind the last one.
    pub(super) fn measurable(&self, id: StreamId) -> bool {
        self.streams.iter().any(|stream| stream.id == id && stream.sent.launches > 0 && !stream.stalled)
    }

    /// Whether so many marks are in the stream that more would take up the room of what the program puts there.
    pub(super) fn full(&self, id: StreamId) -> bool {
        self.streams.iter().any(|stream| stream.id == id && stream.pending >= MOST_MARKS)
    }

    /// Something goes into the stream that is no work of the device's, but may keep the stream waiting.
    pub(super) fn interrupt(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.interrupted = true;
        }
    }

    /// Whether a span from the last mark of this stream on would say nothing of what is sent now.
    pub(super) fn needs_mark(&mut self, id: StreamId) -> bool {
        let stream = self.stream(id);
        stream.sent.launches > 0 || stream.pending == 0 || stream.interrupted
    }

    /// Streams are gone: another that has the name of one does not go on with it. Answers with what will not be measured.
    pub(super) fn retire(&mut self, is_gone: impl Fn(StreamId) -> bool, mut lost: impl FnMut(Sent)) {
        for stream in self.streams.iter_mut().filter(|stream| stream.id.handle != 0 && is_gone(stream.id)) {
            lost(core::mem::replace(&mut stream.sent, Sent::NOTHING));
            // No program has such a stream. Its marks are still to be passed.
            stream.id = StreamId { context: stream.id.context, handle: 0, thread: 0 };
        }
        self.streams.retain(|stream| stream.id.handle != 0 || stream.pending > 0);
    }

    /// Whether the device has still to pass a mark of this stream, by the last look: what comes now follows without a gap.
    pub(super) fn busy(&mut self, id: StreamId) -> bool {
        self.stream(id).pending > 0
    }

    /// A mark was put into a stream.
    pub(super) fn marked(&mut self, id: StreamId, event: E, put: Put, claim: Claim) {
        let stream = self.stream(id);
        let interrupted = core::mem::replace(&mut stream.interrupted, false);
        let sent = core::mem::replace(&mut stream.sent, Sent::NOTHING);
        let before = core::mem::replace(&mut stream.marked, true);
        let span = (before && sent.launches > 0).then_some(Span { sent, interrupted, put, claim });
        let first = stream.pending == 0 && sent.launches == 0 && !interrupted && put.behind != Behind::AWait;
        stream.pending += 1;
        let number = stream.number;
        if let Some(span) = span {
            self.in_flight += span.sent.cost;
            self.commands += span.sent.launches;
        }
        self.marks.push_back(Mark {
            stream: number,
            context: id.context,
            event,
            put: put.began,
            span,
            first,
            held: put.behind == Behind::AWait,
        });
    }

    /// No mark could be put: what was sent, which is the answer, stays charged as expected.
    pub(super) fn unmarked(&mut self, id: StreamId) -> Sent {
        let stream = self.stream(id);
        stream.marked = false;
        core::mem::replace(&mut stream.sent, Sent::NOTHING)
    }

    /// Looks which marks the device has passed, the older ones of each stream first. `calls` says how often others have begun to
    /// want the device, `asked` is the time for [`Progress::behind`], `held` this process's last turn. `look` asks for one mark; `done` gets each that is passed
    /// or lost back, with what its span says.
    pub(super) fn harvest(
        &mut self,
        (own, calls, asked, held): (StreamId, u32, u64, Option<Held>),
        mut look: impl FnMut(usize, E, u64) -> Look,
        mut done: impl FnMut(usize, E, Option<Measured>),
        mut lost: impl FnMut(Sent),
    ) -> Progress {
        let alone = matches!(self.streams.as_slice(), [only] if only.id == own);
        let mut waiting: [u64; LOOKS] = [0; LOOKS]; // streams whose oldest mark is not passed
        let mut waits = 0;
        let mut progress = Progress::default();
        let mut at = 0;
        while at < self.marks.len() && waits < LOOKS {
            let Mark { stream, context, event, put, .. } = self.marks[at];
            if waiting[..waits].contains(&stream) {
                // Nearly always there is one stream, all of whose other marks stand behind this one.
                if alone {
                    break;
                }
                at += 1;
                continue;
            }
            let seen = look(context, event, put);
            if let Look::Pending = seen {
                waiting[waits] = stream;
                waits += 1;
                at += 1;
                continue;
            }
            let Some(mark) = self.marks.remove(at) else { break };
            let stalled = self.streams.iter_mut().find(|known| known.number == mark.stream && known.stalled);
            if let Some(stalled) = stalled {
                stalled.stalled = false;
                self.count();
            } else if let Some(span) = mark.span {
                self.in_flight = self.in_flight.saturating_sub(span.sent.cost);
                self.commands = self.commands.saturating_sub(span.sent.launches);
            }
            let stream = self.streams.iter_mut().find(|known| known.number == mark.stream);
            let before = stream.and_then(|stream| {
                stream.pending = stream.pending.saturating_sub(1);
                let passed = if let Look::Passed { at, .. } = seen { Some(at) } else { None };
                core::mem::replace(&mut stream.passed, passed)
            });
            if let (true, Look::Passed { by_clock, .. }) = (mark.first, seen) {
                let at_once = by_clock <= mark.put + AT_ONCE;
                (self.clear, self.delayed) =
                    if at_once { (Some(by_clock), self.delayed) } else { (None, Some(by_clock)) };
            }
            let measured = match (seen, before, mark.span) {
                (Look::Passed { at, by_clock }, Some(begin), Some(span)) if begin <= at => {
                    let crowded = span.claim.calls != Some(calls);
                    // By the clock, which all contexts have in common.
                    let begin = by_clock.saturating_sub(at - begin);
                    let late = by_clock > span.claim.until;
                    Some(self.measure(begin, by_clock, &span, (crowded, late, held)))
                }
                (_, _, Some(span)) => {
                    lost(span.sent);
                    None
                }
                _ => None,
            };
            if let Look::Passed { by_clock, .. } = seen {
                progress.latest = progress.latest.max(Some(by_clock));
                if let Some(span) = mark.span.filter(|_| by_clock < asked) {
                    progress.behind = Some(by_clock.saturating_sub(span.claim.expected));
                }
            }
            done(mark.context, mark.event, measured);
        }
        progress
    }

    /// A context goes, and all marks in it; answers with what was sent and will not be measured.
    pub(super) fn context_destroyed(&mut self, context: usize, mut lost: impl FnMut(Sent)) {
        self.streams.retain(|stream| stream.id.context != context);
        self.marks.retain(|mark| {
            if mark.context == context
                && let Some(span) = mark.span
            {
                lost(span.sent);
            }
            mark.context != context
        });
        self.count();
    }
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
