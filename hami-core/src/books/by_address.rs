//! Maps by address or handle: constant time, and no pause when they grow.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hash for addresses: they differ in their middle bits, and nobody chooses them to do harm.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // Fibonacci hashing; the fold brings the well-mixed upper half down to where the table looks.
        let product = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

/// A map by address or handle.
pub(crate) type AddressMap<V> = HashMap<u64, V, BuildHasherDefault<AddressHasher>>;

/// A map that grows a little at a time: a table of a million entries would stop a caller for milliseconds when it
/// doubles, one of its many small parts does not.
#[derive(Debug)]
pub(super) struct ByAddress<V> {
    pub(super) parts: Box<[AddressMap<V>]>,
}

/// Parts of the allocations' map; at a million entries each doubles at some four thousand.
pub(super) const ALLOCATION_PARTS: usize = 256;
/// Parts of the pages' map; a page is shared by many allocations.
pub(super) const PAGE_PARTS: usize = 32;

impl<V> ByAddress<V> {
    pub(super) fn of(parts: usize) -> Self {
        Self { parts: (0..parts).map(|_| HashMap::default()).collect() }
    }

    #[inline]
    pub(super) fn part(&mut self, address: u64) -> &mut AddressMap<V> {
        // Other bits of the product than the ones that a part's own table looks at.
        let product = address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = self.parts.len();
        &mut self.parts[(product >> 40) as usize % count]
    }
}
