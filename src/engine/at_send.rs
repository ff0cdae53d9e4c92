//! Sends: rendered when their node starts, handed over at once or as the node's own rate allows.
//!
//! A user whom the rate holds back is *at send*: past the gate, so nothing recalls the message (G13, I14). Its content,
//! revision, version, key and variables are fixed when the node starts.

use std::collections::BTreeSet;

use super::json;
use super::nodes::Step;
use super::record::{LEAVING, Status};
use super::shard::{Context, Setup, State};
use super::statistics::{ExitReason, NodeFlow};
use crate::journey::catalog::{Catalog, JourneyIndex};
use crate::journey::condition::Root;
use crate::journey::plan::{NodeIndex, NodeWork, Plan, Rate, SendPlan, Target};
use crate::model::hash::idempotency_key;
use crate::model::{Timestamp, Value};

/// The users whom one send node's rate holds back, in the order in which its node started for them.
///
/// A node that a version calls something else is the same node: one queue and one rate, by the name that the live
/// version gives it. Whoever queued before keeps the rate of the version by which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendQueue {
    /// When the node started, the entry number, the handle.
    pub(super) waiting: BTreeSet<(Timestamp, u64, u32)>,
    /// The last instant that was used.
    pub(super) used: Option<Used>,
}

/// An instant of a rate's grid. Versions may give a node different rates, and their numbers mean different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub(super) rate: Rate,
    pub(super) number: i64,
}

impl SendQueue {
    /// The first instant of `rate` at or after `now` that comes after the last one used: its number and its time.
    fn next(&self, rate: Rate, now: Timestamp, setup: Setup) -> (i64, i64) {
        let Setup { shard, shards, .. } = setup;
        let used = self.used.map(|used| {
            if used.rate == rate {
                return used.number;
            }
            let at = used.rate.instant(used.number, shard, shards);
            rate.next(at + 1, None, shard, shards).0 - 1
        });
        rate.next(now.0, used, shard, shards)
    }
}

/// What version `to` of a journey calls a node that version `from` calls `id`. Each version says what it calls the nodes
/// of the one before, so the way to a later one goes through all between.
pub(super) fn called<'a>(
    catalog: &'a Catalog,
    journey: JourneyIndex,
    id: &'a str,
    (from, to): (u32, u32),
) -> &'a str {
    let mut id = id;
    for version in from + 1..=to {
        let Some(plan) = catalog.plan_of(journey, version) else { continue };
        let moved = &catalog.plan(plan).moved;
        id = moved.iter().find(|(old, _)| old == id).map_or(id, |(_, new)| new.as_str());
    }
    id
}

impl State {
    /// A send node starts.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        handle: u32,
        send: &SendPlan,
        due: Timestamp,
    ) -> Step {
        let Some(rate) = send.rate else {
            self.hand_over_now(cx, handle, send, due);
            return Step::On { to: send.next, branch: 0 };
        };
        if self.take_instant(cx, handle, rate) {
            self.hand_over_now(cx, handle, send, due);
            return Step::On { to: send.next, branch: 0 };
        }
        self.queue(cx, handle, send, due);
        Step::Queued
    }

    fn hand_over_now(&mut self, cx: &mut Context<'_>, handle: u32, send: &SendPlan, due: Timestamp) {
        self.load_for_send(cx, handle, send);
        let start = cx.effects.sends.begin().len();
        self.render(cx, handle, send, due);
        let scratch = std::mem::take(&mut cx.scratch.bytes);
        let out = cx.effects.sends.begin();
        debug_assert_eq!(out.len(), start, "rendering goes through the scratch");
        out.extend_from_slice(&scratch);
        cx.scratch.bytes = scratch;
        self.complete_send(cx, handle);
    }

    /// Closes the line that was begun with a rendered send: from here on it is handed over, once this commits.
    fn complete_send(&mut self, cx: &mut Context<'_>, handle: u32) {
        let out = cx.effects.sends.begin();
        out.extend_from_slice(b",\"at\":");
        json::timestamp(out, self.now);
        out.push(b'}');
        cx.effects.sends.end();
        let (plan, node) = (self.enrollments[handle].plan, self.enrollments[handle].node);
        self.statistics[usize::from(plan)].count_at(node, NodeFlow::Sent);
        self.tell(cx, handle, "sent", Some(node), None, None);
    }

    /// Whether the message may go now: nobody is queued, and the present instant of the rate is not used.
    fn take_instant(&mut self, cx: &Context<'_>, handle: u32, rate: Rate) -> bool {
        let (journey, now) = (self.journey_of(cx, handle), self.now);
        self.touch_journey(journey);
        let setup = self.setup;
        let queue = self.queue_of(cx, handle);
        let (number, at) = queue.next(rate, now, setup);
        let free = queue.waiting.is_empty() && at == now.0;
        if free {
            queue.used = Some(Used { rate, number });
        }
        free
    }

    fn journey_of(&self, cx: &Context<'_>, handle: u32) -> u16 {
        cx.catalog.journey_of(self.enrollments[handle].plan)
    }

    fn queue_of(&mut self, cx: &Context<'_>, handle: u32) -> &mut SendQueue {
        let id = self.queue_name(cx, handle);
        let journey = usize::from(self.journey_of(cx, handle));
        let queues = &mut self.journeys[journey].queues;
        if !queues.contains_key(id) {
            queues.insert(id.into(), SendQueue::default());
        }
        queues.get_mut(id).expect("the queue was inserted if it was not there")
    }

    /// What the live version calls the node of an enrollment.
    fn queue_name<'a>(&self, cx: &Context<'a>, handle: u32) -> &'a str {
        let e = &self.enrollments[handle];
        let (catalog, plan) = (cx.catalog, cx.catalog.plan(e.plan));
        let id: &'a str = &plan.node(e.node).id;
        let journey = catalog.journey_of(e.plan);
        match catalog.journeys[usize::from(journey)].live {
            Some(live) if live != e.plan => {
                called(catalog, journey, id, (plan.version, catalog.plan(live).version))
            }
            _ => id,
        }
    }

    /// A version has gone live: queues go by its names from now on. Two that become one go on after the later of
    /// their instants.
    pub(super) fn rename_queues(&mut self, cx: &Context<'_>, journey: u16, from: u32, to: u32) {
        self.touch_journey(journey);
        let setup = self.setup;
        let queues = &mut self.journeys[usize::from(journey)].queues;
        for (id, mut queue) in std::mem::take(queues) {
            let into = queues.entry(called(cx.catalog, journey, &id, (from, to)).into()).or_default();
            into.waiting.append(&mut queue.waiting);
            let at = |used: &Used| used.rate.instant(used.number, setup.shard, setup.shards);
            into.used = [into.used, queue.used].into_iter().flatten().max_by_key(at);
        }
        self.instants.retain(|(_, j, _)| *j != journey);
        let firsts = self.journeys[usize::from(journey)].queues.values();
        let firsts: Vec<u32> = firsts.filter_map(|queue| queue.waiting.first().map(|w| w.2)).collect();
        firsts.into_iter().for_each(|first| self.plan_instant(cx, first));
    }

    fn queue(&mut self, cx: &mut Context<'_>, handle: u32, send: &SendPlan, due: Timestamp) {
        self.load_for_send(cx, handle, send);
        self.render(cx, handle, send, due);
        cx.scratch.cold.pending.clear();
        cx.scratch.cold.pending.extend_from_slice(&cx.scratch.bytes);
        self.store_cold(cx, handle);
        let now = self.now;
        let e = &mut self.enrollments[handle];
        e.set_status(Status::AtSend);
        e.set_until(now);
        let (entry, node) = (e.entry(), e.node);
        self.queue_of(cx, handle).waiting.insert((now, entry, handle));
        self.arrive(cx, handle);
        self.arm(cx, handle);
        self.plan_instant(cx, handle);
        self.tell(cx, handle, "queued", Some(node), None, None);
    }

    /// Notes when the queue of an enrollment's node is to be served next.
    fn plan_instant(&mut self, cx: &Context<'_>, handle: u32) {
        let journey = self.journey_of(cx, handle);
        let id: Box<str> = self.queue_name(cx, handle).into();
        self.instants.retain(|(_, j, node)| *j != journey || *node != id);
        let (now, setup) = (self.now, self.setup);
        let first = self.queue_of(cx, handle).waiting.first().copied();
        if let Some((_, _, first)) = first {
            // The rate is that of the version by which the first in the queue came.
            let rate = self.rate_of(cx, first);
            let (_, at) = self.queue_of(cx, handle).next(rate, now, setup);
            self.instants.insert((Timestamp(at), journey, id));
        }
    }

    /// The earliest instant has come: hands one message of its queue over.
    pub(super) fn serve_queue(&mut self, cx: &mut Context<'_>) {
        let Some((_, journey, node)) = self.instants.pop_first() else { return };
        self.touch_journey(journey);
        let Some(queue) = self.journeys[usize::from(journey)].queues.get_mut(&node) else { return };
        let Some((_, entry, handle)) = queue.waiting.pop_first() else { return };
        debug_assert!(self.is(handle, entry), "only its hand-over takes an enrollment out of a queue");
        let plan_index = self.enrollments[handle].plan;
        let rate = self.rate_of(cx, handle);
        let (now, setup) = (self.now, self.setup);
        let queue = self.queue_of(cx, handle);
        queue.used = Some(Used { rate, number: queue.next(rate, now, setup).0 });
        self.leave_place(cx, handle);
        self.load_cold(cx, handle);
        let out = cx.effects.sends.begin();
        out.extend_from_slice(&cx.scratch.cold.pending);
        cx.scratch.cold.pending.clear();
        self.store_cold(cx, handle);
        self.complete_send(cx, handle);
        self.plan_instant(cx, handle);
        self.after_send(cx, handle, plan_index);
    }

    fn rate_of(&self, cx: &Context<'_>, handle: u32) -> Rate {
        let e = &self.enrollments[handle];
        match &cx.catalog.plan(e.plan).node(e.node).kind {
            NodeWork::Send(SendPlan { rate: Some(rate), .. }) => *rate,
            // An edit took the rate away: the queue empties as fast as a clock of milliseconds allows.
            _ => Rate { count: 1_000, unit_ms: 1_000 },
        }
    }

    /// The message is handed over: the enrollment goes on, or leaves if something had ended it meanwhile.
    fn after_send(&mut self, cx: &mut Context<'_>, handle: u32, plan: u16) {
        let journey = usize::from(cx.catalog.journey_of(plan));
        if self.enrollments[handle].has(LEAVING) {
            let reason = cx.scratch.cold.leaving.unwrap_or(ExitReason::Removed);
            return self.exit(cx, handle, reason);
        }
        if let Some(stopped) = self.journeys[journey].stopped_at {
            return self.start_draining(cx, handle, stopped);
        }
        if self.adopt_late(cx, handle) {
            return;
        }
        self.enrollments[handle].set_status(Status::Waiting);
        if self.journey_due(cx, handle) <= self.now && self.time_out_at_send(cx, handle) {
            return;
        }
        let e = self.enrollments[handle];
        // A version that it took may have made an exit of its node, which leads nowhere.
        let next = cx.catalog.plan(e.plan).targets(e.node).first().copied();
        if next.is_some() {
            self.statistics[usize::from(e.plan)].count_at(e.node, NodeFlow::Branch(0));
        }
        self.go(cx, handle, next.unwrap_or(Target::Exit), self.now);
    }

    /// Users at send start draining at hand-over; if their moment has passed they leave then (G12).
    fn start_draining(&mut self, cx: &mut Context<'_>, handle: u32, stopped: Timestamp) {
        if self.drain_time(cx, handle, stopped) <= self.now {
            return self.exit(cx, handle, ExitReason::Stopped);
        }
        let e = &mut self.enrollments[handle];
        e.set_status(Status::Waiting);
        e.set_until(Timestamp::MAX);
        let node = e.node;
        self.arrive(cx, handle);
        self.arm(cx, handle);
        self.tell(cx, handle, "draining", Some(node), None, Some(self.enrollments[handle].timer()));
    }

    /// Puts an enrollment that is at send back into its queue after a restore.
    pub(super) fn requeue(&mut self, cx: &Context<'_>, handle: u32) {
        let e = self.enrollments[handle];
        self.queue_of(cx, handle).waiting.insert((e.until(), e.entry(), handle));
        self.plan_instant(cx, handle);
    }

    fn load_for_send(&mut self, cx: &mut Context<'_>, handle: u32, send: &SendPlan) {
        self.load_cold(cx, handle);
        if send.variables.iter().any(|(_, root, _)| *root == Root::User) {
            self.load_profile_of(cx, handle);
        }
    }

    /// Renders everything of a send but the time of its hand-over into the scratch.
    fn render(&self, cx: &mut Context<'_>, handle: u32, send: &SendPlan, due: Timestamp) {
        let e = &self.enrollments[handle];
        let plan: &Plan = cx.catalog.plan(e.plan);
        let scratch = &mut *cx.scratch;
        scratch.id.clear();
        self.users[e.user].id.write_to(&self.ids, &mut scratch.id);
        let node: NodeIndex = e.node;
        let id = &plan.node(node).id;
        let key =
            idempotency_key(&plan.journey, &scratch.id, e.entered(), e.entry(), id, u32::from(e.starts));
        let mut out = std::mem::take(&mut scratch.bytes);
        out.clear();
        out.extend_from_slice(b"{\"key\":\"");
        json::hex128(&mut out, key);
        out.extend_from_slice(b"\",\"user\":");
        json::string(&mut out, &scratch.id);
        out.push(b',');
        out.extend_from_slice(send.fixed.as_bytes());
        out.extend_from_slice(b",\"variables\":{");
        let view = scratch.view();
        let mut first = true;
        for (name, root, slot) in &send.variables {
            let value = crate::journey::condition::Scope::value(&view, *root, *slot);
            if value == Value::Missing {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            json::string(&mut out, name);
            out.push(b':');
            json::value(&mut out, value);
        }
        out.extend_from_slice(b"},\"due\":");
        json::timestamp(&mut out, due);
        if let Some(expires) = send.expires {
            out.extend_from_slice(b",\"expires\":");
            json::timestamp(&mut out, self.now + expires);
        }
        scratch.bytes = out;
    }
}
