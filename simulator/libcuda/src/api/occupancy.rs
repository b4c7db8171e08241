//! How many blocks run on an SM at once, by threads, blocks and shared memory. Registers are never the limit here.

use ffi_headers::cuda::*;
use simulator::device::DeviceInfo;

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{driver, in_context};

const MAX_BLOCK: u32 = 1024;
/// Shared memory that the system takes of every block, in bytes.
const RESERVED_SHARED: u64 = 1024;

driver_functions! {
    extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: Out<i32>, function: CUfunction, block: i32, shared: usize) {
        blocks.set(active_blocks(function, block, shared)?)?;
    }

    extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks: Out<i32>, function: CUfunction, block: i32, shared: usize, _flags: u32) {
        blocks.set(active_blocks(function, block, shared)?)?;
    }

    extern "C" fn cuOccupancyMaxPotentialBlockSize(grid: Out<i32>, block: Out<i32>, function: CUfunction, size: CUoccupancyB2DSize, shared: usize, limit: i32) {
        potential(grid, block, function, size, shared, limit)?;
    }

    extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(grid: Out<i32>, block: Out<i32>, function: CUfunction, size: CUoccupancyB2DSize, shared: usize, limit: i32, _flags: u32) {
        potential(grid, block, function, size, shared, limit)?;
    }

    extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(bytes: Out<usize>, function: CUfunction, blocks: i32, block: i32) {
        let info = device_of(function)?;
        let blocks = u32::try_from(blocks).ok().filter(|n| *n > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if blocks > blocks_per_sm(info, check_block(block)?, 0) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let share = (info.shared_memory_per_sm / blocks).saturating_sub(RESERVED_SHARED as u32);
        bytes.set(share.min(info.shared_memory_per_block_optin) as usize)?;
    }
}

/// Blocks of `threads` threads and `shared` bytes of shared memory that one SM holds.
pub fn blocks_per_sm(info: &DeviceInfo, threads: u32, shared: u64) -> u32 {
    if threads == 0 || threads > MAX_BLOCK || shared > u64::from(info.shared_memory_per_block_optin) {
        return 0;
    }
    let by_threads = info.max_threads_per_sm / threads.next_multiple_of(32);
    let by_shared = u64::from(info.shared_memory_per_sm) / (shared + RESERVED_SHARED);
    by_threads.min(info.max_blocks_per_sm).min(by_shared as u32)
}

fn check_block(block: i32) -> Outcome<u32> {
    u32::try_from(block).ok().filter(|n| (1..=MAX_BLOCK).contains(n)).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// The device that a function, or a kernel in the current context, would run on.
fn device_of(function: CUfunction) -> Outcome<&'static DeviceInfo> {
    let driver = driver()?;
    if let Some(function) = driver.functions.get(function) {
        return Ok(driver.device_of(function.context).info);
    }
    driver.kernels.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let (driver, context) = in_context()?;
    Ok(driver.device_of(context).info)
}

fn active_blocks(function: CUfunction, block: i32, shared: usize) -> Outcome<i32> {
    let info = device_of(function)?;
    Ok(blocks_per_sm(info, check_block(block)?, shared as u64) as i32)
}

/// The block size with most threads per SM, the largest of equals, and the grid that fills the device with it.
fn potential(
    grid: Out<i32>,
    block: Out<i32>,
    function: CUfunction,
    size: CUoccupancyB2DSize,
    shared: usize,
    limit: i32,
) -> Outcome {
    let info = device_of(function)?;
    let limit = u32::try_from(limit).ok().filter(|n| (1..MAX_BLOCK).contains(n)).unwrap_or(MAX_BLOCK);
    let shared_of = |threads: u32| match size {
        // SAFETY: the program passed the function for this very call.
        Some(size) => unsafe { size(threads as i32) as u64 },
        None => shared as u64,
    };
    let sizes = (1..=limit.div_ceil(32)).map(|warps| (warps * 32).min(limit));
    let rated = sizes.map(|threads| (threads * blocks_per_sm(info, threads, shared_of(threads)), threads));
    let (resident, threads) = rated.max().filter(|best| best.0 > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    block.set(threads as i32)?;
    grid.set((resident / threads * info.sm_count) as i32)
}
