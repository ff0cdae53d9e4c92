//! The machine that reads a dialect's table: verb × state → what it does to those inside, or a named refusal.
//!
//! Dates are no commands. A verb is judged in the state to which the dates have led at the command's own
//! time, while a shard that lags behind asks for the gates at *its* time (G23): a journey keeps the state in
//! which the last command left it, and what the dates make of that follows from the time asked about, not
//! from who asked first.

use super::dialect::{Dialect, State, StateId, Target};
use super::gates::{EntryGate, Gates, Schedule};
use super::refusal::{Refusal, Why};
use super::verb::{Inside, Role, Verb};
use crate::model::Timestamp;

/// How far a journey's audience list is. Journeys without one have [`ListProgress::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListProgress {
    /// There is no list.
    None,
    /// Users of the list may still enter.
    Unfinished,
    /// Every shard has taken its end; the entry is shut until there is a new list (G8).
    Finished,
}

/// Where a journey stands in its dialect's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    pub(super) dialect: &'static Dialect,
    /// Where the last command left it.
    pub(super) settled: StateId,
    /// Where the dates have led from there, as far as [`Lifecycle::advance`] was told the time.
    pub(super) state: StateId,
    /// The state before `settled`: where it was frozen, paused or failed.
    pub(super) left: Option<StateId>,
    pub(super) list: ListProgress,
    pub(super) schedule: Schedule,
    /// When a command last opened the entry.
    pub(super) opened: Option<Timestamp>,
}

/// What a command brings along besides its verb. All of it takes effect only if the verb is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// Why the definition or its audience is not fit to go live, one reason each. They refuse a verb that
    /// would make it go live: Publish, Activate, and Reactivate where it takes the latest saved version.
    pub problems: &'a [String],
    /// The dates of the latest saved version, for a verb that takes it; `None`: they are as they were.
    pub schedule: Option<Schedule>,
}

/// What moved a journey without a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The start date (G7).
    StartDate,
    /// The end date (G6).
    EndDate,
    /// The end of the list (G8).
    ListProcessed,
}

/// One move that needed no operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoMove {
    /// When it was due; never later than the time at which it was noticed.
    pub at: Timestamp,
    /// The state's name before.
    pub from: &'static str,
    /// The state's name after.
    pub to: &'static str,
    /// What moved it.
    pub cause: Cause,
}

/// What the dates have moved, in order: the start before the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AutoMoves(pub Vec<AutoMove>);

impl Lifecycle {
    /// A journey in its dialect's first state (Draft, Designing).
    #[must_use]
    pub fn new(dialect: &'static Dialect, schedule: Schedule, has_list: bool) -> Self {
        let first = dialect.states()[0].id;
        let list = if has_list { ListProgress::Unfinished } else { ListProgress::None };
        Self { dialect, settled: first, state: first, left: None, list, schedule, opened: None }
    }

    /// Whose states and verbs it has.
    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// Its state, as far as [`Lifecycle::advance`] was told the time.
    #[must_use]
    pub fn state(&self) -> &'static State {
        self.dialect.state(self.state)
    }

    /// The name of [`Lifecycle::state`].
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        self.state().name
    }

    /// Its state at `now`, whatever time [`Lifecycle::advance`] was told.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> &'static State {
        let (state, _) = self.follow_dates(self.settled, now);
        self.dialect.state(state)
    }

    /// Its dates.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// How far its list is.
    #[must_use]
    pub fn list(&self) -> ListProgress {
        self.list
    }

    /// Whether it has gone live, so that somebody may be inside.
    #[must_use]
    pub fn started(&self) -> bool {
        self.state().inhabited
    }

    /// Whether those inside are leaving over the drain window.
    #[must_use]
    pub fn drains(&self) -> bool {
        self.state().drains
    }

    /// Whether no verb and no date leads out of its state.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.state().is_terminal()
    }

    /// The gates at `now`. Entry is open = the state's entry gate ∧ start ≤ now < end ∧ the list is
    /// unfinished (G23).
    #[must_use]
    pub fn gates(&self, now: Timestamp) -> Gates {
        let state = self.state_at(now);
        let entry = match state.entry {
            EntryGate::Open if self.schedule.has_started(now) && !self.has_ended(now) => EntryGate::Open,
            EntryGate::Open | EntryGate::Shut => EntryGate::Shut,
        };
        Gates { entry, movement: state.movement }
    }

    /// When the entry was last opened, by a command or by the start date, as seen at `now`; `None` if it is
    /// not open.
    ///
    /// An event whose own time lies before it enters nobody (G1).
    #[must_use]
    pub fn opened_at(&self, now: Timestamp) -> Option<Timestamp> {
        (self.gates(now).entry == EntryGate::Open).then(|| self.opened.max(self.schedule.start)).flatten()
    }

    /// Lets the start and the end date do what they do up to `now` (G6, G7, G9). Idempotent; time only moves
    /// forward.
    pub fn advance(&mut self, now: Timestamp) -> AutoMoves {
        let (state, moves) = self.follow_dates(self.state, now);
        self.state = state;
        AutoMoves(moves.into_iter().flatten().collect())
    }

    /// The next date after `now` at which the state or a gate changes without a command.
    #[must_use]
    pub fn next_date(&self, now: Timestamp) -> Option<Timestamp> {
        let seen = |at| (self.state_at(at).id, self.gates(at));
        let Schedule { start, end } = self.schedule;
        let mut dates = [start, end];
        dates.sort_unstable();
        dates.into_iter().flatten().find(|&date| date > now && seen(date) != seen(now))
    }

    /// Gives a verb at the command's own time, without any [`Terms`].
    ///
    /// # Errors
    /// See [`Lifecycle::apply_with`].
    pub fn apply(&mut self, now: Timestamp, verb: Verb, role: Role) -> Result<Inside, Refusal> {
        self.apply_with(now, verb, role, &Terms::default())
    }

    /// Gives a verb at the command's own time `now`: dates up to then act first.
    ///
    /// # Errors
    /// A [`Refusal`], which leaves everything as it was: the state or the dialect does not take the verb, the
    /// role may not give it, or the dates, the list or the audience are not fit for it.
    pub fn apply_with(
        &mut self,
        now: Timestamp,
        verb: Verb,
        role: Role,
        terms: &Terms<'_>,
    ) -> Result<Inside, Refusal> {
        let mut next = self.clone();
        let _ = next.advance(now);
        let was_open = next.gates(now).entry == EntryGate::Open;
        let from = next.state;
        if next.state().arrow(verb).is_some_and(|arrow| arrow.inside.adopts()) {
            next.schedule = terms.schedule.unwrap_or(next.schedule);
        }
        let (to, inside) = next.decide(now, verb, role, terms.problems).map_err(|why| Refusal {
            verb,
            state: self.name_of(from),
            allowed: self.allowed(now),
            why,
        })?;
        if let Some(to) = to {
            next.settle(to, from);
        } else if verb == Verb::ListProcessed {
            next.finish_list(from);
        }
        let _ = next.advance(now);
        next.note_opening(was_open, now);
        *self = next;
        Ok(inside)
    }

    /// Which verbs an operator may give at `now`, in the vendor's order. Those that the dates or the list
    /// forbid at present are left out.
    #[must_use]
    pub fn allowed(&self, now: Timestamp) -> Vec<Verb> {
        let mut at = self.clone();
        let _ = at.advance(now);
        let fits = |verb: &Verb| at.decide(now, *verb, Role::Operator, &[]).is_ok();
        at.state().verbs.iter().map(|arrow| arrow.verb).filter(fits).collect()
    }

    /// Takes a new list: users may enter from it as soon as a verb opens the entry (G8). The state stays.
    pub fn take_list(&mut self, now: Timestamp) {
        let _ = self.advance(now);
        let was_open = self.gates(now).entry == EntryGate::Open;
        if self.list == ListProgress::Finished {
            // What the old list's end did stays done.
            self.settled = self.state;
        }
        self.list = ListProgress::Unfinished;
        self.note_opening(was_open, now);
    }

    /// Where `verb` leads from the present state (`None`: it stays), or why it is refused.
    fn decide(
        &self,
        now: Timestamp,
        verb: Verb,
        role: Role,
        problems: &[String],
    ) -> Result<(Option<StateId>, Inside), Why> {
        let Some(arrow) = self.state().arrow(verb) else {
            let dialect = self.dialect;
            let elsewhere = dialect.knows(verb);
            let unknown = || Why::NotInThisDialect { dialect: dialect.name().to_owned() };
            return Err(if elsewhere { Why::NotInThisState } else { unknown() });
        };
        if verb.role() == Role::System && role == Role::Operator {
            return Err(Why::SystemOnly);
        }
        if verb == Verb::ListProcessed && self.list == ListProgress::None {
            return Err(Why::Unfit(vec!["it has no list".to_owned()]));
        }
        if arrow.inside.adopts() && !problems.is_empty() {
            return Err(Why::Unfit(problems.to_vec()));
        }
        let to = match arrow.to {
            Target::Stay => None,
            Target::To(state) => Some(state),
            Target::Launch { later, now: live } => {
                let mut reasons = self.schedule.problems(now);
                reasons.extend_from_slice(problems);
                if !reasons.is_empty() {
                    return Err(Why::Unfit(reasons));
                }
                Some(if self.schedule.has_started(now) { live } else { later })
            }
            Target::Return { open, ended } => {
                let stays_shut = self.has_ended(now) || self.left == Some(ended);
                Some(if stays_shut { ended } else { open })
            }
            Target::Reopen(state) => {
                let reasons = self.reasons_against_reopening(now);
                if !reasons.is_empty() {
                    return Err(Why::Unfit(reasons));
                }
                Some(state)
            }
        };
        Ok((to, arrow.inside))
    }

    fn reasons_against_reopening(&self, now: Timestamp) -> Vec<String> {
        let mut reasons = self.schedule.problems(now);
        if self.list == ListProgress::Finished {
            reasons.push("its list has been processed, and reopening needs a new one".to_owned());
        }
        reasons
    }

    fn settle(&mut self, to: StateId, from: StateId) {
        self.settled = to;
        self.state = to;
        self.left = Some(from);
    }

    /// The end of a list acts with its command, for lagging shards too; dates go on acting by each shard's
    /// time.
    fn finish_list(&mut self, from: StateId) {
        self.list = ListProgress::Finished;
        if let Some(ended) = self.dialect.state(from).on_end {
            self.settle(ended, from);
        }
    }

    fn note_opening(&mut self, was_open: bool, now: Timestamp) {
        if !was_open && self.gates(now).entry == EntryGate::Open {
            self.opened = Some(now);
        }
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        self.schedule.has_ended(now) || self.list == ListProgress::Finished
    }

    /// Where the dates lead from `state` by `now`: at most through the start, then through the end.
    fn follow_dates(&self, state: StateId, now: Timestamp) -> (StateId, [Option<AutoMove>; 2]) {
        let mut at = state;
        let mut moves = [None, None];
        let started_at = self.schedule.start.unwrap_or(now).min(now);
        if let Some(to) = self.dialect.state(at).on_start
            && self.schedule.has_started(now)
        {
            moves[0] = Some(self.auto_move(started_at, at, to, Cause::StartDate));
            at = to;
        }
        if let Some(to) = self.dialect.state(at).on_end
            && self.has_ended(now)
        {
            moves[1] = Some(match self.schedule.end {
                Some(end) if end <= now && self.list != ListProgress::Finished => {
                    self.auto_move(end, at, to, Cause::EndDate)
                }
                Some(_) | None => self.auto_move(started_at, at, to, Cause::ListProcessed),
            });
            at = to;
        }
        (at, moves)
    }

    fn auto_move(&self, at: Timestamp, from: StateId, to: StateId, cause: Cause) -> AutoMove {
        AutoMove { at, from: self.dialect.state(from).name, to: self.dialect.state(to).name, cause }
    }

    fn name_of(&self, state: StateId) -> String {
        self.dialect.state(state).name.to_owned()
    }
}
