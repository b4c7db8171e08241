//! Running an executable graph on a stream.

use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::client::monotonic_ns;

use super::exec::State;
use super::{Action, Exec, Opaque};
use crate::abi::Outcome;
use crate::driver::{Driver, memory_code};
use crate::fill::Fill;
use crate::launch::{Launch, Shape};
use crate::memory::Holder;
use crate::stream::{Event, Stream};
use crate::transfer::Transfer;

/// A step that was checked, and what it needs.
enum Ready {
    Nothing,
    Kernel(Launch),
    Copy(Transfer),
    Fill(Fill),
    Host(Opaque<CUDA_HOST_NODE_PARAMS>),
    Record(Arc<Event>),
    Wait(Arc<Event>),
    Free(CUdeviceptr),
}

impl Exec {
    /// Takes the memory that a launch needs, as cuGraphUpload does ahead of it.
    pub fn upload(self: &Arc<Self>, driver: &Driver) -> Outcome {
        hold(driver, &self.state.lock(), self.holder())
    }

    /// Runs every step in order, once. All steps are checked first; a launch that is refused does nothing.
    ///
    /// Work takes its time on the device of the stream; branches that the edges leave open run side by side.
    pub fn launch(self: &Arc<Self>, driver: &Driver, stream: &Arc<Stream>) -> Outcome {
        let mut state = self.state.lock();
        let frees = self.flags & u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) != 0;
        for (device, address) in allocations(&state) {
            let mut space = driver.devices[device].space();
            if space.is_live_graph_allocation(address) && !(frees && space.end_graph_allocation(address)) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
        hold(driver, &state, self.holder())?;
        for (device, address) in allocations(&state) {
            driver.devices[device].space().start_graph_allocation(self.holder(), address);
        }
        let ready = state.steps.iter().map(|step| {
            let off = !step.enabled;
            if off { Ok(Ready::Nothing) } else { prepare(driver, &step.action, stream) }
        });
        match ready.collect::<Outcome<Vec<_>>>() {
            Ok(ready) => {
                run(driver, &state, ready, stream)?;
                state.last = stream.point();
                Ok(())
            }
            Err(error) => {
                for (device, address) in allocations(&state) {
                    driver.devices[device].space().end_graph_allocation(address);
                }
                Err(error)
            }
        }
    }
}

/// Device ordinal and address of each allocation node.
fn allocations(state: &State) -> impl Iterator<Item = (usize, CUdeviceptr)> {
    state.steps.iter().filter_map(|step| match &step.action {
        Action::Allocate(allocation) => Some((allocation.device, allocation.address)),
        _ => None,
    })
}

fn hold(driver: &Driver, state: &State, holder: Holder) -> Outcome {
    for (&device, &pages) in &state.footprints {
        driver.devices[device].space().hold_for_graph(holder, pages).map_err(memory_code)?;
    }
    Ok(())
}

fn prepare(driver: &Driver, action: &Action, stream: &Stream) -> Outcome<Ready> {
    let event = |event: &Opaque<CUevent>| driver.events.get(event.0).ok_or(CUDA_ERROR_INVALID_HANDLE);
    Ok(match action {
        // Allocations have started already.
        Action::Empty | Action::Child(_) | Action::Allocate(_) => Ready::Nothing,
        Action::Kernel(parameters) => {
            let (function, shape) = kernel(&parameters.0);
            Ready::Kernel(Launch::of(driver, function, &shape, stream.context)?)
        }
        Action::Copy(copy) => Transfer::of(driver, &copy.0)?.map_or(Ready::Nothing, Ready::Copy),
        Action::Fill(fill) => Fill::of(driver, fill)?.map_or(Ready::Nothing, Ready::Fill),
        Action::Host(function) => Ready::Host(*function),
        Action::Record(recorded) => Ready::Record(event(recorded)?),
        Action::Wait(awaited) => Ready::Wait(event(awaited)?),
        Action::Free(address) => {
            let device = driver.device_at(*address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            if !device.space().is_live_graph_allocation(*address) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            Ready::Free(*address)
        }
    })
}

/// The function, or the kernel in its place, and the shape that the parameters of a node name.
pub fn kernel(parameters: &CUDA_KERNEL_NODE_PARAMS) -> (CUfunction, Shape) {
    let function = if parameters.func.is_null() { parameters.kern.cast() } else { parameters.func };
    let shape = Shape {
        grid: [parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ],
        block: [parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ],
        shared_bytes: parameters.sharedMemBytes,
    };
    (function, shape)
}

fn run(driver: &Driver, state: &State, ready: Vec<Ready>, stream: &Arc<Stream>) -> Outcome {
    let device = driver.device_of(stream.context);
    let begin = stream.start_time();
    let mut ends: Vec<u64> = Vec::with_capacity(ready.len());
    for (step, ready) in state.steps.iter().zip(ready) {
        let start = step.after.iter().map(|index| ends[*index]).max().unwrap_or(begin);
        let end = match ready {
            Ready::Nothing => start,
            Ready::Kernel(launch) => device.run_from(driver, launch.work(), start),
            Ready::Copy(transfer) => {
                let end = device.run_from(driver, transfer.work(driver), behind_host_calls(stream, start));
                transfer.run();
                end
            }
            Ready::Fill(fill) => {
                let end = device.run_from(driver, fill.work(), behind_host_calls(stream, start));
                fill.run();
                end
            }
            Ready::Host(function) => {
                stream.busy_until(start);
                stream.call_host(move || function.call())?;
                start
            }
            Ready::Record(event) => {
                let mut point = stream.point();
                point.time = start;
                event.record(driver, point);
                start
            }
            Ready::Wait(event) => event.point(driver).map_or(start, |point| {
                stream.wait_for(&point);
                start.max(point.time)
            }),
            Ready::Free(address) => {
                if let Some(device) = driver.device_at(address) {
                    device.space().end_graph_allocation(address);
                }
                start
            }
        };
        ends.push(end);
    }
    stream.busy_until(ends.into_iter().max().unwrap_or(begin));
    Ok(())
}

/// Host functions must have run before bytes move behind them: when that can be, from `start` on.
fn behind_host_calls(stream: &Stream, start: u64) -> u64 {
    if stream.wait_for_host_calls() { start.max(monotonic_ns()) } else { start }
}
