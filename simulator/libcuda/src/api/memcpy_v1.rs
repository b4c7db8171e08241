//! Copies in the forms before CUDA 3.2: sizes, offsets and device addresses have 32 bits.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use super::memcpy::{DEFAULT, between_arrays, from_array, linear, run, to_array};
use crate::abi::{In, driver_functions};
use crate::stream::NullStream;
use crate::transfer;

const NULL: NullStream = NullStream::Legacy;
const HOST: CUmemorytype = CU_MEMORYTYPE_HOST;
const DEVICE: CUmemorytype = CU_MEMORYTYPE_DEVICE;

driver_functions! {
    extern "C" fn cuMemcpyHtoD(target: CUdeviceptr_v1, source: *const c_void, bytes: u32) {
        linear((DEVICE, target.into()), (HOST, source as u64), bytes as usize, DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyHtoDAsync(target: CUdeviceptr_v1, source: *const c_void, bytes: u32, stream: CUstream) {
        linear((DEVICE, target.into()), (HOST, source as u64), bytes as usize, stream, NULL, false)?;
    }

    extern "C" fn cuMemcpyDtoH(target: *mut c_void, source: CUdeviceptr_v1, bytes: u32) {
        linear((HOST, target as u64), (DEVICE, source.into()), bytes as usize, DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyDtoHAsync(target: *mut c_void, source: CUdeviceptr_v1, bytes: u32, stream: CUstream) {
        linear((HOST, target as u64), (DEVICE, source.into()), bytes as usize, stream, NULL, false)?;
    }

    extern "C" fn cuMemcpyDtoD(target: CUdeviceptr_v1, source: CUdeviceptr_v1, bytes: u32) {
        linear((DEVICE, target.into()), (DEVICE, source.into()), bytes as usize, DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyDtoDAsync(target: CUdeviceptr_v1, source: CUdeviceptr_v1, bytes: u32, stream: CUstream) {
        linear((DEVICE, target.into()), (DEVICE, source.into()), bytes as usize, stream, NULL, false)?;
    }

    extern "C" fn cuMemcpyAtoH(target: *mut c_void, source: CUarray, offset: u32, bytes: u32) {
        run(&from_array(source, offset as usize, (HOST, target as u64), bytes as usize), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyAtoHAsync(target: *mut c_void, source: CUarray, offset: u32, bytes: u32, stream: CUstream) {
        run(&from_array(source, offset as usize, (HOST, target as u64), bytes as usize), stream, NULL, false)?;
    }

    extern "C" fn cuMemcpyAtoD(target: CUdeviceptr_v1, source: CUarray, offset: u32, bytes: u32) {
        run(&from_array(source, offset as usize, (DEVICE, target.into()), bytes as usize), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyHtoA(target: CUarray, offset: u32, source: *const c_void, bytes: u32) {
        run(&to_array(target, offset as usize, (HOST, source as u64), bytes as usize), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyHtoAAsync(target: CUarray, offset: u32, source: *const c_void, bytes: u32, stream: CUstream) {
        run(&to_array(target, offset as usize, (HOST, source as u64), bytes as usize), stream, NULL, false)?;
    }

    extern "C" fn cuMemcpyDtoA(target: CUarray, offset: u32, source: CUdeviceptr_v1, bytes: u32) {
        run(&to_array(target, offset as usize, (DEVICE, source.into()), bytes as usize), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpyAtoA(target: CUarray, target_offset: u32, source: CUarray, source_offset: u32, bytes: u32) {
        let (target, source) = ((target, target_offset as usize), (source, source_offset as usize));
        run(&between_arrays(target, source, bytes as usize), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpy2D, extern "C" fn cuMemcpy2DUnaligned (copy: In<CUDA_MEMCPY2D_v1>) {
        run(&planar(&copy.get()?), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpy2DAsync(copy: In<CUDA_MEMCPY2D_v1>, stream: CUstream) {
        run(&planar(&copy.get()?), stream, NULL, false)?;
    }

    extern "C" fn cuMemcpy3D(copy: In<CUDA_MEMCPY3D_v1>) {
        run(&spatial(&copy.get()?), DEFAULT, NULL, true)?;
    }

    extern "C" fn cuMemcpy3DAsync(copy: In<CUDA_MEMCPY3D_v1>, stream: CUstream) {
        run(&spatial(&copy.get()?), stream, NULL, false)?;
    }
}

fn planar(copy: &CUDA_MEMCPY2D_v1) -> CUDA_MEMCPY3D {
    transfer::planar(&CUDA_MEMCPY2D {
        srcXInBytes: copy.srcXInBytes as usize,
        srcY: copy.srcY as usize,
        srcMemoryType: copy.srcMemoryType,
        srcHost: copy.srcHost,
        srcDevice: copy.srcDevice.into(),
        srcArray: copy.srcArray,
        srcPitch: copy.srcPitch as usize,
        dstXInBytes: copy.dstXInBytes as usize,
        dstY: copy.dstY as usize,
        dstMemoryType: copy.dstMemoryType,
        dstHost: copy.dstHost,
        dstDevice: copy.dstDevice.into(),
        dstArray: copy.dstArray,
        dstPitch: copy.dstPitch as usize,
        WidthInBytes: copy.WidthInBytes as usize,
        Height: copy.Height as usize,
    })
}

fn spatial(copy: &CUDA_MEMCPY3D_v1) -> CUDA_MEMCPY3D {
    CUDA_MEMCPY3D {
        srcXInBytes: copy.srcXInBytes as usize,
        srcY: copy.srcY as usize,
        srcZ: copy.srcZ as usize,
        srcLOD: copy.srcLOD as usize,
        srcMemoryType: copy.srcMemoryType,
        srcHost: copy.srcHost,
        srcDevice: copy.srcDevice.into(),
        srcArray: copy.srcArray,
        srcPitch: copy.srcPitch as usize,
        srcHeight: copy.srcHeight as usize,
        dstXInBytes: copy.dstXInBytes as usize,
        dstY: copy.dstY as usize,
        dstZ: copy.dstZ as usize,
        dstLOD: copy.dstLOD as usize,
        dstMemoryType: copy.dstMemoryType,
        dstHost: copy.dstHost,
        dstDevice: copy.dstDevice.into(),
        dstArray: copy.dstArray,
        dstPitch: copy.dstPitch as usize,
        dstHeight: copy.dstHeight as usize,
        WidthInBytes: copy.WidthInBytes as usize,
        Height: copy.Height as usize,
        Depth: copy.Depth as usize,
        ..Default::default()
    }
}
