//! What is counted per journey version: how many are where now, and how many moved how, in all and by the hour (G40).
//!
//! Flows are totals and buckets of an hour in the journey's zone by the shard's time, which never goes back, so a
//! closed bucket never changes. Gauges are "now". The conservation identity (I13) ties the two together:
//! `entered + moved_in = waiting + held + at_send + draining + exited(by reason) + moved_out`.
//!
//! A shard has one bucket of a version in memory, the open one. Closed ones are records of its state, and
//! go when they are older than [`HOURS_KEPT`].

use jiff::tz::TimeZone;

use super::flows::Layout;
use super::record::Status;
use super::sums::FlowSums;
use crate::journey::catalog::PlanIndex;
use crate::journey::plan::{NodeIndex, Plan};
use crate::model::input::ReceiptKind;
use crate::model::{Interval, Timestamp};

/// How long a closed hour is kept, counted from the version's open one: a quarter and a little. Whoever
/// wants to look back further keeps what was told. A restore reads every hour that is kept of every
/// version.
pub const HOURS_KEPT: Interval = Interval::from_days(92);

const HOUR: Interval = Interval::from_hours(1);

/// Why an enrollment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitReason {
    /// It came to the end.
    Completed,
    /// It reached a goal.
    Goal,
    /// An exit rule without a goal.
    ExitRule,
    /// The journey time-out.
    TimedOut,
    /// A node time-out that leads nowhere.
    NodeTimeout,
    /// A filter let it not pass.
    Filtered,
    /// A wait ended under a held gate, and the timer policy is `drop`.
    ExpiredInHold,
    /// The journey was stopped (G12).
    Stopped,
    /// Its node is gone from the version that it was to take (G15).
    NodeRemoved,
    /// An operator removed the user.
    Removed,
    /// The user was deleted.
    Deleted,
}

impl ExitReason {
    /// Every reason, by number.
    pub const ALL: [Self; 11] = [
        Self::Completed,
        Self::Goal,
        Self::ExitRule,
        Self::TimedOut,
        Self::NodeTimeout,
        Self::Filtered,
        Self::ExpiredInHold,
        Self::Stopped,
        Self::NodeRemoved,
        Self::Removed,
        Self::Deleted,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Goal => "goal",
            Self::ExitRule => "exit_rule",
            Self::TimedOut => "timed_out",
            Self::NodeTimeout => "node_timeout",
            Self::Filtered => "filtered",
            Self::ExpiredInHold => "expired_in_hold",
            Self::Stopped => "stopped",
            Self::NodeRemoved => "node_removed",
            Self::Removed => "removed",
            Self::Deleted => "deleted",
        }
    }

    /// The reason of a stored number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.get(usize::from(n)).copied()
    }
}

/// Where an enrollment stands, as the statistics see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// Waiting.
    Waiting,
    /// Held.
    Held,
    /// Queued by its send node's own rate.
    AtSend,
    /// Waiting or held in a stopped journey.
    Draining,
}

impl Place {
    /// Every place, by number.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Held, Self::AtSend, Self::Draining];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::AtSend => "at_send",
            Self::Draining => "draining",
        }
    }

    /// The place of a status; nobody at the door is anywhere yet.
    #[must_use]
    pub const fn of(status: Status, stopped: bool) -> Option<Self> {
        match (status, stopped) {
            (Status::AtDoor, _) => None,
            (Status::AtSend, _) => Some(Self::AtSend),
            (Status::Waiting | Status::Held, true) => Some(Self::Draining),
            (Status::Waiting, false) => Some(Self::Waiting),
            (Status::Held, false) => Some(Self::Held),
        }
    }
}

/// Where an enrollment is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) plan: usize,
    pub(super) node: NodeIndex,
    pub(super) place: Place,
    /// Whether it is held because it is parked.
    pub(super) parked: bool,
}

/// A movement of a version as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// An enrollment was created.
    Entered,
    /// An enrollment came from another version (G15).
    MovedIn,
    /// An enrollment went to another version.
    MovedOut,
    /// A goal was reached.
    Converted,
}

/// A movement at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFlow {
    /// The node was started.
    Started,
    /// Its message was handed over.
    Sent,
    /// Somebody was held before it.
    Held,
    /// A provider reported.
    Receipt(ReceiptKind),
    /// Somebody left the journey from here.
    Exited(ExitReason),
    /// Somebody went on by that outcome, numbered as [`Plan::targets`].
    Branch(u16),
}

/// The statistics of one version in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    layout: Layout,
    /// All flows since the version was published.
    totals: Vec<u64>,
    /// The flows of the hour that began at `hour`.
    bucket: Vec<u64>,
    hour: Timestamp,
    hour_end: Timestamp,
    /// By place, for the version and for each node.
    now: [u64; 4],
    nodes_now: Vec<[u64; 4]>,
    /// How many of the held are parked (G17).
    parked: u64,
    /// Whether anything has been counted since the last commit.
    pub(super) dirty: bool,
    /// What its records add to the shard's digest, as far as they are written.
    pub(super) sums: FlowSums,
}

impl Statistics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let layout = Layout::of(plan);
        let len = layout.len();
        Self {
            layout,
            totals: vec![0; len],
            bucket: vec![0; len],
            hour: Timestamp::MIN,
            hour_end: Timestamp::MIN,
            now: [0; 4],
            nodes_now: vec![[0; 4]; plan.nodes.len()],
            parked: 0,
            dirty: false,
            sums: FlowSums::default(),
        }
    }

    /// Opens the bucket of `now` if its hour is another than the open one's. Returns the closed one, if it counted.
    pub(super) fn roll(
        &mut self,
        plan: PlanIndex,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Option<(Timestamp, Vec<u64>)> {
        if now < self.hour_end {
            return None;
        }
        let closed = self.bucket.iter().any(|&n| n > 0).then(|| (self.hour, self.bucket.clone()));
        self.bucket.fill(0);
        let was = std::mem::replace(&mut self.hour, hour_of(now, zone));
        if was != Timestamp::MIN {
            self.sums.close(plan, was, closed.as_ref().map(|(_, row)| row.as_slice()), self.hour);
        }
        self.hour_end = self.hour + HOUR;
        closed
    }

    /// Whether the open bucket's hour is over.
    #[must_use]
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.hour_end
    }

    pub(super) fn count(&mut self, flow: Flow) {
        self.add(Layout::flow(flow));
    }

    pub(super) fn exit(&mut self, node: NodeIndex, reason: ExitReason) {
        self.add(Layout::exited(reason));
        self.count_at(node, NodeFlow::Exited(reason));
    }

    pub(super) fn count_at(&mut self, node: NodeIndex, flow: NodeFlow) {
        if let Some(index) = self.layout.at(node, flow) {
            self.add(index);
        }
    }

    fn add(&mut self, index: usize) {
        self.totals[index] += 1;
        self.bucket[index] += 1;
        self.dirty = true;
    }

    /// Somebody comes to a place.
    pub(super) fn arrive(&mut self, Spot { node, place, parked, .. }: Spot) {
        self.now[place as usize] += 1;
        self.nodes_now[usize::from(node)][place as usize] += 1;
        self.parked += u64::from(parked);
    }

    /// Somebody leaves a place.
    pub(super) fn depart(&mut self, Spot { node, place, parked, .. }: Spot) {
        self.now[place as usize] -= 1;
        self.nodes_now[usize::from(node)][place as usize] -= 1;
        self.parked -= u64::from(parked);
    }

    /// All who wait or are held drain from now on (G35).
    pub(super) fn drain(&mut self) {
        for gauges in self.nodes_now.iter_mut().chain([&mut self.now]) {
            gauges[Place::Draining as usize] +=
                gauges[Place::Waiting as usize] + gauges[Place::Held as usize];
            gauges[Place::Waiting as usize] = 0;
            gauges[Place::Held as usize] = 0;
        }
        self.parked = 0;
    }

    /// How many are at a place now.
    #[must_use]
    pub fn at(&self, place: Place) -> u64 {
        self.now[place as usize]
    }

    /// How many of the held are so because they are parked (G17), whatever the movement gate says.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.parked
    }

    /// How many are at a place at a node now.
    #[must_use]
    pub fn at_node(&self, node: NodeIndex, place: Place) -> u64 {
        self.nodes_now.get(usize::from(node)).map_or(0, |gauges| gauges[place as usize])
    }

    /// How many moved so, in all.
    #[must_use]
    pub fn total(&self, flow: Flow) -> u64 {
        self.totals[Layout::flow(flow)]
    }

    /// How many left for that reason, in all.
    #[must_use]
    pub fn exited(&self, reason: ExitReason) -> u64 {
        self.totals[Layout::exited(reason)]
    }

    /// How many moved so at a node, in all.
    #[must_use]
    pub fn total_at(&self, node: NodeIndex, flow: NodeFlow) -> u64 {
        self.layout.at(node, flow).map_or(0, |index| self.totals[index])
    }

    /// Whether the conservation identity holds (I13).
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let came = self.total(Flow::Entered) + self.total(Flow::MovedIn);
        let left: u64 =
            ExitReason::ALL.iter().map(|&r| self.exited(r)).sum::<u64>() + self.total(Flow::MovedOut);
        let inside: u64 = self.now.iter().sum();
        came == inside + left
    }

    /// Both sides of the conservation identity, with their values; reasons that nobody left for are left out.
    #[must_use]
    pub fn identity(&self) -> String {
        let came = format!("entered {} + moved in {}", self.total(Flow::Entered), self.total(Flow::MovedIn));
        let inside = Place::ALL.map(|place| format!("{} {}", place.as_str(), self.at(place)));
        let left = ExitReason::ALL.iter().filter(|&&reason| self.exited(reason) > 0);
        let left = left.map(|&reason| format!(" + {} {}", reason.as_str(), self.exited(reason)));
        let moved = self.total(Flow::MovedOut);
        format!("{came} ≠ {}{} + moved out {moved}", inside.join(" + "), left.collect::<String>())
    }

    /// All flows since the version was published, as a row.
    pub(super) fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// The hour that is open, and its flows so far, as a row; nothing before the first flow.
    #[must_use]
    pub fn open_hour(&self) -> Option<(Timestamp, &[u64])> {
        (self.hour != Timestamp::MIN).then_some((self.hour, self.bucket.as_slice()))
    }

    /// Puts stored parts back; a part of another length is a stored version's that has changed shape, and is refused.
    pub(super) fn set_totals(&mut self, totals: &[u64]) -> bool {
        let fits = totals.len() == self.totals.len();
        if fits {
            self.totals.copy_from_slice(totals);
        }
        fits
    }

    pub(super) fn set_bucket(&mut self, hour: Timestamp, bucket: &[u64]) -> bool {
        let fits = bucket.len() == self.bucket.len();
        if fits {
            self.bucket.copy_from_slice(bucket);
            self.hour = hour;
            self.hour_end = hour + HOUR;
        }
        fits
    }

    pub(super) fn clear_now(&mut self) {
        self.now = [0; 4];
        self.nodes_now.fill([0; 4]);
        self.parked = 0;
    }
}

/// The beginning of the hour, in a zone, that holds `at`.
#[must_use]
pub fn hour_of(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let Ok(instant) = jiff::Timestamp::from_millisecond(at.0.max(0)) else { return Timestamp(0) };
    let offset_ms = i64::from(zone.to_offset(instant).seconds()) * 1_000;
    let local = at.0.max(0) + offset_ms;
    Timestamp(local - local.rem_euclid(3_600_000) - offset_ms)
}

/// The beginnings of the hours that are too old since the hour after `open` has opened, which is `next`:
/// those that were still kept under the one and are not under the other.
pub(super) fn expired(open: Timestamp, next: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
    let end = (next - HOURS_KEPT).min(open + HOUR);
    let first = hour_of(open - HOURS_KEPT, zone);
    // Where a zone's offset changes by half an hour, the hour before the change ends early.
    std::iter::successors(Some(first), |hour| Some(hour_of(*hour + HOUR, zone).max(*hour + Interval(1))))
        .take_while(move |hour| *hour < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_the_journeys_zone() {
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let at: Timestamp = "2026-03-01T09:45:00Z".parse().unwrap();
        assert_eq!(hour_of(at, &kolkata).to_string(), "2026-03-01T09:30:00.000Z");
        assert_eq!(hour_of(at, &TimeZone::UTC).to_string(), "2026-03-01T09:00:00.000Z");
    }
    #[test]
    fn every_hour_expires_once_whatever_the_zone_does() {
        for (zone, from) in [
            ("Asia/Kolkata", "2026-01-01T00:00:00Z"),
            ("America/New_York", "2026-03-01T00:00:00Z"),
            // Half an hour of daylight saving.
            ("Australia/Lord_Howe", "2026-03-30T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-09-30T00:00:00Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let start = from.parse::<Timestamp>().unwrap();
            // An hour opens with what is counted in it: here every quarter, later every day, then after a
            // year.
            let quarters = (0..24 * 4 * 12).map(|n| Interval::from_mins(15 * n));
            let days = (12..110).map(Interval::from_days);
            let times = quarters.chain(days).chain([Interval::from_days(500)]).map(|after| start + after);
            let (mut open, mut kept) = (hour_of(start, &zone), vec![hour_of(start, &zone)]);
            for now in times.filter(|now| *now > start) {
                if now < open + HOUR {
                    continue;
                }
                let next = hour_of(now, &zone);
                let gone: Vec<_> = expired(open, next, &zone).collect();
                assert!(gone.len() <= 92 * 24 + 2, "{}", gone.len());
                kept.retain(|hour| !gone.contains(hour));
                kept.push(next);
                open = next;
                let oldest = next - HOURS_KEPT;
                assert!(kept.iter().all(|hour| *hour >= oldest), "{zone:?} at {now}");
            }
            assert_eq!(kept.len(), 1, "after a year nothing is left but the open hour");
        }
    }
}
