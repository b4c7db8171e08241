//! Events: what was in a stream when they were recorded, here or in another process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::client::channel::{Command, SharedMark, SharedState};
use simulator::client::monotonic_ns;
use simulator::protocol::{Contents, Key};
use simulator::timeline::Work;

use crate::abi::Outcome;
use crate::context::Context;
use crate::driver::{Driver, driver};
use crate::graph::capture::Branch;
use crate::memory::{Kind, share_code};
use crate::stream::{Point, Stream, waited};

/// An event and the point that it last recorded.
pub struct Event {
    pub context: &'static Context,
    pub flags: u32,
    point: Mutex<Option<Point>>,
    /// When the point was reached, once somebody has found that it is; 0 before.
    end: AtomicU64,
    /// Set if it was last recorded in a stream that was being captured.
    branch: Mutex<Option<Branch>>,
    has_branch: AtomicBool,
    /// Where other processes see it, once it is shared.
    shared: OnceLock<SharedTime>,
}

/// The word of an event that processes share.
pub struct SharedTime {
    pub key: Key,
    /// Of the word in the books.
    pub number: u32,
}

/// What must have happened for an event to be reached.
#[derive(Clone)]
pub enum Recorded {
    /// It was never recorded, or it is known to be reached: nobody waits for it.
    Never,
    /// A point of this process.
    Here(Point),
    /// What another process may have recorded.
    Elsewhere(SharedMark),
}

impl Recorded {
    /// False if it is known that nobody need wait for it.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Never => false,
            Self::Here(point) => !point.ticket.is_reached(),
            Self::Elsewhere(_) => true,
        }
    }
}

impl Event {
    pub fn new(context: &'static Context, flags: u32) -> Self {
        Self {
            context,
            flags,
            point: Mutex::new(None),
            end: AtomicU64::new(0),
            branch: Mutex::new(None),
            has_branch: AtomicBool::new(false),
            shared: OnceLock::new(),
        }
    }

    /// The event of another process.
    pub fn opened(context: &'static Context, flags: u32, time: SharedTime) -> Self {
        Self { shared: OnceLock::from(time), ..Self::new(context, flags) }
    }

    /// What was recorded last, in any process. Host functions of other processes are not waited for.
    pub fn recorded(&self, driver: &Driver) -> Recorded {
        if let Some(shared) = self.shared.get() {
            return match driver.simulation.shared_event(shared.number) {
                // Nobody waits for what lies in the past.
                SharedState::Never | SharedState::At(_) => Recorded::Never,
                SharedState::Pending(mark) => Recorded::Elsewhere(mark),
            };
        }
        self.point.lock().clone().map_or(Recorded::Never, Recorded::Here)
    }

    /// Whether what was recorded last is reached; true if nothing was.
    pub fn is_reached(&self, driver: &Driver) -> bool {
        if let Some(shared) = self.shared.get() {
            return match driver.simulation.shared_event(shared.number) {
                SharedState::Never => true,
                SharedState::Pending(_) => false,
                SharedState::At(end) => end <= monotonic_ns(),
            };
        }
        self.end().is_some() || self.point.lock().is_none()
    }

    /// When what was recorded last in this process was reached, on the device's clock; none if it is not yet.
    pub fn end(&self) -> Option<u64> {
        // Acquire pairs with the release below: who sees the time sees what the thread saw that found it.
        let known = self.end.load(Ordering::Acquire);
        if known != 0 {
            return Some(known);
        }
        // Under the lock, so that the time is not that of an earlier record.
        let point = self.point.lock();
        let end = point.as_ref()?.ticket.end()?;
        self.end.store(end, Ordering::Release);
        Some(end)
    }

    /// Whether it was ever recorded, in any process.
    pub fn was_recorded(&self, driver: &Driver) -> bool {
        self.shared.get().map_or_else(
            || self.has_point(),
            |shared| !matches!(driver.simulation.shared_event(shared.number), SharedState::Never),
        )
    }

    /// Whether it was ever recorded in this process.
    pub fn has_point(&self) -> bool {
        // Relaxed: only whether there is a time.
        self.end.load(Ordering::Relaxed) != 0 || self.point.lock().is_some()
    }

    /// Waits, asleep, until what was recorded last is reached.
    pub fn wait(&self, driver: &Driver) -> Outcome {
        match self.recorded(driver) {
            Recorded::Never => Ok(()),
            Recorded::Here(point) => waited(point.ticket.wait()),
            Recorded::Elsewhere(mark) => {
                let (channel, context) = (driver.channel()?, self.context.engine()?);
                waited(channel.submit_loose(context, &Command::new(Work::Marker).shared_after(mark)).wait())
            }
        }
    }

    /// Records what is in the stream now.
    pub fn record_in(&self, stream: &Stream) {
        if self.flags & CU_EVENT_INTERPROCESS == 0 {
            // Submitted without the lock: that may take as long as the device has work.
            let point = stream.point();
            self.enter(&mut self.point.lock(), point);
            return;
        }
        // The lock keeps it from being shared meanwhile.
        let mut place = self.point.lock();
        let point = match self.shared.get() {
            Some(shared) => stream.point_of(stream.queue.record_shared(shared.number, &[])),
            None => stream.point(),
        };
        self.enter(&mut place, point);
    }

    /// Records a point, of whatever it is made.
    pub fn record(&self, driver: &Driver, point: Point) -> Outcome {
        if let Some(shared) = self.shared.get() {
            driver.channel()?.share_ticket(self.context.engine()?, shared.number, &point.ticket);
        }
        self.enter(&mut self.point.lock(), point);
        Ok(())
    }

    fn enter(&self, place: &mut Option<Point>, point: Point) {
        *place = Some(point);
        // Relaxed: under the lock, where alone a time is entered.
        self.end.store(0, Ordering::Relaxed);
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
        if let Some(point) = &*point {
            driver.channel()?.share_ticket(self.context.engine()?, number, &point.ticket);
        }
        // The lock on the point keeps others from setting it at once.
        let _ = self.shared.set(SharedTime { key, number });
        Ok(key)
    }

    /// Where in a capture it was recorded last, if it was there.
    pub fn branch(&self) -> Option<Branch> {
        // Relaxed: a hint that costs next to nothing; a thread that must see the branch is ordered behind by the program.
        if self.has_branch.load(Ordering::Relaxed) { self.branch.lock().clone() } else { None }
    }

    /// Notes where in a capture it is recorded, or that it is recorded outside of any.
    pub fn set_branch(&self, branch: Option<Branch>) {
        // Relaxed: see `branch`.
        if branch.is_some() || self.has_branch.load(Ordering::Relaxed) {
            let mut place = self.branch.lock();
            self.has_branch.store(branch.is_some(), Ordering::Relaxed);
            *place = branch;
        }
    }
}

impl Drop for SharedTime {
    fn drop(&mut self) {
        if let Ok(driver) = driver() {
            driver.simulation.let_go(self.key.object);
        }
    }
}
