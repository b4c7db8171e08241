//! Pools between processes: a pool is handed over once, then each of its allocations by 64 bytes.

use std::ffi::c_void;
use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::protocol::Contents;

use super::pool::find;
use super::virtual_memory::{hand_out, no_flags, take_in};
use crate::abi::{Out, driver_functions};
use crate::driver::driver;
use crate::memory::{Kind, PoolHandle, Role, Source, share_code};
use crate::token::Token;

driver_functions! {
    extern "C" fn cuMemPoolExportToShareableHandle(place: Out<c_void>, pool: CUmemoryPool, kind: CUmemAllocationHandleType, flags: u64) {
        let driver = driver()?;
        let place = place.required()?;
        no_flags(flags)?;
        let pool = find(driver, pool)?;
        if !kind.is_power_of_two() || pool.handle_types & kind == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        hand_out(driver, pool.share(driver)?, kind, place)?;
    }

    extern "C" fn cuMemPoolImportFromShareableHandle(pool: Out<CUmemoryPool>, given: *mut c_void, kind: CUmemAllocationHandleType, flags: u64) {
        let driver = driver()?;
        let place = pool.required()?;
        no_flags(flags)?;
        let opened = take_in(driver, given, kind)?;
        let device = match opened.note[..] {
            [kind, physical] if kind == Kind::Pool as u64 => driver.ordinal_of(physical as usize),
            _ => None,
        };
        let Some(device) = device else {
            driver.simulation.let_go(opened.key.object);
            return Err(CUDA_ERROR_INVALID_VALUE);
        };
        let made = PoolHandle::imported(device, driver.fresh_id()?, opened.key);
        driver.devices[device].space().add_pool(made.id, 0);
        place.set(driver.pools.insert(Arc::new(made)))?;
    }

    extern "C" fn cuMemPoolExportPointer(data: Out<CUmemPoolPtrExportData>, address: CUdeviceptr) {
        let driver = driver()?;
        let place = data.required()?;
        let device = driver.device_at(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let source = device.space().find(address).map(|found| found.source);
        let Some(Source::Pool(id)) = source else { return Err(CUDA_ERROR_INVALID_VALUE) };
        let pool = driver.pools.select(|pool| pool.id == id).pop().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if pool.handle_types == CU_MEM_HANDLE_TYPE_NONE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let whole = pool.share(driver)?;
        let of_pool = |source| source == Source::Pool(id);
        let shared = device.space().share(address, &[Kind::PoolPart as u64], of_pool).map_err(share_code)?;
        let shared = shared.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let bytes = Token { key: shared.key, place: [shared.offset, shared.bytes, whole.object] }.bytes();
        place.set(CUmemPoolPtrExportData { reserved: bytes })?;
    }

    extern "C" fn cuMemPoolImportPointer(place: Out<CUdeviceptr>, pool: CUmemoryPool, data: Out<CUmemPoolPtrExportData>) {
        let driver = driver()?;
        let place = place.required()?;
        let pool = find(driver, pool)?;
        let token = Token::read(data.get()?.reserved).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let [offset, bytes, whole] = token.place;
        if !pool.is_imported() || pool.share(driver)?.object != whole {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let mut mapped = driver.mapped.write();
        let opened = driver.simulation.open_shared(token.key).map_err(|error| match share_code(error) {
            CUDA_ERROR_INVALID_HANDLE => CUDA_ERROR_INVALID_VALUE,
            code => code,
        })?;
        let is_part = opened.note.first() == Some(&(Kind::PoolPart as u64));
        if !is_part || opened.own || !matches!(opened.contents, Contents::Memory { device: Some(_), .. }) {
            driver.simulation.let_go(token.key.object);
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.set(mapped.open(opened, (offset, bytes, 0), Role::PoolPart(pool.id), pool.device)?)?;
    }
}
