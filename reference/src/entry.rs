//! Who is let in: by event, by API, from a list (G1, G8, G18, G20, G25–G27, G30).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use wayfarer::journey::definition::{Reentry, ReentryWord};
use wayfarer::model::Timestamp;
use wayfarer::model::wire::RefusalRecord;

use crate::condition::{Scope, equal};
use crate::door::AtDoor;
use crate::tables::Gate;
use crate::walk::{EXIT, first_node};
use crate::world::{Enrollment, ListRow, Position, World};

/// How many enrollments one user may have inside, over all journeys.
const PER_USER_MAX: usize = 64;

/// Why a user who does not satisfy the entry's filter is not let in: not a refusal, and not counted.
const NOT_QUALIFIED: &str = "does not qualify";

/// Why a user waits whose shard has no share of the entry limit left: not a refusal either.
const AT_DOOR: &str = "waits at the door";

/// Somebody at the door.
pub(crate) struct Visitor<'a> {
    pub(crate) user: &'a str,
    pub(crate) properties: &'a Map<String, Json>,
    /// The zone that the event tells; it is kept of whoever it lets in.
    pub(crate) zone: Option<&'a str>,
    /// When it happened, and how late it came; rows and API calls happen now.
    pub(crate) time: Timestamp,
    pub(crate) late_ms: i64,
}

impl World {
    /// An entry by API: its payload stands for the event's properties.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn api_entry(
        &mut self,
        append: Timestamp,
        journey: &str,
        user: &str,
        payload: &Map<String, Json>,
    ) -> Result<(), String> {
        self.before(append);
        let known = self.journeys.iter().position(|j| j.id == journey);
        let j = known.ok_or_else(|| format!("there is no journey {journey:?}"))?;
        let visitor = Visitor { user, properties: payload, zone: None, time: self.now, late_ms: 0 };
        if !self.journeys[j].published() || !self.journeys[j].definition().entry.api {
            self.refuse(j, &visitor, "no_such_entry");
            return Err("no_such_entry".to_owned());
        }
        self.judge(j, &visitor).inspect_err(|&reason| {
            if reason == "entry_shut" {
                self.rule("G25");
            }
        })?;
        Ok(())
    }

    /// A row of an audience list. While entry is shut, the list waits with it (G8); after a list's end a
    /// row starts a new list.
    pub fn list_row(&mut self, append: Timestamp, list: &str, user: &str, fields: &Map<String, Json>) {
        self.before(append);
        for j in self.readers_of(list) {
            let journey = &mut self.journeys[j];
            (journey.list_ended, journey.list_done) = (journey.list_ended && !journey.list_done, false);
            let row = ListRow { user: user.to_owned(), fields: fields.clone() };
            if journey.state == journey.dialect.stopped {
                let _ = self.judge_row(j, &row);
            } else {
                journey.rows.push_back(row);
                self.refresh(j);
            }
        }
    }

    /// The end of an audience list in every shard: its journeys close once all rows before it were judged.
    pub fn list_end(&mut self, append: Timestamp, list: &str) {
        self.before(append);
        for j in self.readers_of(list) {
            self.journeys[j].list_ended = true;
            self.refresh(j);
        }
    }

    fn readers_of(&self, list: &str) -> Vec<usize> {
        (0..self.journeys.len())
            .filter(|&j| self.journeys[j].definition().entry.list.as_deref() == Some(list))
            .collect()
    }

    /// Lets the rows of a list in that wait, as long as entry is open.
    pub(crate) fn pump(&mut self, j: usize) {
        while self.entry_open(j) {
            let Some(row) = self.journeys[j].rows.pop_front() else {
                if self.journeys[j].list_ended && !self.journeys[j].list_done {
                    self.list_processed(j);
                }
                return;
            };
            let _ = self.judge_row(j, &row);
        }
    }

    pub(crate) fn judge_row(&mut self, j: usize, row: &ListRow) -> Result<(), &'static str> {
        let visitor =
            Visitor { user: &row.user, properties: &row.fields, zone: None, time: self.now, late_ms: 0 };
        self.judge(j, &visitor)
    }

    /// Lets a visitor in, or says why not.
    pub(crate) fn judge(&mut self, j: usize, visitor: &Visitor<'_>) -> Result<(), &'static str> {
        let judged = self.check(j, visitor);
        match judged {
            Ok(()) => self.enroll(j, visitor),
            Err(NOT_QUALIFIED) => {}
            Err(AT_DOOR) => self.wait_at_door(j, visitor),
            Err(reason) => self.refuse(j, visitor, reason),
        }
        judged
    }

    /// The checks in their order: the first that says no gives the reason.
    fn check(&self, j: usize, visitor: &Visitor<'_>) -> Result<(), &'static str> {
        let journey = &self.journeys[j];
        let definition = journey.definition();
        let entry = &definition.entry;
        let user = self.users.get(visitor.user).map(|u| &u.attributes);
        let scope = Scope { properties: Some(visitor.properties), entry: None, user };
        if !scope.holds(entry.filter.as_deref()) {
            return Err(NOT_QUALIFIED);
        }
        if !self.entry_open(j) {
            return Err("entry_shut");
        }
        if visitor.time < journey.opening {
            return Err("before_opening");
        }
        let late = entry.late.or(journey.dialect.late);
        if late.is_some_and(|late| visitor.late_ms > late.0 as i64) {
            return Err("late");
        }
        self.check_reentry(j, visitor, &entry.reentry, self.key(j, visitor).as_ref())?;
        let inside = self.enrollments.iter().filter(|e| e.user == visitor.user && !e.ended()).count();
        let waiting = self.door.iter().filter(|waiting| waiting.user == visitor.user).count();
        if inside + waiting >= PER_USER_MAX {
            return Err("user_limit");
        }
        let Some(limit) = entry.limit else { return Ok(()) };
        if self.shards == 1 {
            let created = self.enrollments.iter().filter(|e| e.journey == j).count() as u64;
            return if created < limit { Ok(()) } else { Err("entry_limit") };
        }
        let share = self.shares.get(&(j, self.shard(visitor.user))).copied().unwrap_or_default();
        match (share.admitted < share.granted, share.exhausted) {
            (true, _) => Ok(()),
            (false, true) => Err("entry_limit"),
            (false, false) => Err(AT_DOOR),
        }
    }

    fn wait_at_door(&mut self, j: usize, visitor: &Visitor<'_>) {
        self.keep_zone(visitor);
        let (user, properties) = (visitor.user.to_owned(), visitor.properties.clone());
        self.door.push(AtDoor { journey: j, user, key: self.key(j, visitor), properties });
    }

    fn keep_zone(&mut self, visitor: &Visitor<'_>) {
        if let Some(zone) = visitor.zone {
            self.users.entry(visitor.user.to_owned()).or_default().zone = Some(zone.to_owned());
        }
    }

    /// Re-entry looks at the enrollments that were created for the same value of the key, in any version
    /// (G30).
    fn check_reentry(
        &self,
        j: usize,
        visitor: &Visitor<'_>,
        reentry: &Reentry,
        key: Option<&Json>,
    ) -> Result<(), &'static str> {
        let same_key = |known: Option<&Json>| equal(known, key) || (known.is_none() && key.is_none());
        let several = matches!(reentry, Reentry::Word(ReentryWord::Always) | Reentry::AtMost { .. });
        let of_user = self.enrollments.iter().filter(|e| e.journey == j && e.user == visitor.user);
        let inside = of_user.filter(|e| !e.ended()).any(|e| same_key(e.key.as_ref()));
        let at_door = self.door.iter().filter(|waiting| waiting.journey == j && waiting.user == visitor.user);
        if !several && (inside || at_door.into_iter().any(|waiting| same_key(waiting.key.as_ref()))) {
            return Err("inside");
        }
        if self.too_soon(j, visitor, key) { Err("reentry") } else { Ok(()) }
    }

    /// Whether the enrollments that are remembered keep somebody out.
    pub(crate) fn too_soon(&self, j: usize, visitor: &Visitor<'_>, key: Option<&Json>) -> bool {
        let same_key = |e: &&Enrollment| equal(e.key.as_ref(), key) || (e.key.is_none() && key.is_none());
        let of_user = self.enrollments.iter().filter(|e| e.journey == j && e.user == visitor.user);
        let before: Vec<&Enrollment> = of_user.filter(|e| !e.forgotten).filter(same_key).collect();
        match &self.journeys[j].definition().entry.reentry {
            Reentry::Default | Reentry::Word(ReentryWord::AfterExit | ReentryWord::Always) => false,
            Reentry::Word(ReentryWord::Never) => !before.is_empty(),
            Reentry::AfterExit { after_exit } => before.iter().any(|e| match e.position {
                Position::Ended { at, .. } => at + *after_exit > self.now,
                _ => false,
            }),
            Reentry::Cooldown { cooldown } => before.iter().any(|e| e.entered + *cooldown > self.now),
            Reentry::AtMost { at_most, per } => {
                before.iter().filter(|e| e.entered + *per > self.now).count() >= *at_most as usize
            }
        }
    }

    /// The value of the property that keeps enrollments apart; an absent, null, array or object value is
    /// none.
    fn key(&self, j: usize, visitor: &Visitor<'_>) -> Option<Json> {
        let definition = self.journeys[j].definition();
        let value = visitor.properties.get(definition.entry.key.as_ref()?)?;
        (!value.is_null() && !value.is_array() && !value.is_object()).then(|| value.clone())
    }

    pub(crate) fn enroll(&mut self, j: usize, visitor: &Visitor<'_>) {
        let definition = self.journeys[j].definition();
        let entry =
            self.enrollments.iter().filter(|e| self.shard(&e.user) == self.shard(visitor.user)).count();
        let seen = self.enrollments.iter().any(|e| e.journey == j && e.user == visitor.user);
        let e = self.enrollments.len();
        let first = definition.entry.to.clone().unwrap_or_else(|| first_node(&definition));
        self.enrollments.push(Enrollment {
            journey: j,
            version: self.journeys[j].live,
            user: visitor.user.to_owned(),
            entry: entry as u64,
            key: self.key(j, visitor),
            entered: self.now,
            properties: visitor.properties.clone(),
            // Until the first node says otherwise.
            position: Position::Parked { before: EXIT.to_owned(), due: self.now },
            node: None,
            starts: 0,
            arms: BTreeMap::new(),
            timeout: definition.timeout.map(|t| self.now + t),
            put_off: false,
            adopts_late: false,
            converted: false,
            parked: false,
            forgotten: false,
        });
        self.share(j, visitor.user).admitted += 1;
        if seen {
            self.rule("G30");
        }
        self.keep_zone(visitor);
        self.tell(e, "entered", None, None, None);
        if self.held(e) {
            self.rule("G3");
        }
        self.walk(e, first, self.now);
    }

    pub(crate) fn refuse(&mut self, j: usize, visitor: &Visitor<'_>, reason: &'static str) {
        let journey = &self.journeys[j];
        self.refusals.push(RefusalRecord {
            at: self.now,
            journey: journey.id.clone(),
            user: visitor.user.to_owned(),
            reason: reason.to_owned(),
            state: journey.state.to_owned(),
        });
        let stopped = journey.row().entry == Gate::Shut && visitor.time < journey.stopped_at;
        self.rule("G20");
        match reason {
            // Judged by the Stop that was taken, though it happened before.
            "entry_shut" if stopped && self.journeys[j].stopped_at <= self.now => self.rule("G18"),
            "entry_shut" | "before_opening" => self.rule("G1"),
            "late" => self.rule("G27"),
            "inside" | "reentry" => self.rule("G30"),
            "entry_limit" => self.rule("G26"),
            _ => {}
        }
    }
}
