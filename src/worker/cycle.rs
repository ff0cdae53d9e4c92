//! One turn of a worker: the one place where the core meets the edges. Whoever wants to know what is
//! guaranteed reads [`Cycle::turn`].
//!
//! - A decision and everything that follows from it (state, sends, dead letters, positions) are committed
//!   together or not at all (I3); nothing leaves before.
//! - An epoch is taken between two inputs and committed at once: that commit is its acknowledgement (G11, G18).
//! - No timer fires ahead of what is unread and happened before it (G19): a shard's time is what the journal,
//!   and a followed file, say that it has seen everything of. Nor does a record pass lines of a followed file
//!   that were there before it was appended.
//! - The clock is an argument, and every budget is a count, so that the same inputs do the same again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::chronicle::Chronicle;
use super::deliveries::Deliveries;
use super::desk::{DeskError, Step};
use super::feed::Lines;
use super::lists::Cursor;
use super::open::{OnProgress, Restoring, Ticket};
use super::owned::{Owned, number_of};
use super::panics::GIVEN_UP_MAX;
use super::poison::{Panicked, Strike};
use super::settle::Settled;
use crate::engine::restore::RestoreError;
use crate::engine::{Setup, Shard};
use crate::journal::{Batch, ControlLog, Journal, JournalError, Source, Transaction, steps};
use crate::journey::catalog::JourneyIndex;
use crate::metrics::WorkerMetrics;
use crate::model::{Format, Interval, Timestamp};

/// How many pages of the format before are renewed in one shard and turn: little beside what a turn decides.
pub const RENEWALS_MAX: usize = 100;

/// How a worker's shards are set up, and what one turn may do in each.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many shards the journal has.
    pub shards: u16,
    /// For how long a repeated message id does nothing.
    pub duplicate_window: Interval,
    /// The most message ids that a shard remembers for one window.
    pub duplicates_max: usize,
    /// The most records that are read at once, over all shards.
    pub events_max: usize,
    /// Whether movements and refusals are wanted as lines.
    pub movements: bool,
    /// The most timers that fire in one shard.
    pub timers_max: usize,
    /// The most held users that are let go in one shard: a fifth of what a turn may read.
    pub releases_max: usize,
    /// The most rows of lists that are taken in one shard.
    pub rows_max: usize,
    /// The most users' pages of the format before that are written in the present one in one shard.
    pub renewals_max: usize,
    /// The newest format that is read: [`Format::NEWEST`], unless the program is to be taken for an older one.
    pub reads: Format,
}

impl Options {
    /// The defaults of the settings, for that many shards.
    #[must_use]
    pub fn of(shards: u16) -> Self {
        let Setup { duplicate_window, duplicates_max, .. } = Setup::of(0, shards);
        let (events_max, timers_max, releases_max, rows_max) = (10_000, 10_000, 2_000, 2_000);
        Self {
            shards,
            duplicate_window,
            duplicates_max,
            events_max,
            movements: true,
            timers_max,
            releases_max,
            rows_max,
            renewals_max: RENEWALS_MAX,
            reads: Format::NEWEST,
        }
    }

    pub(crate) fn setup(&self, shard: u16) -> Setup {
        let Self { shards, duplicate_window, duplicates_max, reads, .. } = *self;
        Setup { shard, shards, duplicate_window, duplicates_max, reads }
    }
}

/// Why a worker cannot go on. The process ends then; a restart begins at the last commit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The journal answers no more.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The control log cannot be folded.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// A shard cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A shard cannot be restored since of a record that stands there.
    #[error("{error}; {place}")]
    Unreadable {
        /// Why.
        error: RestoreError,
        /// Where it stands, and what to do.
        place: String,
    },
    /// A shard knows more of the control log than the control log.
    #[error("shard {shard} has taken epoch {epoch}, which the control log does not have")]
    UnknownEpoch {
        /// The shard.
        shard: u16,
        /// The epoch.
        epoch: u64,
    },
    /// The control log gives less than it has.
    #[error("the control log could be read up to record {read} only, although it reaches up to {end}")]
    Control {
        /// The record that did not come.
        read: u64,
        /// Where the log ends.
        end: u64,
    },
    /// A bug of ours: enrollments were lost or made up (I13). Nothing of the turn is committed.
    #[error(
        "shard {shard}: the counts of journey {journey:?}, version {version}, do not add up: {identity}; this is \
         a bug, and nothing that led to it was committed"
    )]
    NotConserved {
        /// The shard.
        shard: u16,
        /// The journey's id.
        journey: String,
        /// The version.
        version: u32,
        /// Both sides of the identity.
        identity: String,
    },
    /// Bugs of ours (protocol 14): what panicked is passed over or parked, and that is committed.
    #[error(
        "{GIVEN_UP_MAX} inputs panicked twice within an hour, which is a bug; `wayfarer rejects list` and the \
         parked users tell which, and a restart goes on behind them"
    )]
    GivenUp,
    /// A bug of ours that no single input can be blamed for, and no parked user cures.
    #[error(
        "shard {shard} panicked again and again at {what}, which no input can be blamed for; this is a bug"
    )]
    Panicked {
        /// The shard.
        shard: u16,
        /// What it was doing.
        what: &'static str,
    },
}

impl Failure {
    /// Whether a shard's records are to blame, as they were read.
    pub(super) const fn is_of_records(&self) -> bool {
        matches!(self, Self::Journal(_) | Self::Restore(_) | Self::Unreadable { .. })
    }
}

/// What a turn did, and when the next one is worth taking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// Records and lines that were decided.
    pub read: usize,
    /// How often records were read.
    pub batches: usize,
    /// Timers that fired.
    pub fired: usize,
    /// Held users who were let go.
    pub released: usize,
    /// Pages of the format before that were renewed.
    pub renewed: usize,
    /// Rows of lists that were taken.
    pub rows: usize,
    /// Sends that were handed over.
    pub sends: u64,
    /// Whether anything was committed.
    pub committed: bool,
    /// Whether epochs were taken.
    pub epochs: bool,
    /// Whether a commit has acknowledged them, or was a shard's first after its restore.
    pub acknowledged: bool,
    /// Why what was decided was undone; it is taken again, after a while.
    pub refused: Option<String>,
    /// Journeys whose failure budget is spent (G17), by number.
    pub budget_spent: Vec<JourneyIndex>,
    /// Inputs that panicked twice and are behind a commit: dead letters, and users who were parked.
    pub given_up: usize,
    /// Shards that are no longer this worker's; what was shown of them is another's to show.
    pub lost: Vec<u16>,
    /// Whether there is more to do at once.
    pub more: bool,
    /// The time at which the next timer or date of any shard is due; or that up to which a followed file
    /// must have been read before records can be taken.
    pub next_wake: Option<Timestamp>,
}

/// The shards of one worker, its journal, and what waits to be taken.
#[derive(Debug)]
pub struct Cycle<J: Journal> {
    pub(super) journal: J,
    pub(super) options: Options,
    /// Ascending by number.
    pub(super) owned: Vec<Owned>,
    /// Accepted commands that some shard has not committed yet.
    pub(super) steps: VecDeque<Arc<Step>>,
    /// Lines of a followed file that are not committed yet.
    pub(super) lines: VecDeque<Lines>,
    /// Up to which time a followed file has been read; [`Timestamp::MIN`] while it is behind.
    pub(super) file_until: Timestamp,
    /// How often a turn reads at most before it commits, while there is more to read.
    batches_max: usize,
    /// What was polled last.
    pub(super) batch: Batch,
    /// Up to which time its records have been taken, and when the first was appended that waits for the file.
    pub(super) taken: Timestamp,
    pub(super) waiting: Option<Timestamp>,
    pub(super) rows: Batch,
    pub(super) tx: Transaction,
    /// What is measured: whoever drives the cycle publishes it.
    pub metrics: WorkerMetrics,
    /// Sends that wait for their receipts.
    pub(super) deliveries: Deliveries,
    pub(super) strikes: Vec<Strike>,
    /// Shards that were gained and are not open yet.
    pub(super) opening: Vec<Ticket>,
    /// Those of them that nobody restores yet.
    pub(super) to_restore: VecDeque<Restoring<J::Stored>>,
    /// The control log, as far as restores have folded it.
    pub(super) chronicle: Arc<Mutex<Chronicle>>,
    /// What the turn is to say it lost.
    pub(super) lost: Vec<u16>,
}

impl<J: Journal> Cycle<J> {
    /// Of `journal`, which says at each turn what shards there are: those are to be restored
    /// ([`Cycle::next_restoring`], [`Cycle::install`]), and are open from the turn after that.
    #[must_use]
    pub fn new(journal: J, options: Options) -> Self {
        let reads = options.reads;
        Self {
            journal,
            options,
            owned: Vec::new(),
            steps: VecDeque::new(),
            lines: VecDeque::new(),
            file_until: Timestamp::MAX,
            batches_max: 1,
            batch: Batch::new(),
            taken: Timestamp::MIN,
            waiting: None,
            rows: Batch::new(),
            tx: Transaction::new(),
            metrics: WorkerMetrics::new(),
            deliveries: Deliveries::default(),
            strikes: Vec::new(),
            opening: Vec::new(),
            to_restore: VecDeque::new(),
            chronicle: Arc::new(Mutex::new(Chronicle::reading(reads))),
            lost: Vec::new(),
        }
    }

    /// With every shard that `journal` gives at once restored to its last commit; says now and then how far it
    /// is.
    ///
    /// # Errors
    /// If something cannot be read, or does not fit together: a shard stays closed rather than half open.
    pub fn open(
        journal: J,
        control: &impl ControlLog,
        options: Options,
        progress: OnProgress<'_>,
    ) -> Result<Self, Failure> {
        let mut cycle = Self::new(journal, options);
        cycle.journal.poll(&mut cycle.batch, 0)?;
        cycle.shards_moved()?;
        cycle.restore_now(control, progress)?;
        Ok(cycle)
    }

    /// Lets restores fold the control log together with those of `other`, a cycle over the same log: once for both.
    pub fn fold_with(&mut self, other: &Self) {
        self.chronicle = Arc::clone(&other.chronicle);
    }

    /// Hands over an accepted command, in the order of the control log; one that every shard has taken does
    /// nothing.
    pub fn push_step(&mut self, step: Arc<Step>) {
        if self.steps.back().is_none_or(|last| last.epoch.number < step.epoch.number) {
            self.steps.push_back(step);
        }
    }

    /// Hands over lines of a followed file, in order.
    pub fn push_lines(&mut self, lines: Lines) {
        self.lines.push_back(lines);
    }

    /// Says up to which time a followed file has been read; see [`super::feed::FileClock`].
    pub fn read_until(&mut self, at: Timestamp) {
        self.file_until = at;
    }

    /// Up to which time the followed file has been taken: it is behind while its lines wait for a shard that is
    /// being restored.
    pub(super) fn file_until(&self) -> Timestamp {
        if self.lines.is_empty() || self.opening.is_empty() { self.file_until } else { Timestamp::MIN }
    }

    /// Lets a turn read so often before it commits, at least once, while it finds as much as it can take at once.
    pub fn read_at_most(&mut self, batches: usize) {
        self.batches_max = batches.max(1);
    }

    /// Waits until there may be records to poll, at most so long; whether the journal can do that.
    pub fn wait(&mut self, at_most: Duration) -> bool {
        self.journal.wait(at_most)
    }

    /// How many lines wait.
    #[must_use]
    pub fn lines_waiting(&self) -> usize {
        self.lines.iter().map(|lines| lines.lines.len()).sum()
    }

    /// The shards, ascending by number.
    pub fn shards(&self) -> impl Iterator<Item = (u16, &Shard)> {
        self.owned.iter().map(|owned| (owned.number, &owned.shard))
    }

    /// How many events are accepted and not yet read, as far as the journal knows, and how many lines wait.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let accepted: u64 = self.owned.iter().map(|owned| self.journal.unread(owned.number)).sum();
        accepted + self.lines_waiting() as u64
    }

    /// How far each list is that a shard takes: the shard, the journey, the cursor.
    pub fn lists(&self) -> impl Iterator<Item = (u16, JourneyIndex, Cursor)> {
        self.owned
            .iter()
            .flat_map(|o| o.lists.committed().map(|(journey, cursor)| (o.number, journey, cursor)))
    }

    /// By what the followed files of these shards are known, and how far each shard has read them.
    pub fn files(&self) -> impl Iterator<Item = (u8, &super::feed::Mark, u64)> {
        self.owned.iter().flat_map(|owned| {
            let position = |file: u8| owned.shard.position(number_of(Source::File(u32::from(file))));
            owned.marks.iter().map(move |(file, mark)| (file, mark, position(file)))
        })
    }

    /// The time now, as the journal has it; `wall` is the local clock.
    #[must_use]
    pub fn now(&self, wall: Timestamp) -> Timestamp {
        self.journal.now(wall)
    }

    /// One turn at the wall clock `now`: at most one commit, and one before it if there are epochs to take.
    ///
    /// # Errors
    /// See [`Failure`]: the worker must not go on.
    pub fn turn(&mut self, now: Timestamp) -> Result<Turn, Failure> {
        let (mut turn, started) = (Turn::default(), Instant::now());
        self.metrics.counters.cycles += 1;
        // 1. Epochs, between two inputs. Their commit is their acknowledgement, and a shard's first one.
        let taken = self.decide(&mut turn, |cycle, turn| {
            cycle.park_poison()?;
            cycle.take_steps(now, turn)
        })?;
        if taken.is_err() {
            return Ok(self.end(turn));
        }
        if turn.epochs || self.owned.iter().any(|owned| owned.opening) {
            let settled = self.settle(now, started, &mut turn)?;
            turn.acknowledged = turn.committed;
            if let Settled::Undone(reason) = settled {
                turn.refused = Some(reason);
                return Ok(self.end(turn));
            }
        }
        // 2. and 3. Records, as often as there are plenty, and what they let happen.
        let decided = self.read(now, started, &mut turn)?;
        if decided.is_err() {
            return Ok(self.end(turn));
        }
        if self.take_rows(now, &mut turn)?.is_err() {
            return Ok(self.end(turn));
        }
        // 4. One commit. What it does not carry has not happened.
        match self.settle(now, started, &mut turn)? {
            Settled::Kept if self.opening.is_empty() => self.lines.clear(),
            Settled::Kept => {}
            Settled::Undone(reason) => turn.refused = Some(reason),
        }
        // 5. Whoever drives the cycle lets sends go, tells who waits for an epoch, and shows what was measured.
        Ok(self.end(turn))
    }

    /// Reads and decides, batch by batch, while there are plenty; then timers and releases. Each has a budget.
    ///
    /// Shards come and go in between: what was decided for one that goes has not happened.
    fn read(
        &mut self,
        now: Timestamp,
        started: Instant,
        turn: &mut Turn,
    ) -> Result<Result<(), Panicked>, Failure> {
        for _ in 0..self.batches_max {
            // While a followed file is behind, its lines come first: they happened before. Records that wait for
            // it are still those that were polled last.
            let is_behind = self.file_until() == Timestamp::MIN;
            if is_behind || self.waiting.is_none() {
                self.forget_batch();
                steps::reach(if turn.read == 0 { steps::Step::Idle } else { steps::Step::ReadOn });
                self.journal.poll(&mut self.batch, if is_behind { 0 } else { self.options.events_max })?;
                if !self.batch.is_empty() {
                    steps::reach(steps::Step::Read);
                }
                self.shards_moved()?;
            }
            turn.batches += 1;
            let decided = self.decide(turn, |cycle, turn| {
                if turn.batches == 1 {
                    cycle.take_lines(now, started, turn)?;
                }
                cycle.take_records(now, started, turn)
            })?;
            if decided.is_err() {
                return Ok(decided);
            }
            if self.batch.len() < self.options.events_max || self.waiting.is_some() {
                break;
            }
        }
        self.decide(turn, |cycle, turn| {
            cycle.wake(now, turn)?;
            cycle.release(now, turn)?;
            cycle.renew(turn)
        })
    }

    fn end(&mut self, mut turn: Turn) -> Turn {
        let timers = self.owned.iter().filter_map(|owned| owned.shard.next_wake());
        turn.next_wake = timers.chain(self.waiting).min();
        turn.more |= !self.lines.is_empty() && self.opening.is_empty() && turn.refused.is_none();
        turn.lost = std::mem::take(&mut self.lost);
        turn
    }

    /// Runs decisions; if one panics, everything since the last commit is undone, and the turn is to end.
    pub(super) fn decide(
        &mut self,
        turn: &mut Turn,
        work: impl FnOnce(&mut Self, &mut Turn) -> Result<(), Panicked>,
    ) -> Result<Result<(), Panicked>, Failure> {
        let done = work(self, turn);
        if done.is_err() {
            self.recover(turn)?;
        }
        Ok(done)
    }

    fn recover(&mut self, turn: &mut Turn) -> Result<(), Failure> {
        self.metrics.counters.panics += 1;
        turn.more = true;
        let Some(strike) = self.strikes.last() else { return Ok(()) };
        if strike.is_hopeless() {
            return Err(Failure::Panicked { shard: strike.shard, what: strike.place.what() });
        }
        tracing::error!(shard = strike.shard, place = ?strike.place, count = strike.count,
            "a decision panicked, which is a bug; the shard is read anew from its last commit");
        let shard = strike.shard;
        self.reopen(shard)
    }
}
