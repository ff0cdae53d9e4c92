//! Events and those inside: within one record profile, exits and goals, waits, entry, in that order (G28).

use super::cold::read_values;
use super::input::Receipt;
use super::profile::{Mark, MarkKind};
use super::record::{CONVERTED, LEAVING, Status};
use super::scope::correlates;
use super::shard::{Context, State};
use super::statistics::{ExitReason, Flow, NodeFlow};
use super::step::Movement;
use super::storage::NONE;
use crate::journey::catalog::{EventProgram, ExitHook, Match, Test};
use crate::model::hash::fingerprint;
use crate::model::{Event, EventKind, Timestamp, Value};

impl State {
    /// A user's event. Whether it is no repeat: a message id that was here before, within the window, does nothing.
    pub(super) fn event(&mut self, cx: &mut Context<'_>, event: &Event<'_>) -> bool {
        let catalog = cx.catalog;
        let program = catalog.program(&event.name);
        let learns = event.kind == EventKind::Identify && !catalog.attributes().names().is_empty();
        if program.is_none() && !learns {
            return true;
        }
        if let Some(id) = &event.message_id
            && self.dedupe.seen(fingerprint(id), self.now)
        {
            return false;
        }
        let handle = self.find_ahead(&mut cx.scratch.ahead, &event.user);
        self.load_profile(cx, handle);
        let handle = self.learn(cx, event, handle, learns);
        let Some(program) = program else { return true };
        let source = match event.kind {
            EventKind::Identify | EventKind::Group => event.traits,
            _ => event.properties,
        };
        program.fields.extract(source, &mut cx.scratch.properties);
        cx.scratch.verdicts.clear();
        cx.scratch.verdicts.resize(program.shared.len(), None);
        if let Some(user) = handle
            && !program.hooks.is_empty()
        {
            self.late_conversions(cx, program, user);
            let mut handles = std::mem::take(&mut cx.scratch.handles);
            self.enrollments_of(user, &mut handles);
            self.exits(cx, program, &handles);
            self.waits(cx, program, &handles);
            cx.scratch.handles = handles;
        }
        if !program.entries.is_empty() {
            // A late conversion reads the profile anew, and the zone of somebody unknown is not stored yet.
            if cx.scratch.zone_is_new
                && let (Some(zone), Some(number)) = (&event.timezone, catalog.zone_attribute())
            {
                cx.scratch.profile.attributes.set(usize::from(number), Value::Str(zone));
            }
            let at = event.timestamp.map_or(self.now, |at| at.min(self.now));
            self.enter_by_event(cx, program, &event.user, handle, at);
        }
        true
    }

    /// The profile comes first: attributes that some journey mentions, and the zone.
    fn learn(
        &mut self,
        cx: &mut Context<'_>,
        event: &Event<'_>,
        user: Option<u32>,
        learns: bool,
    ) -> Option<u32> {
        cx.scratch.zone_is_new = false;
        let mut changed = false;
        if learns {
            cx.catalog.traits().extract(event.traits, &mut cx.scratch.traits);
            for number in 0..cx.scratch.traits.len() {
                let value = cx.scratch.traits.get(number);
                if value != Value::Missing && value != cx.scratch.profile.attributes.get(number) {
                    cx.scratch.profile.attributes.set(number, value);
                    changed = true;
                }
            }
        }
        if let (Some(zone), Some(number)) = (&event.timezone, cx.catalog.zone_attribute()) {
            let (number, value) = (usize::from(number), Value::Str(zone));
            if cx.scratch.profile.attributes.get(number) != value {
                let known = user.is_some_and(|user| self.is_known(cx, user));
                cx.scratch.profile.attributes.set(number, value);
                // Somebody who is not known and does not enter leaves nothing behind but what an identify says. A user
                // whose last trace the next commit takes away is not known: commits decide nothing.
                changed |= learns || known;
                cx.scratch.zone_is_new = !changed;
            }
        }
        if !changed {
            return user;
        }
        let user = user.unwrap_or_else(|| self.create_user(&event.user));
        self.touch(user);
        self.store_profile(cx, user);
        Some(user)
    }

    /// Whether a user, whose profile is in the scratch, is inside somewhere, or has said something of itself.
    fn is_known(&self, cx: &Context<'_>, user: u32) -> bool {
        let attributes = &cx.scratch.profile.attributes;
        self.users[user].first != NONE
            || (0..attributes.len()).any(|number| attributes.get(number) != Value::Missing)
    }

    /// Goals of those who left without one, within the conversion window.
    fn late_conversions(&mut self, cx: &mut Context<'_>, program: &EventProgram, user: u32) {
        let mut n = 0;
        while let Some(mark) = cx.scratch.profile.marks.get(n).cloned() {
            n += 1;
            if mark.kind != MarkKind::Convertible || mark.at < self.now {
                continue;
            }
            let Some(hooks) = program.hooks_of(mark.plan).filter(|hooks| !hooks.exits.is_empty()) else {
                continue;
            };
            let plan = cx.catalog.plan(mark.plan);
            cx.scratch.cold.clear(plan.variables.len());
            let scratch = &mut *cx.scratch;
            read_values(scratch.profile.kept(&mark), &mut scratch.cold.variables);
            let goal = hooks.exits.iter().find_map(|hook| {
                let goal = plan.exits[usize::from(hook.rule)].goal.as_ref()?;
                self.satisfies(cx, program, hook).then_some(goal)
            });
            let Some(goal) = goal else { continue };
            self.touch_statistics(cx, mark.plan);
            self.statistics[usize::from(mark.plan)].count(Flow::Converted);
            let kept = cx.scratch.profile.kept(&mark).to_vec();
            self.change_profile(cx, user, |profile| {
                // Where the variables lie is another place in each stored form.
                let same =
                    |m: &Mark| Mark { kept: (0, 0), ..m.clone() } == Mark { kept: (0, 0), ..mark.clone() };
                let at = profile.marks.iter().position(|m| same(m) && profile.kept(m) == kept);
                at.map(|at| profile.marks.remove(at));
            });
            // What is over has gone on this occasion, so the places have changed.
            n = 0;
            if cx.effects.feed {
                cx.scratch.id.clear();
                self.users[user].id.write_to(&self.ids, &mut cx.scratch.id);
                let movement = Movement {
                    plan,
                    user: &cx.scratch.id,
                    entry: 0,
                    what: "converted",
                    node: None,
                    detail: Some(goal),
                    until: None,
                };
                movement.write(self.now, cx.effects);
            }
        }
    }

    /// Exit rules and goals act at once, whatever the movement gate says (G24); after a stop goals only count (G35).
    fn exits(&mut self, cx: &mut Context<'_>, program: &EventProgram, handles: &[(u32, u64)]) {
        for &(handle, _) in handles {
            let plan_index = self.enrollments[handle].plan;
            let Some(hooks) = program.hooks_of(plan_index).filter(|hooks| !hooks.exits.is_empty()) else {
                continue;
            };
            self.load_cold(cx, handle);
            if cx.scratch.cold.leaving == Some(ExitReason::Deleted) {
                continue;
            }
            let plan = cx.catalog.plan(plan_index);
            let stopped = self.journeys[usize::from(cx.catalog.journey_of(plan_index))].stopped_at;
            let rule = hooks.exits.iter().find_map(|hook| {
                let goal = plan.exits[usize::from(hook.rule)].goal.as_ref();
                let inside = stopped.is_none() && !self.enrollments[handle].has(LEAVING);
                let counts = goal.is_some() || inside;
                (counts && self.satisfies(cx, program, hook)).then_some(goal)
            });
            let Some(goal) = rule else { continue };
            let left = match stopped {
                None if !self.enrollments[handle].has(LEAVING) => {
                    self.leave_by_rule(cx, handle, goal.map(|g| &**g));
                    continue;
                }
                // It has left but for its message: the window begins when that is out.
                None => self.now,
                Some(stopped) => stopped,
            };
            let window = plan.conversion_window.is_some_and(|w| self.now <= left + w);
            if let Some(goal) = goal.filter(|_| window && !self.enrollments[handle].has(CONVERTED)) {
                self.touch(self.enrollments[handle].user);
                self.convert(cx, handle, goal);
            }
        }
    }

    fn leave_by_rule(&mut self, cx: &mut Context<'_>, handle: u32, goal: Option<&str>) {
        self.touch(self.enrollments[handle].user);
        if self.at_door(handle) {
            return self.turn_away(cx, handle);
        }
        let Some(goal) = goal else { return self.end(cx, handle, ExitReason::ExitRule) };
        if !self.enrollments[handle].has(CONVERTED) {
            self.convert(cx, handle, goal);
        }
        self.end(cx, handle, ExitReason::Goal);
    }

    /// Ends an enrollment at once, or as soon as the message is out that nothing recalls any more (G13).
    pub(super) fn end(&mut self, cx: &mut Context<'_>, handle: u32, reason: ExitReason) {
        if self.enrollments[handle].status() != Status::AtSend {
            self.leave_place(cx, handle);
            return self.exit(cx, handle, reason);
        }
        // The first reason holds; but of whoever is deleted meanwhile nothing is to be remembered (G39).
        if self.enrollments[handle].has(LEAVING) && reason != ExitReason::Deleted {
            return;
        }
        self.touch(self.enrollments[handle].user);
        self.enrollments[handle].set(LEAVING, true);
        self.load_cold(cx, handle);
        cx.scratch.cold.leaving = Some(reason);
        self.store_cold(cx, handle);
    }

    /// Waits hear events from their own start on; the first branch that is satisfied fixes the way (G5).
    /// Who has left by a rule just now hears nothing.
    fn waits(&mut self, cx: &mut Context<'_>, program: &EventProgram, handles: &[(u32, u64)]) {
        for &(handle, entry) in handles {
            if !self.is(handle, entry) {
                continue;
            }
            let e = self.enrollments[handle];
            let journey = usize::from(cx.catalog.journey_of(e.plan));
            if e.status() != Status::Waiting
                || e.has(super::record::OUT_OF_STEPS)
                || self.journeys[journey].stopped_at.is_some()
            {
                continue;
            }
            let Some(hooks) = program.hooks_of(e.plan) else { continue };
            let mut loaded = false;
            let branch = hooks.waits.iter().filter(|hook| hook.node == e.node).find(|hook| {
                if !std::mem::replace(&mut loaded, true) {
                    self.load_cold(cx, handle);
                }
                self.correlated(cx, hook.matching) && self.tested(cx, program, &hook.test)
            });
            if let Some(hook) = branch {
                self.leave_place(cx, handle);
                self.statistics[usize::from(e.plan)].count_at(e.node, NodeFlow::Branch(hook.branch));
                self.go(cx, handle, hook.to, self.now);
            }
        }
    }

    fn satisfies(&self, cx: &mut Context<'_>, program: &EventProgram, hook: &ExitHook) -> bool {
        self.correlated(cx, hook.matching) && self.tested(cx, program, &hook.test)
    }

    fn correlated(&self, cx: &Context<'_>, matching: Option<Match>) -> bool {
        matching.is_none_or(|m| {
            let property = cx.scratch.properties.get(usize::from(m.property));
            correlates(property, cx.scratch.cold.variables.get(usize::from(m.variable)))
        })
    }

    fn tested(&self, cx: &mut Context<'_>, program: &EventProgram, test: &Test) -> bool {
        match test {
            Test::Always => true,
            Test::Shared(atom) => cx.scratch.shared(program, *atom),
            Test::Own(condition) => cx.scratch.holds(condition),
        }
    }

    /// A provider's report counts in every state; then it is an event of its user, and moves those whom the gate lets.
    pub(super) fn receipt(&mut self, cx: &mut Context<'_>, receipt: Receipt<'_>) {
        let Some(journey) = cx.catalog.journey_index(receipt.journey) else { return };
        let Some(plan_index) = cx.catalog.plan_of(journey, receipt.version) else { return };
        if let Some(node) = cx.catalog.plan(plan_index).node_index(receipt.node) {
            self.touch_statistics(cx, plan_index);
            self.statistics[usize::from(plan_index)].count_at(node, NodeFlow::Receipt(receipt.kind));
        }
        let name = receipt.kind.event_name();
        if cx.catalog.program(name).is_none() {
            return;
        }
        let properties = serde_json::json!({
            "journey": receipt.journey, "version": receipt.version, "node": receipt.node,
        })
        .to_string();
        let event = Event {
            kind: EventKind::Track,
            name: name.into(),
            user: receipt.user.into(),
            message_id: None,
            timestamp: None::<Timestamp>,
            properties: properties.as_bytes(),
            traits: b"",
            timezone: None,
        };
        // Without a message id it repeats nothing.
        let _ = self.event(cx, &event);
    }

    /// An operator removes a user from a journey, at once (G24).
    pub(super) fn remove(&mut self, cx: &mut Context<'_>, journey: &str, user: &str) {
        let Some(journey) = cx.catalog.journey_index(journey) else { return };
        let Some(user) = self.find_user(user) else { return };
        let mut handles = Vec::new();
        self.enrollments_of(user, &mut handles);
        for (handle, _) in handles {
            if cx.catalog.journey_of(self.enrollments[handle].plan) == journey {
                self.end_or_turn_away(cx, handle, ExitReason::Removed);
            }
        }
    }

    /// Everything of a user ends, in every state (G39); a message that is at send is not recalled.
    pub(super) fn delete(&mut self, cx: &mut Context<'_>, user: &str) {
        let Some(user) = self.find_user(user) else { return };
        let mut handles = Vec::new();
        self.enrollments_of(user, &mut handles);
        for (handle, _) in handles {
            self.end_or_turn_away(cx, handle, ExitReason::Deleted);
        }
        self.touch(user);
        cx.scratch.profile.clear(0);
        self.store_profile(cx, user);
    }

    fn end_or_turn_away(&mut self, cx: &mut Context<'_>, handle: u32, reason: ExitReason) {
        self.touch(self.enrollments[handle].user);
        if self.at_door(handle) { self.turn_away(cx, handle) } else { self.end(cx, handle, reason) }
    }
}
