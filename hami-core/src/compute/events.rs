//! Timing events of ours: made once, used again and again, per context, and the device's time that they tell.
// UNSAFETY: vendor calls.
#![expect(unsafe_code)]

use core::ptr;

use ffi_headers::cuda::{CUDA_ERROR_NOT_READY, CUDA_SUCCESS, CUevent, CUresult, CUstream};

use super::spans::{Look, StreamId};
use crate::books::AddressMap;
use crate::vendor;

/// Most events made in one context.
const MOST: u32 = 2048;
/// Nanoseconds after which times are told from a newer event: the driver answers in milliseconds as a `float`, whose 24 bits
/// leave a step of 60 ns by then.
const REBASE: u64 = 1_000_000_000;
/// How far the clocks of host and device may part until then, in nanoseconds: 100 millionths are more than quartzes do.
const DRIFT: i64 = 100_000;

/// A handle of the driver's.
pub(super) type Event = usize;

/// The events of one context.
#[derive(Default)]
struct Pool {
    free: Vec<Event>,
    made: u32,
    /// The event from which times are told, and its own.
    base: Option<(Event, u64)>,
    /// What the host's clock is ahead of the times told, at least; no mark is passed before it was put.
    ahead: i64,
}

/// The events of this process on all devices.
#[derive(Default)]
pub(super) struct Events {
    pools: AddressMap<Pool>,
}

impl Events {
    /// An event that nobody uses, for a mark in the current context, which is `context`.
    pub(super) fn take(&mut self, context: usize) -> Option<Event> {
        let pool = self.pools.entry(context as u64).or_default();
        if let Some(event) = pool.free.pop() {
            return Some(event);
        }
        if pool.made >= MOST {
            return None;
        }
        let mut event: CUevent = ptr::null_mut();
        // SAFETY: writes one handle of ours. The flags of 0 ask for a time; nobody ever waits for it.
        if unsafe { vendor::event_create(&raw mut event, 0) } != CUDA_SUCCESS {
            return None;
        }
        pool.made += 1;
        Some(event as usize)
    }

    /// Nobody uses it any more.
    pub(super) fn give(&mut self, context: usize, event: Event) {
        if let Some(pool) = self.pools.get_mut(&(context as u64))
            && pool.base.is_none_or(|(base, _)| base != event)
        {
            pool.free.push(event);
        }
    }

    /// Whether the device has passed an event that was put at `put`, and when. Asks only.
    pub(super) fn look(&mut self, context: usize, event: Event, put: u64) -> Look {
        let Some(pool) = self.pools.get_mut(&(context as u64)) else { return Look::Lost };
        // SAFETY: an event of ours, whose context is not destroyed: then its pool were gone.
        match unsafe { vendor::event_query(event as CUevent) } {
            CUDA_SUCCESS => {}
            CUDA_ERROR_NOT_READY => return Look::Pending,
            _ => return Look::Lost,
        }
        let Some((base, base_at)) = pool.base else {
            pool.base = Some((event, put));
            return Look::Passed { at: put, by_clock: put };
        };
        let mut milliseconds = 0_f32;
        // SAFETY: writes one number of ours; both events are ours, recorded and passed.
        let answer: CUresult =
            unsafe { vendor::event_elapsed_time(&raw mut milliseconds, base as CUevent, event as CUevent) };
        if answer != CUDA_SUCCESS || !milliseconds.is_finite() {
            return Look::Lost;
        }
        let at = base_at.saturating_add_signed((f64::from(milliseconds) * 1e6) as i64);
        pool.ahead = pool.ahead.max(put as i64 - at as i64);
        if at.saturating_sub(base_at) > REBASE {
            pool.base = Some((event, at));
            pool.free.push(base);
            pool.ahead -= DRIFT;
        }
        Look::Passed { at, by_clock: at.saturating_add_signed(pool.ahead) }
    }

    /// A context goes, and its events with it.
    pub(super) fn context_destroyed(&mut self, context: usize) {
        self.pools.remove(&(context as u64));
    }
}

/// Puts a mark into a stream that the program has just named. Answers whether the driver took it.
pub(super) fn record(stream: StreamId, event: Event) -> bool {
    // SAFETY: an event of ours, of the current context; the stream is the one that the program is just submitting to.
    unsafe { vendor::event_record(event as CUevent, stream.handle as CUstream) == CUDA_SUCCESS }
}
