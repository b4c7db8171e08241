//! Modules: code loaded into a context.

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{driver, in_context};
use crate::image::Image;
use crate::module::Module;

driver_functions! {
    extern "C" fn cuModuleLoad(module: Out<CUmodule>, path: In<c_char>) {
        let path = path.text()?;
        load(module, || read_file(path))?;
    }

    extern "C" fn cuModuleLoadData(module: Out<CUmodule>, image: In<c_void>) {
        load(module, || Image::from_pointer(image))?;
    }

    /// The options of the compiler have no effect, as nothing is compiled.
    extern "C" fn cuModuleLoadDataEx(module: Out<CUmodule>, image: In<c_void>, _count: u32, _options: Out<CUjit_option>, _values: Out<*mut c_void>) {
        load(module, || Image::from_pointer(image))?;
    }

    extern "C" fn cuModuleLoadFatBinary(module: Out<CUmodule>, image: In<c_void>) {
        load(module, || Image::from_pointer(image))?;
    }

    extern "C" fn cuModuleUnload(module: CUmodule) {
        let driver = driver()?;
        let module = driver.modules.remove(module).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        module.unload(driver);
    }

    extern "C" fn cuModuleGetFunction(function: Out<CUfunction>, module: CUmodule, name: In<c_char>) {
        let driver = driver()?;
        let found = driver.modules.get(module).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        function.required()?.set(found.function(driver, module, name.text()?)?)?;
    }

    extern "C" fn cuModuleGetGlobal_v2(address: Out<CUdeviceptr>, bytes: Out<usize>, module: CUmodule, name: In<c_char>) {
        let driver = driver()?;
        let module = driver.modules.get(module).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let found = module.global(driver, name.text()?)?;
        address.set_if_wanted(found.0);
        bytes.set_if_wanted(found.1);
    }

    extern "C" fn cuModuleGetLoadingMode(mode: Out<CUmoduleLoadingMode>) {
        driver()?;
        mode.set(CU_MODULE_LAZY_LOADING)?;
    }
}

fn load(place: Out<CUmodule>, image: impl FnOnce() -> Outcome<Image>) -> Outcome {
    let (driver, context) = in_context()?;
    let place = place.required()?;
    place.set(Module::load(driver, context, Arc::new(image()?), &Weak::new())?)
}

/// Reads an image from a file.
pub fn read_file(path: &CStr) -> Outcome<Image> {
    let mut bytes = std::fs::read(OsStr::from_bytes(path.to_bytes())).map_err(|_| CUDA_ERROR_FILE_NOT_FOUND)?;
    bytes.push(0);
    Image::new(bytes)
}
