//! nvmlInternalGetExportTable: nvidia-smi asks for one private table and refuses to start without it. Its functions
//! are private to NVIDIA and are not imitated: each entry answers NOT_SUPPORTED, which nvidia-smi takes for a feature
//! the device lacks.
// UNSAFETY: exports C functions and hands out a table of function pointers.
#![expect(unsafe_code)]

use crate::entry::{Lent, fence};
use core::ffi::c_void;
use ffi_headers::nvml::*;

/// The identifier nvidia-smi of the 535 and 550 drivers asks for.
const NVIDIA_SMI_TABLE: [u8; 16] =
    [0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4];

/// More entries than nvidia-smi was seen to use.
static TABLE: [extern "C" fn() -> nvmlReturn_t; 256] = [refuse; 256];

extern "C" fn refuse() -> nvmlReturn_t {
    NVML_ERROR_NOT_SUPPORTED
}

/// Answers NOT_FOUND for any other identifier. Works before nvmlInit, as in the real library, since it gives no
/// device data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInternalGetExportTable(
    table: Lent<*const c_void>,
    identifier: Lent<[u8; 16]>,
) -> nvmlReturn_t {
    fence(|| {
        table.check()?;
        if identifier.read()? != NVIDIA_SMI_TABLE {
            return Err(NVML_ERROR_NOT_FOUND);
        }
        table.write(TABLE.as_ptr().cast())
    })
}
