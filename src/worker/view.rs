//! What is shown of one shard as of a commit: to the API, to the allotter, and to other instances.

use serde::{Deserialize, Serialize};

use super::lists::Cursor;
use crate::control::service::VersionView;
use crate::engine::Shard;
use crate::engine::journey_state::RefusalReason;
use crate::engine::statistics::{ExitReason, Flow, NodeFlow, Place};
use crate::journey::catalog::{Catalog, JourneyIndex, PlanIndex};
use crate::journey::plan::NodeWork;

/// The first byte of a view; another one is of another build, and is not understood.
const FORMAT: u8 = 1;

/// What a shard has of a journey's entry limit, and how many wait for more (G26).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// How many it may admit in all.
    pub granted: u64,
    /// How many it has admitted.
    pub admitted: u64,
    /// How many wait.
    pub waiting: u64,
}

/// Refusals by reason, in the order of [`RefusalReason::ALL`].
pub type Refusals = [u64; RefusalReason::ALL.len()];

/// The counts of one version, without names: reasons in the order of [`ExitReason::ALL`], nodes in that of the
/// plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Enrollments created.
    pub entered: u64,
    /// Enrollments that came from another version.
    pub moved_in: u64,
    /// Enrollments that went to another version.
    pub moved_out: u64,
    /// Waiting now.
    pub waiting: u64,
    /// Held now.
    pub held: u64,
    /// How many of the held are parked (G17).
    pub parked: u64,
    /// Queued by a send node's rate now.
    pub at_send: u64,
    /// Draining now.
    pub draining: u64,
    /// Reached a goal.
    pub converted: u64,
    /// Left, by reason.
    pub exited: Vec<u64>,
    /// Messages handed over, by node.
    pub sent: Vec<u64>,
    /// In how many shards the conservation identity does not hold (I13): none, or there is a bug.
    pub not_conserved: u64,
}

/// What is shown of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    /// By version.
    pub versions: Vec<(PlanIndex, Counts)>,
    /// By journey: refusals.
    pub refusals: Vec<(JourneyIndex, Refusals)>,
    /// By journey, of those with a limit only.
    pub doors: Vec<(JourneyIndex, Door)>,
    /// By journey: how far its list is.
    pub lists: Vec<(JourneyIndex, Cursor)>,
    /// The journeys whose failure budget is spent, and the epoch that the shard has taken (G17).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<(JourneyIndex, u64)>,
    /// How many users' pages are still of the format before.
    #[serde(default)]
    pub to_renew: u64,
}

impl ShardView {
    /// Of a shard whose last decision is committed.
    pub(super) fn of(shard: &Shard, lists: impl Iterator<Item = (JourneyIndex, Cursor)>) -> Self {
        let catalog = shard.catalog();
        let spent = shard.spent().map(|journey| (journey, shard.epoch())).collect();
        let to_renew = shard.pages_to_renew() as u64;
        let mut view = Self { lists: lists.collect(), spent, to_renew, ..Self::default() };
        for plan in 0..catalog.plan_count() as PlanIndex {
            view.versions.extend(Counts::of(shard, plan, catalog).map(|counts| (plan, counts)));
        }
        for (number, journey) in catalog.journeys.iter().enumerate() {
            let number = number as JourneyIndex;
            let Some(state) = shard.journey(number) else { continue };
            view.refusals.push((number, RefusalReason::ALL.map(|reason| state.refused(reason))));
            if journey.live.is_some_and(|live| catalog.plan(live).entry.limit.is_some()) {
                let (granted, admitted) = state.share();
                view.doors.push((number, Door { granted, admitted, waiting: state.at_door() }));
            }
        }
        view
    }

    /// Its bytes for other instances.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        serde_json::to_writer(&mut bytes, self).expect("numbers are JSON, and a buffer takes them");
        bytes
    }

    /// Reads what [`ShardView::encode`] wrote; `None` if it is of another build.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes.strip_prefix(&[FORMAT])?).ok()
    }

    /// Whether somebody waits at a door, a budget is spent, or a list's end was taken since `before`.
    pub(super) fn wants_the_steward(&self, before: Option<&Self>) -> bool {
        let known = |ended: &(JourneyIndex, Cursor)| before.is_some_and(|view| view.lists.contains(ended));
        !self.spent.is_empty()
            || self.doors.iter().any(|(_, door)| door.waiting > 0)
            || self.lists.iter().any(|list| list.1.is_done() && !known(list))
    }
}

impl Counts {
    fn of(shard: &Shard, plan: PlanIndex, catalog: &Catalog) -> Option<Self> {
        let statistics = shard.statistics(plan)?;
        let nodes = 0..catalog.plan(plan).nodes.len() as u16;
        Some(Self {
            entered: statistics.total(Flow::Entered),
            moved_in: statistics.total(Flow::MovedIn),
            moved_out: statistics.total(Flow::MovedOut),
            waiting: statistics.at(Place::Waiting),
            held: statistics.at(Place::Held),
            parked: statistics.parked(),
            at_send: statistics.at(Place::AtSend),
            draining: statistics.at(Place::Draining),
            converted: statistics.total(Flow::Converted),
            exited: ExitReason::ALL.iter().map(|reason| statistics.exited(*reason)).collect(),
            sent: nodes.map(|node| statistics.total_at(node, NodeFlow::Sent)).collect(),
            not_conserved: u64::from(!statistics.is_conserved()),
        })
    }

    /// Adds another shard's.
    pub(super) fn add(&mut self, share: &Self) {
        // All fields by name: one that is added and forgotten here must not compile.
        let Self {
            entered,
            moved_in,
            moved_out,
            waiting,
            held,
            parked,
            at_send,
            draining,
            converted,
            exited,
            sent,
            not_conserved,
        } = share;
        self.entered += entered;
        self.moved_in += moved_in;
        self.moved_out += moved_out;
        self.waiting += waiting;
        self.held += held;
        self.parked += parked;
        self.at_send += at_send;
        self.draining += draining;
        self.converted += converted;
        self.not_conserved += not_conserved;
        for (into, from) in [(&mut self.exited, exited), (&mut self.sent, sent)] {
            into.resize(into.len().max(from.len()), 0);
            into.iter_mut().zip(from).for_each(|(slot, count)| *slot += count);
        }
    }

    /// With the names that operators know, of this version; reasons that nobody left for are left out.
    pub(super) fn named(&self, plan: PlanIndex, catalog: &Catalog) -> VersionView {
        let of = catalog.plan(plan);
        let exited = ExitReason::ALL.iter().zip(&self.exited).filter(|(_, count)| **count > 0);
        let nodes = of.nodes.iter().zip(&self.sent);
        let sends = nodes.filter(|(node, _)| matches!(node.kind, NodeWork::Send(_)));
        VersionView {
            version: of.version,
            entered: self.entered,
            moved_in: self.moved_in,
            moved_out: self.moved_out,
            waiting: self.waiting,
            held: self.held,
            parked: self.parked,
            at_send: self.at_send,
            draining: self.draining,
            exited: exited.map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect(),
            converted: self.converted,
            sent: sends.map(|(node, count)| (node.id.to_string(), *count)).collect(),
            conserved: self.not_conserved == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_read_back_as_it_was_written_and_not_at_all_by_another_build() {
        let counts = Counts { entered: 3, exited: vec![1, 0, 2], sent: vec![5], ..Counts::default() };
        let view = ShardView {
            versions: vec![(7, counts)],
            refusals: vec![(1, [4; RefusalReason::ALL.len()])],
            doors: vec![(1, Door { granted: 9, admitted: 8, waiting: 7 })],
            to_renew: 0,
            lists: vec![(2, Cursor { epoch: 1, next: 2, end: 3 })],
            spent: vec![(1, 4)],
        };
        let mut bytes = view.encode();
        assert_eq!(ShardView::decode(&bytes), Some(view));
        bytes[0] += 1;
        assert_eq!(ShardView::decode(&bytes), None);
    }

    #[test]
    fn counts_of_shards_add_up_whichever_knows_more_nodes() {
        let mut all = Counts { entered: 1, sent: vec![1], ..Counts::default() };
        all.add(&Counts { entered: 2, sent: vec![1, 5], not_conserved: 1, ..Counts::default() });
        assert_eq!((all.entered, all.sent, all.not_conserved), (3, vec![2, 5], 1));
    }
}
