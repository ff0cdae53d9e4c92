//! The running process as its API sees it: accepts records, takes commands, answers questions.
//!
//! An accepted record is durable. A command is appended to the control log, folded, and handed to every
//! worker in the log's order; it is answered when every shard has committed its epoch (G11).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::unbounded;

use super::board::Board;
use super::clock;
use super::desk::{Answered, Desk, Step, Stored};
use super::inbox::{Message, Sending};
use super::publish::merge;
use super::story;
use crate::control::fold::Fold;
use crate::control::service::{
    Accepted, AcceptedKind, Answer, CommandError, Health, JourneyView, RejectView, Service, Unavailable,
    VersionView,
};
use crate::control::unsaved::Unsaved;
use crate::control::{Command, Grant, Lineage, Manifest, Record};
use crate::engine::hold::Preview;
use crate::engine::journey_state::RefusalReason;
use crate::journal::{Append, IntakeState, JournalError, Kind, Log};
use crate::journey::catalog::JourneyIndex;
use crate::metrics::{Hub, Stage};
use crate::model::hash::shard_of;
use crate::model::input::Selection;

/// How many rows of a list are appended at once.
const ROWS_AT_ONCE: usize = 5_000;
/// How long workers may take to answer what a release would do.
const PREVIEW_WAIT: Duration = Duration::from_secs(2);

/// The running process. Shared by everybody who asks something of it.
#[derive(Debug)]
pub struct Running<L> {
    log: L,
    shards: u16,
    /// The control log, folded; whoever appends to it holds this.
    desk: Mutex<Desk>,
    /// One list at a time, so that its rows are one run in each shard.
    uploads: Mutex<()>,
    board: Arc<Board>,
    hub: Hub,
    workers: Vec<Sending>,
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
        Self { log, shards, desk: Mutex::new(desk), uploads: Mutex::new(()), board, hub, workers }
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
        look(lock(&self.desk).fold())
    }

    /// What was granted last of a journey's entry limit.
    #[must_use]
    pub fn granted(&self, journey: JourneyIndex) -> Option<Grant> {
        lock(&self.desk).granted(journey).cloned()
    }

    /// Appends records as they are, and wakes their workers.
    ///
    /// # Errors
    /// If the journal takes nothing now.
    pub fn append(&self, records: &[Append<'_>]) -> Result<Vec<u64>, Unavailable> {
        let appended = self.log.append(clock::wall(), records).map_err(|e| Unavailable(e.to_string()))?;
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
        shard_of(user, self.shards)
    }

    /// Appends a command, folds it, and hands it to the workers. Returns its epoch.
    fn give(&self, stored: &Stored) -> Result<u64, CommandError> {
        let mut desk = lock(&self.desk);
        let ours = self.log.append_control(clock::wall(), &stored.encode()).map_err(|e| unavailable(&e))?;
        let mut answer: Option<Answered> = None;
        // Whatever came before ours (after an unknown outcome) is folded and handed on first.
        desk.catch_up(&self.log, &mut |record, answered| {
            if let Ok((_, Some(step))) = &answered {
                self.hand_on(step);
            }
            if record.offset == ours.offset {
                answer = Some(answered);
            }
        })
        .map_err(|e| unavailable(&e))?;
        let answer = answer.ok_or_else(|| unavailable(&"the control log lost the command"))?;
        Ok(answer?.0.number)
    }

    fn hand_on(&self, step: &Arc<Step>) {
        self.workers.iter().for_each(|worker| worker.tell(Message::Step(Arc::clone(step))));
    }

    fn settled(&self, epoch: u64, wait: Duration) -> Answer {
        let shards = self.board.wait_for(epoch, wait);
        if shards.is_empty() { Answer::Done { epoch } } else { Answer::Pending { epoch, shards } }
    }

    /// Whether a command would be refused, and whether it is a repeat, without giving it.
    fn rehearse(&self, record: &Record) -> Result<bool, CommandError> {
        let mut fold = self.with_fold(Fold::clone);
        let number = u64::MAX;
        let (_, applied) = fold.apply(number, clock::wall(), record)?;
        Ok(applied.number != number)
    }

    /// Appends a list's rows; where they lie, by shard.
    fn append_rows(
        &self,
        journey: &str,
        rows: &[(String, Vec<u8>)],
    ) -> Result<Vec<(u64, u64)>, CommandError> {
        let mut ranges = vec![None::<(u64, u64)>; usize::from(self.shards)];
        for some in rows.chunks(ROWS_AT_ONCE) {
            let records: Vec<(u16, Vec<u8>)> =
                some.iter().map(|(user, fields)| (self.shard_of(user), row(journey, user, fields))).collect();
            let appends: Vec<Append<'_>> = records
                .iter()
                .map(|(shard, bytes)| Append { shard: *shard, kind: Kind::ListRow, bytes })
                .collect();
            let appended = self.log.append(clock::wall(), &appends).map_err(|e| unavailable(&e))?;
            for (record, offset) in appends.iter().zip(appended.offsets) {
                let range = ranges[usize::from(record.shard)].get_or_insert((offset, offset));
                range.1 = offset + 1;
            }
        }
        Ok(ranges.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn view(&self, fold: &Fold, number: usize, lineage: &Lineage) -> JourneyView {
        let now = clock::wall();
        let journey = number as JourneyIndex;
        let mut versions: BTreeMap<u32, VersionView> = BTreeMap::new();
        let catalog = fold.catalog();
        for entry in &self.board.versions {
            let (_, plan) = *entry.key();
            if usize::from(plan) < catalog.plan_count() && catalog.journey_of(plan) == journey {
                let of = catalog.plan(plan).version;
                let fresh = || VersionView { conserved: true, ..VersionView::default() };
                merge(versions.entry(of).or_insert_with(fresh), entry.value());
            }
        }
        let mut refused = [0; RefusalReason::ALL.len()];
        for entry in self.board.refusals.iter().filter(|entry| entry.key().1 == journey) {
            refused.iter_mut().zip(entry.value()).for_each(|(slot, n)| *slot += n);
        }
        let shown = |view: VersionView| VersionView {
            exited: view.exited.into_iter().filter(|(_, n)| *n > 0).collect(),
            ..view
        };
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
            versions: versions.into_values().map(shown).collect(),
            refused: RefusalReason::ALL
                .iter()
                .zip(refused)
                .filter(|(_, n)| *n > 0)
                .map(|(reason, n)| (reason.as_str().to_owned(), n))
                .collect(),
        }
    }
}

fn unavailable(why: &dyn ToString) -> CommandError {
    CommandError::Unavailable(Unavailable(why.to_string()))
}

fn unreadable(what: &str, error: &JournalError) -> Unavailable {
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
            .map(|r| Append { shard: self.shard_of(&r.user), kind: kind_of(r.kind), bytes: &r.bytes })
            .collect();
        self.append(&appends).map(drop)
    }

    fn command(&self, record: Record, wait: Duration) -> Result<Answer, CommandError> {
        let given = Instant::now();
        let epoch = self.give(&record.into())?;
        let answer = self.settled(epoch, wait);
        if matches!(answer, Answer::Done { .. }) {
            self.hub.record(Stage::GateFlip, given.elapsed());
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
        let desk = lock(&self.desk);
        let fold = desk.fold();
        let lineages = fold.registry().lineages().iter().enumerate();
        lineages.map(|(number, lineage)| self.view(fold, number, lineage)).collect()
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
        let until = Instant::now() + PREVIEW_WAIT;
        let (mut all, mut answered) = (Preview { users: 0, oldest_due: None }, 0);
        while let Ok(share) = answers.recv_deadline(until) {
            all.users += share.users;
            all.oldest_due = [all.oldest_due, share.oldest_due].into_iter().flatten().min();
            answered += 1;
        }
        if answered < self.shards() {
            let all = self.shards();
            return Err(Unavailable(format!("{answered} of {all} shards said what they hold")));
        }
        Ok(Some(all))
    }

    fn explain(&self, user: &str, journey: Option<&str>) -> Result<Vec<String>, Unavailable> {
        story::of_user(&self.log, user, journey).map_err(|e| unreadable("the stored movements", &e))
    }

    fn rejects(&self, from: u64, max: usize) -> Result<Vec<RejectView>, Unavailable> {
        story::rejects(&self.log, from, max).map_err(|e| unreadable("the dead letters", &e))
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
