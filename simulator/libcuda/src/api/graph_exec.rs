//! Executable graphs: making, changing and launching them.

use std::ffi::c_char;
use std::sync::Arc;

use ffi_headers::cuda::*;

use super::graph::find;
use super::graph_node::{any_action, copy_action, event_action, fill_action, host_action, kernel_action, widen};
use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::{Driver, driver};
use crate::graph::{Action, Exec, Key, capture};
use crate::stream::{NullStream, Stream};

const FLAGS: u64 = (CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH
    | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD
    | CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH
    | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY) as u64;

driver_functions! {
    extern "C" fn cuGraphInstantiate, extern "C" fn cuGraphInstantiate_v2 (exec: Out<CUgraphExec>, graph: CUgraph, error: Out<CUgraphNode>, log: Out<c_char>, size: usize) {
        error.set_if_wanted(std::ptr::null_mut());
        if size > 0 {
            log.set_if_wanted(0);
        }
        instantiate(exec, graph, 0)?;
    }

    extern "C" fn cuGraphInstantiateWithFlags(exec: Out<CUgraphExec>, graph: CUgraph, flags: u64) {
        instantiate(exec, graph, flags)?;
    }

    extern "C" fn cuGraphInstantiateWithParams, extern "C" fn cuGraphInstantiateWithParams_ptsz [null] (exec: Out<CUgraphExec>, graph: CUgraph, parameters: Out<CUDA_GRAPH_INSTANTIATE_PARAMS>) {
        let mut given = parameters.get()?;
        let outcome = instantiate_and_upload(exec, graph, &given, null);
        given.hErrNode_out = std::ptr::null_mut();
        given.result_out = match outcome {
            Ok(()) => CUDA_GRAPH_INSTANTIATE_SUCCESS,
            Err(CUDA_ERROR_NOT_SUPPORTED) => CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED,
            Err(_) => CUDA_GRAPH_INSTANTIATE_ERROR,
        };
        parameters.set(given)?;
        outcome?;
    }

    extern "C" fn cuGraphExecDestroy(exec: CUgraphExec) {
        let driver = driver()?;
        find_exec(driver, exec)?.destroy(driver);
    }

    extern "C" fn cuGraphExecGetFlags(exec: CUgraphExec, flags: Out<u64>) {
        flags.set(find_exec(driver()?, exec)?.flags)?;
    }

    extern "C" fn cuGraphUpload, extern "C" fn cuGraphUpload_ptsz [null] (exec: CUgraphExec, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        capture::unsupported(driver, &stream)?;
        find_exec(driver, exec)?.upload(driver)?;
    }

    extern "C" fn cuGraphLaunch, extern "C" fn cuGraphLaunch_ptsz [null] (exec: CUgraphExec, stream: CUstream) {
        let (driver, stream) = Stream::resolve(stream, null)?;
        let exec = find_exec(driver, exec)?;
        if !capture::add(driver, &stream, || Ok(Action::Child(exec.as_graph(driver)?)))? {
            exec.launch(driver, &stream)?;
        }
    }

    extern "C" fn cuGraphNodeGetEnabled(exec: CUgraphExec, node: CUgraphNode, enabled: Out<u32>) {
        let exec = find_exec(driver()?, exec)?;
        enabled.set(u32::from(exec.is_enabled(node as Key)?))?;
    }

    extern "C" fn cuGraphNodeSetEnabled(exec: CUgraphExec, node: CUgraphNode, enabled: u32) {
        find_exec(driver()?, exec)?.enable(node as Key, enabled != 0)?;
    }

    extern "C" fn cuGraphExecNodeSetParams(exec: CUgraphExec, node: CUgraphNode, parameters: Out<CUgraphNodeParams>) {
        let mut given = parameters.get()?;
        set(exec, node, |driver| any_action(driver, std::ptr::null_mut(), &mut given))?;
    }

    extern "C" fn cuGraphExecKernelNodeSetParams(exec: CUgraphExec, node: CUgraphNode, parameters: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        set(exec, node, |driver| kernel_action(driver, widen(&parameters.get()?)))?;
    }

    extern "C" fn cuGraphExecKernelNodeSetParams_v2(exec: CUgraphExec, node: CUgraphNode, parameters: In<CUDA_KERNEL_NODE_PARAMS>) {
        set(exec, node, |driver| kernel_action(driver, parameters.get()?))?;
    }

    extern "C" fn cuGraphExecMemcpyNodeSetParams(exec: CUgraphExec, node: CUgraphNode, copy: In<CUDA_MEMCPY3D>, context: CUcontext) {
        set(exec, node, |driver| copy_action(driver, copy.get()?, context))?;
    }

    extern "C" fn cuGraphExecMemsetNodeSetParams(exec: CUgraphExec, node: CUgraphNode, fill: In<CUDA_MEMSET_NODE_PARAMS>, context: CUcontext) {
        set(exec, node, |driver| fill_action(driver, fill.get()?, context))?;
    }

    extern "C" fn cuGraphExecHostNodeSetParams(exec: CUgraphExec, node: CUgraphNode, parameters: In<CUDA_HOST_NODE_PARAMS>) {
        set(exec, node, |_| host_action(parameters.get()?))?;
    }

    extern "C" fn cuGraphExecEventRecordNodeSetEvent(exec: CUgraphExec, node: CUgraphNode, event: CUevent) {
        set(exec, node, |driver| Ok(Action::Record(event_action(driver, event)?)))?;
    }

    extern "C" fn cuGraphExecEventWaitNodeSetEvent(exec: CUgraphExec, node: CUgraphNode, event: CUevent) {
        set(exec, node, |driver| Ok(Action::Wait(event_action(driver, event)?)))?;
    }

    extern "C" fn cuGraphExecChildGraphNodeSetParams(exec: CUgraphExec, node: CUgraphNode, graph: CUgraph) {
        let driver = driver()?;
        find_exec(driver, exec)?.set_child(driver, node as Key, &*find(driver, graph)?)?;
    }

    extern "C" fn cuGraphExecUpdate(exec: CUgraphExec, graph: CUgraph, error: Out<CUgraphNode>, result: Out<CUgraphExecUpdateResult>) {
        let (code, node) = update(exec, graph)?;
        error.set_if_wanted(node);
        result.set_if_wanted(code);
        updated(code)?;
    }

    extern "C" fn cuGraphExecUpdate_v2(exec: CUgraphExec, graph: CUgraph, result: Out<CUgraphExecUpdateResultInfo>) {
        let (code, node) = update(exec, graph)?;
        let info = CUgraphExecUpdateResultInfo { result: code, errorNode: node, errorFromNode: std::ptr::null_mut() };
        result.set_if_wanted(info);
        updated(code)?;
    }

    extern "C" fn cuDeviceGraphMemTrim(device: CUdevice) {
        let driver = driver()?;
        Exec::trim(driver, driver.device(device)?.index);
    }

    extern "C" fn cuDeviceGetGraphMemAttribute(device: CUdevice, attribute: CUgraphMem_attribute, value: Out<std::ffi::c_void>) {
        let figures = driver()?.device(device)?.space().graph_figures();
        value.of::<u64>().set(match attribute {
            CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT => figures.used,
            CU_GRAPH_MEM_ATTR_USED_MEM_HIGH => figures.used_high,
            CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT => figures.reserved,
            CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH => figures.reserved_high,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        })?;
    }

    /// A high mark can only be reset, to what is now.
    extern "C" fn cuDeviceSetGraphMemAttribute(device: CUdevice, attribute: CUgraphMem_attribute, value: Out<std::ffi::c_void>) {
        let device = driver()?.device(device)?;
        let is_high = matches!(attribute, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH | CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH);
        if !is_high || value.of::<u64>().get()? != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        device.space().reset_graph_high(attribute == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH);
    }
}

fn find_exec(driver: &Driver, exec: CUgraphExec) -> Outcome<Arc<Exec>> {
    driver.graph.execs.get(exec).ok_or(CUDA_ERROR_INVALID_VALUE)
}

fn instantiate(place: Out<CUgraphExec>, graph: CUgraph, flags: u64) -> Outcome<Arc<Exec>> {
    let driver = driver()?;
    let place = place.required()?;
    if flags & !FLAGS != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let exec = Exec::new(driver, &*find(driver, graph)?, flags)?;
    place.set(exec.holder() as CUgraphExec)?;
    Ok(exec)
}

/// The flag for an upload takes effect only where a stream is named.
fn instantiate_and_upload(
    place: Out<CUgraphExec>,
    graph: CUgraph,
    given: &CUDA_GRAPH_INSTANTIATE_PARAMS,
    null: NullStream,
) -> Outcome {
    let exec = instantiate(place, graph, given.flags)?;
    if given.flags & u64::from(CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0 {
        let (driver, _) = Stream::resolve(given.hUploadStream, null)?;
        exec.upload(driver).inspect_err(|_| exec.destroy(driver))?;
    }
    Ok(())
}

fn set(exec: CUgraphExec, node: CUgraphNode, action: impl FnOnce(&Driver) -> Outcome<Action>) -> Outcome {
    let driver = driver()?;
    let exec = find_exec(driver, exec)?;
    exec.set(driver, node as Key, action(driver)?)
}

fn update(exec: CUgraphExec, graph: CUgraph) -> Outcome<(CUgraphExecUpdateResult, CUgraphNode)> {
    let driver = driver()?;
    let exec = find_exec(driver, exec)?;
    Ok(match exec.update(driver, &*find(driver, graph)?) {
        Ok(()) => (CU_GRAPH_EXEC_UPDATE_SUCCESS, std::ptr::null_mut()),
        Err(mismatch) => (mismatch.result, mismatch.node as CUgraphNode),
    })
}

fn updated(result: CUgraphExecUpdateResult) -> Outcome {
    if result == CU_GRAPH_EXEC_UPDATE_SUCCESS { Ok(()) } else { Err(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE) }
}
