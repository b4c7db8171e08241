//! A kernel launch as it was asked for, checked against the device.

use std::ffi::{CStr, CString};

use ffi_headers::cuda::*;
use parking_lot::MutexGuard;
use simulator::device::DeviceInfo;

use crate::abi::Outcome;
use crate::context::Context;
use crate::driver::Driver;
use crate::module::FunctionSettings;
use crate::timeline::Work;

/// Most threads in a block, and most in each direction.
const BLOCK_THREADS: u64 = 1024;
const BLOCK_LIMITS: [u32; 3] = [1024, 1024, 64];
const GRID_LIMITS: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];

/// The shape of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
}

/// A launch that can run.
pub struct Launch {
    name: CString,
    blocks: u64,
    threads: u64,
}

impl Shape {
    pub fn threads(&self) -> u64 {
        self.block.iter().map(|n| u64::from(*n)).product()
    }

    pub fn blocks(&self) -> u64 {
        self.grid.iter().fold(1, |product, n| product.saturating_mul(u64::from(*n)))
    }

    /// Refuses what no device runs, or what the function was not prepared for.
    fn check(&self, settings: &FunctionSettings, info: &DeviceInfo) -> Outcome {
        let within = |sizes: &[u32; 3], limits: &[u32; 3]| {
            sizes.iter().zip(limits).all(|(size, limit)| (1..=*limit).contains(size))
        };
        let shared = settings.attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, info)?;
        let good = within(&self.grid, &GRID_LIMITS)
            && within(&self.block, &BLOCK_LIMITS)
            && self.threads() <= BLOCK_THREADS
            && i64::from(self.shared_bytes) <= i64::from(shared);
        if good { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }
}

/// Runs `body` with the name and settings behind the handle of a function, or of a kernel in its place. A kernel is loaded
/// into `context` if one is given.
pub fn with_function<T>(
    driver: &Driver,
    handle: CUfunction,
    context: Option<&'static Context>,
    body: impl FnOnce(&CStr, MutexGuard<'_, FunctionSettings>) -> Outcome<T>,
) -> Outcome<T> {
    if let Some(function) = driver.functions.get(handle) {
        return body(&function.name, function.settings.lock());
    }
    let kernel = driver.kernels.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if let Some(context) = context {
        let library = driver.libraries.get(kernel.library as CUlibrary).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        library.module(driver, context)?;
    }
    body(&kernel.name, kernel.settings.lock())
}

impl Launch {
    /// A launch of `function` in `context`.
    pub fn of(driver: &Driver, function: CUfunction, shape: &Shape, context: &'static Context) -> Outcome<Self> {
        with_function(driver, function, Some(context), |name, settings| {
            shape.check(&settings, driver.device_of(context).info)?;
            Ok(Self { name: name.to_owned(), blocks: shape.blocks(), threads: shape.threads() })
        })
    }

    /// What the device has to do for it.
    pub fn work(&self) -> Work<'_> {
        let name = self.name.to_str().unwrap_or_default();
        Work::Kernel { name, blocks: self.blocks, threads: self.threads }
    }
}
