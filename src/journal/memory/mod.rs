//! A journal without a disk, that fails when it is told to: for tests and simulation.
//!
//! [`Memory`] stands for the disk and outlives what crashes: after [`Memory::crash`] every worker and every
//! clone made before answers [`JournalError::Ended`], and [`Memory::reopen`] gives a fresh handle to what
//! was durable. What is durable is everything answered, or with [`Memory::sync_on_demand`] only what
//! [`Memory::sync`] saw. Faults come from a [`FaultPlan`]. Nothing here takes time, waits, or depends on a
//! clock.
//!
//! With [`Memory::shared`] it stands for a cluster instead: each [`Memory::instance`] is a handle of a process,
//! whose workers are members of one group, and a shard can be given to another at any moment.

mod content;
mod faults;
mod group;
mod worker;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use self::content::Content;
use self::faults::Script;
pub use self::faults::{AppendFault, CommitFault, FaultPlan, PollFault};
use self::group::Members;
pub use self::group::{Member, Rebalance};
pub use self::worker::{MemoryStored, MemoryWorker};
use super::error::{IntakeError, JournalError};
use super::letters::{self, Letters, Verdict};
use super::record::{
    Acknowledged, Append, Appended, Bounds, ControlRecord, IntakeState, Item, Shard, Stream, View,
};
use super::traits::{Assignment, ControlLog, Group, Intake, Log, Streams};
use super::verify;
use crate::model::Timestamp;

/// Which of the lives of the process a handle belongs to.
type Life = u64;

#[derive(Debug)]
struct Inner {
    shards: u16,
    content: Content,
    /// What a crash leaves, where that is not everything.
    synced: Option<Content>,
    script: Script,
    life: Life,
    owned: BTreeSet<Shard>,
    members: Option<Members>,
    /// Whether a commit of who has lost the shard is refused.
    fencing: bool,
    /// The latest time that a shard has taken for its own: nothing may be appended before it.
    pledged: Timestamp,
    /// Why the intake is stopped.
    full: Option<String>,
}

impl Inner {
    fn crash(&mut self) {
        self.life += 1;
        self.owned.clear();
        self.pledged = Timestamp::MIN;
        if let Some(synced) = &self.synced {
            self.content = synced.clone();
        }
    }

    fn alive(&self, life: Life) -> Result<(), JournalError> {
        if self.life == life {
            return Ok(());
        }
        Err(JournalError::Ended { reason: "the process that this handle belonged to crashed".to_owned() })
    }
}

/// A journal in memory; a clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
    /// A log has grown, or a life has ended.
    grew: Arc<Condvar>,
    life: Life,
    /// What the instance is called.
    name: Arc<str>,
}

impl Memory {
    /// An empty journal of that many shards in which nothing goes wrong.
    ///
    /// # Panics
    /// If `shards` is 0.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self::with_faults(shards, FaultPlan::default())
    }

    /// An empty journal in which `plan` goes wrong.
    ///
    /// # Panics
    /// If `shards` is 0.
    #[must_use]
    pub fn with_faults(shards: u16, plan: FaultPlan) -> Self {
        assert!(shards > 0, "a journal has at least one shard");
        let inner = Inner {
            shards,
            content: Content::default(),
            synced: None,
            script: Script::new(plan),
            life: 0,
            owned: BTreeSet::new(),
            members: None,
            fencing: true,
            pledged: Timestamp::MIN,
            full: None,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            grew: Arc::default(),
            life: 0,
            name: "this process".into(),
        }
    }

    /// An empty journal that instances share, in which nothing goes wrong by itself.
    ///
    /// # Panics
    /// If `shards` is 0.
    #[must_use]
    pub fn shared(shards: u16, rebalance: Rebalance) -> Self {
        let memory = Self::new(shards);
        memory.lock().members = Some(Members::new(rebalance));
        memory
    }

    /// The handle of an instance of that name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    /// Gives a shard to a member of the group; who had it is told at its next poll, and its commits are refused
    /// from now on. Nothing if it is not shared.
    pub fn assign(&self, shard: Shard, member: Member) {
        if let Some(members) = &mut self.lock().members {
            members.assign(shard, member);
        }
    }

    /// Takes a shard away from whoever has it.
    pub fn take_away(&self, shard: Shard) {
        if let Some(members) = &mut self.lock().members {
            members.take_away(shard);
        }
    }

    /// The members of the group that have not left, in the order in which they joined.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.lock().members.as_ref().map_or_else(Vec::new, Members::members)
    }

    /// Whose a shard is.
    #[must_use]
    pub fn owner(&self, shard: Shard) -> Option<Member> {
        self.lock().members.as_ref()?.owner(shard)
    }

    /// Lets commits of who has lost a shard pass, to show that a test would find it.
    pub fn without_fencing(&self) {
        self.lock().fencing = false;
    }

    /// Replaces what will go wrong; calls are counted from 0 again.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.lock().script = Script::new(plan);
    }

    /// From now on a crash loses what was written after the last [`Memory::sync`].
    pub fn sync_on_demand(&self) {
        let mut inner = self.lock();
        inner.synced = Some(inner.content.clone());
    }

    /// Makes everything durable.
    pub fn sync(&self) {
        let mut inner = self.lock();
        if inner.synced.is_some() {
            inner.synced = Some(inner.content.clone());
        }
    }

    /// Ends every handle, and drops what is not durable.
    pub fn crash(&self) {
        self.lock().crash();
        self.grew.notify_all();
    }

    /// A handle in the life after the last crash.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let life = self.lock().life;
        Self {
            inner: Arc::clone(&self.inner),
            grew: Arc::clone(&self.grew),
            life,
            name: Arc::clone(&self.name),
        }
    }

    /// What is there now, for one process: what a copy of its directory would be.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.lock();
        let copy = Self::new(inner.shards);
        copy.lock().content = inner.content.clone();
        copy
    }

    /// Lets the disk be full, with a reason, or have room again. While it is full, intake is stopped and
    /// commits are refused.
    pub fn set_full(&self, reason: Option<&str>) {
        self.lock().full = reason.map(str::to_owned);
    }

    /// Everything is consistent between two calls, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn living(&self) -> Result<MutexGuard<'_, Inner>, JournalError> {
        let inner = self.lock();
        inner.alive(self.life)?;
        Ok(inner)
    }

    /// Runs `append` on the content at the append time, with the fault that is due.
    fn append_with<T>(
        &self,
        now: Timestamp,
        append: impl FnOnce(&mut Content, Timestamp) -> T,
    ) -> Result<T, IntakeError> {
        let mut inner = self.living().map_err(|e| IntakeError::Stopped { reason: e.to_string() })?;
        let fault = inner.script.append();
        if let Some(reason) = inner.full.clone() {
            return Err(IntakeError::Stopped { reason });
        }
        let planned = || "the fault plan says so".to_owned();
        let (accept, crash) = match fault {
            None => (true, false),
            Some(AppendFault::Refuse) => return Err(IntakeError::Stopped { reason: planned() }),
            Some(AppendFault::Unknown { accepted }) => (accepted, false),
            Some(AppendFault::Crash { accepted }) => (accepted, true),
        };
        let done = accept.then(|| {
            let pledged = inner.pledged;
            let at = inner.content.append_time(now, pledged);
            append(&mut inner.content, at)
        });
        if crash {
            inner.crash();
        }
        self.grew.notify_all();
        match (done, fault) {
            (Some(done), None) => Ok(done),
            _ => Err(IntakeError::Unknown { reason: planned() }),
        }
    }
}

impl Intake for Memory {
    fn shard_count(&self) -> u16 {
        self.lock().shards
    }

    fn append(&self, now: Timestamp, records: &[Append<'_>]) -> Result<Appended, IntakeError> {
        verify::records(records, self.shard_count())?;
        self.append_with(now, |content, at| Appended { at, offsets: content.append(at, records) })
    }

    fn intake_state(&self) -> IntakeState {
        match self.living() {
            Err(e) => IntakeState::Stopped { reason: e.to_string() },
            Ok(inner) => match &inner.full {
                Some(reason) => IntakeState::Stopped { reason: reason.clone() },
                None => IntakeState::Open,
            },
        }
    }
}

impl ControlLog for Memory {
    fn append_control(&self, now: Timestamp, bytes: &[u8]) -> Result<ControlRecord, IntakeError> {
        self.append_with(now, |content, appended| {
            let offset = content.control.len() as u64;
            let record = ControlRecord { offset, appended, bytes: bytes.to_vec() };
            content.control.push(record.clone());
            record
        })
    }

    fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        let inner = self.living()?;
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(inner.content.control.iter().skip(skipped).take(max).cloned().collect())
    }

    fn control_end(&self) -> Result<u64, JournalError> {
        Ok(self.living()?.content.control.len() as u64)
    }

    fn wait_control(&self, offset: u64, at_most: Duration) {
        let inner = self.lock();
        let waits =
            |inner: &mut Inner| inner.life == self.life && inner.content.control.len() as u64 <= offset;
        drop(self.grew.wait_timeout_while(inner, at_most, waits));
    }
}

impl Streams for Memory {
    fn bounds(&self, stream: Stream) -> Result<Bounds, JournalError> {
        Ok(self.living()?.content.bounds(stream))
    }

    fn read_stream(
        &self,
        stream: Stream,
        from: u64,
        max: usize,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Result<u64, JournalError> {
        let inner = self.living()?;
        let mut next = from;
        for item in inner.content.items(stream, from, max) {
            next = item.number + 1;
            each(item);
        }
        Ok(next)
    }

    fn item_at(&self, stream: Stream, position: u64) -> Result<u64, JournalError> {
        Ok(self.living()?.content.item_at(stream, position))
    }

    fn origin(&self) -> Result<Vec<u8>, JournalError> {
        Ok(self.living()?.content.origin())
    }

    fn read_state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        let inner = self.living()?;
        let within = inner.content.state(shard).filter(|(key, _)| (from..to).contains(key));
        within.for_each(|(key, value)| each(key, value));
        Ok(())
    }

    /// Nothing is ever dropped here, so there is nothing to note.
    fn mark_delivered(&self, _next: u64) -> Result<(), JournalError> {
        self.living().map(drop)
    }

    /// Nothing is noted, so everything is still to be delivered.
    fn delivered(&self) -> Result<u64, JournalError> {
        self.living().map(|_| 0)
    }
}

impl Letters for Memory {
    fn replayed(&self) -> Result<BTreeMap<u64, Timestamp>, JournalError> {
        Ok(self.living()?.content.replayed.clone())
    }

    fn replay(&self, now: Timestamp, numbers: &[u64], again: bool) -> Result<Vec<Verdict>, IntakeError> {
        let found = letters::collect(self, numbers).map_err(|error| letters::stopped(&error))?;
        self.append_with(now, |content, at| {
            let noted = |number| content.replayed.get(&number).copied();
            let (chosen, verdicts) = letters::judge(numbers, &found, noted, again);
            let records: Vec<Append<'_>> = chosen.iter().map(|(_, letter)| letter.append()).collect();
            content.append(at, &records);
            content.replayed.extend(chosen.iter().map(|(number, _)| (*number, at)));
            verdicts
        })
    }
}

impl Group for Memory {
    fn is_shared(&self) -> bool {
        self.lock().members.is_some()
    }

    fn acknowledged(&self) -> Result<Vec<Acknowledged>, JournalError> {
        Ok(self.living()?.content.acknowledged())
    }

    fn publish_view(&self, view: View<'_>) -> Result<(), JournalError> {
        self.living()?.content.publish(view);
        Ok(())
    }

    fn read_views(&self, from: u64, each: &mut dyn FnMut(View<'_>)) -> Result<u64, JournalError> {
        Ok(self.living()?.content.views(from, each))
    }
}

impl Log for Memory {
    type Worker = MemoryWorker;

    fn worker(&self, assignment: Assignment<'_>) -> Result<MemoryWorker, JournalError> {
        let mut inner = self.living()?;
        let count = inner.shards;
        let shards = match (assignment, &mut inner.members) {
            (Assignment::Fixed(shards), None) => shards,
            (Assignment::Shared(_), Some(members)) => {
                let member = members.join(&self.name, count);
                drop(inner);
                return Ok(MemoryWorker::member(self.clone(), member));
            }
            (Assignment::Shared(_), None) => {
                let can = "belongs to one process, which divides its shards itself";
                return Err(JournalError::Assignment { can, asked: "shards that come and go" });
            }
            (Assignment::Fixed(_), Some(_)) => {
                let can = "is shared, and gives shards to whoever joins";
                return Err(JournalError::Assignment { can, asked: "shards of its choice" });
            }
        };
        for &shard in shards {
            if shard >= count {
                return Err(JournalError::NoShard { shard, shards: count });
            }
            if inner.owned.contains(&shard) {
                return Err(JournalError::Owned { shard });
            }
        }
        inner.owned.extend(shards);
        drop(inner);
        Ok(MemoryWorker::new(self.clone(), shards))
    }
}
