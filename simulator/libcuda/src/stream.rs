//! Streams: queues of work in order.

use std::cell::RefCell;
use std::sync::Arc;

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::client::channel::{Command, Disconnected, Queue, Ticket};
use simulator::timeline::{Role, Work};

use crate::abi::Outcome;
use crate::context::{self, Context};
use crate::driver::{Driver, driver};
use crate::event::Recorded;
use crate::graph::capture::Branch;
use crate::host_call::{Caller, HostCall, HostCalls};

/// A stream: a queue of work in order.
pub struct Stream {
    pub context: &'static Context,
    pub flags: u32,
    pub priority: i32,
    /// Unique among the streams of the process.
    pub id: u64,
    pub role: Role,
    /// The life of the context that it is of.
    life: u64,
    /// The device's end of it.
    pub queue: Queue,
    host_calls: HostCalls,
    caller: Arc<Caller>,
    /// Set while the stream is captured.
    pub branch: Mutex<Option<Branch>>,
}

/// What the null stream means to a function: the context's default stream, or the calling thread's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullStream {
    Legacy,
    PerThread,
}

/// A point in a stream, and the host functions before it that have not returned.
#[derive(Clone)]
pub struct Point {
    pub ticket: Ticket,
    calls: Vec<Arc<HostCall>>,
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
    /// A stream of a live context, which knows it from then on.
    pub fn new(
        driver: &Driver,
        context: &'static Context,
        flags: u32,
        priority: i32,
        role: Role,
    ) -> Outcome<Arc<Self>> {
        let queue = driver.channel()?.queue(context.engine()?, role);
        let stream = Arc::new(Self {
            context,
            flags,
            priority,
            id: if role == Role::Default { DEFAULT_ID } else { driver.fresh_stream_id() },
            role,
            life: context.life(),
            queue,
            host_calls: HostCalls::default(),
            caller: Arc::default(),
            branch: Mutex::new(None),
        });
        context.enter_stream(&stream);
        Ok(stream)
    }

    /// The stream that a caller means.
    pub fn resolve(handle: CUstream, null: NullStream) -> Outcome<(&'static Driver, Arc<Self>)> {
        let driver = driver()?;
        let stream = match (handle as usize, null) {
            (0, NullStream::Legacy) | (LEGACY, _) => context::current()?.default_stream()?,
            (0, NullStream::PerThread) | (PER_THREAD, _) => own_stream(driver, context::current()?)?,
            _ => driver.streams.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?,
        };
        if stream.context.is_live() { Ok((driver, stream)) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
    }

    /// Queues work behind what is there.
    pub fn submit(&self, work: Work) -> Ticket {
        self.queue.submit(&Command::new(work))
    }

    /// The end of what is queued now.
    pub fn point(&self) -> Point {
        self.point_of(self.submit(Work::Marker))
    }

    /// A point that was just queued.
    pub fn point_of(&self, ticket: Ticket) -> Point {
        Point { ticket, calls: self.pending_calls() }
    }

    /// Host functions that work queued now would come behind.
    fn pending_calls(&self) -> Vec<Arc<HostCall>> {
        // Every stream's calls are the context's, too.
        if !self.context.host_calls.has_any() {
            return Vec::new();
        }
        let mut calls = match self.role {
            Role::Default => self.context.host_calls.pending(),
            _ => self.host_calls.pending(),
        };
        if self.role == Role::Blocking
            && let Ok(default) = self.context.default_stream()
        {
            calls.extend(default.host_calls.pending());
        }
        calls
    }

    /// Whether what it waits for is done, too: by the rules of the default stream, other streams' work is a part of that.
    pub fn is_idle(&self) -> bool {
        self.unreached().is_empty()
    }

    /// Waits, asleep, for what [`Self::is_idle`] asks for.
    pub fn wait(&self) -> Outcome {
        self.unreached().iter().try_for_each(|ticket| waited(ticket.wait()))
    }

    fn unreached(&self) -> Vec<Ticket> {
        let mut last: Vec<Ticket> = self.queue.last().into_iter().collect();
        match self.role {
            Role::Free => {}
            Role::Blocking => last.extend(self.context.default_stream().ok().and_then(|stream| stream.queue.last())),
            Role::Default => last.extend(self.context.blocking_work()),
        }
        last.retain(|ticket| !ticket.is_reached());
        last
    }

    /// Lets later work of this stream start only when the event, as it was recorded, is reached.
    pub fn wait_for(&self, recorded: &Recorded) {
        match recorded {
            Recorded::Never => {}
            Recorded::Here(point) => {
                self.queue.submit(&Command::new(Work::Marker).after(std::slice::from_ref(&point.ticket)));
                self.come_behind(point);
            }
            Recorded::Elsewhere(mark) => {
                self.queue.submit(&Command::new(Work::Marker).shared_after(*mark));
            }
        }
    }

    /// Bytes that are moved in this stream later wait for the host functions before the point.
    pub fn come_behind(&self, point: &Point) {
        for call in &point.calls {
            self.host_calls.add(call);
            self.context.host_calls.add(call);
        }
    }

    /// Whether there are host functions that [`Self::wait_for_host_calls`] would wait for.
    pub fn has_host_calls(&self) -> bool {
        !self.pending_calls().is_empty()
    }

    /// Host functions must have run before bytes move behind them.
    pub fn wait_for_host_calls(&self) {
        self.pending_calls().iter().for_each(|call| call.wait());
    }

    /// Has `function` called when the work before it is done; later work of the stream comes after it.
    pub fn call_host(&self, function: impl FnOnce() + Send + 'static) -> Outcome {
        let due = self.submit(Work::Marker);
        let gate = self.submit(Work::Gate);
        self.call_between(due, gate, function)
    }

    /// Has `function` called when `due` is reached; lets go of `gate` when it has returned.
    pub fn call_between(&self, due: Ticket, gate: Ticket, function: impl FnOnce() + Send + 'static) -> Outcome {
        let call = Arc::new(HostCall::new(due, gate));
        self.host_calls.add(&call);
        self.context.host_calls.add(&call);
        self.caller.add(call, function)
    }
}

impl Point {
    /// The end of everything that is queued in a context now.
    pub fn of_context(driver: &Driver, context: &Context) -> Outcome<Self> {
        let (channel, engine) = (driver.channel()?, context.engine()?);
        let ticket = channel.submit_loose(engine, &Command::new(Work::Marker).after(&channel.all_of(engine)));
        Ok(Self { ticket, calls: context.host_calls.pending() })
    }
}

impl Drop for Stream {
    /// What is queued still takes its time.
    fn drop(&mut self) {
        if let Some(last) = self.queue.last().filter(|last| self.role == Role::Blocking && !last.is_reached()) {
            self.context.leave_work(last);
        }
    }
}

const LEGACY: usize = 1;
const PER_THREAD: usize = 2;
/// The number of every context's default stream.
const DEFAULT_ID: u64 = 1;

fn own_stream(driver: &Driver, context: &'static Context) -> Outcome<Arc<Stream>> {
    let same = |stream: &Arc<Stream>| std::ptr::eq(stream.context, context) && stream.life == context.life();
    let found = OWN.try_with(|own| own.borrow().iter().find(|stream| same(stream)).cloned()).unwrap_or_default();
    if let Some(stream) = found {
        return Ok(stream);
    }
    let stream = Stream::new(driver, context, CU_STREAM_DEFAULT, 0, Role::Blocking)?;
    // A thread past its end keeps none; its stream lasts for the call.
    let _ = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        own.retain(|stream| stream.context.is_live() && stream.life == stream.context.life());
        own.push(Arc::clone(&stream));
    });
    Ok(stream)
}

/// What waiting comes to: an error where the simulation has ended meanwhile.
pub fn waited(outcome: Result<(), Disconnected>) -> Outcome {
    outcome.map_err(|Disconnected| CUDA_ERROR_DEVICE_UNAVAILABLE)
}

/// Waits for everything that is queued in the context.
pub fn wait_if_busy(driver: &Driver, context: &Context) -> Outcome {
    let Ok(engine) = context.engine() else { return Ok(()) };
    driver.channel()?.all_of(engine).iter().try_for_each(|ticket| waited(ticket.wait()))
}

/// What cuCtxSynchronize does: waits, for green contexts with their primary one, and lets pools shrink.
pub fn synchronise_context(driver: &Driver, context: &Context) -> Outcome {
    wait_if_busy(driver, context)?;
    if context.primary {
        driver.green_contexts_of(context).into_iter().try_for_each(|green| wait_if_busy(driver, green))?;
    }
    driver.device_of(context).space().trim_pools();
    Ok(())
}
