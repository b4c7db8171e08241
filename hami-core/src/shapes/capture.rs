//! Streams that are captured into a graph: nothing put into one is work yet, and nothing of ours may disturb it.
// UNSAFETY: calls the vendor's functions.
#![expect(unsafe_code)]

use core::ffi::c_void;
use core::ptr;

use ffi_headers::cuda::{
    CU_STREAM_CAPTURE_STATUS_NONE, CUDA_SUCCESS, CUcontext, CUgraph, CUgraphEdgeData, CUgraphNode,
    CUgraphRecaptureCallback, CUresult, CUstream, CUstreamCaptureMode, CUstreamCigCaptureParams,
};

use crate::guard::{self, Inside};
use crate::private::{Captured, Private};
use crate::tenant::{self, Tenant};
use crate::{compute, vendor};

/// The tenant, if the work of this process may be gated: nothing else needs to know what is captured.
fn gated() -> Option<&'static Tenant> {
    tenant::get().filter(|tenant| tenant.may_gate())
}

/// Runs `call`, which begins to capture a stream.
fn begin(stream: CUstream, per_thread: bool, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = gated() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let mut context: CUcontext = ptr::null_mut();
    // SAFETY: writes one handle of ours; the driver refuses what is no stream.
    let _unknown_if_failed = unsafe { vendor::stream_get_ctx(stream, &raw mut context) };
    let begun = Captured { stream: stream as usize, per_thread, context: context as usize };
    // Counted before: from the driver's answer on another thread may put work into it.
    compute::capture_begun();
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| tenant.private().captured.push(begun));
    } else {
        compute::capture_ended();
    }
    result
}

/// Strikes out captures of which this is true. Nobody is told that they have ended.
fn strike(private: &mut Private, is_meant: impl Fn(&Captured) -> bool) -> Vec<Captured> {
    private.captured.extract_if(.., |known| is_meant(known)).collect()
}

/// cuStreamBeginCapture, first version.
pub(crate) fn begin_capture(
    original: unsafe extern "C" fn(CUstream) -> CUresult,
    per_thread: bool,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    begin(stream, per_thread, || unsafe { original(stream) })
}

/// cuStreamBeginCapture, second version.
pub(crate) fn begin_capture_in_mode(
    original: unsafe extern "C" fn(CUstream, CUstreamCaptureMode) -> CUresult,
    per_thread: bool,
    stream: CUstream,
    mode: CUstreamCaptureMode,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    begin(stream, per_thread, || unsafe { original(stream, mode) })
}

/// cuStreamBeginCaptureToGraph.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn begin_capture_to_graph(
    original: unsafe extern "C" fn(
        CUstream,
        CUgraph,
        *const CUgraphNode,
        *const CUgraphEdgeData,
        usize,
        CUstreamCaptureMode,
    ) -> CUresult,
    per_thread: bool,
    stream: CUstream,
    graph: CUgraph,
    dependencies: *const CUgraphNode,
    edges: *const CUgraphEdgeData,
    count: usize,
    mode: CUstreamCaptureMode,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    begin(stream, per_thread, || unsafe { original(stream, graph, dependencies, edges, count, mode) })
}

/// cuStreamBeginRecaptureToGraph: into a graph that exists. It is ended as any capture.
pub(crate) fn begin_recapture(
    original: unsafe extern "C" fn(
        CUstream,
        CUstreamCaptureMode,
        CUgraph,
        CUgraphRecaptureCallback,
        *mut c_void,
    ) -> CUresult,
    per_thread: bool,
    stream: CUstream,
    mode: CUstreamCaptureMode,
    graph: CUgraph,
    on_change: CUgraphRecaptureCallback,
    data: *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    begin(stream, per_thread, || unsafe { original(stream, mode, graph, on_change, data) })
}

/// cuStreamBeginCaptureToCig: into a list of commands of a graphics interface.
pub(crate) fn begin_capture_for_graphics(
    original: unsafe extern "C" fn(CUstream, *mut CUstreamCigCaptureParams) -> CUresult,
    per_thread: bool,
    stream: CUstream,
    parameters: *mut CUstreamCigCaptureParams,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    begin(stream, per_thread, || unsafe { original(stream, parameters) })
}

/// cuStreamEndCapture.
pub(crate) fn end_capture(
    original: unsafe extern "C" fn(CUstream, *mut CUgraph) -> CUresult,
    per_thread: bool,
    stream: CUstream,
    graph: *mut CUgraph,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    end(stream, per_thread, || unsafe { original(stream, graph) })
}

/// cuStreamEndCaptureToCig.
pub(crate) fn end_capture_for_graphics(
    original: unsafe extern "C" fn(CUstream) -> CUresult,
    per_thread: bool,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    end(stream, per_thread, || unsafe { original(stream) })
}

/// Runs `call`, which ends a capture. One that went wrong ends with an error, so whatever it answers, the stream itself is asked.
fn end(stream: CUstream, per_thread: bool, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = gated() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut status = CU_STREAM_CAPTURE_STATUS_NONE;
        let ended = result == CUDA_SUCCESS || {
            // SAFETY: writes one number of ours.
            let answer = unsafe { vendor::stream_is_capturing(stream, &raw mut status) };
            answer == CUDA_SUCCESS && status == CU_STREAM_CAPTURE_STATUS_NONE
        };
        if ended {
            let is_it = |known: &Captured| (known.stream, known.per_thread) == (stream as usize, per_thread);
            strike(&mut tenant.private(), is_it).into_iter().for_each(|_| compute::capture_ended());
        }
    });
    result
}

/// cuStreamDestroy: a capture ends with its stream. It is struck out before, since its handle may come again at once.
pub(crate) fn destroy_stream(
    original: unsafe extern "C" fn(CUstream) -> CUresult,
    _per_thread: bool,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(stream) };
    let Some(tenant) = gated() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let struck = strike(&mut tenant.private(), |known| known.stream == stream as usize);
    guard::bookkeeping(|| compute::stream_destroyed(&inside, stream));
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        if result == CUDA_SUCCESS {
            struck.into_iter().for_each(|_| compute::capture_ended());
        } else {
            tenant.private().captured.extend(struck);
        }
    });
    result
}

/// A context is gone, and its streams with it.
pub(super) fn context_gone(private: &mut Private, context: usize) {
    strike(private, |known| known.context == context).into_iter().for_each(|_| compute::capture_ended());
}
