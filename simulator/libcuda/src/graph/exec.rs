//! Executable graphs: the steps of a graph as they were when it was made ready, and what of them can be changed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::client::channel::Ticket;

use super::order::{self, Step};
use super::{Action, Graph, Key, Reference};
use crate::abi::Outcome;
use crate::driver::Driver;
use crate::memory::Holder;

/// A graph that is ready to run.
pub struct Exec {
    /// As they were given when it was made.
    pub flags: u64,
    pub(super) state: Mutex<State>,
    _user_objects: Vec<Reference>,
}

/// What launches use and change.
pub(super) struct State {
    pub steps: Vec<Step>,
    /// Pages for its allocations, by device ordinal.
    pub footprints: BTreeMap<usize, u32>,
    /// The end of its last launch.
    pub last: Option<Ticket>,
}

/// Why an executable graph does not become like a graph, and the node where that shows.
pub struct Mismatch {
    pub result: CUgraphExecUpdateResult,
    pub node: Key,
}

impl Exec {
    /// Makes a graph ready and gives it a handle.
    pub fn new(driver: &Driver, graph: &Graph, flags: u64) -> Outcome<Arc<Self>> {
        let steps = order::steps(graph).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let on_device = flags & u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) != 0;
        let runs_on_device = |step: &Step| {
            matches!(
                step.action,
                Action::Kernel(_) | Action::Copy(_) | Action::Fill(_) | Action::Child(_) | Action::Empty
            )
        };
        if on_device && !steps.iter().all(runs_on_device) {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let footprints = order::footprints(&steps);
        let exec = Arc::new(Self {
            flags,
            state: Mutex::new(State { steps, footprints, last: None }),
            _user_objects: graph.user_objects.lock().clone(),
        });
        graph.claim(&exec)?;
        let _: CUgraphExec = driver.graph.execs.insert(Arc::clone(&exec));
        Ok(exec)
    }

    /// By which its memory is known.
    pub fn holder(self: &Arc<Self>) -> Holder {
        Arc::as_ptr(self) as Holder
    }

    /// Ends the handle. Its memory stays with the device's pool of graph memory.
    pub fn destroy(self: &Arc<Self>, driver: &Driver) {
        driver.graph.execs.remove(Arc::as_ptr(self).cast_mut());
        // Not while it is being launched.
        let state = self.state.lock();
        for &device in state.footprints.keys() {
            driver.devices[device].space().let_go_of_graph(self.holder());
        }
    }

    /// Whether a node that can be switched off is on.
    pub fn is_enabled(&self, node: Key) -> Outcome<bool> {
        let state = self.state.lock();
        let step = state.steps.iter().find(|step| step.node == node).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        switchable(&step.action)?;
        Ok(step.enabled)
    }

    /// Switches a kernel, copy or fill on or off.
    pub fn enable(&self, node: Key, enabled: bool) -> Outcome {
        let mut state = self.state.lock();
        let step = state.steps.iter_mut().find(|step| step.node == node).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        switchable(&step.action)?;
        step.enabled = enabled;
        Ok(())
    }

    /// Gives one node new parameters, of the same kind.
    pub fn set(&self, driver: &Driver, node: Key, action: Action) -> Outcome {
        let mut state = self.state.lock();
        let step = state.steps.iter_mut().find(|step| step.node == node).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if difference(driver, &step.action, &action) != CU_GRAPH_EXEC_UPDATE_SUCCESS {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        step.action = action;
        Ok(())
    }

    /// Gives the nodes of an embedded graph the parameters of a graph of the same form.
    pub fn set_child(&self, driver: &Driver, node: Key, graph: &Graph) -> Outcome {
        let new = order::steps(graph).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let mut state = self.state.lock();
        let end = state.steps.iter().position(|step| step.node == node).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let start = end.checked_sub(new.len()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if !matches!(state.steps[end].action, Action::Child(_)) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let old: Vec<Step> = state.steps[start..end].iter().map(|step| inside(step, start)).collect();
        if mismatch(driver, &old, &new).is_some() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        state.steps[start..end].iter_mut().zip(new).for_each(|(step, new)| step.action = new.action);
        Ok(())
    }

    /// Gives every node the parameters that the like one of `graph` has.
    pub fn update(&self, driver: &Driver, graph: &Graph) -> Result<(), Mismatch> {
        let changed = Mismatch { result: CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, node: 0 };
        let Some(new) = order::steps(graph) else { return Err(changed) };
        let mut state = self.state.lock();
        if let Some(found) = mismatch(driver, &state.steps, &new) {
            return Err(found);
        }
        state.steps.iter_mut().zip(new).for_each(|(step, new)| step.action = new.action);
        Ok(())
    }

    /// A graph that does the same, for a node of another graph.
    pub fn as_graph(&self, driver: &Driver) -> Outcome<Arc<Graph>> {
        let graph = Arc::new(Graph { embedded: true, ..Graph::default() });
        let mut keys = Vec::new();
        for step in &self.state.lock().steps {
            let action = match &step.action {
                Action::Allocate(_) | Action::Free(_) => return Err(CUDA_ERROR_NOT_SUPPORTED),
                // What it holds comes before it as steps of their own.
                Action::Child(_) => Action::Empty,
                other => other.clone(),
            };
            let after: Vec<_> = step.after.iter().map(|&index| (keys[index], CUgraphEdgeData::default())).collect();
            keys.push(graph.add(driver, action, &after)?.key());
        }
        let _: CUgraph = driver.graph.graphs.insert(Arc::clone(&graph));
        Ok(graph)
    }

    /// Gives memory of graphs that nothing uses back to the device.
    pub fn trim(driver: &Driver, device: usize) {
        let mut execs = driver.graph.execs.select(|_| true);
        // In one order, whoever trims.
        execs.sort_by_key(|exec| std::sync::Arc::as_ptr(exec) as usize);
        // Held, so that none starts meanwhile.
        let states: Vec<_> = execs.iter().map(|exec| (exec.holder(), exec.state.lock())).collect();
        let runs = |state: &State| state.last.as_ref().is_some_and(|last| !last.is_reached());
        let busy = |holder| states.iter().any(|(other, state)| *other == holder && runs(state));
        driver.devices[device].space().trim_graph_memory(|holder| !busy(holder));
    }
}

fn switchable(action: &Action) -> Outcome {
    match action {
        Action::Kernel(_) | Action::Copy(_) | Action::Fill(_) => Ok(()),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// A step as one of a graph that begins at `start`.
fn inside(step: &Step, start: usize) -> Step {
    let after = step.after.iter().filter_map(|index| index.checked_sub(start)).collect();
    Step { after, ..step.clone() }
}

fn mismatch(driver: &Driver, old: &[Step], new: &[Step]) -> Option<Mismatch> {
    if old.len() != new.len() {
        return Some(Mismatch { result: CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, node: 0 });
    }
    old.iter().zip(new).find_map(|(old, new)| {
        let result = if old.after == new.after {
            difference(driver, &old.action, &new.action)
        } else {
            CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED
        };
        (result != CU_GRAPH_EXEC_UPDATE_SUCCESS).then_some(Mismatch { result, node: new.node })
    })
}

/// Whether a node that does `old` may do `new` instead, by the limits that the vendor documents.
fn difference(driver: &Driver, old: &Action, new: &Action) -> CUgraphExecUpdateResult {
    if old.kind() != new.kind() {
        return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
    match (old, new) {
        (Action::Kernel(old), Action::Kernel(new)) => {
            let context = |function| driver.functions.get(function).map(|function| function.context.id);
            match (context(old.0.func), context(new.0.func)) {
                (Some(old), Some(new)) if old != new => CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE,
                _ => CU_GRAPH_EXEC_UPDATE_SUCCESS,
            }
        }
        (Action::Copy(old), Action::Copy(new)) => {
            let types = |copy: &CUDA_MEMCPY3D| (copy.srcMemoryType, copy.dstMemoryType);
            if types(&old.0) == types(&new.0) {
                CU_GRAPH_EXEC_UPDATE_SUCCESS
            } else {
                CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED
            }
        }
        (Action::Fill(old), Action::Fill(new)) => {
            let line = |fill: &CUDA_MEMSET_NODE_PARAMS| fill.height <= 1;
            let same = |a: &CUDA_MEMSET_NODE_PARAMS, b: &CUDA_MEMSET_NODE_PARAMS| {
                (a.dst, a.pitch, a.value, a.elementSize, a.width, a.height)
                    == (b.dst, b.pitch, b.value, b.elementSize, b.width, b.height)
            };
            if same(old, new) || (line(old) && line(new)) {
                CU_GRAPH_EXEC_UPDATE_SUCCESS
            } else {
                CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED
            }
        }
        // The addresses are those of the graph that it was made of.
        (Action::Allocate(old), Action::Allocate(new)) if !Arc::ptr_eq(old, new) => {
            CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED
        }
        (Action::Free(old), Action::Free(new)) if old != new => CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED,
        _ => CU_GRAPH_EXEC_UPDATE_SUCCESS,
    }
}
