//! Held users: how they come to be held, and how they are let go (G4, G36).
//!
//! Held users lie in no list of their own: a release collects those it selects in one pass over the shard, oldest due
//! first, and lets them go by count, so that live events never wait behind a million of them.

use std::collections::{BTreeSet, VecDeque};

use super::record::{CUT_SHORT, DURATION, OUT_OF_STEPS, Status};
use super::shard::{AtWork, Context, Shard, State};
use super::statistics::NodeFlow;
use crate::journey::catalog::JourneyIndex;
use crate::journey::plan::{NodeIndex, Plan, Target};
use crate::lifecycle::Verb;
use crate::model::Timestamp;
use crate::model::input::Selection;

/// A release under way: who is still to go, oldest due first.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Whom the verbs that it was begun by name: a second Resume does not end the first.
    pub(super) selections: Vec<Selection>,
    /// When due, the entry number, the handle.
    pub(super) queue: VecDeque<(Timestamp, u64, u32)>,
    /// The entries that were parked since it began: what an operator saw did not contain them.
    pub(super) spared: BTreeSet<u64>,
}

/// What a release would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// How many it would let go.
    pub users: u64,
    /// Since when the longest held of them is due.
    pub oldest_due: Option<Timestamp>,
}

impl State {
    /// The gate is held: the enrollment, due since `due`, stays before `node`.
    pub(super) fn hold(&mut self, cx: &mut Context<'_>, handle: u32, node: NodeIndex, due: Timestamp) {
        let e = &mut self.enrollments[handle];
        e.set_status(Status::Held);
        e.node = node;
        e.set_until(due);
        e.flags &= !(DURATION | OUT_OF_STEPS | CUT_SHORT);
        let plan = e.plan;
        self.touch_statistics(cx, plan);
        self.statistics[usize::from(plan)].count_at(node, NodeFlow::Held);
        self.arrive(cx, handle);
        self.arm(cx, handle);
        self.tell(cx, handle, "held", Some(node), None, None);
    }

    /// Begins to release the held users that `selection` names, beside those of a release under way.
    /// Whoever is parked in a wait or at send is let go at once: nothing starts by that.
    pub(super) fn begin_release(
        &mut self,
        cx: &mut Context<'_>,
        journey: JourneyIndex,
        selection: &Selection,
    ) {
        self.touch_journey(journey);
        let state = &mut self.journeys[usize::from(journey)];
        let (mut selections, mut spared) = match state.release.take() {
            Some(release) => (release.selections, release.spared),
            None => (Vec::new(), BTreeSet::new()),
        };
        if !cx.catalog.journeys[usize::from(journey)].lifecycle.dialect().knows(Verb::Fail) {
            // Whoever is released from a spent budget must not be parked again by the next failure.
            state.forgive();
        }
        if !selections.contains(selection) {
            selections.push(selection.clone());
        }
        for (_, entry, handle) in self.selected(cx, journey, std::slice::from_ref(selection)) {
            spared.remove(&entry);
            if self.enrollments[handle].status() != Status::Held {
                self.unpark(cx, handle);
            }
        }
        let queue = self.to_go(cx, journey, &selections, &spared);
        let release = (!queue.is_empty()).then_some(Release { selections, queue, spared });
        self.journeys[usize::from(journey)].release = release;
    }

    /// Finds those who are still to go by a release that was stored.
    pub(super) fn requeue_release(&mut self, cx: &Context<'_>, journey: JourneyIndex) {
        let Some(mut release) = self.journeys[usize::from(journey)].release.take() else { return };
        // While a release is under way movement is open, so that nobody is held who was not before but the spared.
        release.queue = self.to_go(cx, journey, &release.selections, &release.spared);
        self.journeys[usize::from(journey)].release = Some(release);
    }

    /// The held whom a release names, but the spared.
    fn to_go(
        &self,
        cx: &Context<'_>,
        journey: JourneyIndex,
        selections: &[Selection],
        spared: &BTreeSet<u64>,
    ) -> VecDeque<(Timestamp, u64, u32)> {
        let held = |handle: u32| self.enrollments[handle].status() == Status::Held;
        let mut found = self.selected(cx, journey, selections);
        found.retain(|&(_, entry, handle)| held(handle) && !spared.contains(&entry));
        found.into()
    }

    /// Those whom these selections name, whether they are held before a node or parked anywhere.
    fn selected(
        &self,
        cx: &Context<'_>,
        journey: JourneyIndex,
        selections: &[Selection],
    ) -> Vec<(Timestamp, u64, u32)> {
        let mut last: Option<(u16, Vec<bool>)> = None;
        let mut found = Vec::new();
        for (handle, e) in self.enrollments.iter() {
            let is_held = e.status() == Status::Held || e.is_parked();
            if !is_held || cx.catalog.journey_of(e.plan) != journey {
                continue;
            }
            if last.as_ref().is_none_or(|(plan, _)| *plan != e.plan) {
                last = Some((e.plan, nodes_of(cx.catalog.plan(e.plan), selections)));
            }
            if last.as_ref().is_some_and(|(_, nodes)| nodes[usize::from(e.node)]) {
                found.push((e.until(), e.entry(), handle));
            }
        }
        found.sort_unstable();
        #[cfg(feature = "broken")]
        found.sort_by_key(|(_, entry, _)| super::broken::hash(*entry));
        found
    }

    /// Lets up to `max` users go, journey by journey, oldest due first. Returns how many went.
    pub(super) fn release(&mut self, cx: &mut Context<'_>, max: usize) -> usize {
        let mut released = 0;
        for journey in 0..self.journeys.len() {
            while released < max {
                let Some(release) = &mut self.journeys[journey].release else { break };
                let Some((_, entry, handle)) = release.queue.pop_front() else {
                    self.touch_journey(journey as JourneyIndex);
                    self.journeys[journey].release = None;
                    break;
                };
                // Somebody may have left by an exit rule meanwhile, or have been parked.
                let spared = release.spared.contains(&entry);
                if !spared && self.is(handle, entry) && self.enrollments[handle].status() == Status::Held {
                    self.at_work = AtWork { handle, by_itself: true };
                    self.let_go(cx, handle);
                    self.at_work = AtWork::NOBODY;
                    released += 1;
                }
            }
            // An exhausted release ends here, so that it does not ask for another turn.
            if self.journeys[journey].release.as_ref().is_some_and(|r| r.queue.is_empty()) {
                self.touch_journey(journey as JourneyIndex);
                self.journeys[journey].release = None;
            }
        }
        released
    }

    fn let_go(&mut self, cx: &mut Context<'_>, handle: u32) {
        let e = self.enrollments[handle];
        self.leave_place(cx, handle);
        self.enrollments[handle].set_parked(false);
        self.tell(cx, handle, "released", Some(e.node), None, None);
        self.go(cx, handle, Target::Node(e.node), e.until());
        #[cfg(feature = "broken")]
        if super::broken::is(super::broken::Broken::DoubleRelease) && self.is(handle, e.entry()) {
            self.leave_place(cx, handle);
            self.go(cx, handle, Target::Node(e.node), e.until());
        }
    }

    /// Whoever was parked in a wait or at send: that goes on, and leads on.
    fn unpark(&mut self, cx: &mut Context<'_>, handle: u32) {
        self.leave_place(cx, handle);
        self.enrollments[handle].set_parked(false);
        self.arrive(cx, handle);
        self.tell(cx, handle, "released", Some(self.enrollments[handle].node), None, None);
    }
}

/// Which nodes of a version any of these selections names.
fn nodes_of(plan: &Plan, selections: &[Selection]) -> Vec<bool> {
    let mut named = vec![false; plan.nodes.len()];
    for selection in selections {
        let of_one = match selection {
            Selection::All => return vec![true; plan.nodes.len()],
            Selection::From(id) => plan.node_index(id).map(|node| plan.reachable(node)),
            Selection::At(id) => Some(plan.nodes.iter().map(|n| *n.id == **id).collect()),
        };
        for (node, also) in named.iter_mut().zip(of_one.into_iter().flatten()) {
            *node |= also;
        }
    }
    named
}

impl Shard {
    /// What a release of that selection would do in this shard.
    #[must_use]
    pub fn preview(&self, journey: JourneyIndex, selection: &Selection) -> Preview {
        let mut scratch = super::scope::Scratch::default();
        let cx = Context {
            catalog: &self.catalog,
            effects: &mut super::Effects::default(),
            scratch: &mut scratch,
        };
        let selected = self.state.selected(&cx, journey, std::slice::from_ref(selection));
        Preview { users: selected.len() as u64, oldest_due: selected.first().map(|s| s.0) }
    }
}
