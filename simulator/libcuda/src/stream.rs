//! Streams, events, and the host functions that run in a stream's order.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ffi_headers::cuda::*;
use parking_lot::{Condvar, Mutex};
use simulator::client::monotonic_ns;
use simulator::protocol::{Contents, Key};

use crate::abi::Outcome;
use crate::context::{self, Context};
use crate::driver::{Driver, driver};
use crate::graph::capture::Branch;
use crate::memory::{Kind, share_code};
use crate::timeline::{Clock, Role, wait_until};

/// A stream: a queue of work in order.
pub struct Stream {
    pub context: &'static Context,
    pub flags: u32,
    pub priority: i32,
    /// Unique among the streams of the process.
    pub id: u64,
    pub role: Role,
    pub clock: Clock,
    host_calls: HostCalls,
    /// Set while the stream is captured.
    pub branch: Mutex<Option<Branch>>,
}

/// What the null stream means to a function: the context's default stream, or the calling thread's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullStream {
    Legacy,
    PerThread,
}

/// Host functions that have not returned yet.
#[derive(Default)]
pub struct HostCalls {
    any: AtomicBool,
    calls: Mutex<Vec<Arc<HostCall>>>,
}

/// One host function on its way.
#[derive(Default)]
pub struct HostCall {
    returned: Mutex<bool>,
    signal: Condvar,
}

/// A point in a stream: what must have happened for it to be reached.
#[derive(Clone, Default)]
pub struct Point {
    /// CLOCK_MONOTONIC nanoseconds.
    pub time: u64,
    calls: Vec<Arc<HostCall>>,
}

/// An event and the point that it last recorded.
pub struct Event {
    pub context: &'static Context,
    pub flags: u32,
    point: Mutex<Option<Point>>,
    /// Set if it was last recorded in a stream that was being captured.
    pub branch: Mutex<Option<Branch>>,
    /// Where other processes see it, once it is shared.
    shared: OnceLock<SharedTime>,
}

/// The time of an event that processes share; 0 before it is recorded for the first time.
pub struct SharedTime {
    pub key: Key,
    /// Of its word in the books.
    pub number: u32,
}

thread_local! {
    /// This thread's own stream in each context that it has used so.
    static OWN: RefCell<Vec<Arc<Stream>>> = const { RefCell::new(Vec::new()) };
}

impl NullStream {
    /// By the function's name: its `_ptds` and `_ptsz` forms take the thread's own stream.
    pub const fn in_function(name: &str) -> Self {
        let name = name.as_bytes();
        let mut last = [0; 5];
        let mut index = 0;
        while index < 5 && name.len() > 5 {
            last[index] = name[name.len() - 5 + index];
            index += 1;
        }
        match &last {
            b"_ptds" | b"_ptsz" => Self::PerThread,
            _ => Self::Legacy,
        }
    }
}

impl Stream {
    pub fn new(context: &'static Context, flags: u32, priority: i32, id: u64, role: Role) -> Self {
        let (clock, host_calls) = (Clock::default(), HostCalls::default());
        Self { context, flags, priority, id, role, clock, host_calls, branch: Mutex::new(None) }
    }

    /// The stream that a caller means.
    pub fn resolve(handle: CUstream, null: NullStream) -> Outcome<(&'static Driver, Arc<Self>)> {
        let driver = driver()?;
        let stream = match (handle as usize, null) {
            (0, NullStream::Legacy) | (LEGACY, _) => Arc::clone(context::current()?.default_stream()),
            (0, NullStream::PerThread) | (PER_THREAD, _) => own_stream(driver, context::current()?),
            _ => driver.streams.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?,
        };
        if stream.context.is_live() { Ok((driver, stream)) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
    }

    /// The end of what is queued now.
    pub fn point(&self) -> Point {
        let time = self.clock.free_at(self.role, &self.context.barrier);
        let mut calls = match self.role {
            Role::Default => self.context.host_calls.pending(),
            _ => self.host_calls.pending(),
        };
        if self.role == Role::Blocking {
            calls.extend(self.context.default_stream().host_calls.pending());
        }
        Point { time, calls }
    }

    /// When work that is queued now starts.
    pub fn start_time(&self) -> u64 {
        self.clock.free_at(self.role, &self.context.barrier).max(monotonic_ns())
    }

    /// Keeps the stream busy until the given time at least.
    pub fn busy_until(&self, end: u64) {
        self.clock.extend(end, self.role, &self.context.barrier);
    }

    /// Lets later work of this stream start only after `point`.
    pub fn wait_for(&self, point: &Point) {
        self.clock.extend(point.time, self.role, &self.context.barrier);
        for call in &point.calls {
            self.host_calls.add(call);
            self.context.host_calls.add(call);
        }
    }

    /// Host functions must have run before bytes move behind them. Returns whether there were any to wait for.
    pub fn wait_for_host_calls(&self) -> bool {
        let calls = self.point().calls;
        calls.iter().for_each(|call| call.wait());
        !calls.is_empty()
    }

    /// Runs `function` on a thread of its own when the work before it is done; later work of the stream comes after it.
    pub fn call_host(self: &Arc<Self>, function: impl FnOnce() + Send + 'static) -> Outcome {
        let before = self.point();
        let call = Arc::new(HostCall::default());
        self.host_calls.add(&call);
        self.context.host_calls.add(&call);
        let done = Arc::clone(&call);
        let body = move || {
            before.wait();
            function();
            done.finish();
        };
        match std::thread::Builder::new().name("cuda-host-call".into()).spawn(body) {
            Ok(_) => Ok(()),
            Err(_) => {
                call.finish();
                Err(CUDA_ERROR_OPERATING_SYSTEM)
            }
        }
    }
}

const LEGACY: usize = 1;
const PER_THREAD: usize = 2;

fn own_stream(driver: &Driver, context: &'static Context) -> Arc<Stream> {
    let found = OWN
        .try_with(|own| own.borrow().iter().find(|stream| stream.context.id == context.id).cloned())
        .unwrap_or_default();
    if let Some(stream) = found {
        return stream;
    }
    let stream = Arc::new(Stream::new(context, CU_STREAM_DEFAULT, 0, driver.fresh_stream_id(), Role::Blocking));
    // A thread past its end keeps none; its stream lasts for the call.
    let _ = OWN.try_with(|own| own.borrow_mut().push(Arc::clone(&stream)));
    stream
}

impl HostCalls {
    fn add(&self, call: &Arc<HostCall>) {
        let mut calls = self.calls.lock();
        calls.retain(|call| !call.has_returned());
        calls.push(Arc::clone(call));
        // Relaxed: a hint; a thread that must see the call is ordered behind this one by the program.
        self.any.store(true, Ordering::Relaxed);
    }

    fn pending(&self) -> Vec<Arc<HostCall>> {
        // Relaxed: see `add`.
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut calls = self.calls.lock();
        calls.retain(|call| !call.has_returned());
        self.any.store(!calls.is_empty(), Ordering::Relaxed);
        calls.clone()
    }
}

impl HostCall {
    fn has_returned(&self) -> bool {
        *self.returned.lock()
    }

    fn finish(&self) {
        *self.returned.lock() = true;
        self.signal.notify_all();
    }

    fn wait(&self) {
        let mut returned = self.returned.lock();
        self.signal.wait_while(&mut returned, |returned| !*returned);
    }
}

impl Event {
    pub fn new(context: &'static Context, flags: u32) -> Self {
        Self { context, flags, point: Mutex::new(None), branch: Mutex::new(None), shared: OnceLock::new() }
    }

    /// The event of another process.
    pub fn opened(context: &'static Context, flags: u32, time: SharedTime) -> Self {
        Self { shared: OnceLock::from(time), ..Self::new(context, flags) }
    }

    /// The point that was recorded last, in any process. Host functions of other processes are not waited for.
    pub fn point(&self, driver: &Driver) -> Option<Point> {
        let own = self.point.lock().clone();
        // Acquire pairs with the release in `record`: what was done before the event was recorded is seen.
        let time = self.word(driver).map_or(0, |word| word.load(Ordering::Acquire));
        match own {
            Some(point) if point.time >= time => Some(point),
            _ if time > 0 => Some(Point { time, calls: Vec::new() }),
            own => own,
        }
    }

    pub fn record(&self, driver: &Driver, point: Point) {
        let time = point.time;
        *self.point.lock() = Some(point);
        if let Some(word) = self.word(driver) {
            // Release: see `point`.
            word.fetch_max(time, Ordering::Release);
        }
    }

    /// Makes the event known to other processes; again and again by the same key.
    pub fn share(&self, driver: &Driver) -> Outcome<Key> {
        let point = self.point.lock();
        if let Some(shared) = self.shared.get() {
            return Ok(shared.key);
        }
        let (key, contents) = driver
            .simulation
            .share(Contents::Cell { number: 0 }, vec![Kind::Event as u64], None)
            .map_err(share_code)?;
        let Contents::Cell { number } = contents else { return Err(CUDA_ERROR_UNKNOWN) };
        // The lock on the point keeps others from setting it at once.
        let _ = self.shared.set(SharedTime { key, number });
        if let (Some(point), Some(word)) = (&*point, self.word(driver)) {
            // Release: see `point`.
            word.store(point.time, Ordering::Release);
        }
        Ok(key)
    }

    fn word<'a>(&self, driver: &'a Driver) -> Option<&'a AtomicU64> {
        self.shared.get().and_then(|shared| driver.simulation.cell(shared.number))
    }
}

impl Drop for SharedTime {
    fn drop(&mut self) {
        if let Ok(driver) = driver() {
            driver.simulation.let_go(self.key.object);
        }
    }
}

impl Point {
    pub fn wait(&self) {
        self.calls.iter().for_each(|call| call.wait());
        wait_until(self.time);
    }

    pub fn is_reached(&self) -> bool {
        self.time <= monotonic_ns() && self.calls.iter().all(|call| call.has_returned())
    }
}

/// The end of everything that is queued in the context.
pub fn work_of(context: &Context) -> Point {
    Point { time: context.barrier.all_free_at(), calls: context.host_calls.pending() }
}

/// Waits for everything that is queued in the context.
pub fn wait_if_busy(context: &Context) {
    let point = work_of(context);
    if point.time > 0 || !point.calls.is_empty() {
        point.wait();
    }
}

/// What cuCtxSynchronize does: waits, for green contexts with their primary one, and lets pools shrink.
pub fn synchronise_context(driver: &Driver, context: &Context) {
    wait_if_busy(context);
    if context.primary {
        driver.green_contexts_of(context).into_iter().for_each(wait_if_busy);
    }
    driver.device_of(context).space().trim_pools();
}
