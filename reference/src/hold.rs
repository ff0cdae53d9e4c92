//! Held gates and what follows them: release (G36), what became of timers (G4), new versions (G15), the
//! drain (G12).

use std::sync::Arc;

use wayfarer::journey::definition::{Definition, NodeKind, TimerPolicy};
use wayfarer::model::hash::drain_at;
use wayfarer::model::input::Selection;
use wayfarer::model::{Interval, Timestamp};

use crate::world::{Position, World};

impl World {
    /// The enrollment fell due before a node and stays there until it is released.
    pub(crate) fn hold(&mut self, e: usize, before: String, due: Timestamp) {
        self.enrollments[e].node = Some(before.clone());
        self.tell(e, "held", Some(&before), None, None);
        self.enrollments[e].position = Position::Held { before, due, released: false };
    }

    /// Lets up to `max` of those under release go: journey by journey, oldest due first (G36).
    pub fn release(&mut self, max: usize) {
        for _ in 0..max {
            let first = (0..self.enrollments.len()).filter_map(|e| match &self.enrollments[e].position {
                Position::Held { before, due, released: true } => {
                    Some((self.enrollments[e].journey, *due, e, before.clone()))
                }
                _ => None,
            });
            let Some((_, due, e, before)) = first.min() else { return };
            self.rule("G36");
            self.tell(e, "released", Some(&before), None, None);
            self.enrollments[e].parked = false;
            self.walk(e, before, due);
        }
    }

    /// How many are still under release.
    #[must_use]
    pub fn under_release(&self) -> usize {
        let released = |p: &Position| matches!(p, Position::Held { released: true, .. });
        self.enrollments.iter().filter(|e| released(&e.position)).count()
    }

    pub(crate) fn release_selected(&mut self, j: usize, selection: &Selection) -> Result<(), String> {
        let (Selection::From(node) | Selection::At(node)) = selection else {
            self.mark_released(j, |_, _| true);
            return Ok(());
        };
        let journey = &self.journeys[j];
        if !journey.versions.iter().any(|v| v.definition.node.iter().any(|n| n.id == *node)) {
            return Err(format!("{:?} has no node {node:?} to release from", journey.id));
        }
        let whole = matches!(selection, Selection::From(_));
        self.mark_released(j, |definition, before| {
            if whole { reachable(definition, node).iter().any(|n| n == before) } else { before == node }
        });
        Ok(())
    }

    /// Puts the held whom `chosen` accepts, by their version and the node that they are held before, under
    /// release.
    pub(crate) fn mark_released(&mut self, j: usize, chosen: impl Fn(&Definition, &str) -> bool) {
        for e in self.inside(j) {
            let definition = self.definition_of(e);
            if let Position::Held { before, released, .. } = &mut self.enrollments[e].position {
                *released |= chosen(&definition, before);
                continue;
            }
            let node = self.enrollments[e].node.clone().expect("whoever is inside is at a node");
            if self.enrollments[e].parked && chosen(&definition, &node) {
                // A wait or a queue goes on, and nothing starts by that: it need not be paced.
                self.rule("G36");
                self.enrollments[e].parked = false;
                self.tell(e, "released", Some(&node), None, None);
            }
        }
    }

    /// A gate that is held again ends the release: the rest stays held.
    pub(crate) fn cancel_release(&mut self, j: usize) {
        for e in self.inside(j) {
            if let Position::Held { released, .. } = &mut self.enrollments[e].position {
                *released = false;
            }
        }
    }

    /// What standing still did to timers, when the gate opens: `freeze` shifts durations by as long as they
    /// stood, `restart` gives a journey time-out that ended meanwhile its full length again.
    pub(crate) fn thaw(&mut self, j: usize) {
        let (since, now) = (self.journeys[j].held_since, self.now);
        for e in self.inside(j) {
            let definition = self.definition_of(e);
            let it = &mut self.enrollments[e];
            match definition.timers {
                TimerPolicy::Freeze => {
                    let stood = now.since(since.max(it.entered));
                    it.timeout = it.timeout.map(|t| t + stood);
                    if let Position::Waiting { end, timeout, .. } = &mut it.position {
                        *end = end.map(|(t, moves)| (if moves { t + stood } else { t }, moves));
                        *timeout = timeout.map(|t| t + stood);
                    }
                }
                TimerPolicy::Restart if it.put_off => {
                    it.timeout = definition.timeout.map(|t| now + t);
                    it.put_off = false;
                }
                _ => {}
            }
        }
    }

    /// Every enrollment, waiting or held, takes the latest saved version by node id; those whose node is
    /// gone leave (G15). The way from a version to the latest goes through the `moved` of each one between.
    pub(crate) fn adopt(&mut self, j: usize) {
        let latest = self.journeys[j].versions.len() - 1;
        let before = std::mem::replace(&mut self.journeys[j].live, latest);
        self.rename_instants(j, before);
        for e in self.inside(j) {
            if self.enrollments[e].version == self.journeys[j].live {
                continue;
            }
            if matches!(self.enrollments[e].position, Position::AtSend { .. }) {
                self.enrollments[e].adopts_late = true;
                continue;
            }
            // Timers that stood have been moved already.
            self.take_version(e, false);
        }
    }

    /// The instants that send nodes used last go by the names of the live version; of two that become one, the
    /// later.
    fn rename_instants(&mut self, j: usize, before: usize) {
        let later: Vec<_> = self.journeys[j].versions[before + 1..=self.journeys[j].live]
            .iter()
            .map(|version| Arc::clone(&version.definition))
            .collect();
        let shards = self.shards;
        for ((journey, node, shard), used) in std::mem::take(&mut self.used) {
            let renamed = |node: String| {
                later.iter().fold(node, |node, next| next.moved.get(&node).cloned().unwrap_or(node))
            };
            let node = if journey == j { renamed(node) } else { node };
            let kept = self.used.entry((journey, node, shard)).or_insert(used);
            let at = |(rate, k): (crate::calendar::Rate, i64)| rate.instant(k, shard, shards);
            if at(*kept) < at(used) {
                *kept = used;
            }
        }
    }

    /// One enrollment takes the live version, and keeps its running deadlines. A journey time-out that the
    /// version brings or takes away begins or ends with it.
    pub(crate) fn take_version(&mut self, e: usize, held: bool) {
        self.rule("G15");
        let it = &self.enrollments[e];
        let (from, latest) = (it.version, self.journey_of(e).live);
        let node = it.node.clone().expect("whoever is inside is at a node");
        let versions = &self.journey_of(e).versions;
        let node = versions[from + 1..=latest]
            .iter()
            .fold(node, |node, version| version.definition.moved.get(&node).cloned().unwrap_or(node));
        let next = Arc::clone(&versions[latest].definition);
        if !next.node.iter().any(|n| n.id == node) {
            return self.end(e, "node_removed");
        }
        let freezes = |timers| timers == TimerPolicy::Freeze;
        let (froze, freezes) = (freezes(self.policy(e)), freezes(next.timers));
        let id = self.journey_of(e).id.clone();
        // How long the time-out has stood, or would have, in a hold that is going on.
        let since = self.journey_of(e).held_since.max(self.enrollments[e].entered);
        let stood = if held { self.now.since(since) } else { Interval::ZERO };
        let it = &mut self.enrollments[e];
        it.timeout = match (it.timeout, next.timeout) {
            (_, None) => None,
            (None, Some(timeout)) => Some(it.entered + timeout),
            (Some(running), Some(_)) if froze && !freezes => Some(running + stood),
            (Some(running), Some(_)) if freezes && !froze => Some(running - stood),
            (running, Some(_)) => running,
        };
        (it.version, it.node) = (latest, Some(node.clone()));
        if let Position::Held { before, .. } | Position::Parked { before, .. } = &mut it.position {
            before.clone_from(&node);
        }
        self.moves.push((self.now, id, from as u32 + 1, latest as u32 + 1));
        self.tell(e, "migrated", Some(&node), None, None);
    }

    /// At Stop, waiting and held become draining together; those at send when their message was handed over.
    pub(crate) fn drain(&mut self, j: usize) {
        for e in self.inside(j) {
            if !matches!(self.enrollments[e].position, Position::AtSend { .. }) {
                self.start_draining(e);
            }
        }
    }

    pub(crate) fn start_draining(&mut self, e: usize) {
        let (journey, window) = (self.journey_of(e), self.definition_of(e).drain);
        let until = drain_at(journey.stopped_at, window, &journey.id, &self.enrollments[e].user);
        let node = self.enrollments[e].node.clone();
        self.tell(e, "draining", node.as_deref(), None, Some(until));
        self.enrollments[e].position = Position::Draining { until };
    }
}

/// A node and all that can be reached from it.
fn reachable(definition: &Definition, from: &str) -> Vec<String> {
    let mut found = vec![from.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let after = definition.node.iter().position(|n| n.id == found[next]);
        for target in after.map(|i| targets(definition, i)).unwrap_or_default() {
            if !found.contains(&target) {
                found.push(target);
            }
        }
        next += 1;
    }
    found
}

/// Where a node may lead.
pub(crate) fn targets(definition: &Definition, index: usize) -> Vec<String> {
    let following = definition.node.get(index + 1).map(|n| n.id.clone());
    match definition.node[index].kind.clone() {
        NodeKind::Send { next, .. } | NodeKind::Delay { next, .. } => {
            next.or(following).into_iter().collect()
        }
        NodeKind::Filter { next, otherwise, .. } => next.or(following).into_iter().chain(otherwise).collect(),
        NodeKind::WaitEvent { branches, otherwise, .. } => {
            branches.into_iter().map(|b| b.to).chain(otherwise).collect()
        }
        NodeKind::Split { branches, otherwise } => {
            branches.into_iter().map(|b| b.to).chain([otherwise]).collect()
        }
        NodeKind::RandomSplit { branches } => branches.into_iter().map(|b| b.to).collect(),
        NodeKind::Exit {} => Vec::new(),
    }
}
