//! What one thread may send without asking: its grants, by stream, and the costs that it was told. No lock.

use core::cell::Cell;

use super::learner::Key;
use super::spans::{Sent, StreamId};

/// Streams for which a thread has grants at once, if no two of them meet in one place. More would leave wider spans: what one
/// stream of many does is then hard to tell from what the others do.
const STREAMS: usize = 4;
/// Costs that a thread remembers.
const COSTS: usize = 64;

/// Which device's learner a cost is from, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told(u64);

impl Told {
    /// From nobody: what no limit holds costs nothing.
    pub(super) const NOTHING: Self = Self(0);

    /// `place` is the device's; a version has 2⁴⁸ successors before it comes again.
    pub(super) fn new(place: usize, version: u64) -> Self {
        Self((place as u64 + 1) << 48 | version & ((1 << 48) - 1))
    }
}

/// A grant, and what was used of it.
pub(super) struct Grant {
    /// Handle of its stream; 0: there is no grant.
    handle: Cell<usize>,
    /// The context that was current.
    context: Cell<usize>,
    /// The gate's word and the limits' generation as of then.
    word: Cell<u64>,
    generation: Cell<u64>,
    /// Whose costs it was given by.
    told: Cell<Told>,
    /// Device-time left, in nanoseconds.
    left: Cell<u64>,
    launches: Cell<u32>,
    /// What was sent and is not charged yet.
    cost: Cell<u64>,
    sent: Cell<u32>,
    /// The command that all of it was; [`Key::NONE`] where they differ.
    key: Cell<Key>,
    /// Device-time that was granted last.
    pub(super) ramp: Cell<u64>,
}

/// What was sent under a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) stream: StreamId,
    pub(super) sent: Sent,
}

impl Grant {
    const fn none() -> Self {
        Self {
            handle: Cell::new(0),
            context: Cell::new(0),
            word: Cell::new(0),
            generation: Cell::new(0),
            told: Cell::new(Told::NOTHING),
            left: Cell::new(0),
            launches: Cell::new(0),
            cost: Cell::new(0),
            sent: Cell::new(0),
            key: Cell::new(Key::NONE),
            ramp: Cell::new(0),
        }
    }

    #[inline]
    fn spend(&self, key: Key, cost: u64) -> bool {
        let (left, launches) = (self.left.get(), self.launches.get());
        if cost > left || launches == 0 {
            return false;
        }
        self.left.set(left - cost);
        self.launches.set(launches - 1);
        let sent = self.sent.get();
        self.sent.set(sent + 1);
        self.cost.set(self.cost.get() + cost);
        if self.key.get() != key {
            self.key.set(if sent == 0 { key } else { Key::NONE });
        }
        true
    }

    /// What was sent since this was asked last.
    fn flush(&self) -> Sent {
        Sent {
            cost: self.cost.replace(0),
            launches: self.sent.replace(0),
            key: self.key.replace(Key::NONE),
            known: true, // nothing else is ever granted
        }
    }
}

/// What is kept per thread.
pub(crate) struct Thread {
    grants: [Grant; STREAMS],
    keys: [Cell<Key>; COSTS],
    costs: [Cell<u64>; COSTS],
    /// Where the costs are from.
    told: [Cell<Told>; COSTS],
    random: Cell<u64>,
}

/// One launch as the fast path sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launch {
    pub(super) handle: usize,
    pub(super) key: Key,
    /// The gate's word and the limits' generation.
    pub(super) word: u64,
    pub(super) generation: u64,
}

impl Thread {
    /// With no grants.
    pub(crate) const fn new() -> Self {
        Self {
            grants: [const { Grant::none() }; STREAMS],
            keys: [const { Cell::new(Key::NONE) }; COSTS],
            costs: [const { Cell::new(0) }; COSTS],
            told: [const { Cell::new(Told::NOTHING) }; COSTS],
            random: Cell::new(0),
        }
    }

    /// Streams lie apart by multiples of 16 bytes at least; the default ones are 1 and 2.
    #[inline]
    pub(super) fn grant(&self, handle: usize) -> &Grant {
        &self.grants[(handle ^ (handle >> 4) ^ (handle >> 9)) % STREAMS]
    }

    #[inline]
    fn place(key: Key) -> usize {
        (key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % COSTS
    }

    /// Whether a launch is covered by what was granted. Then it is used up by that much.
    #[inline]
    pub(super) fn spend(&self, launch: Launch) -> bool {
        let grant = self.grant(launch.handle);
        let place = Self::place(launch.key);
        grant.handle.get() == launch.handle
            && grant.word.get() == launch.word
            && grant.generation.get() == launch.generation
            && self.keys[place].get() == launch.key
            && self.told[place].get() == grant.told.get()
            && grant.spend(launch.key, self.costs[place].get())
    }

    /// The context for which there is a grant in this stream.
    #[inline]
    pub(super) fn granted_context(&self, handle: usize) -> usize {
        self.grant(handle).context.get()
    }

    /// Whether a launch is covered but for its cost, which is only now told.
    pub(super) fn spend_at(&self, launch: Launch, context: usize, told: Told, cost: u64) -> bool {
        let grant = self.grant(launch.handle);
        let covered = grant.handle.get() == launch.handle
            && grant.context.get() == context
            && grant.word.get() == launch.word
            && grant.generation.get() == launch.generation
            && grant.told.get() == told;
        if covered {
            self.tell(launch.key, cost, told);
        }
        covered && grant.spend(launch.key, cost)
    }

    fn tell(&self, key: Key, cost: u64, told: Told) {
        let place = Self::place(key);
        self.keys[place].set(key);
        self.costs[place].set(cost);
        self.told[place].set(told);
    }

    /// What was sent under the grant that stands where one for this stream would. Ends the grant.
    pub(super) fn flush(&self, handle: usize) -> Flushed {
        let grant = self.grant(handle);
        let stream = self.id(grant.context.get(), grant.handle.get());
        if grant.handle.replace(0) != handle {
            grant.ramp.set(0);
        }
        Flushed { stream, sent: grant.flush() }
    }

    /// All that was sent under grants. Ends them.
    pub(super) fn flush_all(&self) -> [Flushed; STREAMS] {
        core::array::from_fn(|place| self.flush(self.grants[place].handle.get()))
    }

    /// The stream that a handle means to this thread.
    pub(super) fn id(&self, context: usize, handle: usize) -> StreamId {
        let own = handle == super::PER_THREAD;
        StreamId { context, handle, thread: if own { self.number() } else { 0 } }
    }

    /// Tells it apart from all other threads that there are now.
    pub(super) fn number(&self) -> usize {
        core::ptr::from_ref(self) as usize
    }

    /// Grants device-time, and launches, for one stream; and tells what this launch costs, if that is known.
    pub(super) fn allow(
        &self,
        launch: Launch,
        context: usize,
        told: Told,
        cost: Option<u64>,
        (time, launches): (u64, u32),
    ) {
        if let Some(cost) = cost {
            self.tell(launch.key, cost, told);
        }
        let grant = self.grant(launch.handle);
        grant.told.set(told);
        grant.handle.set(launch.handle);
        grant.context.set(context);
        grant.word.set(launch.word);
        grant.generation.set(launch.generation);
        grant.left.set(time);
        grant.launches.set(launches);
        grant.ramp.set(time);
    }

    /// True one time in `times`.
    pub(super) fn one_in(&self, times: u64) -> bool {
        // Xorshift (Marsaglia 2003), from a state that differs by thread, also from those that had this place before, and is
        // not 0.
        let mut state = self.random.get();
        if state == 0 {
            state = (core::ptr::from_ref(self) as u64 ^ shared_region::clock::now()) | 1;
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.random.set(state);
        (state >> 32).is_multiple_of(times)
    }
}
