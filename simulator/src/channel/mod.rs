//! Memory that one client shares with the devices: a ring of commands, and a cell for the end of each.
//!
//! The client writes commands and moves `tail`; the engine of the devices reads them and moves `head`. A cell belongs to a
//! command until its end is final; then the client may use it again. Atomics only: the engine takes any bytes for what
//! they say, and refuses what makes no sense.

mod layout;
mod map;
mod packet;

pub use layout::{CELLS, Cell, FINAL, Line};
pub use map::{Counts, SharedMemory};
pub use packet::{MAX_AFTER, Packet, Request};
