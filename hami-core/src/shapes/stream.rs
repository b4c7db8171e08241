//! What goes into a stream and takes no compute: waits, functions of the host, copies to and from the host.
//!
//! Each may keep the stream for long; so the gate, which measures what lies between two events of its own, is told of it. None
//! waits for the tenant's share.
// UNSAFETY: calls the vendor's functions.
#![expect(unsafe_code)]

use ffi_headers::cuda::{CUresult, CUstream};

use crate::compute::{self, Queue};

/// Three arguments, the first of which is the stream: cuStreamWaitEvent and cuLaunchHostFunc.
pub(crate) fn first_of_three<A: Copy, B: Copy>(
    original: unsafe extern "C" fn(CUstream, A, B) -> CUresult,
    per_thread: bool,
    handle: CUstream,
    a: A,
    b: B,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    compute::wait(Queue { handle, per_thread }, move || unsafe { original(handle, a, b) })
}

/// Four arguments, the first of which is the stream: waits for a value, batches of such, callbacks.
pub(crate) fn first_of_four<A: Copy, B: Copy, C: Copy>(
    original: unsafe extern "C" fn(CUstream, A, B, C) -> CUresult,
    per_thread: bool,
    handle: CUstream,
    a: A,
    b: B,
    c: C,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    compute::wait(Queue { handle, per_thread }, move || unsafe { original(handle, a, b, c) })
}

/// Four arguments, the last of which is the stream: cuMemcpyHtoDAsync and others.
pub(crate) fn last_of_four<A: Copy, B: Copy, C: Copy>(
    original: unsafe extern "C" fn(A, B, C, CUstream) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    handle: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    compute::interrupt(Queue { handle, per_thread }, move || unsafe { original(a, b, c, handle) })
}

/// Five arguments, the last of which is the stream: cuMemcpyHtoAAsync and others.
pub(crate) fn last_of_five<A: Copy, B: Copy, C: Copy, D: Copy>(
    original: unsafe extern "C" fn(A, B, C, D, CUstream) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    d: D,
    handle: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    compute::interrupt(Queue { handle, per_thread }, move || unsafe { original(a, b, c, d, handle) })
}

/// Eight arguments, the last of which is the stream: cuMemPrefetchBatchAsync and cuMemDiscardAndPrefetchBatchAsync.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn last_of_eight<A: Copy, B: Copy, C: Copy, D: Copy, E: Copy, F: Copy, G: Copy>(
    original: unsafe extern "C" fn(A, B, C, D, E, F, G, CUstream) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    d: D,
    e: E,
    f: F,
    g: G,
    handle: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    compute::interrupt(Queue { handle, per_thread }, move || unsafe { original(a, b, c, d, e, f, g, handle) })
}
