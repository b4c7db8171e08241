//! The tenant's part of one device: how much of its memory and of its time.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::config::{Share, Wish};
use crate::log;

/// In place of a number of bytes: there is no limit.
pub(crate) const NO_LIMIT: u64 = u64::MAX;

/// One device of the tenant's: what it may have of it.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Number of the device in the region.
    pub(crate) device: usize,
    /// Bytes granted, see [`Quota::limit`].
    limit: AtomicU64,
    /// [`Share`] in one word.
    share: AtomicU32,
    /// Whether memory is counted here: it is limited, or may be while the process runs.
    pub(crate) counted: bool,
    /// Bytes that the device has.
    total: u64,
    /// What the environment asks for here.
    pub(crate) asked: Wish,
    uuid: [u8; 16],
    /// When the overhead of code was last measured on this device.
    pub(crate) measured: Measured,
}

/// What is known of the last measurement of a device's overhead; see [`crate::shapes`].
#[derive(Debug)]
pub(crate) struct Measured {
    /// How often code may have been loaded, as of then.
    pub(crate) loads: AtomicU64,
    /// Nanoseconds of the coarse monotonic clock.
    pub(crate) at: AtomicU64,
    /// Whether it is still to be confirmed: other threads may have been in the middle of something.
    pub(crate) unconfirmed: AtomicBool,
}

impl Measured {
    const fn never() -> Self {
        Self { loads: AtomicU64::new(0), at: AtomicU64::new(0), unconfirmed: AtomicBool::new(false) }
    }
}

/// The quota on a device that the region does not account for, as long as it does not.
pub(crate) static NOTHING: Quota = Quota::new(0, [0; 16], 0, Wish::NONE, true);

impl Quota {
    /// Bytes granted, [`NO_LIMIT`] where there is no limit. More than the device has only with `CUDA_OVERSUBSCRIBE`. 0 when
    /// nothing can be granted.
    #[inline]
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed) // Relaxed: a number by itself; a change counts from some call on
    }

    /// What is granted of the device's compute.
    #[inline]
    pub(crate) fn share(&self) -> Share {
        Share::from_bits(self.share.load(Ordering::Relaxed)) // Relaxed: as in `limit`
    }

    /// A part of a device with so many bytes in all, of which nothing is granted yet. `counted`: memory is counted.
    pub(crate) const fn new(device: usize, uuid: [u8; 16], total: u64, asked: Wish, counted: bool) -> Self {
        let (limit, share) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { device, limit, share, counted, total, asked, uuid, measured: Measured::never() }
    }

    /// Puts what is asked for into force. `spills`: what the device has no room for comes from the host.
    pub(crate) fn grant(&self, wish: Wish, spills: bool) {
        let most = if spills { NO_LIMIT } else { self.total };
        let limit = wish.memory.map_or(NO_LIMIT, |limit| limit.min(most));
        let share = wish.share();
        log::info!("device {:02x?}: {limit} bytes granted of {}, {share:?}", self.uuid, self.total);
        self.limit.store(limit, Ordering::Relaxed); // see `limit`
        self.share.store(share.to_bits(), Ordering::Relaxed); // see `limit`
    }

    /// Whether this answer holds only for now.
    pub(crate) fn may_change(quota: Option<&'static Self>) -> bool {
        quota.is_some_and(|quota| ptr::eq(quota, &NOTHING))
    }

    /// The device's UUID as NVML writes it.
    pub(crate) fn uuid(&self) -> [u8; 16] {
        self.uuid
    }
}
