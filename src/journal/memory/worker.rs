//! One worker's handle to a [`Memory`].

use super::faults::{CommitFault, PollFault};
use super::{Content, Memory};
use crate::journal::batch::Batch;
use crate::journal::error::{CommitError, JournalError};
use crate::journal::record::{Committed, Head, Progress, Shard, Source};
use crate::journal::traits::Journal;
use crate::journal::transaction::Transaction;
use crate::journal::verify;
use crate::model::Timestamp;

/// How far one shard has been polled.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    next: u64,
    /// The append time of the last record polled.
    last: Timestamp,
    caught_up: bool,
}

/// One worker's shards in a [`Memory`]. They are free again when it is dropped.
#[derive(Debug)]
pub struct MemoryWorker {
    memory: Memory,
    shards: Vec<Shard>,
    /// Beside `shards`; `None` until started.
    cursors: Vec<Option<Cursor>>,
    announced: bool,
    /// Whose turn it is to be read first.
    turn: usize,
}

impl MemoryWorker {
    pub(super) fn new(memory: Memory, shards: &[Shard]) -> Self {
        let mut shards = shards.to_vec();
        shards.sort_unstable();
        shards.dedup();
        let cursors = vec![None; shards.len()];
        Self { memory, shards, cursors, announced: false, turn: 0 }
    }

    fn place(&self, shard: Shard) -> Result<usize, JournalError> {
        let not_owned = |_| JournalError::NotOwned { shard, owned: self.shards.clone() };
        self.shards.binary_search(&shard).map_err(not_owned)
    }
}

/// Moves what is unread of one log into `batch`, until it holds `max` records.
fn fill(content: &Content, shard: Shard, cursor: &mut Cursor, max: usize, batch: &mut Batch) {
    while batch.len() < max {
        let Some(record) = content.record(shard, Source::Events, cursor.next) else { break };
        batch.push(record);
        cursor.next += 1;
        cursor.last = record.appended;
    }
    cursor.caught_up = cursor.next >= content.log_end(shard, Source::Events);
}

impl Journal for MemoryWorker {
    fn shards(&self) -> &[Shard] {
        &self.shards
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        batch.clear();
        let mut inner = self.memory.living()?;
        if !self.announced {
            self.announced = true;
            self.shards.iter().for_each(|&shard| batch.push_gained(shard));
        }
        let fault = inner.script.poll();
        let max = match fault {
            None => max,
            Some(PollFault::Delay) => return Ok(()),
            Some(PollFault::Short { max: short }) => max.min(short),
            Some(PollFault::Repeat { records }) => {
                self.cursors.iter_mut().flatten().for_each(|c| c.next = c.next.saturating_sub(records));
                max
            }
        };
        for step in 0..self.shards.len() {
            let at = (self.turn + step) % self.shards.len();
            if let Some(cursor) = &mut self.cursors[at] {
                fill(&inner.content, self.shards[at], cursor, max, batch);
            }
        }
        self.turn += 1;
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
        batch.clear();
        self.place(shard)?;
        let inner = self.memory.living()?;
        let records = (from..).map_while(|offset| inner.content.record(shard, source, offset));
        records.take(max).for_each(|record| batch.push(record));
        Ok(())
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        let place = self.place(shard)?;
        let inner = self.memory.living()?;
        let next = inner.content.head(shard).map_or(0, |head| head.position(Source::Events));
        let read = next.checked_sub(1).and_then(|offset| inner.content.record(shard, Source::Events, offset));
        let last = read.map_or(Timestamp::MIN, |record| record.appended);
        self.cursors[place] = Some(Cursor { next, last, caught_up: false });
        Ok(())
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let Ok(place) = self.place(shard) else { return Timestamp::MIN };
        let (Some(cursor), Ok(mut inner)) = (&mut self.cursors[place], self.memory.living()) else {
            return Timestamp::MIN;
        };
        cursor.caught_up = cursor.next >= inner.content.log_end(shard, Source::Events);
        if !cursor.caught_up {
            return cursor.last.min(now);
        }
        inner.pledged = inner.pledged.max(now);
        now
    }

    fn caught_up(&self, shard: Shard) -> bool {
        self.place(shard).is_ok_and(|place| self.cursors[place].is_some_and(|cursor| cursor.caught_up))
    }

    fn unread(&self, shard: Shard) -> u64 {
        let (Ok(place), Ok(inner)) = (self.place(shard), self.memory.living()) else { return 0 };
        let end = inner.content.log_end(shard, Source::Events);
        self.cursors[place].map_or(0, |cursor| end.saturating_sub(cursor.next))
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let mut inner = self.memory.living().map_err(|e| CommitError::Refused { reason: e.to_string() })?;
        let fault = inner.script.commit();
        verify::transaction(tx, &self.shards, |shard| inner.content.head(shard))?;
        if let Some(reason) = inner.full.clone() {
            return Err(CommitError::Refused { reason });
        }
        let reason = "the fault plan says so".to_owned();
        match fault {
            None => return Ok(inner.content.commit(tx)),
            Some(CommitFault::Refuse) => return Err(CommitError::Refused { reason }),
            Some(CommitFault::Unknown { committed } | CommitFault::Crash { committed }) => {
                if committed {
                    inner.content.commit(tx);
                }
            }
        }
        if matches!(fault, Some(CommitFault::Crash { .. })) {
            inner.crash();
        }
        Err(CommitError::Unknown { reason })
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        self.place(shard)?;
        Ok(self.memory.living()?.content.head(shard).cloned())
    }

    fn restore(
        &mut self,
        shard: Shard,
        progress: &mut dyn FnMut(Progress),
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<u64, JournalError> {
        self.place(shard)?;
        let inner = self.memory.living()?;
        let state = inner.content.state(shard);
        let records = state.len() as u64;
        state.for_each(|(key, value)| each(key, value));
        progress(Progress { records, estimate: records });
        Ok(records)
    }
}

impl Drop for MemoryWorker {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.memory.living() {
            inner.owned.retain(|shard| !self.shards.contains(shard));
        }
    }
}
