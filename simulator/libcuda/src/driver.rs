//! The driver's state in this process: made by cuInit, lost in a fork.
//!
#![expect(unsafe_code)]
// UNSAFETY: turns the published pointer to the state back into a reference.

use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ffi_headers::cuda::*;
use parking_lot::{Mutex, MutexGuard, RwLock};
use simulator::client::channel::Channel;
use simulator::client::{ConnectError, ReserveError, Simulation, connect};
use simulator::device::DeviceInfo;

use crate::abi::Outcome;
use crate::array::{Array, Mipmap};
use crate::context::{self, Context};
use crate::copy::HostMemory;
use crate::event::Event;
use crate::graph;
use crate::green;
use crate::handles::Handles;
use crate::memory::{ExternalMemory, NoMemory, PoolHandle, Space, VirtualMemory};
use crate::module::{Function, Kernel, Library, Linker, Module};
use crate::stream::Stream;
use crate::visible;

/// Everything the library knows in this process.
pub struct Driver {
    pub simulation: &'static Simulation,
    channel: OnceLock<&'static Channel>,
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
    /// Everything that is mapped apart from the devices' own address ranges.
    pub mapped: RwLock<VirtualMemory>,
    pub arrays: Handles<Array>,
    pub mipmaps: Handles<Mipmap>,
    pub external: Handles<ExternalMemory>,
    pub graph: graph::Registry,
    pub green: green::Registry,
    /// For contexts and pools.
    next_id: AtomicU32,
    next_stream: AtomicU64,
}

/// One device as this process sees it.
pub struct Device {
    /// Ordinal: position among the devices that this process sees.
    pub index: usize,
    /// Position among all devices of the simulation, by which the books go.
    pub physical: usize,
    pub info: &'static DeviceInfo,
    /// Every address that its memory can have in this process.
    pub addresses: Range<u64>,
    space: Mutex<Space>,
    /// Memory at addresses of 32 bits, for the calls that know no others; made at the first of them.
    low: OnceLock<Low>,
    pub primary: &'static Context,
    pub primary_count: Mutex<u32>,
    /// The pool made with the device, and the one that cuMemAllocAsync takes.
    pub default_pool: Arc<PoolHandle>,
    pub pool: Mutex<Arc<PoolHandle>>,
}

struct Low {
    addresses: Range<u64>,
    space: Mutex<Space>,
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
            let pool = PoolHandle::new(index, fresh_id(&next_id)?, CU_MEM_HANDLE_TYPE_NONE);
            space.add_pool(pool.id, 0);
            let pool = Arc::new(pool);
            devices.push(Device {
                index,
                physical,
                info: simulation.device(physical),
                addresses: space.addresses(),
                space: Mutex::new(space),
                low: OnceLock::new(),
                primary: Context::new(fresh_id(&next_id)?, index, true, 0, 3020),
                primary_count: Mutex::new(0),
                default_pool: Arc::clone(&pool),
                pool: Mutex::new(pool),
            });
        }
        let driver = Self {
            simulation,
            channel: OnceLock::new(),
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
            mapped: RwLock::default(),
            arrays: Handles::new(),
            mipmaps: Handles::new(),
            external: Handles::new(),
            graph: graph::Registry::default(),
            green: green::Registry::default(),
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

    /// The ordinal of a device of the simulation, if this process sees it.
    pub fn ordinal_of(&self, physical: usize) -> Option<usize> {
        self.devices.iter().position(|device| device.physical == physical)
    }

    /// The device whose address range holds `address`.
    pub fn device_at(&self, address: u64) -> Option<&Device> {
        self.devices.iter().find(|device| device.addresses.contains(&address) || device.low_at(address).is_some())
    }

    /// The context behind a handle, live or not.
    pub fn context(&self, handle: CUcontext) -> Outcome<&'static Context> {
        let primaries = self.devices.iter().map(|device| device.primary);
        let found = primaries.chain(self.contexts.lock().iter().copied()).find(|context| context.handle() == handle);
        found.ok_or(CUDA_ERROR_INVALID_CONTEXT)
    }

    /// The way to the devices' engine.
    pub fn channel(&self) -> Outcome<&'static Channel> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel);
        }
        let channel = self.simulation.channel().map_err(|_| CUDA_ERROR_DEVICE_UNAVAILABLE)?;
        Ok(self.channel.get_or_init(|| channel))
    }

    /// Takes the device memory of a context and makes it live.
    pub fn start(&self, context: &'static Context) -> Outcome {
        let physical = self.device_of(context).physical;
        let channel = self.channel()?;
        self.simulation.reserve_pages(physical, self.simulation.context_pages()).map_err(|error| match error {
            ReserveError::OutOfMemory => CUDA_ERROR_OUT_OF_MEMORY,
            ReserveError::Disconnected => CUDA_ERROR_DEVICE_UNAVAILABLE,
        })?;
        self.simulation.count_context(physical, true);
        context.start(self, channel.context(physical))
    }

    /// Counts one reference of a primary context more; the first makes it.
    pub fn retain_primary(&self, device: &Device) -> Outcome<&'static Context> {
        let mut count = device.primary_count.lock();
        if !device.primary.is_live() {
            self.start(device.primary)?;
        }
        *count += 1;
        Ok(device.primary)
    }

    /// Counts one reference of a primary context less; the last ends it.
    pub fn release_primary(&self, device: &Device) -> Outcome {
        let mut count = device.primary_count.lock();
        *count = count.checked_sub(1).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
        if *count == 0 && device.primary.is_live() {
            self.end(device.primary);
        }
        Ok(())
    }

    /// The green contexts that live in the memory of a primary one.
    pub fn green_contexts_of(&self, primary: &Context) -> Vec<&'static Context> {
        let of_primary = |context: &&'static Context| context.is_green() && context.id == primary.id;
        self.contexts.lock().iter().copied().filter(of_primary).collect()
    }

    /// Ends a live context with its work, and frees everything it owns.
    pub fn end(&self, context: &Context) {
        context.stop(self);
        if context.primary {
            self.green_contexts_of(context).into_iter().for_each(|green| green.stop(self));
        }
        self.device_of(context).space().trim_pools();
        for stream in self.streams.select(|stream| stream.context.id == context.id) {
            graph::capture::forget_stream(self, &stream);
        }
        self.streams.retain(|stream| stream.context.id != context.id);
        self.events.retain(|event| event.context.id != context.id);
        self.modules.retain(|module| module.context.id != context.id);
        self.functions.retain(|function| function.context.id != context.id);
        self.arrays.retain(|array| array.storage.context.id != context.id);
        self.mipmaps.retain(|mipmap| mipmap.storage.context.id != context.id);
        self.libraries.select(|_| true).iter().for_each(|library| library.forget_context(context.id));
        self.mapped.write().close_all_of(context.id);
        let device = self.device_of(context);
        device.space().free_owned_by(context.id);
        if let Some(low) = device.low.get() {
            low.space.lock().free_owned_by(context.id);
        }
        self.end_overhead(context);
        self.simulation.count_context(device.physical, false);
        self.simulation.release_pages(device.physical, self.simulation.context_pages());
    }
}

impl Device {
    pub fn space(&self) -> MutexGuard<'_, Space> {
        self.space.lock()
    }

    /// The memory to which `address` belongs if it is one of this device.
    pub fn space_at(&self, address: u64) -> MutexGuard<'_, Space> {
        self.low_at(address).map_or_else(|| self.space(), |low| low.space.lock())
    }

    fn low_at(&self, address: u64) -> Option<&Low> {
        self.low.get().filter(|low| low.addresses.contains(&address))
    }

    /// Memory at addresses of 32 bits; out of memory where the process has none left.
    pub fn low_space(&self, simulation: &'static Simulation) -> Outcome<MutexGuard<'_, Space>> {
        if self.low.get().is_none() {
            let space = Space::low(simulation, self.physical).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
            // Another thread may have been quicker; this one was never used then.
            let _ = self.low.set(Low { addresses: space.addresses(), space: Mutex::new(space) });
        }
        self.low.get().map(|low| low.space.lock()).ok_or(CUDA_ERROR_OUT_OF_MEMORY)
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
