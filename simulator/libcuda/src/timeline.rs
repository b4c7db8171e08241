//! When simulated work starts and ends. A plain model: a stream is an in-order queue with a time at which it runs dry.
//!
//! Kernels of different streams, contexts and processes do not slow one another down. Times are CLOCK_MONOTONIC
//! nanoseconds. The rest of the library knows only [`Work`], [`Clock`], [`Barrier`] and [`wait_until`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use parking_lot::Mutex;
use simulator::books::DeviceSlot;
use simulator::client::monotonic_ns;
use simulator::device::DeviceInfo;

/// Time of a kernel whose name says nothing: a launch, and one step per round of resident blocks.
const LAUNCH_NS: u64 = 2_000;
const ROUND_NS: u64 = 1_000;
/// Time of any copy or fill before its first byte.
const COPY_NS: u64 = 1_000;
/// Bytes per second over the host link per lane and generation: 16 lanes of generation 5 give 64 GB/s.
const LINK_LANE_BYTES: u64 = 250_000_000;
/// The wait spins for this long before its end, as the kernel wakes a sleeper some 50 µs late.
const SPIN_NS: u64 = 60_000;

/// A piece of work for a stream.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// A kernel with its name, number of blocks and threads per block.
    Kernel {
        /// As the module has it.
        name: &'a str,
        /// Blocks of the grid.
        blocks: u64,
        /// Threads of a block.
        threads: u64,
    },
    /// Bytes between host and device.
    HostCopy(u64),
    /// Bytes within device memory.
    DeviceCopy(u64),
    /// Bytes of device memory that are filled.
    Fill(u64),
}

/// The time at which one queue runs dry.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

/// Legacy default-stream rules of one context: its default stream and its other blocking streams wait for each other.
#[derive(Debug, Default)]
pub struct Barrier {
    default_stream: AtomicU64,
    blocking_streams: AtomicU64,
    all_streams: AtomicU64,
    /// Before which nothing starts in any of its streams.
    held: AtomicU64,
}

/// How a queue takes part in its context's [`Barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The legacy default stream.
    Default,
    /// An ordinary stream.
    Blocking,
    /// A stream made with the non-blocking flag.
    Free,
}

/// Serialises this process's entries of device-time; one per device.
#[derive(Default)]
pub struct Meter(Mutex<()>);

impl Work<'_> {
    /// How long the work takes on `device`, in nanoseconds.
    pub fn duration_ns(self, device: &DeviceInfo) -> u64 {
        let at =
            |bytes: u64, bandwidth: u64| COPY_NS + (u128::from(bytes) * 1_000_000_000 / u128::from(bandwidth)) as u64;
        let link = LINK_LANE_BYTES * u64::from(device.pci.link_width) * (1 << (device.pci.link_generation - 1));
        match self {
            Self::Kernel { name, blocks, threads } => named_duration(name).unwrap_or_else(|| {
                let per_sm = u64::from(device.max_threads_per_sm) / threads.next_multiple_of(32).max(32);
                let resident = per_sm.clamp(1, u64::from(device.max_blocks_per_sm)) * u64::from(device.sm_count);
                LAUNCH_NS + blocks.div_ceil(resident) * ROUND_NS
            }),
            Self::HostCopy(bytes) => at(bytes, link),
            // Each byte is read and written.
            Self::DeviceCopy(bytes) => at(bytes, device.memory_bandwidth / 2),
            Self::Fill(bytes) => at(bytes, device.memory_bandwidth),
        }
    }

    /// Whether the work runs on the SMs, as opposed to a copy engine; only that counts as utilisation.
    fn computes(self) -> bool {
        matches!(self, Self::Kernel { .. } | Self::Fill(_))
    }
}

/// The duration that a name such as `spin_us250` states: the digits behind the last `_us`, in microseconds.
fn named_duration(name: &str) -> Option<u64> {
    let (_, rest) = name.rsplit_once("_us")?;
    let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
    digits.parse::<u64>().ok()?.checked_mul(1000)
}

/// Runs work beside what queues hold, from `start` on; returns when it ends. `slot` is as in [`Clock::submit`].
pub fn run_from(work: Work<'_>, start: u64, device: &DeviceInfo, (meter, slot): (&Meter, &DeviceSlot)) -> u64 {
    let end = start + work.duration_ns(device);
    if work.computes() {
        let turn = meter.0.lock();
        slot.add_busy(start, end);
        drop(turn);
    }
    end
}

impl Clock {
    /// Queues work behind what is there; returns when it ends. `slot` is this process's own place in the device's books.
    pub fn submit(
        &self,
        work: Work<'_>,
        role: Role,
        barrier: &Barrier,
        device: &DeviceInfo,
        (meter, slot): (&Meter, &DeviceSlot),
    ) -> u64 {
        let duration = work.duration_ns(device);
        let turn = meter.0.lock();
        let start = self.free_at(role, barrier).max(monotonic_ns());
        let end = start + duration;
        if work.computes() {
            slot.add_busy(start, end);
        }
        self.extend(end, role, barrier);
        drop(turn);
        end
    }

    /// The time at which work that is queued now could start, from what is queued already; may lie in the past.
    pub fn free_at(&self, role: Role, barrier: &Barrier) -> u64 {
        // Relaxed here and in `extend`: the times are lone figures, and queues of one process are written under the meter's
        // lock or by calls whose order the program leaves open.
        let own = self.0.load(Ordering::Relaxed).max(barrier.held.load(Ordering::Relaxed));
        match role {
            Role::Default => own.max(barrier.blocking_streams.load(Ordering::Relaxed)),
            Role::Blocking => own.max(barrier.default_stream.load(Ordering::Relaxed)),
            Role::Free => own,
        }
    }

    /// Keeps the queue busy at least until `end`.
    pub fn extend(&self, end: u64, role: Role, barrier: &Barrier) {
        self.0.fetch_max(end, Ordering::Relaxed);
        barrier.all_streams.fetch_max(end, Ordering::Relaxed);
        match role {
            Role::Default => barrier.default_stream.fetch_max(end, Ordering::Relaxed),
            Role::Blocking => barrier.blocking_streams.fetch_max(end, Ordering::Relaxed),
            Role::Free => 0,
        };
    }
}

impl Barrier {
    /// Lets nothing that is queued later start before `time`.
    pub fn hold_until(&self, time: u64) {
        // Relaxed: as in `Clock::free_at`.
        self.held.fetch_max(time, Ordering::Relaxed);
    }

    /// The time at which every queue of the context runs dry.
    pub fn all_free_at(&self) -> u64 {
        // Relaxed: as in `Clock::free_at`.
        self.all_streams.load(Ordering::Relaxed)
    }
}

/// Waits until the given time: asleep, and awake for the last microseconds.
pub fn wait_until(end: u64) {
    let sleep_until = end.saturating_sub(SPIN_NS);
    while monotonic_ns() < sleep_until {
        let deadline = Duration::from_nanos(sleep_until);
        // An interruption by a signal is no end of the wait; the loop looks at the clock again.
        let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &deadline.into());
    }
    while monotonic_ns() < end {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_states_its_duration() {
        for (name, ns) in [("spin_us20", 20_000), ("_ZN8__main__9spin_us300B2v1E", 300_000), ("a_us1_us7", 7_000)] {
            assert_eq!(named_duration(name), Some(ns), "{name}");
        }
        for name in ["spin", "spin_us", "spin_usage9"] {
            assert_eq!(named_duration(name), None, "{name}");
        }
    }

    #[test]
    fn the_default_stream_and_blocking_streams_wait_for_each_other() {
        let (a, b, default, barrier) = (Clock::default(), Clock::default(), Clock::default(), Barrier::default());
        a.extend(100, Role::Blocking, &barrier);
        assert_eq!(b.free_at(Role::Blocking, &barrier), 0);
        assert_eq!(default.free_at(Role::Default, &barrier), 100);
        default.extend(150, Role::Default, &barrier);
        assert_eq!(b.free_at(Role::Blocking, &barrier), 150);
        assert_eq!(b.free_at(Role::Free, &barrier), 0);
    }
}
