//! Node after node: the gate is asked before each, and a node that has started finishes.

use wayfarer::journey::definition::{Definition, NodeKind, TimerPolicy};
use wayfarer::model::hash::{arm_slot, drain_at, idempotency_key};
use wayfarer::model::wire::SendRecord;
use wayfarer::model::{Interval, Timestamp};

use crate::calendar::{Rate, date, next_time_of_day, zone};
use crate::condition::Scope;
use crate::hold::targets;
use crate::tables::Gate;
use crate::world::{Due, Position, Queued, World};

/// The target that is no node: the user leaves with reason `completed`.
pub(crate) const EXIT: &str = "exit";

/// How many nodes one enrollment may start in one go.
const STEPS_MAX: u32 = 64;

/// What follows the start of a node.
enum Then {
    Go(String),
    Leave(&'static str),
    Stay,
}

pub(crate) fn first_node(definition: &Definition) -> String {
    definition.node.first().map_or(EXIT, |n| &n.id).to_owned()
}

impl World {
    /// Runs on from before `target`, which fell due at `due`, until the enrollment waits, is held, queues
    /// or leaves. The due time goes with it through nodes that take no time.
    pub(crate) fn walk(&mut self, e: usize, mut target: String, due: Timestamp) {
        if self.enrollments[e].version + 1 < self.journey_of(e).versions.len() {
            self.rule("G16");
        }
        for _ in 0..STEPS_MAX {
            if target == EXIT {
                return self.end(e, "completed");
            }
            if self.held(e) || self.enrollments[e].parked {
                return self.hold(e, target, due);
            }
            match self.start(e, &target, due) {
                Then::Go(next) => {
                    self.take(e, &target, &next);
                    target = next;
                }
                Then::Leave(reason) => return self.end(e, reason),
                Then::Stay => return,
            }
        }
        if target == EXIT {
            return self.end(e, "completed");
        }
        self.enrollments[e].node = Some(target.clone());
        self.tell(e, "waiting", Some(&target), None, Some(self.now));
        self.enrollments[e].position = Position::Parked { before: target, due: self.now };
    }

    fn start(&mut self, e: usize, id: &str, due: Timestamp) -> Then {
        if self.journey_of(e).state == "Paused" {
            self.rule("G2");
        }
        self.enrollments[e].starts += 1;
        self.enrollments[e].node = Some(id.to_owned());
        self.tell(e, "started", Some(id), None, None);
        let kind = self.node_of(e, id).expect("targets were checked, and adoption checks nodes");
        match kind {
            NodeKind::Send { .. } => self.start_send(e, id, due),
            NodeKind::Delay { .. } => self.start_delay(e, id, &kind),
            NodeKind::WaitEvent { timeout, .. } => self.wait(
                e,
                Position::Waiting { end: None, timeout: timeout.map(|t| self.now + t), hears: true },
            ),
            NodeKind::Split { branches, otherwise } => {
                let branch = branches.into_iter().find(|b| self.scope(e).holds(Some(&b.filter)));
                Then::Go(branch.map_or(otherwise, |b| b.to))
            }
            NodeKind::Filter { filter, next, otherwise } => {
                if self.scope(e).holds(Some(&filter)) {
                    Then::Go(self.next(e, id, next))
                } else {
                    otherwise.map_or(Then::Leave("filtered"), Then::Go)
                }
            }
            NodeKind::RandomSplit { branches } => {
                self.rule("G34");
                let it = &self.enrollments[e];
                let slot = usize::from(arm_slot(&self.journey_of(e).id, id, &it.user));
                let slots = &self.journey_of(e).versions[it.version].arms[id];
                let kept = it.arms.get(id).copied().filter(|&arm| arm < branches.len());
                let arm = kept.unwrap_or(slots[slot]);
                self.enrollments[e].arms.insert(id.to_owned(), arm);
                Then::Go(branches[arm].to.clone())
            }
            NodeKind::Exit {} => Then::Leave("completed"),
        }
    }

    fn scope(&self, e: usize) -> Scope<'_> {
        let it = &self.enrollments[e];
        let user = self.users.get(&it.user).map(|u| &u.attributes);
        Scope { properties: None, entry: Some(&it.properties), user }
    }

    /// The node named, else the one that follows in the file, else the exit.
    fn next(&self, e: usize, id: &str, named: Option<String>) -> String {
        let definition = self.definition_of(e);
        let after = definition.node.iter().skip_while(|n| n.id != id).nth(1);
        named.unwrap_or_else(|| after.map_or(EXIT, |n| &n.id).to_owned())
    }

    fn wait(&mut self, e: usize, position: Position) -> Then {
        let Position::Waiting { end, timeout, .. } = &position else { unreachable!("only waits wait") };
        let until = end.map(|(t, _)| t).into_iter().chain(*timeout).min();
        let node = self.enrollments[e].node.clone();
        self.tell(e, "waiting", node.as_deref(), None, until);
        self.enrollments[e].position = position;
        Then::Stay
    }

    fn start_delay(&mut self, e: usize, id: &str, kind: &NodeKind) -> Then {
        let NodeKind::Delay { duration, until, at, on, timeout, next } = kind else {
            unreachable!("a delay")
        };
        let user = self.users.get(&self.enrollments[e].user);
        let known = user.and_then(|u| u.zone.clone()).filter(|name| zone(name).is_ok());
        let zone_name = known.unwrap_or_else(|| self.definition_of(e).zone.clone());
        let end = if let Some(duration) = duration {
            self.now + *duration
        } else {
            self.rule("G29");
            let local = until.as_ref().and_then(|until| date(until, &zone_name).ok());
            let in_zone = zone(&zone_name).ok();
            let time = at.as_ref().and_then(|at| next_time_of_day(self.now, at, on, &in_zone?));
            local.or(time).unwrap_or(self.now)
        };
        if end <= self.now {
            return Then::Go(self.next(e, id, next.clone()));
        }
        let timeout = timeout.map(|t: Interval| self.now + t).filter(|&t| t < end);
        // A node time-out that cuts the wait short takes its place: what was a date is a duration then.
        let end = timeout.is_none().then_some((end, duration.is_some()));
        self.wait(e, Position::Waiting { end, timeout, hears: false })
    }

    /// A message goes out at once, or queues for the next unused instant of its node's rate (G13, G26).
    fn start_send(&mut self, e: usize, id: &str, due: Timestamp) -> Then {
        let Some(NodeKind::Send { rate, next, .. }) = self.node_of(e, id) else { unreachable!("a send") };
        let send = self.message(e, id, due);
        let next = self.next(e, id, next);
        if rate.is_some() {
            let place = (self.enrollments[e].journey, self.live_name(e, id), self.shard(&send.user));
            let rate = self.rate_of(e, id);
            let k = self.next_instant(&place, rate, self.now);
            let queued = (0..self.queue.len()).any(|i| self.place_of(i) == place);
            if queued || rate.instant(k, place.2, self.shards) > self.now {
                self.rule("G26");
                self.tell(e, "queued", Some(id), None, None);
                self.queue.push(Queued { started: self.now, enrollment: e, send });
                self.enrollments[e].position = Position::AtSend { next, leaving: None };
                return Then::Stay;
            }
            self.used.insert(place, (rate, k));
        }
        self.hand_over(e, send);
        Then::Go(next)
    }

    /// The queue of a message: those of one node and shard go one after the other.
    pub(crate) fn place_of(&self, index: usize) -> (usize, String, u16) {
        let Queued { enrollment, send, .. } = &self.queue[index];
        let name = self.live_name(*enrollment, &send.node);
        (self.enrollments[*enrollment].journey, name, self.shard(&send.user))
    }

    /// What the live version calls a node of an enrollment's version: under another name it is the same node.
    fn live_name(&self, e: usize, node: &str) -> String {
        let (from, journey) = (self.enrollments[e].version, self.journey_of(e));
        let later = journey.versions.get(from + 1..=journey.live).unwrap_or_default();
        later.iter().fold(node.to_owned(), |node, version| {
            version.definition.moved.get(&node).cloned().unwrap_or(node)
        })
    }

    /// Whether a message is the first of its queue: by the start of its node, then by entry.
    pub(crate) fn is_first(&self, index: usize) -> bool {
        let order = |i: usize| (self.queue[i].started, self.queue[i].enrollment);
        let place = self.place_of(index);
        (0..self.queue.len()).all(|i| order(i) >= order(index) || self.place_of(i) != place)
    }

    /// When the first of a queue goes out.
    pub(crate) fn instant_of(&self, index: usize) -> Timestamp {
        let place = self.place_of(index);
        let rate = self.rate_of(self.queue[index].enrollment, &self.queue[index].send.node);
        let k = self.next_instant(&place, rate, self.queue[index].started);
        rate.instant(k, place.2, self.shards)
    }

    fn rate_of(&self, e: usize, node: &str) -> Rate {
        let Some(NodeKind::Send { rate: Some(rate), .. }) = self.node_of(e, node) else {
            unreachable!("a message queues by the rate of its version's node")
        };
        Rate::parse(&rate).expect("rates were read when it was put")
    }

    /// The first instant of a rate's grid, not before `from`, that comes after the last one used: by whatever
    /// rate that was.
    fn next_instant(&self, place: &(usize, String, u16), rate: Rate, from: Timestamp) -> i64 {
        let shard = place.2;
        let unused = match self.used.get(place) {
            None => 0,
            Some(&(before, k)) if before == rate => k + 1,
            Some(&(before, k)) => {
                let at = before.instant(k, shard, self.shards);
                rate.first_from(Timestamp(at.0 + 1), 0, shard, self.shards)
            }
        };
        rate.first_from(from, unused, shard, self.shards)
    }

    fn message(&self, e: usize, id: &str, due: Timestamp) -> SendRecord {
        let Some(NodeKind::Send { channel, content, provider, variables, expires, .. }) = self.node_of(e, id)
        else {
            unreachable!("a send")
        };
        let (it, journey) = (&self.enrollments[e], self.journey_of(e));
        let scope = self.scope(e);
        let key = idempotency_key(&journey.id, &it.user, it.entered, it.entry, id, it.starts);
        SendRecord {
            key: format!("{key:032x}"),
            journey: journey.id.clone(),
            version: it.version as u32 + 1,
            node: id.to_owned(),
            user: it.user.clone(),
            channel,
            provider,
            revision: journey.versions[it.version].revisions.get(&content).copied().unwrap_or(1),
            content,
            variables: variables.iter().filter_map(|(n, x)| Some((n.clone(), scope.value(x)?))).collect(),
            due,
            at: self.now,
            expires: expires.map(|after| self.now + after),
        }
    }

    fn hand_over(&mut self, e: usize, mut send: SendRecord) {
        send.at = self.now;
        self.tell(e, "sent", Some(&send.node), None, None);
        self.sends.push(send);
    }

    /// Something is due.
    pub(crate) fn fire(&mut self, due: Due) {
        match due {
            Due::Timeout(e) => self.journey_timeout(e),
            Due::WaitEnd(e) | Due::NodeTimeout(e) => self.wait_over(e, matches!(due, Due::NodeTimeout(_))),
            Due::Parked(e) => {
                if let Position::Parked { before, due } = self.enrollments[e].position.clone() {
                    self.walk(e, before, due);
                }
            }
            Due::Drain(e) => {
                self.rule("G12");
                self.end(e, "stopped");
            }
            Due::Message(index) => self.message_due(index),
        }
    }

    /// The message goes out in every state; then a stopped journey drains its user, any other moves them on
    /// (G13).
    fn message_due(&mut self, index: usize) {
        let place = self.place_of(index);
        let rate = self.rate_of(self.queue[index].enrollment, &self.queue[index].send.node);
        let k = self.next_instant(&place, rate, self.queue[index].started);
        let Queued { enrollment: e, send, .. } = self.queue.remove(index);
        self.used.insert(place, (rate, k));
        if self.journey_of(e).movement() != Gate::Open {
            self.rule("G13");
        }
        self.hand_over(e, send);
        let Position::AtSend { next, leaving } = self.enrollments[e].position.clone() else {
            unreachable!("whose message queues is at send")
        };
        if let Some(reason) = leaving {
            return self.end(e, reason);
        }
        if self.journey_of(e).movement() != Gate::Shut {
            return self.after_send(e, next);
        }
        let journey = self.journey_of(e);
        let window = self.definition_of(e).drain;
        if drain_at(journey.stopped_at, window, &journey.id, &self.enrollments[e].user) <= self.now {
            self.rule("G12");
            return self.end(e, "stopped");
        }
        self.start_draining(e);
    }

    /// The message is out, and the journey is not stopped: what had to wait for it comes first.
    fn after_send(&mut self, e: usize, next: String) {
        let mut next = next;
        if std::mem::take(&mut self.enrollments[e].adopts_late) {
            self.take_version(e, self.held(e));
            let it = &self.enrollments[e];
            if it.ended() {
                return;
            }
            let node = it.node.clone().expect("it is at its send node");
            next = self.first_target(e, &node);
        }
        self.enrollments[e].position = Position::Parked { before: next.clone(), due: self.now };
        let frozen = self.held(e) && self.policy(e) == TimerPolicy::Freeze;
        if !frozen && self.enrollments[e].timeout.is_some_and(|t| t <= self.now) {
            self.journey_timeout(e);
        }
        if !self.enrollments[e].ended() {
            let node = self.enrollments[e].node.clone().expect("it is at its send node");
            // A version may have made an exit of it, which leads nowhere.
            if !matches!(self.node_of(e, &node), Some(NodeKind::Exit {})) {
                self.take(e, &node, &next);
            }
            self.walk(e, next, self.now);
        }
    }

    /// Where a node leads that a version has made of the send node whose message is out: its first outcome.
    fn first_target(&self, e: usize, node: &str) -> String {
        let definition = self.definition_of(e);
        let index = definition.node.iter().position(|n| n.id == node).expect("adoption checks nodes");
        targets(&definition, index).into_iter().next().unwrap_or_else(|| EXIT.to_owned())
    }

    fn journey_timeout(&mut self, e: usize) {
        if !self.held(e) {
            return self.end(e, "timed_out");
        }
        self.rule("G4");
        match self.policy(e) {
            TimerPolicy::Run | TimerPolicy::Freeze => self.end_at_once(e, "timed_out"),
            TimerPolicy::Restart => self.enrollments[e].put_off = true,
            TimerPolicy::Drop => self.end(e, "expired_in_hold"),
        }
    }

    /// A wait has ended by time. Under held the policy decides; else it goes on, or leaves by its node
    /// time-out (G4).
    fn wait_over(&mut self, e: usize, timed_out: bool) {
        let node = self.enrollments[e].node.clone().expect("a wait has a node");
        if self.held(e) {
            self.rule("G4");
            match self.policy(e) {
                TimerPolicy::Drop => return self.end(e, "expired_in_hold"),
                TimerPolicy::Restart => return self.hold(e, node, self.now),
                TimerPolicy::Run | TimerPolicy::Freeze => {}
            }
        }
        let cut_short =
            timed_out && !matches!(self.enrollments[e].position, Position::Waiting { hears: true, .. });
        let mut work_is_done = true;
        let target = match self.node_of(e, &node) {
            // A version may have made a delay of a wait for events, or the other way round.
            Some(NodeKind::Delay { .. }) if cut_short => None,
            Some(NodeKind::Delay { next, .. }) => Some(self.next(e, &node, next)),
            Some(NodeKind::WaitEvent { otherwise, .. }) => otherwise,
            // A version turned the wait into another node: that one starts now.
            _ => {
                work_is_done = false;
                Some(node.clone())
            }
        };
        match target {
            Some(target) => {
                if work_is_done {
                    self.take(e, &node, &target);
                }
                self.walk(e, target, self.now);
            }
            None => self.end(e, "node_timeout"),
        }
    }
}
