//! Arrays and mipmapped arrays: charged by what the driver says that they need, in whole pages.
// UNSAFETY: calls the vendor's functions and reads what the program and the driver wrote.
#![expect(unsafe_code)]

use core::ffi::c_uint;
use core::ptr;

use ffi_headers::cuda::{
    CU_AD_FORMAT_FLOAT, CU_AD_FORMAT_HALF, CU_AD_FORMAT_SIGNED_INT8, CU_AD_FORMAT_SIGNED_INT16,
    CU_AD_FORMAT_SIGNED_INT32, CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_UNSIGNED_INT16, CU_AD_FORMAT_UNSIGNED_INT32,
    CUDA_ARRAY_DESCRIPTOR, CUDA_ARRAY_DESCRIPTOR_v1, CUDA_ARRAY_MEMORY_REQUIREMENTS, CUDA_ARRAY3D_DEFERRED_MAPPING,
    CUDA_ARRAY3D_DESCRIPTOR, CUDA_ARRAY3D_DESCRIPTOR_v1, CUDA_ARRAY3D_SPARSE, CUDA_SUCCESS, CUarray, CUarray_format,
    CUdevice, CUmipmappedArray, CUresult,
};

use super::{pool, refused};
use crate::books::{self, Object};
use crate::guard::{self, Inside};
use crate::{current, tenant, vendor};

/// Any of the driver's descriptors of an array.
pub(crate) trait Descriptor {
    /// In the newest form.
    fn newest(&self) -> CUDA_ARRAY3D_DESCRIPTOR;
}

impl Descriptor for CUDA_ARRAY3D_DESCRIPTOR {
    fn newest(&self) -> CUDA_ARRAY3D_DESCRIPTOR {
        *self
    }
}

impl Descriptor for CUDA_ARRAY3D_DESCRIPTOR_v1 {
    fn newest(&self) -> CUDA_ARRAY3D_DESCRIPTOR {
        CUDA_ARRAY3D_DESCRIPTOR {
            Width: self.Width as usize,
            Height: self.Height as usize,
            Depth: self.Depth as usize,
            Format: self.Format,
            NumChannels: self.NumChannels,
            Flags: self.Flags,
        }
    }
}

impl Descriptor for CUDA_ARRAY_DESCRIPTOR {
    fn newest(&self) -> CUDA_ARRAY3D_DESCRIPTOR {
        let Self { Width, Height, Format, NumChannels } = *self;
        CUDA_ARRAY3D_DESCRIPTOR { Width, Height, Depth: 0, Format, NumChannels, Flags: 0 }
    }
}

impl Descriptor for CUDA_ARRAY_DESCRIPTOR_v1 {
    fn newest(&self) -> CUDA_ARRAY3D_DESCRIPTOR {
        let Self { Width, Height, Format, NumChannels } = *self;
        let (width, height) = (Width as usize, Height as usize);
        CUDA_ARRAY3D_DESCRIPTOR { Width: width, Height: height, Depth: 0, Format, NumChannels, Flags: 0 }
    }
}

/// What an array of this kind needs: the driver is asked by a twin without memory, which it can tell it of.
fn needs(descriptor: &CUDA_ARRAY3D_DESCRIPTOR, levels: Option<c_uint>, device: CUdevice) -> u64 {
    let twin = CUDA_ARRAY3D_DESCRIPTOR { Flags: descriptor.Flags | CUDA_ARRAY3D_DEFERRED_MAPPING, ..*descriptor };
    let mut requirements = CUDA_ARRAY_MEMORY_REQUIREMENTS::default();
    let asked = match levels {
        None => {
            let mut array: CUarray = ptr::null_mut();
            // SAFETY: a descriptor and a handle of ours; the twin goes again at once.
            unsafe {
                vendor::array_create(&raw mut array, &raw const twin) == CUDA_SUCCESS && {
                    let asked = vendor::array_requirements(&raw mut requirements, array, device);
                    let _gone = vendor::array_destroy(array);
                    asked == CUDA_SUCCESS
                }
            }
        }
        Some(levels) => {
            let mut array: CUmipmappedArray = ptr::null_mut();
            // SAFETY: as above.
            unsafe {
                vendor::mipmapped_create(&raw mut array, &raw const twin, levels) == CUDA_SUCCESS && {
                    let asked = vendor::mipmapped_requirements(&raw mut requirements, array, device);
                    let _gone = vendor::mipmapped_destroy(array);
                    asked == CUDA_SUCCESS
                }
            }
        }
    };
    if asked { requirements.size as u64 } else { bound(descriptor, levels.unwrap_or(1)) }
}

/// Bytes of one channel of an element; for formats that pack several, the most that any takes.
fn channel_bytes(format: CUarray_format) -> u64 {
    match format {
        CU_AD_FORMAT_UNSIGNED_INT8 | CU_AD_FORMAT_SIGNED_INT8 => 1,
        CU_AD_FORMAT_UNSIGNED_INT16 | CU_AD_FORMAT_SIGNED_INT16 | CU_AD_FORMAT_HALF => 2,
        CU_AD_FORMAT_UNSIGNED_INT32 | CU_AD_FORMAT_SIGNED_INT32 | CU_AD_FORMAT_FLOAT => 4,
        _ => 16,
    }
}

/// Where the driver cannot be asked (before CUDA 11.6, or without sparse arrays): rows in steps of 512 bytes, in groups
/// of 8, for each level.
fn bound(descriptor: &CUDA_ARRAY3D_DESCRIPTOR, levels: c_uint) -> u64 {
    let element = channel_bytes(descriptor.Format).saturating_mul(u64::from(descriptor.NumChannels.max(1)));
    let at = |size: usize, level: c_uint| (size as u64).checked_shr(level).unwrap_or(0).max(1);
    let level = |level| {
        let row = at(descriptor.Width, level).saturating_mul(element).checked_next_multiple_of(512);
        let rows = at(descriptor.Height, level).checked_next_multiple_of(8).unwrap_or(u64::MAX);
        row.unwrap_or(u64::MAX).saturating_mul(rows).saturating_mul(at(descriptor.Depth, level))
    };
    (0..levels.min(usize::BITS)).map(level).fold(0, u64::saturating_add)
}

/// Runs `call`, which makes an array and writes its handle, which `made` reads.
fn make(
    descriptor: impl FnOnce() -> Option<CUDA_ARRAY3D_DESCRIPTOR>,
    levels: Option<c_uint>,
    call: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> u64,
) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    // Memory comes later, by cuMemMapArrayAsync, or there is nothing that the driver would accept.
    let later = CUDA_ARRAY3D_DEFERRED_MAPPING | CUDA_ARRAY3D_SPARSE;
    let Some(descriptor) = descriptor().filter(|descriptor| descriptor.Flags & later == 0) else {
        return inside.driver(call);
    };
    let current = match current::get(tenant, &inside) {
        Ok(Some(current)) => current,
        Ok(None) => return inside.driver(call),
        Err(error) => return error,
    };
    let taken = books::most(needs(&descriptor, levels, current.device));
    if !pool::take(tenant, current.quota, taken) {
        return refused(tenant, current.quota);
    }
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        let device = current.quota.device;
        let gone = if result == CUDA_SUCCESS {
            private.objects.enter(made(), Object { context: current.context, device, bytes: taken })
        } else {
            Some(Object { context: current.context, device, bytes: taken })
        };
        if let Some(gone) = gone {
            private.give(tenant.region(), gone.device, gone.bytes);
        }
    });
    result
}

/// Runs `call`, which destroys an array.
fn destroy(handle: u64, call: impl FnOnce() -> CUresult) -> CUresult {
    let Some(tenant) = tenant::get() else { return call() };
    let Some(mut inside) = Inside::enter() else { return call() };
    let struck = tenant.private().objects.strike(handle);
    let result = inside.driver(call);
    guard::bookkeeping(|| {
        let mut private = tenant.private();
        if result == CUDA_SUCCESS {
            if let Some(object) = struck {
                private.give(tenant.region(), object.device, object.bytes);
            }
            let back = private.pieces.array_gone(handle);
            private.give_all(tenant.region(), back);
        } else if let Some(object) = struck {
            private.objects.enter(handle, object);
        }
    });
    result
}

/// cuArrayCreate and cuArray3DCreate, in their versions.
pub(crate) fn create<D: Descriptor>(
    original: unsafe extern "C" fn(*mut CUarray, *const D) -> CUresult,
    array: *mut CUarray,
    descriptor: *const D,
) -> CUresult {
    // SAFETY: by the function's contract NULL or a descriptor.
    let newest = || unsafe { descriptor.as_ref() }.map(D::newest);
    // SAFETY: the program's own arguments, unchanged; after success the driver has written `array`.
    make(newest, None, || unsafe { original(array, descriptor) }, || unsafe { array.read() } as u64)
}

/// cuMipmappedArrayCreate.
pub(crate) fn create_mipmapped(
    original: unsafe extern "C" fn(*mut CUmipmappedArray, *const CUDA_ARRAY3D_DESCRIPTOR, c_uint) -> CUresult,
    array: *mut CUmipmappedArray,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
    levels: c_uint,
) -> CUresult {
    // SAFETY: by the function's contract NULL or a descriptor.
    let newest = || unsafe { descriptor.as_ref() }.copied();
    // SAFETY: the program's own arguments, unchanged; after success the driver has written `array`.
    make(newest, Some(levels), || unsafe { original(array, descriptor, levels) }, || unsafe { array.read() } as u64)
}

/// cuArrayDestroy.
pub(crate) fn destroy_array(original: unsafe extern "C" fn(CUarray) -> CUresult, array: CUarray) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    destroy(array as u64, || unsafe { original(array) })
}

/// cuMipmappedArrayDestroy.
pub(crate) fn destroy_mipmapped(
    original: unsafe extern "C" fn(CUmipmappedArray) -> CUresult,
    array: CUmipmappedArray,
) -> CUresult {
    // SAFETY: the program's own argument, unchanged.
    destroy(array as u64, || unsafe { original(array) })
}
