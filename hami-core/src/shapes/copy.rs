//! Copies from device memory to device memory: commands that take device-time, as kernels do.
//!
//! Copies from or to the host go by engines of their own, and wait for no share ([`super::stream`]). Where a function serves
//! both, the driver is asked what the addresses mean, and only where work may be gated at all.
// UNSAFETY: calls the vendor's functions and reads the program's descriptions of copies.
#![expect(unsafe_code)]

use core::ffi::c_ulonglong;
use core::ptr;

use ffi_headers::cuda::{
    CU_MEMCPY_OPERAND_TYPE_ARRAY, CU_MEMORYTYPE_ARRAY, CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_UNIFIED,
    CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CUDA_MEMCPY2D, CUDA_MEMCPY2D_v1, CUDA_MEMCPY3D, CUDA_MEMCPY3D_BATCH_OP,
    CUDA_MEMCPY3D_PEER, CUDA_MEMCPY3D_v1, CUDA_SUCCESS, CUdeviceptr, CUmemcpy3DOperand, CUmemcpyAttributes,
    CUmemorytype, CUresult, CUstream,
};

use super::Bytes;
use crate::compute::{self, Command, Queue};
use crate::{tenant, vendor};

/// Whether work may be gated: nothing else needs to know what is copied where.
fn gates() -> bool {
    tenant::get().is_some_and(tenant::Tenant::gates)
}

/// Submits a copy of so many bytes to the default stream; 0: nothing of it is from device to device, and it passes.
fn submit(per_thread: bool, bytes: impl FnOnce() -> u64, call: impl FnOnce() -> CUresult) -> CUresult {
    if !gates() {
        return call();
    }
    match bytes() {
        0 => call(),
        bytes => compute::submit(Queue { handle: ptr::null_mut(), per_thread }, Command::Copy { bytes }, call),
    }
}

/// The same in a stream, which a copy from or to the host keeps without taking compute.
fn submit_in_stream(
    handle: CUstream,
    per_thread: bool,
    bytes: impl FnOnce() -> u64,
    call: impl FnOnce() -> CUresult,
) -> CUresult {
    if !gates() {
        return call();
    }
    let queue = Queue { handle, per_thread };
    match bytes() {
        0 => compute::interrupt(queue, call),
        bytes => compute::submit(queue, Command::Copy { bytes }, call),
    }
}

/// Whether this is the address of device memory, as the driver says; managed memory counts as such.
fn is_on_device(pointer: CUdeviceptr) -> bool {
    let mut kind: CUmemorytype = 0;
    // SAFETY: this attribute is a number of 32 bits, as cuda.h documents. Any address may be asked about.
    let answer =
        unsafe { vendor::pointer_get_attribute((&raw mut kind).cast(), CU_POINTER_ATTRIBUTE_MEMORY_TYPE, pointer) };
    answer == CUDA_SUCCESS && kind == CU_MEMORYTYPE_DEVICE
}

/// How much of a copy between two addresses is from device to device.
fn between(destination: CUdeviceptr, source: CUdeviceptr, bytes: u64) -> u64 {
    if is_on_device(destination) && is_on_device(source) { bytes } else { 0 }
}

/// Three arguments, the last of which is the size: cuMemcpyDtoD.
pub(crate) fn three<A: Copy, B: Copy, N: Bytes>(
    original: unsafe extern "C" fn(A, B, N) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    bytes: N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit(per_thread, move || bytes.get(), move || unsafe { original(a, b, bytes) })
}

/// The same in a stream: cuMemcpyDtoDAsync.
pub(crate) fn three_in_stream<A: Copy, B: Copy, N: Bytes>(
    original: unsafe extern "C" fn(A, B, N, CUstream) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    bytes: N,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit_in_stream(stream, per_thread, move || bytes.get(), move || unsafe { original(a, b, bytes, stream) })
}

/// Four arguments, the last of which is the size: cuMemcpyAtoD and cuMemcpyDtoA.
pub(crate) fn four<A: Copy, B: Copy, C: Copy, N: Bytes>(
    original: unsafe extern "C" fn(A, B, C, N) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    bytes: N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit(per_thread, move || bytes.get(), move || unsafe { original(a, b, c, bytes) })
}

/// Five arguments, the last of which is the size: cuMemcpyAtoA and cuMemcpyPeer.
pub(crate) fn five<A: Copy, B: Copy, C: Copy, D: Copy, N: Bytes>(
    original: unsafe extern "C" fn(A, B, C, D, N) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    d: D,
    bytes: N,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit(per_thread, move || bytes.get(), move || unsafe { original(a, b, c, d, bytes) })
}

/// The same in a stream: cuMemcpyPeerAsync.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn five_in_stream<A: Copy, B: Copy, C: Copy, D: Copy, N: Bytes>(
    original: unsafe extern "C" fn(A, B, C, D, N, CUstream) -> CUresult,
    per_thread: bool,
    a: A,
    b: B,
    c: C,
    d: D,
    bytes: N,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    submit_in_stream(stream, per_thread, move || bytes.get(), move || unsafe { original(a, b, c, d, bytes, stream) })
}

/// cuMemcpy: between any two addresses.
pub(crate) fn unified(
    original: unsafe extern "C" fn(CUdeviceptr, CUdeviceptr, usize) -> CUresult,
    per_thread: bool,
    destination: CUdeviceptr,
    source: CUdeviceptr,
    bytes: usize,
) -> CUresult {
    let within = || between(destination, source, bytes as u64);
    // SAFETY: the program's own arguments, unchanged.
    submit(per_thread, within, move || unsafe { original(destination, source, bytes) })
}

/// cuMemcpyAsync.
pub(crate) fn unified_in_stream(
    original: unsafe extern "C" fn(CUdeviceptr, CUdeviceptr, usize, CUstream) -> CUresult,
    per_thread: bool,
    destination: CUdeviceptr,
    source: CUdeviceptr,
    bytes: usize,
    stream: CUstream,
) -> CUresult {
    let within = || between(destination, source, bytes as u64);
    // SAFETY: the program's own arguments, unchanged.
    submit_in_stream(stream, per_thread, within, move || unsafe { original(destination, source, bytes, stream) })
}

/// cuMemcpyWithAttributesAsync.
pub(crate) fn with_attributes(
    original: unsafe extern "C" fn(CUdeviceptr, CUdeviceptr, usize, *mut CUmemcpyAttributes, CUstream) -> CUresult,
    per_thread: bool,
    destination: CUdeviceptr,
    source: CUdeviceptr,
    bytes: usize,
    attributes: *mut CUmemcpyAttributes,
    stream: CUstream,
) -> CUresult {
    let within = || between(destination, source, bytes as u64);
    // SAFETY: the program's own arguments, unchanged.
    let call = move || unsafe { original(destination, source, bytes, attributes, stream) };
    submit_in_stream(stream, per_thread, within, call)
}

/// A structure that describes a copy.
pub(crate) trait Described {
    /// How many bytes of it go from device to device.
    fn on_device(&self) -> u64;
}

/// Whether one end of a described copy is on the device.
fn end_on_device(kind: CUmemorytype, pointer: CUdeviceptr) -> bool {
    match kind {
        CU_MEMORYTYPE_DEVICE | CU_MEMORYTYPE_ARRAY => true,
        CU_MEMORYTYPE_UNIFIED => is_on_device(pointer),
        _ => false,
    }
}

/// Describes copies of so many bytes, by the names of the structure's fields.
macro_rules! described {
    ($($structure:ident: $($side:ident)*;)*) => {
        $(
            impl Described for $structure {
                fn on_device(&self) -> u64 {
                    let within = end_on_device(self.dstMemoryType, self.dstDevice.into())
                        && end_on_device(self.srcMemoryType, self.srcDevice.into());
                    let sides = [$(self.$side.get()),*];
                    if within { sides.into_iter().fold(1, u64::saturating_mul) } else { 0 }
                }
            }
        )*
    };
}

described! {
    CUDA_MEMCPY2D: WidthInBytes Height;
    CUDA_MEMCPY2D_v1: WidthInBytes Height;
    CUDA_MEMCPY3D: WidthInBytes Height Depth;
    CUDA_MEMCPY3D_v1: WidthInBytes Height Depth;
    CUDA_MEMCPY3D_PEER: WidthInBytes Height Depth;
}

/// What NULL, which the driver refuses, or a description says.
///
/// # Safety
/// It is one of these.
unsafe fn described_bytes<C: Described>(copy: *const C) -> u64 {
    // SAFETY: the caller's.
    unsafe { copy.as_ref() }.map_or(0, Described::on_device)
}

/// cuMemcpy2D, 2DUnaligned, 3D and 3DPeer.
pub(crate) fn described<C: Described>(
    original: unsafe extern "C" fn(*const C) -> CUresult,
    per_thread: bool,
    copy: *const C,
) -> CUresult {
    // SAFETY: by the function's contract a description; the program's own argument, unchanged.
    submit(per_thread, || unsafe { described_bytes(copy) }, move || unsafe { original(copy) })
}

/// The same in a stream.
pub(crate) fn described_in_stream<C: Described>(
    original: unsafe extern "C" fn(*const C, CUstream) -> CUresult,
    per_thread: bool,
    copy: *const C,
    stream: CUstream,
) -> CUresult {
    // SAFETY: as above.
    submit_in_stream(stream, per_thread, || unsafe { described_bytes(copy) }, move || unsafe { original(copy, stream) })
}

/// So many elements; none behind NULL, which the driver refuses.
///
/// # Safety
/// The pointer is NULL or leads to so many, which nobody changes for `'a`.
unsafe fn elements<'a, T>(first: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller's.
    if first.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(first, count) } }
}

/// Of a batch of copies between addresses, the bytes that go from device to device. If there are any, the whole batch is
/// measured as one piece of work.
///
/// # Safety
/// Each pointer is NULL or leads to `count` elements.
unsafe fn batch_bytes(
    destinations: *const CUdeviceptr,
    sources: *const CUdeviceptr,
    sizes: *const usize,
    count: usize,
) -> u64 {
    // SAFETY: the caller's.
    let lists = unsafe { (elements(destinations, count), elements(sources, count), elements(sizes, count)) };
    let copies = lists.0.iter().zip(lists.1).zip(lists.2);
    copies.fold(0, |sum: u64, ((destination, source), bytes)| {
        sum.saturating_add(between(*destination, *source, *bytes as u64))
    })
}

/// cuMemcpyBatchAsync, first version.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn batch_with_index(
    original: unsafe extern "C" fn(
        *mut CUdeviceptr,
        *mut CUdeviceptr,
        *mut usize,
        usize,
        *mut CUmemcpyAttributes,
        *mut usize,
        usize,
        *mut usize,
        CUstream,
    ) -> CUresult,
    per_thread: bool,
    destinations: *mut CUdeviceptr,
    sources: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attributes: *mut CUmemcpyAttributes,
    indices: *mut usize,
    attribute_count: usize,
    failed: *mut usize,
    stream: CUstream,
) -> CUresult {
    // SAFETY: by the function's contract lists of `count` elements.
    let bytes = || unsafe { batch_bytes(destinations, sources, sizes, count) };
    submit_in_stream(stream, per_thread, bytes, || {
        // SAFETY: the program's own arguments, unchanged.
        unsafe { original(destinations, sources, sizes, count, attributes, indices, attribute_count, failed, stream) }
    })
}

/// cuMemcpyBatchAsync, second version.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn batch(
    original: unsafe extern "C" fn(
        *mut CUdeviceptr,
        *mut CUdeviceptr,
        *mut usize,
        usize,
        *mut CUmemcpyAttributes,
        *mut usize,
        usize,
        CUstream,
    ) -> CUresult,
    per_thread: bool,
    destinations: *mut CUdeviceptr,
    sources: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attributes: *mut CUmemcpyAttributes,
    indices: *mut usize,
    attribute_count: usize,
    stream: CUstream,
) -> CUresult {
    // SAFETY: as above.
    let bytes = || unsafe { batch_bytes(destinations, sources, sizes, count) };
    submit_in_stream(stream, per_thread, bytes, || {
        // SAFETY: the program's own arguments, unchanged.
        unsafe { original(destinations, sources, sizes, count, attributes, indices, attribute_count, stream) }
    })
}

/// Whether one end of a copy in a batch is on the device.
fn operand_on_device(operand: &CUmemcpy3DOperand) -> bool {
    // SAFETY: any other type than that of an array means an address.
    operand.type_ == CU_MEMCPY_OPERAND_TYPE_ARRAY || is_on_device(unsafe { operand.op.ptr.ptr })
}

/// Of a batch of described copies, the bytes that go from device to device. Extents of arrays count elements, each taken for
/// one byte: how large they are is not worth a question, since what a copy takes is measured.
///
/// # Safety
/// The pointer is NULL or leads to `count` elements.
unsafe fn batch_bytes_3d(copies: *const CUDA_MEMCPY3D_BATCH_OP, count: usize) -> u64 {
    // SAFETY: the caller's.
    let copies = unsafe { elements(copies, count) };
    let within = copies.iter().filter(|copy| operand_on_device(&copy.dst) && operand_on_device(&copy.src));
    within.fold(0, |sum: u64, copy| {
        let sides = [copy.extent.width, copy.extent.height, copy.extent.depth];
        sum.saturating_add(sides.into_iter().fold(1, |bytes: u64, side| bytes.saturating_mul(side as u64)))
    })
}

/// cuMemcpy3DBatchAsync, first version.
pub(crate) fn batch_3d_with_index(
    original: unsafe extern "C" fn(usize, *mut CUDA_MEMCPY3D_BATCH_OP, *mut usize, c_ulonglong, CUstream) -> CUresult,
    per_thread: bool,
    count: usize,
    copies: *mut CUDA_MEMCPY3D_BATCH_OP,
    failed: *mut usize,
    flags: c_ulonglong,
    stream: CUstream,
) -> CUresult {
    // SAFETY: by the function's contract a list of `count` elements; the program's own arguments, unchanged.
    submit_in_stream(
        stream,
        per_thread,
        || unsafe { batch_bytes_3d(copies, count) },
        || unsafe { original(count, copies, failed, flags, stream) },
    )
}

/// cuMemcpy3DBatchAsync, second version.
pub(crate) fn batch_3d(
    original: unsafe extern "C" fn(usize, *mut CUDA_MEMCPY3D_BATCH_OP, c_ulonglong, CUstream) -> CUresult,
    per_thread: bool,
    count: usize,
    copies: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: c_ulonglong,
    stream: CUstream,
) -> CUresult {
    // SAFETY: as above.
    submit_in_stream(
        stream,
        per_thread,
        || unsafe { batch_bytes_3d(copies, count) },
        || unsafe { original(count, copies, flags, stream) },
    )
}

/// cuMemcpy3DWithAttributesAsync: one of what a batch has many of.
pub(crate) fn one_of_batch_3d(
    original: unsafe extern "C" fn(*mut CUDA_MEMCPY3D_BATCH_OP, c_ulonglong, CUstream) -> CUresult,
    per_thread: bool,
    copy: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: c_ulonglong,
    stream: CUstream,
) -> CUresult {
    // SAFETY: by the function's contract NULL or one description; the program's own arguments, unchanged.
    submit_in_stream(
        stream,
        per_thread,
        || unsafe { batch_bytes_3d(copy, 1) },
        || unsafe { original(copy, flags, stream) },
    )
}
