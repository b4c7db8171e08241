//! Graphs of work: nodes and the order between them, what is made ready of them to run, and capture from streams.

pub mod capture;
mod dot;
mod exec;
mod node;
mod order;
mod run;
mod user_object;

use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;
use parking_lot::Mutex;

use crate::abi::Outcome;
use crate::driver::Driver;
use crate::handles::Handles;

pub use dot::text as dot;
pub use exec::Exec;
pub use node::{Action, GraphAllocation, Node, Opaque};
pub use run::kernel;
pub use user_object::{Reference, UserObject};

/// A node's handle.
pub type Key = usize;

/// The handles of everything that this module makes.
#[derive(Default)]
pub struct Registry {
    pub graphs: Handles<Graph>,
    pub nodes: Handles<Node>,
    pub execs: Handles<Exec>,
    pub user_objects: Handles<UserObject>,
    pub captures: Mutex<Vec<Arc<capture::Capture>>>,
}

/// A graph. Its parts can be changed at any time; what was made ready of it does not change with it.
#[derive(Default)]
pub struct Graph {
    parts: Mutex<Parts>,
    /// Belongs to a node of another graph, and goes with that.
    pub embedded: bool,
    /// With memory nodes, there is at most one executable graph at a time.
    exec: Mutex<Weak<Exec>>,
    pub user_objects: Mutex<Vec<Reference>>,
}

/// Nodes and edges in the order in which they were added.
#[derive(Default)]
struct Parts {
    nodes: Vec<Arc<Node>>,
    edges: Vec<Edge>,
}

/// That one node comes before another.
#[derive(Clone, Copy)]
pub struct Edge {
    pub from: Key,
    pub to: Key,
    pub data: CUgraphEdgeData,
}

impl Parts {
    fn node(&self, key: Key) -> Outcome<&Arc<Node>> {
        self.nodes.iter().find(|node| node.key() == key).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    fn has_memory_nodes(&self) -> bool {
        self.nodes.iter().any(|node| node.action.lock().is_memory_node())
    }
}

impl Graph {
    /// Adds a node behind `dependencies`, which must be nodes of this graph, each once.
    pub fn add(
        self: &Arc<Self>,
        driver: &Driver,
        action: Action,
        dependencies: &[(Key, CUgraphEdgeData)],
    ) -> Outcome<Arc<Node>> {
        let mut parts = self.parts.lock();
        for (index, (key, _)) in dependencies.iter().enumerate() {
            parts.node(*key)?;
            if dependencies[..index].iter().any(|(other, _)| other == key) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
        if let Action::Free(address) = action {
            let freed = |node: &Arc<Node>| matches!(*node.action.lock(), Action::Free(other) if other == address);
            if parts.nodes.iter().any(freed) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        }
        let node = Arc::new(Node::new(Arc::downgrade(self), action, 0));
        let _: CUgraphNode = driver.graph.nodes.insert(Arc::clone(&node));
        let to = node.key();
        parts.edges.extend(dependencies.iter().map(|&(from, data)| Edge { from, to, data }));
        parts.nodes.push(Arc::clone(&node));
        Ok(node)
    }

    /// Adds edges between nodes of this graph that are not joined yet and make no circle.
    pub fn connect(&self, edges: &[Edge]) -> Outcome {
        let mut parts = self.parts.lock();
        let before = parts.edges.len();
        for edge in edges {
            let new = parts.edges.iter().all(|other| (other.from, other.to) != (edge.from, edge.to));
            if parts.node(edge.from).and(parts.node(edge.to)).is_err() || !new || edge.from == edge.to {
                parts.edges.truncate(before);
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            parts.edges.push(*edge);
        }
        if order::sorted(&parts.nodes, &parts.edges).is_none() {
            parts.edges.truncate(before);
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        Ok(())
    }

    /// Removes edges, which must exist. With memory nodes in the graph, none can be removed.
    pub fn disconnect(&self, edges: &[(Key, Key)]) -> Outcome {
        let mut parts = self.parts.lock();
        let exists = |pair: &(Key, Key)| parts.edges.iter().any(|edge| (edge.from, edge.to) == *pair);
        if !edges.iter().all(exists) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if parts.has_memory_nodes() {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        parts.edges.retain(|edge| !edges.contains(&(edge.from, edge.to)));
        Ok(())
    }

    /// Takes a node out with its edges. With memory nodes in the graph, none can be taken out.
    pub fn remove(&self, driver: &Driver, key: Key) -> Outcome {
        let mut parts = self.parts.lock();
        if parts.has_memory_nodes() {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let index = parts.nodes.iter().position(|node| node.key() == key).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        parts.edges.retain(|edge| edge.from != key && edge.to != key);
        let node = parts.nodes.remove(index);
        drop(parts);
        node.forget(driver);
        Ok(())
    }

    /// Ends the handles of a graph and of everything in it.
    pub fn destroy(self: &Arc<Self>, driver: &Driver) {
        driver.graph.graphs.remove(Arc::as_ptr(self).cast_mut());
        let nodes = std::mem::take(&mut *self.parts.lock()).nodes;
        nodes.iter().for_each(|node| node.forget(driver));
        self.user_objects.lock().clear();
    }

    /// A copy with nodes and handles of its own; `embedded` for one that a node of another graph holds.
    pub fn copy(&self, driver: &Driver, embedded: bool) -> Outcome<Arc<Self>> {
        let parts = self.parts.lock();
        if parts.has_memory_nodes() {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let copy = Arc::new(Self { embedded, ..Self::default() });
        *copy.user_objects.lock() = self.user_objects.lock().clone();
        let mut copied = Parts::default();
        for node in &parts.nodes {
            let action = node.action.lock().copy(driver)?;
            let node = Arc::new(Node::new(Arc::downgrade(&copy), action, node.key()));
            let _: CUgraphNode = driver.graph.nodes.insert(Arc::clone(&node));
            copied.nodes.push(node);
        }
        let renamed = |key: Key| copied.nodes.iter().find(|node| node.origin == key).map_or(0, |node| node.key());
        copied.edges =
            parts.edges.iter().map(|e| Edge { from: renamed(e.from), to: renamed(e.to), data: e.data }).collect();
        *copy.parts.lock() = copied;
        let _: CUgraph = driver.graph.graphs.insert(Arc::clone(&copy));
        Ok(copy)
    }

    /// The node that was copied from `origin`, here or in an embedded graph.
    pub fn copied_from(&self, origin: Key) -> Option<Key> {
        self.nodes().iter().find_map(|node| {
            if node.origin == origin {
                return Some(node.key());
            }
            let child = match &*node.action.lock() {
                Action::Child(child) => Arc::clone(child),
                _ => return None,
            };
            child.copied_from(origin)
        })
    }

    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.parts.lock().nodes.clone()
    }

    /// Nodes without a dependency.
    pub fn roots(&self) -> Vec<Key> {
        let parts = self.parts.lock();
        let is_root = |key: &Key| parts.edges.iter().all(|edge| edge.to != *key);
        parts.nodes.iter().map(|node| node.key()).filter(is_root).collect()
    }

    pub fn edges(&self) -> Vec<Edge> {
        self.parts.lock().edges.clone()
    }

    /// Whether this graph, or one within it, allocates or frees memory.
    pub fn has_memory_nodes(&self) -> bool {
        self.parts.lock().has_memory_nodes()
    }

    /// Notes what was made ready of the graph; an error while there is another one of a graph with memory nodes.
    fn claim(&self, exec: &Arc<Exec>) -> Outcome {
        if !self.has_memory_nodes() {
            return Ok(());
        }
        let mut current = self.exec.lock();
        if current.upgrade().is_some() {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        *current = Arc::downgrade(exec);
        Ok(())
    }
}
