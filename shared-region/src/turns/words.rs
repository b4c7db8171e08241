//! The words of a turns file, and which role writes each.
//!
//! Roles: **owner** (the process that holds a seat), **anybody** (any process with the file open, by the rule at the
//! word). All tenants of a machine write here, so nothing read from it is believed further than it can do harm.
// UNSAFETY: the mapped file is seen as these words.
#![cfg_attr(not(loom), expect(unsafe_code))]

#[cfg(not(loom))]
use core::mem::{offset_of, size_of};
// Figures: single numbers that may be old or wrong. A model check does not try their orders one by one.
use core::sync::atomic::{AtomicU32 as Figure32, AtomicU64 as Figure64};

use portable_atomic::AtomicU128;

#[cfg(not(loom))]
use crate::file::{Head, Kind, SharedFile};
#[cfg(not(loom))]
use crate::layout::{Line, fnv1a};
use crate::sync::Ordering;
#[cfg(not(loom))]
use crate::sync::{AtomicU32, AtomicU64};
#[cfg(loom)]
use crate::turns::model::{AtomicU32, AtomicU64, Head, Line};
use crate::turns::order::{Clock, Seen, distance};

/// Devices that one file can have turns of.
pub const MAX_DEVICES: usize = if cfg!(loom) { 1 } else { 32 };
/// Processes that can take turns at the same time. Seats of the dead are used again.
pub const MAX_SEATS: usize = if cfg!(loom) { 3 } else { 512 };

#[cfg(not(loom))]
const VERSION: u32 = 1;

/// A turns file, for whoever opens one.
#[cfg(not(loom))]
pub(crate) static KIND: Kind = Kind {
    name: "turns file",
    magic: *b"HAMI-TRN",
    version: VERSION,
    layout_hash: fnv1a(&[
        size_of::<Content>(),
        offset_of!(Content, devices),
        offset_of!(Content, seats),
        size_of::<Device>(),
        offset_of!(Device, turn),
        offset_of!(Device, shares),
        offset_of!(Device, best_effort),
        offset_of!(Device, calls),
        size_of::<Seat>(),
        offset_of!(Seat, tenant),
        offset_of!(Seat, wishes),
        size_of::<Wish>(),
        offset_of!(Wish, want),
        offset_of!(Wish, time),
        offset_of!(Wish, present),
        offset_of!(Wish, class),
        offset_of!(Wish, bell),
        VERSION as usize,
    ]),
    size: size_of::<Content>(),
    set_aside: offset_of!(Content, seats),
};

/// The whole file. `head.own` is the number of seats ever used, for whoever walks them; only grows. Writer: owner, with
/// `fetch_max`.
#[repr(C, align(4096))]
pub(crate) struct Content {
    pub head: Head,
    pub devices: [Device; MAX_DEVICES],
    pub seats: [Seat; MAX_SEATS],
}

/// One device.
#[repr(C, align(64))]
pub(crate) struct Device {
    /// UUID as one number; 0 while the entry is free. Writer: anybody, by compare-and-swap from 0, once.
    pub uuid: AtomicU128,
    /// Who has the device, until when: see [`crate::turns::order::Lease`]. Writer: anybody, by compare-and-swap; as the
    /// holder, or as the next one when the lease ends.
    pub turn: AtomicU64,
    /// Virtual time of the seats with a share. Writer: anybody who takes the turn or keeps it; only forward.
    pub shares: Figure64,
    /// Virtual time of best effort. Writer: as `shares`.
    pub best_effort: Figure64,
    /// Counts how often somebody began to want the device. Looked at by every launch, so on a line that little else
    /// changes. Writer: anybody.
    pub calls: Line<AtomicU32>,
}

/// One process.
#[repr(C, align(64))]
pub(crate) struct Seat {
    /// Number of its tenant. Writer: owner.
    pub tenant: Figure64,
    pub wishes: [Wish; MAX_DEVICES],
}

/// What one process wants of one device.
#[repr(C, align(64))]
pub(crate) struct Wish {
    /// Until when it wants the device; 0: not at all. Writer: owner; anybody from a value to 0, who was let wait by it.
    pub want: AtomicU64,
    /// Its virtual time. Writer: owner.
    pub time: Figure64,
    /// Until when it counts as present. Writer: owner.
    pub present: Figure64,
    /// Its class. Writer: owner.
    pub class: Figure32,
    /// What its threads sleep on: another value wakes them. Writer: anybody.
    pub bell: AtomicU32,
}

/// The content of an opened file.
#[cfg(not(loom))]
pub(crate) fn content(opened: &SharedFile) -> &Content {
    // SAFETY: Content is repr(C), page-aligned, and consists of atomics.
    unsafe { opened.content() }
}

impl Content {
    /// What all seats say of a device. Relaxed throughout: these are single figures that may be old or wrong, and nothing
    /// but the next decision hangs on them; the turn itself is taken by compare-and-swap. Where a wish must not be missed, the
    /// seat has a fence before it looks.
    pub fn seen(&self, device: usize) -> impl Iterator<Item = Seen> {
        let used = (self.head.own.load(Ordering::Relaxed) as usize).min(MAX_SEATS);
        self.seats[..used].iter().enumerate().filter_map(move |(number, seat)| {
            let wish = &seat.wishes[device];
            let (want, present) = (wish.want.load(Ordering::Relaxed), wish.present.load(Ordering::Relaxed));
            (want != 0 || present != 0).then(|| Seen {
                seat: number as u16,
                tenant: seat.tenant.load(Ordering::Relaxed),
                class: wish.class.load(Ordering::Relaxed) as u8,
                time: wish.time.load(Ordering::Relaxed),
                want,
                present,
            })
        })
    }
}

impl Device {
    /// The virtual times.
    pub fn clock(&self) -> Clock {
        // Relaxed: see `seen`.
        Clock { shares: self.shares.load(Ordering::Relaxed), best_effort: self.best_effort.load(Ordering::Relaxed) }
    }

    /// Moves a virtual time forward to `to`.
    pub fn advance(&self, best_effort: bool, to: u64) {
        let word = if best_effort { &self.best_effort } else { &self.shares };
        // Relaxed: see `seen`. Whether it took effect does not matter: who is next does it again.
        let seen = word.load(Ordering::Relaxed);
        if distance(to, seen) > 0 {
            let _by_another = word.compare_exchange(seen, to, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
