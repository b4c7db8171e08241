//! Memory of graphs: addresses that are fixed when a node is added, and pages that come with the first launch.
//!
//! The pages form one pool per device and process. An executable graph holds as many of them as it needs, from its first
//! launch or upload on; what no executable graph and no live allocation holds goes to the next one that needs some, or back
//! to the device when the pool is trimmed.

use std::collections::hash_map::Entry;

use simulator::books::{PAGE_BYTES, pages_for};
use simulator::client::ReserveError;

use super::{NoMemory, Pages, Space};
use crate::hash::WordMap;

/// An executable graph, by its handle.
pub type Holder = usize;

/// The pool of one device, in pages.
#[derive(Default)]
pub struct GraphMemory {
    reserved: u32,
    used: u32,
    reserved_high: u32,
    used_high: u32,
    /// Pages that each executable graph holds.
    held: WordMap<Holder, u32>,
    /// By first page.
    live: WordMap<u32, Live>,
}

/// An allocation between its allocation node and its end.
struct Live {
    pages: u32,
    /// The executable graph among whose pages these are; none once that has given up its own.
    holder: Option<Holder>,
    /// The node is gone, so the addresses go with the allocation.
    orphan: bool,
}

/// What the pool says of itself, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphFigures {
    /// Held by executable graphs and live allocations.
    pub used: u64,
    /// Highest `used` since it was last reset.
    pub used_high: u64,
    /// Taken from the device.
    pub reserved: u64,
    /// Highest `reserved` since it was last reset.
    pub reserved_high: u64,
}

impl GraphMemory {
    pub fn is_live(&self, page: u32) -> bool {
        self.live.contains_key(&page)
    }

    /// Ends what an executable graph holds, apart from live allocations, which keep their pages.
    fn let_go(&mut self, holder: Holder) {
        let Some(mut pages) = self.held.remove(&holder) else { return };
        for allocation in self.live.values_mut().filter(|live| live.holder == Some(holder)) {
            allocation.holder = None;
            pages -= allocation.pages;
        }
        self.used -= pages;
    }
}

impl Space {
    /// Gives addresses, and nothing else, to an allocation of `bytes` (at least 1) of a graph.
    pub fn place_graph_allocation(&mut self, bytes: u64) -> Result<u64, NoMemory> {
        let page = self.take_addresses(pages_for(bytes), Pages::Graph { bytes })?;
        // Whoever launches the graph may write to it.
        self.pages.mark(page);
        Ok(self.address(page))
    }

    /// Takes the addresses away again, from a live allocation when it ends.
    pub fn remove_graph_allocation(&mut self, address: u64) {
        let Some(page) = self.graph_page(address) else { return };
        match self.graph.live.get_mut(&page) {
            Some(live) => live.orphan = true,
            None => self.give_addresses(page),
        }
    }

    /// Makes sure that an executable graph holds `pages`, as at its launch.
    pub fn hold_for_graph(&mut self, holder: Holder, pages: u32) -> Result<(), NoMemory> {
        let graph = &mut self.graph;
        if pages == 0 || graph.held.contains_key(&holder) {
            return Ok(());
        }
        let idle = graph.reserved - graph.used;
        let missing = pages.saturating_sub(idle);
        if missing > 0 {
            self.simulation.reserve_pages(self.device, missing).map_err(|error| match error {
                ReserveError::OutOfMemory => NoMemory::Full,
                ReserveError::Disconnected => NoMemory::Gone,
            })?;
        }
        graph.held.insert(holder, pages);
        graph.reserved += missing;
        graph.used += pages;
        graph.reserved_high = graph.reserved_high.max(graph.reserved);
        graph.used_high = graph.used_high.max(graph.used);
        Ok(())
    }

    /// An executable graph is gone. Its pages stay in the pool.
    pub fn let_go_of_graph(&mut self, holder: Holder) {
        self.graph.let_go(holder);
    }

    /// What an allocation node does, in pages that `holder` holds.
    pub fn start_graph_allocation(&mut self, holder: Holder, address: u64) {
        let Some(page) = self.graph_page(address) else { return };
        let pages = self.pages.block_at(page).map_or(0, |block| block.length);
        self.graph.live.insert(page, Live { pages, holder: Some(holder), orphan: false });
    }

    /// Whether an allocation of a graph starts at `address`, live or not.
    pub fn is_graph_allocation(&self, address: u64) -> bool {
        self.graph_page(address).is_some()
    }

    /// Whether a live allocation of a graph starts at `address`.
    pub fn is_live_graph_allocation(&self, address: u64) -> bool {
        self.graph_page(address).is_some_and(|page| self.graph.is_live(page))
    }

    /// Ends a live allocation of a graph; false when none starts there.
    pub fn end_graph_allocation(&mut self, address: u64) -> bool {
        let Some(page) = self.graph_page(address) else { return false };
        let Entry::Occupied(found) = self.graph.live.entry(page) else { return false };
        let live = found.remove();
        if live.holder.is_none() {
            self.graph.used -= live.pages;
        }
        self.window.discard(page, live.pages);
        if live.orphan {
            self.give_addresses(page);
        }
        true
    }

    /// Gives the pages that nothing uses back to the device; `idle` says which executable graphs do not run.
    pub fn trim_graph_memory(&mut self, idle: impl Fn(Holder) -> bool) {
        let holders: Vec<_> = self.graph.held.keys().copied().filter(|holder| idle(*holder)).collect();
        holders.into_iter().for_each(|holder| self.graph.let_go(holder));
        let unused = self.graph.reserved - self.graph.used;
        if unused > 0 {
            self.graph.reserved -= unused;
            self.simulation.release_pages(self.device, unused);
        }
    }

    pub fn graph_figures(&self) -> GraphFigures {
        let bytes = |pages| u64::from(pages) * PAGE_BYTES;
        let GraphMemory { reserved, used, reserved_high, used_high, .. } = self.graph;
        GraphFigures {
            used: bytes(used),
            used_high: bytes(used_high),
            reserved: bytes(reserved),
            reserved_high: bytes(reserved_high),
        }
    }

    /// Sets a high mark to what is now.
    pub fn reset_graph_high(&mut self, used: bool) {
        if used {
            self.graph.used_high = self.graph.used;
        } else {
            self.graph.reserved_high = self.graph.reserved;
        }
    }

    fn graph_page(&self, address: u64) -> Option<u32> {
        let (block, offset) = self.locate(address)?;
        (offset == 0 && matches!(Pages::unpack(block.payload), Pages::Graph { .. })).then_some(block.start)
    }

    /// Frees addresses whose pages are counted elsewhere.
    fn give_addresses(&mut self, page: u32) {
        self.pages.free(page);
    }
}
