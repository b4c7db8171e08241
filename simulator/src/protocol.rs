//! Messages between a client and the server: one JSON value per packet of a Unix seqpacket socket.

use serde::{Deserialize, Serialize};

use crate::device::Description;

/// Longest packet in bytes.
pub const MAX_PACKET: usize = 160 << 10;

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Takes `pages` of device memory for the asker, beyond its present credit.
    Reserve {
        /// Index of the device.
        device: usize,
        /// Pages of 2 MiB.
        pages: u32,
    },
    /// Asks for the true state of the simulation.
    Report,
}

/// What the server says. `Welcome` comes unasked, once, with the descriptor of the books.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The client is connected.
    Welcome {
        /// Its slot in the books.
        slot: usize,
        /// What it sees.
        description: Description,
    },
    /// The pages are in use by the asker.
    Reserved,
    /// The device has too little memory left.
    OutOfMemory,
    /// The true state.
    Report(Report),
    /// The request cannot be served; the text says why.
    Refused(String),
}

/// The true state of a simulation, as `simgpu --books` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The devices, in the order of their indices.
    pub devices: Vec<DeviceReport>,
}

/// State of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Index of the device.
    pub index: u32,
    /// UUID as the vendor's tools print it.
    pub uuid: String,
    /// Size of the device memory in bytes.
    pub total_bytes: u64,
    /// Device memory in use, in bytes.
    pub used_bytes: u64,
    /// Connections that have a context or use memory, in order of process id.
    pub processes: Vec<ProcessReport>,
}

/// One connection's use of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Process id as the server sees it.
    pub pid: u32,
    /// Device memory in use, in bytes.
    pub used_bytes: u64,
    /// Contexts that exist.
    pub contexts: u32,
    /// Device-time used so far, in nanoseconds.
    pub busy_ns: u64,
}
