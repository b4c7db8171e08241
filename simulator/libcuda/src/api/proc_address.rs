//! Functions by name: the newest variant that a program's CUDA version knows.

use std::ffi::{c_char, c_void};

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::api::init::driver_version;

/// CUDA version of the oldest driver that can be presented: all of them know what is older.
const OLDEST_DRIVER: i32 = 12020;

/// One variant of a function.
struct EntryPoint {
    base: &'static str,
    /// CUDA version that introduced it: 1000 × major + 10 × minor.
    version: i32,
    plain: Function,
    /// The form that takes the thread's own stream for the null stream, and the version that introduced it.
    per_thread: Option<(i32, Function)>,
}

/// The address of an exported function, of whatever signature.
#[derive(Clone, Copy)]
struct Function(unsafe extern "C" fn());

/// `ENTRY_POINTS`, generated from entry_points.txt.
mod table {
    use super::{EntryPoint, Function};

    include!(concat!(env!("OUT_DIR"), "/entry_points.rs"));
}

driver_functions! {
    extern "C" fn cuGetProcAddress(symbol: In<c_char>, function: Out<*mut c_void>, version: i32, flags: u64) {
        look_up(symbol, function, version, flags).1?;
    }

    extern "C" fn cuGetProcAddress_v2(symbol: In<c_char>, function: Out<*mut c_void>, version: i32, flags: u64, status: Out<CUdriverProcAddressQueryResult>) {
        let (found, outcome) = look_up(symbol, function, version, flags);
        if let Some(found) = found {
            status.set_if_wanted(found);
        }
        outcome?;
    }
}

/// Writes the address; returns what the look-up came to, unless the arguments were no good, and the call's own outcome.
fn look_up(
    symbol: In<c_char>,
    place: Out<*mut c_void>,
    version: i32,
    flags: u64,
) -> (Option<CUdriverProcAddressQueryResult>, Outcome) {
    let known_flags = u64::from(CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
    let (Ok(symbol), false, true) = (symbol.text(), place.is_null(), flags & !known_flags == 0) else {
        return (None, Err(CUDA_ERROR_INVALID_VALUE));
    };
    let per_thread = flags & u64::from(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0;
    let found =
        symbol.to_str().map_or(Err(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND), |name| find(name, version, per_thread));
    match found {
        Ok(Function(function)) => {
            place.set_if_wanted(function as *mut c_void);
            (Some(CU_GET_PROC_ADDRESS_SUCCESS), Ok(()))
        }
        Err(status) => {
            place.set_if_wanted(std::ptr::null_mut());
            (Some(status), Err(CUDA_ERROR_NOT_FOUND))
        }
    }
}

fn find(name: &str, version: i32, per_thread: bool) -> Result<Function, CUdriverProcAddressQueryResult> {
    let first = table::ENTRY_POINTS.partition_point(|entry| entry.base < name);
    let variants: Vec<_> = table::ENTRY_POINTS[first..].iter().take_while(|entry| entry.base == name).collect();
    if variants.is_empty() {
        return Err(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    }
    let newest = |version| variants.iter().rev().find(move |entry| entry.version <= version);
    let known = |entry: &&&EntryPoint| entry.version <= OLDEST_DRIVER || entry.version <= driver_version();
    let entry = newest(version).ok_or(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT)?;
    // The library has functions that the driver presented does not know.
    let entry = Some(entry).filter(known).or_else(|| newest(driver_version()));
    let entry = entry.ok_or(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND)?;
    Ok(match entry.per_thread {
        Some((since, function)) if per_thread && since <= version => function,
        _ => entry.plain,
    })
}
