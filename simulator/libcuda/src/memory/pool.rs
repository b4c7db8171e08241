//! One stream-ordered pool: chunks of device memory in which allocations of 512-byte units are placed.

use std::collections::BTreeMap;

use simulator::books::PAGE_BYTES;

use super::UNIT;
use super::blocks::{Block, Blocks};

/// A pool within the space of its device.
pub type PoolId = u32;

/// Pages by which a pool grows at least: 32 MiB.
const CHUNK_PAGES: u32 = 16;
const PAGE_UNITS: u32 = (PAGE_BYTES / UNIT) as u32;

/// What a pool says of itself, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Taken from the device.
    pub reserved: u64,
    /// Highest `reserved` since it was last reset.
    pub reserved_high: u64,
    /// In live allocations, in units of 512 bytes.
    pub used: u64,
    /// Highest `used` since it was last reset.
    pub used_high: u64,
    /// What may stay reserved at a synchronisation.
    pub release_threshold: u64,
}

/// One run of device pages in a pool.
#[derive(Clone, Copy)]
pub struct Chunk {
    pub page: u32,
    pub pages: u32,
    /// First unit in the pool's numbering.
    unit: u32,
}

/// The pool's books; it asks for chunks and never takes them itself.
#[derive(Default)]
pub struct Pool {
    units: Option<Blocks>,
    chunks: Vec<Option<Chunk>>,
    by_unit: BTreeMap<u32, u32>,
    closed: Vec<(u32, u32)>,
    pub figures: PoolFigures,
    /// Most bytes that it may reserve; 0 stands for no limit.
    most: u64,
    /// The handle is gone; the pool goes when its last allocation does.
    pub doomed: bool,
}

impl Pool {
    /// A pool that reserves at most `most` bytes; 0 stands for no limit.
    pub fn limited(most: u64) -> Self {
        Self { most, ..Self::default() }
    }

    /// Pages of the chunk that an allocation of `bytes` needs when there is no room; `None` if the pool may not grow so far.
    pub fn growth(&self, bytes: u64) -> Option<u64> {
        let least = bytes.div_ceil(PAGE_BYTES);
        let wanted = least.next_multiple_of(u64::from(CHUNK_PAGES));
        if self.most == 0 {
            return Some(wanted);
        }
        let left = self.most.div_ceil(PAGE_BYTES).saturating_sub(self.figures.reserved / PAGE_BYTES);
        (least <= left).then_some(wanted.min(left))
    }

    /// Places `bytes` where there is room: page and byte offset from its start.
    pub fn allocate(&mut self, bytes: u64) -> Option<(u32, u64)> {
        let length = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        let unit = self.units.as_mut()?.allocate(length, bytes)?;
        self.figures.used += u64::from(length) * UNIT;
        self.figures.used_high = self.figures.used_high.max(self.figures.used);
        let (_, &number) = self.by_unit.range(..=unit).next_back()?;
        let chunk = self.chunks[number as usize]?;
        Some((chunk.page, u64::from(unit - chunk.unit) * UNIT))
    }

    /// Number of the next chunk that [`Self::grow`] will make.
    pub fn next_chunk(&self) -> u32 {
        self.chunks.iter().position(Option::is_none).unwrap_or(self.chunks.len()) as u32
    }

    /// Adds `pages` pages from `page` on.
    pub fn grow(&mut self, page: u32, pages: u32) {
        let units = self.units.get_or_insert_with(Blocks::new);
        let length = pages * PAGE_UNITS;
        let unit = match self.closed.iter().position(|&(_, l)| l == length) {
            Some(found) => {
                let (unit, _) = self.closed.swap_remove(found);
                units.open_span(unit, length);
                unit
            }
            None => units.add_span(length),
        };
        let number = self.next_chunk();
        if number as usize == self.chunks.len() {
            self.chunks.push(None);
        }
        self.chunks[number as usize] = Some(Chunk { page, pages, unit });
        self.by_unit.insert(unit, number);
        self.figures.reserved += u64::from(pages) * PAGE_BYTES;
        self.figures.reserved_high = self.figures.reserved_high.max(self.figures.reserved);
    }

    /// Frees what starts at byte `offset` of a chunk; false when nothing does.
    pub fn free(&mut self, chunk: u32, offset: u64) -> bool {
        let (Some(unit), Some(units)) = (self.unit_at(chunk, offset), self.units.as_mut()) else { return false };
        if !offset.is_multiple_of(UNIT) {
            return false;
        }
        let freed = units.free(unit);
        self.figures.used -= freed.map_or(0, |block| u64::from(block.length) * UNIT);
        freed.is_some()
    }

    /// What lies at byte `offset` of a chunk: its offset and size in bytes.
    pub fn find(&self, chunk: u32, offset: u64) -> Option<(u64, u64)> {
        let unit = self.unit_at(chunk, offset)?;
        let Block { start, payload, .. } = self.units.as_ref()?.containing(unit)?;
        Some((offset - offset % UNIT - u64::from(unit - start) * UNIT, payload))
    }

    /// Gives up empty chunks, newest first: those for which `may_go` holds of the bytes reserved with and without it.
    pub fn shrink(&mut self, may_go: impl Fn(u64, u64) -> bool) -> Vec<Chunk> {
        let mut given_up = Vec::new();
        let Some(units) = self.units.as_mut() else { return given_up };
        for slot in self.chunks.iter_mut().rev() {
            let Some(chunk) = *slot else { continue };
            let bytes = u64::from(chunk.pages) * PAGE_BYTES;
            let (with, without) = (self.figures.reserved, self.figures.reserved - bytes);
            if may_go(with, without) && units.close_span(chunk.unit, chunk.pages * PAGE_UNITS) {
                *slot = None;
                self.by_unit.remove(&chunk.unit);
                self.closed.push((chunk.unit, chunk.pages * PAGE_UNITS));
                self.figures.reserved = without;
                given_up.push(chunk);
            }
        }
        given_up
    }

    fn unit_at(&self, chunk: u32, offset: u64) -> Option<u32> {
        let chunk = (*self.chunks.get(chunk as usize)?)?;
        Some(chunk.unit + (offset / UNIT) as u32)
    }
}
