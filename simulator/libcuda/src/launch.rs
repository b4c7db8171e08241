//! A kernel launch as it was asked for, checked against the device.

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::device::DeviceInfo;
use simulator::timeline::Work;
use simulator::timeline::cost::KernelCost;

use crate::abi::Outcome;
use crate::context::Context;
use crate::driver::Driver;
use crate::module::FunctionSettings;

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

impl Shape {
    pub fn threads(&self) -> u64 {
        self.block.iter().map(|n| u64::from(*n)).product()
    }

    pub fn blocks(&self) -> u64 {
        self.grid.iter().fold(1, |product, n| product.saturating_mul(u64::from(*n)))
    }

    /// Refuses what no device runs, or what the function was not prepared for.
    fn check(&self, settings: &Mutex<FunctionSettings>, info: &DeviceInfo) -> Outcome {
        let within = |sizes: &[u32; 3], limits: &[u32; 3]| {
            sizes.iter().zip(limits).all(|(size, limit)| (1..=*limit).contains(size))
        };
        let good = within(&self.grid, &GRID_LIMITS)
            && within(&self.block, &BLOCK_LIMITS)
            && self.threads() <= BLOCK_THREADS
            && (self.shared_bytes == 0 || {
                let most = settings.lock().attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, info)?;
                i64::from(self.shared_bytes) <= i64::from(most)
            });
        if good { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }
}

/// Runs `body` with the time and settings behind the handle of a function, or of a kernel in its place. A kernel is loaded
/// into `context` if one is given.
pub fn with_function<T>(
    driver: &Driver,
    handle: CUfunction,
    context: Option<&'static Context>,
    body: impl Fn(KernelCost, &Mutex<FunctionSettings>) -> Outcome<T>,
) -> Outcome<T> {
    if let Some(outcome) = driver.functions.with(handle, |function| body(function.cost, &function.settings)) {
        return outcome;
    }
    let kernel = driver.kernels.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if let Some(context) = context {
        let library = driver.libraries.get(kernel.library as CUlibrary).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        library.module(driver, context)?;
    }
    body(kernel.cost, &kernel.settings)
}

/// What the device has to do for a launch of `function` in `context`.
pub fn work_of(driver: &Driver, function: CUfunction, shape: &Shape, context: &'static Context) -> Outcome<Work> {
    let info = driver.device_of(context).info;
    with_function(driver, function, Some(context), |cost, settings| {
        shape.check(settings, info)?;
        Ok(Work::Kernel(cost.kernel(shape.blocks(), shape.threads(), info)))
    })
}
