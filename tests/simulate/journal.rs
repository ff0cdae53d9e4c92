//! A worker's journal in the simulation: what happens in the middle of its commit, and what is broken on purpose.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wayfarer::engine::cycle::{Step, decode};
use wayfarer::journal::memory::{MemoryStored, MemoryWorker};
use wayfarer::journal::{
    Batch, Change, CommitError, Committed, Head, Journal, JournalError, Reject, Shard, Source, Stream,
    Transaction,
};
use wayfarer::model::Timestamp;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What was decided stays although its commit was refused.
    NoUndo,
    /// Who has lost a shard commits it all the same.
    NoFencing,
    /// Timers fire as if nothing were unread.
    TimersBeforeBacklog,
    /// Whoever is released is released twice.
    DoubleRelease,
    /// The order of what leaves is that of a hash map.
    HashOrder,
}

type Happening = Box<dyn FnOnce() + Send>;

/// What will happen in the middle of commits, and what has.
#[derive(Default)]
pub(crate) struct Switch {
    /// Before the next commit.
    pub(crate) before_commit: Mutex<Option<Happening>>,
    pub(crate) mutation: Option<Mutation>,
    /// Commits that were refused because the shard was another's.
    pub(crate) fenced: Mutex<u64>,
}

pub(crate) struct SimWorker {
    pub(crate) inner: MemoryWorker,
    pub(crate) switch: Arc<Switch>,
}

impl Journal for SimWorker {
    type Stored = MemoryStored;

    fn shards(&self) -> &[Shard] {
        self.inner.shards()
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        self.inner.poll(batch, max)
    }

    fn wait(&mut self, _: Duration) -> bool {
        false
    }

    fn read(
        &mut self,
        shard: Shard,
        source: Source,
        from: u64,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        self.inner.read(shard, source, from, max, batch)
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        self.inner.start(shard)
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let until = self.inner.complete_until(shard, now);
        if self.switch.mutation == Some(Mutation::TimersBeforeBacklog) { now } else { until }
    }

    fn caught_up(&self, shard: Shard) -> bool {
        self.inner.caught_up(shard)
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let happening = self.switch.before_commit.lock().expect("nobody panics with it").take();
        if let Some(happens) = happening {
            happens();
        }
        let outcome = match self.switch.mutation {
            Some(Mutation::DoubleRelease) => self.inner.commit(&laid_anew(tx, twice_if_released)),
            Some(Mutation::HashOrder) => self.inner.commit(&laid_anew(tx, by_hash)),
            _ => self.inner.commit(tx),
        };
        if let Err(CommitError::Refused { reason }) = &outcome {
            *self.switch.fenced.lock().expect("nobody panics with it") +=
                u64::from(reason.contains("is not this worker's"));
            if self.switch.mutation == Some(Mutation::NoUndo) {
                return Ok(Committed::default());
            }
        }
        outcome
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        self.inner.head(shard)
    }

    fn stored(&mut self, shard: Shard) -> Result<MemoryStored, JournalError> {
        self.inner.stored(shard)
    }
}

/// The sends of one shard's commit.
type Sends = Vec<Vec<u8>>;

/// The same transaction with other sends, by what its cycle says.
fn laid_anew(tx: &Transaction, sends_of: fn(&[u8], Sends) -> Sends) -> Transaction {
    let mut next = Transaction::new();
    next.begin(tx.at());
    for old in tx.parts() {
        let part = next.shard(old.shard(), old.seq());
        part.meta.clone_from(&old.meta);
        part.cycles.clone_from(&old.cycles);
        part.epoch = old.epoch;
        old.positions().iter().for_each(|&(source, next)| part.set_position(source, next));
        for change in old.changes() {
            match change {
                Change::Put(key, value) => part.put(key, value),
                Change::Delete(key) => part.delete(key),
            }
        }
        let sends = old.sends.iter().map(<[u8]>::to_vec).collect();
        sends_of(&old.cycles, sends).iter().for_each(|line| part.sends.push(line));
        old.transitions.iter().for_each(|line| part.transitions.push(line));
        old.refusals.iter().for_each(|line| part.refusals.push(line));
        for item in old.items(Stream::Rejects) {
            part.reject(&Reject::decode(item).expect("it was just written"));
        }
    }
    next
}

fn twice_if_released(cycle: &[u8], mut sends: Sends) -> Sends {
    let steps = decode(cycle).expect("it was just written");
    if steps.iter().any(|step| matches!(step, Step::Release { .. })) {
        sends.extend(sends.clone());
    }
    sends
}

fn by_hash(_: &[u8], mut sends: Sends) -> Sends {
    let state = RandomState::new();
    sends.sort_by_key(|line| state.hash_one(line));
    sends
}
