//! The running process as its API sees it: accepts records, takes commands, answers questions.
//!
//! An accepted record is durable. A command is appended to the control log, folded, and handed to every
//! worker in the log's order; it is answered when every shard has committed its epoch (G11), whichever instance
//! owns it. Commands of other instances come with the log, which [`super::tail`] follows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::unbounded;

use super::board::Board;
use super::clock;
use super::desk::{Desk, DeskError, Stored};
use super::inbox::{Message, Sending};
use super::view::Counts;
use super::{letters, lookback, story};
use crate::control::fold::Fold;
use crate::control::letters::{Replay, Wanted};
use crate::control::range::Ask;
use crate::control::service::{
    Accepted, AcceptedKind, Answer, CommandError, FormatsView, Health, JourneyView, RejectView, Service,
    StatisticsError, Unavailable, Waiting,
};
use crate::control::statistics::{Asked, NodesNow, Report};
use crate::control::story::StoryView;
use crate::control::unsaved::Unsaved;
use crate::control::{Command, Lineage, Manifest, Record, Refused};
use crate::engine::hold::Preview;
use crate::engine::journey_state::RefusalReason;
use crate::journal::{Acknowledged, Append, IntakeState, JournalError, Kind, Log};
use crate::journey::catalog::{JourneyIndex, PlanIndex};
use crate::metrics::{Hub, Stage};
use crate::model::input::Selection;

/// How many rows of a list are appended at once.
const ROWS_AT_ONCE: usize = 5_000;
/// How long a command that was appended may take to show in the control log.
const FOLD_WAIT: Duration = Duration::from_secs(10);
/// How often whoever waits looks at what other instances have done.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many answers are remembered for those who wait for theirs: each is asked for at once.
const ANSWERS_MAX: usize = 4_096;
/// How long workers may take to answer a question about their shards.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The running process. Shared by everybody who asks something of it.
#[derive(Debug)]
pub struct Running<L> {
    log: L,
    shards: u16,
    /// The control log, folded as far as it was looked at: by whoever gives a command, and by the tailer.
    desk: Mutex<Folded>,
    /// One list at a time, so that its rows are one run in each shard.
    uploads: Mutex<()>,
    board: Arc<Board>,
    hub: Hub,
    workers: Vec<Sending>,
}

/// What has been folded, and what the latest records were answered.
#[derive(Debug)]
struct Folded {
    desk: Desk,
    /// By offset, ascending: the epoch, or why there is none.
    answers: VecDeque<(u64, Result<u64, Refused>)>,
}

/// A desk is whole after a panic elsewhere: it changes by whole records.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which worker owns a shard, where `workers` divide them: neighbours in turn.
#[must_use]
pub const fn worker_of(shard: u16, workers: usize) -> usize {
    shard as usize % workers
}

const fn kind_of(kind: AcceptedKind) -> Kind {
    match kind {
        AcceptedKind::Event => Kind::Event,
        AcceptedKind::Enter => Kind::Entry,
        AcceptedKind::Row => Kind::ListRow,
        AcceptedKind::Receipt => Kind::Receipt,
        AcceptedKind::Remove => Kind::Remove,
        AcceptedKind::Delete => Kind::Delete,
    }
}

impl<L: Log> Running<L> {
    /// Over a journal whose control log has been folded into `desk`.
    #[must_use]
    pub fn new(log: L, desk: Desk, board: Arc<Board>, hub: Hub, workers: Vec<Sending>) -> Self {
        let shards = log.shard_count();
        hub.folded(desk.fold().catalog().epoch);
        let desk = Mutex::new(Folded { desk, answers: VecDeque::new() });
        Self { log, shards, desk, uploads: Mutex::new(()), board, hub, workers }
    }

    /// What workers tell.
    #[must_use]
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        usize::from(self.shards)
    }

    /// Tells every worker something.
    pub fn tell_all(&self, message: impl Fn() -> Message) {
        self.workers.iter().for_each(|worker| worker.tell(message()));
    }

    /// Looks at the journeys as the control log has made them.
    pub fn with_fold<T>(&self, look: impl FnOnce(&Fold) -> T) -> T {
        look(lock(&self.desk).desk.fold())
    }

    /// Appends records as they are, and wakes their workers.
    ///
    /// # Errors
    /// If the journal takes nothing now.
    pub fn append(&self, records: &[Append<'_>]) -> Result<Vec<u64>, Unavailable> {
        let appended = self.log.append(clock::wall(), records).map_err(|e| Unavailable(e.to_string()))?;
        if self.log.is_shared() {
            // Whose they are, here or elsewhere, is the journal's to say.
            self.workers.iter().for_each(Sending::signal);
            return Ok(appended.offsets);
        }
        let mut woken = 0u128;
        for record in records {
            let worker = worker_of(record.shard, self.workers.len());
            let bit = 1u128.checked_shl(worker as u32).unwrap_or(0);
            if bit == 0 || woken & bit == 0 {
                self.workers[worker].signal();
                woken |= bit;
            }
        }
        Ok(appended.offsets)
    }

    /// The shard of a user.
    #[must_use]
    pub fn shard_of(&self, user: &str) -> u16 {
        self.log.shard_of(user)
    }

    /// Folds what the control log has by now, whoever appended it, and hands it to the workers in its order.
    /// The offset of the record that comes next.
    ///
    /// # Errors
    /// If it cannot be read, or a record is of another build.
    pub fn fold(&self) -> Result<u64, DeskError> {
        let mut folded = lock(&self.desk);
        let Folded { desk, answers } = &mut *folded;
        desk.catch_up(&self.log, &mut |record, answered| {
            if let Ok((_, Some(step))) = &answered {
                self.hub.folded(step.epoch.number);
                self.workers.iter().for_each(|worker| worker.tell(Message::Step(Arc::clone(step))));
            }
            answers.push_back((record.offset, answered.map(|(applied, _)| applied.number)));
            if answers.len() > ANSWERS_MAX {
                answers.pop_front();
            }
        })?;
        Ok(desk.next())
    }

    /// What the record at `offset` was answered; `None` if it has not been folded yet.
    fn answer(&self, offset: u64) -> Option<Result<u64, Refused>> {
        let folded = lock(&self.desk);
        let at = folded.answers.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some(folded.answers[at].1.clone())
    }

    /// Appends a command, and waits until it has been folded, by whomever. Returns its epoch.
    fn give(&self, stored: &Stored) -> Result<u64, CommandError> {
        let ours = self.log.append_control(clock::wall(), &stored.encode()).map_err(|e| unavailable(&e))?;
        let until = Instant::now() + FOLD_WAIT;
        loop {
            self.fold().map_err(|e| unavailable(&e))?;
            if let Some(answer) = self.answer(ours.offset) {
                return Ok(answer?);
            }
            if Instant::now() >= until {
                return Err(unavailable(
                    &"the command is recorded, and the control log has not shown it yet",
                ));
            }
            self.log.wait_control(ours.offset, LOOK_EVERY);
        }
    }

    /// Waits until every shard, of whatever instance, has committed the epoch, at most for `wait`.
    fn settled(&self, epoch: u64, wait: Duration) -> Answer {
        let until = Instant::now() + wait;
        let mut known = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let slice = if self.log.is_shared() { left.min(LOOK_EVERY) } else { left };
            let missing = self.board.wait_for(epoch, slice);
            if missing.is_empty() {
                return Answer::Done { epoch };
            }
            if left.is_zero() {
                return Answer::Pending { epoch, shards: waiting(&missing, &known) };
            }
            match self.log.acknowledged() {
                Ok(acknowledged) => known = acknowledged,
                Err(error) => tracing::warn!(%error, "what other instances have committed is not known"),
            }
            self.board.committed(known.iter().map(|of| (of.shard, of.epoch)));
        }
    }

    /// Whether a command would be refused, and whether it is a repeat, without giving it.
    pub(super) fn rehearse(&self, record: &Record) -> Result<bool, CommandError> {
        let mut fold = self.with_fold(Fold::clone);
        let number = u64::MAX;
        let (_, applied) = fold.apply(number, clock::wall(), record)?;
        Ok(applied.number != number)
    }

    /// A record about a user.
    fn append_of<'a>(&self, user: &'a str, kind: Kind, bytes: &'a [u8]) -> Append<'a> {
        Append { shard: self.shard_of(user), kind, user: Some(user), bytes }
    }

    /// Appends a list's rows; where they lie, by shard.
    fn append_rows(
        &self,
        journey: &str,
        rows: &[(String, Vec<u8>)],
    ) -> Result<Vec<(u64, u64)>, CommandError> {
        let mut ranges = vec![None::<(u64, u64)>; usize::from(self.shards)];
        for some in rows.chunks(ROWS_AT_ONCE) {
            let records: Vec<(&str, Vec<u8>)> =
                some.iter().map(|(user, fields)| (user.as_str(), row(journey, user, fields))).collect();
            let appends: Vec<Append<'_>> =
                records.iter().map(|(user, bytes)| self.append_of(user, Kind::ListRow, bytes)).collect();
            let appended = self.log.append(clock::wall(), &appends).map_err(|e| unavailable(&e))?;
            for (record, offset) in appends.iter().zip(appended.offsets) {
                let range = ranges[usize::from(record.shard)].get_or_insert((offset, offset));
                range.1 = offset + 1;
            }
        }
        Ok(ranges.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Who is where now, by node of these versions.
    fn places(&self, plans: &[PlanIndex]) -> Result<BTreeMap<PlanIndex, NodesNow>, Unavailable> {
        let (answer, answers) = unbounded();
        let asked: Arc<[PlanIndex]> = plans.into();
        self.tell_all(|| Message::Places(Arc::clone(&asked), answer.clone()));
        drop(answer);
        let until = Instant::now() + ANSWER_WAIT;
        let (mut all, mut answered) = (BTreeMap::<PlanIndex, NodesNow>::new(), 0);
        while let Ok(share) = answers.recv_deadline(until) {
            for (plan, nodes) in plans.iter().zip(share.versions) {
                let sum = all.entry(*plan).or_default();
                sum.resize(sum.len().max(nodes.len()), Default::default());
                for (sum, node) in sum.iter_mut().zip(nodes) {
                    sum.iter_mut().zip(node).for_each(|(sum, n)| *sum += n);
                }
            }
            answered += share.shards;
        }
        self.all_answered(answered)?;
        Ok(all)
    }

    pub(super) fn log(&self) -> &L {
        &self.log
    }

    fn all_answered(&self, answered: usize) -> Result<(), Unavailable> {
        let all = self.shards();
        if answered < all {
            return Err(Unavailable(format!("{answered} of {all} shards said what they hold")));
        }
        Ok(())
    }

    fn view(&self, fold: &Fold, number: usize, lineage: &Lineage) -> JourneyView {
        let now = clock::wall();
        let journey = number as JourneyIndex;
        let catalog = fold.catalog();
        let mut versions: BTreeMap<PlanIndex, Counts> = BTreeMap::new();
        let mut refused = [0; RefusalReason::ALL.len()];
        for (_, shown) in self.board.views() {
            // An owner may have taken epochs that are not folded here yet.
            let of_journey = |plan: PlanIndex| {
                usize::from(plan) < catalog.plan_count() && catalog.journey_of(plan) == journey
            };
            for (plan, counts) in shown.versions.iter().filter(|(plan, _)| of_journey(*plan)) {
                versions.entry(*plan).or_default().add(counts);
            }
            for (_, share) in shown.refusals.iter().filter(|(of, _)| *of == journey) {
                refused.iter_mut().zip(share).for_each(|(slot, n)| *slot += n);
            }
        }
        let lifecycle = &lineage.lifecycle;
        let published = lineage.published.as_ref();
        JourneyView {
            id: lineage.id.clone(),
            name: lineage.saved.name.clone(),
            dialect: lifecycle.dialect().name().to_owned(),
            state: lifecycle.state_at(now).name.to_owned(),
            gates: lifecycle.gates(now),
            allowed: lifecycle.allowed(now),
            revision: lineage.revision,
            version: lineage.live().map(|version| version.number),
            created_by: lineage.created.by.clone(),
            created_at: lineage.created.at,
            published_by: published.map(|mark| mark.by.clone()),
            published_at: published.map(|mark| mark.at),
            failure: lineage.failure.clone(),
            versions: versions.iter().map(|(plan, counts)| counts.named(*plan, catalog)).collect(),
            refused: RefusalReason::ALL
                .iter()
                .zip(refused)
                .filter(|(_, n)| *n > 0)
                .map(|(reason, n)| (reason.as_str().to_owned(), n))
                .collect(),
        }
    }
}

/// What is known of shards that have not committed an epoch.
fn waiting(missing: &[u16], known: &[Acknowledged]) -> Vec<Waiting> {
    let of = |&shard: &u16| {
        let last = known.iter().find(|of| of.shard == shard);
        Waiting { shard, epoch: last.map_or(0, |of| of.epoch), owner: last.map(|of| of.owner.clone()) }
    };
    missing.iter().map(of).collect()
}

fn unavailable(why: &dyn ToString) -> CommandError {
    CommandError::Unavailable(Unavailable(why.to_string()))
}

pub(super) fn unreadable(what: &str, error: &JournalError) -> Unavailable {
    tracing::error!(%error, "{what} cannot be read");
    Unavailable(format!("{what} cannot be read: {error}"))
}

/// A row of a list as it is stored: what [`super::decide`] reads.
fn row(journey: &str, user: &str, fields: &[u8]) -> Vec<u8> {
    let text = |text: &str| serde_json::to_vec(text).expect("a text is JSON");
    let mut out = b"{\"journey\":".to_vec();
    out.extend(text(journey));
    out.extend_from_slice(b",\"user\":");
    out.extend(text(user));
    if !fields.is_empty() {
        out.extend_from_slice(b",\"properties\":");
        out.extend_from_slice(fields);
    }
    out.push(b'}');
    out
}

impl<L: Log> Service for Running<L> {
    fn accept(&self, records: Vec<Accepted>) -> Result<(), Unavailable> {
        let appends: Vec<Append<'_>> = records
            .iter()
            .map(|record| self.append_of(&record.user, kind_of(record.kind), &record.bytes))
            .collect();
        self.append(&appends).map(drop)
    }

    fn command(&self, record: Record, wait: Duration) -> Result<Answer, CommandError> {
        let given = Instant::now();
        if let Command::Format(format) = record.command {
            self.check_format(format, &record)?;
        }
        let epoch = self.give(&record.into())?;
        let answer = self.settled(epoch, wait);
        match &answer {
            Answer::Done { .. } => self.hub.record(Stage::GateFlip, given.elapsed()),
            // When it will be done nobody here will see.
            Answer::Pending { .. } => self.hub.pending(),
        }
        Ok(answer)
    }

    fn upload(
        &self,
        mut record: Record,
        rows: Vec<(String, Vec<u8>)>,
        wait: Duration,
    ) -> Result<Answer, CommandError> {
        if let Command::List(Manifest { list, rows: count }) = &mut record.command {
            *count = rows.len() as u64;
            if list.is_empty() {
                let named = |fold: &Fold| fold.registry().get(&record.journey)?.saved.entry.list.clone();
                *list = self.with_fold(named).unwrap_or_default();
            }
        }
        let _one_at_a_time = lock(&self.uploads);
        // Rows are appended only for a list that will be taken, and once.
        let ranges = match self.rehearse(&record) {
            Ok(false) => self.append_rows(&record.journey, &rows)?,
            Ok(true) | Err(_) => Vec::new(),
        };
        let epoch = self.give(&Stored { record, rows: ranges })?;
        Ok(self.settled(epoch, wait))
    }

    fn journeys(&self) -> Vec<JourneyView> {
        let folded = lock(&self.desk);
        let fold = folded.desk.fold();
        let lineages = fold.registry().lineages().iter().enumerate();
        lineages.map(|(number, lineage)| self.view(fold, number, lineage)).collect()
    }

    fn formats(&self) -> Result<FormatsView, Unavailable> {
        self.formats_of_shards()
    }

    fn unsaved(&self, journey: &str, actor: &str) -> Option<Unsaved> {
        self.with_fold(|fold| fold.registry().get(journey)?.unsaved.get(actor).cloned())
    }

    fn preview(&self, journey: &str, selection: &Selection) -> Result<Option<Preview>, Unavailable> {
        let Some(index) = self.with_fold(|fold| fold.catalog().journey_index(journey)) else {
            return Ok(None);
        };
        let (answer, answers) = unbounded();
        self.tell_all(|| Message::Preview(index, selection.clone(), answer.clone()));
        drop(answer);
        let until = Instant::now() + ANSWER_WAIT;
        let (mut all, mut answered) = (Preview { users: 0, oldest_due: None }, 0);
        while let Ok(share) = answers.recv_deadline(until) {
            all.users += share.users;
            all.oldest_due = [all.oldest_due, share.oldest_due].into_iter().flatten().min();
            answered += 1;
        }
        self.all_answered(answered)?;
        Ok(Some(all))
    }

    fn statistics(&self, journey: &str, ask: &Ask) -> Result<Report, StatisticsError> {
        let now = clock::wall();
        let asked = self.with_fold(|fold| Asked::of(fold, journey, ask, now))?;
        // Hours are read as they were committed last, which no worker is asked for.
        let tally = lookback::tally(&self.log, self.shards, &asked)?;
        let places = self.places(&asked.plans)?;
        Ok(asked.answer(&tally, &places))
    }

    fn explain(&self, user: &str, journey: Option<&str>) -> Result<StoryView, Unavailable> {
        story::of_user(&self.log, user, journey).map_err(|e| unreadable("the stored movements", &e))
    }

    fn rejects(&self, from: u64, max: usize) -> Result<Vec<RejectView>, Unavailable> {
        letters::rejects(&self.log, from, max).map_err(|e| unreadable("the dead letters", &e))
    }

    fn replay(&self, wanted: &Wanted) -> Result<Replay, Unavailable> {
        let replay = letters::replay(&self.log, wanted).map_err(Unavailable);
        self.workers.iter().for_each(Sending::signal);
        replay
    }

    fn health(&self) -> Health {
        let health = self.board.health();
        match self.log.intake_state() {
            IntakeState::Stopped { reason } if health.ready => Health { ready: false, why: Some(reason) },
            IntakeState::Open | IntakeState::Stopped { .. } => health,
        }
    }

    fn metrics(&self) -> String {
        self.hub.render()
    }
}
