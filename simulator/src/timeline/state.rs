//! Everything about a timeline that changes as time passes, so that a copy can run ahead and be thrown away.

use std::collections::VecDeque;

/// What runs ahead.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub now: u64,
    pub streams: Vec<StreamState>,
    pub contexts: Vec<ContextState>,
    pub devices: Vec<DeviceState>,
    /// Kernels that have started, by the key by which they meet.
    pub meets: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamState {
    /// Commands at the front of the queue that have ended.
    pub position: usize,
    /// Whether the command behind them is on its way.
    pub started: bool,
}

/// A context, which is one group of the device's time-slicing.
#[derive(Clone, Debug, Default)]
pub(super) struct ContextState {
    /// In the order in which they started; stopped while another context has the device.
    pub running: Vec<Running>,
    /// Kernels that are ready and have no room.
    pub waiting: VecDeque<u32>,
    /// Markers that wait for the context to have the device.
    pub markers: Vec<u32>,
    /// Whether it stands in the device's queue.
    pub queued: bool,
}

/// A kernel on the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub command: u32,
    pub width: u32,
    /// The part of the width that it has; never 0.
    pub granted: u32,
    /// Time left with its full width, in 1/65536 ns; `FOREVER` for no end.
    pub remaining: u64,
    /// The key by which it meets others, and the number of kernels that must have started.
    pub meet: Option<(u64, u64)>,
    /// Whether those have started.
    pub released: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct DeviceState {
    /// The context that has the multiprocessors, or had them last.
    pub active: Option<u32>,
    /// Time at which the switch to it is over, while it lasts.
    pub switching: Option<u64>,
    pub slice_end: u64,
    /// Contexts with something to run, without the active one, in the order of their turns.
    pub queue: VecDeque<u32>,
    /// To the device and to the host.
    pub copies: [CopyEngine; 2],
    /// Up to when the work of the running kernels is counted.
    pub progressed: u64,
    /// The context that computes now, and since when.
    pub computing: Option<(u32, u64)>,
    /// Next time at which something happens by itself.
    pub next: u64,
    pub switches: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct CopyEngine {
    /// The copy under way and its end.
    pub current: Option<(u32, u64)>,
    pub queue: VecDeque<u32>,
}

/// A time in which one context had a device compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which one, of those that [`super::Timeline::context`] gave out.
    pub context: super::ContextId,
    /// Index of the device.
    pub device: usize,
    /// First nanosecond.
    pub from: u64,
    /// First nanosecond after.
    pub to: u64,
}

impl ContextState {
    pub fn has_work(&self) -> bool {
        !(self.running.is_empty() && self.waiting.is_empty() && self.markers.is_empty())
    }
}

impl State {
    pub fn started(&self, key: u64) -> u64 {
        self.meets.iter().find(|meet| meet.0 == key).map_or(0, |meet| meet.1)
    }

    /// Counts one more kernel of `key`; returns how many had started before.
    pub fn start_meeting(&mut self, key: u64) -> u64 {
        match self.meets.iter_mut().find(|meet| meet.0 == key) {
            Some(meet) => {
                meet.1 += 1;
                meet.1 - 1
            }
            None => {
                self.meets.push((key, 1));
                0
            }
        }
    }
}
