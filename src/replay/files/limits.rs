//! Entry limits over all shards (G26), exactly: the first who qualify by the clock enter, never one more
//! or less.
//!
//! Before a stretch of events, each shard is granted as many entries as it has events in the stretch that
//! could enter somebody; the stretch is cut where those would be more than what is left of the limit. So
//! nobody waits at the door, nobody enters late, and it does not matter which shard's thread is faster.
//! What was granted and not used is taken back before the next stretch. A limit of which a single entry
//! is left thus costs a stop at each candidate; a journey that needs more than that costs nothing.

use std::ops::Range;
use std::sync::Arc;

use super::chunk::What;
use super::crew::Crew;
use super::intake::{Due, Round};
use crate::engine::{Epoch, Grants};
use crate::journey::catalog::{Catalog, JourneyIndex};
use crate::lifecycle::Inside;
use crate::model::input::Selection;

/// What the shards were granted last, by journey.
#[derive(Debug, Default)]
pub(super) struct Limits {
    granted: Vec<Option<(Vec<u64>, bool)>>,
}

/// One limited journey before a stretch.
struct Limited {
    journey: JourneyIndex,
    left: u64,
    exhausted: bool,
    granted: Vec<u64>,
}

impl Limits {
    /// Feeds events, stretch by stretch.
    pub(super) fn feed(
        &mut self,
        crew: &Crew,
        catalog: &Arc<Catalog>,
        round: &Arc<Round>,
        range: Range<usize>,
    ) {
        let limits = limited(catalog);
        if limits.is_empty() {
            return crew.feed(round, range);
        }
        let journeys: Arc<[JourneyIndex]> = limits.iter().map(|(journey, _)| *journey).collect();
        let mut from = range.start;
        while from < range.end {
            let shares = crew.shares(&journeys);
            let mut open: Vec<Limited> = limits
                .iter()
                .zip(shares)
                .map(|(&(journey, limit), granted)| {
                    let left = limit.saturating_sub(granted.iter().sum());
                    Limited { journey, left, exhausted: left == 0, granted }
                })
                .collect();
            let to = stretch(catalog, round, from..range.end, &mut open);
            for limited in open {
                self.grant(crew, catalog, round.events[from], limited);
            }
            crew.feed(round, from..to);
            from = to;
        }
    }

    fn grant(&mut self, crew: &Crew, catalog: &Arc<Catalog>, first: Due, limited: Limited) {
        let slot = usize::from(limited.journey);
        self.granted.resize(self.granted.len().max(slot + 1), None);
        let known = self.granted[slot].as_ref();
        if known.is_some_and(|(granted, out)| *granted == limited.granted && *out == limited.exhausted) {
            return;
        }
        let grants = Grants { granted: limited.granted.as_slice().into(), exhausted: limited.exhausted };
        self.granted[slot] = Some((limited.granted, limited.exhausted));
        crew.epoch(Epoch {
            format: crate::model::Format::FIRST,
            number: catalog.epoch,
            at: first.at,
            catalog: Arc::clone(catalog),
            journey: Some(limited.journey),
            inside: Inside::Nothing,
            selection: Selection::All,
            keep_held: false,
            grants: Some(grants),
        });
    }
}

/// The journeys whose live version has a limit.
fn limited(catalog: &Catalog) -> Vec<(JourneyIndex, u64)> {
    let of = |(number, live): (JourneyIndex, Option<u16>)| Some((number, catalog.plan(live?).entry.limit?));
    (0..).zip(catalog.journeys.iter().map(|journey| journey.live)).filter_map(of).collect()
}

/// Where the stretch ends that begins at `range.start`; reserves an entry for every candidate in it.
fn stretch(catalog: &Catalog, round: &Round, range: Range<usize>, open: &mut [Limited]) -> usize {
    let mut candidates = Vec::new();
    for at in range.clone() {
        let due = round.events[at];
        let (chunk, index) = round.item(due);
        let (what, name) = chunk.name(index);
        candidates.clear();
        match what {
            What::Event(_) => {
                let rules = catalog.program(name).map_or(&[][..], |program| &program.entries);
                candidates.extend(rules.iter().map(|rule| rule.journey));
            }
            What::Row | What::Enter => candidates.extend(catalog.journey_index(name)),
        }
        let wants = |limited: &Limited| {
            let asked = candidates.iter().filter(|journey| **journey == limited.journey).count() as u64;
            if limited.exhausted { 0 } else { asked }
        };
        // The first one always fits: something is left, and a journey has one rule for an event.
        if open.iter().any(|limited| wants(limited) > limited.left) {
            debug_assert!(at > range.start, "a stretch has at least one event");
            return at.max(range.start + 1);
        }
        for limited in open.iter_mut() {
            let asked = wants(limited);
            limited.left -= asked;
            limited.granted[usize::from(due.shard)] += asked;
        }
    }
    range.end
}
