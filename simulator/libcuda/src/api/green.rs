//! Green contexts, and the parts of a device that they are made for.

use std::sync::Arc;

use ffi_headers::cuda::*;

use super::context::live;
use super::stream::create_in;
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver, in_context};
use crate::green::{self, GreenContext, Part, granularity, part_of};
use crate::stream::Stream;

/// What a split leaves of the driver's own bytes in a resource: that it cannot be split again.
const SPLIT: u8 = 1;
const SPLIT_FLAGS: u32 =
    CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING | CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE;
/// CUdevSmResourceSplit_flags of the vendor's header.
const CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING: u32 = 1;
const CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE: u32 = 2;

driver_functions! {
    extern "C" fn cuDeviceGetDevResource(device: CUdevice, resource: Out<CUdevResource>, kind: CUdevResourceType) {
        let device = driver()?.device(device)?;
        let part = Part { device: device.index, multiprocessors: device.info.sm_count };
        resource.set(checked(part, kind)?)?;
    }

    extern "C" fn cuCtxGetDevResource(context: CUcontext, resource: Out<CUdevResource>, kind: CUdevResourceType) {
        let driver = driver()?;
        let context = if context.is_null() { in_context()?.1 } else { driver.context(context)? };
        resource.set(checked(part_of(driver, context), kind)?)?;
    }

    extern "C" fn cuGreenCtxGetDevResource(context: CUgreenCtx, resource: Out<CUdevResource>, kind: CUdevResourceType) {
        resource.set(checked(find(driver()?, context)?.part, kind)?)?;
    }

    /// Groups of one size. Without a place for them, only counts how many there can be.
    extern "C" fn cuDevSmResourceSplitByCount(groups: Out<CUdevResource>, count: Out<u32>, input: In<CUdevResource>, remainder: Out<CUdevResource>, flags: u32, least: u32) {
        let driver = driver()?;
        let input = input.get()?;
        let part = part(driver, &input)?;
        if flags & !SPLIT_FLAGS != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if input._internal_padding[1] == SPLIT {
            return Err(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
        }
        let (smallest, step) = match flags & CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING {
            0 => granularity(driver.devices[part.device].info.compute_capability.0),
            _ => (2, 2),
        };
        let size = least.max(smallest).checked_next_multiple_of(step).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let possible = part.multiprocessors / size;
        if groups.is_null() {
            return count.set(possible);
        }
        let made = count.get()?.min(possible);
        if made == 0 {
            return Err(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
        }
        let group = resource(Part { multiprocessors: size, ..part }, SPLIT);
        groups.set_slice(std::iter::repeat_n(group, made as usize));
        count.set(made)?;
        let left = part.multiprocessors - made * size;
        remainder.set_if_wanted(match left {
            0 => CUdevResource { type_: CU_DEV_RESOURCE_TYPE_INVALID, ..Default::default() },
            _ => resource(Part { multiprocessors: left, ..part }, SPLIT),
        });
    }

    /// The parts must be of one device.
    extern "C" fn cuDevResourceGenerateDesc(descriptor: Out<CUdevResourceDesc>, resources: Out<CUdevResource>, count: u32) {
        let driver = driver()?;
        let place = descriptor.required()?;
        let given = resources.required()?.as_input().slice(count as usize);
        let parts = given.iter().map(|resource| part(driver, resource)).collect::<Outcome<Vec<_>>>()?;
        let first = parts.first().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if parts.iter().any(|part| part.device != first.device) {
            return Err(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
        }
        let sum = parts.iter().fold(0u32, |sum, part| sum.saturating_add(part.multiprocessors));
        if sum > driver.devices[first.device].info.sm_count {
            return Err(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
        }
        let whole = Part { device: first.device, multiprocessors: sum };
        place.set(driver.green.parts.insert(Arc::new(whole)))?;
    }

    extern "C" fn cuGreenCtxCreate(context: Out<CUgreenCtx>, descriptor: CUdevResourceDesc, device: CUdevice, flags: u32) {
        let driver = driver()?;
        let place = context.required()?;
        let part = *driver.green.parts.get(descriptor).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if flags != CU_GREEN_CTX_DEFAULT_STREAM || driver.device(device)?.index != part.device {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.set(handle(&GreenContext::create(driver, part)?))?;
    }

    extern "C" fn cuGreenCtxDestroy(context: CUgreenCtx) {
        let driver = driver()?;
        find(driver, context)?.destroy(driver)?;
    }

    extern "C" fn cuCtxFromGreenCtx(context: Out<CUcontext>, green: CUgreenCtx) {
        context.set(find(driver()?, green)?.context.handle())?;
    }

    extern "C" fn cuGreenCtxGetId(green: CUgreenCtx, id: Out<u64>) {
        id.set(find(driver()?, green)?.context.number().into())?;
    }

    extern "C" fn cuGreenCtxRecordEvent(context: CUgreenCtx, event: CUevent) {
        let driver = driver()?;
        green::record(driver, find(driver, context)?.context, event)?;
    }

    extern "C" fn cuGreenCtxWaitEvent(context: CUgreenCtx, event: CUevent) {
        let driver = driver()?;
        green::wait(driver, find(driver, context)?.context, event)?;
    }

    extern "C" fn cuCtxRecordEvent(context: CUcontext, event: CUevent) {
        let (driver, context) = live(context)?;
        green::record(driver, context, event)?;
    }

    extern "C" fn cuCtxWaitEvent(context: CUcontext, event: CUevent) {
        let (driver, context) = live(context)?;
        green::wait(driver, context, event)?;
    }

    /// Streams of a green context never wait for a default stream.
    extern "C" fn cuGreenCtxStreamCreate(stream: Out<CUstream>, green: CUgreenCtx, flags: u32, priority: i32) {
        let driver = driver()?;
        let green = find(driver, green)?;
        if flags != CU_STREAM_NON_BLOCKING {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        create_in(driver, green.context, stream, flags, priority)?;
    }

    extern "C" fn cuStreamGetGreenCtx(stream: CUstream, green: Out<CUgreenCtx>) {
        let (driver, stream) = Stream::resolve(stream, crate::stream::NullStream::Legacy)?;
        let found = driver.green.contexts.select(|green| std::ptr::eq(green.context, stream.context)).pop();
        green.set(found.as_ref().map_or(std::ptr::null_mut(), handle))?;
    }
}

fn find(driver: &Driver, context: CUgreenCtx) -> Outcome<Arc<GreenContext>> {
    let found = driver.green.contexts.get(context).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
    // The primary context may have been reset.
    if found.context.is_live() { Ok(found) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
}

fn handle(context: &Arc<GreenContext>) -> CUgreenCtx {
    Arc::as_ptr(context).cast_mut().cast()
}

fn checked(part: Part, kind: CUdevResourceType) -> Outcome<CUdevResource> {
    match kind {
        CU_DEV_RESOURCE_TYPE_SM => Ok(resource(part, 0)),
        _ => Err(CUDA_ERROR_INVALID_RESOURCE_TYPE),
    }
}

/// A part as the API shows it. The driver's own bytes hold the device's ordinal and one, and what was done with it.
fn resource(part: Part, done: u8) -> CUdevResource {
    let mut shown = CUdevResource { type_: CU_DEV_RESOURCE_TYPE_SM, ..Default::default() };
    shown._internal_padding[0] = part.device as u8 + 1;
    shown._internal_padding[1] = done;
    shown.__bindgen_anon_1.sm = CUdevSmResource { smCount: part.multiprocessors, ..Default::default() };
    shown
}

fn part(driver: &Driver, resource: &CUdevResource) -> Outcome<Part> {
    if resource.type_ != CU_DEV_RESOURCE_TYPE_SM {
        return Err(CUDA_ERROR_INVALID_RESOURCE_TYPE);
    }
    let device = usize::from(resource._internal_padding[0]).checked_sub(1).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    // SAFETY: every member of the union is numbers only.
    let multiprocessors = unsafe { resource.__bindgen_anon_1.sm }.smCount;
    let device = driver.devices.get(device).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if multiprocessors == 0 || multiprocessors > device.info.sm_count {
        return Err(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
    }
    Ok(Part { device: device.index, multiprocessors })
}
