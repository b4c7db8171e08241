//! Contexts that a program makes, and the stack of current ones.

use std::sync::atomic::Ordering;

use ffi_headers::cuda::*;

use crate::abi::{Out, Outcome, driver_functions};
use crate::context::{self, Context};
use crate::driver::{Driver, driver, in_context};
use crate::stream::synchronise_context;

/// Greatest and least stream priority, as the modelled devices have them.
pub const PRIORITIES: (i32, i32) = (-5, 0);
/// API version of contexts made by the first form of cuCtxCreate, and by all later ones.
const API_VERSIONS: (u32, u32) = (3010, 3020);

/// Ends a context that the program made; a primary or a green one does not end so.
fn destroy(context: &'static Context) -> Outcome {
    if context.primary || context.is_green() {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let driver = driver()?;
    driver.contexts.lock().retain(|other| !std::ptr::eq(*other, context));
    driver.end(context);
    context::pop_if_top(context);
    Ok(())
}

driver_functions! {
    extern "C" fn cuCtxCreate(context: Out<CUcontext>, flags: u32, device: CUdevice) {
        create(context, flags, device, API_VERSIONS.0)?;
    }

    extern "C" fn cuCtxCreate_v2(context: Out<CUcontext>, flags: u32, device: CUdevice) {
        create(context, flags, device, API_VERSIONS.1)?;
    }

    extern "C" fn cuCtxCreate_v3(context: Out<CUcontext>, _affinity: Out<CUexecAffinityParam>, count: i32, flags: u32, device: CUdevice) {
        if count != 0 {
            driver()?;
            return Err(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
        }
        create(context, flags, device, API_VERSIONS.1)?;
    }

    /// Without parameters as the second form. Contexts that share a device with a graphics client are not modelled.
    extern "C" fn cuCtxCreate_v4(context: Out<CUcontext>, parameters: Out<CUctxCreateParams>, flags: u32, device: CUdevice) {
        if let Some(given) = parameters.as_input().get_optional() {
            driver()?;
            match (given.numExecAffinityParams, given.cigParams.is_null()) {
                (0, true) => {}
                (0, false) => return Err(CUDA_ERROR_NOT_SUPPORTED),
                (_, true) => return Err(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY),
                (_, false) => return Err(CUDA_ERROR_INVALID_VALUE),
            }
        }
        create(context, flags, device, API_VERSIONS.1)?;
    }

    extern "C" fn cuCtxDestroy, extern "C" fn cuCtxDestroy_v2 (context: CUcontext) {
        destroy(driver()?.context(context)?)?;
    }

    extern "C" fn cuCtxAttach(context: Out<CUcontext>, flags: u32) {
        let (_, current) = in_context()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        context.set(current.handle())?;
        current.attach();
    }

    extern "C" fn cuCtxDetach(context: CUcontext) {
        let found = driver()?.context(context)?;
        if !context::top().is_some_and(|top| std::ptr::eq(top, found)) {
            return Err(CUDA_ERROR_INVALID_CONTEXT);
        }
        if !found.detach() {
            destroy(found)?;
        }
    }

    extern "C" fn cuCtxPushCurrent, extern "C" fn cuCtxPushCurrent_v2 (context: CUcontext) {
        let found = driver()?.context(context)?;
        if !found.is_live() {
            return Err(CUDA_ERROR_CONTEXT_IS_DESTROYED);
        }
        context::push(found);
    }

    extern "C" fn cuCtxPopCurrent, extern "C" fn cuCtxPopCurrent_v2 (context: Out<CUcontext>) {
        driver()?;
        let popped = context::pop()?;
        context.set_if_wanted(popped.handle());
    }

    extern "C" fn cuCtxSetCurrent(context: CUcontext) {
        let driver = driver()?;
        if context.is_null() {
            context::set(None);
        } else {
            let found = driver.context(context)?;
            if !found.is_live() {
                return Err(CUDA_ERROR_CONTEXT_IS_DESTROYED);
            }
            context::set(Some(found));
        }
    }

    extern "C" fn cuCtxGetCurrent(context: Out<CUcontext>) {
        driver()?;
        context.set(context::top().map_or(std::ptr::null_mut(), Context::handle))?;
    }

    extern "C" fn cuCtxGetDevice(device: Out<CUdevice>) {
        let (_, context) = in_context()?;
        device.set(context.device as CUdevice)?;
    }

    extern "C" fn cuCtxGetDevice_v2(device: Out<CUdevice>, context: CUcontext) {
        device.set(live(context)?.1.device as CUdevice)?;
    }

    extern "C" fn cuCtxSynchronize() {
        let (driver, context) = in_context()?;
        crate::graph::capture::context_waits(driver, context)?;
        synchronise_context(driver, context)?;
    }

    extern "C" fn cuCtxSynchronize_v2(context: CUcontext) {
        let (driver, context) = live(context)?;
        crate::graph::capture::context_waits(driver, context)?;
        synchronise_context(driver, context)?;
    }

    extern "C" fn cuCtxGetFlags(flags: Out<u32>) {
        let (_, context) = in_context()?;
        // Relaxed: a lone word.
        flags.set(context.flags.load(Ordering::Relaxed))?;
    }

    extern "C" fn cuCtxSetFlags(flags: u32) {
        let (_, context) = in_context()?;
        check_flags(flags)?;
        // Relaxed: a lone word.
        context.flags.store(flags, Ordering::Relaxed);
    }

    extern "C" fn cuCtxGetId(context: CUcontext, id: Out<u64>) {
        let found = if context.is_null() { in_context()?.1 } else { driver()?.context(context)? };
        id.set(u64::from(found.number()))?;
    }

    extern "C" fn cuCtxGetApiVersion(context: CUcontext, version: Out<u32>) {
        let found = if context.is_null() { in_context()?.1 } else { driver()?.context(context)? };
        version.set(found.api_version)?;
    }

    extern "C" fn cuCtxGetLimit(value: Out<usize>, limit: CUlimit) {
        let (_, context) = in_context()?;
        value.set(context.settings.lock().limit(limit)?)?;
    }

    extern "C" fn cuCtxSetLimit(limit: CUlimit, value: usize) {
        let (driver, context) = in_context()?;
        driver.set_limit(context, limit, value)?;
    }

    extern "C" fn cuCtxGetCacheConfig(config: Out<CUfunc_cache>) {
        let (_, context) = in_context()?;
        config.set(context.settings.lock().cache_config)?;
    }

    extern "C" fn cuCtxSetCacheConfig(config: CUfunc_cache) {
        let (_, context) = in_context()?;
        check_cache_config(config)?;
        context.settings.lock().cache_config = config;
    }

    extern "C" fn cuCtxGetSharedMemConfig(config: Out<CUsharedconfig>) {
        let (_, context) = in_context()?;
        config.set(context.settings.lock().shared_config)?;
    }

    extern "C" fn cuCtxSetSharedMemConfig(config: CUsharedconfig) {
        let (_, context) = in_context()?;
        if config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        context.settings.lock().shared_config = config;
    }

    extern "C" fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        in_context()?;
        least.set_if_wanted(PRIORITIES.1);
        greatest.set_if_wanted(PRIORITIES.0);
    }

    extern "C" fn cuCtxResetPersistingL2Cache() {
        in_context()?;
    }

    extern "C" fn cuCtxGetExecAffinity(_affinity: Out<CUexecAffinityParam>, _kind: CUexecAffinityType) {
        in_context()?;
        Err::<(), _>(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY)?;
    }
}

fn create(place: Out<CUcontext>, flags: u32, device: CUdevice, api_version: u32) -> Outcome {
    let driver = driver()?;
    let device = driver.device(device)?;
    let place = place.required()?;
    check_flags(flags)?;
    let context = Context::new(driver.fresh_id()?, device.index, false, flags, api_version);
    driver.start(context)?;
    driver.contexts.lock().push(context);
    context::push(context);
    place.set(context.handle())
}

/// The live context behind a handle; null stands for the current one.
pub fn live(context: CUcontext) -> Outcome<(&'static Driver, &'static Context)> {
    if context.is_null() {
        return in_context();
    }
    let driver = driver()?;
    let found = driver.context(context)?;
    if found.is_live() { Ok((driver, found)) } else { Err(CUDA_ERROR_CONTEXT_IS_DESTROYED) }
}

/// At most one scheduling policy, and no unknown bit.
pub fn check_flags(flags: u32) -> Outcome {
    let scheduling = flags & CU_CTX_SCHED_MASK;
    let known = scheduling == 0 || scheduling.is_power_of_two();
    if known && flags & !CU_CTX_FLAGS_MASK == 0 { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

pub fn check_cache_config(config: CUfunc_cache) -> Outcome {
    if config <= CU_FUNC_CACHE_PREFER_EQUAL { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
