//! What each kind of node does when it starts.

use jiff::tz::TimeZone;

use super::record::{CUT_SHORT, DURATION};
use super::shard::{Context, State};
use super::statistics::ExitReason;
use crate::journey::catalog::JourneyIndex;
use crate::journey::dates::instant_of;
use crate::journey::plan::{Arms, NodeIndex, NodeWork, Plan, Target, Wait, next_time_of_day};
use crate::model::hash::arm_slot;
use crate::model::{Interval, Timestamp, Value};

/// What becomes of an enrollment whose node has started.
#[must_use]
pub(super) enum Step {
    /// It goes on, by the outcome of that number.
    On {
        /// Where to.
        to: Target,
        /// The outcome.
        branch: u16,
    },
    /// It waits.
    Wait {
        /// Until then; unfrozen time if the flags say so.
        until: Timestamp,
        /// `DURATION`, `CUT_SHORT`.
        flags: u8,
    },
    /// It is in its send node's queue.
    Queued,
    /// It leaves.
    Out(ExitReason),
}

impl State {
    /// Does the work of a node that has just started.
    pub(super) fn work(
        &mut self,
        cx: &mut Context<'_>,
        handle: u32,
        plan: &Plan,
        node: NodeIndex,
        due: Timestamp,
    ) -> Step {
        match &plan.node(node).kind {
            NodeWork::Send(send) => self.send(cx, handle, send, due),
            NodeWork::Delay { wait, timeout, next } => {
                let until = self.delay_until(cx, handle, plan, wait);
                let cut = timeout.map(|t| self.now + t).filter(|&cut| cut < until);
                if cut.unwrap_or(until) <= self.now {
                    return match cut {
                        Some(_) => Step::Out(ExitReason::NodeTimeout),
                        None => Step::On { to: *next, branch: 0 },
                    };
                }
                let is_duration = cut.is_some() || matches!(wait, Wait::For(_));
                let flags = if cut.is_some() { CUT_SHORT } else { 0 };
                self.waiting(cx, handle, plan, cut.unwrap_or(until), is_duration, flags)
            }
            NodeWork::WaitEvent { timeout, branches, otherwise } => match timeout {
                None => Step::Wait { until: Timestamp::MAX, flags: 0 },
                Some(Interval::ZERO) => match otherwise {
                    Some(to) => Step::On { to: *to, branch: branches.len() as u16 },
                    None => Step::Out(ExitReason::NodeTimeout),
                },
                Some(timeout) => self.waiting(cx, handle, plan, self.now + *timeout, true, 0),
            },
            NodeWork::Split { branches, otherwise } => {
                self.load_profile_of(cx, handle);
                self.load_cold(cx, handle);
                let found = branches.iter().position(|(program, _)| cx.scratch.holds(program));
                let (to, branch) = found.map_or((*otherwise, branches.len()), |i| (branches[i].1, i));
                Step::On { to, branch: branch as u16 }
            }
            NodeWork::Filter { filter, next, otherwise } => {
                self.load_profile_of(cx, handle);
                self.load_cold(cx, handle);
                match (cx.scratch.holds(filter), otherwise) {
                    (true, _) => Step::On { to: *next, branch: 0 },
                    (false, Some(to)) => Step::On { to: *to, branch: 1 },
                    (false, None) => Step::Out(ExitReason::Filtered),
                }
            }
            NodeWork::RandomSplit { arms, targets, in_loop } => {
                let arm = self.arm_of(cx, handle, plan, node, arms, *in_loop);
                Step::On { to: targets[usize::from(arm)], branch: u16::from(arm) }
            }
            NodeWork::Exit => Step::Out(ExitReason::Completed),
        }
    }

    /// A wait until then. Under policy `freeze` the end of a duration is kept in unfrozen time, so that a hold
    /// moves it; what is a duration is kept under any policy, for a version may bring another.
    fn waiting(
        &self,
        cx: &Context<'_>,
        handle: u32,
        plan: &Plan,
        until: Timestamp,
        is_duration: bool,
        flags: u8,
    ) -> Step {
        if !is_duration {
            return Step::Wait { until, flags };
        }
        let journey: JourneyIndex = cx.catalog.journey_of(self.enrollments[handle].plan);
        let frozen = self.frozen(plan, journey);
        Step::Wait { until: Timestamp(until.0.saturating_sub(frozen)), flags: flags | DURATION }
    }

    fn delay_until(&self, cx: &mut Context<'_>, handle: u32, plan: &Plan, wait: &Wait) -> Timestamp {
        match wait {
            Wait::For(duration) => self.now + *duration,
            Wait::UntilInstant(at) => *at,
            Wait::UntilLocal(local) => instant_of(*local, &self.zone_of(cx, handle, plan)),
            Wait::TimeOfDay(time, days) => {
                next_time_of_day(self.now, &self.zone_of(cx, handle, plan), *time, *days)
            }
        }
    }

    /// The user's zone if it is known and names one, else the journey's (G29).
    fn zone_of(&self, cx: &mut Context<'_>, handle: u32, plan: &Plan) -> TimeZone {
        let Some(attribute) = cx.catalog.zone_attribute() else { return plan.zone.clone() };
        self.load_profile_of(cx, handle);
        match cx.scratch.profile.attributes.get(usize::from(attribute)) {
            Value::Str(name) => TimeZone::get(name).unwrap_or_else(|_| plan.zone.clone()),
            _ => plan.zone.clone(),
        }
    }

    /// The arm of an enrollment: its user's slot decides, and one that was taken before stays (G34).
    fn arm_of(
        &mut self,
        cx: &mut Context<'_>,
        handle: u32,
        plan: &Plan,
        node: NodeIndex,
        arms: &Arms,
        in_loop: bool,
    ) -> u8 {
        if in_loop {
            self.load_cold(cx, handle);
            if let Some((_, arm)) = cx.scratch.cold.arms.iter().find(|(n, _)| *n == node) {
                return *arm;
            }
        }
        cx.scratch.id.clear();
        self.users[self.enrollments[handle].user].id.write_to(&self.ids, &mut cx.scratch.id);
        let arm = arms.arm(arm_slot(&plan.journey, &plan.node(node).id, &cx.scratch.id));
        if in_loop {
            cx.scratch.cold.arms.push((node, arm));
            self.store_cold(cx, handle);
        }
        arm
    }
}
