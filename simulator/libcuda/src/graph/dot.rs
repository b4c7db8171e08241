//! A graph in the DOT language, one line per node and edge.

use std::fmt::Write;

use ffi_headers::cuda::*;

use super::Graph;

/// The text that cuGraphDebugDotPrint writes.
pub fn text(graph: &Graph) -> String {
    let mut text = String::from("digraph dot {\n");
    // Writing to a string cannot fail.
    for node in graph.nodes() {
        let _ = writeln!(text, "\"graph_node_{:#x}\" [label=\"{}\"];", node.key(), label(node.kind()));
    }
    for edge in graph.edges() {
        let _ = writeln!(text, "\"graph_node_{:#x}\" -> \"graph_node_{:#x}\";", edge.from, edge.to);
    }
    text.push_str("}\n");
    text
}

fn label(kind: CUgraphNodeType) -> &'static str {
    match kind {
        CU_GRAPH_NODE_TYPE_KERNEL => "KERNEL",
        CU_GRAPH_NODE_TYPE_MEMCPY => "MEMCPY",
        CU_GRAPH_NODE_TYPE_MEMSET => "MEMSET",
        CU_GRAPH_NODE_TYPE_HOST => "HOST",
        CU_GRAPH_NODE_TYPE_GRAPH => "GRAPH",
        CU_GRAPH_NODE_TYPE_WAIT_EVENT => "EVENT_WAIT",
        CU_GRAPH_NODE_TYPE_EVENT_RECORD => "EVENT_RECORD",
        CU_GRAPH_NODE_TYPE_MEM_ALLOC => "MEM_ALLOC",
        CU_GRAPH_NODE_TYPE_MEM_FREE => "MEM_FREE",
        _ => "EMPTY",
    }
}
