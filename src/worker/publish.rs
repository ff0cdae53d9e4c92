//! What one worker shows of its shards: counts by version and journey, to the API and to the metrics.

use super::board::{Board, Door, Refusals};
use super::cycle::Cycle;
use crate::control::service::VersionView;
use crate::engine::Shard;
use crate::engine::journey_state::RefusalReason;
use crate::engine::statistics::{ExitReason, Flow, NodeFlow, Place};
use crate::journal::Journal;
use crate::journey::catalog::{Catalog, JourneyIndex, PlanIndex};
use crate::journey::plan::NodeWork;
use crate::metrics::{Hub, JourneyCounts};

/// Where a worker shows its shards.
pub(super) struct Publisher<'a> {
    pub(super) board: &'a Board,
    pub(super) hub: &'a Hub,
    pub(super) worker: usize,
}

impl Publisher<'_> {
    /// Shows everything as of the last commit. Whether a door or a list wants the steward's attention.
    pub(super) fn publish<J: Journal>(&self, cycle: &mut Cycle<J>) -> bool {
        let Some((_, first)) = cycle.shards().next() else { return false };
        let catalog = std::sync::Arc::clone(first.catalog());
        let mut versions: Vec<(PlanIndex, VersionView)> = Vec::with_capacity(catalog.plan_count());
        for plan in 0..catalog.plan_count() as PlanIndex {
            let mut view = VersionView { conserved: true, ..VersionView::default() };
            cycle.shards().for_each(|(_, shard)| add(&mut view, shard, plan, &catalog));
            versions.push((plan, view));
        }
        let refusals = self.journeys(cycle, &catalog);
        for (plan, view) in &versions {
            let counts = counts(
                view,
                catalog.journeys[usize::from(catalog.journey_of(*plan))].live == Some(*plan),
                &refusals[usize::from(catalog.journey_of(*plan))],
            );
            let of = catalog.plan(*plan);
            *cycle.metrics.journey(self.hub.journey(&of.journey, of.version)) = counts;
        }
        for (plan, view) in versions {
            self.board.versions.insert((self.worker, plan), view);
        }
        let wanted = self.doors(cycle, &catalog) | self.lists(cycle);
        self.gauges(cycle);
        self.hub.publish(self.worker, &mut cycle.metrics);
        wanted
    }

    fn journeys<J: Journal>(&self, cycle: &Cycle<J>, catalog: &Catalog) -> Vec<Refusals> {
        let mut all = vec![Refusals::default(); catalog.journeys.len()];
        for (journey, refusals) in all.iter_mut().enumerate() {
            for state in cycle.shards().filter_map(|(_, shard)| shard.journey(journey as JourneyIndex)) {
                for (slot, reason) in refusals.iter_mut().zip(RefusalReason::ALL) {
                    *slot += state.refused(reason);
                }
            }
            self.board.refusals.insert((self.worker, journey as JourneyIndex), *refusals);
        }
        all
    }

    /// Whether somebody waits at a door.
    fn doors<J: Journal>(&self, cycle: &Cycle<J>, catalog: &Catalog) -> bool {
        let mut waiting = false;
        for (number, journey) in catalog.journeys.iter().enumerate() {
            let limited = journey.live.is_some_and(|live| catalog.plan(live).entry.limit.is_some());
            for (shard, state) in cycle.shards().filter(|_| limited) {
                let Some(state) = state.journey(number as JourneyIndex) else { continue };
                let (granted, admitted) = state.share();
                let door = Door { granted, admitted, waiting: state.at_door() };
                waiting |= door.waiting > 0;
                self.board.doors.insert((shard, number as JourneyIndex), door);
            }
        }
        waiting
    }

    /// Whether a list's end was taken that was not known before.
    fn lists<J: Journal>(&self, cycle: &Cycle<J>) -> bool {
        let mut ended = false;
        for (shard, journey, cursor) in cycle.lists() {
            let before = self.board.lists.insert((shard, journey), cursor);
            ended |= cursor.is_done() && before != Some(cursor);
        }
        ended
    }

    fn gauges<J: Journal>(&self, cycle: &mut Cycle<J>) {
        let (mut users, mut timers) = (0, 0);
        let mut window = u64::MAX;
        for (_, shard) in cycle.shards() {
            let (known, inside) = shard.size();
            (users, timers) = (users + known, timers + inside);
            window = window.min(shard.duplicate_window().as_millis() / 1000);
        }
        let unread = cycle.unread();
        let gauges = &mut cycle.metrics.gauges;
        gauges.events_unread = unread;
        (gauges.users, gauges.timers) = (users as u64, timers as u64);
        gauges.duplicate_window_secs = window;
    }
}

fn add(view: &mut VersionView, shard: &Shard, plan: PlanIndex, catalog: &Catalog) {
    let Some(statistics) = shard.statistics(plan) else { return };
    let of = catalog.plan(plan);
    let sends = of.nodes.iter().enumerate().filter(|(_, node)| matches!(node.kind, NodeWork::Send(_)));
    let sent = sends.map(|(node, of)| (of.id.to_string(), statistics.total_at(node as u16, NodeFlow::Sent)));
    let share = VersionView {
        version: of.version,
        entered: statistics.total(Flow::Entered),
        moved_in: statistics.total(Flow::MovedIn),
        moved_out: statistics.total(Flow::MovedOut),
        waiting: statistics.at(Place::Waiting),
        held: statistics.at(Place::Held),
        parked: statistics.parked(),
        at_send: statistics.at(Place::AtSend),
        draining: statistics.at(Place::Draining),
        exited: ExitReason::ALL.iter().map(|r| (r.as_str().to_owned(), statistics.exited(*r))).collect(),
        converted: statistics.total(Flow::Converted),
        sent: sent.collect(),
        conserved: statistics.is_conserved(),
    };
    merge(view, &share);
}

/// Adds a share of the same version: reasons and nodes stand in the same order in both.
pub(super) fn merge(view: &mut VersionView, share: &VersionView) {
    let VersionView {
        version,
        entered,
        moved_in,
        moved_out,
        waiting,
        held,
        parked,
        at_send,
        draining,
        exited,
        converted,
        sent,
        conserved,
    } = share;
    view.version = *version;
    view.entered += entered;
    view.moved_in += moved_in;
    view.moved_out += moved_out;
    view.waiting += waiting;
    view.held += held;
    view.parked += parked;
    view.at_send += at_send;
    view.draining += draining;
    view.converted += converted;
    view.conserved &= conserved;
    for (into, from) in [(&mut view.exited, exited), (&mut view.sent, sent)] {
        if into.is_empty() {
            into.clone_from(from);
            continue;
        }
        into.iter_mut().zip(from).for_each(|(slot, (_, count))| slot.1 += count);
    }
}

/// The same for the metrics. A journey's refusals are shown with its live version.
fn counts(view: &VersionView, is_live: bool, refusals: &Refusals) -> JourneyCounts {
    let exited = ExitReason::ALL.iter().zip(&view.exited).map(|(reason, (_, n))| (reason.as_str(), *n));
    let refused = RefusalReason::ALL.iter().zip(refusals).map(|(reason, n)| (reason.as_str(), *n));
    JourneyCounts {
        entered: view.entered,
        moved_in: view.moved_in,
        moved_out: view.moved_out,
        waiting: view.waiting,
        held: view.held,
        parked: view.parked,
        at_send: view.at_send,
        draining: view.draining,
        converted: view.converted,
        sends: view.sent.iter().map(|(_, n)| n).sum(),
        exited: exited.filter(|(_, n)| *n > 0).collect(),
        refused: refused.filter(|(_, n)| is_live && *n > 0).collect(),
    }
}
