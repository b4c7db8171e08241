//! Where every word of a region lies, and which role writes it.
//!
//! Roles: **creator** (before the file has its name), **claimer** (any process, once per device), **owner** (the process
//! that holds a slot), **anybody** (any process of the tenant, by a rule given at the word).
//! A change of this file changes [`LAYOUT_HASH`], and with it which files a build accepts; bump [`VERSION`] too.

use core::mem::{align_of, offset_of, size_of};

use crate::file::{Head, Kind};
use crate::ledger::Record;
use crate::sync::{AtomicU32, AtomicU64, AtomicU128};

/// Devices that one region can account for.
pub const MAX_DEVICES: usize = 32;
/// Processes that can hold device memory in one region at the same time. Slots of the dead are used again.
pub const MAX_SLOTS: usize = 1024;

/// Version of this layout.
pub(crate) const VERSION: u32 = 2;

/// A region file, for whoever opens one.
pub(crate) static KIND: Kind = Kind {
    name: "region",
    magic: *b"HAMI-RGN",
    version: VERSION,
    layout_hash: LAYOUT_HASH,
    size: SIZE,
    set_aside: offset_of!(Layout, slots),
};

/// First page of the file.
#[repr(C, align(4096))]
pub(crate) struct Header {
    /// Kind, version, size; `own` is the number of slots ever used, as an upper bound for whoever walks them, and only
    /// grows. Writer: creator; of `own` the owner, with `fetch_max`.
    pub head: Head,
}

/// One device: in the order in which processes of the tenant met them, found by UUID.
#[repr(C, align(128))]
pub(crate) struct Device {
    /// Bytes in use by the tenant, and the last operation: see [`crate::ledger`]. Writer: anybody, by the protocol.
    pub word: AtomicU128,
    /// The device's UUID as one number; 0 while the entry is free. Writer: claimer, by compare-and-swap from 0, once.
    pub uuid: AtomicU128,
    /// Bytes that one context of a process takes on this device, as first measured; 0 while unknown.
    /// Writer: anybody, by compare-and-swap from 0; back to 0 by who finds itself the only user of the file.
    pub context_bytes: AtomicU64,
    /// Until when the tenant's use of the device is paid for, and the cap that it was paid at: see [`crate::bucket`].
    /// On a cache line of its own: charging compute does not disturb who charges memory. Writer: anybody, by
    /// compare-and-swap.
    pub paid: Line<AtomicU128>,
}

/// Something on a cache line of its own.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub T);

/// One process.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// Counts the owners; changes when a new owner has taken the slot and recovered it. Writer: owner.
    pub generation: AtomicU64,
    /// Process id of the owner in its own PID namespace; for display only, never for a decision. Writer: owner.
    pub pid: AtomicU32,
    /// What the process holds of each device. Writer: owner; `acked` anybody.
    pub records: [Record; MAX_DEVICES],
}

/// The whole file.
#[repr(C)]
pub(crate) struct Layout {
    pub header: Header,
    pub devices: [Device; MAX_DEVICES],
    pub slots: [Slot; MAX_SLOTS],
}

/// Size of a region file in bytes. Most of it is never touched and takes no memory.
pub(crate) const SIZE: usize = size_of::<Layout>();

/// Identifies this layout: two builds that disagree on the place of any word never share a file.
pub(crate) const LAYOUT_HASH: u64 = fnv1a(&[
    SIZE,
    offset_of!(Layout, devices),
    offset_of!(Layout, slots),
    size_of::<Device>(),
    offset_of!(Device, word),
    offset_of!(Device, uuid),
    offset_of!(Device, context_bytes),
    size_of::<Slot>(),
    offset_of!(Slot, generation),
    offset_of!(Slot, pid),
    offset_of!(Slot, records),
    size_of::<Record>(),
    Record::OFFSETS[0],
    Record::OFFSETS[1],
    Record::OFFSETS[2],
    offset_of!(Device, paid),
    offset_of!(Header, head),
    offset_of!(Head, magic),
    offset_of!(Head, version),
    offset_of!(Head, own),
    offset_of!(Head, size),
    offset_of!(Head, layout_hash),
    VERSION as usize,
]);

const _: () = {
    assert!(size_of::<Header>() == 4096);
    assert!(size_of::<Device>() == 128);
    assert!(size_of::<Record>() == 32);
    assert!(align_of::<AtomicU128>() == 16);
    // A slot number has 16 bits in a word's tag.
    assert!(MAX_SLOTS <= 1 << 16);
};

/// FNV-1a, 64 bits, over the numbers' bytes.
pub(crate) const fn fnv1a(numbers: &[usize]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < numbers.len() {
        let mut rest = numbers[i] as u64;
        let mut byte = 0;
        while byte < 8 {
            hash = (hash ^ (rest & 0xff)).wrapping_mul(0x0000_0100_0000_01b3);
            rest >>= 8;
            byte += 1;
        }
        i += 1;
    }
    hash
}
