//! One worker's handle to a [`Memory`].

use std::sync::Arc;
use std::time::Duration;

use super::faults::{CommitFault, PollFault};
use super::group::{Member, Members};
use super::{Content, Inner, Memory};
use crate::journal::batch::Batch;
use crate::journal::error::{CommitError, JournalError};
use crate::journal::record::{Committed, Head, Progress, Shard, Source};
use crate::journal::traits::{Journal, OnProgress, OnRecord, Stored};
use crate::journal::transaction::Transaction;
use crate::journal::verify;
use crate::model::Timestamp;

/// How far one shard has been polled.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    next: u64,
    /// Behind the last record that was ever polled: what comes again is not unread.
    seen: u64,
    /// The append time of the last record polled.
    last: Timestamp,
    caught_up: bool,
}

/// A shard in a worker's hands.
#[derive(Clone, Copy, Debug)]
struct Owned {
    /// The number of the assignment; 0 if it is fixed.
    assignment: u64,
    /// `None` until started.
    cursor: Option<Cursor>,
}

/// One worker's shards in a [`Memory`]. They are free again when it is dropped.
#[derive(Debug)]
pub struct MemoryWorker {
    memory: Memory,
    /// Where it is one of a group.
    member: Option<Member>,
    shards: Vec<Shard>,
    /// Beside `shards`.
    owned: Vec<Owned>,
    announced: bool,
    /// Whose turn it is to be read first.
    turn: usize,
}

impl MemoryWorker {
    pub(super) fn new(memory: Memory, shards: &[Shard]) -> Self {
        let mut shards = shards.to_vec();
        shards.sort_unstable();
        shards.dedup();
        let owned = vec![Owned { assignment: 0, cursor: None }; shards.len()];
        Self { memory, member: None, shards, owned, announced: false, turn: 0 }
    }

    pub(super) fn member(memory: Memory, member: Member) -> Self {
        let (shards, owned) = (Vec::new(), Vec::new());
        Self { memory, member: Some(member), shards, owned, announced: true, turn: 0 }
    }

    /// Which member of the group it is; `None` if its shards are fixed.
    #[must_use]
    pub fn number(&self) -> Option<Member> {
        self.member
    }

    /// The place of a shard that is still ours, told or not.
    fn place(&self, inner: &Inner, shard: Shard) -> Result<usize, JournalError> {
        let not_owned = || JournalError::NotOwned { shard, owned: self.shards.clone() };
        let place = self.shards.binary_search(&shard).map_err(|_| not_owned())?;
        let holds = match (self.member, &inner.members) {
            (Some(member), Some(members)) => members.holds(shard, member, self.owned[place].assignment),
            _ => true,
        };
        if holds { Ok(place) } else { Err(not_owned()) }
    }

    /// Tells what has come and gone since the last poll.
    fn move_shards(&mut self, members: Option<&Members>, batch: &mut Batch) {
        if !std::mem::replace(&mut self.announced, true) {
            self.shards.iter().for_each(|&shard| batch.push_gained(shard));
        }
        let (Some(member), Some(members)) = (self.member, members) else { return };
        for place in (0..self.shards.len()).rev() {
            if !members.holds(self.shards[place], member, self.owned[place].assignment) {
                batch.push_lost(self.shards.remove(place));
                self.owned.remove(place);
            }
        }
        for (shard, assignment) in members.of(member) {
            if let Err(place) = self.shards.binary_search(&shard) {
                batch.push_gained(shard);
                self.shards.insert(place, shard);
                self.owned.insert(place, Owned { assignment, cursor: None });
            }
        }
    }

    fn owner(&self, inner: &Inner) -> Arc<str> {
        let name = self.member.and_then(|member| inner.members.as_ref()?.name(member));
        Arc::clone(name.unwrap_or(&self.memory.name))
    }
}

/// Moves what is unread of one log into `batch`, until it holds `max` records.
fn fill(content: &Content, shard: Shard, cursor: &mut Cursor, max: usize, batch: &mut Batch) {
    while batch.len() < max {
        let Some(record) = content.record(shard, Source::Events, cursor.next) else { break };
        batch.push(record);
        cursor.next += 1;
        cursor.last = record.appended.max(cursor.last);
    }
    cursor.seen = cursor.seen.max(cursor.next);
    cursor.caught_up = cursor.seen >= content.log_end(shard, Source::Events);
}

impl Journal for MemoryWorker {
    type Stored = MemoryStored;

    fn shards(&self) -> &[Shard] {
        &self.shards
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        batch.clear();
        let memory = self.memory.clone();
        let mut inner = memory.living()?;
        self.move_shards(inner.members.as_ref(), batch);
        let fault = inner.script.poll();
        let max = match fault {
            None => max,
            Some(PollFault::Delay) => return Ok(()),
            Some(PollFault::Short { max: short }) => max.min(short),
            Some(PollFault::Repeat { records }) => {
                let cursors = self.owned.iter_mut().filter_map(|owned| owned.cursor.as_mut());
                cursors.for_each(|cursor| cursor.next = cursor.next.saturating_sub(records));
                max
            }
        };
        for step in 0..self.shards.len() {
            let at = (self.turn + step) % self.shards.len();
            if let Some(cursor) = &mut self.owned[at].cursor {
                fill(&inner.content, self.shards[at], cursor, max, batch);
            }
        }
        Ok(())
    }

    /// Appends and commands of any instance wake it; where the shards are fixed, whoever appends does.
    fn wait(&mut self, at_most: Duration) -> bool {
        if self.member.is_none() {
            return false;
        }
        let inner = self.memory.lock();
        let unread = |shard: &Shard, owned: &Owned| {
            owned.cursor.is_some_and(|cursor| cursor.next < inner.content.log_end(*shard, Source::Events))
        };
        if !self.shards.iter().zip(&self.owned).any(|(shard, owned)| unread(shard, owned)) {
            drop(self.memory.grew.wait_timeout(inner, at_most));
        }
        true
    }

    fn read(
        &mut self,
        shard: Shard,
        source: Source,
        from: u64,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        batch.clear();
        let inner = self.memory.living()?;
        self.place(&inner, shard)?;
        let records = (from..).map_while(|offset| inner.content.record(shard, source, offset));
        records.take(max).for_each(|record| batch.push(record));
        Ok(())
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        let inner = self.memory.living()?;
        let place = self.place(&inner, shard)?;
        let next = inner.content.head(shard).map_or(0, |head| head.position(Source::Events));
        let read = next.checked_sub(1).and_then(|offset| inner.content.record(shard, Source::Events, offset));
        let last = read.map_or(Timestamp::MIN, |record| record.appended);
        drop(inner);
        self.owned[place].cursor = Some(Cursor { next, seen: next, last, caught_up: false });
        Ok(())
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let Ok(mut inner) = self.memory.living() else { return Timestamp::MIN };
        let Ok(place) = self.place(&inner, shard) else { return Timestamp::MIN };
        let Some(cursor) = &mut self.owned[place].cursor else { return Timestamp::MIN };
        cursor.caught_up = cursor.seen >= inner.content.log_end(shard, Source::Events);
        if !cursor.caught_up {
            return cursor.last.min(now);
        }
        inner.pledged = inner.pledged.max(now);
        now
    }

    fn caught_up(&self, shard: Shard) -> bool {
        let cursor = self.shards.binary_search(&shard).ok().and_then(|place| self.owned[place].cursor);
        cursor.is_some_and(|cursor| cursor.caught_up)
    }

    fn unread(&self, shard: Shard) -> u64 {
        let Ok(inner) = self.memory.living() else { return 0 };
        let Ok(place) = self.place(&inner, shard) else { return 0 };
        let end = inner.content.log_end(shard, Source::Events);
        self.owned[place].cursor.as_ref().map_or(0, |cursor| end.saturating_sub(cursor.seen))
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let mut inner = self.memory.living().map_err(|e| CommitError::Refused { reason: e.to_string() })?;
        let fault = inner.script.commit();
        let owner = self.owner(&inner);
        if inner.fencing {
            let lost = tx.parts().iter().find_map(|part| self.place(&inner, part.shard()).err());
            if let Some(lost) = lost {
                return Err(CommitError::Refused { reason: lost.to_string() });
            }
            verify::transaction(tx, &self.shards, |shard| inner.content.head(shard))?;
        }
        if let Some(reason) = inner.full.clone() {
            return Err(CommitError::Refused { reason });
        }
        let reason = "the fault plan says so".to_owned();
        match fault {
            None => return Ok(inner.content.commit(tx, &owner)),
            Some(CommitFault::Refuse) => return Err(CommitError::Refused { reason }),
            Some(CommitFault::Unknown { committed } | CommitFault::Crash { committed }) => {
                if committed {
                    inner.content.commit(tx, &owner);
                }
            }
        }
        if matches!(fault, Some(CommitFault::Crash { .. })) {
            inner.crash();
        }
        Err(CommitError::Unknown { reason })
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        let inner = self.memory.living()?;
        self.place(&inner, shard)?;
        Ok(inner.content.head(shard).cloned())
    }

    fn stored(&mut self, shard: Shard) -> Result<MemoryStored, JournalError> {
        let inner = self.memory.living()?;
        self.place(&inner, shard)?;
        let head = inner.content.head(shard).cloned();
        let records = inner.content.state(shard).map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        Ok(MemoryStored { head, records })
    }
}

/// What a shard of a [`Memory`] is restored from, as it was when it was asked for.
#[derive(Clone, Debug)]
pub struct MemoryStored {
    head: Option<Head>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Stored for MemoryStored {
    fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    fn records(self, progress: OnProgress<'_>, each: OnRecord<'_>) -> Result<u64, JournalError> {
        let estimate = self.records.len() as u64;
        for (records, (key, value)) in (1..).zip(&self.records) {
            if each(key, value).is_break() {
                return Ok(records);
            }
        }
        let _ = progress(Progress { records: estimate, estimate });
        Ok(estimate)
    }
}

impl Drop for MemoryWorker {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.memory.living() {
            let shards = inner.shards;
            match (self.member, &mut inner.members) {
                (Some(member), Some(members)) => members.leave(member, shards),
                _ => inner.owned.retain(|shard| !self.shards.contains(shard)),
            }
        }
    }
}
