//! The memory shared by the server and every client of a simulation: who uses how much of which device.
//!
//! Each client has one slot. The server gives the slot out, wipes it when the client's connection closes, and is the only
//! one that raises or lowers credit; the client alone changes what it uses within its credit. Nothing here is a lock.

mod layout;
mod map;
mod word;

pub use layout::{AWAKE, Books, BusyTime, DeviceSlot, EngineWords, MAX_CELLS, MAX_SLOTS, RESTS, SLEEPS, Slot};
pub use map::SharedBooks;
pub use word::{PageCount, PageWord};

/// Device memory is taken in pages of this many bytes (2 MiB, the large page of the modelled devices).
pub const PAGE_BYTES: u64 = 2 << 20;

/// Pages needed to hold `bytes`.
pub const fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_BYTES)
}
