//! What a change of state does to those inside: a gate that shuts or opens, a new version, a stop.
//!
//! A change that concerns everybody inside costs one pass over the shard; the gate itself flips at once.

use super::at_send::called;
use super::input::{Epoch, Grants};
use super::journey_state::{JourneyState, RefusalReason};
use super::park::can_fail;
use super::record::{ADOPTS_LATE, DURATION, PUT_OFF, Status};
use super::shard::{Context, State};
use super::statistics::{ExitReason, Flow, Statistics};
use crate::journey::catalog::{JourneyIndex, PlanIndex};
use crate::journey::definition::TimerPolicy;
use crate::journey::plan::{NodeIndex, Plan};
use crate::lifecycle::{EntryGate, Inside, MovementGate, Verb};
use crate::model::Timestamp;

impl State {
    /// Takes an epoch: the gates first, then what the verb does to those inside.
    pub(super) fn flip(&mut self, cx: &mut Context<'_>, epoch: &Epoch) {
        self.epoch = epoch.number;
        self.make_room(cx);
        if self.format != epoch.format {
            self.format = epoch.format;
            self.queue_renewal();
        }
        let Some(journey) = epoch.journey else { return };
        if let Some(grants) = &epoch.grants {
            self.grant(cx, journey, grants);
        }
        self.refresh(cx, journey);
        let live = cx.catalog.journeys[usize::from(journey)].live;
        let before = std::mem::replace(&mut self.journeys[usize::from(journey)].live, live);
        if let (Some(before), Some(live)) = (before, live)
            && before != live
        {
            let version = |plan| cx.catalog.plan(plan).version;
            self.rename_queues(cx, journey, version(before), version(live));
        }
        match epoch.inside {
            Inside::Nothing => {}
            Inside::Release => self.begin_release(cx, journey, &epoch.selection),
            Inside::Adopt => self.adopt(cx, journey),
            Inside::AdoptAndRelease => {
                self.adopt(cx, journey);
                if !epoch.keep_held {
                    self.begin_release(cx, journey, &epoch.selection);
                }
            }
            Inside::Drain => self.stop(cx, journey, epoch.at),
        }
    }

    /// Room for journeys and versions that are new.
    pub(super) fn make_room(&mut self, cx: &Context<'_>) {
        self.journeys.resize_with(cx.catalog.journeys.len(), JourneyState::default);
        for plan in self.statistics.len()..cx.catalog.plan_count() {
            self.statistics.push(Statistics::new(cx.catalog.plan(plan as PlanIndex)));
        }
    }

    /// A start or end date has come.
    pub(super) fn take_date(&mut self, cx: &mut Context<'_>) {
        if let Some((_, journey)) = self.dates.pop_first() {
            self.refresh(cx, journey);
        }
    }

    /// Goes by the gates that the journey's folded state and the shard's time make (G23).
    pub(super) fn refresh(&mut self, cx: &mut Context<'_>, journey: JourneyIndex) {
        let lifecycle = &cx.catalog.journeys[usize::from(journey)].lifecycle;
        let gates = lifecycle.gates(self.now);
        let opened = lifecycle.opened_at(self.now);
        let next = lifecycle.next_date(self.now);
        self.touch_journey(journey);
        let state = &mut self.journeys[usize::from(journey)];
        let before = std::mem::replace(&mut state.gates, gates);
        state.opened_at = opened.unwrap_or(Timestamp::MAX);
        let was_held = state.held_since.is_some();
        if lifecycle.dialect().knows(Verb::Fail) && !can_fail(lifecycle, self.now) {
            // It is in Error, or an operator was faster; when it goes on, it has its whole budget again.
            state.forgive();
        }
        self.dates.retain(|(_, j)| *j != journey);
        self.dates.extend(next.map(|date| (date, journey)));
        match gates.movement {
            MovementGate::Held if !was_held && lifecycle.started() => {
                let state = &mut self.journeys[usize::from(journey)];
                state.held_since = Some(self.now);
                // Pause or Freeze cancels what is left of a release (G36).
                state.release = None;
            }
            MovementGate::Open if was_held => self.thaw(cx, journey),
            _ => {}
        }
        if before.entry == EntryGate::Open && gates.entry == EntryGate::Shut {
            self.clear_door(cx, journey);
        }
    }

    /// The movement gate opens: durations that stood still go on, time-outs that were put off start anew (G4).
    fn thaw(&mut self, cx: &mut Context<'_>, journey: JourneyIndex) {
        let state = &mut self.journeys[usize::from(journey)];
        if let Some(since) = state.held_since.take() {
            state.frozen_ms += self.now.since(since).as_millis() as i64;
        }
        for handle in self.inside(cx, journey) {
            let e = self.enrollments[handle];
            if e.has(PUT_OFF) {
                self.touch(e.user);
                self.enrollments[handle].set(PUT_OFF, false);
                self.shift_timeout(cx, handle, self.now.0.saturating_sub(e.entered().0));
            }
            self.arm(cx, handle);
        }
    }

    /// Everybody inside takes the live version, by node id; who stands at a node that is gone leaves (G15).
    fn adopt(&mut self, cx: &mut Context<'_>, journey: JourneyIndex) {
        let Some(live) = cx.catalog.journeys[usize::from(journey)].live else { return };
        for handle in self.inside(cx, journey) {
            let e = self.enrollments[handle];
            if e.plan == live {
                continue;
            }
            self.touch(e.user);
            match e.status() {
                // Its message is fixed; it takes the version when that is out.
                Status::AtSend => self.enrollments[handle].set(ADOPTS_LATE, true),
                Status::AtDoor => {
                    self.take_variables(cx, handle, live);
                    let first = cx.catalog.plan(live).entry.to;
                    let e = &mut self.enrollments[handle];
                    (e.plan, e.node) = (live, first);
                }
                Status::Waiting | Status::Held => {
                    self.leave_place(cx, handle);
                    match self.moved_node(cx, handle, live) {
                        None => self.exit(cx, handle, ExitReason::NodeRemoved),
                        Some(node) => {
                            self.migrate(cx, handle, live, node);
                            self.arrive(cx, handle);
                            self.arm(cx, handle);
                        }
                    }
                }
            }
        }
    }

    /// An enrollment that was at send takes the version that others took before. Returns whether it left thereby.
    pub(super) fn adopt_late(&mut self, cx: &mut Context<'_>, handle: u32) -> bool {
        let e = self.enrollments[handle];
        let live = cx.catalog.journeys[usize::from(cx.catalog.journey_of(e.plan))].live;
        let Some(live) = live.filter(|_| e.has(ADOPTS_LATE)) else { return false };
        self.enrollments[handle].set(ADOPTS_LATE, false);
        match self.moved_node(cx, handle, live) {
            None => {
                self.exit(cx, handle, ExitReason::NodeRemoved);
                true
            }
            Some(node) => {
                self.migrate(cx, handle, live, node);
                false
            }
        }
    }

    /// Where an enrollment's node is in a later version.
    fn moved_node(&self, cx: &Context<'_>, handle: u32, to: PlanIndex) -> Option<NodeIndex> {
        let e = &self.enrollments[handle];
        let (from, journey) = (cx.catalog.plan(e.plan), cx.catalog.journey_of(e.plan));
        let to: &Plan = cx.catalog.plan(to);
        let id = &*from.node(e.node).id;
        to.node_index(called(cx.catalog, journey, id, (from.version, to.version)))
    }

    fn migrate(&mut self, cx: &mut Context<'_>, handle: u32, to: PlanIndex, node: NodeIndex) {
        let from = self.enrollments[handle].plan;
        self.touch_statistics(cx, from);
        self.touch_statistics(cx, to);
        self.statistics[usize::from(from)].count(Flow::MovedOut);
        self.take_variables(cx, handle, to);
        self.keep_deadlines(cx, handle, to);
        let e = &mut self.enrollments[handle];
        (e.plan, e.node) = (to, node);
        self.statistics[usize::from(to)].count(Flow::MovedIn);
        self.tell(cx, handle, "migrated", Some(node), None, None);
    }

    /// Running timers keep their deadlines in the new version, whatever its time-outs and its timer policy are.
    /// A journey time-out that it brings or takes away begins or ends with it.
    fn keep_deadlines(&mut self, cx: &mut Context<'_>, handle: u32, to: PlanIndex) {
        let e = self.enrollments[handle];
        let (from, to) = (cx.catalog.plan(e.plan), cx.catalog.plan(to));
        let journey = &self.journeys[usize::from(cx.catalog.journey_of(e.plan))];
        let stood = |at: i64, plan: &Plan| if plan.timers == TimerPolicy::Freeze { at } else { 0 };
        let frozen = journey.frozen_until(self.now);
        let moved = stood(frozen, from) - stood(frozen, to);
        if e.has(DURATION) && e.status() == Status::Waiting && e.until() != Timestamp::MAX && moved != 0 {
            let until = Timestamp(e.until().0.saturating_add(moved));
            self.enrollments[handle].set_until(until);
        }
        let shift = match (from.timeout, to.timeout) {
            (_, None) => 0,
            (None, Some(_)) => -stood(journey.frozen_ms, to),
            (Some(old), Some(new)) => {
                self.load_cold(cx, handle);
                let longer = old.as_millis() as i64 - new.as_millis() as i64;
                longer.saturating_add(moved).saturating_add(cx.scratch.cold.shift_ms)
            }
        };
        self.shift_timeout(cx, handle, shift);
    }

    /// The variables that both versions keep, in the order of the new one; remembered arms by node id.
    fn take_variables(&mut self, cx: &mut Context<'_>, handle: u32, to: PlanIndex) {
        let from = cx.catalog.plan(self.enrollments[handle].plan);
        let to = cx.catalog.plan(to);
        self.load_cold(cx, handle);
        let cold = &mut cx.scratch.cold;
        let old = cold.variables.clone();
        cold.variables.reset(to.variables.len());
        for (slot, name) in to.variables.iter().enumerate() {
            if let Some(was) = from.variables.iter().position(|v| v == name) {
                cold.variables.set(slot, old.get(was));
            }
        }
        cold.arms.retain_mut(|(node, _)| {
            let id = &from.node(*node).id;
            to.node_index(id).map(|n| *node = n).is_some()
        });
        self.store_cold(cx, handle);
    }

    /// Stop and Abort: everybody who waits or is held drains from now on (G12, G35).
    fn stop(&mut self, cx: &mut Context<'_>, journey: JourneyIndex, at: Timestamp) {
        for plan in 0..self.statistics.len() {
            if cx.catalog.journey_of(plan as PlanIndex) == journey {
                self.touch_statistics(cx, plan as PlanIndex);
                self.statistics[plan].drain();
            }
        }
        let state = &mut self.journeys[usize::from(journey)];
        state.stopped_at = Some(at);
        state.release = None;
        for handle in self.inside(cx, journey) {
            self.arm(cx, handle);
            let e = &self.enrollments[handle];
            if e.status() != Status::AtSend && cx.effects.feed {
                let (node, until) = (e.node, e.timer());
                self.tell(cx, handle, "draining", Some(node), None, Some(until));
            }
        }
    }

    /// The shard may admit more into a limited journey: those at the door enter, in the order in which they came (G26).
    fn grant(&mut self, cx: &mut Context<'_>, journey: JourneyIndex, grants: &Grants) {
        self.touch_journey(journey);
        let shard = usize::from(self.setup.shard);
        let state = &mut self.journeys[usize::from(journey)];
        // A share that was not used may be taken back; whoever was let in stays in.
        state.granted = grants.granted.get(shard).copied().unwrap_or(0).max(state.admitted);
        state.limit_exhausted = grants.exhausted;
        if state.at_door == 0 {
            return;
        }
        for handle in self.inside(cx, journey) {
            if !self.at_door(handle) {
                continue;
            }
            let state = &self.journeys[usize::from(journey)];
            let (free, exhausted) = (state.admitted < state.granted, state.limit_exhausted);
            if free && !self.may_still_enter(cx, handle, journey) {
                self.turn_away_for(cx, handle, RefusalReason::Reentry);
            } else if free {
                self.admit_from_door(cx, handle, journey);
            } else if exhausted {
                self.turn_away_for(cx, handle, RefusalReason::EntryLimit);
            }
        }
    }

    fn admit_from_door(&mut self, cx: &mut Context<'_>, handle: u32, journey: JourneyIndex) {
        let user = self.enrollments[handle].user;
        self.touch(user);
        self.journeys[usize::from(journey)].at_door -= 1;
        let now = self.now;
        self.enrollments[handle].set_entered(now);
        let key = self.key_of(cx, handle);
        self.enter(cx, handle, journey, key);
    }

    /// Entry shuts: who was at the door has not entered, and will not.
    fn clear_door(&mut self, cx: &mut Context<'_>, journey: JourneyIndex) {
        if self.journeys[usize::from(journey)].at_door == 0 {
            return;
        }
        for handle in self.inside(cx, journey) {
            if self.at_door(handle) {
                self.turn_away_for(cx, handle, RefusalReason::EntryShut);
            }
        }
    }

    fn turn_away_for(&mut self, cx: &mut Context<'_>, handle: u32, reason: RefusalReason) {
        let e = self.enrollments[handle];
        let journey = cx.catalog.journey_of(e.plan);
        let id = self.users[e.user].id.to_text(&self.ids);
        self.refuse(cx, journey, &id, reason);
        self.turn_away(cx, handle);
    }

    /// Takes somebody from the door who has not entered.
    pub(super) fn turn_away(&mut self, cx: &mut Context<'_>, handle: u32) {
        let e = self.enrollments[handle];
        self.touch(e.user);
        let journey = cx.catalog.journey_of(e.plan);
        self.touch_journey(journey);
        self.journeys[usize::from(journey)].at_door -= 1;
        self.unlink(handle);
    }
}
