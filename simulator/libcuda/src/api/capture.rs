//! Capture of streams to graphs.

use ffi_headers::cuda::*;

use super::graph::{dependencies, find, handle};
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::driver;
use crate::graph::capture::{self, Branch};
use crate::stream::{NullStream, Stream};

driver_functions! {
    /// The first form has no mode; it captures in the strictest.
    extern "C" fn cuStreamBeginCapture, extern "C" fn cuStreamBeginCapture_ptsz [null] (stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::begin(driver, &stream, CU_STREAM_CAPTURE_MODE_GLOBAL, None)?;
    }

    extern "C" fn cuStreamBeginCapture_v2, extern "C" fn cuStreamBeginCapture_v2_ptsz [null] (stream: CUstream, mode: CUstreamCaptureMode) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::begin(driver, &stream, mode, None)?;
    }

    extern "C" fn cuStreamBeginCaptureToGraph, extern "C" fn cuStreamBeginCaptureToGraph_ptsz [null] (
        stream: CUstream,
        graph: CUgraph,
        nodes: In<CUgraphNode>,
        data: In<CUgraphEdgeData>,
        count: usize,
        mode: CUstreamCaptureMode,
    ) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let given = (find(driver, graph)?, dependencies(nodes, Some(data), count));
        capture::begin(driver, &stream, mode, Some(given))?;
    }

    extern "C" fn cuStreamEndCapture, extern "C" fn cuStreamEndCapture_ptsz [null] (stream: CUstream, graph: Out<CUgraph>) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let place = graph.required()?;
        let ended = capture::end(driver, &stream);
        place.set(ended.as_ref().map_or(std::ptr::null_mut(), handle))?;
        ended?;
    }

    extern "C" fn cuStreamIsCapturing, extern "C" fn cuStreamIsCapturing_ptsz [null] (stream: CUstream, status: Out<CUstreamCaptureStatus>) {
        describe(stream, null, &Places { status, ..Places::NONE })?;
    }

    extern "C" fn cuStreamGetCaptureInfo, extern "C" fn cuStreamGetCaptureInfo_ptsz [null] (stream: CUstream, status: Out<CUstreamCaptureStatus>, id: Out<u64>) {
        describe(stream, null, &Places { status, id, ..Places::NONE })?;
    }

    extern "C" fn cuStreamGetCaptureInfo_v2, extern "C" fn cuStreamGetCaptureInfo_v2_ptsz [null] (
        stream: CUstream,
        status: Out<CUstreamCaptureStatus>,
        id: Out<u64>,
        graph: Out<CUgraph>,
        nodes: Out<*const CUgraphNode>,
        count: Out<usize>,
    ) {
        describe(stream, null, &Places { status, id, graph, nodes, count, ..Places::NONE })?;
    }

    extern "C" fn cuStreamGetCaptureInfo_v3, extern "C" fn cuStreamGetCaptureInfo_v3_ptsz [null] (
        stream: CUstream,
        status: Out<CUstreamCaptureStatus>,
        id: Out<u64>,
        graph: Out<CUgraph>,
        nodes: Out<*const CUgraphNode>,
        data: Out<*const CUgraphEdgeData>,
        count: Out<usize>,
    ) {
        describe(stream, null, &Places { status, id, graph, nodes, data, count })?;
    }

    extern "C" fn cuStreamUpdateCaptureDependencies, extern "C" fn cuStreamUpdateCaptureDependencies_ptsz [null] (stream: CUstream, nodes: Out<CUgraphNode>, count: usize, flags: u32) {
        update(stream, null, (nodes, None, count), flags)?;
    }

    extern "C" fn cuStreamUpdateCaptureDependencies_v2, extern "C" fn cuStreamUpdateCaptureDependencies_v2_ptsz [null] (stream: CUstream, nodes: Out<CUgraphNode>, data: In<CUgraphEdgeData>, count: usize, flags: u32) {
        update(stream, null, (nodes, Some(data), count), flags)?;
    }

    extern "C" fn cuThreadExchangeStreamCaptureMode(mode: Out<CUstreamCaptureMode>) {
        driver()?;
        mode.set(capture::exchange_mode(mode.get()?)?)?;
    }
}

/// Where the answers about a capture go; those that are not wanted are null.
struct Places {
    status: Out<CUstreamCaptureStatus>,
    id: Out<u64>,
    graph: Out<CUgraph>,
    nodes: Out<*const CUgraphNode>,
    data: Out<*const CUgraphEdgeData>,
    count: Out<usize>,
}

impl Places {
    const NONE: Self = Self {
        status: Out::from_raw(std::ptr::null_mut()),
        id: Out::from_raw(std::ptr::null_mut()),
        graph: Out::from_raw(std::ptr::null_mut()),
        nodes: Out::from_raw(std::ptr::null_mut()),
        data: Out::from_raw(std::ptr::null_mut()),
        count: Out::from_raw(std::ptr::null_mut()),
    };
}

/// Where a stream is in its capture. The lists stay where they are until the next call that changes them.
fn describe(stream: CUstream, null: NullStream, places: &Places) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let status = places.status.required()?;
    capture::with_branch(driver, &stream, |branch| {
        let Some(branch) = branch else { return status.set(CU_STREAM_CAPTURE_STATUS_NONE) };
        status.set(branch.status())?;
        if branch.status() != CU_STREAM_CAPTURE_STATUS_ACTIVE {
            return Ok(());
        }
        let plain = |data: &CUgraphEdgeData| data.from_port == 0 && data.to_port == 0 && data.type_ == 0;
        if !places.nodes.is_null() && places.data.is_null() && !branch.data.iter().all(plain) {
            return Err(CUDA_ERROR_LOSSY_QUERY);
        }
        places.id.set_if_wanted(branch.capture.id);
        places.graph.set_if_wanted(handle(&branch.capture.graph));
        places.nodes.set_if_wanted(branch.nodes.as_ptr().cast());
        places.data.set_if_wanted(branch.data.as_ptr());
        places.count.set_if_wanted(branch.nodes.len());
        Ok(())
    })?
}

/// Adds to, or sets, the nodes that the next one comes behind.
fn update(
    stream: CUstream,
    null: NullStream,
    (nodes, data, count): (Out<CUgraphNode>, Option<In<CUgraphEdgeData>>, usize),
    flags: u32,
) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let given = dependencies(nodes.as_input(), data, count);
    capture::with_branch(driver, &stream, |branch| {
        let branch = branch.ok_or(CUDA_ERROR_ILLEGAL_STATE)?;
        if branch.status() != CU_STREAM_CAPTURE_STATUS_ACTIVE {
            return Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        }
        let known = branch.capture.graph.nodes();
        if !given.iter().all(|(key, _)| known.iter().any(|node| node.key() == *key)) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let (nodes, data) = given.into_iter().unzip();
        let given = Branch { capture: branch.capture.clone(), nodes, data };
        match flags {
            CU_STREAM_ADD_CAPTURE_DEPENDENCIES => branch.join(&given),
            CU_STREAM_SET_CAPTURE_DEPENDENCIES => *branch = given,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        Ok(())
    })?
}
