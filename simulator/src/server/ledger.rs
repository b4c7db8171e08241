//! Who has how much credit on which device, and the rule by which it is granted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::books::{PAGE_BYTES, SharedBooks};
use crate::client::monotonic_ns;
use crate::device::Description;
use crate::presets::MAX_DEVICES;
use crate::protocol::{DeviceReport, ProcessReport, Report};

/// Most pages granted beyond what was asked, so that small requests seldom need the server.
const EXTRA_PAGES: u32 = 32;

/// The books and the sum of all credit per device. Invariant: the sum never exceeds the device's pages.
pub struct Ledger {
    books: Arc<SharedBooks>,
    description: Description,
    granted: [u32; MAX_DEVICES],
    /// Per device: device-time in nanoseconds used up to the last sample.
    sampled_busy_ns: [u64; MAX_DEVICES],
    sampled_ns: u64,
}

impl Ledger {
    pub fn new(books: Arc<SharedBooks>, description: Description) -> Self {
        Self {
            books,
            description,
            granted: [0; MAX_DEVICES],
            sampled_busy_ns: [0; MAX_DEVICES],
            sampled_ns: monotonic_ns(),
        }
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    /// A slot for a new client, or `None` when all are taken.
    pub fn admit(&self, pid: u32) -> Option<usize> {
        self.books.claim(pid, monotonic_ns())
    }

    /// Process id and time of connection of the client with this slot.
    pub fn identity(&self, slot: usize) -> Option<(u32, u64)> {
        // Relaxed: this thread's own stores.
        self.books.slot(slot).map(|slot| (slot.pid.load(Ordering::Relaxed), slot.started_ns.load(Ordering::Relaxed)))
    }

    /// Takes back everything a client had.
    pub fn dismiss(&mut self, slot: usize) {
        for (granted, credit) in self.granted.iter_mut().zip(self.books.wipe(slot)) {
            // A client that scribbled over its own slot must not stop the server.
            *granted = granted.saturating_sub(credit);
        }
    }

    /// Moves pages in use from one payer to another. `None` stands for no client.
    pub fn move_pages(&mut self, device: usize, pages: u32, from: Option<usize>, to: Option<usize>) {
        // Counted twice for a moment, never not at all.
        self.receive(device, pages, to);
        let given = self.hand_over(device, pages, from);
        // A client that scribbled over its own slot had less than it was to pay for.
        self.granted[device] += pages - given;
    }

    /// Frees pages that a payer has in use.
    pub fn free_pages(&mut self, device: usize, pages: u32, payer: Option<usize>) {
        let given = self.hand_over(device, pages, payer);
        self.granted[device] = self.granted[device].saturating_sub(given);
    }

    fn receive(&self, device: usize, pages: u32, payer: Option<usize>) {
        match payer.and_then(|slot| self.books.slot(slot)) {
            Some(slot) => slot.devices[device].pages.receive(pages),
            None => self.books.set_unowned(device, self.books.unowned_pages(device) + pages),
        }
    }

    fn hand_over(&self, device: usize, pages: u32, payer: Option<usize>) -> u32 {
        match payer.and_then(|slot| self.books.slot(slot)) {
            Some(slot) => slot.devices[device].pages.hand_over(pages),
            None => {
                let given = pages.min(self.books.unowned_pages(device));
                self.books.set_unowned(device, self.books.unowned_pages(device) - given);
                given
            }
        }
    }

    /// Sets a shared word to 0 before it is given out.
    pub fn clear_cell(&self, number: u32) {
        if let Some(cell) = self.books.cell(number) {
            // Relaxed: whoever gets the number gets it through a socket, which orders this before.
            cell.store(0, Ordering::Relaxed);
        }
    }

    /// Number of devices.
    pub fn devices(&self) -> usize {
        self.description.devices.len()
    }

    /// Takes `pages` for the client, taking idle credit from others when the device's own rest does not reach.
    /// `None` when there is no such device or client; else whether the pages were there.
    pub fn reserve(&mut self, slot: usize, device: usize, pages: u32) -> Option<bool> {
        let capacity = self.capacity(device)?;
        self.books.slot(slot)?;
        if pages > capacity {
            return Some(false);
        }
        loop {
            let spare = capacity.saturating_sub(self.granted[device]);
            let extra = if spare > capacity / 4 { EXTRA_PAGES } else { 0 };
            let word = &self.books.slot(slot)?.devices[device].pages;
            match word.grant(pages, spare, extra) {
                Ok(raise) => {
                    self.granted[device] += raise;
                    return Some(true);
                }
                Err(short) => {
                    if self.revoke_from_others(slot, device, short) < short {
                        // What is missing is in use: by others, or by the asker's own other threads.
                        return Some(false);
                    }
                }
            }
        }
    }

    fn revoke_from_others(&mut self, asker: usize, device: usize, wanted: u32) -> u32 {
        let mut taken = 0;
        for (number, slot) in self.books.slots().iter().enumerate() {
            if number != asker && taken < wanted {
                taken += slot.devices[device].pages.revoke_idle(wanted - taken);
            }
        }
        self.granted[device] = self.granted[device].saturating_sub(taken);
        taken
    }

    fn capacity(&self, device: usize) -> Option<u32> {
        let bytes = self.description.devices.get(device)?.memory_total;
        Some(u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX))
    }

    /// The true state. Meaningful once every pending disconnection has been dealt with.
    pub fn report(&self) -> Report {
        let now = monotonic_ns();
        let devices = self.description.devices.iter().enumerate().map(|(index, device)| {
            let processes = self.books.slots().iter().filter_map(|slot| {
                // Relaxed: pids are this thread's own stores, the rest are lone figures.
                let pid = slot.pid.load(Ordering::Relaxed);
                let mine = &slot.devices[index];
                let contexts = mine.contexts.load(Ordering::Relaxed);
                let used_bytes = u64::from(mine.pages.load().used) * PAGE_BYTES;
                let busy_ns = mine.busy.at(now);
                let host_managed_bytes = u64::from(mine.host_managed_pages.load(Ordering::Relaxed)) * PAGE_BYTES;
                (pid != 0 && (contexts > 0 || used_bytes > 0 || busy_ns > 0)).then_some(ProcessReport {
                    pid,
                    used_bytes,
                    host_managed_bytes,
                    contexts,
                    busy_ns,
                })
            });
            let mut processes: Vec<_> = processes.collect();
            processes.sort_by_key(|p| p.pid);
            let unowned_bytes = u64::from(self.books.unowned_pages(index)) * PAGE_BYTES;
            DeviceReport {
                busy_ns: self.books.busy[index].at(now),
                // Relaxed: a lone figure.
                switches: self.books.engine.switches[index].load(Ordering::Relaxed),
                unowned_bytes,
                index: device.index,
                uuid: device.uuid_string(),
                total_bytes: device.memory_total,
                used_bytes: processes.iter().map(|p| p.used_bytes).sum::<u64>() + unowned_bytes,
                processes,
            }
        });
        Report { devices: devices.collect() }
    }

    /// Publishes each device's utilisation since the last sample.
    pub fn sample(&mut self) {
        let now = monotonic_ns();
        let period = now.saturating_sub(self.sampled_ns).max(1);
        for (device, before) in self.sampled_busy_ns.iter_mut().enumerate().take(self.description.devices.len()) {
            let busy = self.books.busy[device].at(now);
            let percent = busy.saturating_sub(*before) * 100 / period;
            self.books.set_utilisation(device, percent.min(100) as u32);
            *before = busy;
        }
        self.sampled_ns = now;
    }
}
