//! What this process has asked the driver for: its allocations and the pages they touch.

/// Maps by address or handle.
mod by_address;
/// Things with a handle that live in a context: arrays.
mod objects;
/// Physical memory that is made, mapped and shared on its own.
mod physical;

pub(crate) use by_address::AddressMap;
use by_address::{ALLOCATION_PARTS, ByAddress, PAGE_PARTS};
pub(crate) use objects::{Object, Objects};
pub(crate) use physical::{Back, Piece, Pieces};

/// Device memory is taken in pages of this size: what a driver maps at once, and the step in which NVML's figures move.
pub(crate) const PAGE: u64 = 2 << 20;

/// One live allocation of linear memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// Bytes asked for (for pitched memory: pitch × height).
    pub(crate) length: u64,
    /// Handle of the context it lives in; it dies with it.
    pub(crate) context: usize,
    /// Number of its device in the region.
    pub(crate) device: u32,
}

/// Number of a pool in this process's books; never used twice, as a handle may be. 0 is none.
pub(crate) type PoolNumber = u32;

/// What stands at an address: linear memory, or memory of a pool. One map for both, since the driver gives an address that
/// one family has freed to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// For a pool's memory: all 0.
    linear: Allocation,
    /// 0 for linear memory.
    pool: PoolNumber,
}

/// What was struck out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Struck {
    /// Linear memory: its device, and how many bytes that got back.
    Linear(usize, u64),
    /// An allocation of this pool.
    Pool(PoolNumber),
}

/// Pages that lie wholly inside `length` bytes from `start`, as bytes; and the pages that these bytes may share with
/// others, at most one at each end.
fn pages(start: u64, length: u64) -> (u64, [Option<u64>; 2]) {
    let (first, end) = (start / PAGE, start + length);
    let last = (end - 1) / PAGE;
    let head_partial = !start.is_multiple_of(PAGE) || (first == last && !end.is_multiple_of(PAGE));
    let tail_partial = first != last && !end.is_multiple_of(PAGE);
    let partial = u64::from(head_partial) + u64::from(tail_partial);
    let whole = (last - first + 1 - partial) * PAGE;
    (whole, [head_partial.then_some(first), tail_partial.then_some(last)])
}

/// The allocations of this process. Each operation takes constant time, however many there are.
#[derive(Debug)]
pub(crate) struct Books {
    allocations: ByAddress<Entry>,
    /// How many allocations touch a page that is not wholly one allocation's.
    shared_pages: ByAddress<u32>,
    /// Allocations that the driver has freed and whose address it has given away again, before the thread that freed
    /// them came to say so. Nearly always empty.
    overtaken: Vec<(u64, Entry)>,
    /// Contexts that the driver is asked to end just now, and those of their allocations whose address has been given away
    /// again meanwhile: no thread will come for these, unless the context stays. Nearly always empty.
    dying: Vec<(usize, Vec<(u64, Entry)>)>,
}

/// Most bytes that an allocation of this length can newly take, wherever the driver puts it within pages of its own.
pub(crate) fn most(length: u64) -> u64 {
    length.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX)
}

impl Default for Books {
    fn default() -> Self {
        let (allocations, shared_pages) = (ByAddress::of(ALLOCATION_PARTS), ByAddress::of(PAGE_PARTS));
        Self { allocations, shared_pages, overtaken: Vec::new(), dying: Vec::new() }
    }
}

impl Books {
    /// Enters an allocation at `start`. Answers how many bytes the device gave for it: whole pages, and a shared page
    /// only if no other allocation of ours touches it yet.
    pub(crate) fn enter(&mut self, start: u64, allocation: Allocation) -> u64 {
        self.put(start, Entry { linear: allocation, pool: 0 });
        let (mut taken, partial) = pages(start, allocation.length);
        for page in partial.into_iter().flatten() {
            let users = self.shared_pages.part(page).entry(page).or_insert(0);
            taken += if *users == 0 { PAGE } else { 0 };
            *users += 1;
        }
        taken
    }

    /// Enters an allocation of a pool at `start`.
    pub(crate) fn enter_of_pool(&mut self, start: u64, pool: PoolNumber) {
        self.put(start, Entry { linear: Allocation { length: 0, context: 0, device: 0 }, pool });
    }

    #[inline]
    fn put(&mut self, start: u64, entry: Entry) {
        if let Some(freed) = self.allocations.part(start).insert(start, entry) {
            self.overtake(start, freed);
        }
    }

    #[cold]
    fn overtake(&mut self, start: u64, freed: Entry) {
        let dying = self.dying.iter_mut().find(|(context, _)| freed.pool == 0 && *context == freed.linear.context);
        match dying {
            Some((_, overtaken)) => overtaken.push((start, freed)),
            None => self.overtaken.push((start, freed)),
        }
    }

    /// Strikes out what is at `start` and the driver has freed; `None` if it is not ours.
    pub(crate) fn strike(&mut self, start: u64) -> Option<Struck> {
        let overtaken = self.overtaken.iter().position(|(overtaken, _)| *overtaken == start);
        let Entry { linear, pool } = match overtaken {
            Some(at) => self.overtaken.remove(at).1, // in order: the oldest of an address first
            None => self.allocations.part(start).remove(&start)?,
        };
        if pool != 0 {
            return Some(Struck::Pool(pool));
        }
        Some(Struck::Linear(linear.device as usize, self.pages_back(start, linear.length)))
    }

    fn pages_back(&mut self, start: u64, length: u64) -> u64 {
        let (mut given, partial) = pages(start, length);
        for page in partial.into_iter().flatten() {
            let part = self.shared_pages.part(page);
            if let Some(users) = part.get_mut(&page) {
                *users -= 1;
                if *users == 0 {
                    part.remove(&page);
                    given += PAGE;
                }
            }
        }
        given
    }

    /// The driver is about to be asked to end a context; [`context_gone`](Self::context_gone) or
    /// [`context_stays`](Self::context_stays) follows.
    pub(crate) fn context_may_go(&mut self, context: usize) {
        self.dying.push((context, Vec::new()));
    }

    /// The context lives on: threads will come for what was freed in it.
    pub(crate) fn context_stays(&mut self, context: usize) {
        if let Some(at) = self.dying.iter().position(|(dying, _)| *dying == context) {
            let (_, overtaken) = self.dying.swap_remove(at);
            self.overtaken.extend(overtaken);
        }
    }

    /// Strikes out everything that lived in a context. Answers how many bytes of its device came back.
    pub(crate) fn context_gone(&mut self, context: usize) -> u64 {
        let of_it = |entry: &Entry| entry.pool == 0 && entry.linear.context == context;
        let mut dead: Vec<(u64, Entry)> = Vec::new();
        while let Some(at) = self.dying.iter().position(|(dying, _)| *dying == context) {
            dead.extend(self.dying.swap_remove(at).1);
        }
        dead.extend(self.overtaken.extract_if(.., |(_, entry)| of_it(entry)));
        for part in &mut self.allocations.parts {
            dead.extend(part.extract_if(|_, entry| of_it(entry)));
        }
        dead.into_iter().map(|(start, entry)| self.pages_back(start, entry.linear.length)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(length: u64) -> Allocation {
        Allocation { length, context: 1, device: 0 }
    }

    #[test]
    fn whole_pages_count_whole() {
        let mut books = Books::default();
        assert_eq!(books.enter(PAGE, of(PAGE)), PAGE);
        assert_eq!(books.enter(2 * PAGE, of(3 * PAGE + 1)), 4 * PAGE);
        assert_eq!(books.strike(2 * PAGE), Some(Struck::Linear(0, 4 * PAGE)));
        assert_eq!(books.strike(2 * PAGE), None);
    }

    #[test]
    fn small_ones_share_a_page() {
        let mut books = Books::default();
        assert_eq!(books.enter(PAGE, of(512)), PAGE);
        assert_eq!(books.enter(PAGE + 512, of(512)), 0);
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, 0)));
        assert_eq!(books.context_gone(1), PAGE);
        assert_eq!(books.strike(PAGE + 512), None);
    }

    #[test]
    fn an_address_given_away_again_at_once_is_two_allocations() {
        let mut books = Books::default();
        assert_eq!(books.enter(PAGE, of(PAGE)), PAGE);
        // The driver has freed it and given it away again; the thread that freed it comes last.
        assert_eq!(books.enter(PAGE, of(2 * PAGE)), 2 * PAGE);
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, PAGE)));
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, 2 * PAGE)));
        assert_eq!(books.strike(PAGE), None);
    }

    #[test]
    fn a_context_takes_its_own_along_even_where_an_address_was_given_away_again() {
        let mut books = Books::default();
        books.enter(PAGE, of(PAGE));
        books.context_may_go(1);
        books.enter(PAGE, Allocation { length: 2 * PAGE, context: 2, device: 0 });
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, 2 * PAGE)));
        assert_eq!(books.context_gone(1), PAGE);
        assert_eq!((books.strike(PAGE), books.context_gone(2)), (None, 0));
    }

    #[test]
    fn one_address_goes_from_family_to_family() {
        let mut books = Books::default();
        books.enter(PAGE, of(PAGE));
        books.enter_of_pool(PAGE, 7);
        books.enter(PAGE, Allocation { length: 2 * PAGE, context: 2, device: 0 });
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, PAGE)));
        assert_eq!(books.strike(PAGE), Some(Struck::Pool(7)));
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, 2 * PAGE)));
        assert_eq!(books.strike(PAGE), None);
    }

    #[test]
    fn a_pool_that_gets_a_dead_contexts_address_keeps_it() {
        let mut books = Books::default();
        books.enter(PAGE, of(PAGE));
        books.context_may_go(1);
        books.enter_of_pool(PAGE, 7);
        assert_eq!(books.strike(PAGE), Some(Struck::Pool(7)));
        assert_eq!(books.context_gone(1), PAGE);
    }

    #[test]
    fn a_context_that_stays_leaves_its_freed_memory_to_who_freed_it() {
        let mut books = Books::default();
        books.enter(PAGE, of(PAGE));
        books.context_may_go(1);
        // Freed by a thread that is still on its way, and given away again.
        books.enter(PAGE, of(2 * PAGE));
        books.context_stays(1);
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, PAGE)));
        assert_eq!(books.strike(PAGE), Some(Struck::Linear(0, 2 * PAGE)));
        assert_eq!(books.strike(PAGE), None);
    }

    proptest! {
        /// The bytes counted are the pages touched, each once.
        #[test]
        fn counts_touched_pages(
            lengths in prop::collection::vec(1..6 * PAGE, 1..40),
            gaps in prop::collection::vec(0..PAGE, 40),
        ) {
            let mut books = Books::default();
            let mut touched = std::collections::BTreeSet::new();
            let (mut next, mut sum, mut all) = (PAGE, 0, Vec::new());
            for (length, gap) in lengths.into_iter().zip(gaps) {
                sum += books.enter(next, of(length));
                touched.extend(next / PAGE..=(next + length - 1) / PAGE);
                prop_assert_eq!(sum, touched.len() as u64 * PAGE);
                all.push(next);
                next += length + gap;
            }
            for start in all {
                let Some(Struck::Linear(_, back)) = books.strike(start) else { unreachable!() };
                sum -= back;
            }
            prop_assert_eq!(sum, 0);
            prop_assert!(books.shared_pages.parts.iter().all(std::collections::HashMap::is_empty));
        }
    }
}
