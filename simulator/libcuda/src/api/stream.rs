//! Streams: queues of work of a context.

use std::ffi::c_void;

use ffi_headers::cuda::*;
use simulator::timeline::Role;

use crate::abi::{Out, Outcome, driver_functions};
use crate::api::context::PRIORITIES;
use crate::context::Context;
use crate::driver::{Driver, in_context};
use crate::graph::{Action, Opaque, capture};
use crate::stream::Stream;

driver_functions! {
    extern "C" fn cuStreamCreate(stream: Out<CUstream>, flags: u32) {
        create(stream, flags, 0)?;
    }

    extern "C" fn cuStreamCreateWithPriority(stream: Out<CUstream>, flags: u32, priority: i32) {
        create(stream, flags, priority.clamp(PRIORITIES.0, PRIORITIES.1))?;
    }

    /// Returns at once; what is queued still takes its time.
    extern "C" fn cuStreamDestroy, extern "C" fn cuStreamDestroy_v2 (stream: CUstream) {
        let driver = crate::driver::driver()?;
        let stream = driver.streams.remove(stream).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        capture::forget_stream(driver, &stream);
    }

    extern "C" fn cuStreamSynchronize, extern "C" fn cuStreamSynchronize_ptsz [null] (stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        stream.wait()?;
        driver.device_of(stream.context).space().trim_pools();
    }

    extern "C" fn cuStreamQuery, extern "C" fn cuStreamQuery_ptsz [null] (stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        if !stream.is_idle() {
            return Err(CUDA_ERROR_NOT_READY);
        }
    }

    extern "C" fn cuStreamWaitEvent, extern "C" fn cuStreamWaitEvent_ptsz [null] (stream: CUstream, event: CUevent, flags: u32) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let found = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let external = match flags {
            CU_EVENT_WAIT_DEFAULT => None,
            CU_EVENT_WAIT_EXTERNAL => Some(Action::Wait(Opaque(event))),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        if capture::wait(driver, &stream, &found, external)? {
            return Ok(());
        }
        stream.wait_for(&found.recorded(driver));
    }

    extern "C" fn cuStreamGetFlags, extern "C" fn cuStreamGetFlags_ptsz [null] (stream: CUstream, flags: Out<u32>) {
        flags.set(Stream::resolve(stream, null)?.1.flags)?;
    }

    extern "C" fn cuStreamGetPriority, extern "C" fn cuStreamGetPriority_ptsz [null] (stream: CUstream, priority: Out<i32>) {
        priority.set(Stream::resolve(stream, null)?.1.priority)?;
    }

    extern "C" fn cuStreamGetId, extern "C" fn cuStreamGetId_ptsz [null] (stream: CUstream, id: Out<u64>) {
        id.set(Stream::resolve(stream, null)?.1.id)?;
    }

    extern "C" fn cuStreamGetCtx, extern "C" fn cuStreamGetCtx_ptsz [null] (stream: CUstream, context: Out<CUcontext>) {
        context.set(Stream::resolve(stream, null)?.1.context.handle())?;
    }

    extern "C" fn cuStreamGetDevice, extern "C" fn cuStreamGetDevice_ptsz [null] (stream: CUstream, device: Out<CUdevice>) {
        device.set(Stream::resolve(stream, null)?.1.context.device as CUdevice)?;
    }

    extern "C" fn cuStreamAddCallback, extern "C" fn cuStreamAddCallback_ptsz [null] (stream: CUstream, callback: CUstreamCallback, data: *mut c_void, flags: u32) {
        let (driver, found) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &found)?;
        let callback = callback.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let (stream, data) = (Carried(stream), Carried(data));
        // SAFETY: the program passed the function for this very call and vouches for its argument.
        found.call_host(move || unsafe { callback(stream.take(), CUDA_SUCCESS, data.take()) })?;
    }

    extern "C" fn cuLaunchHostFunc, extern "C" fn cuLaunchHostFunc_ptsz [null] (stream: CUstream, function: CUhostFn, data: *mut c_void) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        function.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let call = Opaque(CUDA_HOST_NODE_PARAMS { fn_: function, userData: data });
        if !capture::add(driver, &stream, || Ok(Action::Host(call)))? {
            stream.call_host(move || call.call())?;
        }
    }

    extern "C" fn cuStreamAttachMemAsync, extern "C" fn cuStreamAttachMemAsync_ptsz [null] (stream: CUstream, address: CUdeviceptr, _length: usize, flags: u32) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        let managed = driver.device_at(address).and_then(|device| device.space_at(address).find(address));
        let managed = managed.is_some_and(|found| matches!(found.source, crate::memory::Source::Managed(_)));
        if !managed || !matches!(flags, CU_MEM_ATTACH_GLOBAL | CU_MEM_ATTACH_HOST | CU_MEM_ATTACH_SINGLE) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
    }
}

/// A pointer that only the program's own function looks behind, on its way to another thread.
struct Carried<T>(T);

// SAFETY: this library passes the pointer on and never follows it; the program knows which thread its function runs in.
unsafe impl<T> Send for Carried<*mut T> {}

impl<T> Carried<T> {
    fn take(self) -> T {
        self.0
    }
}

fn create(place: Out<CUstream>, flags: u32, priority: i32) -> Outcome {
    let (driver, context) = in_context()?;
    create_in(driver, context, place, flags, priority)
}

/// Makes a stream of a context, which need not be current.
pub fn create_in(
    driver: &Driver,
    context: &'static Context,
    place: Out<CUstream>,
    flags: u32,
    priority: i32,
) -> Outcome {
    let place = place.required()?;
    let role = match flags {
        CU_STREAM_DEFAULT => Role::Blocking,
        CU_STREAM_NON_BLOCKING => Role::Free,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    place.set(driver.streams.insert(Stream::new(driver, context, flags, priority, role)?))
}
