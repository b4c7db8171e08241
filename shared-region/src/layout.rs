//! Where every word of a region lies, and which role writes it.
//!
//! Roles: **creator** (before the file has its name), **claimer** (any process, once per device), **owner** (the process
//! that holds a slot), **anybody** (any process of the tenant, by a rule given at the word).
//! A change of this file changes [`LAYOUT_HASH`], and with it which files a build accepts; bump [`VERSION`] too.

use core::mem::{align_of, offset_of, size_of};

use crate::ledger::Record;
use crate::sync::{AtomicU32, AtomicU64, AtomicU128};

/// Devices that one region can account for.
pub const MAX_DEVICES: usize = 32;
/// Processes that can hold device memory in one region at the same time. Slots of the dead are used again.
pub const MAX_SLOTS: usize = 1024;

/// First eight bytes of a region file: "HAMI-RGN" in little-endian order.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"HAMI-RGN");
/// Version of this layout.
pub(crate) const VERSION: u32 = 1;

/// First page of the file.
#[repr(C, align(4096))]
pub(crate) struct Header {
    /// [`MAGIC`]. Writer: creator.
    pub magic: AtomicU64,
    /// [`VERSION`]. Writer: creator.
    pub version: AtomicU32,
    /// Slots ever used, as an upper bound for whoever walks them; only grows. Writer: owner, with `fetch_max`.
    pub slots_used: AtomicU32,
    /// Size of the file in bytes. Writer: creator.
    pub size: AtomicU64,
    /// [`LAYOUT_HASH`]. Writer: creator.
    pub layout_hash: AtomicU64,
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
}

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
    offset_of!(Header, magic),
    offset_of!(Header, version),
    offset_of!(Header, slots_used),
    offset_of!(Header, size),
    offset_of!(Header, layout_hash),
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

/// What a new file begins with; the rest of it is zeros.
pub(crate) fn first_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut put = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
    put(offset_of!(Header, magic), &MAGIC.to_ne_bytes());
    put(offset_of!(Header, version), &VERSION.to_ne_bytes());
    put(offset_of!(Header, size), &(SIZE as u64).to_ne_bytes());
    put(offset_of!(Header, layout_hash), &LAYOUT_HASH.to_ne_bytes());
    bytes
}

/// FNV-1a, 64 bits, over the numbers' bytes.
const fn fnv1a(numbers: &[usize]) -> u64 {
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
