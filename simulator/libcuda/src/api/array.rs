//! Arrays and mipmapped arrays. Copies from and to them are in `memcpy`.

use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::array::{ALIGNMENT, Array, Descriptor, Mipmap, Storage};
use crate::driver::{Driver, driver, in_context};
use crate::graph::capture::{unsafe_call, unsupported};
use crate::stream::{Stream, wait_if_busy};

driver_functions! {
    extern "C" fn cuArrayCreate_v2(array: Out<CUarray>, descriptor: In<CUDA_ARRAY_DESCRIPTOR>) {
        let CUDA_ARRAY_DESCRIPTOR { Width, Height, Format, NumChannels } = descriptor.get()?;
        create(array, &Descriptor { Width, Height, Format, NumChannels, ..Default::default() })?;
    }

    extern "C" fn cuArrayCreate(array: Out<CUarray>, descriptor: In<CUDA_ARRAY_DESCRIPTOR_v1>) {
        let CUDA_ARRAY_DESCRIPTOR_v1 { Width, Height, Format, NumChannels } = descriptor.get()?;
        let [Width, Height] = [Width, Height].map(|extent| extent as usize);
        create(array, &Descriptor { Width, Height, Format, NumChannels, ..Default::default() })?;
    }

    extern "C" fn cuArray3DCreate_v2(array: Out<CUarray>, descriptor: In<CUDA_ARRAY3D_DESCRIPTOR>) {
        create(array, &descriptor.get()?)?;
    }

    extern "C" fn cuArray3DCreate(array: Out<CUarray>, descriptor: In<CUDA_ARRAY3D_DESCRIPTOR_v1>) {
        let CUDA_ARRAY3D_DESCRIPTOR_v1 { Width, Height, Depth, Format, NumChannels, Flags } = descriptor.get()?;
        let [Width, Height, Depth] = [Width, Height, Depth].map(|extent| extent as usize);
        create(array, &Descriptor { Width, Height, Depth, Format, NumChannels, Flags })?;
    }

    /// The form for two dimensions; it refuses arrays that have a third.
    extern "C" fn cuArrayGetDescriptor_v2(place: Out<CUDA_ARRAY_DESCRIPTOR>, array: CUarray) {
        let Descriptor { Width, Height, Format, NumChannels, .. } = flat(array)?;
        place.set(CUDA_ARRAY_DESCRIPTOR { Width, Height, Format, NumChannels })?;
    }

    extern "C" fn cuArrayGetDescriptor(place: Out<CUDA_ARRAY_DESCRIPTOR_v1>, array: CUarray) {
        let Descriptor { Width, Height, Format, NumChannels, .. } = flat(array)?;
        let [Width, Height] = [Width, Height].map(|extent| extent as u32);
        place.set(CUDA_ARRAY_DESCRIPTOR_v1 { Width, Height, Format, NumChannels })?;
    }

    extern "C" fn cuArray3DGetDescriptor_v2(place: Out<CUDA_ARRAY3D_DESCRIPTOR>, array: CUarray) {
        place.set(find(in_context()?.0, array)?.descriptor)?;
    }

    extern "C" fn cuArray3DGetDescriptor(place: Out<CUDA_ARRAY3D_DESCRIPTOR_v1>, array: CUarray) {
        let Descriptor { Width, Height, Depth, Format, NumChannels, Flags } = find(in_context()?.0, array)?.descriptor;
        let [Width, Height, Depth] = [Width, Height, Depth].map(|extent| extent as u32);
        place.set(CUDA_ARRAY3D_DESCRIPTOR_v1 { Width, Height, Depth, Format, NumChannels, Flags })?;
    }

    /// A level or plane is not destroyed by itself.
    extern "C" fn cuArrayDestroy(array: CUarray) {
        let (driver, context) = in_context()?;
        unsafe_call(driver)?;
        let found = find(driver, array)?;
        if found.part {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        }
        wait_if_busy(driver, context)?;
        driver.arrays.remove(array).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        for plane in &found.planes {
            driver.arrays.remove(Arc::as_ptr(plane).cast_mut());
        }
        found.storage.free(driver);
    }

    extern "C" fn cuArrayGetPlane(plane: Out<CUarray>, array: CUarray, index: u32) {
        let array = find(in_context()?.0, array)?;
        let found = array.planes.get(index as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        plane.set(handle(found))?;
    }

    extern "C" fn cuArrayGetMemoryRequirements(requirements: Out<CUDA_ARRAY_MEMORY_REQUIREMENTS>, array: CUarray, device: CUdevice) {
        let driver = driver()?;
        let array = find(driver, array)?;
        needs(driver, requirements, &array.storage, device)?;
    }

    /// Sparse arrays are refused when they are made, so no array has these properties.
    extern "C" fn cuArrayGetSparseProperties(properties: Out<CUDA_ARRAY_SPARSE_PROPERTIES>, array: CUarray) {
        find(driver()?, array)?;
        properties.required()?;
        Err::<(), _>(CUDA_ERROR_INVALID_VALUE)?;
    }

    extern "C" fn cuMipmappedArrayCreate(mipmap: Out<CUmipmappedArray>, descriptor: In<CUDA_ARRAY3D_DESCRIPTOR>, levels: u32) {
        let (driver, context) = in_context()?;
        unsafe_call(driver)?;
        let place = mipmap.required()?;
        place.set(insert_mipmap(driver, Mipmap::create(driver, context, &descriptor.get()?, levels)?))?;
    }

    extern "C" fn cuMipmappedArrayGetLevel(level: Out<CUarray>, mipmap: CUmipmappedArray, index: u32) {
        let mipmap = find_mipmap(in_context()?.0, mipmap)?;
        let found = mipmap.levels.get(index as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        level.set(handle(found))?;
    }

    extern "C" fn cuMipmappedArrayDestroy(mipmap: CUmipmappedArray) {
        let (driver, context) = in_context()?;
        unsafe_call(driver)?;
        wait_if_busy(driver, context)?;
        let found = driver.mipmaps.remove(mipmap).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        for array in found.levels.iter().flat_map(|level| level.planes.iter().chain([level])) {
            driver.arrays.remove(Arc::as_ptr(array).cast_mut());
        }
        found.storage.free(driver);
    }

    extern "C" fn cuMipmappedArrayGetMemoryRequirements(requirements: Out<CUDA_ARRAY_MEMORY_REQUIREMENTS>, mipmap: CUmipmappedArray, device: CUdevice) {
        let driver = driver()?;
        let mipmap = find_mipmap(driver, mipmap)?;
        needs(driver, requirements, &mipmap.storage, device)?;
    }

    /// Whole arrays that were made to be mapped later. The parts of sparse ones, of which there are none, are not looked at.
    extern "C" fn cuMemMapArrayAsync, extern "C" fn cuMemMapArrayAsync_ptsz [null] (list: Out<CUarrayMapInfo>, count: u32, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        unsupported(driver, &stream)?;
        if count == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        for one in list.required()?.as_input().slice(count as usize) {
            map(driver, &one)?;
        }
    }

    extern "C" fn cuMipmappedArrayGetSparseProperties(properties: Out<CUDA_ARRAY_SPARSE_PROPERTIES>, mipmap: CUmipmappedArray) {
        find_mipmap(driver()?, mipmap)?;
        properties.required()?;
        Err::<(), _>(CUDA_ERROR_INVALID_VALUE)?;
    }
}

fn create(place: Out<CUarray>, descriptor: &Descriptor) -> Outcome {
    let (driver, context) = in_context()?;
    unsafe_call(driver)?;
    let place = place.required()?;
    place.set(insert(driver, &Array::create(driver, context, descriptor)?))
}

/// Makes handles for an array and its planes.
fn insert(driver: &Driver, array: &Arc<Array>) -> CUarray {
    for plane in &array.planes {
        let _: CUarray = driver.arrays.insert(Arc::clone(plane));
    }
    driver.arrays.insert(Arc::clone(array))
}

/// Makes handles for a mipmapped array and its levels.
pub fn insert_mipmap(driver: &Driver, mipmap: Arc<Mipmap>) -> CUmipmappedArray {
    for level in &mipmap.levels {
        insert(driver, level);
    }
    driver.mipmaps.insert(mipmap)
}

fn handle(array: &Arc<Array>) -> CUarray {
    Arc::as_ptr(array).cast_mut().cast()
}

/// The array behind a handle.
pub fn find(driver: &Driver, array: CUarray) -> Outcome<Arc<Array>> {
    driver.arrays.get(array).ok_or(CUDA_ERROR_INVALID_HANDLE)
}

fn find_mipmap(driver: &Driver, mipmap: CUmipmappedArray) -> Outcome<Arc<Mipmap>> {
    driver.mipmaps.get(mipmap).ok_or(CUDA_ERROR_INVALID_HANDLE)
}

fn flat(array: CUarray) -> Outcome<Descriptor> {
    let descriptor = find(in_context()?.0, array)?.descriptor;
    if descriptor.Depth == 0 { Ok(descriptor) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

fn map(driver: &Driver, one: &CUarrayMapInfo) -> Outcome {
    // SAFETY: both members are pointers that are never followed, only looked up.
    let (array, mipmap) = unsafe { (one.resource.array, one.resource.mipmap) };
    let storage = match one.resourceType {
        CU_RESOURCE_TYPE_ARRAY => Arc::clone(&find(driver, array)?.storage),
        CU_RESOURCE_TYPE_MIPMAPPED_ARRAY => Arc::clone(&find_mipmap(driver, mipmap)?.storage),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    let device = 1u32.checked_shl(storage.context.device as u32).unwrap_or(0);
    if one.flags != 0 || one.deviceBitMask != device {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    match one.memOperationType {
        CU_MEM_OPERATION_TYPE_MAP if one.memHandleType == CU_MEM_HANDLE_TYPE_GENERIC => {
            // SAFETY: the only member.
            let handle = unsafe { one.memHandle.memHandle };
            let memory = driver.mapped.read().physical(handle)?;
            storage.map(driver, memory, one.offset)
        }
        CU_MEM_OPERATION_TYPE_UNMAP => storage.unmap(driver),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// Known of arrays that are mapped later, as the vendor documents.
fn needs(driver: &Driver, place: Out<CUDA_ARRAY_MEMORY_REQUIREMENTS>, storage: &Storage, device: CUdevice) -> Outcome {
    driver.device(device)?;
    if !storage.deferred {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    place.set(CUDA_ARRAY_MEMORY_REQUIREMENTS {
        size: storage.bytes as usize,
        alignment: ALIGNMENT as usize,
        ..Default::default()
    })
}
