//! Layout of the shared books. Atomics only: any bytes a peer may write are a valid value here.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::{PAGE_BYTES, PageWord};
use crate::channel::Line;
use crate::presets::MAX_DEVICES;

/// Most clients at one time.
pub const MAX_SLOTS: usize = 1024;

/// Words for things that processes share.
pub const MAX_CELLS: usize = 4096;

/// The whole shared mapping.
#[repr(C, align(4096))]
pub struct Books {
    /// One above the highest slot ever given out, so that readers need not look at all of them.
    slot_limit: AtomicU32,
    /// Per device: share of the last sampling period in which it was busy, in percent. Written by the server.
    utilisation: [AtomicU32; MAX_DEVICES],
    /// Per device: pages in use that no client has. Written by the server.
    unowned: [AtomicU32; MAX_DEVICES],
    /// Between the engine of the devices and those who submit work.
    pub engine: EngineWords,
    /// Per device: device-time of all clients, those that are gone included. Written by the engine.
    pub busy: [BusyTime; MAX_DEVICES],
    /// Given out by the server; written by whoever has been told the number.
    cells: [AtomicU64; MAX_CELLS],
    slots: [Slot; MAX_SLOTS],
}

/// One client. The server writes `pid` and `started_ns`; 0 as pid means the slot is free.
#[repr(C, align(64))]
pub struct Slot {
    /// Process id of the client as the server sees it, or 0.
    pub pid: AtomicU32,
    /// CLOCK_MONOTONIC time of the connection in nanoseconds.
    pub started_ns: AtomicU64,
    /// The client's use of each device.
    pub devices: [DeviceSlot; MAX_DEVICES],
}

/// One client's use of one device. The client alone writes it, but for the credit inside `pages` and `busy`.
#[repr(C, align(64))]
pub struct DeviceSlot {
    /// Pages in use and granted.
    pub pages: PageWord,
    /// Contexts that exist.
    pub contexts: AtomicU32,
    /// Pages of managed memory of this device that lie on the host, as the device had no room for them.
    pub host_managed_pages: AtomicU32,
    /// Device-time. Written by the engine alone.
    pub busy: BusyTime,
}

/// The engine looks at the rings, or is about to.
pub const AWAKE: u32 = 0;
/// It sleeps until there is something to do, and has to be woken.
pub const SLEEPS: u32 = 1;
/// It looks again by itself, very soon.
pub const RESTS: u32 = 2;

/// Words by which the engine and those who submit work wake each other and agree on what is certain.
#[repr(C, align(64))]
pub struct EngineWords {
    /// What the engine does: [`AWAKE`], [`RESTS`] or [`SLEEPS`]. Who makes it `AWAKE` wakes it.
    pub doorbell: Line<AtomicU32>,
    /// Ends up to this time (CLOCK_MONOTONIC nanoseconds) are certain when it has come.
    pub promised: Line<AtomicU64>,
    /// 1 when the simulation has ended.
    pub closed: Line<AtomicU32>,
    /// Per device: how often it went from one context to another.
    pub switches: [AtomicU64; MAX_DEVICES],
}

/// Device-time in nanoseconds: a sum, and a time in which it grows. One writer.
#[repr(C, align(64))]
#[derive(Default)]
pub struct BusyTime {
    /// Odd while the rest is written.
    version: AtomicU64,
    total_ns: AtomicU64,
    from_ns: AtomicU64,
    to_ns: AtomicU64,
}

impl BusyTime {
    /// Sets the sum up to `from_ns`, from where it grows until `to_ns`; both are CLOCK_MONOTONIC.
    pub fn set(&self, total_ns: u64, from_ns: u64, to_ns: u64) {
        // A sequence lock. Relaxed: the one writer reads its own store.
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // Release: none of the stores below is seen before the odd version.
        fence(Ordering::Release);
        self.total_ns.store(total_ns, Ordering::Relaxed);
        self.from_ns.store(from_ns, Ordering::Relaxed);
        self.to_ns.store(to_ns, Ordering::Relaxed);
        // Release: the even version is seen after the stores above.
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The sum at `now_ns` (CLOCK_MONOTONIC).
    pub fn at(&self, now_ns: u64) -> u64 {
        // A writer that died in between, or bytes that make no sense, must not hold the reader.
        for _ in 0..1000 {
            // Acquire: the loads below come after it.
            let version = self.version.load(Ordering::Acquire);
            let [total, from, to] =
                [&self.total_ns, &self.from_ns, &self.to_ns].map(|word| word.load(Ordering::Relaxed));
            // Acquire: the loads above come before the second look at the version.
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                return total.saturating_add(now_ns.min(to).saturating_sub(from));
            }
            std::hint::spin_loop();
        }
        self.total_ns.load(Ordering::Relaxed)
    }
}

impl Books {
    /// Slots that may be in use.
    pub fn slots(&self) -> &[Slot] {
        // Relaxed: a slot that is missed or still empty holds nothing yet.
        let limit = self.slot_limit.load(Ordering::Relaxed) as usize;
        &self.slots[..limit.min(MAX_SLOTS)]
    }

    /// The slot with this number.
    pub fn slot(&self, number: usize) -> Option<&Slot> {
        self.slots.get(number)
    }

    /// Server: claims the lowest free slot for `pid`.
    pub(crate) fn claim(&self, pid: u32, now_ns: u64) -> Option<usize> {
        let number = self.slots.iter().position(|slot| slot.pid.load(Ordering::Relaxed) == 0)?;
        let slot = &self.slots[number];
        slot.started_ns.store(now_ns, Ordering::Relaxed);
        // Relaxed: the client learns its slot number through the socket, which orders what was written before.
        slot.pid.store(pid, Ordering::Relaxed);
        self.slot_limit.fetch_max(number as u32 + 1, Ordering::Relaxed);
        Some(number)
    }

    /// Server: empties a slot whose client is gone; returns the credit it had on each device.
    pub(crate) fn wipe(&self, number: usize) -> [u32; MAX_DEVICES] {
        let slot = &self.slots[number];
        let credit = std::array::from_fn(|device| {
            let device = &slot.devices[device];
            device.contexts.store(0, Ordering::Relaxed);
            device.host_managed_pages.store(0, Ordering::Relaxed);
            device.busy.set(0, 0, 0);
            device.pages.wipe()
        });
        // Relaxed: only the server gives the slot out again, and it reads its own store.
        slot.pid.store(0, Ordering::Relaxed);
        credit
    }

    /// Pages of `device` in use by all clients. Not a snapshot: clients move while it is read.
    pub fn used_pages(&self, device: usize) -> u64 {
        let clients: u64 = self.slots().iter().map(|slot| u64::from(slot.devices[device].pages.load().used)).sum();
        clients + u64::from(self.unowned_pages(device))
    }

    /// Bytes of `device` in use, never above `total`.
    pub fn used_bytes(&self, device: usize, total: u64) -> u64 {
        (self.used_pages(device) * PAGE_BYTES).min(total)
    }

    /// Pages of `device` in use that no client has.
    pub fn unowned_pages(&self, device: usize) -> u32 {
        // Relaxed: a lone figure.
        self.unowned[device].load(Ordering::Relaxed)
    }

    /// Server: changes the pages that no client has.
    pub(crate) fn set_unowned(&self, device: usize, pages: u32) {
        // Relaxed: a lone figure with one writer.
        self.unowned[device].store(pages, Ordering::Relaxed);
    }

    /// A shared word.
    pub fn cell(&self, number: u32) -> Option<&AtomicU64> {
        self.cells.get(number as usize)
    }

    /// Last sampled utilisation of `device` in percent.
    pub fn utilisation(&self, device: usize) -> u32 {
        // Relaxed: a lone figure.
        self.utilisation[device].load(Ordering::Relaxed).min(100)
    }

    pub(crate) fn set_utilisation(&self, device: usize, percent: u32) {
        // Relaxed: a lone figure.
        self.utilisation[device].store(percent, Ordering::Relaxed);
    }
}
