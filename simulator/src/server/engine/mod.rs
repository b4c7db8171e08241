//! The devices at work: one thread that lets the timeline follow the clock, and foretells what comes next.
//!
//! It sleeps until something happens that it has not foretold. How it and the clients agree without a lock:
//!
//! * Ends are published ahead of time. Before the engine changes what it has foretold, it lowers `promised`, then reads the
//!   clock, and leaves alone everything up to there. A client reads the clock, then `promised`, then an end, and takes the end
//!   for certain if it is not past the other two.
//! * A client rings only if its command may change what is foretold: not if the one before it in its stream has no known end.
//!   The engine looks at all rings once more after it has published and said that it sleeps. While it only rests, it is rung for
//!   by who waits for an answer.

mod core;
mod ingest;
mod publish;
#[cfg(test)]
mod tests;
mod usage;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use self::core::Core;
use crate::books::{AWAKE, RESTS, SLEEPS, SharedBooks};
use crate::channel::SharedMemory;
use crate::client::monotonic_ns;
use crate::device::Description;
use crate::futex;
use crate::server::engine::usage::Who;

/// Time between two looks at the rings while the engine rests, in nanoseconds.
const REST_NS: u64 = 20_000;
/// So long after the last command it looks by itself if the devices have little to do, in nanoseconds: a client need not ring
/// for each, as a doorbell is a store to a real device, and a system call here.
const AWAKE_NS: u64 = 1_000_000;

/// The engine of all devices of a simulation. Dropping it ends everything that runs.
pub struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    last_serial: u32,
}

struct Shared {
    core: Mutex<Core>,
    books: Arc<SharedBooks>,
}

impl Engine {
    /// Idle devices. `usage_log` gets one line for each client and device that it used; see the README, "Time".
    pub fn new(books: Arc<SharedBooks>, description: &Description, usage_log: Option<File>) -> Self {
        let core = Mutex::new(Core::new(Arc::clone(&books), description, usage_log));
        Self { shared: Arc::new(Shared { core, books }), thread: None, last_serial: 0 }
    }

    /// A channel for the client with this slot, its descriptor, and the number that is its own. `None` if it has one.
    pub fn open_channel(&mut self, slot: usize, pid: u32, started_ns: u64) -> io::Result<Option<(u32, OwnedFd)>> {
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            self.thread = Some(std::thread::Builder::new().name("simgpu-engine".into()).spawn(move || shared.run())?);
        }
        let (memory, file) = SharedMemory::create()?;
        self.last_serial += 1;
        let added = self.shared.lock().add(slot, memory, self.last_serial, Who { pid, started_ns, slot });
        Ok(added.then_some((self.last_serial, file)))
    }

    /// Brings the books up to now.
    pub fn refresh(&self) {
        self.shared.lock().pass();
        self.shared.ring();
    }

    /// Ends everything of a client that is gone.
    pub fn remove(&self, slot: usize) {
        self.shared.lock().remove(slot);
        self.shared.ring();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.lock().close();
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been printed; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        hurry();
        let doorbell = &self.books.engine.doorbell.0;
        let mut awake_until = 0;
        loop {
            let mut core = self.lock();
            let Some(wake) = core.pass() else { return };
            core.moved = false;
            let quiet = core.is_quiet();
            drop(core);
            let mut now = monotonic_ns();
            loop {
                let rests = quiet && now < awake_until;
                // SeqCst: said before the last look at the rings; a client moves its ring before it looks here.
                doorbell.store(if rests { RESTS } else { SLEEPS }, Ordering::SeqCst);
                let news = self.lock().has_news(rests);
                if !news && rests {
                    futex::wait(doorbell, RESTS, wake.min(now + REST_NS));
                } else if !news {
                    futex::wait(doorbell, SLEEPS, wake);
                }
                // Relaxed: until it says otherwise again, the rings are looked at anyway.
                let called = doorbell.swap(AWAKE, Ordering::Relaxed) == AWAKE || news;
                now = monotonic_ns();
                if called {
                    awake_until = now + AWAKE_NS;
                }
                if called || now >= wake {
                    break;
                }
            }
        }
    }

    fn ring(&self) {
        // SeqCst: as a client does.
        self.books.engine.doorbell.0.store(AWAKE, Ordering::SeqCst);
        futex::wake(&self.books.engine.doorbell.0);
    }
}

/// A device does not wait for a processor: exact timers, and before other threads where that is allowed.
#[expect(unsafe_code)]
// UNSAFETY: asks the kernel for a scheduling policy.
fn hurry() {
    futex::set_timer_slack(1);
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is valid for the call; the calls concern this thread alone. A refusal changes nothing.
    unsafe {
        if libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &lowest) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -10);
        }
    }
}
