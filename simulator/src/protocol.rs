//! Messages between a client and the server: one JSON value per packet of a Unix seqpacket socket.

use serde::{Deserialize, Serialize};

use crate::device::Description;

/// Longest packet in bytes.
pub const MAX_PACKET: usize = 160 << 10;

/// Longest packet other than a report or a welcome, in bytes.
pub const SHORT_PACKET: usize = 1024;

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
    /// Asks for a channel to the devices; each client has at most one.
    Channel,
    /// Makes something of the asker known to others, and the asker its first holder. Memory comes with its file; device
    /// memory is in use by the asker already.
    Share {
        /// What it is. The number of a cell is the server's to choose.
        contents: Contents,
        /// For those who open it; the server does not read it.
        note: Vec<u64>,
    },
    /// Asks for a descriptor that stands for an object: the object lives while any copy of it is open.
    Export {
        /// Number of the object.
        object: u64,
    },
    /// Makes the asker a holder, once more, of the object for which the descriptor that comes with the request stands.
    Import,
    /// Makes the asker a holder, once more, of an object.
    Open(Key),
    /// Takes one holding of the asker away.
    LetGo {
        /// Number of the object.
        object: u64,
    },
    /// Asks whether an object still exists.
    Exists {
        /// Number of the object.
        object: u64,
    },
}

/// Something that processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contents {
    /// A part of a memory file.
    Memory {
        /// The device on which it takes pages of 2 MiB; `None` for host memory.
        device: Option<usize>,
        /// First byte in the file.
        offset: u64,
        /// Size in bytes.
        bytes: u64,
    },
    /// A word in the books.
    Cell {
        /// Which one.
        number: u32,
    },
    /// Nothing but the note.
    Nothing,
}

/// By what an object is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Number of the object.
    pub object: u64,
    /// A number that only those know to whom the key was given.
    pub secret: u64,
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
    /// The channel comes with this reply.
    Channel {
        /// A number that no other channel of the simulation has.
        serial: u32,
    },
    /// The device has too little memory left.
    OutOfMemory,
    /// The true state.
    Report(Report),
    /// The object is known by this key.
    Shared {
        /// The key.
        key: Key,
        /// What was made.
        contents: Contents,
    },
    /// The descriptor comes with this reply.
    Exported,
    /// The asker holds the object. The file of memory comes with this reply.
    Opened {
        /// By what it is known.
        key: Key,
        /// What it is.
        contents: Contents,
        /// From the one who shared it.
        note: Vec<u64>,
        /// Whether the asker itself shared it.
        own: bool,
    },
    /// Whether the object still exists.
    Exists(bool),
    /// There is no such object, or it has gone.
    NoSuchObject,
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
    /// Device-time used so far by all processes, those that are gone included, in nanoseconds.
    #[serde(default)]
    pub busy_ns: u64,
    /// How often the device went from one context to another.
    #[serde(default)]
    pub switches: u64,
    /// Part of that which belongs to no process: shared memory that only open descriptors keep alive, in bytes.
    #[serde(default)]
    pub unowned_bytes: u64,
    /// Connections that have a context, use memory or have used device-time, in order of process id.
    pub processes: Vec<ProcessReport>,
}

/// One connection's use of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Process id as the server sees it.
    pub pid: u32,
    /// Device memory in use, in bytes.
    pub used_bytes: u64,
    /// Managed memory of this device that lies on the host, in bytes; no device memory.
    pub host_managed_bytes: u64,
    /// Contexts that exist.
    pub contexts: u32,
    /// Device-time used so far, in nanoseconds.
    pub busy_ns: u64,
}
