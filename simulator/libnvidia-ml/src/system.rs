//! What is said of the machine as a whole: versions and process names.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Lent, fence, initialised};
use crate::session;
use core::ffi::{c_char, c_int, c_uint};
use ffi_headers::nvml::*;
use std::fs;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(version: Lent<c_char>, length: c_uint) -> nvmlReturn_t {
    initialised(|| version.write_text(length, session::simulation()?.driver_version()))
}

/// The CUDA major version, then the driver's version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: Lent<c_char>, length: c_uint) -> nvmlReturn_t {
    initialised(|| {
        let simulation = session::simulation()?;
        let text = format!("{}.{}", simulation.cuda_driver_version() / 1000, simulation.driver_version());
        version.write_text(length, &text)
    })
}

/// The real function loads libcuda and asks it, so it does not need an initialised NVML; here the simulation knows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: Lent<c_int>) -> nvmlReturn_t {
    fence(|| version.write(session::simulation()?.cuda_driver_version()))
}

/// As [`nvmlSystemGetCudaDriverVersion_v2`]; the two differ in how a missing libcuda is reported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: Lent<c_int>) -> nvmlReturn_t {
    fence(|| version.write(session::simulation()?.cuda_driver_version()))
}

/// The first word of the command line, cut to the buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetProcessName(pid: c_uint, name: Lent<c_char>, length: c_uint) -> nvmlReturn_t {
    initialised(|| {
        name.check()?;
        if length == 0 {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        let line = fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| NVML_ERROR_NOT_FOUND)?;
        let word = String::from_utf8_lossy(line.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        name.write_text(length, &word[..word.floor_char_boundary(length as usize - 1)])
    })
}
