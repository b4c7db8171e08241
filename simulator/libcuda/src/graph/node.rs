//! Nodes: what one step of a graph does.
//!
#![expect(unsafe_code)]
// UNSAFETY: parameters hold the program's pointers, which may go from thread to thread; and calls the program's functions.

use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;
use parking_lot::Mutex;

use super::{Graph, Key};
use crate::abi::Outcome;
use crate::driver::{Driver, driver, memory_code};
use crate::launch::Shape;

/// Parameters of a program, kept to be used or given back later.
#[derive(Clone, Copy)]
pub struct Opaque<T>(pub T);

// SAFETY: the pointers inside are the program's own, for any thread; this library follows them only where the program has
// promised that they stay good.
unsafe impl<T: Copy> Send for Opaque<T> {}
// SAFETY: as above.
unsafe impl<T: Copy> Sync for Opaque<T> {}

impl Opaque<CUDA_HOST_NODE_PARAMS> {
    /// Runs the program's function.
    pub fn call(self) {
        if let Some(function) = self.0.fn_ {
            // SAFETY: the program passed the function to be called like this, and vouches for its argument.
            unsafe { function(self.0.userData) };
        }
    }
}

/// A node. Its handle is its address.
pub struct Node {
    pub graph: Weak<Graph>,
    pub action: Mutex<Action>,
    /// The node that it is a copy of, or 0.
    pub origin: Key,
    /// Attributes of a kernel node that were set, by number; they are kept and have no effect.
    pub attributes: Mutex<Vec<(CUkernelNodeAttrID, Opaque<CUkernelNodeAttrValue>)>>,
}

/// What a node does.
#[derive(Clone)]
pub enum Action {
    Empty,
    Kernel(Opaque<CUDA_KERNEL_NODE_PARAMS>),
    Copy(Opaque<CUDA_MEMCPY3D>),
    Fill(CUDA_MEMSET_NODE_PARAMS),
    Host(Opaque<CUDA_HOST_NODE_PARAMS>),
    Child(Arc<Graph>),
    Record(Opaque<CUevent>),
    Wait(Opaque<CUevent>),
    Allocate(Arc<GraphAllocation>),
    Free(CUdeviceptr),
}

/// The addresses of an allocation node, for as long as the node or something made ready of it exists.
pub struct GraphAllocation {
    /// Ordinal of the device.
    pub device: usize,
    pub address: CUdeviceptr,
    pub bytes: u64,
    pub properties: Opaque<CUmemPoolProps>,
    pub access: Vec<CUmemAccessDesc>,
}

impl Node {
    pub fn new(graph: Weak<Graph>, action: Action, origin: Key) -> Self {
        Self { graph, action: Mutex::new(action), origin, attributes: Mutex::default() }
    }

    pub fn key(self: &Arc<Self>) -> Key {
        Arc::as_ptr(self) as Key
    }

    /// Ends the handle, and those of an embedded graph.
    pub fn forget(self: &Arc<Self>, driver: &Driver) {
        driver.graph.nodes.remove(Arc::as_ptr(self).cast_mut());
        let child = match &*self.action.lock() {
            Action::Child(child) => Arc::clone(child),
            _ => return,
        };
        child.destroy(driver);
    }

    pub fn kind(&self) -> CUgraphNodeType {
        self.action.lock().kind()
    }
}

impl Action {
    pub fn kind(&self) -> CUgraphNodeType {
        match self {
            Self::Empty => CU_GRAPH_NODE_TYPE_EMPTY,
            Self::Kernel(_) => CU_GRAPH_NODE_TYPE_KERNEL,
            Self::Copy(_) => CU_GRAPH_NODE_TYPE_MEMCPY,
            Self::Fill(_) => CU_GRAPH_NODE_TYPE_MEMSET,
            Self::Host(_) => CU_GRAPH_NODE_TYPE_HOST,
            Self::Child(_) => CU_GRAPH_NODE_TYPE_GRAPH,
            Self::Record(_) => CU_GRAPH_NODE_TYPE_EVENT_RECORD,
            Self::Wait(_) => CU_GRAPH_NODE_TYPE_WAIT_EVENT,
            Self::Allocate(_) => CU_GRAPH_NODE_TYPE_MEM_ALLOC,
            Self::Free(_) => CU_GRAPH_NODE_TYPE_MEM_FREE,
        }
    }

    pub fn is_memory_node(&self) -> bool {
        match self {
            Self::Allocate(_) | Self::Free(_) => true,
            Self::Child(child) => child.has_memory_nodes(),
            _ => false,
        }
    }

    /// A launch as it was captured. Its arguments are not kept, as no kernel gets them.
    pub fn kernel(driver: &Driver, function: CUfunction, shape: &Shape) -> Self {
        let is_function = driver.functions.get(function).is_some();
        let ([x, y, z], [width, height, depth]) = (shape.grid, shape.block);
        Self::Kernel(Opaque(CUDA_KERNEL_NODE_PARAMS {
            func: if is_function { function } else { std::ptr::null_mut() },
            kern: if is_function { std::ptr::null_mut() } else { function.cast() },
            gridDimX: x,
            gridDimY: y,
            gridDimZ: z,
            blockDimX: width,
            blockDimY: height,
            blockDimZ: depth,
            sharedMemBytes: shape.shared_bytes,
            ..Default::default()
        }))
    }

    /// The same for a copy of the graph.
    pub fn copy(&self, driver: &Driver) -> Outcome<Self> {
        Ok(match self {
            Self::Child(child) => Self::Child(child.copy(driver, true)?),
            other => other.clone(),
        })
    }

    /// An allocation of `bytes` on the device that the properties name; its addresses are fixed from now on.
    pub fn allocate(
        driver: &Driver,
        properties: CUmemPoolProps,
        access: Vec<CUmemAccessDesc>,
        bytes: usize,
    ) -> Outcome<(Self, CUdeviceptr)> {
        let good = properties.allocType == CU_MEM_ALLOCATION_TYPE_PINNED
            && properties.handleTypes == CU_MEM_HANDLE_TYPE_NONE
            && properties.location.type_ == CU_MEM_LOCATION_TYPE_DEVICE
            && bytes > 0;
        if !good {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let device = driver.device(properties.location.id).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        let bytes = bytes as u64;
        let address = device.space().place_graph_allocation(bytes).map_err(memory_code)?;
        let properties = Opaque(properties);
        let made = GraphAllocation { device: device.index, address, bytes, properties, access };
        Ok((Self::Allocate(Arc::new(made)), address))
    }
}

impl Drop for GraphAllocation {
    fn drop(&mut self) {
        // In a fork there is no driver, and nothing to give back.
        if let Ok(driver) = driver() {
            driver.devices[self.device].space().remove_graph_allocation(self.address);
        }
    }
}
