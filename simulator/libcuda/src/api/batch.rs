//! Copies, prefetches and discards by the batch (CUDA 12.8 and 13).

use ffi_headers::cuda::*;

use super::managed::{check_location, check_range};
use super::memcpy::linear;
use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::driver;
use crate::stream::{NullStream, Stream};

driver_functions! {
    extern "C" fn cuMemcpyBatchAsync, extern "C" fn cuMemcpyBatchAsync_ptsz [null] (
        targets: Out<CUdeviceptr>,
        sources: Out<CUdeviceptr>,
        sizes: Out<usize>,
        count: usize,
        attributes: Out<CUmemcpyAttributes>,
        firsts: Out<usize>,
        attribute_count: usize,
        failed: Out<usize>,
        stream: CUstream,
    ) {
        let copies = Copies { targets, sources, sizes, count };
        copies.run(attributes, firsts, attribute_count, failed, stream, null)?;
    }

    extern "C" fn cuMemcpyBatchAsync_v2, extern "C" fn cuMemcpyBatchAsync_v2_ptsz [null] (
        targets: Out<CUdeviceptr>,
        sources: Out<CUdeviceptr>,
        sizes: Out<usize>,
        count: usize,
        attributes: Out<CUmemcpyAttributes>,
        firsts: Out<usize>,
        attribute_count: usize,
        stream: CUstream,
    ) {
        let copies = Copies { targets, sources, sizes, count };
        copies.run(attributes, firsts, attribute_count, Out::from_raw(std::ptr::null_mut()), stream, null)?;
    }

    extern "C" fn cuMemPrefetchBatchAsync, extern "C" fn cuMemPrefetchBatchAsync_ptsz [null] (
        addresses: Out<CUdeviceptr>,
        sizes: Out<usize>,
        count: usize,
        locations: Out<CUmemLocation>,
        firsts: Out<usize>,
        location_count: usize,
        flags: u64,
        stream: CUstream,
    ) {
        Stream::resolve(stream, null)?;
        check_locations(locations, firsts, location_count, count)?;
        check_ranges(addresses, sizes, count, flags)?;
    }

    /// Contents that are discarded may be anything afterwards: here they stay.
    extern "C" fn cuMemDiscardBatchAsync, extern "C" fn cuMemDiscardBatchAsync_ptsz [null] (addresses: Out<CUdeviceptr>, sizes: Out<usize>, count: usize, flags: u64, stream: CUstream) {
        Stream::resolve(stream, null)?;
        check_ranges(addresses, sizes, count, flags)?;
    }

    extern "C" fn cuMemDiscardAndPrefetchBatchAsync, extern "C" fn cuMemDiscardAndPrefetchBatchAsync_ptsz [null] (
        addresses: Out<CUdeviceptr>,
        sizes: Out<usize>,
        count: usize,
        locations: Out<CUmemLocation>,
        firsts: Out<usize>,
        location_count: usize,
        flags: u64,
        stream: CUstream,
    ) {
        Stream::resolve(stream, null)?;
        check_locations(locations, firsts, location_count, count)?;
        check_ranges(addresses, sizes, count, flags)?;
    }
}

/// The arrays of a batch of plain copies.
struct Copies {
    targets: Out<CUdeviceptr>,
    sources: Out<CUdeviceptr>,
    sizes: Out<usize>,
    count: usize,
}

impl Copies {
    /// Copies in order, up to the first that is no good; its number goes to `failed`, or the largest number where the mistake
    /// is not in one copy.
    fn run(
        &self,
        attributes: Out<CUmemcpyAttributes>,
        firsts: Out<usize>,
        attribute_count: usize,
        failed: Out<usize>,
        stream: CUstream,
        null: NullStream,
    ) -> Outcome {
        failed.set_if_wanted(usize::MAX);
        refuse_legacy(stream, null)?;
        check_firsts(firsts, attribute_count, self.count)?;
        for given in attributes.required()?.as_input().slice(attribute_count) {
            check_order(given.srcAccessOrder)?;
        }
        let targets = self.targets.required()?.as_input().slice(self.count);
        let sources = self.sources.required()?.as_input().slice(self.count);
        let sizes = self.sizes.required()?.as_input().slice(self.count);
        for (number, ((target, source), bytes)) in targets.into_iter().zip(sources).zip(sizes).enumerate() {
            let unified = CU_MEMORYTYPE_UNIFIED;
            let copied = if bytes == 0 {
                Err(CUDA_ERROR_INVALID_VALUE)
            } else {
                linear((unified, target), (unified, source), bytes, stream, null, false)
            };
            copied.inspect_err(|_| failed.set_if_wanted(number))?;
        }
        Ok(())
    }
}

/// Batches of copies do not run on the legacy default stream.
fn refuse_legacy(stream: CUstream, null: NullStream) -> Outcome {
    const LEGACY: usize = 1;
    driver()?;
    match (stream as usize, null) {
        (0, NullStream::Legacy) | (LEGACY, _) => Err(CUDA_ERROR_INVALID_VALUE),
        _ => Ok(()),
    }
}

fn check_order(order: CUmemcpySrcAccessOrder) -> Outcome {
    if (CU_MEMCPY_SRC_ACCESS_ORDER_STREAM..=CU_MEMCPY_SRC_ACCESS_ORDER_ANY).contains(&order) {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

/// `firsts` says from which operation on each of `given` descriptions holds: from 0 on, ascending, within `count`.
fn check_firsts(firsts: Out<usize>, given: usize, count: usize) -> Outcome {
    if count == 0 || given == 0 || given > count {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let firsts = firsts.required()?.as_input().slice(given);
    let ascending = firsts.is_sorted_by(|a, b| a < b);
    if firsts[0] == 0 && ascending && firsts[given - 1] < count { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

fn check_locations(locations: Out<CUmemLocation>, firsts: Out<usize>, given: usize, count: usize) -> Outcome {
    check_firsts(firsts, given, count)?;
    let driver = driver()?;
    locations.required()?.as_input().slice(given).iter().try_for_each(|location| check_location(driver, location))
}

fn check_ranges(addresses: Out<CUdeviceptr>, sizes: Out<usize>, count: usize, flags: u64) -> Outcome {
    if count == 0 || flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let addresses = addresses.required()?.as_input().slice(count);
    let sizes = sizes.required()?.as_input().slice(count);
    addresses.into_iter().zip(sizes).try_for_each(|(address, bytes)| check_range(address, bytes))
}
