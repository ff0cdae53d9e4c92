//! What an event, a receipt or an operator's removal does to those inside, in the order of G28: profile,
//! exits and goals, waits; then entry.

use serde_json::{Map, Value as Json, json};
use wayfarer::journey::definition::NodeKind;
use wayfarer::model::input::ReceiptKind;
use wayfarer::model::{Interval, Timestamp};

use crate::condition::{Scope, equal};
use crate::entry::Visitor;
use crate::tables::Gate;
use crate::world::{Position, User, World};

/// An event as journeys see it.
struct Heard {
    name: String,
    user: String,
    properties: Map<String, Json>,
    /// The producer's time.
    payload: Option<Timestamp>,
}

impl Heard {
    /// Reads a message of the Segment specification; `None` if it is not one about a user.
    fn read(json: &Json) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let name = match text("type")? {
            "track" => text("event")?,
            "identify" => "User Identified",
            "page" => "Page Viewed",
            "screen" => "Screen Viewed",
            "group" => "Group Joined",
            "alias" => "User Aliased",
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            user: text("userId").or_else(|| text("anonymousId"))?.to_owned(),
            properties: match text("type")? {
                "identify" | "group" => traits(json),
                _ => object(json, "properties"),
            },
            payload: text("timestamp").and_then(|t| t.parse().ok()),
        })
    }
}

fn object(json: &Json, name: &str) -> Map<String, Json> {
    json.get(name).and_then(Json::as_object).cloned().unwrap_or_default()
}

/// The traits of an identify or a group, which stand for properties.
fn traits(json: &Json) -> Map<String, Json> {
    let traits = object(json, "traits");
    if !traits.is_empty() || json["type"] != "identify" {
        return traits;
    }
    json.get("context").map(|c| object(c, "traits")).unwrap_or_default()
}

/// Of which send a provider speaks, as it was told on the send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The journey's id.
    pub journey: String,
    /// The version.
    pub version: u32,
    /// The node.
    pub node: String,
}

/// What an exit rule or a branch listens for.
struct Ear<'a> {
    event: &'a str,
    filter: Option<&'a str>,
    matching: Option<&'a str>,
}

impl World {
    /// One message of a user, appended at `append`; what is due before fires first. What is not a message
    /// about a user does nothing, nor does a repeat within ten minutes; of one within twenty nothing is promised.
    pub fn event(&mut self, append: Timestamp, json: &Json) {
        self.before(append);
        let Some(event) = Heard::read(json) else { return };
        if json["messageId"].as_str().is_some_and(|id| self.is_repeat(id)) {
            return self.rule("repeat");
        }
        let zone = json.pointer("/context/timezone").and_then(Json::as_str);
        if json["type"] == "identify" {
            self.identify(&event, zone);
        } else if self.is_mentioned(&event.name) && self.is_known(&event.user) && zone.is_some() {
            self.users.entry(event.user.clone()).or_default().zone = zone.map(str::to_owned);
        }
        self.hear(&event, zone, append);
    }

    fn hear(&mut self, event: &Heard, zone: Option<&str>, append: Timestamp) {
        let there = self.of_user(&event.user);
        for &e in &there {
            self.exits(e, event);
        }
        self.exits_at_door(event);
        for &e in &there {
            self.waits(e, event);
        }
        let payload = event.payload.unwrap_or(append);
        if payload != append {
            self.rule("G27");
        }
        let late_ms = append.0.saturating_sub(payload.0);
        for j in 0..self.journeys.len() {
            let journey = &self.journeys[j];
            if journey.published() && journey.definition().entry.event.as_ref() == Some(&event.name) {
                let time = payload.min(append);
                let (user, properties) = (event.user.as_str(), &event.properties);
                let visitor = Visitor { user, properties, zone, time, late_ms };
                let _ = self.judge(j, &visitor);
            }
        }
    }

    /// What a provider says of a send that `user` got (G13): it always counts. Then it is an event of the
    /// user, called as its kind, with the properties `journey`, `version` and `node`.
    pub fn receipt(&mut self, append: Timestamp, user: &str, of: &Sent, kind: ReceiptKind) {
        self.before(append);
        let Some(journey) = self.journeys.iter().find(|j| j.id == of.journey) else { return };
        if of.version == 0 || of.version as usize > journey.live + 1 || !journey.published() {
            return;
        }
        let definition = &journey.versions[of.version as usize - 1].definition;
        if definition.node.iter().any(|node| node.id == of.node) {
            let (journey, node) = (of.journey.clone(), of.node.clone());
            self.reported.push((self.now, journey, of.version, node, kind));
        }
        *self.receipts.entry((of.journey.clone(), kind.event_name())).or_default() += 1;
        self.rule("G13");
        let properties = json!({"journey": of.journey, "version": of.version, "node": of.node});
        let Json::Object(properties) = properties else { unreachable!("it was written as an object") };
        let name = kind.event_name().to_owned();
        self.hear(&Heard { name, user: user.to_owned(), properties, payload: None }, None, append);
    }

    /// An operator removes a user from a journey, whatever its state: all enrollments that are inside leave.
    ///
    /// # Errors
    /// A sentence, if there is no such journey.
    pub fn remove_user(&mut self, at: Timestamp, journey: &str, user: &str) -> Result<(), String> {
        self.before(at);
        if !self.journeys.iter().any(|j| j.id == journey) {
            return Err(format!("there is no journey {journey:?}"));
        }
        for e in self.of_user(user) {
            if self.journey_of(e).id == journey && !self.enrollments[e].ended() {
                self.end_at_once(e, "removed");
            }
        }
        let removed = self.journeys.iter().position(|j| j.id == journey);
        self.leave_door(|waiting| waiting.user == user && Some(waiting.journey) == removed);
        Ok(())
    }

    /// Everything of a user ends, in any state, and is forgotten (G39). A message that is at send goes out.
    pub fn delete_user(&mut self, at: Timestamp, user: &str) {
        self.before(at);
        self.leave_door(|waiting| waiting.user == user);
        for e in self.of_user(user) {
            self.enrollments[e].forgotten = true;
            if self.enrollments[e].ended() {
                continue;
            }
            self.rule("G39");
            if let Position::AtSend { leaving, .. } = &mut self.enrollments[e].position {
                *leaving = Some("deleted");
            } else {
                self.end(e, "deleted");
            }
        }
        self.users.remove(user);
    }

    fn of_user(&self, user: &str) -> Vec<usize> {
        (0..self.enrollments.len()).filter(|&e| self.enrollments[e].user == user).collect()
    }

    fn identify(&mut self, event: &Heard, zone: Option<&str>) {
        let zone = zone.or_else(|| event.properties.get("timezone").and_then(Json::as_str));
        let known = self.users.entry(event.user.clone()).or_default();
        known.zone = zone.map(str::to_owned).or(known.zone.take());
        known.attributes.extend(event.properties.clone());
    }

    /// Whether a version that went live names the event: no other event tells a zone.
    fn is_mentioned(&self, name: &str) -> bool {
        self.journeys.iter().filter(|j| j.published()).any(|journey| {
            let enters = journey.definition().entry.event.as_deref() == Some(name);
            let mut live = journey.versions[..=journey.live].iter().map(|v| &v.definition);
            enters
                || live.any(|d| {
                    let waits = d.node.iter().any(|node| match &node.kind {
                        NodeKind::WaitEvent { branches, .. } => branches.iter().any(|b| b.event == name),
                        _ => false,
                    });
                    waits || d.exit.iter().any(|rule| rule.event == name)
                })
        })
    }

    /// Whether a user is inside somewhere, or said something of itself.
    fn is_known(&self, user: &str) -> bool {
        let said = |u: &User| u.zone.is_some() || !u.attributes.is_empty();
        self.users.get(user).is_some_and(said)
            || self.of_user(user).iter().any(|&e| !self.enrollments[e].ended())
            || self.door.iter().any(|waiting| waiting.user == user)
    }

    /// Whether a message with that id was taken less than ten minutes ago; if not, it is taken now.
    fn is_repeat(&mut self, id: &str) -> bool {
        let now = self.now;
        if self.taken.get(id).is_some_and(|&at| now.since(at) < Interval::from_mins(10)) {
            return true;
        }
        self.taken.insert(id.to_owned(), now);
        false
    }

    /// Whoever is at a door when an exit rule is met goes away, and nobody is told: they have not entered.
    fn exits_at_door(&mut self, event: &Heard) {
        for waiting in std::mem::take(&mut self.door) {
            let definition = self.journeys[waiting.journey].definition();
            let met = definition.exit.iter().any(|rule| {
                let ear = Ear {
                    event: &rule.event,
                    filter: rule.filter.as_deref(),
                    matching: rule.matching.as_deref(),
                };
                waiting.user == event.user && self.means(&waiting.properties, &ear, event)
            });
            if !met {
                self.door.push(waiting);
            }
        }
    }

    fn hears(&mut self, e: usize, ear: &Ear<'_>, event: &Heard) -> bool {
        let properties = self.enrollments[e].properties.clone();
        self.means(&properties, ear, event)
    }

    /// Whether an event is what an ear of somebody who came with these properties listens for.
    fn means(&mut self, entry: &Map<String, Json>, ear: &Ear<'_>, event: &Heard) -> bool {
        let user = self.users.get(&event.user).map(|u| &u.attributes);
        let scope = Scope { properties: Some(&event.properties), entry: Some(entry), user };
        if ear.event != event.name || !scope.holds(ear.filter) {
            return false;
        }
        let Some(property) = ear.matching else { return true };
        let same = equal(event.properties.get(property), entry.get(property));
        self.rule("G31");
        same
    }

    /// Exit rules and goals: they act at once under a held gate (G24). In a stopped journey, and after the
    /// exit, only goals count, once, within the conversion window (G35).
    fn exits(&mut self, e: usize, event: &Heard) {
        if self.enrollments[e].forgotten {
            return;
        }
        let definition = self.definition_of(e);
        let stopped = (self.journey_of(e).movement() == Gate::Shut).then(|| self.journey_of(e).stopped_at);
        let left = match self.enrollments[e].position {
            Position::Ended { at, .. } => Some(stopped.map_or(at, |stopped| stopped.min(at))),
            // It has left but for its message: the window begins when that is out.
            Position::AtSend { leaving: Some(_), .. } => stopped.or(Some(self.now)),
            _ => stopped,
        };
        if let Some(left) = left {
            let within = definition.conversion_window.is_some_and(|w| self.now <= left + w);
            if !within || self.enrollments[e].converted {
                return;
            }
        }
        for rule in &definition.exit {
            let ear = Ear {
                event: &rule.event,
                filter: rule.filter.as_deref(),
                matching: rule.matching.as_deref(),
            };
            if (left.is_some() && rule.goal.is_none()) || !self.hears(e, &ear, event) {
                continue;
            }
            if let Some(goal) = &rule.goal {
                self.enrollments[e].converted = true;
                let node = self.enrollments[e].node.clone();
                self.tell(e, "converted", node.as_deref(), Some(goal), None);
            }
            if left.is_some() && left == stopped {
                self.rule("G35");
            }
            if left.is_none() {
                self.before_its_timer(e);
                self.end_at_once(e, if rule.goal.is_some() { "goal" } else { "exit_rule" });
            }
            return;
        }
    }

    /// The first branch of a started wait that the event satisfies is taken; a held gate delays only its
    /// target (G5).
    fn waits(&mut self, e: usize, event: &Heard) {
        let it = &self.enrollments[e];
        let (Position::Waiting { .. }, Some(node)) = (&it.position, it.node.clone()) else {
            return;
        };
        let Some(NodeKind::WaitEvent { branches, .. }) = self.node_of(e, &node) else { return };
        for branch in branches {
            let (filter, matching) = (branch.filter.as_deref(), branch.matching.as_deref());
            if self.hears(e, &Ear { event: &branch.event, filter, matching }, event) {
                if self.held(e) {
                    self.rule("G5");
                }
                self.before_its_timer(e);
                self.take(e, &node, &branch.to);
                self.walk(e, branch.to, self.now);
                return;
            }
        }
    }

    /// G19: the record that moves an enrollment came ahead of the enrollment's timer.
    fn before_its_timer(&mut self, e: usize) {
        if self.has_timer(e) {
            self.rule("G19");
        }
    }

    /// What is not a node acts at once, under any gate (G24).
    pub(crate) fn end_at_once(&mut self, e: usize, reason: &'static str) {
        if self.held(e) {
            self.rule("G24");
        }
        match &mut self.enrollments[e].position {
            // Nothing recalls its message (G13): it leaves when that is out, for the first reason.
            Position::AtSend { leaving, .. } => {
                leaving.get_or_insert(reason);
            }
            _ => self.end(e, reason),
        }
    }
}
