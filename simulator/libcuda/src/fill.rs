//! A fill of device memory as its descriptor states it.

use ffi_headers::cuda::*;
use simulator::device::DeviceInfo;
use simulator::timeline::Work;
use simulator::timeline::cost::fill_ns;

use crate::abi::Outcome;
use crate::copy::{self, Side};
use crate::driver::Driver;

/// A fill of a checked range, of at least one byte.
pub struct Fill {
    parameters: CUDA_MEMSET_NODE_PARAMS,
    bytes: u64,
}

impl Fill {
    /// Checks a descriptor. None if it names no byte.
    pub fn of(driver: &Driver, parameters: &CUDA_MEMSET_NODE_PARAMS) -> Outcome<Option<Self>> {
        let CUDA_MEMSET_NODE_PARAMS { dst, pitch, elementSize: element, width, height, .. } = *parameters;
        if width == 0 || height == 0 {
            return Ok(None);
        }
        let line = width.checked_mul(element as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if (height > 1 && pitch < line) || !matches!(element, 1 | 2 | 4) || !dst.is_multiple_of(element.into()) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let reach =
            pitch.checked_mul(height - 1).and_then(|lines| lines.checked_add(line)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        copy::check(driver, Side::Device, dst, reach as u64, true)?;
        Ok(Some(Self { parameters: *parameters, bytes: (line * height) as u64 }))
    }

    /// What the device has to do for it.
    pub fn work(&self, device: &DeviceInfo) -> Work {
        Work::Compute { ns: fill_ns(self.bytes, device) }
    }

    /// Writes the bytes.
    pub fn run(&self) {
        let CUDA_MEMSET_NODE_PARAMS { dst, pitch, value, elementSize, width, height } = self.parameters;
        for index in 0..height {
            let line = dst + (index * pitch) as u64;
            match elementSize {
                1 => copy::fill(line, value as u8, width),
                2 => copy::fill(line, value as u16, width),
                _ => copy::fill(line, value, width),
            }
        }
    }
}
