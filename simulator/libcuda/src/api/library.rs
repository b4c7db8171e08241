//! Libraries: code that is loaded once for all contexts.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::api::context::check_cache_config;
use crate::api::module::read_file;
use crate::driver::{Driver, driver, in_context};
use crate::image::Image;
use crate::module::{Kernel, Library, Module};

driver_functions! {
    extern "C" fn cuLibraryLoadData(
        library: Out<CUlibrary>,
        image: In<c_void>,
        _jit_options: Out<CUjit_option>,
        _jit_values: Out<*mut c_void>,
        _jit_count: u32,
        _options: Out<CUlibraryOption>,
        _values: Out<*mut c_void>,
        _count: u32,
    ) {
        let driver = driver()?;
        library.required()?.set(Library::load(driver, Image::from_pointer(image)?))?;
    }

    extern "C" fn cuLibraryLoadFromFile(
        library: Out<CUlibrary>,
        path: In<c_char>,
        _jit_options: Out<CUjit_option>,
        _jit_values: Out<*mut c_void>,
        _jit_count: u32,
        _options: Out<CUlibraryOption>,
        _values: Out<*mut c_void>,
        _count: u32,
    ) {
        let driver = driver()?;
        library.required()?.set(Library::load(driver, read_file(path.text()?)?))?;
    }

    extern "C" fn cuLibraryUnload(library: CUlibrary) {
        let driver = driver()?;
        driver.libraries.remove(library).ok_or(CUDA_ERROR_INVALID_HANDLE)?.unload(driver);
    }

    extern "C" fn cuLibraryGetKernel(kernel: Out<CUkernel>, library: CUlibrary, name: In<c_char>) {
        let driver = driver()?;
        let found = driver.libraries.get(library).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        kernel.required()?.set(found.kernel(driver, library, name.text()?)?)?;
    }

    extern "C" fn cuLibraryGetModule(module: Out<CUmodule>, library: CUlibrary) {
        module.required()?.set(module_of(library)?.1)?;
    }

    extern "C" fn cuLibraryGetGlobal(address: Out<CUdeviceptr>, bytes: Out<usize>, library: CUlibrary, name: In<c_char>) {
        let (module, _) = module_of(library)?;
        let found = module.global(driver()?, name.text()?)?;
        address.set_if_wanted(found.0);
        bytes.set_if_wanted(found.1);
    }

    extern "C" fn cuKernelGetFunction(function: Out<CUfunction>, kernel: CUkernel) {
        let driver = driver()?;
        let kernel = find(driver, kernel)?;
        let (module, handle) = module_of(kernel.library as CUlibrary)?;
        function.required()?.set(module.function(driver, handle, &kernel.name)?)?;
    }

    extern "C" fn cuKernelGetLibrary(library: Out<CUlibrary>, kernel: CUkernel) {
        library.set(find(driver()?, kernel)?.library as CUlibrary)?;
    }

    extern "C" fn cuKernelGetName(name: Out<*const c_char>, kernel: CUkernel) {
        name.set(find(driver()?, kernel)?.name.as_ptr())?;
    }

    extern "C" fn cuKernelGetAttribute(value: Out<i32>, attribute: CUfunction_attribute, kernel: CUkernel, device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        let kernel = find(driver, kernel)?;
        value.set(kernel.settings.lock().attribute(attribute, device.info)?)?;
    }

    extern "C" fn cuKernelSetAttribute(attribute: CUfunction_attribute, value: i32, kernel: CUkernel, device: CUdevice) {
        let driver = driver()?;
        let device = driver.device(device)?;
        find(driver, kernel)?.settings.lock().set_attribute(attribute, value, device.info)?;
    }

    extern "C" fn cuKernelSetCacheConfig(kernel: CUkernel, config: CUfunc_cache, device: CUdevice) {
        let driver = driver()?;
        driver.device(device)?;
        check_cache_config(config)?;
        find(driver, kernel)?;
    }
}

fn find(driver: &Driver, kernel: CUkernel) -> Outcome<Arc<Kernel>> {
    driver.kernels.get(kernel).ok_or(CUDA_ERROR_INVALID_HANDLE)
}

/// The module of a library in the current context, and its handle.
fn module_of(library: CUlibrary) -> Outcome<(Arc<Module>, CUmodule)> {
    let (driver, context) = in_context()?;
    let library = driver.libraries.get(library).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let handle = library.module(driver, context)?;
    Ok((driver.modules.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?, handle))
}
