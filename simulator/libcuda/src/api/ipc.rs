//! Sharing between processes: memory of cuMemAlloc, and events.

use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::protocol::{Contents, Key};

use crate::abi::{Out, Outcome, driver_functions};
use crate::driver::{Driver, driver, in_context};
use crate::event::{Event, SharedTime};
use crate::memory::{Kind, Role, Source, share_code};
use crate::token::Token;

driver_functions! {
    extern "C" fn cuIpcGetMemHandle(handle: Out<CUipcMemHandle>, address: CUdeviceptr) {
        let driver = driver()?;
        let place = handle.required()?;
        let device = driver.device_at(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let linear = |source| matches!(source, Source::Device(_));
        let shared = device.space_at(address).share(address, &[Kind::Linear as u64], linear).map_err(share_code)?;
        let shared = shared.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        // Small allocations share the block in which they lie, as the vendor documents.
        let visible = if shared.alone { shared.bytes } else { 0 };
        let bytes = Token { key: shared.key, place: [shared.offset, visible, 0] }.bytes();
        place.set(CUipcMemHandle { reserved: bytes.map(|byte| byte as _) })?;
    }

    extern "C" fn cuIpcOpenMemHandle_v2, extern "C" fn cuIpcOpenMemHandle (place: Out<CUdeviceptr>, handle: CUipcMemHandle, flags: u32) {
        let (driver, context) = in_context()?;
        let place = place.required()?;
        if flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let token = Token::read(handle.reserved.map(|byte| byte as u8)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let mut mapped = driver.mapped.write();
        let opened = driver.simulation.open_shared(token.key).map_err(share_code)?;
        let [offset, visible, _] = token.place;
        let Contents::Memory { device: Some(physical), bytes, .. } = opened.contents else {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_HANDLE);
        };
        if opened.note.first() != Some(&(Kind::Linear as u64)) {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_HANDLE);
        }
        if opened.own {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_CONTEXT);
        }
        let Some(ordinal) = driver.ordinal_of(physical) else {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_DEVICE);
        };
        let part = (0, if visible == 0 { bytes } else { visible }, offset);
        place.set(mapped.open(opened, part, Role::Ipc(context.id), ordinal)?)?;
    }

    extern "C" fn cuIpcCloseMemHandle(address: CUdeviceptr) {
        let (driver, context) = in_context()?;
        // Work that is under way may use the memory.
        crate::stream::wait_if_busy(driver, context)?;
        if !driver.mapped.write().close(address) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
    }

    extern "C" fn cuIpcGetEventHandle(handle: Out<CUipcEventHandle>, event: CUevent) {
        let driver = driver()?;
        let place = handle.required()?;
        let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        if event.flags & CU_EVENT_INTERPROCESS == 0 {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        }
        let key = event.share(driver)?;
        let bytes = Token { key, place: [0; 3] }.bytes();
        place.set(CUipcEventHandle { reserved: bytes.map(|byte| byte as _) })?;
    }

    extern "C" fn cuIpcOpenEventHandle(place: Out<CUevent>, handle: CUipcEventHandle) {
        let (driver, context) = in_context()?;
        let place = place.required()?;
        let token = Token::read(handle.reserved.map(|byte| byte as u8)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let opened = driver.simulation.open_shared(token.key).map_err(share_code)?;
        let Contents::Cell { number } = opened.contents else {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_HANDLE);
        };
        if opened.note.first() != Some(&(Kind::Event as u64)) {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_HANDLE);
        }
        if opened.own {
            return refuse(driver, token.key, CUDA_ERROR_INVALID_CONTEXT);
        }
        let time = SharedTime { key: opened.key, number };
        let event = Event::opened(context, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING, time);
        place.set(driver.events.insert(Arc::new(event)))?;
    }
}

/// Gives back what was opened in vain.
fn refuse<T>(driver: &Driver, key: Key, code: CUresult) -> Outcome<T> {
    driver.simulation.let_go(key.object);
    Err(code)
}
