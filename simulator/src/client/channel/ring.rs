//! The client's end of the ring, and its cells.

use std::sync::atomic::Ordering;

use super::{Channel, Context, Inner, Ticket};
use crate::books::{AWAKE, SLEEPS};
use crate::channel::{CELLS, FINAL, Packet};
use crate::client::monotonic_ns;
use crate::futex;

/// How long a submission waits for the end of some command when every cell is in use.
const NO_CELL_NS: u64 = 1_000_000_000;

impl Channel {
    /// Writes a packet, with a fresh cell if that is wanted; waits, asleep, where there is no room. `None` when the simulation
    /// has ended.
    pub(super) fn push(&'static self, mut packet: Packet, wants_cell: bool) -> Option<Ticket> {
        let mut deadline = None;
        loop {
            if self.is_closed() {
                return None;
            }
            let mut inner = self.lock();
            if !self.memory.has_room(inner.tail) {
                drop(inner);
                self.wait_for_room()?;
                continue;
            }
            if wants_cell {
                let Some(cell) = self.take_cell(&mut inner) else {
                    drop(inner);
                    // Only a program that keeps a million tickets comes here.
                    let now = monotonic_ns();
                    if now > *deadline.get_or_insert(now + NO_CELL_NS) {
                        return None;
                    }
                    self.ring();
                    std::thread::yield_now();
                    continue;
                };
                packet.cell = cell;
                // Relaxed: nobody else knows the cell; the engine sees it by `tail`.
                self.counts[cell].store(2, Ordering::Relaxed);
            }
            packet.sent_at = monotonic_ns();
            self.memory.write(inner.tail, &packet);
            inner.tail += 1;
            // SeqCst: see `put`; also publishes the entry.
            self.memory.tail.0.store(inner.tail, Ordering::SeqCst);
            return Some(Ticket::owned(self, packet.cell));
        }
    }

    fn take_cell(&self, inner: &mut Inner) -> Option<u32> {
        let cell = inner.free.pop().or_else(|| {
            let fresh = inner.fresh;
            let there = (fresh as usize) < CELLS;
            inner.fresh += u32::from(there);
            there.then_some(fresh)
        });
        let cell = cell.or_else(|| {
            self.sweep(inner);
            inner.free.pop()
        })?;
        let words = self.memory.cell(cell);
        // Relaxed: as in `push`.
        words.end.store(0, Ordering::Relaxed);
        words.bell.store(0, Ordering::Relaxed);
        words.open.store(0, Ordering::Relaxed);
        Some(cell)
    }

    /// Lets go of commands in no queue that have ended.
    pub(super) fn sweep(&self, inner: &mut Inner) {
        let Inner { loose, free, .. } = inner;
        loose.retain(|(_, cell)| {
            let keep = !self.is_final(*cell);
            if !keep && self.count_down(*cell) {
                free.push(*cell);
            }
            keep
        });
        inner.loose_limit = (2 * inner.loose.len()).max(64);
    }

    pub(super) fn keep_loose(&self, context: Context, cell: u32) {
        if cell != 0 {
            let mut inner = self.lock();
            inner.loose.push((context.number, cell));
            if inner.loose.len() > inner.loose_limit {
                self.sweep(&mut inner);
            }
        }
    }

    pub(super) fn is_final(&self, cell: u32) -> bool {
        // Acquire: the engine has done with the cell.
        self.memory.cell(cell).end.load(Ordering::Acquire) & FINAL != 0
    }

    /// One holder of the cell less; says whether it was the last.
    pub(super) fn count_down(&self, cell: u32) -> bool {
        // AcqRel: what other holders did with the cell comes before its next use.
        cell != 0 && self.counts[cell].fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Has the engine see what was written, soon: at once if it sleeps.
    pub(super) fn announce(&self) {
        // SeqCst: as in `ring`.
        if self.books.engine.doorbell.0.load(Ordering::SeqCst) == SLEEPS {
            self.ring();
        }
    }

    /// Wakes the engine if it sleeps or rests.
    pub(super) fn ring(&self) {
        let doorbell = &self.books.engine.doorbell.0;
        // SeqCst: after the move of `tail`, see `put`; the engine says that it sleeps before it looks at `tail`.
        if doorbell.load(Ordering::SeqCst) != AWAKE && doorbell.swap(AWAKE, Ordering::SeqCst) != AWAKE {
            futex::wake(doorbell);
        }
    }

    /// Sleeps until the ring may have room. `None` when the simulation has ended.
    fn wait_for_room(&self) -> Option<()> {
        let bell = &self.memory.room_bell.0;
        // SeqCst: before the second look at `head`, which the engine moves before it looks at the bell.
        bell.store(1, Ordering::SeqCst);
        self.ring();
        let tail = self.lock().tail;
        if !self.memory.has_room(tail) {
            futex::wait(bell, 1, monotonic_ns() + 10_000_000);
        }
        self.is_connected().then_some(())
    }
}
