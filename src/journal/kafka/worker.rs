//! One worker's shards: what the group gives it, what it reads of them, and up to which time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Consumer, Edge, Messages, Partition, Rebalance, Timestamp as Stamp};
use super::commit::Transactions;
use super::load::{self, Loaded, Loader};
use super::member::{self, Fences, Silence};
use super::merge::{Kept, Merge};
use super::owned::{Owned, content, kind_of, logged, side_input};
use super::rows::Rows;
use super::{Shared, Start, Waker, storage};
use crate::journal::batch::{Batch, Held};
use crate::journal::counts::Counts;
use crate::journal::error::{CommitError, Fault, JournalError};
use crate::journal::pending::Pending;
use crate::journal::record::{Committed, Head, Kind, Record, Shard, Source};
use crate::journal::steps::{self, Step};
use crate::journal::traits::Journal;
use crate::journal::transaction::Transaction;
use crate::model::Timestamp;

/// How long records that wait for another topic are left alone.
const MERGE_WAIT: Duration = Duration::from_millis(5);
/// Of how many records the ends are brought into the cache together.
const WARM: usize = 64;

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
    pub(super) silence: Silence,
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
            silence: Silence::default(),
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
            None => self.shared.unfit.check(),
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
                self.leave_beside(shard);
            }
            self.forget_rows(shard);
        }
    }

    /// Reads no more of what a shard has beside the anchor.
    fn leave_beside(&self, shard: Shard) {
        let beside = &self.inputs(shard)[1..];
        // A pause would outlive the assignment; and what is not assigned any more is what is wanted.
        let _ = self.side.resume(beside);
        let _ = self.side.unassign(beside);
    }

    fn inputs(&self, shard: Shard) -> Vec<Partition> {
        let of = |topic: &Arc<str>| Partition::new(Arc::clone(topic), i32::from(shard));
        self.shared.inputs.iter().map(of).collect()
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
                Err(
                    error
                    @ (JournalError::Storage { .. } | JournalError::Unfit { fault: Fault::Missing, .. }),
                ) => {
                    // A broker did not answer, or does not know the topic yet, having just come back: it is asked
                    // again, the shard stays closed until then.
                    tracing::warn!(shard, %error, "the shard could not be loaded; it is tried again");
                    self.ask(shard);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.loading.remove(&shard);
            steps::reach(Step::Loaded);
            self.transactions.counts.loaded += 1;
            let base = match loaded.offset {
                Some(offset) => offset,
                None => self.first(self.shared.events(shard))?,
            };
            let place = self.shards.partition_point(|&other| other < shard);
            let topics = (&*self.shared.options.topics.events, &self.shared.inputs[..]);
            let first = |topic: &Arc<str>| self.first(Partition::new(Arc::clone(topic), i32::from(shard)));
            let known = (loaded.head.clone(), loaded.inputs.clone());
            let mut owned = Owned::new(shard, base, known, topics, first)?;
            owned.loaded = Some(loaded);
            self.shards.insert(place, shard);
            self.owned.insert(place, owned);
            self.shared.ends.want(shard);
            batch.push_gained(shard);
        }
        Ok(())
    }

    /// Where a topic of events begins for a shard that has never read it.
    fn first(&self, partition: Partition) -> Result<u64, JournalError> {
        let edge = match self.shared.options.start {
            Start::Earliest => Edge::Earliest,
            Start::Latest => Edge::Latest,
        };
        Ok(self.edges(&[partition], edge)?[0])
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
        self.owned.iter_mut().filter_map(|owned| owned.merge.as_mut()).for_each(|merge| merge.resumed(0));
        Ok(())
    }

    /// Moves what was polled into `batch`.
    fn take(&mut self, batch: &mut Batch, input: usize) {
        let (mut known, mut held, mut envelope) = (None, false, Vec::new());
        let now = self.shared.clock.now();
        for (number, message) in self.messages.iter().enumerate() {
            if number % WARM == 0 {
                let upto = self.messages.len().min(number + WARM);
                std::hint::black_box(self.messages.warm(number..upto));
            }
            let shard = u16::try_from(message.partition()).unwrap_or(u16::MAX);
            let input = if input == 0 { 0 } else { side_input(&self.shared.inputs, message.topic()) };
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
                    owned.sources[input].note(Timestamp(ms).min(now));
                    owned.sources[input].last
                }
                // A producer's clock moves no shard's time: it may be anything.
                Stamp::Created(ms) => Timestamp(ms).min(owned.complete),
                Stamp::None => Timestamp::MIN,
            };
            let (source, offset) = (owned.sources[input].source, message.offset().unsigned_abs());
            let (kind, timed) = (kind_of(source, message), appended == logged);
            let mut record = Record { shard, source, kind, offset, appended, timed, bytes: b"" };
            match &mut owned.merge {
                // It may wait longer than what was polled with it is held, so its bytes are its own.
                Some(merge) if owned.sources[input].is_events() => {
                    let bytes = content(kind, message, &mut envelope).to_vec();
                    let key = message.key().map(Box::from);
                    merge.push(input, Kept { kind, offset, appended, timed, bytes, key });
                }
                _ if kind == Kind::CloudEvent => {
                    record.bytes = content(kind, message, &mut envelope);
                    batch.push_keyed(record, message.key());
                }
                _ => {
                    batch.push_held(number, &record);
                    held = true;
                }
            }
        }
        if held {
            batch.hold(Box::new(std::mem::take(&mut self.messages)));
        }
    }

    /// Gives records of several topics of events in the order of their times, and fetches no more of one that is far
    /// ahead of another.
    fn merge(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        if self.shared.options.topics.further.is_empty() {
            return Ok(());
        }
        for place in 0..self.shards.len() {
            let (shard, owned) = (self.shards[place], &mut self.owned[place]);
            while batch.len() < max
                && let Some((input, Kept { kind, offset, appended, timed, bytes, key })) = owned.next()
            {
                let source = owned.sources[input].source;
                let record = Record { shard, source, kind, offset, appended, timed, bytes: &bytes };
                batch.push_keyed(record, key.as_deref());
            }
            for (input, pause) in owned.merge.as_mut().map(Merge::changes).unwrap_or_default() {
                let topic = Arc::clone(&self.shared.inputs[input]);
                let one = [Partition::new(topic, i32::from(shard))];
                let consumer = if input == 0 { &self.consumer } else { &self.side };
                // What rests is fetched again when all is.
                let done = match pause {
                    true => consumer.pause(&one),
                    false if input == 0 && self.resting => Ok(()),
                    false => consumer.resume(&one),
                };
                done.map_err(storage("pause reading"))?;
            }
        }
        Ok(())
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
                let mut inputs = self.inputs(shard).into_iter();
                partitions[0].extend(inputs.next());
                partitions[1].extend(inputs);
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
            let beside = owned.sources.len() - 1;
            let at = std::iter::once(&events[n]).chain(&side[n * beside..(n + 1) * beside]);
            owned.compare(ends.asked, &ends.of[&shard], at);
        }
    }
}

impl Held for Messages {
    fn bytes(&self, number: usize) -> &[u8] {
        self.at(number).value().unwrap_or_default()
    }

    fn key(&self, number: usize) -> Option<&[u8]> {
        self.at(number).key()
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
            steps::reach(if gained { Step::Assigned } else { Step::Revoked });
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
        self.await_assignment()?;
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
        self.merge(batch, max)
    }

    fn wait(&mut self, at_most: Duration) -> bool {
        let waits = self.owned.iter().any(|owned| owned.waiting() > 0);
        if waits {
            // Nobody tells that the ends are known that these records wait for.
            std::thread::sleep(at_most.min(MERGE_WAIT));
        }
        waits
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
        let starts: Vec<u64> = owned.sources.iter().map(|it| it.start(owned.head.as_ref())).collect();
        let again = owned.started;
        owned.rewind();
        owned.loaded = None;
        let mut from = Vec::with_capacity(starts.len());
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
            if again {
                self.leave_beside(shard);
            }
            self.side.assign(&from[1..]).map_err(&starting)?;
        }
        self.owned[place].started = true;
        Ok(())
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let Ok(place) = self.place(shard) else { return Timestamp::MIN };
        self.owned[place].until().min(now)
    }

    fn caught_up(&self, shard: Shard) -> bool {
        self.place(shard).is_ok_and(|place| self.owned[place].is_caught_up())
    }

    fn unread(&self, shard: Shard) -> u64 {
        self.place(shard).map_or(0, |place| self.owned[place].unread + self.owned[place].waiting())
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
