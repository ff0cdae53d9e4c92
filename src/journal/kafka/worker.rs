//! One worker's shards: what the group gives it, what it reads of them, and up to which time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Consumer, Edge, Message, Messages, Partition, Rebalance, Timestamp as Stamp};
use super::codec;
use super::commit::Transactions;
use super::ends::INPUTS;
use super::load::{self, Loaded, Loader};
use super::member::{self, Fences};
use super::rows::Rows;
use super::{Shared, Start, Waker, storage};
use crate::journal::batch::{Batch, Held};
use crate::journal::counts::Counts;
use crate::journal::error::{CommitError, JournalError};
use crate::journal::pending::Pending;
use crate::journal::record::{Committed, Head, Kind, Record, Shard, Source};
use crate::journal::traits::Journal;
use crate::journal::transaction::Transaction;
use crate::model::Timestamp;

/// The logs that are polled, in the order of [`Shared::inputs`].
const SOURCES: [Source; INPUTS] = [Source::Events, Source::Internal, Source::Receipts];

/// A shard that is announced.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) head: Option<Head>,
    /// Where its events begin if it has never read one.
    pub(super) base: u64,
    /// Until it is asked for.
    loaded: Option<Loaded>,
    started: bool,
    /// The append time of the last record polled, by input.
    last: [Timestamp; INPUTS],
    /// The inputs that had more when the ends were compared last.
    behind: [bool; INPUTS],
    /// How many offsets were behind the position, over the inputs, when the ends were compared last.
    unread: u64,
    /// The time of the question whose answers had all been read; `MIN` while something is behind.
    complete: Timestamp,
}

/// One worker's shards on Kafka. It leaves the group when it is dropped.
#[derive(Debug)]
pub struct KafkaWorker {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u16,
    pub(super) consumer: Consumer,
    /// Reads internal records and receipts of the shards that the group gives.
    side: Consumer,
    pub(super) rows: Option<Rows>,
    pub(super) transactions: Transactions,
    loader: Loader,
    pub(super) waker: Arc<Waker>,
    pub(super) messages: Messages,
    /// Announced, ascending.
    pub(super) shards: Vec<Shard>,
    /// Beside `shards`.
    pub(super) owned: Vec<Owned>,
    /// Assigned and not announced yet: the number of the request.
    pub(super) loading: BTreeMap<Shard, u64>,
    asked: u64,
    /// Lost and not announced yet.
    lost: Vec<Shard>,
    /// The member that polled last.
    member: String,
    /// The ends that were compared last.
    compared: u64,
    /// Whether the events are paused, since none are wanted at present.
    pub(super) resting: bool,
    /// When the group took this worker for another one.
    pub(super) fences: Fences,
    pub(super) ended: Option<String>,
}

impl KafkaWorker {
    /// Joins the group as the instance's worker of that number.
    pub(super) fn join(shared: Arc<Shared>, number: usize) -> Result<Self, JournalError> {
        let options = &shared.options;
        let name = options.name_of(number);
        // Before the group gives us anything: an earlier life's transaction is ended by it.
        let transactions = Transactions::new(&shared, &name)?;
        let consumer = member::join(options, &name)?;
        let side = options.reader().map_err(storage("join the group"))?;
        let waker = Arc::new(Waker::default());
        let loader = Loader::start(Arc::clone(&shared), &name, Arc::clone(&waker))?;
        Ok(Self {
            number: u16::try_from(number).unwrap_or(u16::MAX),
            consumer,
            side,
            rows: None,
            transactions,
            loader,
            waker,
            messages: Messages::new(),
            shards: Vec::new(),
            owned: Vec::new(),
            loading: BTreeMap::new(),
            asked: 0,
            lost: Vec::new(),
            member: String::new(),
            compared: 0,
            resting: false,
            fences: Fences::default(),
            ended: None,
            shared,
        })
    }

    pub(super) fn place(&self, shard: Shard) -> Result<usize, JournalError> {
        let not_owned = |_| JournalError::NotOwned { shard, owned: self.shards.clone() };
        self.shards.binary_search(&shard).map_err(not_owned)
    }

    pub(super) fn alive(&self) -> Result<(), JournalError> {
        match &self.ended {
            Some(reason) => Err(JournalError::Ended { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Whether the member that polled last still is one.
    pub(super) fn is_member(&self) -> bool {
        !self.member.is_empty() && self.consumer.member_id() == self.member
    }

    /// The shard's last commit is this one now.
    pub(super) fn keep(&mut self, shard: Shard, head: Head) {
        if let Ok(place) = self.place(shard) {
            self.owned[place].head = Some(head);
        }
    }

    /// Gives up every shard: what the group still says is ours is loaded anew.
    pub(super) fn leave_all(&mut self) {
        for shard in self.shards.clone() {
            self.lose(shard);
        }
        self.member.clear();
    }

    fn gain(&mut self, shard: Shard) {
        self.transactions.counts.gained += 1;
        self.ask(shard);
    }

    /// Has it loaded, or loaded again.
    fn ask(&mut self, shard: Shard) {
        self.asked += 1;
        self.loading.insert(shard, self.asked);
        self.loader.ask(shard, self.asked);
    }

    fn lose(&mut self, shard: Shard) {
        self.loading.remove(&shard);
        if let Ok(place) = self.place(shard) {
            self.shards.remove(place);
            let owned = self.owned.remove(place);
            self.lost.push(shard);
            self.transactions.counts.lost += 1;
            self.shared.ends.forget(shard);
            if owned.started {
                let [_, internal, receipts] = self.inputs(shard);
                // What is not assigned any more is what is wanted.
                let _ = self.side.unassign(&[internal, receipts]);
            }
            self.forget_rows(shard);
        }
    }

    fn inputs(&self, shard: Shard) -> [Partition; INPUTS] {
        self.shared.inputs.each_ref().map(|topic| Partition::new(Arc::clone(topic), i32::from(shard)))
    }

    /// Takes what the group says, and hands over what is loaded.
    fn look_after_shards(&mut self, changes: Vec<(bool, Vec<Shard>)>) -> Result<(), JournalError> {
        for (gained, shards) in changes {
            for shard in shards {
                self.lose(shard);
                if gained {
                    self.gain(shard);
                }
            }
        }
        let member = self.consumer.member_id();
        if member != self.member {
            // A new member: what it has without having been told is what the old one had.
            let (had, new) = (!self.member.is_empty(), !member.is_empty());
            self.member = member;
            if had {
                self.shards.clone().into_iter().for_each(|shard| self.lose(shard));
            }
            if new {
                self.reconcile()?;
            }
        }
        Ok(())
    }

    /// Loads what the group has given and nobody has told.
    fn reconcile(&mut self) -> Result<(), JournalError> {
        let assigned = self.consumer.assignment().map_err(storage("ask for the group's shards"))?;
        let events = Arc::clone(&self.shared.options.topics.events);
        for partition in assigned.iter().filter(|partition| partition.topic == events) {
            let shard = u16::try_from(partition.number).unwrap_or(u16::MAX);
            if self.place(shard).is_err() && !self.loading.contains_key(&shard) {
                self.gain(shard);
            }
        }
        Ok(())
    }

    /// Announces what is loaded.
    fn announce(&mut self, batch: &mut Batch) -> Result<(), JournalError> {
        while let Some((shard, number, loaded)) = self.loader.answer() {
            if self.loading.get(&shard) != Some(&number) {
                continue;
            }
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(JournalError::Storage { doing, cause }) => {
                    // A broker did not answer: it is asked again, the shard stays closed until then.
                    tracing::warn!(shard, doing, cause, "the shard could not be loaded; it is tried again");
                    self.ask(shard);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.loading.remove(&shard);
            self.transactions.counts.loaded += 1;
            let base = match loaded.offset {
                Some(offset) => offset,
                None => self.first(shard)?,
            };
            let place = self.shards.partition_point(|&other| other < shard);
            self.shards.insert(place, shard);
            self.owned.insert(
                place,
                Owned {
                    head: loaded.head.clone(),
                    base,
                    loaded: Some(loaded),
                    started: false,
                    last: [Timestamp::MIN; INPUTS],
                    behind: [true; INPUTS],
                    unread: 0,
                    complete: Timestamp::MIN,
                },
            );
            self.shared.ends.want(shard);
            batch.push_gained(shard);
        }
        Ok(())
    }

    /// Where a shard begins that has never committed.
    fn first(&self, shard: Shard) -> Result<u64, JournalError> {
        let edge = match self.shared.options.start {
            Start::Earliest => Edge::Earliest,
            Start::Latest => Edge::Latest,
        };
        Ok(self.edges(&[self.shared.events(shard)], edge)?[0])
    }

    fn edges(&self, partitions: &[Partition], edge: Edge) -> Result<Vec<u64>, JournalError> {
        let ask = || self.shared.edges(partitions, edge);
        let offsets = self.shared.insist("ask where an input begins", ask)?;
        Ok(offsets.into_iter().map(i64::unsigned_abs).collect())
    }

    /// Whether no records are wanted at present: librdkafka gives at least one to who polls, and takes part in
    /// the group only when it is polled.
    fn rest(&mut self, resting: bool) -> Result<(), JournalError> {
        if self.resting == resting {
            return Ok(());
        }
        let started = self.shards.iter().zip(&self.owned).filter(|(_, owned)| owned.started);
        let partitions: Vec<Partition> = started.map(|(&shard, _)| self.shared.events(shard)).collect();
        let done = match resting {
            true => self.consumer.pause(&partitions),
            false => self.consumer.resume(&partitions),
        };
        done.map_err(storage("pause reading"))?;
        self.resting = resting;
        Ok(())
    }

    /// Moves what was polled into `batch`.
    fn take(&mut self, batch: &mut Batch, input: usize) {
        let mut known = None;
        let now = self.shared.clock.now();
        for (number, message) in self.messages.iter().enumerate() {
            let shard = u16::try_from(message.partition()).unwrap_or(u16::MAX);
            let input = if input == 0 || message.topic() == &*self.shared.inputs[input] { input } else { 2 };
            let place = match known {
                Some((last, place)) if last == shard => place,
                _ => match self.shards.binary_search(&shard) {
                    Ok(place) => place,
                    Err(_) => continue,
                },
            };
            known = Some((shard, place));
            let owned = &mut self.owned[place];
            if !owned.started {
                continue;
            }
            let logged = logged(message);
            let appended = match message.timestamp() {
                // A record from the future fires nothing, and along a log times never go back.
                Stamp::Appended(ms) => {
                    owned.last[input] = Timestamp(ms).min(now).max(owned.last[input]);
                    owned.last[input]
                }
                // A producer's clock moves no shard's time: it may be anything.
                Stamp::Created(ms) => Timestamp(ms).min(owned.complete),
                Stamp::None => Timestamp::MIN,
            };
            let (source, kind) = (SOURCES[input], kind_of(SOURCES[input], message));
            let (offset, timed) = (message.offset().unsigned_abs(), appended == logged);
            let record = Record { shard, source, kind, offset, appended, timed, bytes: b"" };
            batch.push_held(number, &record);
        }
        if !self.messages.is_empty() {
            batch.hold(Box::new(std::mem::take(&mut self.messages)));
        }
    }

    /// Compares what has been read with where the inputs end, once for each answer of the brokers.
    fn compare(&mut self) {
        let ends = self.shared.ends.last();
        if ends.number == self.compared || self.shards.is_empty() {
            return;
        }
        self.compared = ends.number;
        let mut partitions: [Vec<Partition>; 2] = Default::default();
        let mut places = Vec::new();
        for (place, &shard) in self.shards.iter().enumerate() {
            if self.owned[place].started && ends.of.contains_key(&shard) {
                let [events, internal, receipts] = self.inputs(shard);
                partitions[0].push(events);
                partitions[1].extend([internal, receipts]);
                places.push(place);
            }
        }
        let (Ok(events), Ok(side)) =
            (self.consumer.positions(&partitions[0]), self.side.positions(&partitions[1]))
        else {
            return;
        };
        for (n, place) in places.into_iter().enumerate() {
            let (shard, owned) = (self.shards[place], &mut self.owned[place]);
            let end = ends.of[&shard];
            let at = [events[n], side[2 * n], side[2 * n + 1]];
            owned.unread = 0;
            for input in 0..INPUTS {
                let start = start_of(owned, input);
                let at = at[input].map_or(start, |at| at.unsigned_abs().max(start));
                let left = end[input].unsigned_abs().saturating_sub(at);
                owned.behind[input] = left > 0;
                owned.unread += left;
            }
            owned.complete = if owned.behind == [false; INPUTS] { ends.asked } else { Timestamp::MIN };
        }
    }
}

/// Where reading an input starts after the shard's last commit.
fn start_of(owned: &Owned, input: usize) -> u64 {
    let position = owned.head.as_ref().map_or(0, |head| head.position(SOURCES[input]));
    if input == 0 { position.max(owned.base) } else { position }
}

/// The time that a record has in its log.
pub(super) fn logged(message: Message<'_>) -> Timestamp {
    match message.timestamp() {
        Stamp::Appended(ms) | Stamp::Created(ms) => Timestamp(ms),
        Stamp::None => Timestamp::MIN,
    }
}

/// What a record of an input is.
pub(super) fn kind_of(source: Source, message: Message<'_>) -> Kind {
    match source {
        Source::Events => Kind::Event,
        Source::Receipts => Kind::Receipt,
        Source::Lists => Kind::ListRow,
        // What says no kind is not ours: as an event it is judged by what it contains.
        _ => message.header(codec::KIND_HEADER).flatten().and_then(codec::kind).unwrap_or(Kind::Event),
    }
}

impl Held for Messages {
    fn bytes(&self, number: usize) -> &[u8] {
        self.at(number).value().unwrap_or_default()
    }
}

impl Journal for KafkaWorker {
    type Stored = Loaded;

    fn shards(&self) -> &[Shard] {
        &self.shards
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        batch.clear();
        self.alive()?;
        let mut changes = Vec::new();
        let mut note = |_: &Consumer, change: Rebalance<'_>| {
            let (gained, partitions) = match change {
                Rebalance::Assigned(partitions) => (true, partitions),
                Rebalance::Revoked(partitions) | Rebalance::Lost(partitions) => (false, partitions),
            };
            let shards = partitions.iter().filter_map(|p| u16::try_from(p.number).ok()).collect();
            changes.push((gained, shards));
        };
        self.rest(max == 0)?;
        // No transaction is open here, so a shard may go at once.
        let polled = self.consumer.poll(&mut self.messages, max, Duration::ZERO, &mut note);
        if let Err(failed) = polled {
            self.judge(failed)?;
        }
        self.look_after_shards(changes)?;
        self.take(batch, 0);
        if max > batch.len() {
            let left = max - batch.len();
            let polled = self.side.poll(&mut self.messages, left, Duration::ZERO, &mut |_, _| {});
            if let Err(failed) = polled {
                self.judge(failed)?;
            }
            self.take(batch, 1);
        }
        self.announce(batch)?;
        self.lost.drain(..).for_each(|shard| batch.push_lost(shard));
        self.compare();
        Ok(())
    }

    fn read(
        &mut self,
        shard: Shard,
        source: Source,
        from: u64,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        self.read_rows(shard, source, from, max, batch)
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        let place = self.place(shard)?;
        let partitions = self.inputs(shard);
        let owned = &mut self.owned[place];
        let starts = [0, 1, 2].map(|input| start_of(owned, input));
        let again = owned.started;
        owned.last = [Timestamp::MIN; INPUTS];
        owned.behind = [true; INPUTS];
        owned.complete = Timestamp::MIN;
        owned.loaded = None;
        let mut from = Vec::with_capacity(INPUTS);
        let oldest = self.edges(&partitions, Edge::Earliest)?;
        for ((partition, start), oldest) in partitions.into_iter().zip(starts).zip(oldest) {
            // Nothing has been read of it, so nothing is missed; what was read before must still be there.
            if start > 0 && start < oldest {
                return Err(JournalError::Gone { what: "record", asked: start, oldest });
            }
            from.push((partition, i64::try_from(start.max(oldest)).unwrap_or(i64::MAX)));
        }
        let timeout = self.shared.options.call_timeout;
        let starting = storage("start reading a shard");
        let begin = if self.resting { Consumer::seek } else { Consumer::start };
        if let Err(error) = begin(&self.consumer, &from[..1], timeout) {
            return Err(self.not_begun(shard, error));
        }
        // A partition whose leader is gone cannot be sought in; assigned anew, it begins once there is one.
        if !again || self.side.start(&from[1..], timeout).is_err() {
            let _ = again.then(|| self.side.unassign(&[from[1].0.clone(), from[2].0.clone()]));
            self.side.assign(&from[1..]).map_err(&starting)?;
        }
        self.owned[place].started = true;
        Ok(())
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let Ok(place) = self.place(shard) else { return Timestamp::MIN };
        let owned = &self.owned[place];
        if owned.complete > Timestamp::MIN {
            return owned.complete.min(now);
        }
        let behind = owned.behind.iter().zip(owned.last).filter(|(behind, _)| **behind);
        behind.map(|(_, last)| last).min().unwrap_or(Timestamp::MIN).min(now)
    }

    fn caught_up(&self, shard: Shard) -> bool {
        self.place(shard).is_ok_and(|place| self.owned[place].complete > Timestamp::MIN)
    }

    fn unread(&self, shard: Shard) -> u64 {
        self.place(shard).map_or(0, |place| self.owned[place].unread)
    }

    fn pending(&self) -> Vec<Pending> {
        if !self.is_member() || !self.consumer.is_assigned() {
            return vec![Pending::Unassigned];
        }
        self.loading.keys().map(|&shard| self.shared.loads.pending(shard)).collect()
    }

    fn counts(&self) -> Counts {
        Counts { rebalances: self.consumer.rebalances(), ..self.transactions.counts }
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        self.commit_all(tx)
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        if self.transactions.in_doubt() {
            self.settle()?;
        }
        let place = self.place(shard)?;
        Ok(self.owned[place].head.clone())
    }

    fn stored(&mut self, shard: Shard) -> Result<Loaded, JournalError> {
        let place = self.place(shard)?;
        match self.owned[place].loaded.take() {
            Some(loaded) => Ok(loaded),
            None => load::load_now(&self.shared, shard),
        }
    }

    fn now(&self, _wall: Timestamp) -> Timestamp {
        self.shared.clock.now()
    }

    fn wake_by(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.waker.0.set(wake);
        self.wakes();
        let waker = Arc::clone(&self.waker);
        self.side.on_records(move || waker.wake());
    }
}

impl Drop for KafkaWorker {
    fn drop(&mut self) {
        for &shard in &self.shards {
            self.shared.ends.forget(shard);
        }
    }
}
