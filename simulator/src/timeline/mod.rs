//! A device as a discrete-event model in virtual time: which work runs when, and for whom.
//!
//! Pure: no clock, no input or output, and the same calls give the same answer. Times are nanoseconds on a clock of the
//! caller's. The rules are stated in the README, "Time".

mod commit;
mod compute;
pub mod cost;
mod model;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub use model::{CommandId, ContextId, Ended, Prediction, StreamId, Timeline};
pub use state::Usage;

use serde::{Deserialize, Serialize};

/// The width of a kernel that fills every multiprocessor.
pub const FULL_WIDTH: u32 = 1 << 16;

/// The time of a kernel that never ends.
pub const FOREVER: u64 = u64::MAX;

/// Longest time of any other work, in nanoseconds: about 19 hours. What states more takes this.
pub const LONGEST_NS: u64 = 1 << 46;

/// What can be chosen about the time of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// How long a context may compute while others want to, in nanoseconds; above 0.
    pub slice_ns: u64,
    /// How long the device takes to go from one context to another, in nanoseconds.
    pub switch_ns: u64,
    /// Of the jitter of kernels.
    pub seed: u64,
    /// How long kernels take, beyond what their names say.
    pub kernels: cost::KernelModel,
}

impl Default for Timing {
    /// A slice of 2 ms, which is of the order that nvidia-smi documents for time-slices (1 to 30 ms by class), and a switch
    /// of 5 µs: figures of the model.
    fn default() -> Self {
        Self { slice_ns: 2_000_000, switch_ns: 5_000, seed: 0, kernels: cost::KernelModel::default() }
    }
}

/// A piece of work for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A kernel.
    Kernel(Kernel),
    /// A fill or a copy within the device: takes the multiprocessors as a whole.
    Compute {
        /// Time alone on the device, in nanoseconds.
        ns: u64,
    },
    /// A copy from host to device.
    CopyToDevice {
        /// Time on its engine, in nanoseconds.
        ns: u64,
    },
    /// A copy from device to host.
    CopyToHost {
        /// Time on its engine, in nanoseconds.
        ns: u64,
    },
    /// Takes no time: the record of an event, a wait, a join.
    Marker,
    /// Ends when the client says so.
    Gate,
}

impl From<Kernel> for Work {
    fn from(kernel: Kernel) -> Self {
        Self::Kernel(kernel)
    }
}

/// What a kernel asks of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Time alone on the device in nanoseconds, [`FOREVER`] for no end.
    pub ns: u64,
    /// Share of the multiprocessors that it can fill, from 1 to [`FULL_WIDTH`].
    pub width: u32,
    /// Its time varies evenly by up to this many percent, both ways; at most 100.
    pub jitter_percent: u8,
    /// Whom it waits for, on the device, before its time begins.
    pub meet: Option<Meet>,
}

/// Kernels that wait for each other, as those of a collective operation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meet {
    /// The same for all that meet.
    pub key: u64,
    /// How many meet, at least 1.
    pub count: u32,
}

/// How a stream takes part in the legacy default-stream rules: the default stream and the blocking streams of a context
/// wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The legacy default stream.
    Default,
    /// An ordinary stream.
    Blocking,
    /// A stream made with the non-blocking flag.
    Free,
}
