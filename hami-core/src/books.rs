//! What this process has asked the driver for: its allocations and the pages they touch.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Device memory is taken in pages of this size: what a driver maps at once, and the step in which NVML's figures move.
pub(crate) const PAGE: u64 = 2 << 20;

/// One live allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// Device address.
    pub(crate) start: u64,
    /// Bytes asked for (for pitched memory: pitch × height).
    pub(crate) length: u64,
    /// Number of its device in the region.
    pub(crate) device: usize,
    /// Handle of the context it lives in; it dies with it.
    pub(crate) context: usize,
}

impl Allocation {
    /// Pages that lie wholly inside, as bytes; and the pages that it shares with others, at most one at each end.
    fn pages(&self) -> (u64, [Option<u64>; 2]) {
        let (first, end) = (self.start / PAGE, self.start + self.length);
        let last = (end - 1) / PAGE;
        let head_partial = !self.start.is_multiple_of(PAGE) || (first == last && !end.is_multiple_of(PAGE));
        let tail_partial = first != last && !end.is_multiple_of(PAGE);
        let partial = u64::from(head_partial) + u64::from(tail_partial);
        let whole = (last - first + 1 - partial) * PAGE;
        (whole, [head_partial.then_some(first), tail_partial.then_some(last)])
    }
}

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

type ByAddress<V> = HashMap<u64, V, BuildHasherDefault<AddressHasher>>;

/// The allocations of this process. Each operation takes constant time, however many there are.
#[derive(Debug, Default)]
pub(crate) struct Books {
    allocations: ByAddress<Allocation>,
    /// How many allocations touch a page that is not wholly one allocation's.
    shared_pages: ByAddress<u32>,
}

/// Most bytes that an allocation of this length can newly take, wherever the driver puts it within pages of its own.
pub(crate) fn most(length: u64) -> u64 {
    length.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX)
}

impl Books {
    /// Enters an allocation. Answers how many bytes the device gave for it: whole pages, and a shared page only if no
    /// other allocation of ours touches it yet.
    pub(crate) fn enter(&mut self, allocation: Allocation) -> u64 {
        let (mut taken, partial) = allocation.pages();
        for page in partial.into_iter().flatten() {
            let users = self.shared_pages.entry(page).or_insert(0);
            taken += if *users == 0 { PAGE } else { 0 };
            *users += 1;
        }
        self.allocations.insert(allocation.start, allocation);
        taken
    }

    /// Takes out the allocation at this address, before the driver is asked to free it: once freed, the address may be
    /// another thread's at once. Its pages stay counted until [`freed`](Self::freed).
    pub(crate) fn take_out(&mut self, start: u64) -> Option<Allocation> {
        self.allocations.remove(&start)
    }

    /// Puts back what was taken out, when the driver would not free it.
    pub(crate) fn put_back(&mut self, allocation: Allocation) {
        self.allocations.insert(allocation.start, allocation);
    }

    /// Answers how many bytes the device got back for an allocation that is free now.
    pub(crate) fn freed(&mut self, allocation: Allocation) -> u64 {
        let (mut given, partial) = allocation.pages();
        for page in partial.into_iter().flatten() {
            if let Some(users) = self.shared_pages.get_mut(&page) {
                *users -= 1;
                if *users == 0 {
                    self.shared_pages.remove(&page);
                    given += PAGE;
                }
            }
        }
        given
    }

    /// Strikes out everything that lived in a context. Answers how many bytes of its device came back.
    pub(crate) fn context_gone(&mut self, context: usize) -> u64 {
        let dead: Vec<_> = self.allocations.values().filter(|one| one.context == context).copied().collect();
        dead.into_iter()
            .map(|allocation| {
                self.allocations.remove(&allocation.start);
                self.freed(allocation)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(start: u64, length: u64) -> Allocation {
        Allocation { start, length, device: 0, context: 1 }
    }

    #[test]
    fn whole_pages_count_whole() {
        let mut books = Books::default();
        assert_eq!(books.enter(at(PAGE, PAGE)), PAGE);
        assert_eq!(books.enter(at(2 * PAGE, 3 * PAGE + 1)), 4 * PAGE);
        let out = books.take_out(2 * PAGE).unwrap();
        assert_eq!(books.freed(out), 4 * PAGE);
    }

    #[test]
    fn small_ones_share_a_page() {
        let mut books = Books::default();
        assert_eq!(books.enter(at(PAGE, 512)), PAGE);
        assert_eq!(books.enter(at(PAGE + 512, 512)), 0);
        let first = books.take_out(PAGE).unwrap();
        assert_eq!(books.freed(first), 0);
        assert_eq!(books.context_gone(1), PAGE);
        assert_eq!(books.take_out(PAGE + 512), None);
    }

    proptest! {
        /// The bytes counted are the pages touched, each once.
        #[test]
        fn counts_touched_pages(lengths in prop::collection::vec(1..6 * PAGE, 1..40), gaps in prop::collection::vec(0..PAGE, 40)) {
            let mut books = Books::default();
            let mut touched = std::collections::BTreeSet::new();
            let (mut next, mut sum, mut all) = (PAGE, 0, Vec::new());
            for (length, gap) in lengths.iter().zip(gaps) {
                let one = at(next, *length);
                sum += books.enter(one);
                touched.extend(one.start / PAGE..=(one.start + length - 1) / PAGE);
                prop_assert_eq!(sum, touched.len() as u64 * PAGE);
                all.push(one);
                next += length + gap;
            }
            for one in all {
                let out = books.take_out(one.start).unwrap();
                sum -= books.freed(out);
            }
            prop_assert_eq!(sum, 0);
            prop_assert!(books.shared_pages.is_empty() && books.allocations.is_empty());
        }
    }
}
