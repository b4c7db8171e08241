//! Kernels: each launch is a command, which waits for the tenant's share of the device.
// UNSAFETY: calls the vendor's functions and reads the program's parameters.
#![expect(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use ffi_headers::cuda::{CUDA_LAUNCH_PARAMS, CUfunction, CUlaunchConfig, CUresult, CUstream};

use super::overhead;
use crate::compute::{self, Command, Queue};

/// One launch of a function with so many blocks.
fn command(function: CUfunction, grid: [c_uint; 3]) -> Command {
    // The driver refuses grids past 2³¹ × 2¹⁶ × 2¹⁶ blocks, which need 63 bits.
    let blocks = grid.into_iter().fold(1, |blocks: u64, side| blocks.saturating_mul(side.into()));
    Command::Kernel { function: function as usize, blocks }
}

/// Submits a launch. A function may come to the device with its first launch.
#[inline]
fn submit(
    handle: CUstream,
    per_thread: bool,
    function: CUfunction,
    grid: [c_uint; 3],
    call: impl FnOnce() -> CUresult,
) -> CUresult {
    overhead::launching(function);
    compute::submit(Queue { handle, per_thread }, command(function, grid), call)
}

/// cuLaunchKernel.
#[expect(clippy::too_many_arguments)] // CUDA's own
#[inline]
pub(crate) fn kernel(
    original: unsafe extern "C" fn(
        CUfunction,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        CUstream,
        *mut *mut c_void,
        *mut *mut c_void,
    ) -> CUresult,
    per_thread: bool,
    function: CUfunction,
    gx: c_uint,
    gy: c_uint,
    gz: c_uint,
    bx: c_uint,
    by: c_uint,
    bz: c_uint,
    shared: c_uint,
    stream: CUstream,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = move || unsafe { original(function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra) };
    submit(stream, per_thread, function, [gx, gy, gz], call)
}

/// cuLaunchKernelEx: with a structure that says where and how large.
#[inline]
pub(crate) fn kernel_with_config(
    original: unsafe extern "C" fn(*const CUlaunchConfig, CUfunction, *mut *mut c_void, *mut *mut c_void) -> CUresult,
    per_thread: bool,
    config: *const CUlaunchConfig,
    function: CUfunction,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = move || unsafe { original(config, function, parameters, extra) };
    // SAFETY: by the function's contract NULL, which the driver refuses, or a configuration.
    let Some(config) = (unsafe { config.as_ref() }) else { return call() };
    let grid = [config.gridDimX, config.gridDimY, config.gridDimZ];
    submit(config.hStream, per_thread, function, grid, call)
}

/// cuLaunchCooperativeKernel: all blocks run at once.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn cooperative(
    original: unsafe extern "C" fn(
        CUfunction,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        CUstream,
        *mut *mut c_void,
    ) -> CUresult,
    per_thread: bool,
    function: CUfunction,
    gx: c_uint,
    gy: c_uint,
    gz: c_uint,
    bx: c_uint,
    by: c_uint,
    bz: c_uint,
    shared: c_uint,
    stream: CUstream,
    parameters: *mut *mut c_void,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = move || unsafe { original(function, gx, gy, gz, bx, by, bz, shared, stream, parameters) };
    submit(stream, per_thread, function, [gx, gy, gz], call)
}

/// cuLaunchCooperativeKernelMultiDevice: kernels that run at the same time, one per device. The first waits and pays for its
/// device; were the others gated one by one, they would hold each other up.
pub(crate) fn cooperative_on_several(
    original: unsafe extern "C" fn(*mut CUDA_LAUNCH_PARAMS, c_uint, c_uint) -> CUresult,
    per_thread: bool,
    list: *mut CUDA_LAUNCH_PARAMS,
    count: c_uint,
    flags: c_uint,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = move || unsafe { original(list, count, flags) };
    if list.is_null() || count == 0 {
        return call(); // the driver refuses it
    }
    // SAFETY: by the function's contract so many launches, which nobody changes during the call.
    let launches = unsafe { core::slice::from_raw_parts(list, count as usize) };
    for launch in launches {
        overhead::launching(launch.function);
    }
    let first = &launches[0];
    submit(first.hStream, per_thread, first.function, [first.gridDimX, first.gridDimY, first.gridDimZ], call)
}

/// cuLaunch: one block.
pub(crate) fn once(
    original: unsafe extern "C" fn(CUfunction) -> CUresult,
    per_thread: bool,
    function: CUfunction,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    submit(ptr::null_mut(), per_thread, function, [1, 1, 1], move || unsafe { original(function) })
}

/// cuLaunchGrid.
pub(crate) fn grid(
    original: unsafe extern "C" fn(CUfunction, c_int, c_int) -> CUresult,
    per_thread: bool,
    function: CUfunction,
    width: c_int,
    height: c_int,
) -> CUresult {
    let grid = [width.max(0).cast_unsigned(), height.max(0).cast_unsigned(), 1];
    // SAFETY: the program's own arguments, unchanged.
    submit(ptr::null_mut(), per_thread, function, grid, move || unsafe { original(function, width, height) })
}

/// cuLaunchGridAsync.
pub(crate) fn grid_in_stream(
    original: unsafe extern "C" fn(CUfunction, c_int, c_int, CUstream) -> CUresult,
    per_thread: bool,
    function: CUfunction,
    width: c_int,
    height: c_int,
    stream: CUstream,
) -> CUresult {
    let grid = [width.max(0).cast_unsigned(), height.max(0).cast_unsigned(), 1];
    // SAFETY: the program's own arguments, unchanged.
    submit(stream, per_thread, function, grid, move || unsafe { original(function, width, height, stream) })
}
