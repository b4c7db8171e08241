//! Virtual memory management: physical memory is charged when it is made, until it is released and unmapped.
//!
//! What another process exported is not charged to who imports it: the exporter pays.
// UNSAFETY: calls the vendor's functions and reads what the program and the driver wrote.
#![expect(unsafe_code)]

use core::ffi::{c_uint, c_ulonglong, c_void};

use ffi_headers::cuda::{
    CU_MEM_OPERATION_TYPE_MAP, CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, CUDA_SUCCESS, CUarrayMapInfo, CUdevice, CUdeviceptr,
    CUmemAllocationHandleType, CUmemAllocationProp, CUmemGenericAllocationHandle, CUmulticastObjectProp, CUresult,
    CUstream,
};

use super::{device_at, pool, refused};
use crate::books::{Back, Piece, Pieces};
use crate::guard::{self, Inside};
use crate::tenant::{self, Tenant};

/// Runs `call`, and after its success `note`, which changes the books and answers what came back.
fn noted(call: impl FnOnce() -> CUresult, note: impl FnOnce(&mut Pieces) -> Vec<Back>) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let result = inside.driver(call);
    if result == CUDA_SUCCESS {
        guard::bookkeeping(|| change(tenant, note));
    }
    result
}

/// Runs `call`, which makes a hold on the piece that `hold` holds beforehand; after its success `note` enters it.
fn held(
    hold: impl FnOnce(&mut Pieces) -> Option<Piece>,
    call: impl FnOnce() -> CUresult,
    note: impl FnOnce(&mut Pieces, Piece) -> Vec<Back>,
) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let piece = hold(&mut tenant.private().pieces);
    let result = inside.driver(call);
    if let Some(piece) = piece {
        guard::bookkeeping(|| {
            change(tenant, |pieces| if result == CUDA_SUCCESS { note(pieces, piece) } else { pieces.ended(piece) });
        });
    }
    result
}

fn change(tenant: &Tenant, note: impl FnOnce(&mut Pieces) -> Vec<Back>) {
    let mut private = tenant.private();
    let back = note(&mut private.pieces);
    private.give_all(tenant.region(), back);
}

/// cuMemCreate: `size` bytes, which the driver demands to be a multiple of its granularity.
pub(crate) fn create(
    original: unsafe extern "C" fn(
        *mut CUmemGenericAllocationHandle,
        usize,
        *const CUmemAllocationProp,
        c_ulonglong,
    ) -> CUresult,
    handle: *mut CUmemGenericAllocationHandle,
    size: usize,
    properties: *const CUmemAllocationProp,
    flags: c_ulonglong,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(handle, size, properties, flags) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    // SAFETY: by the function's contract NULL or properties.
    let location = unsafe { properties.as_ref() }.map(|properties| properties.location);
    let device = location.and_then(device_at);
    let Some(quota) = device.and_then(|device| tenant.of_ordinal(device)) else { return inside.driver(call) };
    if !pool::take(tenant, quota, size as u64) {
        return refused(tenant, quota);
    }
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS {
            // SAFETY: after success the driver has written it.
            private.pieces.made(unsafe { handle.read() }, quota.device, size as u64);
        } else {
            private.give(tenant.region(), quota.device, size as u64);
        }
    });
    result
}

/// cuMemRelease: forwarded whatever the books say.
pub(crate) fn release(
    original: unsafe extern "C" fn(CUmemGenericAllocationHandle) -> CUresult,
    handle: CUmemGenericAllocationHandle,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    let call = || unsafe { original(handle) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let struck = tenant.private().pieces.strike_handle(handle);
    let result = inside.driver(call);
    if let Some(piece) = struck {
        guard::bookkeeping(|| {
            change(tenant, |pieces| {
                if result == CUDA_SUCCESS {
                    return pieces.released(handle, piece);
                }
                pieces.handle_stays(handle, piece);
                Vec::new()
            });
        });
    }
    result
}

/// cuMemRetainAllocationHandle.
pub(crate) fn retain(
    original: unsafe extern "C" fn(*mut CUmemGenericAllocationHandle, *mut c_void) -> CUresult,
    handle: *mut CUmemGenericAllocationHandle,
    address: *mut c_void,
) -> CUresult {
    held(
        |pieces| pieces.hold_at(address as u64),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(handle, address) },
        |pieces, piece| {
            // SAFETY: after success the driver has written it.
            pieces.retained(unsafe { handle.read() }, piece);
            Vec::new()
        },
    )
}

/// cuMemImportFromShareableHandle.
pub(crate) fn import(
    original: unsafe extern "C" fn(
        *mut CUmemGenericAllocationHandle,
        *mut c_void,
        CUmemAllocationHandleType,
    ) -> CUresult,
    handle: *mut CUmemGenericAllocationHandle,
    shared: *mut c_void,
    kind: CUmemAllocationHandleType,
) -> CUresult {
    noted(
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(handle, shared, kind) },
        |pieces| {
            // SAFETY: after success the driver has written it.
            pieces.imported(unsafe { handle.read() });
            Vec::new()
        },
    )
}

/// cuMemMap.
pub(crate) fn map(
    original: unsafe extern "C" fn(CUdeviceptr, usize, usize, CUmemGenericAllocationHandle, c_ulonglong) -> CUresult,
    address: CUdeviceptr,
    size: usize,
    offset: usize,
    handle: CUmemGenericAllocationHandle,
    flags: c_ulonglong,
) -> CUresult {
    held(
        |pieces| pieces.hold_handle(handle),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(address, size, offset, handle, flags) },
        |pieces, piece| {
            pieces.mapped(address, size as u64, piece);
            Vec::new()
        },
    )
}

/// cuMemUnmap: of one mapping or of several side by side.
pub(crate) fn unmap(
    original: unsafe extern "C" fn(CUdeviceptr, usize) -> CUresult,
    address: CUdeviceptr,
    size: usize,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(address, size) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let struck = tenant.private().pieces.strike_mappings(address, size as u64);
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        change(tenant, |pieces| {
            if result == CUDA_SUCCESS {
                return pieces.unmapped(struck);
            }
            pieces.mappings_stay(struck);
            Vec::new()
        });
    });
    result
}

/// cuMulticastCreate: the object takes no memory itself, but keeps what is bound to it.
pub(crate) fn create_multicast(
    original: unsafe extern "C" fn(*mut CUmemGenericAllocationHandle, *const CUmulticastObjectProp) -> CUresult,
    handle: *mut CUmemGenericAllocationHandle,
    properties: *const CUmulticastObjectProp,
) -> CUresult {
    noted(
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(handle, properties) },
        |pieces| {
            // SAFETY: after success the driver has written it.
            pieces.made(unsafe { handle.read() }, 0, 0);
            Vec::new()
        },
    )
}

/// cuMulticastBindMem.
pub(crate) fn bind_memory(
    original: unsafe extern "C" fn(
        CUmemGenericAllocationHandle,
        usize,
        CUmemGenericAllocationHandle,
        usize,
        usize,
        c_ulonglong,
    ) -> CUresult,
    object: CUmemGenericAllocationHandle,
    object_offset: usize,
    memory: CUmemGenericAllocationHandle,
    memory_offset: usize,
    size: usize,
    flags: c_ulonglong,
) -> CUresult {
    held(
        |pieces| pieces.hold_handle(memory),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(object, object_offset, memory, memory_offset, size, flags) },
        |pieces, piece| pieces.tied(object, (object_offset as u64, size as u64), piece),
    )
}

/// cuMulticastBindAddr.
pub(crate) fn bind_address(
    original: unsafe extern "C" fn(CUmemGenericAllocationHandle, usize, CUdeviceptr, usize, c_ulonglong) -> CUresult,
    object: CUmemGenericAllocationHandle,
    object_offset: usize,
    address: CUdeviceptr,
    size: usize,
    flags: c_ulonglong,
) -> CUresult {
    held(
        |pieces| pieces.hold_at(address),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(object, object_offset, address, size, flags) },
        |pieces, piece| pieces.tied(object, (object_offset as u64, size as u64), piece),
    )
}

/// cuMulticastBindMem since CUDA 13.1: for a device of the object.
#[expect(clippy::too_many_arguments)] // CUDA's own
pub(crate) fn bind_memory_of(
    original: unsafe extern "C" fn(
        CUmemGenericAllocationHandle,
        CUdevice,
        usize,
        CUmemGenericAllocationHandle,
        usize,
        usize,
        c_ulonglong,
    ) -> CUresult,
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    object_offset: usize,
    memory: CUmemGenericAllocationHandle,
    memory_offset: usize,
    size: usize,
    flags: c_ulonglong,
) -> CUresult {
    held(
        |pieces| pieces.hold_handle(memory),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(object, device, object_offset, memory, memory_offset, size, flags) },
        |pieces, piece| pieces.tied(object, (object_offset as u64, size as u64), piece),
    )
}

/// cuMulticastBindAddr since CUDA 13.1: for a device of the object.
pub(crate) fn bind_address_of(
    original: unsafe extern "C" fn(
        CUmemGenericAllocationHandle,
        CUdevice,
        usize,
        CUdeviceptr,
        usize,
        c_ulonglong,
    ) -> CUresult,
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    object_offset: usize,
    address: CUdeviceptr,
    size: usize,
    flags: c_ulonglong,
) -> CUresult {
    held(
        |pieces| pieces.hold_at(address),
        // SAFETY: the program's own arguments, unchanged.
        || unsafe { original(object, device, object_offset, address, size, flags) },
        |pieces, piece| pieces.tied(object, (object_offset as u64, size as u64), piece),
    )
}

/// cuMulticastUnbind: of one device's memory.
pub(crate) fn unbind(
    original: unsafe extern "C" fn(CUmemGenericAllocationHandle, CUdevice, usize, usize) -> CUresult,
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    offset: usize,
    size: usize,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(object, device, offset, size) };
    let quota = tenant::get().and_then(|tenant| tenant.of_ordinal(device));
    noted(call, |pieces| match quota {
        Some(quota) => pieces.untied(object, quota.device, (offset as u64, size as u64)),
        None => Vec::new(),
    })
}

/// cuMemMapArrayAsync: memory is mapped into places of an array, or taken away there.
pub(crate) fn map_array(
    original: unsafe extern "C" fn(*mut CUarrayMapInfo, c_uint, CUstream) -> CUresult,
    list: *mut CUarrayMapInfo,
    count: c_uint,
    stream: CUstream,
) -> CUresult {
    // SAFETY: the program's own arguments, unchanged.
    let call = || unsafe { original(list, count, stream) };
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let entries = match list.is_null() {
        true => Vec::new(),
        // SAFETY: not NULL, so by the function's contract as many entries; a copy, since the driver may write to them.
        false => unsafe { core::slice::from_raw_parts(list, count as usize) }.to_vec(),
    };
    let held: Vec<_> = {
        let pieces = &mut tenant.private().pieces;
        entries.iter().map(|entry| mapped_handle(entry).and_then(|handle| pieces.hold_handle(handle))).collect()
    };
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        change(tenant, |pieces| {
            let places = entries.iter().zip(held);
            if result == CUDA_SUCCESS {
                return places.flat_map(|(entry, piece)| map_place(pieces, entry, piece)).collect();
            }
            places.filter_map(|(_, piece)| piece).flat_map(|piece| pieces.ended(piece)).collect()
        });
    });
    result
}

/// The handle that an entry maps; `None`: it takes away what is mapped.
fn mapped_handle(entry: &CUarrayMapInfo) -> Option<CUmemGenericAllocationHandle> {
    // SAFETY: the only kind of handle there is, and a number.
    let handle = unsafe { entry.memHandle.memHandle };
    (entry.memOperationType == CU_MEM_OPERATION_TYPE_MAP).then_some(handle)
}

/// Enters what an entry has done; `piece` is held for what it has mapped, if that is ours.
fn map_place(pieces: &mut Pieces, entry: &CUarrayMapInfo, piece: Option<Piece>) -> Vec<Back> {
    // SAFETY: the resource's type says which of the two it is, both are handles; a sparse level begins with what tells
    // two places apart, and the words behind it are initialised, since the program has handed over the whole structure.
    let (array, place) = unsafe {
        let array = match entry.resourceType {
            CU_RESOURCE_TYPE_MIPMAPPED_ARRAY => entry.resource.mipmap as u64,
            _ => entry.resource.array as u64,
        };
        (array, entry.subresource.sparseLevel)
    };
    let tie = (
        u64::from(entry.subresourceType) << 56 | u64::from(place.level) << 32 | u64::from(place.layer),
        u64::from(place.offsetX) << 42 ^ u64::from(place.offsetY) << 21 ^ u64::from(place.offsetZ),
    );
    match piece {
        Some(piece) => pieces.mapped_into_array(array, tie, piece),
        None => pieces.unmapped_from_array(array, tie),
    }
}
