//! Where users go: outcomes that lead nowhere, nodes that nobody reaches, loops without a wait, no way out.
//!
//! Targets that do not exist are reported with the names; here they are edges that are not there, and
//! whatever might follow from them alone is not reported again.

use std::collections::VecDeque;

use super::names::EXIT;
use super::targets;
use crate::journey::definition::{Definition, Node, NodeKind};
use crate::journey::problem::{Finding, Path, listed, node_ids, quoted};

/// How many nodes of a loop a message names.
const SHOWN_MAX: usize = 8;

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    if definition.node.is_empty() {
        return;
    }
    let graph = Graph::of(definition, found);
    let reached = graph.reached();
    unreachable(definition, &graph, &reached, found);
    loops(definition, &graph, found);
    no_exit(definition, &graph, &reached, found);
}

struct Graph<'a> {
    ids: Vec<&'a str>,
    /// For each node, the nodes that may come next, in the order of its branches.
    next: Vec<Vec<usize>>,
    /// Whether a user may leave the journey from the node, or might if its targets were right.
    leaves: Vec<bool>,
    /// Whether time passes at the node, always.
    waits: Vec<bool>,
    starts: Vec<usize>,
    /// Whether some target does not exist.
    dangling: bool,
}

impl<'a> Graph<'a> {
    /// The edges, and a finding for each outcome that leads nowhere.
    fn of(definition: &'a Definition, found: &mut Vec<Finding>) -> Self {
        let ids = node_ids(definition);
        let position = |to: &str| ids.iter().position(|id| *id == to);
        let count = ids.len();
        let entry = definition.entry.to.as_deref();
        let mut starts = vec![entry.map_or(0, |to| position(to).unwrap_or(0))];
        // Users of the version before arrive at these (G15).
        starts.extend(definition.moved.values().filter_map(|to| position(to)));
        let mut graph = Self {
            next: vec![Vec::new(); count],
            leaves: vec![false; count],
            waits: definition.node.iter().map(waits).collect(),
            starts,
            dangling: entry.is_some_and(|to| position(to).is_none()),
            ids: ids.clone(),
        };
        for (i, node) in definition.node.iter().enumerate() {
            graph.leaves[i] = leaves_unaided(node);
            for target in targets(i, node) {
                match position(target.to) {
                    _ if target.to == EXIT => graph.leaves[i] = true,
                    Some(to) => graph.next[i].push(to),
                    None => (graph.dangling, graph.leaves[i]) = (true, true),
                }
            }
            if goes_on_by_itself(node) {
                if i + 1 < count {
                    graph.next[i].push(i + 1);
                } else {
                    graph.leaves[i] = true;
                    found.push(dead_end(i, node));
                }
            }
        }
        graph
    }

    fn reached(&self) -> Vec<bool> {
        let mut reached = vec![false; self.ids.len()];
        let mut open = self.starts.clone();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut reached[node], true) {
                open.extend(&self.next[node]);
            }
        }
        reached
    }

    /// Whether the way out can be reached, from each node.
    fn escapes(&self) -> Vec<bool> {
        let mut escapes = self.leaves.clone();
        // Each round carries it one edge back: at most as many rounds as nodes.
        loop {
            let mut changed = false;
            for node in (0..self.ids.len()).rev() {
                if !escapes[node] && self.next[node].iter().any(|to| escapes[*to]) {
                    escapes[node] = true;
                    changed = true;
                }
            }
            if !changed {
                return escapes;
            }
        }
    }

    /// The shortest way from `start` back to it on which no time passes.
    fn hasty_loop(&self, start: usize) -> Option<Vec<usize>> {
        let mut before: Vec<Option<usize>> = vec![None; self.ids.len()];
        let mut open = VecDeque::from([start]);
        while let Some(node) = open.pop_front() {
            for &to in self.next[node].iter().filter(|to| !self.waits[**to]) {
                if to == start {
                    let mut way = vec![node];
                    while let Some(previous) = before[way[way.len() - 1]] {
                        way.push(previous);
                    }
                    way.reverse();
                    return Some(way);
                }
                if before[to].is_none() {
                    before[to] = Some(node);
                    open.push_back(to);
                }
            }
        }
        None
    }
}

/// A wait for a date does not count: once the date has passed it lasts no time (G29).
fn waits(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Delay { until, .. } => until.is_none(),
        NodeKind::WaitEvent { .. } => true,
        NodeKind::Send { .. }
        | NodeKind::Split { .. }
        | NodeKind::Filter { .. }
        | NodeKind::RandomSplit { .. }
        | NodeKind::Exit {} => false,
    }
}

/// Whether users may leave at the node without a target that says so.
fn leaves_unaided(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Exit {} => true,
        NodeKind::Filter { otherwise, .. } => otherwise.is_none(),
        NodeKind::WaitEvent { timeout, otherwise, .. } => timeout.is_some() && otherwise.is_none(),
        NodeKind::Delay { timeout, .. } => timeout.is_some(),
        NodeKind::Send { .. } | NodeKind::Split { .. } | NodeKind::RandomSplit { .. } => false,
    }
}

/// Whether the next node in the file is meant.
fn goes_on_by_itself(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Send { next, .. } | NodeKind::Delay { next, .. } | NodeKind::Filter { next, .. } => {
            next.is_none()
        }
        NodeKind::WaitEvent { .. }
        | NodeKind::Split { .. }
        | NodeKind::RandomSplit { .. }
        | NodeKind::Exit {} => false,
    }
}

fn dead_end(index: usize, node: &Node) -> Finding {
    let message = format!("{} is the last node and does not say where users go on", quoted(&node.id));
    Finding::new("dead_end", Path::node(index).key("next"), message)
        .allowed("a node's id, or `exit`")
        .hint("write next = \"exit\" to let users leave there")
}

fn unreachable(definition: &Definition, graph: &Graph<'_>, reached: &[bool], found: &mut Vec<Finding>) {
    if graph.dangling {
        // What a wrong target was meant to be might lead there.
        return;
    }
    for (i, node) in definition.node.iter().enumerate().filter(|(i, _)| !reached[*i]) {
        let led_to = graph.next.iter().enumerate().any(|(from, next)| from != i && next.contains(&i));
        let message = match led_to {
            false => format!("nothing leads to {}", quoted(&node.id)),
            true => format!("{} is led to only from nodes that nobody reaches", quoted(&node.id)),
        };
        let finding = Finding::new("unreachable", Path::node(i), message);
        found.push(
            finding.allowed("nodes that the first one leads to").hint("name it as a target, or delete it"),
        );
    }
}

fn loops(definition: &Definition, graph: &Graph<'_>, found: &mut Vec<Finding>) {
    let mut told = vec![false; graph.ids.len()];
    for start in 0..graph.ids.len() {
        if told[start] || graph.waits[start] {
            continue;
        }
        let Some(way) = graph.hasty_loop(start) else { continue };
        way.iter().for_each(|node| told[*node] = true);
        let mut shown: Vec<&str> = way.iter().take(SHOWN_MAX).map(|node| graph.ids[*node]).collect();
        if way.len() > SHOWN_MAX {
            shown.push("…");
        }
        shown.push(graph.ids[start]);
        let message = format!("users go round in a loop without a wait: {}", shown.join(" → "));
        let dated = way.iter().any(|node| matches!(definition.node[*node].kind, NodeKind::Delay { .. }));
        let hint = match dated {
            true => "a delay until a date lasts no time once the date has passed; use `for` or `at`",
            false => "put a delay or a wait_event into the loop; a rate of a send is not a wait",
        };
        let finding = Finding::new("loop_without_wait", Path::node(start), message).hint(hint);
        found.push(
            finding.allowed("loops in which each round takes time: a delay with `for` or `at`, a wait_event"),
        );
    }
}

/// Users who can never leave. Exit rules and a journey time-out let everybody out, wherever they are.
fn no_exit(definition: &Definition, graph: &Graph<'_>, reached: &[bool], found: &mut Vec<Finding>) {
    if !definition.exit.is_empty() || definition.timeout.is_some() {
        return;
    }
    let escapes = graph.escapes();
    let stuck: Vec<usize> = (0..graph.ids.len()).filter(|i| reached[*i] && !escapes[*i]).collect();
    let Some(first) = stuck.first() else { return };
    let names = listed(stuck.iter().map(|i| graph.ids[*i]));
    let finding = Finding::new("no_exit", Path::node(*first), format!("no exit can be reached from {names}"));
    let finding = finding.allowed("a way to `exit`, an exit rule, or a journey time-out");
    found.push(finding.hint("add a target \"exit\", or let all leave after a time: timeout = \"90d\""));
}
