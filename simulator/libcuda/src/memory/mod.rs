//! Device memory of one process: addresses, allocations, pools, and the pages they take on the device.

mod blocks;
mod mapping;
mod multicast;
mod physical;
mod pool;
mod pool_handle;
mod slab;
mod space;
mod virtual_memory;
mod window;

pub use multicast::Multicast;
pub use physical::{Backing, ExternalMemory, Kind, Physical, Properties, share_code};
pub use pool::PoolId;
pub use pool_handle::PoolHandle;
pub use space::{Allocation, Holder, Owner, Source, Space};
pub use virtual_memory::{Mapped, Role, VirtualMemory};

/// Why memory was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMemory {
    /// The device has too little left.
    Full,
    /// The simulation has ended.
    Gone,
}

/// Bytes of the smallest unit in which small allocations and pool allocations are placed; also their alignment.
pub const UNIT: u64 = 512;
/// Requests below this size share pages with others of their context.
pub const WHOLE_PAGES_FROM: u64 = 1 << 20;
