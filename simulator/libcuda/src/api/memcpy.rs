//! Copies in one, two and three dimensions.

use std::ffi::c_void;
use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{In, Outcome, driver_functions};
use crate::copy::{self, Extent, Lines, Side};
use crate::driver::{Driver, driver};
use crate::stream::{NullStream, Stream};
use crate::timeline::{Work, wait_until};

const DEFAULT: CUstream = std::ptr::null_mut();

driver_functions! {
    extern "C" fn cuMemcpy, extern "C" fn cuMemcpy_ptds [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize) {
        linear((Side::Unified, target), (Side::Unified, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyAsync, extern "C" fn cuMemcpyAsync_ptsz [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((Side::Unified, target), (Side::Unified, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyHtoD_v2, extern "C" fn cuMemcpyHtoD_v2_ptds [null] (target: CUdeviceptr, source: *const c_void, bytes: usize) {
        linear((Side::Device, target), (Side::Host, source as u64), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyHtoDAsync_v2, extern "C" fn cuMemcpyHtoDAsync_v2_ptsz [null] (target: CUdeviceptr, source: *const c_void, bytes: usize, stream: CUstream) {
        linear((Side::Device, target), (Side::Host, source as u64), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyDtoH_v2, extern "C" fn cuMemcpyDtoH_v2_ptds [null] (target: *mut c_void, source: CUdeviceptr, bytes: usize) {
        linear((Side::Host, target as u64), (Side::Device, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyDtoHAsync_v2, extern "C" fn cuMemcpyDtoHAsync_v2_ptsz [null] (target: *mut c_void, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((Side::Host, target as u64), (Side::Device, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyDtoD_v2, extern "C" fn cuMemcpyDtoD_v2_ptds [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize) {
        linear((Side::Device, target), (Side::Device, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyDtoDAsync_v2, extern "C" fn cuMemcpyDtoDAsync_v2_ptsz [null] (target: CUdeviceptr, source: CUdeviceptr, bytes: usize, stream: CUstream) {
        linear((Side::Device, target), (Side::Device, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpyPeer, extern "C" fn cuMemcpyPeer_ptds [null] (target: CUdeviceptr, target_context: CUcontext, source: CUdeviceptr, source_context: CUcontext, bytes: usize) {
        check_contexts(target_context, source_context)?;
        linear((Side::Device, target), (Side::Device, source), bytes, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpyPeerAsync, extern "C" fn cuMemcpyPeerAsync_ptsz [null] (target: CUdeviceptr, target_context: CUcontext, source: CUdeviceptr, source_context: CUcontext, bytes: usize, stream: CUstream) {
        check_contexts(target_context, source_context)?;
        linear((Side::Device, target), (Side::Device, source), bytes, stream, null, false)?;
    }

    extern "C" fn cuMemcpy2D_v2, extern "C" fn cuMemcpy2D_v2_ptds, extern "C" fn cuMemcpy2DUnaligned_v2, extern "C" fn cuMemcpy2DUnaligned_v2_ptds [null] (copy: In<CUDA_MEMCPY2D>) {
        let (target, source, extent) = planar(&copy.get()?)?;
        run(&target, &source, &extent, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy2DAsync_v2, extern "C" fn cuMemcpy2DAsync_v2_ptsz [null] (copy: In<CUDA_MEMCPY2D>, stream: CUstream) {
        let (target, source, extent) = planar(&copy.get()?)?;
        run(&target, &source, &extent, stream, null, false)?;
    }

    extern "C" fn cuMemcpy3D_v2, extern "C" fn cuMemcpy3D_v2_ptds [null] (copy: In<CUDA_MEMCPY3D>) {
        let (target, source, extent) = spatial(&copy.get()?)?;
        run(&target, &source, &extent, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy3DAsync_v2, extern "C" fn cuMemcpy3DAsync_v2_ptsz [null] (copy: In<CUDA_MEMCPY3D>, stream: CUstream) {
        let (target, source, extent) = spatial(&copy.get()?)?;
        run(&target, &source, &extent, stream, null, false)?;
    }

    extern "C" fn cuMemcpy3DPeer, extern "C" fn cuMemcpy3DPeer_ptds [null] (copy: In<CUDA_MEMCPY3D_PEER>) {
        let (target, source, extent) = spatial_peer(&copy.get()?)?;
        run(&target, &source, &extent, DEFAULT, null, true)?;
    }

    extern "C" fn cuMemcpy3DPeerAsync, extern "C" fn cuMemcpy3DPeerAsync_ptsz [null] (copy: In<CUDA_MEMCPY3D_PEER>, stream: CUstream) {
        let (target, source, extent) = spatial_peer(&copy.get()?)?;
        run(&target, &source, &extent, stream, null, false)?;
    }
}

fn linear(
    target: (Side, u64),
    source: (Side, u64),
    bytes: usize,
    stream: CUstream,
    null: NullStream,
    wait: bool,
) -> Outcome {
    let (target, source) = (Lines::flat(target.0, target.1), Lines::flat(source.0, source.1));
    run(&target, &source, &Extent::line(bytes), stream, null, wait)
}

fn check_contexts(target: CUcontext, source: CUcontext) -> Outcome {
    let driver = driver()?;
    driver.context(target)?;
    driver.context(source)?;
    Ok(())
}

/// Checks, queues the time of the copy, moves the bytes now, and waits for the time if the call does.
fn run(target: &Lines, source: &Lines, extent: &Extent, stream: CUstream, null: NullStream, wait: bool) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let bytes = extent.bytes().ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if bytes == 0 {
        return Ok(());
    }
    copy::check_copy(driver, target, source, extent)?;
    stream.wait_for_host_calls();
    let end = queue(driver, &stream, target, source, bytes);
    copy::run(target, source, extent);
    if wait {
        wait_until(end);
    }
    Ok(())
}

fn queue(driver: &Driver, stream: &Arc<Stream>, target: &Lines, source: &Lines, bytes: u64) -> u64 {
    let within_device = target.on_device(driver) && source.on_device(driver);
    let work = if within_device { Work::DeviceCopy(bytes) } else { Work::HostCopy(bytes) };
    driver.device_of(stream.context).submit(driver, stream, work)
}

/// The address that one side of a 2D or 3D copy names. Arrays are not modelled.
fn side(kind: CUmemorytype, host: *const c_void, device: CUdeviceptr) -> Outcome<(Side, u64)> {
    match kind {
        CU_MEMORYTYPE_HOST => Ok((Side::Host, host as u64)),
        CU_MEMORYTYPE_DEVICE => Ok((Side::Device, device)),
        CU_MEMORYTYPE_UNIFIED => Ok((Side::Unified, device)),
        CU_MEMORYTYPE_ARRAY => Err(CUDA_ERROR_NOT_SUPPORTED),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// Lines from the offset that a copy descriptor gives; a pitch of 0 means that lines follow one another.
fn lines((side, base): (Side, u64), offset: [usize; 3], pitch: usize, height: usize, extent: &Extent) -> Lines {
    let [x, y, z] = offset.map(|part| part as u64);
    let pitch = if pitch == 0 { extent.width } else { pitch as u64 };
    let plane = pitch.saturating_mul(if height == 0 { extent.height } else { height as u64 });
    let base = base.wrapping_add(x).wrapping_add(y.wrapping_mul(pitch)).wrapping_add(z.wrapping_mul(plane));
    Lines { side, base, pitch, plane }
}

fn planar(copy: &CUDA_MEMCPY2D) -> Outcome<(Lines, Lines, Extent)> {
    let extent = Extent { width: copy.WidthInBytes as u64, height: copy.Height as u64, depth: 1 };
    let target = side(copy.dstMemoryType, copy.dstHost, copy.dstDevice)?;
    let source = side(copy.srcMemoryType, copy.srcHost, copy.srcDevice)?;
    let target = lines(target, [copy.dstXInBytes, copy.dstY, 0], copy.dstPitch, 0, &extent);
    let source = lines(source, [copy.srcXInBytes, copy.srcY, 0], copy.srcPitch, 0, &extent);
    Ok((target, source, extent))
}

macro_rules! spatial_copy {
    ($copy:ident) => {{
        let extent =
            Extent { width: $copy.WidthInBytes as u64, height: $copy.Height as u64, depth: $copy.Depth as u64 };
        let target = side($copy.dstMemoryType, $copy.dstHost, $copy.dstDevice)?;
        let source = side($copy.srcMemoryType, $copy.srcHost, $copy.srcDevice)?;
        let to = [$copy.dstXInBytes, $copy.dstY, $copy.dstZ];
        let from = [$copy.srcXInBytes, $copy.srcY, $copy.srcZ];
        let target = lines(target, to, $copy.dstPitch, $copy.dstHeight, &extent);
        let source = lines(source, from, $copy.srcPitch, $copy.srcHeight, &extent);
        Ok((target, source, extent))
    }};
}

fn spatial(copy: &CUDA_MEMCPY3D) -> Outcome<(Lines, Lines, Extent)> {
    spatial_copy!(copy)
}

fn spatial_peer(copy: &CUDA_MEMCPY3D_PEER) -> Outcome<(Lines, Lines, Extent)> {
    check_contexts(copy.dstContext, copy.srcContext)?;
    spatial_copy!(copy)
}
