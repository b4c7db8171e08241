//! Finds room: a best-fit allocator of integer positions with boundary tags. It holds no memory, only numbers.
//!
//! Positions are grouped in spans; blocks never cross the border of a span. Allocation and release cost the same however
//! many blocks are live: free blocks of up to [`EXACT`] units are found in lists by length, longer ones in an ordered list.

/// Longest free block that has a list of its own length.
const EXACT: u32 = 4096;
const WORDS: usize = EXACT as usize / 64 + 1;
const NIL: u32 = u32::MAX;

const FREE: u32 = 1;
const USED: u32 = 2;
/// The position is the last of a free block; its length stands there too.
const TAIL: u32 = 4;
/// The position is the first of a span. Survives every change of the block that starts there.
const SPAN: u32 = 8;
/// Set by the user of a live block, see [`Blocks::mark`].
const MARK: u32 = 16;

/// Per position: length, two words (list links of a free block, payload of a used one), state. An array, so that a long
/// vector of zeros comes from the kernel untouched.
type Node = [u32; 4];
const LENGTH: usize = 0;
const LOW: usize = 1;
const HIGH: usize = 2;
const STATE: usize = 3;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First position.
    pub start: u32,
    /// Number of positions.
    pub length: u32,
    /// What was given to [`Blocks::allocate`].
    pub payload: u64,
    /// Whether [`Blocks::mark`] was called on it.
    pub marked: bool,
}

/// The allocator.
pub struct Blocks {
    nodes: Vec<Node>,
    /// One bit per position: a live block starts there.
    starts: Vec<u64>,
    heads: Vec<u32>,
    /// One bit per length: its list is not empty; and one bit per word of that.
    lists: [u64; WORDS],
    summary: u128,
    /// Length and start of the longer ones, in order. There are few: each is longer than [`EXACT`].
    long: Vec<(u32, u32)>,
}

impl Blocks {
    /// No positions yet.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            starts: Vec::new(),
            heads: vec![NIL; EXACT as usize + 1],
            lists: [0; WORDS],
            summary: 0,
            long: Vec::new(),
        }
    }

    /// One span of `length` positions from 0 on. Costs memory only for the positions that are used.
    pub fn with_span(length: u32) -> Self {
        let mut blocks = Self::new();
        blocks.nodes = vec![[0; 4]; length as usize];
        blocks.starts = vec![0; (length as usize).div_ceil(64)];
        blocks.open_span(0, length);
        blocks
    }

    /// Adds a span of `length` positions at the end; returns its first position.
    pub fn add_span(&mut self, length: u32) -> u32 {
        let start = self.nodes.len() as u32;
        self.nodes.resize(self.nodes.len() + length as usize, [0; 4]);
        self.starts.resize(self.nodes.len().div_ceil(64), 0);
        self.open_span(start, length);
        start
    }

    /// Makes the positions of a span that [`Self::close_span`] closed, or that are new, free.
    pub fn open_span(&mut self, start: u32, length: u32) {
        self.nodes[start as usize][STATE] = SPAN;
        self.insert_free(start, length);
    }

    /// Takes a span out of use if nothing in it is live; returns whether it did.
    pub fn close_span(&mut self, start: u32, length: u32) -> bool {
        let node = self.nodes[start as usize];
        let empty = node[STATE] & FREE != 0 && node[LENGTH] == length;
        if empty {
            self.remove_free(start);
        }
        empty
    }

    /// Takes `length` positions (at least 1) from the shortest free block that is long enough.
    pub fn allocate(&mut self, length: u32, payload: u64) -> Option<u32> {
        let start = self.find(length)?;
        let found = self.nodes[start as usize][LENGTH];
        self.remove_free(start);
        if found > length {
            self.insert_free(start + length, found - length);
        }
        let node = &mut self.nodes[start as usize];
        *node = [length, payload as u32, (payload >> 32) as u32, (node[STATE] & SPAN) | USED];
        self.starts[start as usize / 64] |= 1 << (start % 64);
        Some(start)
    }

    /// Frees the live block that starts at `start`, or says that none does.
    pub fn free(&mut self, start: u32) -> Option<Block> {
        let block = self.block_at(start)?;
        self.starts[start as usize / 64] &= !(1 << (start % 64));
        self.nodes[start as usize][STATE] &= SPAN;
        let (mut from, mut length) = (start, block.length);
        if self.nodes[from as usize][STATE] & SPAN == 0 {
            let before = self.nodes[from as usize - 1];
            if before[STATE] & TAIL != 0 {
                from -= before[LENGTH];
                length += before[LENGTH];
                self.remove_free(from);
            }
        }
        let after = start + block.length;
        if let Some(next) = self.nodes.get(after as usize).copied()
            && next[STATE] & FREE != 0
            && next[STATE] & SPAN == 0
        {
            self.remove_free(after);
            length += next[LENGTH];
        }
        self.insert_free(from, length);
        Some(block)
    }

    /// The live block that starts at `start`.
    pub fn block_at(&self, start: u32) -> Option<Block> {
        let node = self.nodes.get(start as usize).filter(|node| node[STATE] & USED != 0)?;
        let payload = u64::from(node[LOW]) | u64::from(node[HIGH]) << 32;
        Some(Block { start, length: node[LENGTH], payload, marked: node[STATE] & MARK != 0 })
    }

    /// The live block that holds `position`.
    pub fn containing(&self, position: u32) -> Option<Block> {
        let mut word = position as usize / 64;
        // Starts at or before `position`.
        let mut bits = *self.starts.get(word)? & (u64::MAX >> (63 - position % 64));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.starts[word];
        }
        let start = word as u32 * 64 + 63 - bits.leading_zeros();
        self.block_at(start).filter(|block| position - start < block.length)
    }

    /// Sets the mark of the live block that starts at `start`.
    pub fn mark(&mut self, start: u32) {
        self.nodes[start as usize][STATE] |= MARK;
    }

    /// Replaces what was given to [`Self::allocate`] for the live block that starts at `start`.
    pub fn set_payload(&mut self, start: u32, payload: u64) {
        let node = &mut self.nodes[start as usize];
        (node[LOW], node[HIGH]) = (payload as u32, (payload >> 32) as u32);
    }

    /// Every live block, in order of position.
    pub fn live(&self) -> impl Iterator<Item = Block> {
        self.starts.iter().enumerate().flat_map(move |(word, bits)| {
            let mut rest = *bits;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    word as u32 * 64 + bit
                })
            })
            .filter_map(|start| self.block_at(start))
        })
    }

    fn find(&self, length: u32) -> Option<u32> {
        if length <= EXACT {
            let word = length as usize / 64;
            let here = self.lists[word] & (u64::MAX << (length % 64));
            if here != 0 {
                return Some(self.heads[word * 64 + here.trailing_zeros() as usize]);
            }
            let above = self.summary & (u128::MAX << word << 1);
            if above != 0 {
                let word = above.trailing_zeros() as usize;
                return Some(self.heads[word * 64 + self.lists[word].trailing_zeros() as usize]);
            }
        }
        let first = self.long.partition_point(|block| *block < (length, 0));
        self.long.get(first).map(|block| block.1)
    }

    fn insert_free(&mut self, start: u32, length: u32) {
        let state = (self.nodes[start as usize][STATE] & SPAN) | FREE;
        self.nodes[start as usize] = [length, NIL, NIL, state];
        let last = &mut self.nodes[(start + length - 1) as usize];
        last[LENGTH] = length;
        last[STATE] |= TAIL;
        if length > EXACT {
            let place = self.long.partition_point(|block| *block < (length, start));
            self.long.insert(place, (length, start));
            return;
        }
        let head = self.heads[length as usize];
        self.nodes[start as usize][HIGH] = head;
        if head != NIL {
            self.nodes[head as usize][LOW] = start;
        }
        self.heads[length as usize] = start;
        self.lists[length as usize / 64] |= 1 << (length % 64);
        self.summary |= 1 << (length / 64);
    }

    fn remove_free(&mut self, start: u32) {
        let [length, previous, next, state] = self.nodes[start as usize];
        self.nodes[(start + length - 1) as usize][STATE] &= SPAN;
        self.nodes[start as usize][STATE] = state & SPAN;
        if length > EXACT {
            if let Ok(place) = self.long.binary_search(&(length, start)) {
                self.long.remove(place);
            }
            return;
        }
        if next != NIL {
            self.nodes[next as usize][LOW] = previous;
        }
        if previous != NIL {
            self.nodes[previous as usize][HIGH] = next;
            return;
        }
        self.heads[length as usize] = next;
        if next == NIL {
            let word = length as usize / 64;
            self.lists[word] &= !(1 << (length % 64));
            if self.lists[word] == 0 {
                self.summary &= !(1 << word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain map of live blocks: no overlap, exact lookups, and everything merges back when all is freed.
        #[test]
        fn blocks_never_overlap_and_merge_back(steps in prop::collection::vec((0..3u8, 1..700u32, any::<prop::sample::Index>()), 1..200)) {
            let spans = [6000u32, 300, 5000];
            let mut blocks = Blocks::new();
            let starts = spans.map(|length| blocks.add_span(length));
            let mut live: Vec<(u32, u32)> = Vec::new();
            for (kind, length, pick) in steps {
                if kind < 2 || live.is_empty() {
                    if let Some(start) = blocks.allocate(length, u64::from(length) << 20) {
                        let end = start + length;
                        prop_assert!(live.iter().all(|&(s, l)| end <= s || s + l <= start), "overlap");
                        prop_assert!(starts.iter().zip(spans).any(|(&s, l)| s <= start && end <= s + l), "crosses a span");
                        live.push((start, length));
                    } else {
                        for (&start, size) in starts.iter().zip(spans) {
                            let mut inside: Vec<_> = live.iter().filter(|b| b.0 >= start && b.0 < start + size).collect();
                            inside.sort();
                            let mut end = start;
                            for (s, l) in inside {
                                prop_assert!(s - end < length, "there was room at {}", end);
                                end = s + l;
                            }
                            prop_assert!(start + size - end < length, "there was room at {}", end);
                        }
                    }
                } else {
                    let (start, length) = live.swap_remove(pick.index(live.len()));
                    let block = blocks.free(start).expect("live");
                    prop_assert_eq!((block.length, block.payload), (length, u64::from(length) << 20));
                    prop_assert_eq!(blocks.free(start), None);
                }
                for &(start, length) in &live {
                    prop_assert_eq!(blocks.containing(start + length - 1).map(|b| b.start), Some(start));
                }
                prop_assert_eq!(blocks.live().count(), live.len());
            }
            for (start, _) in live {
                blocks.free(start).expect("live");
            }
            for (start, length) in starts.into_iter().zip(spans) {
                prop_assert!(blocks.close_span(start, length), "span {} did not merge", length);
            }
            prop_assert_eq!(blocks.allocate(1, 0), None);
        }
    }

    #[test]
    fn the_shortest_block_that_fits_is_taken() {
        let mut blocks = Blocks::new();
        let long = blocks.add_span(5000);
        let short = blocks.add_span(10);
        assert_eq!(blocks.allocate(10, 0), Some(short));
        assert_eq!(blocks.allocate(10, 0), Some(long));
        assert_eq!(blocks.allocate(4991, 0), None);
        assert_eq!(blocks.allocate(4990, 0), Some(long + 10));
    }
}
