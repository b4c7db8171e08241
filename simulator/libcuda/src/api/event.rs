//! Events: marks in a stream, waited for and timed.

use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{driver, in_context};
use crate::event::Event;
use crate::graph::{Action, Opaque, capture};
use crate::stream::{NullStream, Stream};

/// Of the clock that events are timed by, in nanoseconds.
const TICK_NS: u64 = 500;

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
        let look = |event: &Event| capture::check_event(event).map(|()| event.is_reached(driver));
        let reached = driver.events.with(event, look).ok_or(CUDA_ERROR_INVALID_HANDLE)??;
        capture::unsafe_call(driver)?;
        if !reached {
            return Err(CUDA_ERROR_NOT_READY);
        }
    }

    extern "C" fn cuEventSynchronize(event: CUevent) {
        let driver = driver()?;
        let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        capture::check_event(&event)?;
        event.wait(driver)?;
        driver.device_of(event.context).space().trim_pools();
    }

    extern "C" fn cuEventElapsedTime, extern "C" fn cuEventElapsedTime_v2 (milliseconds: Out<f32>, start: CUevent, end: CUevent) {
        let driver = driver()?;
        let look = |event: CUevent| driver.events.with(event, time_of).ok_or(CUDA_ERROR_INVALID_HANDLE);
        let (start, end) = (look(start)?, look(end)?);
        let (start, end) = (start??, end??);
        let (Some(start), Some(end)) = (start, end) else { return Err(CUDA_ERROR_NOT_READY) };
        // The device's clock counts half microseconds, as the vendor documents the resolution.
        let ticks = (end / TICK_NS) as f64 - (start / TICK_NS) as f64;
        milliseconds.set((ticks * TICK_NS as f64 / 1e6) as f32)?;
    }
}

/// When an event was reached that has a time, none if it is not yet; an error inside for an event of which nobody can ask.
fn time_of(event: &Event) -> Outcome<Outcome<Option<u64>>> {
    capture::check_event(event)?;
    let timed = event.flags & CU_EVENT_DISABLE_TIMING == 0 && event.has_point();
    Ok(if timed { Ok(event.end()) } else { Err(CUDA_ERROR_INVALID_HANDLE) })
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
    event.record_in(&stream);
    Ok(())
}
