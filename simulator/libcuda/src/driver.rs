//! The driver's state in this process: made by cuInit, lost in a fork.
//!
#![expect(unsafe_code)]
// UNSAFETY: turns the published pointer to the state back into a reference.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use ffi_headers::cuda::*;
use parking_lot::{Mutex, MutexGuard};
use simulator::client::{ConnectError, ReserveError, Simulation, connect};
use simulator::device::DeviceInfo;

use crate::abi::Outcome;
use crate::context::{self, Context};
use crate::copy::HostMemory;
use crate::handles::Handles;
use crate::memory::{NoMemory, PoolId, Space};
use crate::module::{Function, Kernel, Library, Linker, Module};
use crate::stream::{Event, Stream};
use crate::timeline::{Meter, Work};
use crate::visible;

/// Everything the library knows in this process.
pub struct Driver {
    pub simulation: &'static Simulation,
    pub devices: Vec<Device>,
    pub host: Mutex<HostMemory>,
    pub contexts: Mutex<Vec<&'static Context>>,
    pub streams: Handles<Stream>,
    pub events: Handles<Event>,
    pub modules: Handles<Module>,
    pub functions: Handles<Function>,
    pub libraries: Handles<Library>,
    pub kernels: Handles<Kernel>,
    pub linkers: Handles<Linker>,
    pub pools: Handles<PoolHandle>,
    /// For contexts and pools.
    next_id: AtomicU32,
    next_stream: AtomicU64,
}

/// One device as this process sees it.
pub struct Device {
    /// Ordinal: position among the devices that this process sees.
    pub index: usize,
    /// Position among all devices of the simulation, by which the books go.
    physical: usize,
    pub info: &'static DeviceInfo,
    /// Every address that its memory can have in this process.
    pub addresses: Range<u64>,
    space: Mutex<Space>,
    pub primary: &'static Context,
    pub primary_count: Mutex<u32>,
    /// The pool made with the device, and the one that cuMemAllocAsync takes.
    pub default_pool: Arc<PoolHandle>,
    pub pool: Mutex<Arc<PoolHandle>>,
    pub meter: Meter,
}

/// What a pool handle stands for.
pub struct PoolHandle {
    /// Ordinal of its device.
    pub device: usize,
    pub id: PoolId,
    /// Attributes that are kept and have no effect: the three reuse policies.
    pub reuse: [AtomicU32; 3],
}

static DRIVER: AtomicPtr<Driver> = AtomicPtr::new(std::ptr::null_mut());

fn published() -> Option<&'static Driver> {
    // Acquire pairs with the release in `initialise`. SAFETY: null, or a box leaked there that is never freed.
    unsafe { DRIVER.load(Ordering::Acquire).as_ref() }
}

/// The state, or that there is none: before cuInit, and in a fork of a process that had called it.
pub fn driver() -> Outcome<&'static Driver> {
    published().filter(|driver| driver.simulation.is_this_process()).ok_or(CUDA_ERROR_NOT_INITIALIZED)
}

/// The state and the current context.
pub fn in_context() -> Outcome<(&'static Driver, &'static Context)> {
    Ok((driver()?, context::current()?))
}

/// What cuInit does.
pub fn initialise() -> Outcome {
    if published().is_some() {
        return driver()?.sees_a_device();
    }
    let simulation = connect().map_err(|error| match error {
        ConnectError::NoSimulation => CUDA_ERROR_NO_DEVICE,
        ConnectError::Unreachable { .. } => CUDA_ERROR_DEVICE_UNAVAILABLE,
    })?;
    let fresh = Box::into_raw(Box::new(Driver::new(simulation)?));
    // Release: the state is complete before it is seen. A thread that was quicker wins; ours was never used.
    if DRIVER.compare_exchange(std::ptr::null_mut(), fresh, Ordering::Release, Ordering::Relaxed).is_err() {
        // SAFETY: `fresh` was made from a box above and not published.
        drop(unsafe { Box::from_raw(fresh) });
    }
    driver()?.sees_a_device()
}

/// The devices of the simulation that this process sees, in the order of their ordinals.
fn visible_devices(simulation: &Simulation) -> Vec<usize> {
    let all = 0..simulation.device_count();
    let Some(list) = std::env::var_os("CUDA_VISIBLE_DEVICES") else { return all.collect() };
    let uuids: Vec<_> = all.map(|index| simulation.device(index).uuid_string()).collect();
    visible::select(&list.to_string_lossy(), &uuids)
}

impl Driver {
    fn new(simulation: &'static Simulation) -> Outcome<Self> {
        let next_id = AtomicU32::new(1);
        let mut devices = Vec::new();
        let visible = visible_devices(simulation);
        let spaces = Space::for_devices(simulation, &visible).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)?;
        for (index, (physical, mut space)) in visible.into_iter().zip(spaces).enumerate() {
            let pool = PoolHandle::new(index, fresh_id(&next_id)?);
            space.add_pool(pool.id);
            let pool = Arc::new(pool);
            devices.push(Device {
                index,
                physical,
                info: simulation.device(physical),
                addresses: space.addresses(),
                space: Mutex::new(space),
                primary: Context::new(fresh_id(&next_id)?, index, true, 0, 3020),
                primary_count: Mutex::new(0),
                default_pool: Arc::clone(&pool),
                pool: Mutex::new(pool),
                meter: Meter::default(),
            });
        }
        let driver = Self {
            simulation,
            devices,
            host: Mutex::default(),
            contexts: Mutex::default(),
            streams: Handles::new(),
            events: Handles::new(),
            modules: Handles::new(),
            functions: Handles::new(),
            libraries: Handles::new(),
            kernels: Handles::new(),
            linkers: Handles::new(),
            pools: Handles::new(),
            next_id,
            // Above the number that every context's default stream has.
            next_stream: AtomicU64::new(2),
        };
        for device in &driver.devices {
            let _: CUmemoryPool = driver.pools.insert(Arc::clone(&device.default_pool));
        }
        Ok(driver)
    }

    /// An error when CUDA_VISIBLE_DEVICES hides every device: cuInit says so, and the number of devices is 0 from then on.
    fn sees_a_device(&self) -> Outcome {
        if self.devices.is_empty() { Err(CUDA_ERROR_NO_DEVICE) } else { Ok(()) }
    }

    /// Free and total memory of the device of a context, in bytes.
    pub fn memory_info(&self, context: &Context) -> (u64, u64) {
        let physical = self.device_of(context).physical;
        let total = self.simulation.total_bytes(physical);
        (total - self.simulation.used_bytes(physical), total)
    }

    /// A number for a new context or pool.
    pub fn fresh_id(&self) -> Outcome<u32> {
        fresh_id(&self.next_id)
    }

    /// A number for a new stream.
    pub fn fresh_stream_id(&self) -> u64 {
        // Relaxed: only uniqueness matters.
        self.next_stream.fetch_add(1, Ordering::Relaxed)
    }

    pub fn device(&self, ordinal: CUdevice) -> Outcome<&Device> {
        usize::try_from(ordinal).ok().and_then(|index| self.devices.get(index)).ok_or(CUDA_ERROR_INVALID_DEVICE)
    }

    pub fn device_of(&self, context: &Context) -> &Device {
        &self.devices[context.device]
    }

    /// The device whose address range holds `address`.
    pub fn device_at(&self, address: u64) -> Option<&Device> {
        self.devices.iter().find(|device| device.addresses.contains(&address))
    }

    /// The context behind a handle, live or not.
    pub fn context(&self, handle: CUcontext) -> Outcome<&'static Context> {
        let primaries = self.devices.iter().map(|device| device.primary);
        let found = primaries.chain(self.contexts.lock().iter().copied()).find(|context| context.handle() == handle);
        found.ok_or(CUDA_ERROR_INVALID_CONTEXT)
    }

    /// Takes the device memory of a context and makes it live.
    pub fn start(&self, context: &Context) -> Outcome {
        let physical = self.device_of(context).physical;
        self.simulation.reserve_pages(physical, self.simulation.context_pages()).map_err(|error| match error {
            ReserveError::OutOfMemory => CUDA_ERROR_OUT_OF_MEMORY,
            ReserveError::Disconnected => CUDA_ERROR_DEVICE_UNAVAILABLE,
        })?;
        self.simulation.count_context(physical, true);
        context.set_live(true);
        Ok(())
    }

    /// Ends a live context: waits for its work, then frees everything it owns.
    pub fn end(&self, context: &Context) {
        crate::stream::synchronise_context(self, context);
        context.set_live(false);
        self.streams.retain(|stream| stream.context.id != context.id);
        self.events.retain(|event| event.context.id != context.id);
        self.modules.retain(|module| module.context.id != context.id);
        self.functions.retain(|function| function.context.id != context.id);
        self.libraries.select(|_| true).iter().for_each(|library| library.forget_context(context.id));
        let device = self.device_of(context);
        device.space().free_owned_by(context.id);
        self.simulation.count_context(device.physical, false);
        self.simulation.release_pages(device.physical, self.simulation.context_pages());
    }
}

impl Device {
    pub fn space(&self) -> MutexGuard<'_, Space> {
        self.space.lock()
    }

    /// Runs `work` on a queue of `context`.
    pub fn submit(&self, driver: &Driver, stream: &Stream, work: Work<'_>) -> u64 {
        let books = (&self.meter, driver.simulation.my(self.physical));
        stream.clock.submit(work, stream.role, &stream.context.barrier, self.info, books)
    }
}

impl PoolHandle {
    pub fn new(device: usize, id: PoolId) -> Self {
        Self { device, id, reuse: [const { AtomicU32::new(1) }; 3] }
    }
}

/// The driver's code for what the memory module says.
pub fn memory_code(error: NoMemory) -> CUresult {
    match error {
        NoMemory::Full => CUDA_ERROR_OUT_OF_MEMORY,
        NoMemory::Gone => CUDA_ERROR_DEVICE_UNAVAILABLE,
    }
}

/// Every thread of the program uses the one state.
const _: fn() = || {
    fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Driver>();
};

fn fresh_id(next: &AtomicU32) -> Outcome<u32> {
    // Relaxed: only uniqueness matters.
    let id = next.fetch_add(1, Ordering::Relaxed);
    // What `memory` has room for beside an address.
    if id < 1 << 21 { Ok(id) } else { Err(CUDA_ERROR_OPERATING_SYSTEM) }
}
