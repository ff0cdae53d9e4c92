//! What one worker measures for itself: plain fields on the data's way, nothing shared.

use std::time::Duration;

use super::counters::{Counters, Gauges};
use super::hub::JourneyIndex;
use super::latency::{Recorders, Stage};

/// A word of the engine's own for why somebody left or was refused: never formatted, never a user's text.
pub type Reason = &'static str;

/// One version of a journey in one worker's shards, taken together: totals, not differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JourneyCounts {
    /// Enrollments that were created.
    pub entered: u64,
    /// Enrollments that came from an older version.
    pub moved_in: u64,
    /// Enrollments that went to a newer version.
    pub moved_out: u64,
    /// Now waiting.
    pub waiting: u64,
    /// Now held.
    pub held: u64,
    /// Of the held, those parked.
    pub parked: u64,
    /// Now at send.
    pub at_send: u64,
    /// Now draining.
    pub draining: u64,
    /// Those who reached a goal.
    pub converted: u64,
    /// Sends handed over.
    pub sends: u64,
    /// Those who have left, by reason; each reason once.
    pub exited: Vec<(Reason, u64)>,
    /// Those who qualified and were refused, by reason; each reason once.
    pub refused: Vec<(Reason, u64)>,
}

impl JourneyCounts {
    /// Whether nobody was lost or made up: `entered + moved in = waiting + held + at send + draining + exited
    /// + moved out`.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let exited: u64 = self.exited.iter().map(|(_, count)| count).sum();
        let inside = self.waiting + self.held + self.at_send + self.draining;
        self.entered + self.moved_in == inside + exited + self.moved_out
    }

    /// Adds another worker's share.
    pub(super) fn add(&mut self, other: &Self) {
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
            sends,
            exited,
            refused,
        } = other;
        self.entered += entered;
        self.moved_in += moved_in;
        self.moved_out += moved_out;
        self.waiting += waiting;
        self.held += held;
        self.parked += parked;
        self.at_send += at_send;
        self.draining += draining;
        self.converted += converted;
        self.sends += sends;
        add_reasons(&mut self.exited, exited);
        add_reasons(&mut self.refused, refused);
    }
}

/// A dozen reasons at most: a search from the front is faster than a map.
pub(super) fn add_reasons(into: &mut Vec<(Reason, u64)>, from: &[(Reason, u64)]) {
    for (reason, count) in from {
        match into.iter_mut().find(|(known, _)| known == reason) {
            Some((_, total)) => *total += count,
            None => into.push((reason, *count)),
        }
    }
}

/// What is so now in one open shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardNumbers {
    /// See [`SHARD_UNREAD`](super::names::SHARD_UNREAD).
    pub unread: u64,
    /// See [`SHARD_EPOCH`](super::names::SHARD_EPOCH).
    pub epoch: u64,
}

/// A worker's own numbers. It counts here without a lock, and hands over with
/// [`Hub::publish`](super::Hub::publish).
#[derive(Debug)]
pub struct WorkerMetrics {
    /// What it has counted since the process started.
    pub counters: Counters,
    /// What is so now in its shards.
    pub gauges: Gauges,
    /// Its open shards, ascending: those that are not there any more are not shown any more.
    pub shards: Vec<(u16, ShardNumbers)>,
    /// Since the last hand-over.
    pub(super) stages: Recorders,
    pub(super) journeys: Vec<JourneyCounts>,
    /// Which of them were touched since the last hand-over; may name one twice.
    pub(super) touched: Vec<JourneyIndex>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerMetrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counters: Counters::default(),
            gauges: Gauges::default(),
            shards: Vec::new(),
            stages: Recorders::default(),
            journeys: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// One more of a stage; longer than an hour counts as an hour.
    pub fn record(&mut self, stage: Stage, took: Duration) {
        self.record_many(stage, took, 1);
    }

    /// So many more that took equally long, at the cost of one: a batch that was decided at one reading of
    /// the clock.
    pub fn record_many(&mut self, stage: Stage, took: Duration, times: u64) {
        self.stages.took(stage, took, times);
    }

    /// One release of a shard is over: how many users it let go, from its beginning until the commit that
    /// ended it.
    pub fn release(&mut self, users: u64, took: Duration) {
        self.stages.released(users, took);
    }

    /// The counts of a journey's version in this worker's shards, to be set anew before they are handed over.
    /// Not for every event: those that were not asked for here are not copied.
    pub fn journey(&mut self, index: JourneyIndex) -> &mut JourneyCounts {
        let at = index.at();
        if at >= self.journeys.len() {
            self.journeys.resize_with(at + 1, JourneyCounts::default);
        }
        self.touched.push(index);
        &mut self.journeys[at]
    }
}
