//! The linker. It joins images without translating them: the result is what it was given, good for loading.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::api::module::read_file;
use crate::driver::{driver, in_context};
use crate::image::Image;
use crate::module::Linker;

driver_functions! {
    extern "C" fn cuLinkCreate, extern "C" fn cuLinkCreate_v2 (_count: u32, _options: Out<CUjit_option>, _values: Out<*mut c_void>, linker: Out<CUlinkState>) {
        let (driver, _) = in_context()?;
        linker.required()?.set(driver.linkers.insert(Arc::new(Linker::default())))?;
    }

    extern "C" fn cuLinkAddData, extern "C" fn cuLinkAddData_v2 (
        linker: CUlinkState,
        _kind: CUjitInputType,
        data: Out<c_void>,
        bytes: usize,
        _name: In<c_char>,
        _count: u32,
        _options: Out<CUjit_option>,
        _values: Out<*mut c_void>,
    ) {
        let linker = find(linker)?;
        let data = data.required()?.of::<u8>().as_input().slice(bytes);
        linker.inputs.lock().push(Image::new(data)?);
    }

    extern "C" fn cuLinkAddFile, extern "C" fn cuLinkAddFile_v2 (
        linker: CUlinkState,
        _kind: CUjitInputType,
        path: In<c_char>,
        _count: u32,
        _options: Out<CUjit_option>,
        _values: Out<*mut c_void>,
    ) {
        let linker = find(linker)?;
        let image = read_file(path.text()?)?;
        linker.inputs.lock().push(image);
    }

    extern "C" fn cuLinkComplete(linker: CUlinkState, image: Out<*mut c_void>, bytes: Out<usize>) {
        let (address, length) = find(linker)?.link()?;
        image.set(address)?;
        bytes.set_if_wanted(length);
    }

    extern "C" fn cuLinkDestroy(linker: CUlinkState) {
        driver()?.linkers.remove(linker).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }
}

fn find(linker: CUlinkState) -> Outcome<Arc<Linker>> {
    driver()?.linkers.get(linker).ok_or(CUDA_ERROR_INVALID_HANDLE)
}
