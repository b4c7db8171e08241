//! Rows of NVML.
// UNSAFETY: the generated functions are exported to C and call C.
#![expect(unsafe_code)]

use ffi_headers::nvml::{
    NVML_ERROR_FUNCTION_NOT_FOUND, NVML_ERROR_UNKNOWN, nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlReturn_t,
};

use super::expand::rows;
use crate::shapes::view_nvml;

rows! {
    library Nvml, result nvmlReturn_t, missing NVML_ERROR_FUNCTION_NOT_FOUND, panic NVML_ERROR_UNKNOWN;

    view nvmlDeviceGetMemoryInfo (device: nvmlDevice_t, memory: *mut nvmlMemory_t) => view_nvml::memory_info;
    view nvmlDeviceGetMemoryInfo_v2 (device: nvmlDevice_t, memory: *mut nvmlMemory_v2_t) => view_nvml::memory_info_v2;
}
