//! `cuGetProcAddress`: the driver is asked first, and the function that it answers is mapped back to a row of
//! the same name. So versions and the choice of default stream are the driver's to decide, and right for names yet unknown.
// UNSAFETY: calls the driver's functions and reads and writes through the program's own pointers.
#![expect(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};

use ffi_headers::cuda::{
    CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, CUDA_SUCCESS, CUdriverProcAddressQueryResult, CUresult, cuuint64_t,
};

use crate::{table, tenant};

/// The newest CUDA version whose names and versions were read when the table was written. A driver that answers with a
/// function of no known address is believed to mean a row by its name only up to here: later, the name may have another
/// signature.
const NEWEST_READ: c_int = 13050;

/// Puts our function in the place of the driver's, if a row has it.
fn replace(symbol: *const c_char, function: *mut *mut c_void, version: c_int, flags: cuuint64_t) {
    if tenant::get().is_none() || symbol.is_null() || function.is_null() {
        return;
    }
    // SAFETY: the driver has accepted both, so `function` may be read and `symbol` is a NUL-terminated name.
    let (answer, symbol) = unsafe { (function.read(), CStr::from_ptr(symbol)) };
    if answer.is_null() || !table::may_be_looked_up(symbol) {
        return;
    }
    let per_thread = flags & u64::from(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0;
    let row = table::find_by_original(symbol, version, per_thread, answer).or_else(|| {
        table::find_by_lookup(symbol, version, per_thread)
            .filter(|row| version <= NEWEST_READ && row.original().is_some())
    });
    if let Some(row) = row {
        // SAFETY: the driver has written it, so it may be written.
        unsafe { function.write(row.hook.cast_mut()) };
    }
}

/// cuGetProcAddress, with four arguments.
pub(crate) fn first(
    original: unsafe extern "C" fn(*const c_char, *mut *mut c_void, c_int, cuuint64_t) -> CUresult,
    symbol: *const c_char,
    function: *mut *mut c_void,
    version: c_int,
    flags: cuuint64_t,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let result = unsafe { original(symbol, function, version, flags) };
    if result == CUDA_SUCCESS {
        replace(symbol, function, version, flags);
    }
    result
}

/// cuGetProcAddress from CUDA 12 on: tells the symbol's status as well.
pub(crate) fn second(
    original: unsafe extern "C" fn(
        *const c_char,
        *mut *mut c_void,
        c_int,
        cuuint64_t,
        *mut CUdriverProcAddressQueryResult,
    ) -> CUresult,
    symbol: *const c_char,
    function: *mut *mut c_void,
    version: c_int,
    flags: cuuint64_t,
    status: *mut CUdriverProcAddressQueryResult,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let result = unsafe { original(symbol, function, version, flags, status) };
    if result == CUDA_SUCCESS {
        replace(symbol, function, version, flags);
    }
    result
}
