//! What a replay comes to: per journey and version, summed over the shards, as a text and as JSON.
//!
//! Nothing in it depends on the machine or on how fast it was.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::crew::Done;
use super::intake::Counts;
use crate::control::Fold;
use crate::engine::journey_state::RefusalReason;
use crate::engine::statistics::{ExitReason, Flow, NodeFlow, Place, Statistics};
use crate::journey::catalog::JourneyIndex;
use crate::journey::plan::NodeIndex;
use crate::model::Timestamp;

/// What a replay comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What was read.
    pub events: Counts,
    /// Up to when the clock ran.
    pub until: Timestamp,
    /// The journeys, by id.
    pub journeys: Vec<JourneySummary>,
    /// The operator's verbs that were refused: their place in the script, and why.
    pub refused_verbs: Vec<String>,
    /// All sends.
    pub sends: u64,
}

/// One journey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JourneySummary {
    /// Its id.
    pub id: String,
    /// Whose states it has.
    pub dialect: String,
    /// Its state at the end.
    pub state: String,
    /// Those who qualified and were not let in, by the gate's reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// The versions that went live, oldest first.
    pub versions: Vec<VersionSummary>,
}

/// One version of a journey.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VersionSummary {
    /// Its number.
    pub version: u32,
    /// Enrollments that were created.
    pub entered: u64,
    /// Those that came from another version, and those that went to one.
    pub moved_in: u64,
    /// See `moved_in`.
    pub moved_out: u64,
    /// Those that wait at the end.
    pub waiting: u64,
    /// Those that are held.
    pub held: u64,
    /// Those that a send node's own rate keeps.
    pub at_send: u64,
    /// Those that leave a stopped journey.
    pub draining: u64,
    /// Those that left, by reason.
    pub exited: BTreeMap<&'static str, u64>,
    /// Goals that were reached.
    pub converted: u64,
    /// Messages handed over, by node.
    pub sends: BTreeMap<String, u64>,
    /// Whether the conservation identity holds.
    pub conserved: bool,
}

impl Summary {
    /// Sums the shards up.
    pub(super) fn of(
        events: Counts,
        until: Timestamp,
        fold: &Fold,
        refused_verbs: Vec<String>,
        shards: &[Done],
    ) -> Self {
        let catalog = fold.catalog();
        let mut journeys: Vec<JourneySummary> = (0..)
            .zip(fold.registry().lineages())
            .map(|(index, lineage): (JourneyIndex, _)| {
                let refused = RefusalReason::ALL.into_iter().map(|reason| {
                    let of = |done: &Done| done.shard.journey(index).map_or(0, |state| state.refused(reason));
                    (reason.as_str(), shards.iter().map(of).sum())
                });
                let versions = lineage.versions.iter().filter_map(|version| {
                    let plan = catalog.plan_of(index, version.number)?;
                    let nodes: Vec<&str> = catalog.plan(plan).nodes.iter().map(|node| &*node.id).collect();
                    let of = shards.iter().filter_map(|done| done.shard.statistics(plan));
                    Some(VersionSummary::of(version.number, &nodes, of))
                });
                JourneySummary {
                    id: lineage.id.clone(),
                    dialect: lineage.lifecycle.dialect().name().to_owned(),
                    state: lineage.lifecycle.state_at(until).name.to_owned(),
                    refused: refused.filter(|(_, count)| *count > 0).collect(),
                    versions: versions.collect(),
                }
            })
            .collect();
        journeys.sort_by(|a, b| a.id.cmp(&b.id));
        let versions = journeys.iter().flat_map(|journey| &journey.versions);
        let sends = versions.flat_map(|version| version.sends.values()).sum();
        Self { events, until, journeys, refused_verbs, sends }
    }

    /// Whether the conservation identity holds for every version.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        self.journeys.iter().flat_map(|journey| &journey.versions).all(|version| version.conserved)
    }
}

impl VersionSummary {
    fn of<'a>(version: u32, nodes: &[&str], shards: impl Iterator<Item = &'a Statistics>) -> Self {
        let mut sum = Self { version, conserved: true, ..Self::default() };
        for statistics in shards {
            sum.entered += statistics.total(Flow::Entered);
            sum.moved_in += statistics.total(Flow::MovedIn);
            sum.moved_out += statistics.total(Flow::MovedOut);
            sum.converted += statistics.total(Flow::Converted);
            sum.waiting += statistics.at(Place::Waiting);
            sum.held += statistics.at(Place::Held);
            sum.at_send += statistics.at(Place::AtSend);
            sum.draining += statistics.at(Place::Draining);
            for reason in ExitReason::ALL {
                *sum.exited.entry(reason.as_str()).or_default() += statistics.exited(reason);
            }
            for (number, node) in nodes.iter().enumerate() {
                let sent = statistics.total_at(number as NodeIndex, NodeFlow::Sent);
                *sum.sends.entry((*node).to_owned()).or_default() += sent;
            }
            sum.conserved &= statistics.is_conserved();
        }
        sum.exited.retain(|_, count| *count > 0);
        sum.sends.retain(|_, count| *count > 0);
        sum
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = &self.events;
        let rejected: u64 = read.rejected.values().sum();
        writeln!(
            f,
            "events     {} in {} lines, {} that a journey mentions",
            read.events, read.lines, read.mentioned
        )?;
        if let (Some(first), Some(last)) = (read.first, read.last) {
            writeln!(f, "time       {first} to {last}; the clock ran until {}", self.until)?;
        }
        for (count, what) in [
            (read.sorted, "were out of order and were sorted"),
            (read.late, "were further out of order than --late allows and were fed at the clock"),
            (read.untimed, "had no time of their own and took that of the event before"),
        ] {
            if count > 0 {
                writeln!(f, "           {count} {what}")?;
            }
        }
        if rejected > 0 {
            writeln!(f, "rejected   {}", listed(&read.rejected))?;
        }
        for journey in &self.journeys {
            journey.fmt(f)?;
        }
        for refused in &self.refused_verbs {
            writeln!(f, "\nrefused    {refused}")?;
        }
        writeln!(f, "\nsends      {} in all", self.sends)
    }
}

impl fmt::Display for JourneySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} ({}, {})", self.id, self.dialect, self.state)?;
        for v in &self.versions {
            let exited: u64 = v.exited.values().sum();
            write!(f, "  v{:<7} entered {}", v.version, v.entered)?;
            if v.moved_in > 0 {
                write!(f, " + moved in {}", v.moved_in)?;
            }
            write!(f, " = waiting {} + held {} + at send {}", v.waiting, v.held, v.at_send)?;
            write!(f, " + draining {} + exited {exited}", v.draining)?;
            if v.moved_out > 0 {
                write!(f, " + moved out {}", v.moved_out)?;
            }
            writeln!(f, "{}", if v.conserved { "" } else { "  NOT CONSERVED" })?;
            for (what, counts) in [("exited", listed(&v.exited)), ("sends", listed(&v.sends))] {
                if !counts.is_empty() {
                    writeln!(f, "  {what:<8} {counts}")?;
                }
            }
            if v.converted > 0 {
                writeln!(f, "  converted {}", v.converted)?;
            }
        }
        if !self.refused.is_empty() {
            writeln!(f, "  refused  {}", listed(&self.refused))?;
        }
        Ok(())
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    parts.join(", ")
}
