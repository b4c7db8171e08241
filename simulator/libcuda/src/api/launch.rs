//! Kernel launches. A kernel takes its time on the device and computes nothing.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::driver;
use crate::graph::{Action, capture};
use crate::launch::{Shape, with_function, work_of};
use crate::stream::{NullStream, Stream};

driver_functions! {
    extern "C" fn cuLaunchKernel, extern "C" fn cuLaunchKernel_ptsz [null] (
        function: CUfunction,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared_bytes: u32,
        stream: CUstream,
        _parameters: Out<*mut c_void>,
        _extra: Out<*mut c_void>,
    ) {
        let shape = Shape { grid: [grid_x, grid_y, grid_z], block: [block_x, block_y, block_z], shared_bytes };
        launch(function, &shape, stream, null)?;
    }

    extern "C" fn cuLaunchKernelEx, extern "C" fn cuLaunchKernelEx_ptsz [null] (
        config: In<CUlaunchConfig>,
        function: CUfunction,
        _parameters: Out<*mut c_void>,
        _extra: Out<*mut c_void>,
    ) {
        let config = config.get()?;
        if config.numAttrs > 0 && config.attrs.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let shape = Shape {
            grid: [config.gridDimX, config.gridDimY, config.gridDimZ],
            block: [config.blockDimX, config.blockDimY, config.blockDimZ],
            shared_bytes: config.sharedMemBytes,
        };
        launch(function, &shape, config.hStream, null)?;
    }

    extern "C" fn cuLaunchCooperativeKernel, extern "C" fn cuLaunchCooperativeKernel_ptsz [null] (
        function: CUfunction,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared_bytes: u32,
        stream: CUstream,
        _parameters: Out<*mut c_void>,
    ) {
        let shape = Shape { grid: [grid_x, grid_y, grid_z], block: [block_x, block_y, block_z], shared_bytes };
        cooperative(function, &shape, stream, null)?;
    }

    extern "C" fn cuLaunchCooperativeKernelMultiDevice(launches: Out<CUDA_LAUNCH_PARAMS>, count: u32, _flags: u32) {
        driver()?;
        let launches = launches.required()?.as_input().slice(count as usize);
        for one in launches {
            let shape = Shape {
                grid: [one.gridDimX, one.gridDimY, one.gridDimZ],
                block: [one.blockDimX, one.blockDimY, one.blockDimZ],
                shared_bytes: one.sharedMemBytes,
            };
            cooperative(one.function, &shape, one.hStream, NullStream::Legacy)?;
        }
    }

    extern "C" fn cuLaunch(function: CUfunction) {
        old_launch(function, [1, 1], std::ptr::null_mut())?;
    }

    extern "C" fn cuLaunchGrid(function: CUfunction, width: i32, height: i32) {
        old_launch(function, [width, height], std::ptr::null_mut())?;
    }

    extern "C" fn cuLaunchGridAsync(function: CUfunction, width: i32, height: i32, stream: CUstream) {
        old_launch(function, [width, height], stream)?;
    }

    /// Parameters reach no kernel, so the old calls that set them check the handle and keep nothing.
    extern "C" fn cuParamSetSize(function: CUfunction, _bytes: u32) {
        driver()?.functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }

    extern "C" fn cuParamSeti(function: CUfunction, _offset: i32, _value: u32) {
        driver()?.functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }

    extern "C" fn cuParamSetf(function: CUfunction, _offset: i32, _value: f32) {
        driver()?.functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }

    extern "C" fn cuParamSetv(function: CUfunction, _offset: i32, _value: *mut c_void, _bytes: u32) {
        driver()?.functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }
}

fn launch(function: CUfunction, shape: &Shape, stream: CUstream, null: NullStream) -> Outcome {
    let (driver, stream) = Stream::resolve(stream, null)?;
    let work = work_of(driver, function, shape, stream.context)?;
    if capture::add(driver, &stream, || Ok(Action::kernel(driver, function, shape)))? {
        return Ok(());
    }
    stream.submit(work);
    Ok(())
}

/// All blocks of a cooperative launch must be resident at once.
fn cooperative(function: CUfunction, shape: &Shape, stream: CUstream, null: NullStream) -> Outcome {
    let (driver, found) = Stream::resolve(stream, null)?;
    let info = driver.device_of(found.context).info;
    let per_sm = super::occupancy::blocks_per_sm(info, shape.threads() as u32, u64::from(shape.shared_bytes));
    if shape.blocks() > u64::from(per_sm) * u64::from(info.sm_count) {
        return Err(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
    }
    launch(function, shape, stream, null)
}

fn old_launch(function: CUfunction, grid: [i32; 2], stream: CUstream) -> Outcome {
    let driver = driver()?;
    let (x, y, z, shared_bytes) = with_function(driver, function, None, |_, settings| {
        let settings = settings.lock();
        let (x, y, z) = settings.block_shape;
        Ok((x, y, z, settings.shared_bytes))
    })?;
    let [width, height] = grid.map(|n| u32::try_from(n).unwrap_or(0));
    let shape = Shape { grid: [width, height, 1], block: [x, y, z], shared_bytes };
    launch(function, &shape, stream, NullStream::Legacy)
}
