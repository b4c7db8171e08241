//! The memory that every process of one tenant shares: who holds how many bytes of which device.
//!
//! A region is a file that each process of a tenant maps. It has one ledger word per device and one slot per process.
//! Taking and giving back bytes is lock-free: a process that is stopped or killed at any instruction delays nobody, and
//! what it held comes back at the next need. `docs/region.md` explains the protocol; [`ledger`] holds it.

/// A tenant's cap on a device's time.
#[cfg(not(loom))]
pub mod bucket;
/// The clock of all compute accounts.
#[cfg(not(loom))]
pub mod clock;
/// Creating, opening and checking the files that processes share.
#[cfg(not(loom))]
mod file;
#[cfg(all(feature = "kill-points", not(loom)))]
mod kill;
#[cfg(all(feature = "kill-points", loom))]
#[path = "kill_loom.rs"]
mod kill;
#[cfg(not(loom))]
/// Where every word lies in the file, and which role writes it.
pub mod layout;
/// The protocol: take bytes, give them back, recover those of the dead. Pure atomics, model-checked.
pub mod ledger;
/// Limits that may change while the programs run that they hold for.
#[cfg(not(loom))]
pub mod limits;
/// The region file: opening it, and its devices.
#[cfg(not(loom))]
mod map;
#[cfg(not(loom))]
/// One process's place in a region, and the question whether another's owner still lives.
mod member;
/// The slots of the dead: giving back what they held, and taking one over.
#[cfg_attr(loom, expect(dead_code, reason = "its model is that of all states"))]
mod recovery;
/// Shares of compute as people write them: one parser for the library and the commands that set its limits.
pub mod share;
/// Sizes of memory as people write them: one parser for the library and the commands that set its limits.
pub mod size;
/// The memory of the exploration of all states.
#[cfg(states)]
mod states;
/// Switches as people write them: one parser for the library and the commands that look at its environment.
pub mod switch;
/// The only place that names atomic types: real ones, or those of a model check.
mod sync;
/// Who may use a device now, across all tenants that share it.
#[cfg(not(states))]
pub mod turns;
/// Locks on bytes of the file: who owns a slot, who uses the file at all.
#[cfg(not(loom))]
mod use_lock;

#[cfg(not(loom))]
pub use file::{Access, FileError};
#[cfg(not(loom))]
pub use layout::{MAX_DEVICES, MAX_SLOTS};
pub use ledger::OverLimit;
#[cfg(not(loom))]
pub use map::{Region, RegionError};
#[cfg(not(loom))]
pub use member::{Member, Swept};

/// Tells layouts apart, for a place in a file's name: builds that cannot share a file then do not meet.
#[cfg(not(loom))]
pub const LAYOUT: u32 = (layout::LAYOUT_HASH ^ (layout::LAYOUT_HASH >> 32)) as u32;

/// Does nothing in a shipped build; under the feature `kill-points` a test can make the process die here. Points of this
/// crate have numbers below 20; the library that uses it has those from 20 on.
#[inline(always)]
pub fn kill_point(_point: u32) {
    #[cfg(feature = "kill-points")]
    kill::at(_point);
}

/// Does nothing in a shipped build. Tells the exploration of all states that what this process has read in its present
/// operation matters from here on only by what it carries: `carried`, and what the operation began with.
#[inline(always)]
fn carries_only(_point: u32, _carried: &[u128]) {
    #[cfg(states)]
    states::carries_only(_point, _carried);
}
