//! Running an executable graph on a stream.

use std::sync::Arc;

use ffi_headers::cuda::*;
use simulator::client::channel::{Command, Ticket};
use simulator::timeline::Work;

use super::exec::State;
use super::{Action, Exec, Opaque};
use crate::abi::Outcome;
use crate::driver::{Driver, memory_code};
use crate::event::{Event, Recorded};
use crate::fill::Fill;
use crate::launch::{self, Shape};
use crate::memory::Holder;
use crate::stream::Stream;
use crate::transfer::Transfer;

/// Steps that wait at the gate of a launch; more would find no room behind it.
const AHEAD: usize = 4096;

/// A step that was checked, and what it needs.
enum Ready {
    Nothing,
    Kernel(Work),
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
    /// Work takes its time on the device of the stream; branches that the edges leave open run side by side. One launch
    /// comes behind the other, in whatever streams they are.
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
                let last = run(driver, &state, ready, stream)?;
                state.last = Some(last);
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
            Ready::Kernel(launch::work_of(driver, function, &shape, stream.context)?)
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

/// Queues what each step has to do behind the steps before it; returns the end of all.
fn run(driver: &Driver, state: &State, ready: Vec<Ready>, stream: &Arc<Stream>) -> Outcome<Ticket> {
    let (channel, engine) = (driver.channel()?, stream.context.engine()?);
    let info = driver.device_of(stream.context).info;
    let last: Vec<Ticket> = state.last.iter().filter(|last| !last.is_reached()).cloned().collect();
    let begin = stream.queue.submit(&Command::new(Work::Gate).after(&last));
    let opened = Opened(&begin);
    let mut ends: Vec<Ticket> = Vec::with_capacity(ready.len());
    let mut sinks = vec![true; ready.len()];
    for (index, (step, ready)) in state.steps.iter().zip(ready).enumerate() {
        if index == AHEAD {
            begin.finish();
        }
        let mut after: Vec<Ticket> = step.after.iter().map(|index| ends[*index].clone()).collect();
        step.after.iter().for_each(|index| sinks[*index] = false);
        if after.is_empty() {
            after.push(begin.clone());
        }
        let queue = |work: Work| channel.submit_loose(engine, &Command::new(work).after(&after));
        // What takes no time ends with the one step before it, or where several meet.
        let join = || if let [only] = &after[..] { only.clone() } else { queue(Work::Marker) };
        ends.push(match ready {
            Ready::Nothing => join(),
            Ready::Kernel(work) => queue(work),
            Ready::Copy(transfer) => {
                wait_for_host_calls(stream, &begin);
                let end = queue(transfer.work(driver, info));
                transfer.run();
                end
            }
            Ready::Fill(fill) => {
                wait_for_host_calls(stream, &begin);
                let end = queue(fill.work(info));
                fill.run();
                end
            }
            Ready::Host(function) => {
                let due = join();
                let gate = Command::new(Work::Gate).after(std::slice::from_ref(&due));
                let gate = channel.submit_loose(engine, &gate);
                stream.call_between(due, gate.clone(), move || function.call())?;
                gate
            }
            Ready::Record(event) => {
                let end = queue(Work::Marker);
                event.record(driver, stream.point_of(end.clone()))?;
                end
            }
            Ready::Wait(event) => match event.recorded(driver) {
                Recorded::Never => join(),
                Recorded::Here(point) => {
                    stream.come_behind(&point);
                    let both: Vec<_> = after.iter().cloned().chain([point.ticket]).collect();
                    channel.submit_loose(engine, &Command::new(Work::Marker).after(&both))
                }
                Recorded::Elsewhere(mark) => {
                    channel.submit_loose(engine, &Command::new(Work::Marker).after(&after).shared_after(mark))
                }
            },
            Ready::Free(address) => {
                if let Some(device) = driver.device_at(address) {
                    device.space().end_graph_allocation(address);
                }
                join()
            }
        });
    }
    let sinks: Vec<Ticket> = ends.into_iter().zip(sinks).filter(|(_, sink)| *sink).map(|(end, _)| end).collect();
    let end = stream.queue.submit(&Command::new(Work::Marker).after(&sinks));
    drop(opened);
    Ok(end)
}

/// Bytes that the launching thread moves come behind host functions, which may be those of this launch.
fn wait_for_host_calls(stream: &Stream, begin: &Ticket) {
    if stream.has_host_calls() {
        begin.finish();
        stream.wait_for_host_calls();
    }
}

/// The gate at the begin of a launch, so that its steps reach the device as a whole; open from here on, however that goes.
struct Opened<'a>(&'a Ticket);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
