//! What only one thread of this process at a time may touch: its place in the region and its books.

use ffi_headers::cuda::CUdevice;
use shared_region::{Member, Region};

use crate::books::{AddressMap, Back, Books, Objects, Pieces, PoolNumber};
use crate::log;
use crate::tenant::Quota;

/// See the module.
#[derive(Default)]
pub(crate) struct Private {
    pub(crate) member: Option<Member>,
    /// Whether it was said already that there is no slot for this process.
    join_failed: bool,
    /// Linear and stream-ordered memory, by address.
    pub(crate) books: Books,
    /// Arrays.
    pub(crate) objects: Objects,
    /// Physical memory that is mapped on its own.
    pub(crate) pieces: Pieces,
    /// Pools.
    pub(crate) pools: Pools,
    /// Memory of graphs.
    pub(crate) graphs: Graphs,
    /// Contexts that were charged, by handle.
    pub(crate) contexts: AddressMap<Charged>,
    /// How often contexts were attached to beyond their making, by handle.
    pub(crate) attached: AddressMap<u32>,
    /// The primary context's handle, by device ordinal, while it lives.
    pub(crate) primary: AddressMap<usize>,
    /// How often the program has retained it and not let go, by device ordinal.
    pub(crate) primary_users: AddressMap<u32>,
    /// Streams that are captured; [`crate::compute`] has counted each once.
    pub(crate) captured: Vec<Captured>,
    /// Green contexts: the ordinal of their device.
    pub(crate) green: AddressMap<CUdevice>,
    /// How many threads are making a context, by the ordinal of its device.
    pub(crate) making: AddressMap<u32>,
    /// What modules and raised limits take beyond what contexts were charged for, by the device's number in the region.
    pub(crate) overhead: AddressMap<u64>,
}

/// Bytes that were charged for something that is no allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charged {
    /// Number of its device in the region.
    pub(crate) device: usize,
    /// How much.
    pub(crate) bytes: u64,
}

/// A stream that is captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captured {
    /// Its handle, or NULL.
    pub(crate) stream: usize,
    /// Whether NULL means the thread's own default stream.
    pub(crate) per_thread: bool,
    /// The context that it belongs to; 0 if the driver did not say.
    pub(crate) context: usize,
}

/// A pool that was charged for what it keeps reserved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool {
    /// Its handle; 0 once it is destroyed.
    pub(crate) handle: u64,
    /// Quota on its device.
    pub(crate) quota: &'static Quota,
    /// What it was charged for.
    pub(crate) bytes: u64,
    /// Allocations from it that are not freed.
    pub(crate) live: u64,
    /// Taken for growth by threads that are asking the driver just now.
    pub(crate) in_flight: u64,
}

/// The pools of this process.
#[derive(Default)]
pub(crate) struct Pools {
    /// Those that were charged.
    charged: AddressMap<Pool>,
    /// Their numbers, by handle, while they are not destroyed.
    numbers: AddressMap<PoolNumber>,
    last: PoolNumber,
    /// Pools that the program made or imported, with the ordinal of their device; `None`: they take nothing of a device.
    pub(crate) made: AddressMap<Option<CUdevice>>,
}

impl Pools {
    /// The number of a pool, charged for nothing yet if it is new.
    pub(crate) fn number(&mut self, handle: u64, quota: &'static Quota) -> PoolNumber {
        let number = *self.numbers.entry(handle).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        self.charged.entry(number.into()).or_insert(Pool { handle, quota, bytes: 0, live: 0, in_flight: 0 });
        number
    }

    /// A pool by its number.
    pub(crate) fn get(&mut self, number: PoolNumber) -> Option<&mut Pool> {
        self.charged.get_mut(&number.into())
    }

    /// Those that are not destroyed, and from which something was allocated.
    pub(crate) fn living(&mut self) -> impl Iterator<Item = &mut Pool> {
        self.charged.values_mut().filter(|pool| pool.handle != 0 && (pool.bytes > 0 || pool.live > 0))
    }

    /// Forgets what turned out to be no pool, or gave nothing.
    pub(crate) fn forget_if_empty(&mut self, number: PoolNumber) {
        if let Some(Pool { handle, bytes: 0, live: 0, in_flight: 0, .. }) = self.charged.get(&number.into()).copied() {
            self.charged.remove(&number.into());
            self.numbers.remove(&handle);
        }
    }

    /// The number of a pool that was charged.
    pub(crate) fn known(&self, handle: u64) -> Option<PoolNumber> {
        self.numbers.get(&handle).copied()
    }

    /// Takes the handle away from a pool that the driver is about to be asked to destroy: it may be another's as soon as
    /// that is done.
    pub(crate) fn strike(&mut self, handle: u64) -> Option<PoolNumber> {
        let number = self.numbers.remove(&handle)?;
        if let Some(pool) = self.get(number) {
            pool.handle = 0;
        }
        Some(number)
    }

    /// The driver did not destroy it.
    pub(crate) fn stays(&mut self, handle: u64, number: PoolNumber) {
        self.numbers.insert(handle, number);
        if let Some(pool) = self.get(number) {
            pool.handle = handle;
        }
    }

    /// One allocation of a pool was freed.
    pub(crate) fn freed(&mut self, number: PoolNumber) {
        if let Some(pool) = self.get(number) {
            pool.live = pool.live.saturating_sub(1);
        }
    }

    /// What came back if this pool is destroyed and the last of its allocations freed.
    pub(crate) fn buried(&mut self, number: PoolNumber) -> Option<Back> {
        let Pool { handle, quota, bytes, live, in_flight } = *self.get(number)?;
        if handle != 0 || live > 0 || in_flight > 0 {
            return None;
        }
        self.charged.remove(&number.into());
        Some((quota.device, bytes))
    }
}

/// Executable graphs that allocate memory, and what the driver keeps reserved for them.
#[derive(Default)]
pub(crate) struct Graphs {
    /// By handle.
    pub(crate) execs: AddressMap<Exec>,
    /// Charged for each device's graph memory, by the device's ordinal.
    pub(crate) reserved: AddressMap<u64>,
}

/// An executable graph with allocations of its own.
#[derive(Debug, Clone)]
pub(crate) struct Exec {
    /// Most bytes that its allocations need, by the ordinal of the device.
    pub(crate) needs: Vec<(CUdevice, u64)>,
    /// Whether the driver has physical memory for it, being launched or uploaded since graph memory was last trimmed.
    pub(crate) backed: bool,
}

impl Private {
    /// This process's slot, taken at the first need.
    pub(crate) fn member(&mut self, region: &Region) -> Option<&mut Member> {
        if self.member.is_none() {
            match region.join() {
                Ok(member) => self.member = Some(member),
                Err(error) if !self.join_failed => {
                    self.join_failed = true;
                    log::error!("{error}; no device memory is granted to this process");
                }
                Err(_) => {} // said already; the next need tries again
            }
        }
        self.member.as_mut()
    }

    /// Gives back bytes of a device.
    pub(crate) fn give(&mut self, region: Option<&Region>, device: usize, bytes: u64) {
        if let (Some(region), Some(member)) = (region, self.member.as_mut()) {
            member.give(region, device, bytes);
        }
    }

    /// Gives back what came back.
    pub(crate) fn give_all(&mut self, region: Option<&Region>, back: impl IntoIterator<Item = Back>) {
        for (device, bytes) in back {
            self.give(region, device, bytes);
        }
    }
}
