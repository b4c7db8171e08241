//! The protocol: take bytes, give them back, recover those of the dead. Lock-free, and safe to abandon at any step.
//!
//! Per device there is one 128-bit **word**: the bytes in use by the whole tenant, and a tag that names the last
//! operation (slot and sequence number). Per slot and device there is a **record**: `after` (what the slot holds after
//! an operation, by the parity of its number), `intent` (the number of the operation being tried) and `acked` (the
//! greatest number known to have taken effect).
//!
//! An operation writes its outcome and its intent into its own record, and then takes effect by one compare-and-swap of
//! the word. Whoever replaces the word first acknowledges the operation that the word names. So at every instant it can
//! be told of each slot which of its operations was the last to take effect: the one that the word names, or `acked`.
//! That is all that recovery needs, and anybody can do it, any number of them at once, without a lock.
//!
//! No value of the word ever comes back (a tag is used once), so a compare-and-swap that succeeds proves that nothing
//! happened in between. That is why the word has 128 bits.

use crate::sync::{AtomicU64, AtomicU128, Ordering};
use crate::{carries_only, kill_point};

/// Bits of a tag that hold the sequence number. Numbers go on from owner to owner of a slot; at 20 million operations a
/// second without a pause, 48 bits last 160 days.
const SEQ_BITS: u32 = 48;
const SEQ_MASK: u64 = (1 << SEQ_BITS) - 1;
/// From this number on nothing more is taken, so that a number never comes twice; the rest is for giving back.
const SEQ_LAST_TAKE: u64 = SEQ_MASK - (1 << 32);

/// The request would take the tenant over its limit; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverLimit {
    /// Bytes in use by the whole tenant when the request was refused.
    pub used: u64,
}

/// One value of a device's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    used: u64,
    slot: u16,
    seq: u64,
}

impl Word {
    fn unpack(raw: u128) -> Self {
        let tag = (raw >> 64) as u64;
        Self { used: raw as u64, slot: (tag >> SEQ_BITS) as u16, seq: tag & SEQ_MASK }
    }

    fn pack(self) -> u128 {
        let tag = (u64::from(self.slot) << SEQ_BITS) | (self.seq & SEQ_MASK);
        (u128::from(tag) << 64) | u128::from(self.used)
    }
}

/// What one slot says of one device. Written by the slot's owner, except `acked`, which anybody raises.
#[repr(C)]
pub struct Record {
    /// Bytes held after operation n, at `after[n & 1]`. Writer: owner.
    after: [AtomicU64; 2],
    /// Number of the operation being tried, or last tried. Writer: owner.
    intent: AtomicU64,
    /// Greatest number known to have taken effect; only grows. Writer: anybody, with `fetch_max`.
    acked: AtomicU64,
}

impl Record {
    /// Where its words lie, for the hash of the layout.
    #[cfg(not(loom))]
    pub(crate) const OFFSETS: [usize; 3] = [
        core::mem::offset_of!(Record, after),
        core::mem::offset_of!(Record, intent),
        core::mem::offset_of!(Record, acked),
    ];

    /// An all-zero record, as a fresh file has it.
    #[cfg(any(loom, all(test, not(states))))]
    fn zero() -> Self {
        Self { after: [AtomicU64::new(0), AtomicU64::new(0)], intent: AtomicU64::new(0), acked: AtomicU64::new(0) }
    }

    /// Bytes held, when `last` is the number of the last operation that took effect.
    fn held_after(&self, last: u64) -> u64 {
        // Acquire on `intent` pairs with its Release in `Ledger::apply`: who sees the number sees its outcome.
        let intent = self.intent.load(Ordering::Acquire);
        if last == intent || last.wrapping_add(1) == intent {
            // Relaxed: ordered by the load of `intent` above, and by the word's Acquire in the caller.
            self.after[(last & 1) as usize].load(Ordering::Relaxed)
        } else {
            0 // recovered (`last` is past every intent), or a new owner that has not yet had its first success
        }
    }
}

/// The owner's side of one record: lives in the owner's private memory, so an operation needs no read of its own slot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    seq: u64,
    held: u64,
}

impl Cursor {
    /// Bytes that this owner holds.
    pub fn held(&self) -> u64 {
        self.held
    }
}

/// How a dead owner is told from the next one of its slot.
#[derive(Clone, Copy)]
pub(crate) enum Dead<'a> {
    /// The slot is the caller's own now: whoever had it is dead, and nobody follows.
    MySlot,
    /// The owner was seen dead after the slot's generation had had this value.
    Seen(&'a AtomicU64, u64),
}

impl Dead<'_> {
    /// Whether the slot still is the dead owner's. Asked after the record has been read.
    fn still_same(self) -> bool {
        match self {
            Self::MySlot => true,
            // Acquire: keeps the reads of the record before this one.
            Self::Seen(generation, seen) => generation.load(Ordering::Acquire) == seen,
        }
    }

    /// What it knows, as a number.
    fn seen(self) -> u128 {
        match self {
            Self::MySlot => u128::MAX,
            Self::Seen(_, seen) => seen.into(),
        }
    }
}

/// One device's word, and every slot's record of that device.
pub struct Ledger<'a, R: Fn(u16) -> Option<&'a Record>> {
    pub(crate) word: &'a AtomicU128,
    /// The record of a slot; `None` for a slot number that the region does not have (a tag is another's bytes).
    pub(crate) record: R,
}

impl<'a, R: Fn(u16) -> Option<&'a Record>> Ledger<'a, R> {
    /// Bytes in use by the whole tenant.
    #[inline]
    pub fn used(&self) -> u64 {
        // Relaxed: a figure for a reader; nothing else is read on the strength of it.
        Word::unpack(self.word.load(Ordering::Relaxed)).used
    }

    /// Takes `bytes` for the owner of `slot`, unless the tenant's total would pass `limit`.
    ///
    /// # Errors
    /// [`OverLimit`] when it would; then nothing has changed, and nothing was written if that was clear at first sight.
    #[inline]
    pub fn take(&self, slot: u16, cursor: &mut Cursor, bytes: u64, limit: u64) -> Result<(), OverLimit> {
        let used = self.used();
        let held = cursor.held.checked_add(bytes).filter(|_| cursor.seq < SEQ_LAST_TAKE);
        let fits = used.checked_add(bytes).is_some_and(|sum| sum <= limit);
        let (true, Some(held)) = (fits, held) else { return Err(OverLimit { used }) };
        self.apply(slot, cursor, held, |used| used.checked_add(bytes).filter(|sum| *sum <= limit))
    }

    /// Gives back `bytes` of the owner of `slot`; more than it holds counts as all that it holds.
    #[inline]
    pub fn give(&self, slot: u16, cursor: &mut Cursor, bytes: u64) {
        let bytes = bytes.min(cursor.held);
        if bytes == 0 {
            return;
        }
        let held = cursor.held - bytes;
        // The closure never answers None, so this cannot be refused.
        let _never_refused = self.apply(slot, cursor, held, |used| Some(used.saturating_sub(bytes)));
    }

    fn apply(
        &self,
        slot: u16,
        cursor: &mut Cursor,
        held: u64,
        next_used: impl Fn(u64) -> Option<u64>,
    ) -> Result<(), OverLimit> {
        let seq = cursor.seq + 1;
        let Some(own) = (self.record)(slot) else { return Err(OverLimit { used: self.used() }) };
        kill_point(1);
        // Relaxed: published by the Release store of `intent` below. The entry of the other parity, which tells what
        // this slot holds until the operation takes effect, is not touched.
        own.after[(seq & 1) as usize].store(held, Ordering::Relaxed);
        kill_point(2);
        // Release: pairs with the Acquire in `held_after`.
        own.intent.store(seq, Ordering::Release);
        kill_point(3);
        loop {
            carries_only(1, &[]);
            // Acquire: pairs with the Release half of the swap that wrote this value, so that the records and
            // acknowledgements written before it are visible here.
            let raw = self.word.load(Ordering::Acquire);
            let word = Word::unpack(raw);
            let Some(used) = next_used(word.used) else { return Err(OverLimit { used: word.used }) };
            if word.slot != slot {
                self.acknowledge(word);
            }
            kill_point(4);
            carries_only(2, &[raw]);
            let new = Word { used, slot, seq }.pack();
            // AcqRel on success: Release publishes the intent and the acknowledgement together with the new value,
            // Acquire orders later operations of this owner behind it. Relaxed on failure: the loop loads again.
            if self.word.compare_exchange(raw, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                kill_point(5);
                *cursor = Cursor { seq, held };
                return Ok(());
            }
        }
    }

    /// Notes in the record of the slot that `word` names that this operation took effect. Must come before the word is
    /// replaced, or recovery could not tell it from one that was only tried.
    fn acknowledge(&self, word: Word) {
        let Some(record) = (self.record)(word.slot) else { return };
        // Relaxed: only saves a locked instruction; if the value is stale, the `fetch_max` is done in vain.
        if record.acked.load(Ordering::Relaxed) < word.seq {
            // Release: made visible at the latest by the swap that follows. Max, so that a late one cannot take back.
            record.acked.fetch_max(word.seq, Ordering::Release);
        }
    }

    /// Number of the last operation of `slot` that took effect, given the word as it is now.
    fn last_applied(record: &Record, word: Word, slot: u16) -> u64 {
        // Acquire: pairs with `acknowledge`. The caller has loaded the word before: an operation that the word no longer
        // names was acknowledged before it was replaced.
        let acked = record.acked.load(Ordering::Acquire);
        if word.slot == slot { acked.max(word.seq) } else { acked }
    }

    /// Bytes that `slot` holds, as seen from outside. Exact when its owner is between operations or dead.
    pub fn held(&self, slot: u16) -> u64 {
        let Some(record) = (self.record)(slot) else { return 0 };
        let word = Word::unpack(self.word.load(Ordering::Acquire)); // pairs with the swap in `apply`
        record.held_after(Self::last_applied(record, word, slot))
    }

    /// Gives back everything that the dead owner of `slot` held. Returns the bytes that this call gave back.
    ///
    /// Any number of processes may do this for one slot at once; each byte comes back once.
    pub(crate) fn recover(&self, slot: u16, dead: Dead<'_>) -> u64 {
        let Some(record) = (self.record)(slot) else { return 0 };
        loop {
            carries_only(3, &[dead.seen()]);
            let raw = self.word.load(Ordering::Acquire); // pairs with the swap in `apply`
            let word = Word::unpack(raw);
            let last = Self::last_applied(record, word, slot);
            let held = record.held_after(last);
            // Relaxed: the owner is dead, so this no longer changes, or another one is found below.
            let intent = record.intent.load(Ordering::Relaxed);
            // If a new owner came before this, the bytes read may be its own. If it comes after, it has recovered the
            // slot itself first: then the word has changed and the swap fails, or there was nothing to give back.
            if held == 0 || !dead.still_same() {
                return 0;
            }
            if word.slot != slot {
                self.acknowledge(word);
            }
            kill_point(6);
            // A number past every intent of the dead owner: `held_after` then answers 0. A tag has no room for numbers
            // that no operation ever had; a record that has such is nonsense, and what it says is not given back.
            let Some(seq) = last.max(intent).checked_add(1).filter(|seq| *seq <= SEQ_MASK) else { return 0 };
            let new = Word { used: word.used.saturating_sub(held), slot, seq }.pack();
            carries_only(4, &[dead.seen(), raw, new]);
            // Orderings as in `apply`.
            if self.word.compare_exchange(raw, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                kill_point(7);
                return held;
            }
        }
    }

    /// The cursor with which a new owner starts on `slot`, after [`recover`](Self::recover) has left nothing there.
    pub fn adopt(&self, slot: u16) -> Cursor {
        let Some(record) = (self.record)(slot) else { return Cursor::default() };
        let word = Word::unpack(self.word.load(Ordering::Acquire)); // pairs with the swap in `apply`
        let last = Self::last_applied(record, word, slot);
        // Relaxed: the slot is ours now; the next Release of `intent` publishes these.
        record.after[0].store(0, Ordering::Relaxed);
        record.after[1].store(0, Ordering::Relaxed);
        // Not past an operation that the dead owner only tried: the next one must have that one's number, or it would
        // write its outcome where `held_after` still looks for what was held before.
        Cursor { seq: last, held: 0 }
    }
}

#[cfg(all(test, not(any(loom, states))))]
#[path = "ledger_tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "ledger_loom.rs"]
mod model;

#[cfg(all(test, states))]
#[path = "ledger_states.rs"]
mod states;
