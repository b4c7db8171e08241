//! Host functions: called on threads of this library when their stream has come to them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ffi_headers::cuda::CUDA_ERROR_OPERATING_SYSTEM;
use parking_lot::{Condvar, Mutex};
use simulator::client::channel::Ticket;

use crate::abi::Outcome;

/// Host functions that have not returned yet.
#[derive(Default)]
pub struct HostCalls {
    any: AtomicBool,
    calls: Mutex<Vec<Arc<HostCall>>>,
}

/// One host function on its way.
pub struct HostCall {
    stage: Mutex<Stage>,
    over: Condvar,
    /// Reached when the function is to be called.
    due: Ticket,
    /// What lets the stream go on.
    gate: Ticket,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
    Over,
}

/// The host functions of one stream, which one thread calls in order; it exists while there are any.
#[derive(Default)]
pub struct Caller {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    has_thread: bool,
}

struct Job {
    call: Arc<HostCall>,
    function: Box<dyn FnOnce() + Send>,
}

impl HostCalls {
    pub fn add(&self, call: &Arc<HostCall>) {
        let mut calls = self.calls.lock();
        calls.retain(|call| !call.is_over());
        calls.push(Arc::clone(call));
        // Relaxed: a hint; a thread that must see the call is ordered behind this one by the program.
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether there may be any; costs next to nothing.
    pub fn has_any(&self) -> bool {
        // Relaxed: see `add`.
        self.any.load(Ordering::Relaxed)
    }

    pub fn pending(&self) -> Vec<Arc<HostCall>> {
        if !self.has_any() {
            return Vec::new();
        }
        let mut calls = self.calls.lock();
        calls.retain(|call| !call.is_over());
        // Relaxed: see `add`.
        self.any.store(!calls.is_empty(), Ordering::Relaxed);
        calls.clone()
    }
}

impl HostCall {
    pub fn new(due: Ticket, gate: Ticket) -> Self {
        Self { stage: Mutex::new(Stage::Waiting), over: Condvar::new(), due, gate }
    }

    /// Waits until the function has returned, or is not going to be called.
    pub fn wait(&self) {
        let mut stage = self.stage.lock();
        self.over.wait_while(&mut stage, |stage| *stage != Stage::Over);
    }

    /// Keeps the function from being called; waits for it if that has begun.
    pub fn cancel(&self) {
        if !self.advance(Stage::Waiting, Stage::Over) {
            self.wait();
        }
    }

    fn is_over(&self) -> bool {
        *self.stage.lock() == Stage::Over
    }

    fn advance(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.stage.lock();
        let moves = *stage == from;
        if moves {
            *stage = to;
        }
        drop(stage);
        self.over.notify_all();
        moves
    }

    /// Calls the function when it is due, unless the simulation or the context ends before.
    fn run(&self, function: impl FnOnce()) {
        if self.due.wait().is_ok() && self.advance(Stage::Waiting, Stage::Running) {
            function();
        }
        self.finish();
    }

    fn finish(&self) {
        *self.stage.lock() = Stage::Over;
        self.over.notify_all();
        self.gate.finish();
    }
}

impl Caller {
    /// Has `function` called behind those that were given before.
    pub fn add(self: &Arc<Self>, call: Arc<HostCall>, function: impl FnOnce() + Send + 'static) -> Outcome {
        let mut queue = self.queue.lock();
        queue.jobs.push_back(Job { call, function: Box::new(function) });
        if queue.has_thread {
            return Ok(());
        }
        let caller = Arc::clone(self);
        match std::thread::Builder::new().name("cuda-host-call".into()).spawn(move || caller.call_all()) {
            Ok(_) => {
                queue.has_thread = true;
                Ok(())
            }
            Err(_) => {
                if let Some(job) = queue.jobs.pop_back() {
                    job.call.finish();
                }
                Err(CUDA_ERROR_OPERATING_SYSTEM)
            }
        }
    }

    fn call_all(&self) {
        loop {
            let mut queue = self.queue.lock();
            let Some(job) = queue.jobs.pop_front() else {
                queue.has_thread = false;
                return;
            };
            drop(queue);
            job.call.run(job.function);
        }
    }
}
