//! The simulated vendor libraries' side: the connection to the server and what can be read from the shared books.

pub mod channel;
mod fork;
mod link;
mod shared;

pub use shared::{Opened, ShareError};

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};
use std::{env, io, ptr};

use crate::SOCKET_ENV;
use crate::books::{DeviceSlot, PAGE_BYTES, SharedBooks};
use crate::device::{Description, DeviceInfo};
use crate::protocol::{Reply, Report, Request};
use crate::timeline::Timing;
use crate::timeline::cost::KernelCost;

/// This process's view of the simulation it runs in.
pub struct Simulation {
    link: Arc<link::Link>,
    books: Arc<SharedBooks>,
    channel: Mutex<Option<&'static channel::Channel>>,
    slot: usize,
    description: Description,
    process: fork::SameProcess,
}

/// Why there is no simulation to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The process does not run under `simgpu`.
    #[error("{SOCKET_ENV} is not set: this process does not run under simgpu")]
    NoSimulation,
    /// The server cannot be reached or did not answer as expected.
    #[error("the simulation at '{socket}' cannot be reached: {reason}")]
    Unreachable {
        /// Value of the environment variable.
        socket: String,
        /// What went wrong.
        reason: io::Error,
    },
}

/// Why device memory was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The device has too little memory left.
    #[error("the device has too little memory left")]
    OutOfMemory,
    /// The simulation has ended or this process is a fork of the one that connected.
    #[error("the simulation has ended")]
    Disconnected,
}

/// Device memory of one process, over all its contexts on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessUse {
    /// Process id as the kernel (the server) sees it.
    pub pid: u32,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Contexts that exist.
    pub contexts: u32,
    /// Device-time used so far, in nanoseconds.
    pub busy_ns: u64,
}

static CURRENT: AtomicPtr<Simulation> = AtomicPtr::new(ptr::null_mut());

/// The simulation this process runs in; connects at the first call, and again in a fork of a process that had connected.
///
/// The connection stays open until every descriptor of it is closed: at the end of this process and of the forks made of it.
///
/// # Errors
/// [`ConnectError`]; a later call tries again.
pub fn connect() -> Result<&'static Simulation, ConnectError> {
    // Acquire pairs with the release in `publish`: whoever sees the pointer sees the value behind it.
    let seen = CURRENT.load(Ordering::Acquire);
    if let Some(simulation) = fork::published(seen).filter(|s| s.is_this_process()) {
        return Ok(simulation);
    }
    let fresh = Box::new(Simulation::open()?);
    Ok(fork::publish(&CURRENT, seen, fresh))
}

impl Simulation {
    fn open() -> Result<Self, ConnectError> {
        let socket = env::var_os(SOCKET_ENV).filter(|s| !s.is_empty()).ok_or(ConnectError::NoSimulation)?;
        Self::open_at(Path::new(&socket))
            .map_err(|reason| ConnectError::Unreachable { socket: socket.to_string_lossy().into_owned(), reason })
    }

    /// A connection of its own to the simulation whose server listens at `socket`, whatever the environment says.
    ///
    /// # Errors
    /// When there is no server, or it does not answer as expected.
    pub fn open_at(socket: &Path) -> io::Result<Self> {
        let (link, welcome, books) = link::Link::connect(socket)?;
        let Reply::Welcome { slot, description } = welcome else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the server said {welcome:?}")));
        };
        let (link, books) = (Arc::new(link), Arc::new(SharedBooks::open(&File::from(books))?));
        if books.slot(slot).is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("slot {slot} does not exist")));
        }
        Ok(Self { link, books, channel: Mutex::default(), slot, description, process: fork::SameProcess::mark()? })
    }

    /// False in a fork of the process that connected.
    pub fn is_this_process(&self) -> bool {
        self.process.holds()
    }

    /// How the devices take their time.
    pub fn timing(&self) -> &Timing {
        &self.description.timing
    }

    /// What is known of the time that a kernel called `name` takes; worth keeping.
    pub fn kernel_cost(&self, name: &str) -> KernelCost {
        self.description.timing.kernels.cost(name)
    }

    /// Number of devices.
    pub fn device_count(&self) -> usize {
        self.description.devices.len()
    }

    /// Device number `index`.
    ///
    /// # Panics
    /// When `index` is not below [`Self::device_count`], like every other call here that takes one.
    pub fn device(&self, index: usize) -> &DeviceInfo {
        &self.description.devices[index]
    }

    /// Driver version, such as `550.163.01`.
    pub fn driver_version(&self) -> &str {
        &self.description.driver_version
    }

    /// Newest CUDA version of the driver: 1000 × major + 10 × minor.
    pub fn cuda_driver_version(&self) -> i32 {
        self.description.cuda_version
    }

    /// Device memory that each context takes, in pages.
    pub fn context_pages(&self) -> u32 {
        crate::books::pages_for(self.description.context_bytes) as u32
    }

    /// Size of the device memory in bytes.
    pub fn total_bytes(&self, index: usize) -> u64 {
        self.device(index).memory_total
    }

    /// Device memory in use by all processes, in bytes. No system call, no allocation.
    pub fn used_bytes(&self, index: usize) -> u64 {
        self.books.used_bytes(index, self.total_bytes(index))
    }

    /// Device memory not in use, in bytes.
    pub fn free_bytes(&self, index: usize) -> u64 {
        self.total_bytes(index) - self.used_bytes(index)
    }

    /// Percent of the last sampling period in which the device was busy, from 0 to 100.
    pub fn utilisation(&self, index: usize) -> u32 {
        self.books.utilisation(index)
    }

    /// Processes that have a context on the device, in order of process id.
    pub fn processes(&self, index: usize) -> Vec<ProcessUse> {
        let now = monotonic_ns();
        let mut found = BTreeMap::<u32, ProcessUse>::new();
        for slot in self.books.slots() {
            // Relaxed: each figure stands alone; a process that comes or goes meanwhile is seen or not.
            let pid = slot.pid.load(Ordering::Relaxed);
            let device = &slot.devices[index];
            let contexts = device.contexts.load(Ordering::Relaxed);
            if pid != 0 && contexts > 0 {
                let entry = found.entry(pid).or_insert(ProcessUse { pid, used_bytes: 0, contexts: 0, busy_ns: 0 });
                entry.used_bytes += u64::from(device.pages.load().used) * PAGE_BYTES;
                entry.contexts += contexts;
                entry.busy_ns += device.busy.at(now);
            }
        }
        found.into_values().collect()
    }

    /// Takes `pages` of 2 MiB on the device: within the credit without a system call, else by asking the server.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was taken then.
    pub fn reserve_pages(&self, index: usize, pages: u32) -> Result<(), ReserveError> {
        if self.my(index).pages.try_use(pages) {
            return Ok(());
        }
        match self.ask(&Request::Reserve { device: index, pages }) {
            Ok(Reply::Reserved) => Ok(()),
            Ok(Reply::OutOfMemory) => Err(ReserveError::OutOfMemory),
            _ => Err(ReserveError::Disconnected),
        }
    }

    /// As [`Self::reserve_pages`], but takes as many as there are, up to `pages`; says how many.
    ///
    /// # Errors
    /// Only [`ReserveError::Disconnected`].
    pub fn reserve_up_to(&self, index: usize, pages: u32) -> Result<u32, ReserveError> {
        let mut wanted = pages;
        while wanted > 0 {
            match self.reserve_pages(index, wanted) {
                // Others take and give back meanwhile: each try asks for less, so there is an end.
                Err(ReserveError::OutOfMemory) => {
                    let room = u32::try_from(self.free_bytes(index) / PAGE_BYTES).unwrap_or(u32::MAX);
                    wanted = room.min(wanted - 1);
                }
                other => return other.map(|()| wanted),
            }
        }
        Ok(0)
    }

    /// Counts `pages` more of managed memory that lie on the host.
    pub fn add_host_managed(&self, index: usize, pages: u32) {
        // Relaxed: a lone figure with this process as its only writer; so below.
        self.my(index).host_managed_pages.fetch_add(pages, Ordering::Relaxed);
    }

    /// Counts `pages` less of managed memory that lie on the host.
    pub fn remove_host_managed(&self, index: usize, pages: u32) {
        self.my(index).host_managed_pages.fetch_sub(pages, Ordering::Relaxed);
    }

    /// Gives back pages that [`Self::reserve_pages`] took.
    pub fn release_pages(&self, index: usize, pages: u32) {
        self.my(index).pages.give_back(pages);
    }

    /// Counts one context more or less for this process.
    pub fn count_context(&self, index: usize, comes: bool) {
        let contexts = &self.my(index).contexts;
        // Relaxed: a lone figure with this process as its only writer.
        if comes {
            contexts.fetch_add(1, Ordering::Relaxed)
        } else {
            contexts.fetch_sub(1, Ordering::Relaxed)
        };
    }

    /// This process's own figures on the device.
    pub fn my(&self, index: usize) -> &DeviceSlot {
        &self.books.slot(self.slot).expect("checked when the connection was made").devices[index]
    }

    /// The true state of the simulation, after everything that has happened to its processes.
    ///
    /// # Errors
    /// When the simulation has ended.
    pub fn report(&self) -> io::Result<Report> {
        match self.ask(&Request::Report)? {
            Reply::Report(report) => Ok(report),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the server said {other:?}"))),
        }
    }

    fn ask(&self, request: &Request) -> io::Result<Reply> {
        if !self.is_this_process() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "this process is a fork of the one that connected",
            ));
        }
        self.link.ask(request)
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC always exists on Linux");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
