//! Flows as they are stored: a row of counters for each hour of a version, and rows added up.
//!
//! The one place that knows where in a row a counter stands: [`super::statistics`] counts by it, and
//! whoever looks back reads by it. A row belongs to a version and means nothing without its plan.

use super::cold::{put_varint, take_varint};
use super::statistics::{ExitReason, Flow, NodeFlow};
use crate::journey::plan::{NodeIndex, Plan};
use crate::model::input::ReceiptKind;

/// How many counters a version has besides those of its nodes, and a node besides those of its outcomes.
const PLAN_FIXED: usize = 4 + ExitReason::ALL.len();
const NODE_FIXED: usize = 3 + ReceiptKind::ALL.len() + ExitReason::ALL.len();

/// Where the counters of a version stand in its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By node, where its counters begin.
    offsets: Vec<u32>,
    len: usize,
}

impl Layout {
    /// That of a plan's rows.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut offsets = Vec::with_capacity(plan.nodes.len());
        let mut len = PLAN_FIXED;
        for node in 0..plan.nodes.len() {
            offsets.push(len as u32);
            len += NODE_FIXED + plan.targets(node as NodeIndex).len();
        }
        Self { offsets, len }
    }

    /// How many counters a row has.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn flow(flow: Flow) -> usize {
        flow as usize
    }

    pub(super) const fn exited(reason: ExitReason) -> usize {
        4 + reason as usize
    }

    /// `None` if the version has no such node.
    pub(super) fn at(&self, node: NodeIndex, flow: NodeFlow) -> Option<usize> {
        let within = match flow {
            NodeFlow::Started => 0,
            NodeFlow::Sent => 1,
            NodeFlow::Held => 2,
            NodeFlow::Receipt(kind) => 3 + kind as usize,
            NodeFlow::Exited(reason) => 3 + ReceiptKind::ALL.len() + reason as usize,
            NodeFlow::Branch(n) => NODE_FIXED + usize::from(n),
        };
        self.offsets.get(usize::from(node)).map(|&offset| offset as usize + within)
    }
}

/// How many moved how, in some stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows(Vec<u64>);

impl Flows {
    /// Reads what [`Flows::write`] wrote.
    #[must_use]
    pub fn read(mut bytes: &[u8]) -> Self {
        let mut row = Vec::new();
        while !bytes.is_empty() {
            row.push(take_varint(&mut bytes));
        }
        Self(row)
    }

    /// Appends a row: its numbers, seven bits a byte.
    pub fn write(row: &[u64], out: &mut Vec<u8>) {
        for &n in row {
            put_varint(out, n);
        }
    }

    /// Adds a row of the same version.
    pub fn add(&mut self, row: &[u64]) {
        if self.0.len() < row.len() {
            self.0.resize(row.len(), 0);
        }
        self.0.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
    }

    /// The row itself.
    #[must_use]
    pub fn row(&self) -> &[u64] {
        &self.0
    }

    /// How many moved so.
    #[must_use]
    pub fn total(&self, flow: Flow) -> u64 {
        self.get(Layout::flow(flow))
    }

    /// How many left for that reason.
    #[must_use]
    pub fn exited(&self, reason: ExitReason) -> u64 {
        self.get(Layout::exited(reason))
    }

    /// How many moved so at a node; nought if the version has no such node.
    #[must_use]
    pub fn at(&self, layout: &Layout, node: NodeIndex, flow: NodeFlow) -> u64 {
        layout.at(node, flow).map_or(0, |index| self.get(index))
    }

    /// A row that ends early has noughts behind its end.
    fn get(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }
}
