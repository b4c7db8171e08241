//! Managed memory once it is allocated: advice, prefetches and what is known of a range.
//!
//! Where its pages lie is settled when they are allocated, so advice and prefetches are checked and move nothing.

use std::ffi::c_void;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{Driver, in_context};
use crate::graph::capture;
use crate::memory::Source;
use crate::stream::Stream;

driver_functions! {
    extern "C" fn cuMemAdvise(address: CUdeviceptr, bytes: usize, advice: CUmem_advise, device: CUdevice) {
        check_range(address, bytes)?;
        if names_a_place(advice)? {
            check_device(in_context()?.0, device)?;
        }
    }

    extern "C" fn cuMemAdvise_v2(address: CUdeviceptr, bytes: usize, advice: CUmem_advise, location: CUmemLocation) {
        check_range(address, bytes)?;
        if names_a_place(advice)? {
            check_location(in_context()?.0, &location)?;
        }
    }

    extern "C" fn cuMemPrefetchAsync, extern "C" fn cuMemPrefetchAsync_ptsz [null] (address: CUdeviceptr, bytes: usize, device: CUdevice, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        check_range(address, bytes)?;
        check_device(driver, device)?;
    }

    extern "C" fn cuMemPrefetchAsync_v2, extern "C" fn cuMemPrefetchAsync_v2_ptsz [null] (address: CUdeviceptr, bytes: usize, location: CUmemLocation, flags: u32, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        check_range(address, bytes)?;
        check_location(driver, &location)?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
    }

    extern "C" fn cuMemRangeGetAttribute(data: Out<c_void>, size: usize, attribute: CUmem_range_attribute, address: CUdeviceptr, bytes: usize) {
        check_range(address, bytes)?;
        write_attribute(data, size, attribute)?;
    }

    /// Everything is checked before anything is written.
    extern "C" fn cuMemRangeGetAttributes(data: Out<*mut c_void>, sizes: Out<usize>, attributes: Out<CUmem_range_attribute>, count: usize, address: CUdeviceptr, bytes: usize) {
        check_range(address, bytes)?;
        if count == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let places = data.required()?.as_input().slice(count);
        let sizes = sizes.required()?.as_input().slice(count);
        let attributes = attributes.required()?.as_input().slice(count);
        for ((place, size), attribute) in places.iter().zip(&sizes).zip(&attributes) {
            nothing_set(*attribute, *size)?;
            Out::from_raw(*place).required()?;
        }
        for ((place, size), attribute) in places.into_iter().zip(sizes).zip(attributes) {
            write_attribute(Out::from_raw(place), size, attribute)?;
        }
    }
}

/// Refuses what is not within one managed allocation.
pub(super) fn check_range(address: CUdeviceptr, bytes: usize) -> Outcome {
    let (driver, _) = in_context()?;
    let found = driver.device_at(address).and_then(|device| device.space_at(address).find(address));
    let fits = |found: crate::memory::Allocation| {
        matches!(found.source, Source::Managed(_)) && bytes > 0 && bytes as u64 <= found.bytes - (address - found.base)
    };
    if found.is_some_and(fits) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// Whether the advice is about a place; the place is ignored otherwise.
fn names_a_place(advice: CUmem_advise) -> Outcome<bool> {
    match advice {
        CU_MEM_ADVISE_SET_PREFERRED_LOCATION | CU_MEM_ADVISE_SET_ACCESSED_BY | CU_MEM_ADVISE_UNSET_ACCESSED_BY => {
            Ok(true)
        }
        CU_MEM_ADVISE_SET_READ_MOSTLY | CU_MEM_ADVISE_UNSET_READ_MOSTLY | CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION => {
            Ok(false)
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn check_device(driver: &Driver, device: CUdevice) -> Outcome {
    if device == CU_DEVICE_CPU { Ok(()) } else { driver.device(device).map(drop) }
}

/// The host is one NUMA node, number 0.
pub(super) fn check_location(driver: &Driver, location: &CUmemLocation) -> Outcome {
    match location.type_ {
        CU_MEM_LOCATION_TYPE_DEVICE => driver.device(location.id).map(drop),
        CU_MEM_LOCATION_TYPE_HOST | CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT => Ok(()),
        CU_MEM_LOCATION_TYPE_HOST_NUMA if location.id == 0 => Ok(()),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn write_attribute(data: Out<c_void>, size: usize, attribute: CUmem_range_attribute) -> Outcome {
    let value = nothing_set(attribute, size)?;
    data.required()?.of::<i32>().set_slice(std::iter::repeat_n(value, size / size_of::<i32>()));
    Ok(())
}

/// The answer where nothing was set or prefetched, for a place of `size` bytes: only "accessed by" is a list.
fn nothing_set(attribute: CUmem_range_attribute, size: usize) -> Outcome<i32> {
    let one = size == size_of::<i32>();
    let list = size > 0 && size.is_multiple_of(size_of::<i32>());
    match attribute {
        CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY if one => Ok(0),
        CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE | CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE if one => {
            Ok(CU_MEM_LOCATION_TYPE_INVALID as i32)
        }
        CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION
        | CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID
        | CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION
        | CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID
            if one =>
        {
            Ok(CU_DEVICE_INVALID)
        }
        CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY if list => Ok(CU_DEVICE_INVALID),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
