//! Failures that are charged to a journey, and whom they park (G17).
//!
//! A journey whose budget of failures within an hour is spent goes to Error, where its dialect has that. It stays
//! spent, through crashes and for as long as it takes, until the shard has taken that command, or another one after
//! which nothing is left to fail: [`Shard::spent`] says so to whoever asks, so no single message has to arrive. Where
//! there is no Error, those whose failures spent the budget are parked, and so is whoever fails in the rest of the hour. To be parked
//! is a movement gate of one's own that is held: no node starts; a wait under way ends as it would have, and its user is
//! held before the next node; exits, goals, removal, deletion, time-outs and Stop act at once (G24). Whatever lets held
//! users go lets them go too, and gives the journey its whole budget again.

use super::input::Charge;
use super::record::Status;
use super::shard::{AtWork, Context, Shard, State};
use super::statistics::NodeFlow;
use super::storage::NONE;
use crate::journey::catalog::JourneyIndex;
use crate::lifecycle::{Lifecycle, Verb};
use crate::model::{Interval, Timestamp};

/// Within how long failures add up.
const BUDGET_PER: Interval = Interval::from_hours(1);

/// Why somebody is parked: the detail of the movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The failure budget is spent.
    FailureBudget,
    /// What was to be done for them panicked.
    Panic,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::FailureBudget => "failure_budget",
            Self::Panic => "panic",
        }
    }
}

/// Whom a shard was working for: what a worker asks after a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// The journey's id.
    pub journey: String,
    /// The user.
    pub user: String,
    /// The enrollment's number in its shard.
    pub entry: u64,
    /// Whether it was for a timer or a release of theirs, rather than for an input.
    pub by_itself: bool,
    /// Whether they are parked already, and no release lets them go: to park them once more changes nothing.
    pub parked: bool,
}

impl State {
    /// A failure is charged to its journey; the effects say when the budget of the hour is spent.
    pub(super) fn fail(&mut self, cx: &mut Context<'_>, charge: Charge<'_>) {
        let Some(journey) = cx.catalog.journey_index(charge.journey) else { return };
        let of = &cx.catalog.journeys[usize::from(journey)];
        let Some(live) = of.live else { return };
        let budget = cx.catalog.plan(live).failure_budget;
        let has_error = of.lifecycle.dialect().knows(Verb::Fail);
        if has_error && !can_fail(&of.lifecycle, self.now) {
            // It is in Error, or an operator has stopped it: nothing more can be done about it.
            return;
        }
        let theirs = charge.user.map_or_else(Vec::new, |user| self.inside_of(cx, journey, user));
        self.touch_journey(journey);
        let now = self.now;
        let state = &mut self.journeys[usize::from(journey)];
        let is_spent = has_error && state.failures >= budget;
        if !is_spent && now.since(state.failures_since) >= BUDGET_PER {
            state.forgive();
            state.failures_since = now;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < budget {
            state.failing.extend(theirs.iter().map(|(_, entry)| entry).filter(|_| !has_error));
            return;
        }
        if state.failures == budget {
            cx.effects.budget_spent.push(journey);
        }
        if has_error {
            #[cfg(feature = "broken")]
            if super::broken::is(super::broken::Broken::ForgottenBudget) {
                state.forgive();
            }
            return;
        }
        let before = std::mem::take(&mut state.failing);
        if !before.is_empty() {
            for handle in self.inside(cx, journey) {
                if before.contains(&self.enrollments[handle].entry()) {
                    self.park(cx, handle, Cause::FailureBudget);
                }
            }
        }
        for (handle, _) in theirs {
            self.park(cx, handle, Cause::FailureBudget);
        }
    }

    /// A user's enrollments in a journey, by handle and number; not those at the door, for they have not entered.
    fn inside_of(&self, cx: &Context<'_>, journey: JourneyIndex, user: &str) -> Vec<(u32, u64)> {
        let Some(user) = self.find_user(user) else { return Vec::new() };
        let mut handles = Vec::new();
        self.enrollments_of(user, &mut handles);
        handles.retain(|&(handle, _)| {
            cx.catalog.journey_of(self.enrollments[handle].plan) == journey && !self.at_door(handle)
        });
        handles
    }

    /// An enrollment panicked by itself: it is parked, and the journey charged.
    pub(super) fn park_entry(&mut self, cx: &mut Context<'_>, entry: u64) {
        let found = self.enrollments.iter().find(|(_, e)| e.entry() == entry).map(|(handle, _)| handle);
        let Some(handle) = found else { return };
        self.park(cx, handle, Cause::Panic);
        let e = &self.enrollments[handle];
        let journey = &cx.catalog.journeys[usize::from(cx.catalog.journey_of(e.plan))].id;
        let user = self.users[e.user].id.to_text(&self.ids);
        self.fail(cx, Charge { journey, user: Some(&user) });
    }

    fn park(&mut self, cx: &mut Context<'_>, handle: u32, cause: Cause) {
        let e = self.enrollments[handle];
        let journey = usize::from(cx.catalog.journey_of(e.plan));
        // Whoever drains has nothing left to start.
        let drains = self.journeys[journey].stopped_at.is_some();
        if e.status() == Status::AtDoor || drains {
            return;
        }
        self.touch_journey(journey as JourneyIndex);
        if let Some(release) = &mut self.journeys[journey].release {
            release.spared.insert(e.entry());
        }
        if e.is_parked() {
            return;
        }
        self.leave_place(cx, handle);
        self.enrollments[handle].set_parked(true);
        self.statistics[usize::from(e.plan)].count_at(e.node, NodeFlow::Held);
        self.arrive(cx, handle);
        self.tell(cx, handle, "parked", Some(e.node), Some(cause.as_str()), None);
    }
}

/// Whether the journey is in a state that leads to Error.
pub(super) fn can_fail(lifecycle: &Lifecycle, now: Timestamp) -> bool {
    lifecycle.state_at(now).arrow(Verb::Fail).is_some()
}

impl super::journey_state::JourneyState {
    /// The journey has its whole budget again.
    pub(super) fn forgive(&mut self) {
        (self.failures, self.failures_since) = (0, Timestamp::MIN);
        self.failing.clear();
    }
}

impl Shard {
    /// The journeys whose failure budget is spent here, and which are not in Error yet although their dialect has that
    /// (G17), by number: whoever looks after journeys is to put them there. None if nobody has to do anything.
    pub fn spent(&self) -> impl Iterator<Item = JourneyIndex> {
        let known = self.catalog.journeys.iter().zip(&self.state.journeys);
        (0..).zip(known).filter_map(|(number, (journey, state))| {
            let budget = self.catalog.plan(journey.live?).failure_budget;
            let is_spent = state.failures >= budget && can_fail(&journey.lifecycle, self.state.now);
            is_spent.then_some(number)
        })
    }

    /// For whom it was at work when the last input ended, or panicked. `None` if for nobody.
    ///
    /// After a panic the shard is not whole: this only reads, and may find nobody.
    #[must_use]
    pub fn at_work(&self) -> Option<Worked> {
        let AtWork { handle, by_itself } = self.state.at_work;
        let e = self.state.enrollments.get(handle).filter(|_| handle != NONE)?;
        let number = usize::from(self.catalog.journey_of(e.plan));
        let journey = self.catalog.journeys.get(number)?;
        let release = self.state.journeys.get(number)?.release.as_ref();
        let stays = release.is_none_or(|release| release.spared.contains(&e.entry()));
        Some(Worked {
            journey: journey.id.to_string(),
            user: self.state.users.get(e.user)?.id.to_text(&self.state.ids),
            entry: e.entry(),
            by_itself,
            parked: e.is_parked() && stays,
        })
    }
}
