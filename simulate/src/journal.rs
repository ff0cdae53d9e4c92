//! A worker's journal in the simulation: what happens in the middle of its calls, and what is broken on purpose.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use wayfarer::engine::cycle::{Step, decode};
use wayfarer::journal::memory::MemoryWorker;
use wayfarer::journal::{
    Batch, Change, CommitError, Committed, Head, Journal, JournalError, Reject, Shard, Source, Stream,
    Transaction,
};
use wayfarer::model::Timestamp;

use super::disk::{Disks, SimStored};
use super::met::{Fault, Met};

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
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
    /// Whoever reads the next format writes it, though nobody has said so.
    FormatTooSoon,
    /// The next format is begun although some owner does not read it.
    FormatUnasked,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::NoUndo,
        Self::NoFencing,
        Self::TimersBeforeBacklog,
        Self::DoubleRelease,
        Self::HashOrder,
        Self::FormatTooSoon,
        Self::FormatUnasked,
    ];

    /// What it is called on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoUndo => "no-undo",
            Self::NoFencing => "no-fencing",
            Self::TimersBeforeBacklog => "timers-before-backlog",
            Self::DoubleRelease => "double-release",
            Self::HashOrder => "hash-order",
            Self::FormatTooSoon => "format-too-soon",
            Self::FormatUnasked => "format-unasked",
        }
    }
}

type Happening = Box<dyn FnOnce() + Send>;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// It is aborted.
    Refuse,
    /// Its answer is lost.
    Unknown { committed: bool },
}

/// A process ends in the middle of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    /// How many calls of journals go well before.
    pub(crate) after: usize,
    /// If it is a commit: whether it had reached the log.
    pub(crate) committed: bool,
}

/// What will happen, to whoever comes to it first.
#[derive(Default)]
pub(crate) struct Plan {
    /// Before the next commit.
    pub(crate) before_commit: Option<Happening>,
    pub(crate) commit: Option<CommitFault>,
    pub(crate) death: Option<Death>,
}

/// What all workers share.
#[derive(Default)]
pub(crate) struct Switch {
    plan: Mutex<Plan>,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) met: Arc<Mutex<Met>>,
    pub(crate) disks: Arc<Mutex<Disks>>,
    /// The time of whoever gives append times.
    clock: AtomicI64,
}

impl Switch {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("nobody panics with it")
    }

    pub(crate) fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().expect("nobody panics with it")
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        self.clock.store(now.0, Ordering::Relaxed);
    }
}

/// One worker of an instance.
pub(crate) struct SimWorker {
    pub(crate) inner: MemoryWorker,
    pub(crate) switch: Arc<Switch>,
    /// Of which instance.
    pub(crate) place: usize,
    /// Its process has ended: it learns nothing any more.
    pub(crate) dead: Arc<AtomicBool>,
}

fn ended() -> JournalError {
    JournalError::Ended { reason: "the process died here".to_owned() }
}

impl SimWorker {
    /// Whether the process is alive after this call has begun; else whether what it was about has still happened.
    fn call(&self) -> Result<(), bool> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(false);
        }
        let mut plan = self.switch.plan();
        match &mut plan.death {
            None => Ok(()),
            Some(Death { after: 0, committed }) => {
                let committed = *committed;
                plan.death = None;
                drop(plan);
                self.dead.store(true, Ordering::Relaxed);
                self.switch.met().fault(Fault::Died);
                Err(committed)
            }
            Some(death) => {
                death.after -= 1;
                Ok(())
            }
        }
    }

    fn alive(&self) -> Result<(), JournalError> {
        self.call().map_err(|_| ended())
    }

    fn write(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let other = match self.switch.mutation {
            Some(Mutation::DoubleRelease) => Some(laid_anew(tx, twice_if_released)),
            Some(Mutation::HashOrder) => Some(laid_anew(tx, by_hash)),
            _ => None,
        };
        let written = self.inner.commit(other.as_ref().unwrap_or(tx));
        match &written {
            Ok(_) => self.switch.disks.lock().expect("nobody panics with it").committed(tx),
            Err(refused) if refused.to_string().contains("is not this worker's") => {
                self.switch.met().fault(Fault::Fenced);
            }
            Err(_) => {}
        }
        written
    }
}

impl Journal for SimWorker {
    type Stored = SimStored;

    fn shards(&self) -> &[Shard] {
        self.inner.shards()
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        self.alive()?;
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
        self.alive()?;
        self.inner.read(shard, source, from, max, batch)
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        self.alive()?;
        self.inner.start(shard)
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let until = self.inner.complete_until(shard, now);
        if self.switch.mutation == Some(Mutation::TimersBeforeBacklog) { now } else { until }
    }

    fn caught_up(&self, shard: Shard) -> bool {
        self.inner.caught_up(shard)
    }

    fn unread(&self, shard: Shard) -> u64 {
        self.inner.unread(shard)
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let happening = self.switch.plan().before_commit.take();
        if let Some(happens) = happening {
            happens();
        }
        if let Err(reached) = self.call() {
            if reached {
                let _ = self.write(tx);
            }
            return Err(CommitError::Unknown { reason: ended().to_string() });
        }
        let fault = self.switch.plan().commit.take();
        let planned = || "the simulation says so".to_owned();
        let outcome = match fault {
            None => self.write(tx),
            Some(CommitFault::Refuse) => {
                self.switch.met().fault(Fault::Refused);
                Err(CommitError::Refused { reason: planned() })
            }
            Some(CommitFault::Unknown { committed }) => {
                self.switch.met().fault(Fault::Unknown);
                if committed {
                    let _ = self.write(tx);
                }
                Err(CommitError::Unknown { reason: planned() })
            }
        };
        match outcome {
            Err(CommitError::Refused { .. }) if self.switch.mutation == Some(Mutation::NoUndo) => {
                Ok(Committed::default())
            }
            outcome => outcome,
        }
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        self.alive()?;
        self.inner.head(shard)
    }

    fn stored(&mut self, shard: Shard) -> Result<SimStored, JournalError> {
        self.alive()?;
        let (whole, file) = (self.inner.stored(shard)?, (self.place, shard));
        Ok(SimStored::new(whole, file, self.switch.now(), &self.switch.disks, &self.switch.met))
    }

    /// As on Kafka: whoever gives the append times, not the local clock.
    fn now(&self, _: Timestamp) -> Timestamp {
        self.switch.now()
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
        part.formats = old.formats;
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
