//! The ledger: who is where, and the identities that must hold of it, whatever the shoppers and the operator
//! did.
//!
//! The identities are checked on counts and lines that come from different places: the shards' statistics,
//! the sends as the journal holds them, the gateway's own count. A demo whose identities fail says which, and
//! ends with 1.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use serde::Serialize;

use crate::engine::Shard;
use crate::engine::journey_state::RefusalReason;
use crate::engine::statistics::{ExitReason, Flow, NodeFlow, Place};
use crate::journey::catalog::{Catalog, PlanIndex};
use crate::model::Timestamp;
use crate::model::wire::SendRecord;

/// One version of a journey, over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VersionCounts {
    /// The journey.
    pub journey: String,
    /// The version.
    pub version: u32,
    /// Came in.
    pub entered: u64,
    /// Came from another version.
    pub moved_in: u64,
    /// In a step now.
    pub waiting: u64,
    /// Held now.
    pub held: u64,
    /// Queued in a send step now.
    pub at_send: u64,
    /// Draining now.
    pub draining: u64,
    /// Out, by reason; only what happened.
    pub exited: BTreeMap<&'static str, u64>,
    /// Went to another version.
    pub moved_out: u64,
    /// Reached a goal.
    pub converted: u64,
    /// Messages handed over.
    pub sent: u64,
}

impl VersionCounts {
    /// All who are out.
    #[must_use]
    pub fn out(&self) -> u64 {
        self.exited.values().sum()
    }

    /// Both sides of the conservation identity: who came, and where they are.
    #[must_use]
    pub fn sides(&self) -> (u64, u64) {
        let inside = self.waiting + self.held + self.at_send + self.draining;
        (self.entered + self.moved_in, inside + self.out() + self.moved_out)
    }
}

/// Counts every version over all shards, in the order in which they went live.
#[must_use]
pub fn versions(catalog: &Catalog, shards: &[Shard]) -> Vec<VersionCounts> {
    (0..catalog.plan_count()).map(|plan| version(catalog, shards, plan as PlanIndex)).collect()
}

fn version(catalog: &Catalog, shards: &[Shard], index: PlanIndex) -> VersionCounts {
    let plan = catalog.plan(index);
    let mut counts = VersionCounts {
        journey: plan.journey.to_string(),
        version: plan.version,
        ..VersionCounts::default()
    };
    for statistics in shards.iter().filter_map(|shard| shard.statistics(index)) {
        counts.entered += statistics.total(Flow::Entered);
        counts.moved_in += statistics.total(Flow::MovedIn);
        counts.moved_out += statistics.total(Flow::MovedOut);
        counts.converted += statistics.total(Flow::Converted);
        counts.waiting += statistics.at(Place::Waiting);
        counts.held += statistics.at(Place::Held);
        counts.at_send += statistics.at(Place::AtSend);
        counts.draining += statistics.at(Place::Draining);
        for reason in ExitReason::ALL.into_iter().filter(|&reason| statistics.exited(reason) > 0) {
            *counts.exited.entry(reason.as_str()).or_default() += statistics.exited(reason);
        }
        let nodes = 0..plan.nodes.len() as u16;
        counts.sent += nodes.map(|node| statistics.total_at(node, NodeFlow::Sent)).sum::<u64>();
    }
    counts
}

/// Who was turned away from a journey, by reason; only what happened.
#[must_use]
pub fn refusals(catalog: &Catalog, shards: &[Shard], journey: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let Some(index) = catalog.journey_index(journey) else { return counts };
    for state in shards.iter().filter_map(|shard| shard.journey(index)) {
        for reason in RefusalReason::ALL.into_iter().filter(|&reason| state.refused(reason) > 0) {
            *counts.entry(reason.as_str()).or_default() += state.refused(reason);
        }
    }
    counts
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Its name.
    pub name: &'static str,
    /// Whether it does.
    pub holds: bool,
    /// The figures; where it fails, what differs.
    pub detail: String,
}

impl Identity {
    /// One that says that two counts are the same.
    #[must_use]
    pub fn equal(name: &'static str, left: (&str, u64), right: (&str, u64)) -> Self {
        let ((what_left, left), (what_right, right)) = (left, right);
        let sign = if left == right { '=' } else { '≠' };
        Self { name, holds: left == right, detail: format!("{what_left} {left} {sign} {what_right} {right}") }
    }
}

/// Whether everybody who came is somewhere, version by version.
#[must_use]
pub fn conserved(versions: &[VersionCounts]) -> Identity {
    let broken = versions.iter().find(|v| v.sides().0 != v.sides().1);
    let detail = match broken {
        Some(v) => {
            let (came, accounted) = v.sides();
            format!("{} version {}: {came} came, {accounted} are accounted for", v.journey, v.version)
        }
        None => {
            let came: u64 = versions.iter().map(|v| v.sides().0).sum();
            format!("{came} passages in {} versions, and after every commit too", versions.len())
        }
    };
    Identity { name: "everybody who came in is accounted for", holds: broken.is_none(), detail }
}

/// The sends as somebody sees them who reads the journal, one by one.
#[derive(Debug, Default)]
pub struct SendsAudit {
    keys: HashSet<String>,
    repeated: Option<String>,
    read: u64,
    stops: BTreeMap<String, Stop>,
}

/// A journey's stop, and the messages after it.
#[derive(Clone, Debug)]
struct Stop {
    at: Timestamp,
    /// Users queued in a send step then: the messages that may still go out.
    allowed: HashSet<String>,
    /// Messages to them after the stop.
    after: u64,
    /// Messages to others after the stop: none, or the gate leaks.
    leaked: u64,
}

impl SendsAudit {
    /// Notes that a journey was stopped while these users were queued in a send step.
    pub fn stopped(&mut self, journey: &str, at: Timestamp, queued: impl IntoIterator<Item = String>) {
        let stop = Stop { at, allowed: queued.into_iter().collect(), after: 0, leaked: 0 };
        self.stops.insert(journey.to_owned(), stop);
    }

    /// Takes one send.
    pub fn take(&mut self, send: SendRecord) {
        self.read += 1;
        if let Some(stop) = self.stops.get_mut(&send.journey).filter(|stop| send.at >= stop.at) {
            // A queued user has one message to come, and no more.
            if stop.allowed.remove(&send.user) {
                stop.after += 1;
            } else {
                stop.leaked += 1;
            }
        }
        if let Some(again) = self.keys.replace(send.key) {
            self.repeated.get_or_insert(again);
        }
    }

    /// How many messages of a stopped journey went out after the stop: to those who were queued, and to
    /// others.
    #[must_use]
    pub fn after_stop(&self, journey: &str) -> (u64, u64) {
        self.stops.get(journey).map_or((0, 0), |stop| (stop.after, stop.leaked))
    }

    /// What is to be said of the sends. `counted` is how many the send steps have counted.
    #[must_use]
    pub fn identities(&self, counted: u64) -> Vec<Identity> {
        let keys = self.keys.len() as u64;
        let mut once = Identity::equal("no message twice", ("sends", self.read), ("different keys", keys));
        if let Some(key) = &self.repeated {
            once.detail.push_str(&format!("; {key} is there again"));
        }
        let (after, leaked) = self.stops.values().fold((0, 0), |(a, l), s| (a + s.after, l + s.leaked));
        let missing: usize = self.stops.values().map(|s| s.allowed.len()).sum();
        vec![
            Identity::equal(
                "every message is in the journal",
                ("sends", self.read),
                ("counted by steps", counted),
            ),
            once,
            Identity {
                name: "no step starts after a stop",
                holds: leaked == 0 && missing == 0,
                detail: format!(
                    "{after} sends after it, all queued before it; {leaked} others; {missing} queued but never sent"
                ),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(key: &str, user: &str, at: i64) -> SendRecord {
        let text = format!(
            r#"{{"key":"{key}","journey":"j","version":1,"node":"n","user":"{user}","channel":"push","content":"c",
            "revision":1,"due":"2026-03-01T00:00:00Z","at":"{}"}}"#,
            Timestamp(at)
        );
        serde_json::from_str(&text).unwrap()
    }

    fn verdicts(audit: &SendsAudit, counted: u64) -> Vec<bool> {
        audit.identities(counted).iter().map(|i| i.holds).collect()
    }

    #[test]
    fn one_passage_too_few_or_too_many_breaks_conservation() {
        let exited = BTreeMap::from([("completed", 4), ("stopped", 1)]);
        let whole = VersionCounts {
            journey: "j".into(),
            version: 2,
            entered: 9,
            moved_in: 3,
            waiting: 2,
            held: 1,
            at_send: 1,
            draining: 2,
            exited,
            moved_out: 1,
            ..VersionCounts::default()
        };
        assert!(conserved(std::slice::from_ref(&whole)).holds);
        for wrong in
            [VersionCounts { held: 2, ..whole.clone() }, VersionCounts { entered: 10, ..whole.clone() }]
        {
            let identity = conserved(&[whole.clone(), wrong]);
            assert!(!identity.holds);
            assert!(identity.detail.contains("j version 2"), "{}", identity.detail);
        }
    }

    #[test]
    fn a_repeated_key_is_found_and_named() {
        let mut audit = SendsAudit::default();
        for (key, user) in [("k1", "u1"), ("k2", "u2"), ("k1", "u3")] {
            audit.take(send(key, user, 0));
        }
        assert_eq!(verdicts(&audit, 3), [true, false, true]);
        assert!(audit.identities(3)[1].detail.contains("k1"));
    }

    #[test]
    fn a_send_that_no_step_counted_is_missed() {
        let mut audit = SendsAudit::default();
        audit.take(send("k1", "u1", 0));
        assert_eq!(verdicts(&audit, 1), [true, true, true]);
        assert_eq!(verdicts(&audit, 2), [false, true, true]);
    }

    #[test]
    fn after_a_stop_only_the_queued_get_their_one_message() {
        let stopped = || {
            let mut audit = SendsAudit::default();
            audit.stopped("j", Timestamp(100), ["queued".to_owned()]);
            audit.take(send("k1", "other", 99));
            audit
        };
        let mut fine = stopped();
        assert_eq!(verdicts(&fine, 1), [true, true, false], "the queued message is missing");
        fine.take(send("k2", "queued", 100));
        assert_eq!(verdicts(&fine, 2), [true, true, true]);
        let mut twice = fine;
        twice.take(send("k3", "queued", 101));
        assert_eq!(verdicts(&twice, 3), [true, true, false]);
        let mut leaking = stopped();
        leaking.take(send("k2", "queued", 100));
        leaking.take(send("k3", "other", 100));
        assert_eq!(verdicts(&leaking, 3), [true, true, false]);
    }
}
