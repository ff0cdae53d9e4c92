//! A worker's journal in the simulation: what happens in the middle of its calls, and what of it is broken on purpose.
//!
//! A fault is counted where it takes effect: one that is planned and meets nobody has not happened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use wayfarer::journal::kafka::clock::Clock;
use wayfarer::journal::memory::{FaultPlan, Memory, MemoryWorker, PollFault};
use wayfarer::journal::{
    Batch, CommitError, Committed, Head, Journal, JournalError, Shard, Source, Transaction,
};
use wayfarer::model::Timestamp;

use super::disk::{Disks, SimStored};
use super::met::{Fault, Met};
use super::mutation::Mutation;

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
    pub(crate) poll: Option<PollFault>,
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
    /// How often a turn was disturbed in the middle.
    disturbed: AtomicU64,
    /// Records come again, until the cluster is at rest.
    pub(crate) repeating: AtomicBool,
    /// The next who spends a failure budget ends when that is committed, before telling anybody.
    pub(crate) mute: AtomicBool,
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

    /// For how long processes have been running, by their monotonic clocks: these know nothing of days.
    pub(crate) fn running(&self) -> Duration {
        Duration::from_millis(self.now().0.cast_unsigned())
    }

    /// How often a turn was disturbed by then.
    pub(crate) fn disturbed(&self) -> u64 {
        self.disturbed.load(Ordering::Relaxed)
    }

    /// Something befalls a turn.
    pub(crate) fn disturb(&self, fault: Fault) {
        self.disturbed.fetch_add(1, Ordering::Relaxed);
        self.met().fault(fault);
    }
}

/// One worker of an instance.
pub(crate) struct SimWorker {
    pub(crate) inner: MemoryWorker,
    /// The whole journal, which knows what is whose.
    pub(crate) log: Memory,
    /// What the group gave it, as of its last poll.
    pub(crate) given: Arc<Mutex<Vec<Shard>>>,
    /// The brokers' clock, as its process knows it.
    pub(crate) clock: Clock,
    /// By shard: behind the last record that was read since it was started.
    pub(crate) read: BTreeMap<Shard, u64>,
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
                self.switch.disturb(Fault::Died);
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
        let written = self.inner.commit(tx);
        match &written {
            Ok(_) => self.switch.disks.lock().expect("nobody panics with it").committed(tx),
            Err(refused) if refused.to_string().contains("is not this worker's") => {
                self.switch.disturb(Fault::Fenced);
            }
            Err(_) => {}
        }
        written
    }

    /// The shards that are this worker's, whoever has told it.
    fn shards_given(&self) -> Vec<Shard> {
        let owner = |shard: &Shard| self.log.owner(*shard) == self.inner.number();
        (0..wayfarer::journal::Intake::shard_count(&self.log)).filter(owner).collect()
    }

    /// Reads, and counts a fault if it is to be seen in what was read.
    fn poll_under(
        &mut self,
        fault: Option<PollFault>,
        batch: &mut Batch,
        max: usize,
    ) -> Result<(), JournalError> {
        let polled = match fault {
            Some(PollFault::Delay) => self.inner.poll(batch, 0),
            Some(PollFault::Short { max: short }) => self.inner.poll(batch, short.min(max)),
            Some(PollFault::Repeat { .. }) => {
                let polls = fault.into_iter().map(|fault| (0, fault)).collect();
                self.log.set_faults(FaultPlan { polls, ..FaultPlan::default() });
                self.switch.repeating.store(true, Ordering::Relaxed);
                self.inner.poll(batch, max)
            }
            None => self.inner.poll(batch, max),
        };
        for shard in batch.lost().iter().chain(batch.gained()) {
            self.read.remove(shard);
        }
        let is_left = max > 0 && self.inner.shards().iter().any(|shard| self.inner.unread(*shard) > 0);
        let comes_again =
            |(shard, offset): (Shard, u64)| self.read.get(&shard).is_some_and(|read| offset < *read);
        let again = batch.records().map(|record| (record.shard, record.offset)).any(comes_again);
        match fault {
            Some(PollFault::Delay) if is_left => self.switch.disturb(Fault::Delayed),
            Some(PollFault::Short { .. }) if is_left => self.switch.disturb(Fault::Short),
            // What goes back comes again now, or when there is room in a batch.
            _ if again => self.switch.disturb(Fault::Repeated),
            _ => {}
        }
        for record in batch.records() {
            let read = self.read.entry(record.shard).or_default();
            *read = (*read).max(record.offset + 1);
        }
        polled
    }
}

impl Journal for SimWorker {
    type Stored = SimStored;

    fn shards(&self) -> &[Shard] {
        self.inner.shards()
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        self.alive()?;
        // Whoever answers says what time it is, too.
        self.clock.note_when(self.switch.now(), self.switch.running());
        *self.given.lock().expect("nobody panics with it") = self.shards_given();
        let fault = if max > 0 { self.switch.plan().poll.take() } else { None };
        let restores = self.inner.shards().iter().any(|shard| !self.read.contains_key(shard));
        let waits = self.switch.mutation == Some(Mutation::RestoreStopsOthers) && restores;
        self.poll_under(fault, batch, if waits { 0 } else { max })
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
        self.read.insert(shard, 0);
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
                self.switch.disturb(Fault::Refused);
                Err(CommitError::Refused { reason: planned() })
            }
            Some(CommitFault::Unknown { committed }) => {
                self.switch.disturb(Fault::Unknown);
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

    /// As on Kafka: whoever gives the append times, and not the local clock.
    fn now(&self, wall: Timestamp) -> Timestamp {
        if self.switch.mutation == Some(Mutation::LocalClock) {
            return wall;
        }
        self.clock.now_when(self.switch.running())
    }
}
