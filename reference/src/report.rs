//! What can be asked of the world: states, positions, counts, flows within a range of dates.

use std::collections::{BTreeMap, BTreeSet};

use wayfarer::model::Timestamp;

use crate::calendar::zone;
use crate::tables::Gate;
use crate::world::{Counts, Position, World};

impl World {
    /// The time that it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A journey's state.
    #[must_use]
    pub fn state(&self, journey: &str) -> Option<&'static str> {
        self.journeys.iter().find(|j| j.id == journey).map(|j| j.state)
    }

    /// Where every enrollment is or how it ended, by journey, user and the enrollment's number in its
    /// shard; with the node that it is at, held before, or was at last.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<(String, String, u64), (Option<String>, Position)> {
        let of = |e: usize| {
            let it = &self.enrollments[e];
            let key = (self.journey_of(e).id.clone(), it.user.clone(), it.entry);
            (key, (it.node.clone(), it.position.clone()))
        };
        (0..self.enrollments.len()).map(of).collect()
    }

    /// The enrollments that are parked, as [`World::positions`] names them.
    #[must_use]
    pub fn parked(&self) -> BTreeSet<(String, String, u64)> {
        let parked = (0..self.enrollments.len()).filter(|&e| self.enrollments[e].parked);
        parked
            .map(|e| {
                let it = &self.enrollments[e];
                (self.journey_of(e).id.clone(), it.user.clone(), it.entry)
            })
            .collect()
    }

    /// What each version of each journey holds and has seen, counted anew: movements from the transitions,
    /// those inside from the enrollments.
    ///
    /// # Panics
    /// If an enrollment was lost or doubled on the way: that is a bug of the reference.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(String, u32), Counts> {
        let mut all = self.movements(Timestamp::MIN, Timestamp::MAX);
        for (e, it) in self.enrollments.iter().enumerate() {
            let counts = all.entry((self.journey_of(e).id.clone(), it.version as u32 + 1)).or_default();
            match it.position {
                Position::Waiting { .. } | Position::Parked { .. } | Position::Held { .. } if it.parked => {
                    (counts.held, counts.parked) = (counts.held + 1, counts.parked + 1);
                }
                Position::Waiting { .. } | Position::Parked { .. } => counts.waiting += 1,
                Position::Held { .. } => counts.held += 1,
                Position::AtSend { .. } => counts.at_send += 1,
                Position::Draining { .. } => counts.draining += 1,
                Position::Ended { .. } => {}
            }
        }
        for (key, counts) in &all {
            assert!(counts.conserved(), "{key:?} lost or doubled an enrollment: {counts:?}");
        }
        all
    }

    /// What moved from `from` to before `to`, while waiting, held, at send and draining are always now (G40).
    #[must_use]
    pub fn flows(&mut self, from: Timestamp, to: Timestamp) -> BTreeMap<(String, u32), Counts> {
        self.rule("G40");
        let mut all = self.movements(from, to);
        for (key, now) in self.counts() {
            let flow = all.entry(key).or_default();
            (flow.waiting, flow.held, flow.parked) = (now.waiting, now.held, now.parked);
            (flow.at_send, flow.draining) = (now.at_send, now.draining);
        }
        all
    }

    /// What moved in each hour of each version, in words such as `entered`, `exited goal`, `W sent` and `W
    /// to R`. An hour is that of the version's zone, and called by it, such as `2026-03-01T09:00:00+05:30`
    /// (G40).
    #[must_use]
    pub fn hours(&self) -> BTreeMap<(String, u32, String), BTreeMap<String, u64>> {
        let mut all: BTreeMap<_, BTreeMap<String, u64>> = BTreeMap::new();
        let mut count = |at: Timestamp, journey: &str, version: u32, what: String| {
            let hour = (journey.to_owned(), version, self.hour(at, journey, version));
            *all.entry(hour).or_default().entry(what).or_default() += 1;
        };
        for it in &self.transitions {
            let (node, detail) = (it.node.as_deref().unwrap_or("–"), it.detail.as_deref().unwrap_or("–"));
            let mut words = Vec::new();
            match it.what.as_str() {
                "entered" | "converted" => words.push(it.what.clone()),
                "sent" => words.extend(["sent".to_owned(), format!("{node} sent")]),
                "exited" => words.extend([format!("exited {detail}"), format!("{node} exited {detail}")]),
                "started" | "held" => words.push(format!("{node} {}", it.what)),
                // Who is parked counts as held (G17).
                "parked" => words.push(format!("{node} held")),
                _ => {}
            }
            words.into_iter().for_each(|word| count(it.at, &it.journey, it.version, word));
        }
        for (at, journey, old, new) in &self.moves {
            count(*at, journey, *old, "moved_out".to_owned());
            count(*at, journey, *new, "moved_in".to_owned());
        }
        for (at, journey, version, from, to) in &self.branched {
            count(*at, journey, *version, format!("{from} to {to}"));
        }
        for (at, journey, version, node, kind) in &self.reported {
            count(*at, journey, *version, format!("{node} {}", kind.as_str()));
        }
        all
    }

    fn hour(&self, at: Timestamp, journey: &str, version: u32) -> String {
        let journey = self.journeys.iter().find(|j| j.id == journey).expect("what moved is in a journey");
        let zone = zone(&journey.versions[version as usize - 1].definition.zone);
        let instant =
            jiff::Timestamp::from_millisecond(at.0).expect("stories happen in years that have names");
        let local = instant.to_zoned(zone.expect("zones were read when it was put"));
        local.strftime("%Y-%m-%dT%H:00:00%:z").to_string()
    }

    fn movements(&self, from: Timestamp, to: Timestamp) -> BTreeMap<(String, u32), Counts> {
        let mut all: BTreeMap<(String, u32), Counts> = BTreeMap::new();
        for record in self.transitions.iter().filter(|r| r.at >= from && r.at < to) {
            let counts = all.entry((record.journey.clone(), record.version)).or_default();
            match record.what.as_str() {
                "entered" => counts.entered += 1,
                "sent" => counts.sent += 1,
                "converted" => counts.converted += 1,
                "exited" => *counts.exited.entry(record.detail.clone().unwrap_or_default()).or_default() += 1,
                _ => {}
            }
        }
        for (_, journey, old, new) in self.moves.iter().filter(|m| m.0 >= from && m.0 < to) {
            all.entry((journey.clone(), *old)).or_default().moved_out += 1;
            all.entry((journey.clone(), *new)).or_default().moved_in += 1;
        }
        all
    }

    /// How often each journey refused an entry, by reason (G20).
    #[must_use]
    pub fn refused(&self) -> BTreeMap<(String, String), u64> {
        let mut all = BTreeMap::new();
        for r in &self.refusals {
            *all.entry((r.journey.clone(), r.reason.clone())).or_default() += 1;
        }
        all
    }

    /// Whether a journey's entry gate is open, and what its movement gate says: `open`, `held` or `shut`.
    #[must_use]
    pub fn gates(&self, journey: &str) -> Option<(bool, &'static str)> {
        let j = self.journeys.iter().position(|j| j.id == journey)?;
        let movement = match self.journeys[j].movement() {
            Gate::Open => "open",
            Gate::Held => "held",
            Gate::Shut => "shut",
        };
        Some((self.entry_open(j), movement))
    }
}
