//! The order in which a graph runs: each node behind those that it depends on, embedded graphs unfolded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Action, Edge, Graph, Key, Node};

/// One step of an executable graph.
#[derive(Clone)]
pub struct Step {
    /// The node that it was made of.
    pub node: Key,
    pub action: Action,
    /// Positions of the steps right before it, all lower than its own.
    pub after: Vec<usize>,
    pub enabled: bool,
}

/// The nodes in an order that respects the edges, and the order of adding where those leave a choice; none for a circle.
pub fn sorted(nodes: &[Arc<Node>], edges: &[Edge]) -> Option<Vec<Arc<Node>>> {
    let position: HashMap<Key, usize> = nodes.iter().enumerate().map(|(index, node)| (node.key(), index)).collect();
    let mut missing = vec![0usize; nodes.len()];
    let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
    for edge in edges {
        let (Some(&from), Some(&to)) = (position.get(&edge.from), position.get(&edge.to)) else { continue };
        missing[to] += 1;
        behind.entry(from).or_default().push(to);
    }
    let mut ready: BTreeMap<usize, ()> =
        (0..nodes.len()).filter(|index| missing[*index] == 0).map(|i| (i, ())).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some((index, ())) = ready.pop_first() {
        order.push(Arc::clone(&nodes[index]));
        for &next in behind.get(&index).into_iter().flatten() {
            missing[next] -= 1;
            if missing[next] == 0 {
                ready.insert(next, ());
            }
        }
    }
    (order.len() == nodes.len()).then_some(order)
}

/// The steps of a graph; none if it goes in a circle.
pub fn steps(graph: &Graph) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    unfold(graph, &[], &mut steps)?;
    Some(steps)
}

/// Appends the steps of `graph`, which starts behind the given ones; returns the steps that nothing of it follows.
fn unfold(graph: &Graph, start: &[usize], steps: &mut Vec<Step>) -> Option<Vec<usize>> {
    let (nodes, edges) = (graph.nodes(), graph.edges());
    let mut ends: HashMap<Key, usize> = HashMap::new();
    for node in sorted(&nodes, &edges)? {
        let key = node.key();
        let mut after: Vec<usize> =
            edges.iter().filter(|edge| edge.to == key).filter_map(|edge| ends.get(&edge.from).copied()).collect();
        if after.is_empty() {
            after.extend(start);
        }
        let action = node.action.lock().clone();
        // An embedded graph is its steps and one behind them, which stands for the node.
        if let Action::Child(child) = &action {
            let last = unfold(child, &after, steps)?;
            if !last.is_empty() {
                after = last;
            }
        }
        ends.insert(key, steps.len());
        steps.push(Step { node: key, action, after, enabled: true });
    }
    let leaf = |node: &Arc<Node>| edges.iter().all(|edge| edge.from != node.key());
    Some(nodes.iter().filter(|node| leaf(node)).filter_map(|node| ends.get(&node.key()).copied()).collect())
}

/// Pages that the allocations need, by device ordinal.
///
/// An allocation takes the pages that a free node before it has freed, where the edges say that it is before, and new ones
/// beyond that. So no order of branches that the edges leave open can need more.
pub fn footprints(steps: &[Step]) -> BTreeMap<usize, u32> {
    let mut needed = BTreeMap::new();
    if !steps.iter().any(|step| matches!(step.action, Action::Allocate(_))) {
        return needed;
    }
    let words = steps.len().div_ceil(64);
    // Which steps come before each one, a bit for each.
    let mut before: Vec<Vec<u64>> = Vec::with_capacity(steps.len());
    let mut sizes: HashMap<u64, (usize, u32)> = HashMap::new();
    // Step, device, pages that nobody has taken again.
    let mut freed: Vec<(usize, usize, u32)> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let mut mine = vec![0u64; words];
        for &earlier in &step.after {
            mine[earlier / 64] |= 1 << (earlier % 64);
            mine.iter_mut().zip(&before[earlier]).for_each(|(mine, theirs)| *mine |= theirs);
        }
        match &step.action {
            Action::Allocate(allocation) => {
                let mut pages = simulator::books::pages_for(allocation.bytes) as u32;
                sizes.insert(allocation.address, (allocation.device, pages));
                for (step, device, left) in &mut freed {
                    if *device == allocation.device && mine[*step / 64] & (1 << (*step % 64)) != 0 {
                        let taken = pages.min(*left);
                        pages -= taken;
                        *left -= taken;
                    }
                }
                *needed.entry(allocation.device).or_insert(0) += pages;
            }
            Action::Free(address) => {
                if let Some(&(device, pages)) = sizes.get(address) {
                    freed.push((index, device, pages));
                }
            }
            _ => {}
        }
        before.push(mine);
    }
    needed
}
