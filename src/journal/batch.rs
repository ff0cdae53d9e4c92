//! What one poll gave: records over one arena, reused from poll to poll.
//!
//! Owns: a byte arena and an index into it. Promises: no allocation per record once both have grown to their
//! usual size.

use super::record::{Kind, Record, Shard, Source};
use crate::model::Timestamp;

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    appended: Timestamp,
    timed: bool,
    start: usize,
    len: u32,
    source: Source,
    shard: Shard,
    kind: Kind,
}

/// Records read together, in the order in which they are to be decided, and what became of the shards.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    index: Vec<Entry>,
    gained: Vec<Shard>,
    lost: Vec<Shard>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The record with this number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Record<'_>> {
        self.index.get(number).map(|entry| self.record(entry))
    }

    /// The records, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.index.iter().map(|entry| self.record(entry))
    }

    /// Shards that this worker owns from now on; they are silent until [`super::Journal::start`].
    #[must_use]
    pub fn gained(&self) -> &[Shard] {
        &self.gained
    }

    /// Shards that this worker no longer owns: their records in here are nobody's. A shard that is among the
    /// gained too was lost first.
    #[must_use]
    pub fn lost(&self) -> &[Shard] {
        &self.lost
    }

    /// Empties it and keeps what it has allocated.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.index.clear();
        self.gained.clear();
        self.lost.clear();
    }

    /// Appends a record. For those who implement [`super::Journal`].
    pub fn push(&mut self, record: Record<'_>) {
        let start = self.arena.len();
        self.arena.extend_from_slice(record.bytes);
        self.index.push(Entry {
            offset: record.offset,
            appended: record.appended,
            timed: record.timed,
            start,
            len: u32::try_from(record.bytes.len()).expect("RECORD_BYTES_MAX fits in 32 bits"),
            source: record.source,
            shard: record.shard,
            kind: record.kind,
        });
    }

    /// Notes a shard that is owned from now on. For those who implement [`super::Journal`].
    pub fn push_gained(&mut self, shard: Shard) {
        self.gained.push(shard);
    }

    /// Notes a shard that is owned no longer. For those who implement [`super::Journal`].
    pub fn push_lost(&mut self, shard: Shard) {
        self.lost.push(shard);
    }

    fn record(&self, entry: &Entry) -> Record<'_> {
        Record {
            shard: entry.shard,
            source: entry.source,
            kind: entry.kind,
            offset: entry.offset,
            appended: entry.appended,
            timed: entry.timed,
            bytes: &self.arena[entry.start..entry.start + entry.len as usize],
        }
    }
}
