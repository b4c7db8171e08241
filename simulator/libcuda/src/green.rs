//! Green contexts: a part of a device's multiprocessors, in the memory of the primary context.

use std::sync::Arc;

use ffi_headers::cuda::*;

use crate::abi::Outcome;
use crate::context::{self, Context};
use crate::driver::Driver;
use crate::graph::capture::context_waits;
use crate::handles::Handles;
use crate::stream::Point;

/// The handles of this module.
#[derive(Default)]
pub struct Registry {
    pub contexts: Handles<GreenContext>,
    pub parts: Handles<Part>,
}

/// Multiprocessors of a device, described for a green context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Ordinal of the device.
    pub device: usize,
    pub multiprocessors: u32,
}

/// A green context. It holds a reference of the primary context.
pub struct GreenContext {
    pub context: &'static Context,
    pub part: Part,
}

/// Smallest group of multiprocessors, and what its size is a multiple of, as the vendor's manual has it by major compute
/// capability.
pub fn granularity(major: u32) -> (u32, u32) {
    match major {
        ..=6 => (1, 1),
        7 => (2, 2),
        8 => (4, 2),
        _ => (8, 8),
    }
}

impl GreenContext {
    /// Makes a context of its own on the memory of the primary one, which is made if there is none.
    pub fn create(driver: &Driver, part: Part) -> Outcome<Arc<Self>> {
        let primary = driver.retain_primary(&driver.devices[part.device])?;
        let number = driver.fresh_id().inspect_err(|_| {
            // Retained above, so there is something to release.
            let _ = driver.release_primary(&driver.devices[part.device]);
        })?;
        let context = Context::green(primary, number);
        context.start(driver, driver.channel()?.context(driver.devices[part.device].physical))?;
        driver.contexts.lock().push(context);
        let made = Arc::new(Self { context, part });
        let _: CUgreenCtx = driver.green.contexts.insert(Arc::clone(&made));
        Ok(made)
    }

    /// Ends the work and the streams, and lets go of the primary context.
    pub fn destroy(self: &Arc<Self>, driver: &Driver) -> Outcome {
        driver.green.contexts.remove(Arc::as_ptr(self).cast_mut());
        let context = self.context;
        context.stop(driver);
        driver.contexts.lock().retain(|other| !std::ptr::eq(*other, context));
        for stream in driver.streams.select(|stream| std::ptr::eq(stream.context, context)) {
            crate::graph::capture::forget_stream(driver, &stream);
        }
        driver.streams.retain(|stream| !std::ptr::eq(stream.context, context));
        context::pop_if_top(context);
        driver.release_primary(&driver.devices[self.part.device])
    }
}

/// Records everything that is queued in a context now.
pub fn record(driver: &Driver, context: &Context, event: CUevent) -> Outcome {
    context_waits(driver, context)?;
    let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if event.context.id != context.id {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    event.record(driver, Point::of_context(driver, context)?)
}

/// Lets everything that is queued later in a context start only after the event.
pub fn wait(driver: &Driver, context: &Context, event: CUevent) -> Outcome {
    context_waits(driver, context)?;
    let event = driver.events.get(event).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let recorded = event.recorded(driver);
    if recorded.is_open() {
        context.wait_for(&recorded);
    }
    Ok(())
}

/// The part of its device that a context runs on: all of it unless it is a green one.
pub fn part_of(driver: &Driver, context: &Context) -> Part {
    let found = driver.green.contexts.select(|green| std::ptr::eq(green.context, context)).pop();
    let device = context.device;
    found.map_or(Part { device, multiprocessors: driver.devices[device].info.sm_count }, |green| green.part)
}
