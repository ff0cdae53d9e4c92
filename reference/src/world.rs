//! Everything there is, the one clock, and what can be asked of it.
//!
//! The clock is the time of all shards together: it moves to each deadline and date on the way to an
//! input's time, and never back. Enrollments stay in the list after they have ended, so that re-entry and
//! conversions can look at them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use wayfarer::journey::definition::{Definition, Node, NodeKind, TimerPolicy};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::shard_of;
use wayfarer::model::input::ReceiptKind;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};

use crate::calendar::Rate;
use crate::door::{AtDoor, Share};
use crate::failures::Failures;
use crate::tables::{Dialect, Gate, Row};

/// The rules that the reference counts: G1–G40 but those that later steps bring.
pub const RULES: [&str; 34] = [
    "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G11", "G12", "G13", "G14", "G15", "G16", "G17",
    "G18", "G19", "G20", "G22", "G23", "G24", "G25", "G26", "G27", "G28", "G29", "G30", "G31", "G34", "G35",
    "G36", "G39", "G40",
];

/// One saved version of a journey.
pub(crate) struct Version {
    pub(crate) definition: Arc<Definition>,
    /// The revision of each content, from 1.
    pub(crate) revisions: BTreeMap<String, u32>,
    /// The arm of each slot of each `random_split`.
    pub(crate) arms: BTreeMap<String, Vec<usize>>,
}

/// A row of an audience list that no entry gate has judged yet.
pub(crate) struct ListRow {
    pub(crate) user: String,
    pub(crate) fields: Map<String, Json>,
}

pub(crate) struct Journey {
    pub(crate) id: String,
    pub(crate) dialect: &'static Dialect,
    pub(crate) state: &'static str,
    /// What Frozen or Error was entered from.
    pub(crate) left: &'static str,
    pub(crate) versions: Vec<Version>,
    /// The version that new enrollments take.
    pub(crate) live: usize,
    /// Whether entry was open when it was last looked at, and since when.
    pub(crate) was_open: bool,
    pub(crate) opening: Timestamp,
    pub(crate) held_since: Timestamp,
    pub(crate) stopped_at: Timestamp,
    pub(crate) rows: VecDeque<ListRow>,
    /// The list's end was read, perhaps behind rows that wait for entry to open.
    pub(crate) list_ended: bool,
    /// Every row was judged: entry stays shut.
    pub(crate) list_done: bool,
}

impl Journey {
    pub(crate) fn row(&self) -> &'static Row {
        self.dialect.row(self.state)
    }
    pub(crate) fn movement(&self) -> Gate {
        self.row().movement
    }
    pub(crate) fn definition(&self) -> Arc<Definition> {
        Arc::clone(&self.versions[self.live].definition)
    }
    pub(crate) fn published(&self) -> bool {
        self.state != self.dialect.draft
    }
}

/// Where an enrollment is.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// A wait has started: a delay, or a wait for events if `hears`.
    Waiting {
        /// When it ends, and whether a held gate may make it stand still.
        end: Option<(Timestamp, bool)>,
        /// Its node time-out, a duration.
        timeout: Option<Timestamp>,
        /// Whether it is a `wait_event`.
        hears: bool,
    },
    /// Its nodes were too many for one input: it goes on before `before`, due at once.
    Parked {
        /// The node that starts next.
        before: String,
        /// When.
        due: Timestamp,
    },
    /// Held before a node.
    Held {
        /// The node that starts at release.
        before: String,
        /// When it fell due.
        due: Timestamp,
        /// Whether a release that is going on will let it go.
        released: bool,
    },
    /// Its send node has started, and its message queues inside. Then it goes on to `next`.
    AtSend {
        /// Where it goes on.
        next: String,
        /// Why it leaves as soon as the message is out: nothing recalls that.
        leaving: Option<&'static str>,
    },
    /// Its journey was stopped; it leaves at `until`.
    Draining {
        /// When.
        until: Timestamp,
    },
    /// It has left.
    Ended {
        /// Why.
        reason: &'static str,
        /// When.
        at: Timestamp,
    },
}

pub(crate) struct Enrollment {
    pub(crate) journey: usize,
    /// Index of its version; the number that people see is one more.
    pub(crate) version: usize,
    pub(crate) user: String,
    pub(crate) entry: u64,
    pub(crate) key: Option<Json>,
    pub(crate) entered: Timestamp,
    pub(crate) properties: Map<String, Json>,
    pub(crate) position: Position,
    /// The node it is at, or held before.
    pub(crate) node: Option<String>,
    pub(crate) starts: u32,
    pub(crate) arms: BTreeMap<String, usize>,
    /// The journey's time-out.
    pub(crate) timeout: Option<Timestamp>,
    /// The time-out ended under held with policy `restart`.
    pub(crate) put_off: bool,
    /// Others took a new version while its message was at send: it takes it when that is out (G15).
    pub(crate) adopts_late: bool,
    pub(crate) converted: bool,
    /// It starts no node until an operator lets it go (G17).
    pub(crate) parked: bool,
    /// Its user was deleted: it counts for nothing any more (G39).
    pub(crate) forgotten: bool,
}

impl Enrollment {
    pub(crate) fn ended(&self) -> bool {
        matches!(self.position, Position::Ended { .. })
    }
}

#[derive(Default)]
pub(crate) struct User {
    pub(crate) attributes: Map<String, Json>,
    pub(crate) zone: Option<String>,
}

/// A message inside its send node.
pub(crate) struct Queued {
    /// When its node started.
    pub(crate) started: Timestamp,
    pub(crate) enrollment: usize,
    pub(crate) send: SendRecord,
}

/// What a version of a journey holds and has seen (the identity of conservation is over these).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub entered: u64,
    pub moved_in: u64,
    pub waiting: u64,
    pub held: u64,
    /// Of the held.
    pub parked: u64,
    pub at_send: u64,
    pub draining: u64,
    pub exited: BTreeMap<String, u64>,
    pub moved_out: u64,
    pub converted: u64,
    pub sent: u64,
}

impl Counts {
    /// `entered + moved_in = waiting + held + at_send + draining + exited + moved_out`.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let inside = self.waiting + self.held + self.at_send + self.draining;
        self.entered + self.moved_in == inside + self.exited.values().sum::<u64>() + self.moved_out
    }
}

/// All journeys, users and enrollments, and everything that was ever written about them.
pub struct World {
    pub(crate) shards: u16,
    /// The shard of everybody, if this is one shard alone.
    only: Option<u16>,
    pub(crate) now: Timestamp,
    /// When the command that is being done was given, if not now.
    pub(crate) given: Option<Timestamp>,
    /// All dates up to here have taken effect.
    dates_until: Timestamp,
    pub(crate) journeys: Vec<Journey>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) enrollments: Vec<Enrollment>,
    /// Those at the doors of limited journeys, in the order of coming.
    pub(crate) door: Vec<AtDoor>,
    pub(crate) shares: BTreeMap<(usize, u16), Share>,
    /// By journey and shard.
    pub(crate) failures: BTreeMap<(usize, u16), Failures>,
    /// When a message id was taken.
    pub(crate) taken: BTreeMap<String, Timestamp>,
    pub(crate) queue: Vec<Queued>,
    /// The last instant of a send node's grid that was used, by journey, node and shard.
    pub(crate) used: BTreeMap<(usize, String, u16), (Rate, i64)>,
    /// When an enrollment of which journey moved from which version to which.
    pub(crate) moves: Vec<(Timestamp, String, u32, u32)>,
    /// Each hand-over of a message.
    pub sends: Vec<SendRecord>,
    /// Each movement.
    pub transitions: Vec<TransitionRecord>,
    /// The journeys whose failure budget was spent, each time.
    pub alarms: Vec<String>,
    /// Each refusal at the entry gate.
    pub refusals: Vec<RefusalRecord>,
    /// Who went on from which node to which: when, journey, version, from, to.
    pub(crate) branched: Vec<(Timestamp, String, u32, String, String)>,
    /// Each receipt that counts: when, journey, version, node, kind.
    pub(crate) reported: Vec<(Timestamp, String, u32, String, ReceiptKind)>,
    /// How many receipts of each kind came for a journey's messages.
    pub receipts: BTreeMap<(String, &'static str), u64>,
    /// How often each rule decided something: a property run fails if one of [`RULES`] stays zero.
    pub rules: BTreeMap<&'static str, u64>,
}

/// What comes due.
#[derive(Clone, Copy)]
pub(crate) enum Due {
    Timeout(usize),
    WaitEnd(usize),
    NodeTimeout(usize),
    Parked(usize),
    Drain(usize),
    /// Index in the queue.
    Message(usize),
}

impl World {
    /// An empty world with that many shards: they number enrollments, and share the rates of send nodes.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            shards: shards.max(1),
            only: None,
            now: Timestamp::MIN,
            given: None,
            dates_until: Timestamp::MIN,
            journeys: Vec::new(),
            users: BTreeMap::new(),
            enrollments: Vec::new(),
            door: Vec::new(),
            shares: BTreeMap::new(),
            failures: BTreeMap::new(),
            taken: BTreeMap::new(),
            queue: Vec::new(),
            used: BTreeMap::new(),
            moves: Vec::new(),
            sends: Vec::new(),
            transitions: Vec::new(),
            alarms: Vec::new(),
            refusals: Vec::new(),
            branched: Vec::new(),
            reported: Vec::new(),
            receipts: BTreeMap::new(),
            rules: RULES.iter().map(|&r| (r, 0)).collect(),
        }
    }

    /// One of that many shards, to which everybody belongs who is heard of: for whoever has users by partition.
    #[must_use]
    pub fn of_shard(shard: u16, shards: u16) -> Self {
        Self { only: Some(shard), ..Self::new(shards) }
    }

    /// Does a command that was given at `given`, and that is taken at `taken`: a shard that is behind takes it
    /// before records that were there when it was given. From when on entry is open, or a journey stopped, is said
    /// by the command; what it does to those inside happens now.
    pub fn command<T>(&mut self, given: Timestamp, taken: Timestamp, what: impl FnOnce(&mut Self) -> T) -> T {
        self.before(taken);
        self.given = Some(given);
        let done = what(self);
        self.given = None;
        done
    }

    /// The time of the command that is being done, or of what happens by itself.
    pub(crate) fn said(&self) -> Timestamp {
        self.given.unwrap_or(self.now)
    }

    /// Lets time pass: every timer with a deadline up to and including `now` fires, and every date takes
    /// effect.
    pub fn advance(&mut self, now: Timestamp) {
        self.run(now, true);
    }

    /// Time up to an input at `t`: timers due before it, dates up to and including it; then it is the
    /// input's turn.
    pub fn before(&mut self, t: Timestamp) {
        self.run(t, false);
        if self.next_due().is_some_and(|(at, _)| at <= self.now) {
            self.rule("G28");
        }
    }

    fn run(&mut self, until: Timestamp, inclusive: bool) {
        loop {
            let date = self.next_date(self.dates_until, until);
            let due = self.next_due().filter(|&(at, _)| at < until || (inclusive && at == until));
            match (date, due) {
                (Some(d), due) if due.is_none_or(|(at, _)| d <= at) => {
                    self.now = self.now.max(d);
                    self.dates_until = d;
                    self.date(d);
                }
                (_, Some((at, what))) => {
                    self.now = self.now.max(at);
                    self.fire(what);
                }
                _ => break,
            }
        }
        self.dates_until = self.dates_until.max(until);
        self.now = self.now.max(until);
    }

    /// The earliest deadline that is running; of equal ones that of the earlier enrollment, and of one
    /// enrollment's that of its wait: whoever made it in time goes on. Messages come after timers, by
    /// journey and node.
    fn next_due(&self) -> Option<(Timestamp, Due)> {
        let timers =
            (0..self.enrollments.len()).flat_map(|e| self.timers(e).into_iter().map(move |(t, d)| (t, e, d)));
        let timer = timers.min_by_key(|&(at, e, _)| (at, e)).map(|(at, _, due)| (at, due));
        let firsts = (0..self.queue.len()).filter(|&i| self.is_first(i));
        let messages = firsts.map(|i| (self.instant_of(i), self.place_of(i), i));
        let message = messages.min().map(|(at, _, i)| (at, Due::Message(i)));
        timer.into_iter().chain(message).min_by_key(|&(at, _)| at)
    }

    /// The running timers of one enrollment: under a held gate with policy `freeze`, durations are not.
    fn timers(&self, e: usize) -> Vec<(Timestamp, Due)> {
        let it = &self.enrollments[e];
        let frozen = self.held(e) && self.policy(e) == TimerPolicy::Freeze;
        let stopped = self.journey_of(e).movement() == Gate::Shut;
        let mut timers = Vec::new();
        match &it.position {
            Position::Waiting { end, timeout, .. } => {
                let end = end.filter(|&(_, moves)| !(moves && frozen));
                timers.extend(end.map(|(t, _)| (t, Due::WaitEnd(e))));
                timers.extend(timeout.filter(|_| !frozen).map(|t| (t, Due::NodeTimeout(e))));
            }
            Position::Parked { due, .. } => timers.push((*due, Due::Parked(e))),
            Position::Draining { until } => timers.push((*until, Due::Drain(e))),
            Position::Held { .. } | Position::AtSend { .. } | Position::Ended { .. } => {}
        }
        let inside = !matches!(it.position, Position::AtSend { .. } | Position::Ended { .. });
        if inside && !stopped && !frozen && !it.put_off {
            timers.extend(it.timeout.map(|t| (t, Due::Timeout(e))));
        }
        timers
    }

    /// Whether a timer of this enrollment is running: an event that moves it now comes ahead of that timer.
    pub(crate) fn has_timer(&self, e: usize) -> bool {
        !self.timers(e).is_empty()
    }

    pub(crate) fn rule(&mut self, rule: &'static str) {
        *self.rules.entry(rule).or_default() += 1;
    }

    pub(crate) fn shard(&self, user: &str) -> u16 {
        self.only.unwrap_or_else(|| shard_of(user, self.shards))
    }

    pub(crate) fn journey_of(&self, e: usize) -> &Journey {
        &self.journeys[self.enrollments[e].journey]
    }

    pub(crate) fn definition_of(&self, e: usize) -> Arc<Definition> {
        Arc::clone(&self.journey_of(e).versions[self.enrollments[e].version].definition)
    }

    pub(crate) fn node_of(&self, e: usize, id: &str) -> Option<NodeKind> {
        self.definition_of(e).node.iter().find(|n: &&Node| n.id == id).map(|n| n.kind.clone())
    }

    pub(crate) fn policy(&self, e: usize) -> TimerPolicy {
        self.definition_of(e).timers
    }

    pub(crate) fn held(&self, e: usize) -> bool {
        self.journey_of(e).movement() == Gate::Held
    }

    /// Those of a journey that have not left, in the order of entries.
    pub(crate) fn inside(&self, j: usize) -> Vec<usize> {
        (0..self.enrollments.len())
            .filter(|&e| self.enrollments[e].journey == j && !self.enrollments[e].ended())
            .collect()
    }

    /// Writes a movement down.
    pub(crate) fn tell(
        &mut self,
        e: usize,
        what: &str,
        node: Option<&str>,
        detail: Option<&str>,
        until: Option<Timestamp>,
    ) {
        let it = &self.enrollments[e];
        self.transitions.push(TransitionRecord {
            at: self.now,
            journey: self.journey_of(e).id.clone(),
            version: it.version as u32 + 1,
            user: it.user.clone(),
            entry: it.entry,
            what: what.to_owned(),
            node: node.map(str::to_owned),
            detail: detail.map(str::to_owned),
            until,
        });
    }

    /// The enrollment goes on from a node by one of its branches.
    pub(crate) fn take(&mut self, e: usize, from: &str, to: &str) {
        let (journey, version) = (self.journey_of(e).id.clone(), self.enrollments[e].version as u32 + 1);
        self.branched.push((self.now, journey, version, from.to_owned(), to.to_owned()));
    }

    /// The enrollment leaves.
    pub(crate) fn end(&mut self, e: usize, reason: &'static str) {
        let node = self.enrollments[e].node.clone();
        self.tell(e, "exited", node.as_deref(), Some(reason), None);
        self.enrollments[e].position = Position::Ended { reason, at: self.now };
        let j = self.enrollments[e].journey;
        let journey = &self.journeys[j];
        if journey.state == journey.dialect.ended && self.inside(j).is_empty() {
            self.rule("G14");
        }
    }
}
