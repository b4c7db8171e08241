//! Events: marks in a stream, waited for and timed.

use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{driver, in_context};
use crate::graph::{Action, Opaque, capture};
use crate::stream::{Event, NullStream, Stream};

const FLAGS: u32 = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;

driver_functions! {
    extern "C" fn cuEventCreate(event: Out<CUevent>, flags: u32) {
        let (driver, context) = in_context()?;
        let place = event.required()?;
        let shared_and_timed = flags & CU_EVENT_INTERPROCESS != 0 && flags & CU_EVENT_DISABLE_TIMING == 0;
        if flags & !FLAGS != 0 || shared_and_timed {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.set(driver.events.insert(Arc::new(Event::new(context, flags))))?;
    }

    extern "C" fn cuEventDestroy, extern "C" fn cuEventDestroy_v2 (event: CUevent) {
        driver()?.events.remove(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }

    extern "C" fn cuEventRecord, extern "C" fn cuEventRecord_ptsz [null] (event: CUevent, stream: CUstream) {
        record(event, stream, null, false)?;
    }

    extern "C" fn cuEventRecordWithFlags, extern "C" fn cuEventRecordWithFlags_ptsz [null] (event: CUevent, stream: CUstream, flags: u32) {
        if flags > CU_EVENT_RECORD_EXTERNAL {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        record(event, stream, null, flags == CU_EVENT_RECORD_EXTERNAL)?;
    }

    extern "C" fn cuEventQuery(event: CUevent) {
        let driver = driver()?;
        let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        capture::check_event(&event)?;
        capture::unsafe_call(driver)?;
        if event.point(driver).is_some_and(|point| !point.is_reached()) {
            return Err(CUDA_ERROR_NOT_READY);
        }
    }

    extern "C" fn cuEventSynchronize(event: CUevent) {
        let driver = driver()?;
        let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        capture::check_event(&event)?;
        let point = event.point(driver);
        if let Some(point) = point {
            point.wait();
        }
        driver.device_of(event.context).space().trim_pools();
    }

    extern "C" fn cuEventElapsedTime, extern "C" fn cuEventElapsedTime_v2 (milliseconds: Out<f32>, start: CUevent, end: CUevent) {
        let driver = driver()?;
        let start = driver.events.get(start).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let end = driver.events.get(end).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        capture::check_event(&start)?;
        capture::check_event(&end)?;
        let timed = |event: &Event| event.flags & CU_EVENT_DISABLE_TIMING == 0;
        let (from, to) = (start.point(driver), end.point(driver));
        let (Some(from), Some(to), true) = (from, to, timed(&start) && timed(&end)) else {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        };
        if !from.is_reached() || !to.is_reached() {
            return Err(CUDA_ERROR_NOT_READY);
        }
        milliseconds.set((to.time as f64 - from.time as f64) as f32 / 1e6)?;
    }
}

/// `external` makes a node of it in a capture, and is an error outside of one.
fn record(handle: CUevent, stream: CUstream, null: NullStream, external: bool) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let event = driver.events.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if event.context.id != stream.context.id {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    if capture::record(driver, &stream, &event, external.then_some(Action::Record(Opaque(handle))))? {
        return Ok(());
    }
    let mut point = stream.point();
    // An idle stream reaches the event as it is recorded.
    point.time = point.time.max(simulator::client::monotonic_ns());
    event.record(driver, point);
    Ok(())
}
