//! Functions and their settings.

use std::ffi::c_char;
use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::api::context::check_cache_config;
use crate::driver::driver;
use crate::module::Function;

driver_functions! {
    extern "C" fn cuFuncGetAttribute(value: Out<i32>, attribute: CUfunction_attribute, function: CUfunction) {
        let function = find(function)?;
        let device = driver()?.device_of(function.context);
        value.set(function.settings.lock().attribute(attribute, device.info)?)?;
    }

    extern "C" fn cuFuncSetAttribute(function: CUfunction, attribute: CUfunction_attribute, value: i32) {
        let function = find(function)?;
        let device = driver()?.device_of(function.context);
        function.settings.lock().set_attribute(attribute, value, device.info)?;
    }

    extern "C" fn cuFuncSetCacheConfig(function: CUfunction, config: CUfunc_cache) {
        check_cache_config(config)?;
        find(function)?;
    }

    extern "C" fn cuFuncSetSharedMemConfig(function: CUfunction, config: CUsharedconfig) {
        if config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        find(function)?;
    }

    extern "C" fn cuFuncGetModule(module: Out<CUmodule>, function: CUfunction) {
        module.set(find(function)?.module as CUmodule)?;
    }

    extern "C" fn cuFuncGetName(name: Out<*const c_char>, function: CUfunction) {
        name.set(find(function)?.name.as_ptr())?;
    }

    extern "C" fn cuFuncLoad(function: CUfunction) {
        find(function)?;
    }

    extern "C" fn cuFuncIsLoaded(state: Out<CUfunctionLoadingState>, function: CUfunction) {
        find(function)?;
        state.set(CU_FUNCTION_LOADING_STATE_LOADED)?;
    }

    extern "C" fn cuFuncSetBlockShape(function: CUfunction, x: i32, y: i32, z: i32) {
        let function = find(function)?;
        let size = |n| u32::try_from(n).map_err(|_| CUDA_ERROR_INVALID_VALUE);
        function.settings.lock().block_shape = (size(x)?, size(y)?, size(z)?);
    }

    extern "C" fn cuFuncSetSharedSize(function: CUfunction, bytes: u32) {
        find(function)?.settings.lock().shared_bytes = bytes;
    }
}

fn find(function: CUfunction) -> Outcome<Arc<Function>> {
    driver()?.functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)
}
