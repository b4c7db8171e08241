//! Device memory that is filled: commands that take device-time, as kernels do.
// UNSAFETY: calls the vendor's functions.
#![expect(unsafe_code)]

use core::ptr;

use ffi_headers::cuda::{CUresult, CUstream};

use super::Bytes;
use crate::compute::{self, Command, Queue};

/// Submits a fill of so many values of type `V`.
fn submit<V>(handle: CUstream, per_thread: bool, values: u64, call: impl FnOnce() -> CUresult) -> CUresult {
    let bytes = values.saturating_mul(size_of::<V>() as u64);
    compute::submit(Queue { handle, per_thread }, Command::Fill { bytes }, call)
}

/// cuMemsetD8, D16 and D32, in their various versions.
pub(crate) fn linear<P: Copy, V: Copy, N: Bytes>(
    original: unsafe extern "C" fn(P, V, N) -> CUresult,
    per_thread: bool,
    pointer: P,
    value: V,
    count: N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit::<V>(ptr::null_mut(), per_thread, count.get(), move || unsafe { original(pointer, value, count) })
}

/// The same in a stream.
pub(crate) fn linear_in_stream<P: Copy, V: Copy, N: Bytes>(
    original: unsafe extern "C" fn(P, V, N, CUstream) -> CUresult,
    per_thread: bool,
    pointer: P,
    value: V,
    count: N,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit::<V>(stream, per_thread, count.get(), move || unsafe { original(pointer, value, count, stream) })
}

/// cuMemsetD2D8, D2D16 and D2D32: rows at a distance.
pub(crate) fn pitched<P: Copy, V: Copy, N: Bytes>(
    original: unsafe extern "C" fn(P, N, V, N, N) -> CUresult,
    per_thread: bool,
    pointer: P,
    pitch: N,
    value: V,
    width: N,
    height: N,
) -> CUresult {
    let values = width.get().saturating_mul(height.get());
    // SAFETY: the program's own arguments, unchanged.
    submit::<V>(ptr::null_mut(), per_thread, values, move || unsafe { original(pointer, pitch, value, width, height) })
}

/// The same in a stream.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn pitched_in_stream<P: Copy, V: Copy, N: Bytes>(
    original: unsafe extern "C" fn(P, N, V, N, N, CUstream) -> CUresult,
    per_thread: bool,
    pointer: P,
    pitch: N,
    value: V,
    width: N,
    height: N,
    stream: CUstream,
) -> CUresult {
    let values = width.get().saturating_mul(height.get());
    // SAFETY: the program's own arguments, unchanged.
    submit::<V>(stream, per_thread, values, move || unsafe { original(pointer, pitch, value, width, height, stream) })
}
