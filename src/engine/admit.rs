//! The entry gate: the one place where it is asked, and what entering is.
//!
//! A user who satisfies an entry rule qualifies. The gate is a column of early returns in a promised order, and every no
//! has a name and is counted (G20).

use super::input::Entry;
use super::journey_state::RefusalReason;
use super::json;
use super::profile::{Mark, MarkKind};
use super::record::{Enrollment, Status, User};
use super::scope::{Scratch, key_hash};
use super::shard::{Context, State};
use super::statistics::Flow;
use super::storage::user_id::UserId;
use super::storage::{Index, NONE};
use crate::journey::catalog::{EntryRule, EventProgram, JourneyIndex, PlanIndex};
use crate::journey::plan::{Plan, Reentry, Target};
use crate::lifecycle::EntryGate;
use crate::model::Timestamp;
use crate::model::hash::user_hash;

/// The most enrollments that one user may have: bounds what one event can cost (protocol 10).
pub const USER_ENROLLMENTS_MAX: usize = 64;

/// By which way somebody is to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By an event that happened then.
    Event(Timestamp),
    /// By a call of the API.
    Api,
    /// By a row of a list.
    List,
}

/// What the entry gate says.
#[must_use]
enum Admission {
    /// The user enters.
    Enter,
    /// The user waits at the door until the shard gets more of the entry limit (G26).
    Door,
    /// The user does not enter, and this is why.
    Refused(RefusalReason),
}

/// Somebody who qualified.
struct Candidate {
    handle: Option<u32>,
    key: u64,
    way: Way,
}

impl State {
    /// Enters the user of an event by all its rules. The properties, the profile and the verdicts are in the scratch.
    pub(super) fn enter_by_event(
        &mut self,
        cx: &mut Context<'_>,
        program: &EventProgram,
        user: &str,
        mut handle: Option<u32>,
        at: Timestamp,
    ) {
        for rule in &program.entries {
            if rule.filter.is_none_or(|atom| cx.scratch.shared(program, atom)) {
                handle = self.qualify(cx, rule, user, handle, Way::Event(at));
            }
        }
    }

    /// Enters a user by a payload of the API or a row of a list.
    pub(super) fn payload(
        &mut self,
        cx: &mut Context<'_>,
        journey: JourneyIndex,
        entry: Entry<'_>,
        way: Way,
    ) {
        let live = cx.catalog.journeys[usize::from(journey)].live;
        let allowed = live.filter(|&plan| {
            let entry = &cx.catalog.plan(plan).entry;
            if way == Way::Api { entry.api } else { entry.list.is_some() }
        });
        let Some(plan) = allowed else {
            return self.refuse(cx, journey, entry.user, RefusalReason::NoSuchEntry);
        };
        let program = cx.catalog.payload(plan);
        program.fields.extract(entry.properties, &mut cx.scratch.properties);
        cx.scratch.verdicts.clear();
        cx.scratch.verdicts.resize(program.shared.len(), None);
        let handle = self.find_user(entry.user);
        self.load_profile(cx, handle);
        cx.scratch.zone_is_new = false;
        for rule in &program.entries {
            if rule.filter.is_none_or(|atom| cx.scratch.shared(program, atom)) {
                let _ = self.qualify(cx, rule, entry.user, handle, way);
            }
        }
    }

    /// A user qualifies: asks the gate, and does what it says. Returns the user's handle, if there is one by now.
    fn qualify(
        &mut self,
        cx: &mut Context<'_>,
        rule: &EntryRule,
        user: &str,
        handle: Option<u32>,
        way: Way,
    ) -> Option<u32> {
        let key = rule.key.map_or(0, |slot| key_hash(cx.scratch.properties.get(usize::from(slot))));
        let plan = cx.catalog.plan(rule.plan);
        let candidate = Candidate { handle, key, way };
        match self.admit(cx, rule.journey, plan, &candidate) {
            Admission::Refused(reason) => {
                self.refuse(cx, rule.journey, user, reason);
                handle
            }
            admission => {
                let user = handle.unwrap_or_else(|| self.create_user(user));
                self.enroll(cx, rule, user, key, matches!(admission, Admission::Enter));
                Some(user)
            }
        }
    }

    /// The entry gate.
    fn admit(
        &mut self,
        cx: &mut Context<'_>,
        journey: JourneyIndex,
        plan: &Plan,
        who: &Candidate,
    ) -> Admission {
        let state = &self.journeys[usize::from(journey)];
        if state.gates.entry == EntryGate::Shut {
            return Admission::Refused(RefusalReason::EntryShut);
        }
        if let Way::Event(at) = who.way {
            if at < state.opened_at {
                return Admission::Refused(RefusalReason::BeforeOpening);
            }
            if plan.entry.late.is_some_and(|late| self.now.since(at) > late) {
                return Admission::Refused(RefusalReason::Late);
            }
        }
        if let Some(handle) = who.handle {
            self.enrollments_of(handle, &mut cx.scratch.handles);
            let inside = !plan.entry.reentry.allows_several() && self.is_inside(cx, journey, who.key);
            if inside {
                return Admission::Refused(RefusalReason::Inside);
            }
            if !may_reenter(cx.scratch, plan.entry.reentry, journey, who.key, self.now) {
                return Admission::Refused(RefusalReason::Reentry);
            }
            if cx.scratch.handles.len() >= USER_ENROLLMENTS_MAX {
                return Admission::Refused(RefusalReason::UserLimit);
            }
        }
        match plan.entry.limit {
            None => Admission::Enter,
            Some(limit) if self.setup.shards == 1 && state.admitted < limit => Admission::Enter,
            Some(_) if state.admitted < state.granted => Admission::Enter,
            Some(_) if state.limit_exhausted || self.setup.shards == 1 => {
                Admission::Refused(RefusalReason::EntryLimit)
            }
            Some(_) => Admission::Door,
        }
    }

    /// Whether re-entry lets somebody in from the door: others of that user may have entered meanwhile (G30).
    pub(super) fn may_still_enter(&self, cx: &mut Context<'_>, handle: u32, journey: JourneyIndex) -> bool {
        let reentry = cx.catalog.plan(self.enrollments[handle].plan).entry.reentry;
        let key = self.key_of(cx, handle);
        self.load_profile_of(cx, handle);
        may_reenter(cx.scratch, reentry, journey, key, self.now)
    }

    /// Whether one of the user's enrollments, which are in the scratch, is in that journey with that key value.
    fn is_inside(&self, cx: &mut Context<'_>, journey: JourneyIndex, key: u64) -> bool {
        for i in 0..cx.scratch.handles.len() {
            let handle = cx.scratch.handles[i].0;
            let plan = self.enrollments[handle].plan;
            if cx.catalog.journey_of(plan) == journey && self.key_of(cx, handle) == key {
                return true;
            }
        }
        false
    }

    /// The key value of an enrollment, hashed; 0 if its version has no key.
    pub(super) fn key_of(&self, cx: &mut Context<'_>, handle: u32) -> u64 {
        let plan = cx.catalog.plan(self.enrollments[handle].plan);
        let Some(name) = &plan.entry.key else { return 0 };
        let slot = plan.variables.iter().position(|v| v == name);
        self.load_cold(cx, handle);
        slot.map_or(0, |slot| key_hash(cx.scratch.cold.variables.get(slot)))
    }

    /// Counts a refusal, and tells it if somebody listens.
    pub(super) fn refuse(
        &mut self,
        cx: &mut Context<'_>,
        journey: JourneyIndex,
        user: &str,
        reason: RefusalReason,
    ) {
        self.touch_journey(journey);
        self.journeys[usize::from(journey)].refusals[reason as usize] += 1;
        if !cx.effects.feed {
            return;
        }
        let of = &cx.catalog.journeys[usize::from(journey)];
        let out = cx.effects.refusals.begin();
        out.extend_from_slice(b"{\"at\":");
        json::timestamp(out, self.now);
        out.extend_from_slice(b",\"journey\":");
        json::string(out, &of.id);
        out.extend_from_slice(b",\"user\":");
        json::string(out, user);
        out.extend_from_slice(b",\"reason\":");
        json::string(out, reason.as_str());
        out.extend_from_slice(b",\"state\":");
        json::string(out, of.lifecycle.state_at(self.now).name);
        out.push(b'}');
        cx.effects.refusals.end();
    }

    /// Creates the enrollment: inside at once, or at the door.
    fn enroll(&mut self, cx: &mut Context<'_>, rule: &EntryRule, user: u32, key: u64, at_once: bool) {
        let plan = cx.catalog.plan(rule.plan);
        self.touch(user);
        if std::mem::take(&mut cx.scratch.zone_is_new) {
            self.store_profile(cx, user);
        }
        let entry = self.next_entry;
        self.next_entry += 1;
        let handle =
            self.enrollments.insert(Enrollment::new(user, rule.plan, plan.entry.to, self.now, entry));
        self.append(user, handle);
        let cold = &mut cx.scratch.cold;
        cold.clear(plan.variables.len());
        for (slot, &from) in rule.captures.iter().enumerate() {
            cold.variables.set(slot, cx.scratch.properties.get(usize::from(from)));
        }
        self.store_cold(cx, handle);
        if at_once {
            return self.enter(cx, handle, rule.journey, key);
        }
        self.enrollments[handle].set_status(Status::AtDoor);
        self.touch_journey(rule.journey);
        self.journeys[usize::from(rule.journey)].at_door += 1;
    }

    /// An enrollment enters: from here on it counts.
    pub(super) fn enter(&mut self, cx: &mut Context<'_>, handle: u32, journey: JourneyIndex, key: u64) {
        let (plan_index, user) = (self.enrollments[handle].plan, self.enrollments[handle].user);
        let plan = cx.catalog.plan(plan_index);
        let frozen = self.frozen(plan, journey);
        if frozen != 0 && plan.timeout.is_some() {
            self.shift_timeout(cx, handle, -frozen);
        }
        if plan.entry.limit.is_some() {
            self.touch_journey(journey);
            self.journeys[usize::from(journey)].admitted += 1;
        }
        if !matches!(plan.entry.reentry, Reentry::Always | Reentry::AfterExit(_)) {
            self.remember_entry(cx, user, plan_index, journey, key);
        }
        self.touch_statistics(cx, plan_index);
        self.statistics[usize::from(plan_index)].count(Flow::Entered);
        self.tell(cx, handle, "entered", None, None, None);
        self.go(cx, handle, Target::Node(plan.entry.to), self.now);
    }

    fn remember_entry(
        &mut self,
        cx: &mut Context<'_>,
        user: u32,
        plan_index: PlanIndex,
        journey: JourneyIndex,
        key: u64,
    ) {
        let reentry = cx.catalog.plan(plan_index).entry.reentry;
        let now = self.now;
        self.change_profile(cx, user, |profile| {
            let same = |m: &Mark| m.kind == MarkKind::Entered && m.journey == journey && m.key == key;
            match reentry {
                // Only the latest entry counts, or only that there was one.
                Reentry::Never | Reentry::Cooldown(_) => profile.marks.retain(|m| !same(m)),
                Reentry::AtMost(_, per) => profile.marks.retain(|m| !same(m) || now.since(m.at) < per),
                Reentry::Always | Reentry::AfterExit(_) => {}
            }
            let mark =
                Mark { kind: MarkKind::Entered, journey, plan: plan_index, key, at: now, kept: (0, 0) };
            profile.mark(mark, None);
        });
    }

    /// The user with that id, if the shard knows one.
    pub(super) fn find_user(&self, id: &str) -> Option<u32> {
        let packed = UserId::pack(id);
        self.index.find(user_hash(id), |handle| self.users[handle].id.is(packed, &self.ids, id))
    }

    /// Makes a user known.
    pub(super) fn create_user(&mut self, id: &str) -> u32 {
        let packed = UserId::new(id, &mut self.ids);
        let handle = self.users.insert(User::new(packed));
        let (users, ids) = (&self.users, &self.ids);
        self.index.insert(user_hash(id), handle, |h| users[h].id.hash(ids));
        handle
    }

    /// A user that [`State::index_users`] will make known.
    pub(super) fn add_user(&mut self, id: &str) -> u32 {
        let packed = UserId::new(id, &mut self.ids);
        let mut user = User::new(packed);
        user.set_stored_in(self.format);
        self.users.insert(user)
    }

    /// Makes all users known that were added, with room for all from the start: an index that grows with them moves
    /// each of them twice.
    pub(super) fn index_users(&mut self) {
        let Self { index, users, ids, .. } = self;
        *index = Index::with_room(users.len());
        for (handle, user) in users.iter() {
            index.insert(user.id.hash(ids), handle, |h| users[h].id.hash(ids));
        }
    }

    /// Puts an enrollment behind the user's others.
    pub(super) fn append(&mut self, user: u32, handle: u32) {
        let mut last = self.users[user].first;
        if last == NONE {
            self.users[user].first = handle;
            return;
        }
        while self.enrollments[last].next != NONE {
            last = self.enrollments[last].next;
        }
        self.enrollments[last].next = handle;
    }
}

/// Whether the marks of the profile in the scratch let the user in once more (G30).
fn may_reenter(scratch: &Scratch, reentry: Reentry, journey: JourneyIndex, key: u64, now: Timestamp) -> bool {
    let marks = |kind| scratch.profile.of(kind, journey, key);
    match reentry {
        Reentry::Always => true,
        Reentry::Never => marks(MarkKind::Entered).next().is_none(),
        Reentry::Cooldown(gap) => marks(MarkKind::Entered).all(|m| now.since(m.at) >= gap),
        Reentry::AfterExit(gap) => marks(MarkKind::Left).all(|m| now.since(m.at) >= gap),
        Reentry::AtMost(most, per) => {
            marks(MarkKind::Entered).filter(|m| now.since(m.at) < per).count() < most as usize
        }
    }
}
