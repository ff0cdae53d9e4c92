//! The movement gate: the one place where it is asked, and how an enrollment goes from node to node.
//!
//! The gate is asked before a node starts. Held keeps the enrollment before the node; a node that has started finishes.

use super::json;
use super::nodes::Step;
use super::record::{CUT_SHORT, DURATION, OUT_OF_STEPS, PUT_OFF, SHIFTED, Status};
use super::shard::{Context, State};
use super::statistics::{ExitReason, Flow, NodeFlow, Place, Spot};
use super::storage::NONE;
use crate::journey::catalog::JourneyIndex;
use crate::journey::definition::TimerPolicy;
use crate::journey::plan::{NodeIndex, NodeWork, Plan, Reentry, Target};
use crate::lifecycle::MovementGate;
use crate::model::hash::drain_at;
use crate::model::{Interval, Timestamp};

/// The most nodes that one enrollment starts for one input. More than that parks it until timers fire: it bounds what
/// one input can cost, whatever a journey looks like (protocol 4).
pub const STEP_BUDGET: u32 = 64;

impl State {
    /// Goes on to `target`, having been due since `due`: node after node until one waits, the gate holds, or it is out.
    /// The due time goes with it through nodes that take no time.
    pub(super) fn go(&mut self, cx: &mut Context<'_>, handle: u32, mut target: Target, due: Timestamp) {
        let plan_index = self.enrollments[handle].plan;
        let plan = cx.catalog.plan(plan_index);
        let journey = usize::from(cx.catalog.journey_of(plan_index));
        self.at_work.handle = handle;
        for _ in 0..STEP_BUDGET {
            let node = match target {
                Target::Exit => return self.exit(cx, handle, ExitReason::Completed),
                Target::Node(node) => node,
            };
            self.enrollments[handle].node = node;
            // The movement gate; whoever is parked has a held one of their own (G17).
            let held = self.journeys[journey].gates.movement != MovementGate::Open;
            if held || self.enrollments[handle].is_parked() {
                return self.hold(cx, handle, node, due);
            }
            self.start(cx, handle, node);
            match self.work(cx, handle, plan, node, due) {
                Step::On { to, branch } => {
                    self.statistics[usize::from(plan_index)].count_at(node, NodeFlow::Branch(branch));
                    target = to;
                }
                Step::Wait { until, flags } => return self.wait(cx, handle, node, until, flags),
                Step::Queued => return,
                Step::Out(reason) => return self.exit(cx, handle, reason),
            }
        }
        match target {
            Target::Exit => self.exit(cx, handle, ExitReason::Completed),
            Target::Node(node) => self.wait(cx, handle, node, self.now, OUT_OF_STEPS),
        }
    }

    fn start(&mut self, cx: &mut Context<'_>, handle: u32, node: NodeIndex) {
        let e = &mut self.enrollments[handle];
        e.starts = e.starts.saturating_add(1);
        let plan = e.plan;
        self.touch_statistics(cx, plan);
        self.statistics[usize::from(plan)].count_at(node, NodeFlow::Started);
        self.tell(cx, handle, "started", Some(node), None, None);
        #[cfg(test)]
        super::trap::spring(&self.users[self.enrollments[handle].user].id.to_text(&self.ids));
    }

    /// The enrollment waits at `node` until `until`, which a `DURATION` flag says to be unfrozen time.
    pub(super) fn wait(
        &mut self,
        cx: &mut Context<'_>,
        handle: u32,
        node: NodeIndex,
        until: Timestamp,
        flags: u8,
    ) {
        let e = &mut self.enrollments[handle];
        e.set_status(Status::Waiting);
        e.node = node;
        e.set_until(until);
        e.flags = e.flags & !(DURATION | OUT_OF_STEPS | CUT_SHORT) | flags;
        self.arrive(cx, handle);
        self.arm(cx, handle);
        if cx.effects.feed {
            let due = self.node_due(cx, handle);
            self.tell(cx, handle, "waiting", Some(node), None, (due != Timestamp::MAX).then_some(due));
        }
    }

    /// The wait of an enrollment is over: by policy it goes on, is held before the next node or its own, or leaves (G4).
    pub(super) fn wait_over(&mut self, cx: &mut Context<'_>, handle: u32, due: Timestamp) {
        let e = self.enrollments[handle];
        let plan = cx.catalog.plan(e.plan);
        let journey = usize::from(cx.catalog.journey_of(e.plan));
        let held = self.journeys[journey].gates.movement == MovementGate::Held;
        self.leave_place(cx, handle);
        if e.has(OUT_OF_STEPS) {
            return self.go(cx, handle, Target::Node(e.node), due);
        }
        match plan.timers {
            TimerPolicy::Restart if held => return self.hold(cx, handle, e.node, due),
            TimerPolicy::Drop if held => return self.exit(cx, handle, ExitReason::ExpiredInHold),
            _ => {}
        }
        let next = match &plan.node(e.node).kind {
            NodeWork::Delay { .. } if e.has(CUT_SHORT) => None,
            NodeWork::Delay { next, .. } => Some((*next, 0)),
            NodeWork::WaitEvent { branches, otherwise, .. } => {
                otherwise.map(|to| (to, branches.len() as u16))
            }
            // The version that it took at Reactivate has other work here: the wait is over, that work is not done.
            _ => return self.go(cx, handle, Target::Node(e.node), due),
        };
        match next {
            None => self.exit(cx, handle, ExitReason::NodeTimeout),
            Some((target, branch)) => {
                self.statistics[usize::from(e.plan)].count_at(e.node, NodeFlow::Branch(branch));
                self.go(cx, handle, target, due);
            }
        }
    }

    /// The journey time-out has come. It is no node, so a held gate does not stop it (G24), but the policy may (G4).
    pub(super) fn time_out(&mut self, cx: &mut Context<'_>, handle: u32) {
        let plan_index = self.enrollments[handle].plan;
        let journey = usize::from(cx.catalog.journey_of(plan_index));
        let held = self.journeys[journey].gates.movement == MovementGate::Held;
        match cx.catalog.plan(plan_index).timers {
            TimerPolicy::Restart if held => {
                self.touch(self.enrollments[handle].user);
                self.enrollments[handle].set(PUT_OFF, true);
                self.arm(cx, handle);
            }
            TimerPolicy::Drop if held => {
                self.leave_place(cx, handle);
                self.exit(cx, handle, ExitReason::ExpiredInHold);
            }
            _ => {
                self.leave_place(cx, handle);
                self.exit(cx, handle, ExitReason::TimedOut);
            }
        }
    }

    /// The journey time-out came while the message was at send. Returns whether the enrollment left by it.
    pub(super) fn time_out_at_send(&mut self, cx: &mut Context<'_>, handle: u32) -> bool {
        let plan_index = self.enrollments[handle].plan;
        let journey = usize::from(cx.catalog.journey_of(plan_index));
        let held = self.journeys[journey].gates.movement == MovementGate::Held;
        let reason = match cx.catalog.plan(plan_index).timers {
            TimerPolicy::Restart if held => {
                self.enrollments[handle].set(PUT_OFF, true);
                return false;
            }
            TimerPolicy::Drop if held => ExitReason::ExpiredInHold,
            _ => ExitReason::TimedOut,
        };
        self.exit(cx, handle, reason);
        true
    }

    /// A drain's moment has come: the enrollment leaves its stopped journey (G12).
    pub(super) fn drain(&mut self, cx: &mut Context<'_>, handle: u32) {
        self.leave_place(cx, handle);
        self.exit(cx, handle, ExitReason::Stopped);
    }

    /// For how long movement of a journey was held so far, where the policy lets durations stand still meanwhile.
    pub(super) fn frozen(&self, plan: &Plan, journey: JourneyIndex) -> i64 {
        match plan.timers {
            TimerPolicy::Freeze => self.journeys[usize::from(journey)].frozen_until(self.now),
            TimerPolicy::Run | TimerPolicy::Restart | TimerPolicy::Drop => 0,
        }
    }

    /// When the present wait is over; never, unless it waits.
    pub(super) fn node_due(&self, cx: &Context<'_>, handle: u32) -> Timestamp {
        let e = &self.enrollments[handle];
        if e.status() != Status::Waiting {
            return Timestamp::MAX;
        }
        let freezes = cx.catalog.plan(e.plan).timers == TimerPolicy::Freeze;
        if !freezes || !e.has(DURATION) || e.until() == Timestamp::MAX {
            return e.until();
        }
        let journey = &self.journeys[usize::from(cx.catalog.journey_of(e.plan))];
        match journey.held_since {
            Some(_) => Timestamp::MAX,
            None => e.until() + Interval(journey.frozen_ms as u64),
        }
    }

    /// When the journey time-out ends the enrollment. A message that is at send goes out first.
    pub(super) fn journey_due(&self, cx: &mut Context<'_>, handle: u32) -> Timestamp {
        let e = self.enrollments[handle];
        let plan = cx.catalog.plan(e.plan);
        let Some(timeout) = plan.timeout else { return Timestamp::MAX };
        if matches!(e.status(), Status::AtSend | Status::AtDoor) || e.has(PUT_OFF) {
            return Timestamp::MAX;
        }
        let mut due = (e.entered() + timeout).0;
        if plan.timers == TimerPolicy::Freeze {
            let journey = &self.journeys[usize::from(cx.catalog.journey_of(e.plan))];
            if journey.held_since.is_some() {
                return Timestamp::MAX;
            }
            due = due.saturating_add(journey.frozen_ms);
        }
        if e.has(SHIFTED) {
            self.load_cold(cx, handle);
            due = due.saturating_add(cx.scratch.cold.shift_ms);
        }
        Timestamp(due)
    }

    /// Moves the journey time-out by that much from where entry and policy put it.
    pub(super) fn shift_timeout(&mut self, cx: &mut Context<'_>, handle: u32, shift_ms: i64) {
        self.enrollments[handle].set(SHIFTED, shift_ms != 0);
        self.load_cold(cx, handle);
        if cx.scratch.cold.shift_ms != shift_ms {
            cx.scratch.cold.shift_ms = shift_ms;
            self.store_cold(cx, handle);
        }
    }

    /// Sets the timer to the next moment at which something is to be decided.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>, handle: u32) {
        let e = &self.enrollments[handle];
        let (plan, status) = (e.plan, e.status());
        let journey = usize::from(cx.catalog.journey_of(plan));
        let at = match self.journeys[journey].stopped_at {
            _ if matches!(status, Status::AtSend | Status::AtDoor) => Timestamp::MAX,
            Some(stopped) => self.drain_time(cx, handle, stopped),
            None => self.node_due(cx, handle).min(self.journey_due(cx, handle)),
        };
        let e = &mut self.enrollments[handle];
        let before = e.timer();
        e.set_timer(at);
        if at == Timestamp::MAX {
            self.wheel.cancel(&mut self.enrollments, handle);
        } else if !self.enrollments[handle].links.is_linked() || at < before {
            self.wheel.insert(&mut self.enrollments, handle, at);
        }
        // A later deadline is enough where it is: the wheel asks for it when the old one comes.
    }

    /// When an enrollment leaves its journey, stopped at `stopped`.
    pub(super) fn drain_time(&self, cx: &mut Context<'_>, handle: u32, stopped: Timestamp) -> Timestamp {
        let e = &self.enrollments[handle];
        let plan = cx.catalog.plan(e.plan);
        cx.scratch.id.clear();
        self.users[e.user].id.write_to(&self.ids, &mut cx.scratch.id);
        drain_at(stopped, plan.drain, &plan.journey, &cx.scratch.id)
    }

    /// Counts an enrollment at its place.
    pub(super) fn arrive(&mut self, cx: &Context<'_>, handle: u32) {
        if let Some(spot) = self.place(cx, handle) {
            self.statistics[spot.plan].arrive(spot);
        }
    }

    /// Takes an enrollment from its place, before anything of it changes. Its page is kept for an undo first.
    pub(super) fn leave_place(&mut self, cx: &mut Context<'_>, handle: u32) {
        let (user, plan) = (self.enrollments[handle].user, self.enrollments[handle].plan);
        self.touch(user);
        self.touch_statistics(cx, plan);
        if let Some(spot) = self.place(cx, handle) {
            self.statistics[spot.plan].depart(spot);
        }
    }

    pub(super) fn place(&self, cx: &Context<'_>, handle: u32) -> Option<Spot> {
        let e = &self.enrollments[handle];
        let stopped = self.journeys[usize::from(cx.catalog.journey_of(e.plan))].stopped_at.is_some();
        let mut place = Place::of(e.status(), stopped)?;
        if e.is_parked() && place == Place::Waiting {
            place = Place::Held;
        }
        let parked = e.is_parked() && place == Place::Held;
        Some(Spot { plan: usize::from(e.plan), node: e.node, place, parked })
    }

    /// The enrollment is over. It has left its place already.
    pub(super) fn exit(&mut self, cx: &mut Context<'_>, handle: u32, reason: ExitReason) {
        let e = self.enrollments[handle];
        self.statistics[usize::from(e.plan)].exit(e.node, reason);
        self.tell(cx, handle, "exited", Some(e.node), Some(reason.as_str()), None);
        self.remember_exit(cx, handle, reason);
        self.unlink(handle);
    }

    /// Takes an enrollment out of every structure; it is gone then.
    pub(super) fn unlink(&mut self, handle: u32) {
        self.wheel.cancel(&mut self.enrollments, handle);
        let e = self.enrollments[handle];
        let first = self.users[e.user].first;
        if first == handle {
            self.users[e.user].first = e.next;
        } else {
            let mut before = first;
            while before != NONE && self.enrollments[before].next != handle {
                before = self.enrollments[before].next;
            }
            if before != NONE {
                self.enrollments[before].next = e.next;
            }
        }
        self.cold.remove(e.cold);
        self.enrollments.remove(handle);
    }

    /// Leaves behind what re-entry and late conversions need (G30, G35).
    fn remember_exit(&mut self, cx: &mut Context<'_>, handle: u32, reason: ExitReason) {
        use super::profile::{Mark, MarkKind};
        if reason == ExitReason::Deleted {
            return;
        }
        let e = self.enrollments[handle];
        let plan = cx.catalog.plan(e.plan);
        let journey = cx.catalog.journey_of(e.plan);
        let cools_down = matches!(plan.entry.reentry, Reentry::AfterExit(gap) if gap > Interval::ZERO);
        let until = self.convertible_until(plan, journey, &e, reason);
        if !cools_down && until.is_none() {
            return;
        }
        let key = self.key_of(cx, handle);
        self.load_cold(cx, handle);
        let variables = std::mem::take(&mut cx.scratch.cold.variables);
        let now = self.now;
        self.change_profile(cx, e.user, |profile| {
            let mark = |kind, at| Mark { kind, journey, plan: e.plan, key, at, kept: (0, 0) };
            if cools_down {
                profile.marks.retain(|m| m.kind != MarkKind::Left || m.journey != journey || m.key != key);
                profile.mark(mark(MarkKind::Left, now), None);
            }
            if let Some(until) = until {
                profile.mark(mark(MarkKind::Convertible, until), Some(&variables));
            }
        });
        cx.scratch.cold.variables = variables;
    }

    /// Until when a goal still counts for an enrollment that leaves now without one.
    fn convertible_until(
        &self,
        plan: &Plan,
        journey: JourneyIndex,
        e: &super::record::Enrollment,
        reason: ExitReason,
    ) -> Option<Timestamp> {
        let window = plan.conversion_window?;
        if reason == ExitReason::Goal || e.has(super::record::CONVERTED) {
            return None;
        }
        let from = self.journeys[usize::from(journey)].stopped_at.unwrap_or(self.now);
        Some(from + window).filter(|&until| until >= self.now)
    }

    /// A goal is reached: counted once (first goal wins).
    pub(super) fn convert(&mut self, cx: &mut Context<'_>, handle: u32, goal: &str) {
        let e = &mut self.enrollments[handle];
        e.set(super::record::CONVERTED, true);
        let plan = e.plan;
        self.touch_statistics(cx, plan);
        self.statistics[usize::from(plan)].count(Flow::Converted);
        let node = self.enrollments[handle].node;
        self.tell(cx, handle, "converted", Some(node), Some(goal), None);
    }

    /// Tells a movement, if somebody listens.
    pub(super) fn tell(
        &mut self,
        cx: &mut Context<'_>,
        handle: u32,
        what: &str,
        node: Option<NodeIndex>,
        detail: Option<&str>,
        until: Option<Timestamp>,
    ) {
        if !cx.effects.feed {
            return;
        }
        let e = &self.enrollments[handle];
        let plan = cx.catalog.plan(e.plan);
        cx.scratch.id.clear();
        self.users[e.user].id.write_to(&self.ids, &mut cx.scratch.id);
        let movement = Movement { plan, user: &cx.scratch.id, entry: e.entry(), what, node, detail, until };
        movement.write(self.now, cx.effects);
    }
}

/// One line of the feed.
pub(super) struct Movement<'a> {
    pub(super) plan: &'a Plan,
    pub(super) user: &'a str,
    pub(super) entry: u64,
    pub(super) what: &'a str,
    pub(super) node: Option<NodeIndex>,
    pub(super) detail: Option<&'a str>,
    pub(super) until: Option<Timestamp>,
}

impl Movement<'_> {
    pub(super) fn write(&self, at: Timestamp, effects: &mut super::Effects) {
        let out = effects.transitions.begin();
        out.extend_from_slice(b"{\"at\":");
        json::timestamp(out, at);
        out.extend_from_slice(b",\"journey\":");
        json::string(out, &self.plan.journey);
        out.extend_from_slice(b",\"version\":");
        json::number(out, u64::from(self.plan.version));
        out.extend_from_slice(b",\"user\":");
        json::string(out, self.user);
        out.extend_from_slice(b",\"entry\":");
        json::number(out, self.entry);
        out.extend_from_slice(b",\"what\":");
        json::string(out, self.what);
        if let Some(node) = self.node {
            out.extend_from_slice(b",\"node\":");
            json::string(out, &self.plan.node(node).id);
        }
        if let Some(detail) = self.detail {
            out.extend_from_slice(b",\"detail\":");
            json::string(out, detail);
        }
        if let Some(until) = self.until {
            out.extend_from_slice(b",\"until\":");
            json::timestamp(out, until);
        }
        out.push(b'}');
        effects.transitions.end();
    }
}
