//! The device memory that this process has on one device: every allocation, by address, and the pages behind it.

use std::ops::Range;

use simulator::books::{PAGE_BYTES, pages_for};
use simulator::client::{ReserveError, Simulation};

use super::blocks::{Block, Blocks};
use super::pool::{Pool, PoolFigures, PoolId};
use super::slab::Slabs;
use super::window::Window;
use super::{NoMemory, WHOLE_PAGES_FROM};
use crate::hash::WordMap;

/// Addresses per byte of device memory, so that a hole of the right size is always found however the memory is cut up.
const ADDRESS_FACTOR: u64 = 4;
/// Where addresses are scarce, a device gets at least these pages of them (1 GiB), or as many as it has memory.
const LEAST_PAGES: u32 = 512;
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
}

/// What a run of pages holds; packed into the 64-bit payload of its block.
#[derive(Clone, Copy)]
enum Pages {
    Whole { owner: Owner, managed: bool, bytes: u64 },
    Slab { owner: Owner, managed: bool, slab: u32 },
    Chunk { pool: PoolId, chunk: u32 },
}

/// See the module.
pub struct Space {
    simulation: &'static Simulation,
    /// Position among all devices of the simulation.
    device: usize,
    window: Window,
    pages: Blocks,
    slabs: WordMap<(Owner, bool), Slabs>,
    pools: WordMap<PoolId, Pool>,
}

impl Pages {
    const OWNER_BITS: u32 = 21;
    const VALUE_BITS: u32 = 40;

    fn pack(self) -> u64 {
        let (kind, owner, value) = match self {
            Self::Whole { owner, managed, bytes } => (u64::from(managed), owner, bytes),
            Self::Slab { owner, managed, slab } => (2 + u64::from(managed), owner, u64::from(slab)),
            Self::Chunk { pool, chunk } => (4, pool, u64::from(chunk)),
        };
        (kind << (Self::OWNER_BITS + Self::VALUE_BITS)) | (u64::from(owner) << Self::VALUE_BITS) | value
    }

    fn unpack(word: u64) -> Self {
        let value = word & ((1 << Self::VALUE_BITS) - 1);
        let owner = (word >> Self::VALUE_BITS) as u32 & ((1 << Self::OWNER_BITS) - 1);
        match word >> (Self::OWNER_BITS + Self::VALUE_BITS) {
            kind @ 0..=1 => Self::Whole { owner, managed: kind == 1, bytes: value },
            kind @ 2..=3 => Self::Slab { owner, managed: kind == 3, slab: value as u32 },
            _ => Self::Chunk { pool: owner, chunk: value as u32 },
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
        let spaces = devices.iter().zip(windows).zip(sizes).map(|((&device, window), pages)| {
            let pages = Blocks::with_span(pages);
            Self { simulation, device, window, pages, slabs: WordMap::default(), pools: WordMap::default() }
        });
        Ok(spaces.collect())
    }

    /// Every address that memory of this device can have.
    pub fn addresses(&self) -> Range<u64> {
        self.window.addresses()
    }

    /// Allocates `bytes` (at least 1) for a context.
    pub fn allocate(&mut self, owner: Owner, bytes: u64, managed: bool) -> Result<u64, NoMemory> {
        if bytes >= WHOLE_PAGES_FROM {
            let page = self.take_pages(pages_for(bytes), Pages::Whole { owner, managed, bytes })?;
            if managed {
                // The host may write to it at any time.
                self.pages.mark(page);
            }
            return Ok(self.address(page));
        }
        let key = (owner, managed);
        if let Some((page, offset)) = self.slabs.entry(key).or_insert_with(Slabs::new).allocate(bytes) {
            return Ok(self.address(page) + offset);
        }
        let slab = self.slabs[&key].next_slab();
        let page = self.take_pages(1, Pages::Slab { owner, managed, slab })?;
        if managed {
            self.pages.mark(page);
        }
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
        let pages = Pool::chunk_pages(bytes);
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
            Pages::Whole { .. } if offset == 0 => {
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
                Pages::Chunk { .. } => false,
            })
            .map(|block| block.start)
            .collect();
        for start in owned {
            self.give_pages(start);
        }
        self.slabs.remove(&(owner, false));
        self.slabs.remove(&(owner, true));
    }

    /// Makes a pool without memory.
    pub fn add_pool(&mut self, pool: PoolId) {
        self.pools.insert(pool, Pool::default());
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

    /// Gives up free memory of a pool while more than `keep` bytes are reserved.
    pub fn trim_pool(&mut self, pool: PoolId, keep: u64) {
        let given_up = self.pools.get_mut(&pool).map(|books| books.shrink(keep)).unwrap_or_default();
        for chunk in given_up {
            self.give_pages(chunk.page);
        }
    }

    /// What a synchronisation does: every pool shrinks to its release threshold.
    pub fn trim_pools(&mut self) {
        let over = |books: &Pool| books.figures.reserved > books.figures.release_threshold.max(books.figures.used);
        let due: Vec<_> = self.pools.iter().filter(|(_, books)| over(books)).map(|(&pool, _)| pool).collect();
        for pool in due {
            let keep = self.pools[&pool].figures.release_threshold;
            self.trim_pool(pool, keep);
        }
    }

    fn bury(&mut self, pool: PoolId) {
        if self.pools.get(&pool).is_some_and(|books| books.doomed && books.figures.used == 0) {
            self.trim_pool(pool, 0);
            self.pools.remove(&pool);
        }
    }

    /// Takes pages on the device, then addresses for them.
    fn take_pages(&mut self, pages: u64, contents: Pages) -> Result<u32, NoMemory> {
        let pages = u32::try_from(pages).map_err(|_| NoMemory::Full)?;
        self.simulation.reserve_pages(self.device, pages).map_err(|error| match error {
            ReserveError::OutOfMemory => NoMemory::Full,
            ReserveError::Disconnected => NoMemory::Gone,
        })?;
        self.pages.allocate(pages, contents.pack()).ok_or_else(|| {
            self.simulation.release_pages(self.device, pages);
            NoMemory::Full
        })
    }

    fn give_pages(&mut self, start: u32) {
        if let Some(block) = self.pages.free(start) {
            if block.marked {
                self.window.discard(block.start, block.length);
            }
            self.simulation.release_pages(self.device, block.length);
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
