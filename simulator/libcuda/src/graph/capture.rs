//! Capture: work that is put into a stream becomes nodes of a graph instead of running.
//!
//! A stream that is captured has a branch: the nodes behind which its next node comes. An event that is recorded there
//! carries the branch to the streams that wait for it, which are captured from then on, too.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::ThreadId;

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::timeline::Role;

use super::{Action, Graph, Key, Node};
use crate::abi::Outcome;
use crate::context::Context;
use crate::driver::Driver;
use crate::event::Event;
use crate::stream::Stream;

/// One capture, from its begin to its end.
pub struct Capture {
    /// Unique within the process.
    pub id: u64,
    pub graph: Arc<Graph>,
    mode: CUstreamCaptureMode,
    thread: ThreadId,
    /// The stream that it began in.
    origin: u64,
    /// The graph was there before.
    into_given_graph: bool,
    invalid: AtomicBool,
    streams: Mutex<Vec<Weak<Stream>>>,
}

/// Where a stream is in its capture.
#[derive(Clone)]
pub struct Branch {
    pub capture: Arc<Capture>,
    /// What the next node comes behind, and how; two columns, as they are shown to the program.
    pub nodes: Vec<Key>,
    pub data: Vec<CUgraphEdgeData>,
}

/// Nodes that another comes behind, and how.
pub type Dependencies = Vec<(Key, CUgraphEdgeData)>;

/// Captures that have begun and not ended.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static MODE: Cell<CUstreamCaptureMode> = const { Cell::new(CU_STREAM_CAPTURE_MODE_GLOBAL) };
}

/// Whether anything is captured; a hint that costs next to nothing.
fn any() -> bool {
    // Relaxed: a call that must see a capture comes after its begin by the program's own order.
    ACTIVE.load(Ordering::Relaxed) > 0
}

/// Sets the mode of this thread; returns the one that it had.
pub fn exchange_mode(mode: CUstreamCaptureMode) -> Outcome<CUstreamCaptureMode> {
    check_mode(mode)?;
    Ok(MODE.replace(mode))
}

fn check_mode(mode: CUstreamCaptureMode) -> Outcome {
    if mode <= CU_STREAM_CAPTURE_MODE_RELAXED { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

impl Capture {
    fn is_invalid(&self) -> bool {
        // Relaxed here and in `invalidate`: a lone flag.
        self.invalid.load(Ordering::Relaxed)
    }

    fn invalidate(&self) {
        self.invalid.store(true, Ordering::Relaxed);
    }

    fn live_streams(&self) -> Vec<Arc<Stream>> {
        self.streams.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Lets the streams go on as usual.
    fn finish(self: &Arc<Self>, driver: &Driver) {
        let mut captures = driver.graph.captures.lock();
        let Some(position) = captures.iter().position(|other| Arc::ptr_eq(other, self)) else { return };
        captures.swap_remove(position);
        drop(captures);
        // Relaxed: see `any`.
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
        for stream in self.live_streams() {
            stream.branch.lock().take();
        }
    }

    /// Ends without a result.
    fn abandon(self: &Arc<Self>, driver: &Driver) {
        self.finish(driver);
        if !self.into_given_graph {
            self.graph.destroy(driver);
        }
    }
}

impl Branch {
    /// Adds what another branch comes behind.
    pub fn join(&mut self, other: &Self) {
        for (node, data) in other.nodes.iter().zip(&other.data) {
            if !self.nodes.contains(node) {
                self.nodes.push(*node);
                self.data.push(*data);
            }
        }
    }

    fn dependencies(&self) -> Dependencies {
        self.nodes.iter().copied().zip(self.data.iter().copied()).collect()
    }

    /// Makes one node the only one that the next comes behind.
    fn advance(&mut self, node: &Arc<Node>) {
        self.nodes = vec![node.key()];
        self.data = vec![CUgraphEdgeData::default()];
    }

    pub fn status(&self) -> CUstreamCaptureStatus {
        if self.capture.is_invalid() { CU_STREAM_CAPTURE_STATUS_INVALIDATED } else { CU_STREAM_CAPTURE_STATUS_ACTIVE }
    }
}

/// Begins to capture a stream, to a graph of its own or behind some nodes of a given one.
pub fn begin(
    driver: &Driver,
    stream: &Arc<Stream>,
    mode: CUstreamCaptureMode,
    given: Option<(Arc<Graph>, Dependencies)>,
) -> Outcome {
    check_mode(mode)?;
    if stream.role == Role::Default {
        return Err(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
    let mut branch = stream.branch.lock();
    if branch.is_some() {
        return Err(CUDA_ERROR_ILLEGAL_STATE);
    }
    let into_given_graph = given.is_some();
    let (graph, behind) = given.unwrap_or_default();
    let known = graph.nodes();
    if !behind.iter().all(|(key, _)| known.iter().any(|node| node.key() == *key)) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if !into_given_graph {
        let _: CUgraph = driver.graph.graphs.insert(Arc::clone(&graph));
    }
    let capture = Arc::new(Capture {
        // Relaxed: only uniqueness matters.
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        graph,
        mode,
        thread: std::thread::current().id(),
        origin: stream.id,
        into_given_graph,
        invalid: AtomicBool::new(false),
        streams: Mutex::new(vec![Arc::downgrade(stream)]),
    });
    let (nodes, data) = behind.into_iter().unzip();
    *branch = Some(Branch { capture: Arc::clone(&capture), nodes, data });
    driver.graph.captures.lock().push(capture);
    // Relaxed: see `any`.
    ACTIVE.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Ends the capture that began in a stream; returns its graph.
pub fn end(driver: &Driver, stream: &Arc<Stream>) -> Outcome<Arc<Graph>> {
    let branch = stream.branch.lock().clone().ok_or(CUDA_ERROR_ILLEGAL_STATE)?;
    let capture = &branch.capture;
    if capture.origin != stream.id {
        capture.invalidate();
        return Err(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    }
    if capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture.thread != std::thread::current().id() {
        return Err(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
    }
    if capture.is_invalid() {
        capture.abandon(driver);
        return Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    let joined = before(&capture.graph, &branch.nodes);
    let others = capture.live_streams().into_iter().filter(|other| other.id != stream.id);
    let left = |other: &Arc<Stream>| {
        other.branch.lock().as_ref().is_some_and(|branch| !branch.nodes.iter().all(|key| joined.contains(key)))
    };
    if others.into_iter().any(|other| left(&other)) {
        capture.abandon(driver);
        return Err(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    }
    capture.finish(driver);
    Ok(Arc::clone(&capture.graph))
}

/// The given nodes and every node before them.
fn before(graph: &Graph, nodes: &[Key]) -> Vec<Key> {
    let edges = graph.edges();
    let mut found = nodes.to_vec();
    let mut next = 0;
    while let Some(key) = found.get(next).copied() {
        next += 1;
        let new: Vec<_> =
            edges.iter().filter(|e| e.to == key).map(|e| e.from).filter(|from| !found.contains(from)).collect();
        found.extend(new);
    }
    found
}

/// Adds a node if the stream is captured; false if it is not, and the work is to be done.
///
/// Work for the legacy default stream would wait for streams that are captured; that is refused.
pub fn add(driver: &Driver, stream: &Arc<Stream>, action: impl FnOnce() -> Outcome<Action>) -> Outcome<bool> {
    if !any() {
        return Ok(false);
    }
    refuse_implicit(driver, stream, true)?;
    let mut slot = stream.branch.lock();
    let Some(branch) = slot.as_mut() else { return Ok(false) };
    if branch.capture.is_invalid() {
        return Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    let node = branch.capture.graph.add(driver, action()?, &branch.dependencies())?;
    branch.advance(&node);
    Ok(true)
}

/// Refuses a call that would make the legacy default stream wait for captured ones.
fn refuse_implicit(driver: &Driver, stream: &Stream, invalidates: bool) -> Outcome {
    if stream.role != Role::Default {
        return Ok(());
    }
    let blocking = |other: &Arc<Stream>| other.role == Role::Blocking && other.context.id == stream.context.id;
    let captures = driver.graph.captures.lock();
    let mut concerned = captures.iter().filter(|capture| capture.live_streams().iter().any(blocking)).peekable();
    if concerned.peek().is_none() {
        return Ok(());
    }
    if invalidates {
        concerned.for_each(|capture| capture.invalidate());
    }
    Err(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT)
}

/// Refuses a call that the vendor calls potentially unsafe while something is captured, by the modes of this thread and of
/// the captures; such a call ends them.
pub fn unsafe_call(driver: &Driver) -> Outcome {
    if !any() {
        return Ok(());
    }
    let (mode, thread) = (MODE.get(), std::thread::current().id());
    if mode == CU_STREAM_CAPTURE_MODE_RELAXED {
        return Ok(());
    }
    let forbids = |capture: &&Arc<Capture>| {
        let own = capture.thread == thread && capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED;
        own || (mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL)
    };
    refuse(driver, forbids)
}

/// Refuses a call that no capture can hold, in a stream that is captured.
pub fn unsupported(driver: &Driver, stream: &Stream) -> Outcome {
    if !any() {
        return Ok(());
    }
    refuse_implicit(driver, stream, true)?;
    let of_stream = stream.branch.lock().as_ref().map(|branch| branch.capture.id);
    refuse(driver, |capture| Some(capture.id) == of_stream)
}

/// Refuses to wait for a context of which a stream is captured.
pub fn context_waits(driver: &Driver, context: &Context) -> Outcome {
    if !any() {
        return Ok(());
    }
    refuse(driver, |capture| capture.live_streams().iter().any(|stream| stream.context.id == context.id))
}

fn refuse(driver: &Driver, concerned: impl Fn(&&Arc<Capture>) -> bool) -> Outcome {
    let captures = driver.graph.captures.lock();
    let mut found = captures.iter().filter(concerned).peekable();
    if found.peek().is_none() {
        return Ok(());
    }
    found.for_each(|capture| capture.invalidate());
    Err(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
}

/// Records an event in a stream: true if that is done, as the stream is captured. `external` makes a node of it.
pub fn record(driver: &Driver, stream: &Arc<Stream>, event: &Event, external: Option<Action>) -> Outcome<bool> {
    if let Some(action) = external {
        let captured = add(driver, stream, || Ok(action))?;
        return if captured { Ok(true) } else { Err(CUDA_ERROR_INVALID_VALUE) };
    }
    let branch = if any() {
        refuse_implicit(driver, stream, true)?;
        stream.branch.lock().clone()
    } else {
        None
    };
    if branch.as_ref().is_some_and(|branch| branch.capture.is_invalid()) {
        return Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    let captured = branch.is_some();
    event.set_branch(branch);
    Ok(captured)
}

/// Lets a stream wait for an event: true if that is done, as the event or the stream is captured.
pub fn wait(driver: &Driver, stream: &Arc<Stream>, event: &Event, external: Option<Action>) -> Outcome<bool> {
    if let Some(action) = external {
        let captured = add(driver, stream, || Ok(action))?;
        return if captured { Ok(true) } else { Err(CUDA_ERROR_INVALID_VALUE) };
    }
    let recorded = event.branch();
    if any() {
        refuse_implicit(driver, stream, true)?;
    }
    let mut slot = stream.branch.lock();
    match (slot.as_mut(), recorded) {
        (None, None) => Ok(false),
        (Some(own), None) => {
            // What was recorded outside cannot become a dependency within.
            if !event.was_recorded(driver) {
                return Ok(true);
            }
            own.capture.invalidate();
            Err(CUDA_ERROR_STREAM_CAPTURE_ISOLATION)
        }
        (_, Some(from)) if !is_active(driver, &from.capture) => Err(CUDA_ERROR_CAPTURED_EVENT),
        (_, Some(from)) if from.capture.is_invalid() => Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
        (None, Some(from)) => {
            if stream.role == Role::Default {
                from.capture.invalidate();
                return Err(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
            }
            from.capture.streams.lock().push(Arc::downgrade(stream));
            *slot = Some(from);
            Ok(true)
        }
        (Some(own), Some(from)) if !Arc::ptr_eq(&own.capture, &from.capture) => {
            own.capture.invalidate();
            from.capture.invalidate();
            Err(CUDA_ERROR_STREAM_CAPTURE_MERGE)
        }
        (Some(own), Some(from)) => {
            own.join(&from);
            Ok(true)
        }
    }
}

fn is_active(driver: &Driver, capture: &Arc<Capture>) -> bool {
    driver.graph.captures.lock().iter().any(|other| Arc::ptr_eq(other, capture))
}

/// Refuses to ask for, or wait for, an event that was recorded in a captured stream; that ends the capture.
pub fn check_event(event: &Event) -> Outcome {
    match event.branch() {
        None => Ok(()),
        Some(branch) => {
            branch.capture.invalidate();
            Err(CUDA_ERROR_CAPTURED_EVENT)
        }
    }
}

/// Runs `body` on the branch of a stream, if it is captured; an error where the answer for the legacy default stream would
/// depend on others.
pub fn with_branch<T>(driver: &Driver, stream: &Stream, body: impl FnOnce(Option<&mut Branch>) -> T) -> Outcome<T> {
    if any() {
        refuse_implicit(driver, stream, false)?;
    }
    Ok(body(stream.branch.lock().as_mut()))
}

/// A stream is gone: so is its part of a capture, and the capture itself if it began there.
pub fn forget_stream(driver: &Driver, stream: &Stream) {
    let Some(branch) = stream.branch.lock().take() else { return };
    branch.capture.invalidate();
    if branch.capture.origin == stream.id {
        branch.capture.abandon(driver);
    }
}
