//! One process's place in a region, and the question whether another's owner still lives.
//!
//! A slot belongs to the process that holds a lock on one byte of the file, beyond its end. The kernel takes the lock
//! away when the last copy of the opened file is gone: at death, however it came, right across PID namespaces and with
//! no PID to be used again. The mapping is such a copy, so a program that closes all descriptors keeps its place; and a
//! forked child that never calls exec is one too, as it is for the driver, which keeps the parent's device memory then.
use std::io;

use crate::layout::{MAX_DEVICES, MAX_SLOTS};
use crate::ledger::{Cursor, OverLimit};
use crate::map::{Region, RegionError};
use crate::sync::Ordering;
use crate::{recovery, use_lock};

/// One process's place in a region: what it may take from and give back to each device's ledger.
///
/// Not for two threads at once; the process keeps it behind a lock of its own.
#[derive(Debug)]
pub struct Member {
    slot: u16,
    cursors: [Cursor; MAX_DEVICES],
}

/// What a sweep brought back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Bytes given back.
    pub bytes: u64,
    /// Dead processes they came from.
    pub processes: u32,
}

impl Region {
    /// Takes a free slot for this process, and gives back what its last owner left. Once per opened region, by one thread.
    ///
    /// # Errors
    /// [`RegionError::SlotsFull`], or `Io` when locks do not work on this file system or it is full.
    pub fn join(&self) -> Result<Member, RegionError> {
        // Relaxed, here and below: only tells two calls of one process apart.
        if self.joined.load(Ordering::Relaxed) != 0 {
            return Err(RegionError::AlreadyJoined { path: self.path().to_owned() });
        }
        if !self.opened().descriptor_is_ours() {
            let source = io::Error::from_raw_os_error(libc::EBADF);
            return Err(self.opened().io_error("use the descriptor of")(source).into());
        }
        let slots = &self.layout().slots;
        for (slot, entry) in slots.iter().enumerate() {
            let owned = use_lock::own_slot(self.opened().file(), slot);
            let owned = owned.map_err(self.opened().io_error("lock a slot"))?;
            if !owned {
                continue;
            }
            self.opened().set_aside(entry)?;
            // Relaxed: an upper bound for those who walk. A process that misses the newest slot sees it next time, and
            // it holds nothing yet.
            self.layout().header.head.own.fetch_max(slot as u32 + 1, Ordering::Relaxed);
            let cursors = recovery::take_over(|device| self.ledger(device), slot as u16, &entry.generation);
            entry.pid.store(std::process::id(), Ordering::Relaxed); // for display
            self.joined.store(1, Ordering::Relaxed);
            return Ok(Member { slot: slot as u16, cursors });
        }
        Err(RegionError::SlotsFull { path: self.path().to_owned() })
    }

    /// Gives back what dead processes held, of every device. Needs one system call for each other slot that holds
    /// anything; takes no lock, and may run in any number of processes at once.
    pub fn sweep(&self, own: Option<&Member>) -> Swept {
        let mut swept = Swept::default();
        if !self.opened().descriptor_is_ours() {
            return swept;
        }
        // Relaxed: see `join`.
        let used = (self.layout().header.head.own.load(Ordering::Relaxed) as usize).min(MAX_SLOTS);
        for (slot, entry) in self.layout().slots[..used].iter().enumerate() {
            if own.is_some_and(|own| usize::from(own.slot) == slot) {
                continue;
            }
            let bytes = recovery::sweep_slot(
                |device| self.ledger(device),
                MAX_DEVICES,
                slot as u16,
                &entry.generation,
                || use_lock::slot_is_unowned(self.opened().file(), slot),
            );
            if bytes > 0 {
                swept.bytes = swept.bytes.saturating_add(bytes); // as in `sweep_slot`
                swept.processes += 1;
            }
        }
        swept
    }

    /// Living processes that hold memory, with their PIDs as they see them, and what they hold of a device.
    pub fn holders(&self, device: usize) -> Vec<(u32, u64)> {
        // Relaxed: see `join`; the PID is for display.
        let used = (self.layout().header.head.own.load(Ordering::Relaxed) as usize).min(MAX_SLOTS);
        self.layout().slots[..used]
            .iter()
            .enumerate()
            .map(|(slot, entry)| (entry.pid.load(Ordering::Relaxed), self.ledger(device).held(slot as u16)))
            .filter(|(_, held)| *held != 0)
            .collect()
    }
}

impl Member {
    /// Takes `bytes` of a device, unless the tenant's total would pass `limit`.
    ///
    /// # Errors
    /// [`OverLimit`]; nothing has changed then.
    #[inline]
    pub fn take(&mut self, region: &Region, device: usize, bytes: u64, limit: u64) -> Result<(), OverLimit> {
        region.ledger(device).take(self.slot, &mut self.cursors[device], bytes, limit)
    }

    /// Gives back `bytes` of a device; more than this process holds counts as all that it holds.
    #[inline]
    pub fn give(&mut self, region: &Region, device: usize, bytes: u64) {
        region.ledger(device).give(self.slot, &mut self.cursors[device], bytes);
    }

    /// Bytes of a device that this process holds.
    #[inline]
    pub fn held(&self, device: usize) -> u64 {
        self.cursors[device].held()
    }
}
