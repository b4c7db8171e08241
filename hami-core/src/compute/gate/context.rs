//! The context that a stream's work runs in.
// UNSAFETY: vendor calls.
#![expect(unsafe_code)]

use core::ptr;
use core::sync::atomic::Ordering;

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext, CUstream};

use super::{CAPTURES, WORD};
use crate::compute::PER_THREAD;
use crate::vendor;

/// The context of a stream, current in this thread for as long as this lives.
pub(super) struct Entered {
    pub(super) context: usize,
    /// Whether another one was current, or none.
    pushed: bool,
}

impl Entered {
    /// A stream's own context is what counts (a `CUkernel` needs none that is current); a default stream is the current one's.
    /// `None`: there is none.
    pub(super) fn of(handle: usize) -> Option<Self> {
        let current = current_context();
        // During a capture the driver is asked nothing more.
        if handle <= PER_THREAD || WORD.load(Ordering::Relaxed) & CAPTURES != 0 {
            return current.map(|context| Self { context, pushed: false });
        }
        let mut own: CUcontext = ptr::null_mut();
        // SAFETY: the program's own stream, which the driver checks; writes one handle of ours.
        let answer = unsafe { vendor::stream_get_ctx(handle as CUstream, &raw mut own) };
        let own = if answer == CUDA_SUCCESS && !own.is_null() { own as usize } else { current? };
        Self::enter(own, current)
    }

    /// The same again, for what is `known` to be in this context.
    pub(super) fn again(known: usize) -> Option<Self> {
        Self::enter(known, current_context())
    }

    fn enter(context: usize, current: Option<usize>) -> Option<Self> {
        let pushed = current != Some(context);
        // SAFETY: a context that lives, as its stream does, which the program is just using; popped again in `drop`.
        if pushed && unsafe { vendor::ctx_push_current(context as CUcontext) } != CUDA_SUCCESS {
            return None;
        }
        Some(Self { context, pushed })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.pushed {
            let mut popped: CUcontext = ptr::null_mut();
            // SAFETY: what `enter` pushed; writes one handle of ours.
            let _ours = unsafe { vendor::ctx_pop_current(&raw mut popped) };
        }
    }
}

/// The calling thread's context, if it has one.
#[inline]
pub(in crate::compute) fn current_context() -> Option<usize> {
    let mut context: CUcontext = ptr::null_mut();
    // SAFETY: writes one handle of ours.
    let answer = unsafe { vendor::ctx_get_current(&raw mut context) };
    (answer == CUDA_SUCCESS && !context.is_null()).then_some(context as usize)
}
