//! Layout of a channel.

use std::sync::atomic::{AtomicU32, AtomicU64};

/// Commands that the ring holds.
pub const RING: usize = 4096;

/// Cells; the first stands for what has ended already.
pub const CELLS: usize = 1 << 20;

/// Set in a cell whose end will not change.
pub const FINAL: u64 = 1 << 63;

/// A value in a cache line of its own.
#[repr(C, align(64))]
pub struct Line<T>(pub T);

/// The whole channel.
#[repr(C, align(4096))]
pub struct Memory {
    /// Commands ever written. The client's.
    pub tail: Line<AtomicU64>,
    /// Commands ever read. The engine's.
    pub head: Line<AtomicU64>,
    /// 1 while somebody sleeps until `head` moves.
    pub room_bell: Line<AtomicU32>,
    pub(super) entries: [Entry; RING],
    pub(super) cells: [Cell; CELLS],
}

/// One command in the ring; see `packet`. The last words of the third line are not used.
#[repr(C, align(64))]
pub struct Entry(pub(super) [AtomicU64; 24]);

/// What is known of the end of one command.
#[repr(C, align(16))]
pub struct Cell {
    /// CLOCK_MONOTONIC nanoseconds at which the command ends if nothing comes in between; 0 while that is unknown. Final
    /// with [`FINAL`]. Written by the engine; by the client before it uses the cell.
    pub end: AtomicU64,
    /// 1 while somebody sleeps until `end` changes.
    pub bell: AtomicU32,
    /// 1 when the client lets its gate end.
    pub open: AtomicU32,
}

impl Memory {
    /// The cell with this number; numbers that do not exist are taken for the first.
    pub fn cell(&self, number: u32) -> &Cell {
        self.cells.get(number as usize).unwrap_or(&self.cells[0])
    }

    pub(super) fn entry(&self, position: u64) -> &Entry {
        &self.entries[position as usize % RING]
    }
}
