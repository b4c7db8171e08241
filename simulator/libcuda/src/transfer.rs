//! A copy as its descriptor states it: from operands of any kind to lines of bytes that can be moved.

use std::ffi::c_void;

use ffi_headers::cuda::*;
use simulator::device::DeviceInfo;
use simulator::timeline::Work;
use simulator::timeline::cost::{device_copy_ns, link_ns};

use crate::abi::Outcome;
use crate::copy::{self, Extent, Lines, Side};
use crate::driver::Driver;

/// A copy between two checked ranges, of at least one byte.
pub struct Transfer {
    target: Lines,
    source: Lines,
    extent: Extent,
    bytes: u64,
}

/// One side of a descriptor.
struct Operand {
    kind: CUmemorytype,
    host: *const c_void,
    device: CUdeviceptr,
    array: CUarray,
    offset: [usize; 3],
    pitch: usize,
    height: usize,
}

/// The descriptor of a copy of `bytes` in one piece.
pub fn linear(target: (CUmemorytype, u64), source: (CUmemorytype, u64), bytes: usize) -> CUDA_MEMCPY3D {
    CUDA_MEMCPY3D {
        srcMemoryType: source.0,
        srcHost: source.1 as *const c_void,
        srcDevice: source.1,
        dstMemoryType: target.0,
        dstHost: target.1 as *mut c_void,
        dstDevice: target.1,
        WidthInBytes: bytes,
        Height: 1,
        Depth: 1,
        ..Default::default()
    }
}

/// The descriptor for two dimensions as one for three.
pub fn planar(copy: &CUDA_MEMCPY2D) -> CUDA_MEMCPY3D {
    CUDA_MEMCPY3D {
        srcXInBytes: copy.srcXInBytes,
        srcY: copy.srcY,
        srcMemoryType: copy.srcMemoryType,
        srcHost: copy.srcHost,
        srcDevice: copy.srcDevice,
        srcArray: copy.srcArray,
        srcPitch: copy.srcPitch,
        dstXInBytes: copy.dstXInBytes,
        dstY: copy.dstY,
        dstMemoryType: copy.dstMemoryType,
        dstHost: copy.dstHost,
        dstDevice: copy.dstDevice,
        dstArray: copy.dstArray,
        dstPitch: copy.dstPitch,
        WidthInBytes: copy.WidthInBytes,
        Height: copy.Height,
        Depth: 1,
        ..Default::default()
    }
}

impl Operand {
    fn lines(&self, driver: &Driver, extent: &Extent) -> Outcome<Lines> {
        let offset = self.offset.map(|part| part as u64);
        let (side, base) = match self.kind {
            CU_MEMORYTYPE_HOST => (Side::Host, self.host as u64),
            CU_MEMORYTYPE_DEVICE => (Side::Device, self.device),
            CU_MEMORYTYPE_UNIFIED => (Side::Unified, self.device),
            CU_MEMORYTYPE_ARRAY => {
                let array = driver.arrays.get(self.array).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
                return array.lines(offset, extent);
            }
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        // A pitch of 0 means that lines follow one another.
        let [x, y, z] = offset;
        let pitch = if self.pitch == 0 { extent.width } else { self.pitch as u64 };
        let plane = pitch.saturating_mul(if self.height == 0 { extent.height } else { self.height as u64 });
        let base = base.wrapping_add(x).wrapping_add(y.wrapping_mul(pitch)).wrapping_add(z.wrapping_mul(plane));
        Ok(Lines { side, base, pitch, plane })
    }
}

impl Transfer {
    /// Checks a descriptor. None if it names no byte.
    pub fn of(driver: &Driver, copy: &CUDA_MEMCPY3D) -> Outcome<Option<Self>> {
        let extent = Extent { width: copy.WidthInBytes as u64, height: copy.Height as u64, depth: copy.Depth as u64 };
        let bytes = extent.bytes().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        // No descriptor names a level; arrays of one are had by cuMipmappedArrayGetLevel.
        if copy.srcLOD != 0 || copy.dstLOD != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if bytes == 0 {
            return Ok(None);
        }
        let source = Operand {
            kind: copy.srcMemoryType,
            host: copy.srcHost,
            device: copy.srcDevice,
            array: copy.srcArray,
            offset: [copy.srcXInBytes, copy.srcY, copy.srcZ],
            pitch: copy.srcPitch,
            height: copy.srcHeight,
        };
        let target = Operand {
            kind: copy.dstMemoryType,
            host: copy.dstHost,
            device: copy.dstDevice,
            array: copy.dstArray,
            offset: [copy.dstXInBytes, copy.dstY, copy.dstZ],
            pitch: copy.dstPitch,
            height: copy.dstHeight,
        };
        let (target, source) = (target.lines(driver, &extent)?, source.lines(driver, &extent)?);
        copy::check_copy(driver, &target, &source, &extent)?;
        Ok(Some(Self { target, source, extent, bytes }))
    }

    /// What the device has to do for it. A copy within the host takes the way to the device.
    pub fn work(&self, driver: &Driver, device: &DeviceInfo) -> Work {
        match (self.target.on_device(driver), self.source.on_device(driver)) {
            (true, true) => Work::Compute { ns: device_copy_ns(self.bytes, device) },
            (_, false) => Work::CopyToDevice { ns: link_ns(self.bytes, device) },
            (false, true) => Work::CopyToHost { ns: link_ns(self.bytes, device) },
        }
    }

    /// Moves the bytes.
    pub fn run(&self) {
        copy::run(&self.target, &self.source, &self.extent);
    }
}
