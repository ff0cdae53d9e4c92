//! What one worker shows of its shards: to the board, to other instances, and to the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::board::Board;
use super::cycle::Cycle;
use super::inbox::Places;
use super::view::{Counts, Refusals, ShardView};
use crate::control::statistics::NodesNow;
use crate::engine::Shard;
use crate::engine::journey_state::RefusalReason;
use crate::engine::statistics::{ExitReason, Place};
use crate::journal::{Group, Journal, Pending, View};
use crate::journey::catalog::{Catalog, JourneyIndex, PlanIndex};
use crate::metrics::{self, Hub, JourneyCounts, ShardNumbers};

/// Shows a worker's shards.
#[derive(Debug)]
pub(super) struct Publisher {
    board: Arc<Board>,
    hub: Hub,
    worker: usize,
    /// What is shown of each of the worker's shards, and as of which commit.
    shown: BTreeMap<u16, (u64, Arc<ShardView>)>,
    /// The versions that the metrics have lines of.
    lines: BTreeMap<PlanIndex, metrics::JourneyIndex>,
}

impl Publisher {
    pub(super) fn new(board: Arc<Board>, hub: Hub, worker: usize) -> Self {
        Self { board, hub, worker, shown: BTreeMap::new(), lines: BTreeMap::new() }
    }

    /// A shard is another's: its last view stands until the new owner shows one.
    pub(super) fn lost(&mut self, shard: u16) {
        self.shown.remove(&shard);
    }

    /// Shows everything as of the last commit. Whether a door or a list wants the steward's attention.
    pub(super) fn publish<J: Journal>(&mut self, cycle: &mut Cycle<J>, group: &impl Group) -> bool {
        let mut wanted = false;
        for (number, shard) in cycle.shards() {
            if self.shown.get(&number).is_some_and(|(seq, _)| *seq == shard.seq()) {
                continue;
            }
            let lists = cycle.lists().filter(|(of, ..)| *of == number);
            let view = Arc::new(ShardView::of(shard, lists.map(|(_, journey, cursor)| (journey, cursor))));
            if group.is_shared() {
                let (seq, bytes) = (shard.seq(), view.encode());
                if let Err(error) = group.publish_view(View { shard: number, seq, bytes: &bytes }) {
                    tracing::warn!(%error, shard = number, "other instances do not see what became of it");
                }
            }
            self.board.see(number, shard.seq(), Arc::clone(&view));
            let before = self.shown.insert(number, (shard.seq(), Arc::clone(&view)));
            wanted |= view.wants_the_steward(before.as_ref().map(|(_, view)| &**view));
        }
        self.measure(cycle);
        self.gauges(cycle);
        self.hub.publish(self.worker, &mut cycle.metrics);
        wanted
    }

    /// The metrics have the sums over this worker's shards.
    fn measure<J: Journal>(&mut self, cycle: &mut Cycle<J>) {
        let catalogs = cycle.shards().map(|(_, shard)| shard.catalog());
        let Some(catalog) = catalogs.max_by_key(|catalog| catalog.epoch).cloned() else {
            for line in self.lines.values() {
                *cycle.metrics.journey(*line) = JourneyCounts::default();
            }
            return;
        };
        let (mut versions, mut refusals) = (BTreeMap::<PlanIndex, Counts>::new(), BTreeMap::new());
        for (_, view) in self.shown.values() {
            for (plan, counts) in &view.versions {
                versions.entry(*plan).or_default().add(counts);
            }
            for (journey, share) in &view.refusals {
                let all: &mut Refusals = refusals.entry(*journey).or_default();
                all.iter_mut().zip(share).for_each(|(slot, count)| *slot += count);
            }
        }
        for (plan, counts) in versions {
            let of = catalog.plan(plan);
            let line = *self.lines.entry(plan).or_insert_with(|| self.hub.journey(&of.journey, of.version));
            *cycle.metrics.journey(line) = line_of(&counts, plan, &catalog, &refusals);
        }
    }

    /// Shows what changes without a commit: how far the inputs are ahead, and what the journal counts.
    pub(super) fn refresh<J: Journal>(&self, cycle: &mut Cycle<J>) {
        self.gauges(cycle);
        self.hub.publish(self.worker, &mut cycle.metrics);
    }

    fn gauges<J: Journal>(&self, cycle: &mut Cycle<J>) {
        let (mut users, mut timers, mut to_renew) = (0, 0, 0);
        let mut window = u64::MAX;
        for (_, shard) in cycle.shards() {
            let (known, inside) = shard.size();
            (users, timers) = (users + known, timers + inside);
            to_renew += shard.pages_to_renew() as u64;
            window = window.min(shard.duplicate_window().as_millis() / 1000);
        }
        let unread = cycle.unread();
        let gauges = &mut cycle.metrics.gauges;
        gauges.events_unread = unread;
        (gauges.users, gauges.timers) = (users as u64, timers as u64);
        gauges.pages_to_renew = to_renew;
        gauges.duplicate_window_secs = window;
        self.journal(cycle);
    }

    /// What the journal counts, and how far the shards are that it has not given yet.
    fn journal<J: Journal>(&self, cycle: &mut Cycle<J>) {
        let (counts, pending) = (cycle.counts(), cycle.pending());
        let shards: Vec<_> = cycle
            .shards()
            .map(|(number, shard)| {
                (number, ShardNumbers { unread: cycle.unread_of(number), epoch: shard.epoch() })
            })
            .collect();
        let (mut done, mut of) = (0, 0);
        for load in &pending {
            if let Pending::Loading { done: read, of: all, .. } = load {
                (done, of) = (done + read, of + all);
            }
        }
        let waiting = pending.iter().filter(|pending| **pending != Pending::Unassigned).count();
        let restoring = cycle.restoring();
        let gauges = &mut cycle.metrics.gauges;
        gauges.shards_open = shards.len() as u64;
        gauges.shards_pending = (waiting + restoring) as u64;
        (gauges.load_offsets, gauges.load_offsets_expected) = (done, of);
        cycle.metrics.shards = shards;
        let counters = &mut cycle.metrics.counters;
        counters.transactions_aborted = counts.aborted;
        counters.transactions_unknown = counts.unknown;
        counters.transactions_fenced = counts.fenced;
        counters.transaction_records = counts.records;
        counters.transaction_partitions = counts.partitions;
        counters.rebalances = counts.rebalances;
        counters.shards_gained = counts.gained;
        counters.shards_lost = counts.lost;
        counters.shards_loaded = counts.loaded;
    }
}

/// Who is where in these versions, over a worker's shards.
pub(super) fn places<J: Journal>(cycle: &Cycle<J>, plans: &[PlanIndex]) -> Places {
    let shards: Vec<&Shard> = cycle.shards().map(|(_, shard)| shard).collect();
    let of = |plan: &PlanIndex| {
        let mut nodes = NodesNow::new();
        for (shard, statistics) in shards.iter().filter_map(|s| Some((s, s.statistics(*plan)?))) {
            nodes.resize(shard.catalog().plan(*plan).nodes.len(), [0; Place::ALL.len()]);
            for (node, places) in (0..).zip(&mut nodes) {
                for place in Place::ALL {
                    places[place as usize] += statistics.at_node(node, place);
                }
            }
        }
        nodes
    };
    Places { shards: shards.len(), versions: plans.iter().map(of).collect() }
}

/// A version for the metrics. A journey's refusals are shown with its live version.
fn line_of(
    counts: &Counts,
    plan: PlanIndex,
    catalog: &Catalog,
    refusals: &BTreeMap<JourneyIndex, Refusals>,
) -> JourneyCounts {
    let exited = ExitReason::ALL.iter().zip(&counts.exited).map(|(reason, n)| (reason.as_str(), *n));
    let journey = catalog.journey_of(plan);
    let is_live = catalog.journeys[usize::from(journey)].live == Some(plan);
    let refused = refusals.get(&journey).filter(|_| is_live).into_iter().flatten();
    let refused = RefusalReason::ALL.iter().zip(refused).map(|(reason, n)| (reason.as_str(), *n));
    JourneyCounts {
        entered: counts.entered,
        moved_in: counts.moved_in,
        moved_out: counts.moved_out,
        waiting: counts.waiting,
        held: counts.held,
        parked: counts.parked,
        at_send: counts.at_send,
        draining: counts.draining,
        converted: counts.converted,
        sends: counts.sent.iter().sum(),
        exited: exited.filter(|(_, n)| *n > 0).collect(),
        refused: refused.filter(|(_, n)| *n > 0).collect(),
    }
}
