//! Device memory that a context takes beside its own figure and its allocations: for code, and for raised limits.

use std::sync::atomic::Ordering;

use ffi_headers::cuda::*;
use simulator::books::{PAGE_BYTES, pages_for};
use simulator::client::ReserveError;

use crate::abi::Outcome;
use crate::context::{Context, default_limit};
use crate::driver::Driver;
use crate::memory::UNIT;

/// Bytes for code that a context has within its own figure, if that is not smaller.
const CODE_HEAP: u64 = 4 << 20;
/// Most bytes of stack: what CUDA's programming guide states as the local memory of a thread.
const MAX_STACK: usize = 512 << 10;

/// What one context takes. Its figure is not in here.
#[derive(Default)]
pub struct Overhead {
    /// Bytes of the code heap in use.
    heap: u64,
    /// Pages on the device: code that found no room in the heap, and limits above their defaults.
    pages: u32,
}

/// Where the code and the variables of a module lie.
#[derive(Clone, Copy, Debug)]
pub enum Code {
    /// As many bytes of the code heap.
    Heap(u64),
    /// As many pages of its own.
    Pages(u32),
}

impl Driver {
    /// Takes device memory for `bytes` of code and variables: in the context's code heap if they fit, else whole pages.
    pub fn take_code(&self, context: &Context, bytes: u64) -> Outcome<Code> {
        let bytes = bytes.checked_next_multiple_of(UNIT).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let mut settings = context.settings.lock();
        let heap = CODE_HEAP.min(u64::from(self.simulation.context_pages()) * PAGE_BYTES);
        if settings.overhead.heap.checked_add(bytes).is_some_and(|sum| sum <= heap) {
            settings.overhead.heap += bytes;
            return Ok(Code::Heap(bytes));
        }
        let pages = page_count(bytes)?;
        self.reserve(context, pages)?;
        settings.overhead.pages += pages;
        Ok(Code::Pages(pages))
    }

    /// Gives back what [`Self::take_code`] took. Does nothing for a context that has ended: that gave everything back.
    pub fn give_code(&self, context: &Context, code: Code) {
        let overhead = &mut context.settings.lock().overhead;
        match code {
            Code::Heap(bytes) => overhead.heap = overhead.heap.saturating_sub(bytes),
            Code::Pages(pages) => self.give(context, overhead, pages),
        }
    }

    /// Sets a limit of a context, and takes or gives back the device memory that this means.
    pub fn set_limit(&self, context: &Context, limit: CUlimit, value: usize) -> Outcome {
        let device = self.device_of(context).info;
        let threads = u64::from(device.sm_count) * u64::from(device.max_threads_per_sm);
        let mut settings = context.settings.lock();
        let before = limit_pages(limit, settings.limit(limit)?, threads)?;
        let after = limit_pages(limit, value, threads)?;
        if after > before {
            self.reserve(context, after - before)?;
            settings.overhead.pages += after - before;
        } else {
            self.give(context, &mut settings.overhead, before - after);
        }
        settings.set_limit(limit, value)
    }

    /// Gives back all that a context took, and makes its settings those of a new one: a primary context may start again.
    pub fn end_overhead(&self, context: &Context) {
        // Relaxed: lone bits.
        context.peers.store(0, Ordering::Relaxed);
        let mut settings = context.settings.lock();
        let pages = settings.overhead.pages;
        self.give(context, &mut settings.overhead, pages);
        *settings = Default::default();
    }

    fn reserve(&self, context: &Context, pages: u32) -> Outcome {
        let physical = self.device_of(context).physical;
        self.simulation.reserve_pages(physical, pages).map_err(|error| match error {
            ReserveError::OutOfMemory => CUDA_ERROR_OUT_OF_MEMORY,
            ReserveError::Disconnected => CUDA_ERROR_DEVICE_UNAVAILABLE,
        })
    }

    fn give(&self, context: &Context, overhead: &mut Overhead, pages: u32) {
        let pages = pages.min(overhead.pages);
        overhead.pages -= pages;
        self.simulation.release_pages(self.device_of(context).physical, pages);
    }
}

/// Pages that a limit of `value` takes beyond what its default does. A stack is needed by each of the device's `threads`.
fn limit_pages(limit: CUlimit, value: usize, threads: u64) -> Outcome<u32> {
    let each = match limit {
        CU_LIMIT_STACK_SIZE if value > MAX_STACK => return Err(CUDA_ERROR_INVALID_VALUE),
        CU_LIMIT_STACK_SIZE => threads,
        CU_LIMIT_PRINTF_FIFO_SIZE | CU_LIMIT_MALLOC_HEAP_SIZE => 1,
        _ => return Ok(0),
    };
    let default = default_limit(limit).unwrap_or(0);
    page_count((value.saturating_sub(default) as u64).saturating_mul(each))
}

fn page_count(bytes: u64) -> Outcome<u32> {
    u32::try_from(pages_for(bytes)).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)
}
