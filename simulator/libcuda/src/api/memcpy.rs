//! Copies in one, two and three dimensions, between host, device and arrays.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{In, Outcome, driver_functions};
use crate::driver::driver;
use crate::graph::{Action, Opaque, capture};
use crate::stream::{NullStream, Stream, waited};
use crate::transfer::{self, Transfer};

pub const DEFAULT: CUstream = std::ptr::null_mut();
const HOST: CUmemorytype = CU_MEMORYTYPE_HOST;
const DEVICE: CUmemorytype = CU_MEMORYTYPE_DEVICE;
const UNIFIED: CUmemorytype = CU_MEMORYTYPE_UNIFIED;

driver_functions! {
    extern "C" fn cuMemcpy, extern "C" fn cuMemcpy_ptds [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize) {
        linear((UNIFIED, target), (UNIFIED, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyAsync, extern "C" fn cuMemcpyAsync_ptsz [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((UNIFIED, target), (UNIFIED, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyHtoD_v2, extern "C" fn cuMemcpyHtoD_v2_ptds [null] (target: CUdeviceptr, source: *const c_void, bytes: usize) {
        linear((DEVICE, target), (HOST, source as u64), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyHtoDAsync_v2, extern "C" fn cuMemcpyHtoDAsync_v2_ptsz [null] (target: CUdeviceptr, source: *const c_void, bytes: usize, stream: CUstream) {
        linear((DEVICE, target), (HOST, source as u64), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyDtoH_v2, extern "C" fn cuMemcpyDtoH_v2_ptds [null] (target: *mut c_void, source: CUdeviceptr, bytes: usize) {
        linear((HOST, target as u64), (DEVICE, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyDtoHAsync_v2, extern "C" fn cuMemcpyDtoHAsync_v2_ptsz [null] (target: *mut c_void, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((HOST, target as u64), (DEVICE, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyDtoD_v2, extern "C" fn cuMemcpyDtoD_v2_ptds [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize) {
        linear((DEVICE, target), (DEVICE, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyDtoDAsync_v2, extern "C" fn cuMemcpyDtoDAsync_v2_ptsz [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((DEVICE, target), (DEVICE, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyPeer, extern "C" fn cuMemcpyPeer_ptds [null] (target: CUdeviceptr, target_context: CUcontext, source: CUdeviceptr, source_context: CUcontext, bytes: usize) {
        check_contexts(target_context, source_context)?;
        linear((DEVICE, target), (DEVICE, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyPeerAsync, extern "C" fn cuMemcpyPeerAsync_ptsz [null] (target: CUdeviceptr, target_context: CUcontext, source: CUdeviceptr, source_context: CUcontext, bytes: usize, stream: CUstream) {
        check_contexts(target_context, source_context)?;
        linear((DEVICE, target), (DEVICE, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpy2D_v2, extern "C" fn cuMemcpy2D_v2_ptds, extern "C" fn cuMemcpy2DUnaligned_v2, extern "C" fn cuMemcpy2DUnaligned_v2_ptds [null] (copy: In<CUDA_MEMCPY2D>) {
        run(&transfer::planar(&copy.get()?), DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy2DAsync_v2, extern "C" fn cuMemcpy2DAsync_v2_ptsz [null] (copy: In<CUDA_MEMCPY2D>, stream: CUstream) {
        run(&transfer::planar(&copy.get()?), stream, null, false)?;
    }

    extern "C" fn cuMemcpy3D_v2, extern "C" fn cuMemcpy3D_v2_ptds [null] (copy: In<CUDA_MEMCPY3D>) {
        run(&copy.get()?, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy3DAsync_v2, extern "C" fn cuMemcpy3DAsync_v2_ptsz [null] (copy: In<CUDA_MEMCPY3D>, stream: CUstream) {
        run(&copy.get()?, stream, null, false)?;
    }

    extern "C" fn cuMemcpy3DPeer, extern "C" fn cuMemcpy3DPeer_ptds [null] (copy: In<CUDA_MEMCPY3D_PEER>) {
        run(&between_contexts(&copy.get()?)?, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy3DPeerAsync, extern "C" fn cuMemcpy3DPeerAsync_ptsz [null] (copy: In<CUDA_MEMCPY3D_PEER>, stream: CUstream) {
        run(&between_contexts(&copy.get()?)?, stream, null, false)?;
    }

    extern "C" fn cuMemcpyAtoH_v2, extern "C" fn cuMemcpyAtoH_v2_ptds [null] (target: *mut c_void, source: CUarray, offset: usize, bytes: usize) {
        run(&from_array(source, offset, (HOST, target as u64), bytes), DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyAtoHAsync_v2, extern "C" fn cuMemcpyAtoHAsync_v2_ptsz [null] (target: *mut c_void, source: CUarray, offset: usize, bytes: usize, stream: CUstream) {
        run(&from_array(source, offset, (HOST, target as u64), bytes), stream, null, false)?;
    }

    extern "C" fn cuMemcpyAtoD_v2, extern "C" fn cuMemcpyAtoD_v2_ptds [null] (target: CUdeviceptr, source: CUarray, offset: usize, bytes: usize) {
        run(&from_array(source, offset, (DEVICE, target), bytes), DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyHtoA_v2, extern "C" fn cuMemcpyHtoA_v2_ptds [null] (target: CUarray, offset: usize, source: *const c_void, bytes: usize) {
        run(&to_array(target, offset, (HOST, source as u64), bytes), DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyHtoAAsync_v2, extern "C" fn cuMemcpyHtoAAsync_v2_ptsz [null] (target: CUarray, offset: usize, source: *const c_void, bytes: usize, stream: CUstream) {
        run(&to_array(target, offset, (HOST, source as u64), bytes), stream, null, false)?;
    }

    extern "C" fn cuMemcpyDtoA_v2, extern "C" fn cuMemcpyDtoA_v2_ptds [null] (target: CUarray, offset: usize, source: CUdeviceptr, bytes: usize) {
        run(&to_array(target, offset, (DEVICE, source), bytes), DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyAtoA_v2, extern "C" fn cuMemcpyAtoA_v2_ptds [null] (target: CUarray, target_offset: usize, source: CUarray, source_offset: usize, bytes: usize) {
        run(&between_arrays((target, target_offset), (source, source_offset), bytes), DEFAULT, null, true)?;
    }
}

pub fn linear(
    target: (CUmemorytype, u64),
    source: (CUmemorytype, u64),
    bytes: usize,
    stream: CUstream,
    null: NullStream,
    wait: bool,
) -> Outcome {
    run(&transfer::linear(target, source, bytes), stream, null, wait)
}

fn check_contexts(target: CUcontext, source: CUcontext) -> Outcome {
    let driver = driver()?;
    driver.context(target)?;
    driver.context(source)?;
    Ok(())
}

/// Checks, queues the time of the copy, moves the bytes now, and waits for the time if the call does.
pub fn run(copy: &CUDA_MEMCPY3D, stream: CUstream, null: NullStream, wait: bool) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    if wait {
        capture::unsupported(driver, &stream)?;
        capture::unsafe_call(driver)?;
    } else if capture::add(driver, &stream, || Ok(Action::Copy(Opaque(*copy))))? {
        return Ok(());
    }
    let Some(transfer) = Transfer::of(driver, copy)? else { return Ok(()) };
    stream.wait_for_host_calls();
    let ticket = stream.submit(transfer.work(driver, driver.device_of(stream.context).info));
    transfer.run();
    if wait { waited(ticket.wait()) } else { Ok(()) }
}

/// From `offset` bytes on in the first row of an array.
pub fn from_array(array: CUarray, offset: usize, target: (CUmemorytype, u64), bytes: usize) -> CUDA_MEMCPY3D {
    let plain = transfer::linear(target, (CU_MEMORYTYPE_ARRAY, 0), bytes);
    CUDA_MEMCPY3D { srcArray: array, srcXInBytes: offset, ..plain }
}

/// To `offset` bytes and later in the first row of an array.
pub fn to_array(array: CUarray, offset: usize, source: (CUmemorytype, u64), bytes: usize) -> CUDA_MEMCPY3D {
    let plain = transfer::linear((CU_MEMORYTYPE_ARRAY, 0), source, bytes);
    CUDA_MEMCPY3D { dstArray: array, dstXInBytes: offset, ..plain }
}

/// From one array's first row to another's, each with its offset in bytes.
pub fn between_arrays(target: (CUarray, usize), source: (CUarray, usize), bytes: usize) -> CUDA_MEMCPY3D {
    let plain = to_array(target.0, target.1, (CU_MEMORYTYPE_ARRAY, 0), bytes);
    CUDA_MEMCPY3D { srcArray: source.0, srcXInBytes: source.1, ..plain }
}

/// The descriptor without the contexts, which must exist.
fn between_contexts(copy: &CUDA_MEMCPY3D_PEER) -> Outcome<CUDA_MEMCPY3D> {
    check_contexts(copy.dstContext, copy.srcContext)?;
    Ok(CUDA_MEMCPY3D {
        srcXInBytes: copy.srcXInBytes,
        srcY: copy.srcY,
        srcZ: copy.srcZ,
        srcLOD: copy.srcLOD,
        srcMemoryType: copy.srcMemoryType,
        srcHost: copy.srcHost,
        srcDevice: copy.srcDevice,
        srcArray: copy.srcArray,
        srcPitch: copy.srcPitch,
        srcHeight: copy.srcHeight,
        dstXInBytes: copy.dstXInBytes,
        dstY: copy.dstY,
        dstZ: copy.dstZ,
        dstLOD: copy.dstLOD,
        dstMemoryType: copy.dstMemoryType,
        dstHost: copy.dstHost,
        dstDevice: copy.dstDevice,
        dstArray: copy.dstArray,
        dstPitch: copy.dstPitch,
        dstHeight: copy.dstHeight,
        WidthInBytes: copy.WidthInBytes,
        Height: copy.Height,
        Depth: copy.Depth,
        ..Default::default()
    })
}
