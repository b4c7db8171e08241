//! Contexts, and the stack of current contexts of each thread.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;
use parking_lot::{Mutex, RwLock};
use simulator::client::channel::{Context as ContextId, Ticket};
use simulator::timeline::Role;

use crate::abi::Outcome;
use crate::driver::Driver;
use crate::event::Recorded;
use crate::host_call::HostCalls;
use crate::memory::Owner;
use crate::overhead::Overhead;
use crate::stream::Stream;

/// One context. Never freed, so that a handle in another thread's stack stays readable after the context is destroyed.
pub struct Context {
    /// Number within the process; owner of its allocations.
    pub id: Owner,
    /// Ordinal of its device.
    pub device: usize,
    pub primary: bool,
    /// The number of its own that a green context has; its memory is that of the primary context.
    green: Option<u32>,
    pub flags: AtomicU32,
    pub api_version: u32,
    live: AtomicBool,
    life: AtomicU64,
    /// Users beside the one that made it.
    attached: AtomicU32,
    /// What a live context has on the device; a primary context may live more than once.
    engine: Mutex<Option<Engine>>,
    default_stream: RwLock<Option<Arc<Stream>>>,
    /// Host functions that wait in any of its streams.
    pub host_calls: HostCalls,
    /// Shared with its primary context by a green one.
    pub settings: Arc<Mutex<Settings>>,
    /// Devices whose memory this context may use, one bit per ordinal.
    pub peers: AtomicU64,
}

/// What a live context has on the device.
struct Engine {
    id: ContextId,
    /// Every stream, the default one and those of threads included.
    streams: Vec<Weak<Stream>>,
    /// The last work of blocking streams that are gone.
    left: Vec<Ticket>,
    /// Before which nothing starts in streams that are made later.
    held: Vec<Recorded>,
}

/// What a program can set and read back.
#[derive(Default)]
pub struct Settings {
    limits: [Option<usize>; 16],
    pub cache_config: CUfunc_cache,
    pub shared_config: CUsharedconfig,
    pub overhead: Overhead,
}

impl Context {
    /// A context that is not live yet, for the life of the process.
    pub fn new(id: Owner, device: usize, primary: bool, flags: u32, api_version: u32) -> &'static Self {
        Box::leak(Box::new(Self::plain(id, device, primary, flags, api_version)))
    }

    /// A green context on the memory of `primary`, not live yet, for the life of the process.
    pub fn green(primary: &'static Self, number: u32) -> &'static Self {
        // Relaxed: a lone word.
        let flags = primary.flags.load(Ordering::Relaxed);
        let plain = Self::plain(primary.id, primary.device, false, flags, primary.api_version);
        Box::leak(Box::new(Self { green: Some(number), settings: Arc::clone(&primary.settings), ..plain }))
    }

    fn plain(id: Owner, device: usize, primary: bool, flags: u32, api_version: u32) -> Self {
        Self {
            id,
            device,
            primary,
            green: None,
            flags: AtomicU32::new(flags),
            api_version,
            live: AtomicBool::new(false),
            life: AtomicU64::new(0),
            attached: AtomicU32::new(0),
            engine: Mutex::new(None),
            default_stream: RwLock::new(None),
            host_calls: HostCalls::default(),
            settings: Arc::default(),
            peers: AtomicU64::new(0),
        }
    }

    pub fn is_green(&self) -> bool {
        self.green.is_some()
    }

    /// Unique among the contexts of the process.
    pub fn number(&self) -> u32 {
        self.green.unwrap_or(self.id)
    }

    /// The handle that callers hold.
    pub fn handle(&'static self) -> CUcontext {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Makes the context live, as what the device knows by `id`.
    pub fn start(&'static self, driver: &Driver, id: ContextId) -> Outcome {
        *self.engine.lock() = Some(Engine { id, streams: Vec::new(), left: Vec::new(), held: Vec::new() });
        // Relaxed: see `life`.
        self.life.fetch_add(1, Ordering::Relaxed);
        let default = Stream::new(driver, self, CU_STREAM_DEFAULT, 0, Role::Default)?;
        *self.default_stream.write() = Some(default);
        // Release: what was set up before is seen with it, see `is_live`.
        self.live.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends the context on the device, with all its work; host functions that have not begun are not called.
    pub fn stop(&self, driver: &Driver) {
        // Release: as in `start`.
        self.live.store(false, Ordering::Release);
        let engine = self.engine.lock().take();
        self.default_stream.write().take();
        if let (Some(engine), Ok(channel)) = (engine, driver.channel()) {
            channel.end_context(engine.id);
        }
        self.host_calls.pending().iter().for_each(|call| call.cancel());
    }

    /// By which the device knows it while it lives.
    pub fn engine(&self) -> Outcome<ContextId> {
        self.engine.lock().as_ref().map(|engine| engine.id).ok_or(CUDA_ERROR_CONTEXT_IS_DESTROYED)
    }

    /// The legacy default stream.
    pub fn default_stream(&self) -> Outcome<Arc<Stream>> {
        self.default_stream.read().clone().ok_or(CUDA_ERROR_CONTEXT_IS_DESTROYED)
    }

    /// Notes a new stream, which waits for what the context waits for.
    pub fn enter_stream(&self, stream: &Arc<Stream>) {
        let mut place = self.engine.lock();
        let Some(engine) = place.as_mut() else { return };
        engine.streams.retain(|other| other.strong_count() > 0);
        engine.streams.push(Arc::downgrade(stream));
        let held = engine.held.clone();
        drop(place);
        held.iter().for_each(|recorded| stream.wait_for(recorded));
    }

    /// Tells its lives apart: a stream is of the present one if it has the same number.
    pub fn life(&self) -> u64 {
        // Relaxed: a lone number; a context that has ended refuses its streams anyway.
        self.life.load(Ordering::Relaxed)
    }

    /// Notes the last work of a blocking stream that is gone.
    pub fn leave_work(&self, last: Ticket) {
        if let Some(engine) = self.engine.lock().as_mut() {
            engine.left.retain(|ticket| !ticket.is_reached());
            engine.left.push(last);
        }
    }

    /// The end of what the default stream waits for in other streams.
    pub fn blocking_work(&self) -> Vec<Ticket> {
        let place = self.engine.lock();
        let Some(engine) = place.as_ref() else { return Vec::new() };
        let streams: Vec<_> = engine.streams.iter().filter_map(Weak::upgrade).collect();
        let left = engine.left.clone();
        // A stream that ends here notes its last work, under the lock.
        drop(place);
        let blocking = streams.iter().filter(|stream| stream.role == Role::Blocking);
        blocking.filter_map(|stream| stream.queue.last()).chain(left).collect()
    }

    /// Lets work that is queued later start only when the event, as it was recorded, is reached.
    pub fn wait_for(&self, recorded: &Recorded) {
        let mut place = self.engine.lock();
        let Some(engine) = place.as_mut() else { return };
        engine.held.retain(Recorded::is_open);
        engine.held.push(recorded.clone());
        let streams: Vec<_> = engine.streams.iter().filter_map(Weak::upgrade).collect();
        drop(place);
        streams.iter().for_each(|stream| stream.wait_for(recorded));
    }

    /// Counts one user more.
    pub fn attach(&self) {
        // Relaxed, here and in `detach`: a count, on which nothing else hangs.
        self.attached.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one user less; `false` when the last one is left, who made it.
    pub fn detach(&self) -> bool {
        let less = |users: u32| users.checked_sub(1);
        self.attached.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    pub fn is_live(&self) -> bool {
        // Acquire pairs with the release in `start`: what was set up before the context came alive is seen.
        self.live.load(Ordering::Acquire)
    }
}

impl Settings {
    /// The value of a limit, in bytes or as a count, as [`CUlimit`] has it.
    pub fn limit(&self, limit: CUlimit) -> Outcome<usize> {
        let default = default_limit(limit).ok_or(CUDA_ERROR_UNSUPPORTED_LIMIT)?;
        Ok(self.limits.get(limit as usize).copied().flatten().unwrap_or(default))
    }

    pub fn set_limit(&mut self, limit: CUlimit, value: usize) -> Outcome {
        self.limit(limit)?;
        *self.limits.get_mut(limit as usize).ok_or(CUDA_ERROR_UNSUPPORTED_LIMIT)? = Some(value);
        Ok(())
    }
}

/// What a limit is in a new context; `None` for limits that the modelled devices do not have.
pub fn default_limit(limit: CUlimit) -> Option<usize> {
    Some(match limit {
        CU_LIMIT_STACK_SIZE => 1024,
        CU_LIMIT_PRINTF_FIFO_SIZE => 1 << 20,
        CU_LIMIT_MALLOC_HEAP_SIZE => 8 << 20,
        CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH => 2,
        CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT => 2048,
        CU_LIMIT_MAX_L2_FETCH_GRANULARITY => 64,
        CU_LIMIT_PERSISTING_L2_CACHE_SIZE => 0,
        _ => return None,
    })
}

thread_local! {
    static STACK: RefCell<Vec<&'static Context>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` on this thread's stack; in a thread that is past its end, on an empty one.
fn stack<T>(body: impl Fn(&mut Vec<&'static Context>) -> T) -> T {
    STACK.try_with(|stack| body(&mut stack.borrow_mut())).unwrap_or_else(|_| body(&mut Vec::new()))
}

/// The top of this thread's stack, live or not.
pub fn top() -> Option<&'static Context> {
    stack(|stack| stack.last().copied())
}

/// The current context.
pub fn current() -> Outcome<&'static Context> {
    let context = top().ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
    if context.is_live() { Ok(context) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
}

pub fn push(context: &'static Context) {
    stack(|stack| stack.push(context));
}

pub fn pop() -> Outcome<&'static Context> {
    stack(|stack| stack.pop()).ok_or(CUDA_ERROR_INVALID_CONTEXT)
}

/// Replaces the top of the stack; `None` takes it away.
pub fn set(context: Option<&'static Context>) {
    stack(|stack| {
        stack.pop();
        stack.extend(context);
    });
}

/// Takes `context` off this thread's stack if it is on top, as its destruction does.
pub fn pop_if_top(context: &Context) {
    stack(|stack| {
        if stack.last().is_some_and(|top| std::ptr::eq(*top, context)) {
            stack.pop();
        }
    });
}
