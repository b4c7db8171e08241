//! Small allocations of one context: 512-byte units in shared pages, so-called slabs.

use simulator::books::PAGE_BYTES;

use super::UNIT;
use super::blocks::{Block, Blocks};

/// Units in one page.
const SLAB_UNITS: u32 = (PAGE_BYTES / UNIT) as u32;

/// Where small allocations lie. Knows slab numbers; which page a slab is on, its user says.
pub struct Slabs {
    units: Blocks,
    pages: Vec<u32>,
    closed: Vec<u32>,
}

impl Slabs {
    pub fn new() -> Self {
        Self { units: Blocks::new(), pages: Vec::new(), closed: Vec::new() }
    }

    /// Places `bytes` in a slab that has room: page and byte offset in it.
    pub fn allocate(&mut self, bytes: u64) -> Option<(u32, u64)> {
        let unit = self.units.allocate(bytes.div_ceil(UNIT) as u32, bytes)?;
        Some((self.pages[(unit / SLAB_UNITS) as usize], u64::from(unit % SLAB_UNITS) * UNIT))
    }

    /// Number of the next slab that [`Self::open`] will make.
    pub fn next_slab(&self) -> u32 {
        self.closed.last().copied().unwrap_or(self.pages.len() as u32)
    }

    /// Makes `page` a slab.
    pub fn open(&mut self, page: u32) {
        if let Some(slab) = self.closed.pop() {
            self.pages[slab as usize] = page;
            self.units.open_span(slab * SLAB_UNITS, SLAB_UNITS);
        } else {
            self.pages.push(page);
            self.units.add_span(SLAB_UNITS);
        }
    }

    /// Frees what starts at `offset` in `slab`: `None` when nothing does, else whether the slab is now empty and closed.
    pub fn free(&mut self, slab: u32, offset: u64) -> Option<bool> {
        if !offset.is_multiple_of(UNIT) {
            return None;
        }
        self.units.free(slab * SLAB_UNITS + (offset / UNIT) as u32)?;
        let empty = self.units.close_span(slab * SLAB_UNITS, SLAB_UNITS);
        if empty {
            self.closed.push(slab);
        }
        Some(empty)
    }

    /// What lies at `offset` in `slab`: its offset and size in bytes.
    pub fn find(&self, slab: u32, offset: u64) -> Option<(u64, u64)> {
        let Block { start, payload, .. } = self.units.containing(slab * SLAB_UNITS + (offset / UNIT) as u32)?;
        Some((u64::from(start % SLAB_UNITS) * UNIT, payload))
    }
}
