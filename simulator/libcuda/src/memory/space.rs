//! The device memory that this process has on one device: every allocation, by address, and the pages behind it.

mod shared;

mod graph;

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use simulator::books::{PAGE_BYTES, pages_for};
use simulator::client::{ReserveError, Simulation};
use simulator::protocol::Key;

use super::blocks::{Block, Blocks};
use super::pool::{Pool, PoolFigures, PoolId};
use super::slab::Slabs;
use super::window::Window;
use super::{NoMemory, WHOLE_PAGES_FROM};
use crate::hash::WordMap;

use graph::GraphMemory;
pub use graph::Holder;

/// Addresses per byte of device memory, so that a hole of the right size is always found however the memory is cut up.
const ADDRESS_FACTOR: u64 = 4;
/// Where addresses are scarce, a device gets at least these pages of them (1 GiB), or as many as it has memory.
const LEAST_PAGES: u32 = 512;
/// Pages at addresses of 32 bits, per device: 256 MiB.
const LOW_PAGES: u32 = 128;
/// The part of the windows that must still be left for other use: a process without any address could do nothing more.
const SPARE_SHARE: u32 = 8;

/// Who owns an allocation: the number of a context.
pub type Owner = u32;

/// A live allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// First address.
    pub base: u64,
    /// Size in bytes, as it was asked for.
    pub bytes: u64,
    /// What it was allocated from.
    pub source: Source,
}

/// What an allocation was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Device memory of a context.
    Device(Owner),
    /// Managed memory of a context.
    Managed(Owner),
    /// A pool.
    Pool(PoolId),
    /// An allocation node of a graph.
    Graph,
}

/// What a run of pages holds; packed into the 64-bit payload of its block.
#[derive(Clone, Copy)]
enum Pages {
    Whole {
        owner: Owner,
        managed: bool,
        bytes: u64,
    },
    Slab {
        owner: Owner,
        managed: bool,
        slab: u32,
    },
    Chunk {
        pool: PoolId,
        chunk: u32,
    },
    /// An allocation of a graph, live or not.
    Graph {
        bytes: u64,
    },
    /// Memory without an address of its own, see [`super::Physical`]. What is at these addresses is reached elsewhere.
    Physical,
}

/// What lies elsewhere of a run of pages.
#[derive(Clone, Copy)]
enum Apart {
    /// As many pages of managed memory lie on the host.
    Host(u32),
    /// An array: it takes all its pages, and no address of it is the program's.
    Array,
    /// All of it lies in the memory of its module, which has been taken already.
    Module,
}

/// See the module.
pub struct Space {
    simulation: &'static Simulation,
    /// Position among all devices of the simulation.
    device: usize,
    window: Window,
    pages: Blocks,
    /// By first page: runs that take fewer pages of the device than they have addresses.
    apart: WordMap<u32, Apart>,
    slabs: WordMap<(Owner, bool), Slabs>,
    pools: WordMap<PoolId, Pool>,
    graph: GraphMemory,
    /// By first page: runs that other processes may open.
    shared: WordMap<u32, Key>,
    /// Runs that were freed here while other processes held them, and their objects.
    left: Vec<(u32, u64)>,
}

impl Pages {
    const OWNER_BITS: u32 = 21;
    const VALUE_BITS: u32 = 40;

    fn pack(self) -> u64 {
        let (kind, owner, value) = match self {
            Self::Whole { owner, managed, bytes } => (u64::from(managed), owner, bytes),
            Self::Slab { owner, managed, slab } => (2 + u64::from(managed), owner, u64::from(slab)),
            Self::Chunk { pool, chunk } => (4, pool, u64::from(chunk)),
            Self::Physical => (5, 0, 0),
            Self::Graph { bytes } => (6, 0, bytes),
        };
        (kind << (Self::OWNER_BITS + Self::VALUE_BITS)) | (u64::from(owner) << Self::VALUE_BITS) | value
    }

    fn unpack(word: u64) -> Self {
        let value = word & ((1 << Self::VALUE_BITS) - 1);
        let owner = (word >> Self::VALUE_BITS) as u32 & ((1 << Self::OWNER_BITS) - 1);
        match word >> (Self::OWNER_BITS + Self::VALUE_BITS) {
            kind @ 0..=1 => Self::Whole { owner, managed: kind == 1, bytes: value },
            kind @ 2..=3 => Self::Slab { owner, managed: kind == 3, slab: value as u32 },
            4 => Self::Chunk { pool: owner, chunk: value as u32 },
            6 => Self::Graph { bytes: value },
            _ => Self::Physical,
        }
    }
}

impl Space {
    /// A space for each of `devices`, empty.
    ///
    /// A process may be short of addresses, by a resource limit or under an emulator; all windows are then halved until
    /// they fit. Memory beyond a window cannot be used by this process.
    pub fn for_devices(simulation: &'static Simulation, devices: &[usize]) -> nix::Result<Vec<Self>> {
        let memory = devices.iter().map(|&device| (simulation.total_bytes(device) / PAGE_BYTES).max(1));
        let mut sizes: Vec<_> = memory.clone().map(|pages| (pages * ADDRESS_FACTOR) as u32).collect();
        let least: Vec<_> = memory.map(|pages| (pages as u32).min(LEAST_PAGES)).collect();
        let windows = loop {
            match reserve(&sizes) {
                Err(error) if sizes == least => return Err(error),
                Err(_) => sizes.iter_mut().zip(&least).for_each(|(pages, least)| *pages = (*pages / 2).max(*least)),
                Ok(windows) => break windows,
            }
        };
        let spaces = devices.iter().zip(windows).zip(sizes);
        Ok(spaces.map(|((&device, window), pages)| Self::new(simulation, device, window, pages)).collect())
    }

    /// More memory of `device`, at addresses that fit 32 bits: there are few of them, whatever the device has.
    pub fn low(simulation: &'static Simulation, device: usize) -> nix::Result<Self> {
        Ok(Self::new(simulation, device, Window::reserve_low(LOW_PAGES)?, LOW_PAGES))
    }

    fn new(simulation: &'static Simulation, device: usize, window: Window, pages: u32) -> Self {
        let pages = Blocks::with_span(pages);
        let (apart, slabs, pools) = (WordMap::default(), WordMap::default(), WordMap::default());
        let (graph, shared, left) = (GraphMemory::default(), WordMap::default(), Vec::new());
        Self { simulation, device, window, pages, apart, slabs, pools, graph, shared, left }
    }

    /// Every address that memory of this device can have.
    pub fn addresses(&self) -> Range<u64> {
        self.window.addresses()
    }

    /// Allocates `bytes` (at least 1) for a context. Managed memory that finds no room on the device lies on the host.
    pub fn allocate(&mut self, owner: Owner, bytes: u64, managed: bool) -> Result<u64, NoMemory> {
        if bytes >= WHOLE_PAGES_FROM {
            let contents = Pages::Whole { owner, managed, bytes };
            let page = if managed {
                self.take_managed_pages(pages_for(bytes), contents)?
            } else {
                self.take_pages(pages_for(bytes), contents)?
            };
            return Ok(self.address(page));
        }
        let key = (owner, managed);
        if let Some((page, offset)) = self.slabs.entry(key).or_insert_with(Slabs::new).allocate(bytes) {
            return Ok(self.address(page) + offset);
        }
        let slab = self.slabs[&key].next_slab();
        let contents = Pages::Slab { owner, managed, slab };
        let page = if managed { self.take_managed_pages(1, contents)? } else { self.take_pages(1, contents)? };
        let slabs = self.slabs.entry(key).or_insert_with(Slabs::new);
        slabs.open(page);
        let (page, offset) = slabs.allocate(bytes).ok_or(NoMemory::Full)?;
        Ok(self.address(page) + offset)
    }

    /// Allocates `bytes` (at least 1) from a pool.
    pub fn allocate_from_pool(&mut self, pool: PoolId, bytes: u64) -> Result<u64, NoMemory> {
        if let Some((page, offset)) = self.pools.get_mut(&pool).and_then(|p| p.allocate(bytes)) {
            return Ok(self.address(page) + offset);
        }
        let chunk = self.pools.get(&pool).map_or(0, Pool::next_chunk);
        let pages = self.pools.get(&pool).and_then(|books| books.growth(bytes)).ok_or(NoMemory::Full)?;
        let page = self.take_pages(pages, Pages::Chunk { pool, chunk })?;
        let books = self.pools.entry(pool).or_default();
        books.grow(page, pages as u32);
        let (page, offset) = books.allocate(bytes).ok_or(NoMemory::Full)?;
        Ok(self.address(page) + offset)
    }

    /// Frees the allocation that starts at `address`; false when none does.
    pub fn free(&mut self, address: u64) -> bool {
        let Some((block, offset)) = self.locate(address) else { return false };
        match Pages::unpack(block.payload) {
            Pages::Whole { .. } if offset == 0 && !self.is_not_the_programs(block.start) => {
                self.give_pages(block.start);
                true
            }
            Pages::Whole { .. } => false,
            Pages::Slab { owner, managed, slab } => {
                let freed = self.slabs.get_mut(&(owner, managed)).and_then(|s| s.free(slab, offset));
                if freed == Some(true) {
                    self.give_pages(block.start);
                }
                freed.is_some()
            }
            Pages::Chunk { pool, chunk } => {
                let Some(books) = self.pools.get_mut(&pool) else { return false };
                let freed = books.free(chunk, offset);
                self.bury(pool);
                freed
            }
            Pages::Physical => false,
            Pages::Graph { .. } => offset == 0 && self.end_graph_allocation(address),
        }
    }

    /// The live allocation that holds `address`.
    pub fn find(&self, address: u64) -> Option<Allocation> {
        let (block, offset) = self.locate(address)?;
        self.resolve(&block, offset).filter(|found| address - found.base < found.bytes)
    }

    /// Whether `bytes` from `address` on lie within one live allocation. `write` says that they are about to be written.
    pub fn covers(&mut self, address: u64, bytes: u64, write: bool) -> bool {
        let Some((block, offset)) = self.locate(address) else { return false };
        let Some(found) = self.resolve(&block, offset) else { return false };
        let inside = address - found.base;
        let covered = inside < found.bytes && bytes <= found.bytes - inside;
        if covered && write && !block.marked {
            self.pages.mark(block.start);
        }
        covered
    }

    /// Frees everything a context owns.
    pub fn free_owned_by(&mut self, owner: Owner) {
        let owned: Vec<u32> = self
            .pages
            .live()
            .filter(|block| match Pages::unpack(block.payload) {
                Pages::Whole { owner: o, .. } | Pages::Slab { owner: o, .. } => o == owner,
                Pages::Chunk { .. } | Pages::Physical | Pages::Graph { .. } => false,
            })
            .map(|block| block.start)
            .collect();
        for start in owned {
            self.give_pages(start);
        }
        self.slabs.remove(&(owner, false));
        self.slabs.remove(&(owner, true));
    }

    /// Takes `bytes`, whole pages, that belong to no context and can be reached only through [`Self::file`]. Returns the
    /// first page.
    pub fn allocate_physical(&mut self, bytes: u64) -> Result<u32, NoMemory> {
        let page = self.take_pages(pages_for(bytes), Pages::Physical)?;
        // Whoever maps it writes unnoticed.
        self.pages.mark(page);
        Ok(page)
    }

    /// Frees what [`Self::allocate_physical`] gave.
    pub fn free_physical(&mut self, page: u32) {
        self.give_pages(page);
    }

    /// The file behind the memory; page n lies at n × 2 MiB. `None`: memory of this process cannot be mapped or shared.
    pub fn file(&self) -> Option<&Arc<OwnedFd>> {
        self.window.file()
    }

    /// Makes a pool without memory that takes at most `most` bytes from the device; 0 stands for no limit.
    pub fn add_pool(&mut self, pool: PoolId, most: u64) {
        self.pools.insert(pool, Pool::limited(most));
    }

    /// Drops a pool, now or when its last allocation is freed.
    pub fn remove_pool(&mut self, pool: PoolId) {
        if let Some(books) = self.pools.get_mut(&pool) {
            books.doomed = true;
            self.bury(pool);
        }
    }

    /// The figures of a pool; its caller may change the highs and the threshold.
    pub fn pool_figures(&mut self, pool: PoolId) -> Option<&mut PoolFigures> {
        self.pools.get_mut(&pool).map(|books| &mut books.figures)
    }

    /// Gives up free memory of a pool as long as at least `keep` bytes stay reserved.
    pub fn trim_pool(&mut self, pool: PoolId, keep: u64) {
        self.shrink_pool(pool, |_, without| without >= keep);
    }

    fn shrink_pool(&mut self, pool: PoolId, may_go: impl Fn(u64, u64) -> bool) {
        let given_up = self.pools.get_mut(&pool).map(|books| books.shrink(may_go)).unwrap_or_default();
        for chunk in given_up {
            self.give_pages(chunk.page);
        }
    }

    /// What a synchronisation does: every pool shrinks to its release threshold.
    pub fn trim_pools(&mut self) {
        let over = |books: &Pool| books.figures.reserved > books.figures.release_threshold.max(books.figures.used);
        let due: Vec<_> = self.pools.iter().filter(|(_, books)| over(books)).map(|(&pool, _)| pool).collect();
        for pool in due {
            let threshold = self.pools[&pool].figures.release_threshold;
            // What is above the threshold goes, if need be with a part of what is below.
            self.shrink_pool(pool, |with, _| with > threshold);
        }
    }

    fn bury(&mut self, pool: PoolId) {
        if self.pools.get(&pool).is_some_and(|books| books.doomed && books.figures.used == 0) {
            self.trim_pool(pool, 0);
            self.pools.remove(&pool);
        }
    }

    /// Gives addresses to a variable of `bytes` (at least 1) in the memory of a module.
    pub fn place_variable(&mut self, owner: Owner, bytes: u64) -> Result<u64, NoMemory> {
        let page = self.take_addresses(pages_for(bytes), Pages::Whole { owner, managed: false, bytes })?;
        self.apart.insert(page, Apart::Module);
        self.pages.mark(page);
        Ok(self.address(page))
    }

    /// Allocates whole pages for an array of a context.
    pub fn allocate_array(&mut self, owner: Owner, bytes: u64) -> Result<u64, NoMemory> {
        let page = self.take_pages(pages_for(bytes), Pages::Whole { owner, managed: false, bytes })?;
        self.apart.insert(page, Apart::Array);
        Ok(self.address(page))
    }

    /// Frees what [`Self::allocate_array`] gave.
    pub fn free_array(&mut self, address: u64) {
        if let Some((block, 0)) = self.locate(address)
            && matches!(self.apart.get(&block.start), Some(Apart::Array))
        {
            self.give_pages(block.start);
        }
    }

    /// Takes the addresses of a variable away again.
    pub fn remove_variable(&mut self, address: u64) {
        if let Some((block, 0)) = self.locate(address)
            && self.is_of_module(block.start)
        {
            self.give_pages(block.start);
        }
    }

    fn is_of_module(&self, page: u32) -> bool {
        !self.apart.is_empty() && matches!(self.apart.get(&page), Some(Apart::Module))
    }

    /// Whether a run holds what the program has not allocated as memory: it cannot free or share it as such.
    fn is_not_the_programs(&self, page: u32) -> bool {
        !self.apart.is_empty() && matches!(self.apart.get(&page), Some(Apart::Module | Apart::Array))
    }

    #[inline]
    fn take_addresses(&mut self, pages: u64, contents: Pages) -> Result<u32, NoMemory> {
        // One allocation has less than 1 TiB, like a device.
        if pages >= (1 << Pages::VALUE_BITS) / PAGE_BYTES {
            return Err(NoMemory::Full);
        }
        let pages = pages as u32;
        if let Some(start) = self.pages.allocate(pages, contents.pack()) {
            return Ok(start);
        }
        self.take_reclaimed(pages, contents)
    }

    /// The same, with the addresses of what others have let go of meanwhile.
    #[cold]
    fn take_reclaimed(&mut self, pages: u32, contents: Pages) -> Result<u32, NoMemory> {
        let retried = self.reclaim().then(|| self.pages.allocate(pages, contents.pack()));
        retried.flatten().ok_or(NoMemory::Full)
    }

    /// Takes addresses, then as many of the pages on the device as it has; the rest lies on the host.
    fn take_managed_pages(&mut self, pages: u64, contents: Pages) -> Result<u32, NoMemory> {
        let start = self.take_addresses(pages, contents)?;
        let pages = pages as u32;
        let Ok(resident) = self.simulation.reserve_up_to(self.device, pages) else {
            self.pages.free(start);
            return Err(NoMemory::Gone);
        };
        if resident < pages {
            self.apart.insert(start, Apart::Host(pages - resident));
            self.simulation.add_host_managed(self.device, pages - resident);
        }
        // The host may write to it at any time.
        self.pages.mark(start);
        Ok(start)
    }

    /// Takes pages on the device, then addresses for them.
    fn take_pages(&mut self, pages: u64, contents: Pages) -> Result<u32, NoMemory> {
        let pages = u32::try_from(pages).map_err(|_| NoMemory::Full)?;
        self.simulation.reserve_pages(self.device, pages).map_err(|error| match error {
            ReserveError::OutOfMemory => NoMemory::Full,
            ReserveError::Disconnected => NoMemory::Gone,
        })?;
        self.take_addresses(u64::from(pages), contents).inspect_err(|_| {
            self.simulation.release_pages(self.device, pages);
        })
    }

    fn give_pages(&mut self, start: u32) {
        if self.give_shared(start) {
            return;
        }
        if let Some(block) = self.pages.free(start) {
            if block.marked {
                self.window.discard(block.start, block.length);
            }
            self.simulation.release_pages(self.device, block.length - self.forget_apart(&block));
        }
    }

    /// Pages of a run that took none on the device; forgets about them.
    fn forget_apart(&mut self, block: &Block) -> u32 {
        if self.apart.is_empty() {
            return 0;
        }
        match self.apart.remove(&block.start) {
            None => 0,
            Some(Apart::Array) => 0,
            Some(Apart::Module) => block.length,
            Some(Apart::Host(pages)) => {
                self.simulation.remove_host_managed(self.device, pages);
                pages
            }
        }
    }

    fn address(&self, page: u32) -> u64 {
        self.window.base() + u64::from(page) * PAGE_BYTES
    }

    /// The run of pages that holds `address`, and the offset of `address` in it.
    fn locate(&self, address: u64) -> Option<(Block, u64)> {
        let offset = address.checked_sub(self.window.base())?;
        let block = self.pages.containing(u32::try_from(offset / PAGE_BYTES).ok()?)?;
        Some((block, offset - u64::from(block.start) * PAGE_BYTES))
    }

    fn resolve(&self, block: &Block, offset: u64) -> Option<Allocation> {
        let start = self.address(block.start);
        let (from, bytes, source) = match Pages::unpack(block.payload) {
            Pages::Whole { owner, managed, bytes } => (0, bytes, Source::of(owner, managed)),
            Pages::Slab { owner, managed, slab } => {
                let (from, bytes) = self.slabs.get(&(owner, managed))?.find(slab, offset)?;
                (from, bytes, Source::of(owner, managed))
            }
            Pages::Chunk { pool, chunk } => {
                let (from, bytes) = self.pools.get(&pool)?.find(chunk, offset)?;
                (from, bytes, Source::Pool(pool))
            }
            Pages::Physical => return None,
            Pages::Graph { .. } if !self.graph.is_live(block.start) => return None,
            Pages::Graph { bytes } => (0, bytes, Source::Graph),
        };
        Some(Allocation { base: start + from, bytes, source })
    }
}

/// A window of each size.
fn reserve(sizes: &[u32]) -> nix::Result<Vec<Window>> {
    let windows = sizes.iter().map(|pages| Window::reserve(*pages)).collect::<nix::Result<_>>()?;
    // Given back at once.
    Window::reserve(sizes.iter().sum::<u32>() / SPARE_SHARE)?;
    Ok(windows)
}

impl Source {
    fn of(owner: Owner, managed: bool) -> Self {
        if managed { Self::Managed(owner) } else { Self::Device(owner) }
    }
}
