//! One shard: the way of one input, and the order in which time, dates, records and timers take effect.
//!
//! The shard's time never goes back and passes through every deadline: a timer fires at its own time, so a decision
//! does not depend on how often the shard was called. At equal times a command comes first, then a record, then a
//! timer (G28); a start or end date counts as a command.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commit::Interval as CommitInterval;
use super::effects::Effects;
use super::input::{Body, Entry, Epoch, Input, Outcome, Record};
use super::journey_state::JourneyState;
use super::record::{Enrollment, Status, User};
use super::renew::Renewal;
use super::scope::Scratch;
use super::statistics::Statistics;
use super::storage::dedupe::Dedupe;
use super::storage::wheel::{Links, Timed, Wheel};
use super::storage::{Bytes, Index, NONE, Slab};
use crate::journey::catalog::{Catalog, JourneyIndex, PlanIndex};
use crate::model::{Format, Interval, Timestamp};

/// How a shard is set up. The same for every shard of a journal, and for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Its number.
    pub shard: u16,
    /// Of how many.
    pub shards: u16,
    /// For how long a repeated message id does nothing.
    pub duplicate_window: Interval,
    /// The most message ids that are remembered for one window.
    pub duplicates_max: usize,
    /// The newest format that is read: [`Format::NEWEST`], unless a program is to be taken for an older one.
    pub reads: Format,
}

impl Setup {
    /// One shard alone, with the default window.
    #[must_use]
    pub const fn single() -> Self {
        Self::of(0, 1)
    }

    /// One shard of several, with the default window.
    #[must_use]
    pub const fn of(shard: u16, shards: u16) -> Self {
        let (duplicate_window, duplicates_max) = (Interval::from_mins(10), 1 << 16);
        Self { shard, shards, duplicate_window, duplicates_max, reads: Format::NEWEST }
    }
}

/// One partition of the users, with all that concerns them.
#[derive(Debug)]
pub struct Shard {
    pub(super) catalog: Arc<Catalog>,
    pub(super) state: State,
    pub(super) scratch: Scratch,
}

/// Everything of a shard but the catalog and the reused buffers.
#[derive(Debug)]
pub(super) struct State {
    pub(super) setup: Setup,
    pub(super) now: Timestamp,
    pub(super) epoch: u64,
    pub(super) users: Slab<User>,
    pub(super) index: Index,
    pub(super) ids: Bytes,
    pub(super) profiles: Bytes,
    pub(super) enrollments: Slab<Enrollment>,
    pub(super) cold: Bytes,
    pub(super) wheel: Wheel,
    pub(super) journeys: Vec<JourneyState>,
    pub(super) statistics: Vec<Statistics>,
    pub(super) next_entry: u64,
    pub(super) dedupe: Dedupe,
    /// The next start or end date of each journey that has one.
    pub(super) dates: BTreeSet<(Timestamp, JourneyIndex)>,
    /// The next instant of each send queue that holds anybody, with its journey and node.
    pub(super) instants: BTreeSet<(Timestamp, JourneyIndex, Box<str>)>,
    /// The next offset of each log.
    pub(super) positions: Vec<(u8, u64)>,
    /// In which everything is written from now on.
    pub(super) format: Format,
    pub(super) renewal: Renewal,
    pub(super) interval: CommitInterval,
    pub(super) at_work: AtWork,
}

/// For whom a shard is at work; follows from nothing, and is not stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtWork {
    /// The enrollment, or [`NONE`].
    pub(super) handle: u32,
    /// Whether a timer or a release of its own began it, rather than an input.
    pub(super) by_itself: bool,
}

impl AtWork {
    pub(super) const NOBODY: Self = Self { handle: NONE, by_itself: false };
}

impl Timed for Enrollment {
    fn links(&self) -> &Links {
        &self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
    fn deadline(&self) -> Timestamp {
        self.timer()
    }
    fn order(&self) -> u64 {
        self.entry()
    }
}

/// What every step needs besides the state: read-only journeys, the effects, and buffers to reuse.
pub(super) struct Context<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) effects: &'a mut Effects,
    pub(super) scratch: &'a mut Scratch,
}

impl Shard {
    /// A shard that has seen nothing.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let state = State {
            setup,
            now: Timestamp(0),
            epoch: 0,
            users: Slab::new(),
            index: Index::new(),
            ids: Bytes::new(),
            profiles: Bytes::new(),
            enrollments: Slab::new(),
            cold: Bytes::new(),
            wheel: Wheel::new(Timestamp(0)),
            journeys: Vec::new(),
            statistics: Vec::new(),
            next_entry: 1,
            dedupe: Dedupe::new(setup.duplicate_window, setup.duplicates_max),
            dates: BTreeSet::new(),
            instants: BTreeSet::new(),
            positions: Vec::new(),
            format: Format::FIRST,
            renewal: Renewal::default(),
            interval: CommitInterval::default(),
            at_work: AtWork::NOBODY,
        };
        Self { catalog: Arc::new(Catalog::empty()), state, scratch: Scratch::default() }
    }

    /// Takes one input at the shard's time `now`; a time before the shard's own counts as that.
    ///
    /// A record's time is its append time. What is to happen is appended to `effects`.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>, effects: &mut Effects) -> Outcome {
        let now = now.max(self.state.now);
        self.begin();
        self.state.at_work = AtWork::NOBODY;
        self.state.interval.note(now, &input, self.state.now);
        let mut outcome = Outcome::default();
        if let Input::Epoch(epoch) = input {
            let mut cx = Context { catalog: &self.catalog, effects, scratch: &mut self.scratch };
            outcome.fired = self.state.advance(&mut cx, now, false, usize::MAX).0;
            self.take_epoch(epoch, effects);
            self.state.keep_pages();
            return outcome;
        }
        let mut cx = Context { catalog: &self.catalog, effects, scratch: &mut self.scratch };
        match input {
            Input::Record(record) => {
                outcome.fired = self.state.advance(&mut cx, now, false, usize::MAX).0;
                outcome.duplicate = !self.state.record(&mut cx, record);
            }
            Input::Wake { max } => {
                (outcome.fired, outcome.more_due) = self.state.advance(&mut cx, now, true, max);
            }
            Input::Release { max } => {
                outcome.fired = self.state.advance(&mut cx, now, false, usize::MAX).0;
                outcome.released = self.state.release(&mut cx, max);
            }
            Input::Park { entry } => self.state.park_entry(&mut cx, entry),
            Input::Renew { max } => outcome.renewed = self.state.renew(max),
            Input::Epoch(_) => {}
        }
        self.state.keep_pages();
        outcome
    }

    fn take_epoch(&mut self, epoch: &Epoch, effects: &mut Effects) {
        self.catalog = Arc::clone(&epoch.catalog);
        let mut cx = Context { catalog: &self.catalog, effects, scratch: &mut self.scratch };
        self.state.flip(&mut cx, epoch);
    }

    /// The time at which it is worth calling with [`Input::Wake`] again: never later than the next deadline.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let date = self.state.dates.first().map(|d| d.0);
        let instant = self.state.instants.first().map(|i| i.0);
        [date, instant, self.state.wheel.next_deadline()].into_iter().flatten().min()
    }

    /// The shard's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state.now
    }

    /// The last epoch that it took.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// The journeys that it goes by.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// A journey as the shard has taken it, by number.
    #[must_use]
    pub fn journey(&self, journey: JourneyIndex) -> Option<&JourneyState> {
        self.state.journeys.get(usize::from(journey))
    }

    /// The statistics of a version, by the number of its plan.
    #[must_use]
    pub fn statistics(&self, plan: PlanIndex) -> Option<&Statistics> {
        self.state.statistics.get(usize::from(plan))
    }

    /// Whether any journey has held users under release.
    #[must_use]
    pub fn is_releasing(&self) -> bool {
        self.state.journeys.iter().any(JourneyState::is_releasing)
    }

    /// The next offset of a log; 0 if nothing was read of it.
    #[must_use]
    pub fn position(&self, source: u8) -> u64 {
        self.state.positions.iter().find(|(s, _)| *s == source).map_or(0, |(_, offset)| *offset)
    }

    /// How many users the shard knows, and how many enrollments are inside.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.state.users.len(), self.state.enrollments.len())
    }

    /// The memory that users, enrollments, timers and indexes take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let s = &self.state;
        s.users.bytes()
            + s.index.bytes()
            + s.ids.bytes()
            + s.profiles.bytes()
            + s.enrollments.bytes()
            + s.cold.bytes()
            + s.wheel.bytes()
            + s.dedupe.bytes()
    }

    /// For how long a repeated message id does nothing at present: shorter than configured under too many messages.
    #[must_use]
    pub fn duplicate_window(&self) -> Interval {
        self.state.dedupe.effective_window(self.state.now)
    }
}

impl State {
    /// Lets time pass up to `limit`: dates up to it, timers before it, or at it too if `inclusive`; at most `max` timers.
    ///
    /// Returns how many fired, and whether any that is due was left.
    pub(super) fn advance(
        &mut self,
        cx: &mut Context<'_>,
        limit: Timestamp,
        inclusive: bool,
        max: usize,
    ) -> (usize, bool) {
        let mut fired = 0;
        loop {
            let date = self.dates.first().map_or(Timestamp::MAX, |d| d.0);
            let instant = self.instants.first().map_or(Timestamp::MAX, |i| i.0);
            // Timers come after a date at the same time, and before a queue's instant at the same time.
            let (mut bound, mut at_bound) = (limit, inclusive);
            if instant < bound || (instant == bound && inclusive) {
                (bound, at_bound) = (instant, true);
            }
            if date <= bound {
                (bound, at_bound) = (date, false);
            }
            if fired == max {
                if self.is_due(cx, bound, at_bound) || date <= limit || instant <= bound {
                    return (fired, true);
                }
            } else if let Some(handle) = self.wheel.pop_due(&mut self.enrollments, bound, at_bound) {
                self.now = self.now.max(self.enrollments[handle].timer());
                self.at_work = AtWork { handle, by_itself: true };
                fired += usize::from(self.fire(cx, handle));
                self.at_work = AtWork::NOBODY;
                continue;
            }
            if date <= limit && date <= instant {
                self.now = self.now.max(date);
                self.take_date(cx);
            } else if instant < limit || (inclusive && instant == limit) {
                self.now = self.now.max(instant);
                self.serve_queue(cx);
            } else {
                break;
            }
        }
        self.now = self.now.max(limit);
        (fired, false)
    }

    /// Whether a timer is due. To ask the wheel for its next deadline is not enough: how early that is depends on
    /// what the wheel did before, and so would the shard's time.
    fn is_due(&mut self, cx: &mut Context<'_>, bound: Timestamp, at_bound: bool) -> bool {
        while let Some(handle) = self.wheel.pop_due(&mut self.enrollments, bound, at_bound) {
            let e = self.enrollments[handle];
            let at = self.now.max(e.timer());
            let stopped = self.journeys[usize::from(cx.catalog.journey_of(e.plan))].stopped_at.is_some();
            if stopped || self.node_due(cx, handle) <= at || self.journey_due(cx, handle) <= at {
                self.wheel.insert(&mut self.enrollments, handle, e.timer());
                return true;
            }
            self.arm(cx, handle);
        }
        false
    }

    /// A timer has come due: of the node, of the journey, or of the drain. Whether it was one: a deadline that has
    /// moved later since only looks again. A restored shard does not have that one, so it must not count (budgets are
    /// counts, and a shard that was restored has to do the same in a turn as one that was not).
    fn fire(&mut self, cx: &mut Context<'_>, handle: u32) -> bool {
        let e = self.enrollments[handle];
        let journey = cx.catalog.journey_of(e.plan);
        if self.journeys[usize::from(journey)].stopped_at.is_some() {
            self.drain(cx, handle);
            return true;
        }
        let node_due = self.node_due(cx, handle);
        let journey_due = self.journey_due(cx, handle);
        if node_due <= self.now && node_due <= journey_due {
            self.wait_over(cx, handle, node_due);
        } else if journey_due <= self.now {
            self.time_out(cx, handle);
        } else {
            self.arm(cx, handle);
            return false;
        }
        true
    }

    /// Whether it is no repeat.
    fn record(&mut self, cx: &mut Context<'_>, record: Record<'_>) -> bool {
        self.note_position(record.source, record.offset + 1);
        match record.body {
            Body::Event(event) => return self.event(cx, event),
            Body::Enter(entry) => self.enter_by(cx, entry, super::admit::Way::Api),
            Body::Row(row) => self.enter_by(cx, row, super::admit::Way::List),
            Body::Receipt(receipt) => self.receipt(cx, receipt),
            Body::Remove { journey, user } => self.remove(cx, journey, user),
            Body::Delete { user } => self.delete(cx, user),
            Body::Failure(charge) | Body::Poison(Some(charge)) => self.fail(cx, charge),
            Body::Poison(None) | Body::Skip => {}
        }
        true
    }

    fn enter_by(&mut self, cx: &mut Context<'_>, entry: Entry<'_>, way: super::admit::Way) {
        if let Some(journey) = cx.catalog.journey_index(entry.journey) {
            self.payload(cx, journey, entry, way);
        }
    }

    fn note_position(&mut self, source: u8, next: u64) {
        match self.positions.iter_mut().find(|(s, _)| *s == source) {
            Some((_, offset)) => *offset = next.max(*offset),
            None => self.positions.push((source, next)),
        }
    }

    /// The handles of a user's enrollments, oldest first, with their entry numbers.
    pub(super) fn enrollments_of(&self, user: u32, out: &mut Vec<(u32, u64)>) {
        out.clear();
        let mut handle = self.users[user].first;
        while handle != NONE {
            let e = &self.enrollments[handle];
            out.push((handle, e.entry()));
            handle = e.next;
        }
    }

    /// Whether a handle still means the enrollment with that number.
    pub(super) fn is(&self, handle: u32, entry: u64) -> bool {
        self.enrollments.get(handle).is_some_and(|e| e.entry() == entry)
    }

    /// The handles of all enrollments of a journey, in the order of entry: for what an operator does to all of them.
    pub(super) fn inside(&self, cx: &Context<'_>, journey: JourneyIndex) -> Vec<u32> {
        let mut found: Vec<(u64, u32)> = self
            .enrollments
            .iter()
            .filter(|(_, e)| cx.catalog.journey_of(e.plan) == journey)
            .map(|(handle, e)| (e.entry(), handle))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, handle)| handle).collect()
    }

    /// Whether an enrollment is at the door: not entered yet.
    pub(super) fn at_door(&self, handle: u32) -> bool {
        self.enrollments[handle].status() == Status::AtDoor
    }
}
