//! What is committed together: for each shard its state, its positions and everything that leaves it.
//!
//! Owns: reusable arenas. Promises: no allocation per change or line once they have grown to their usual
//! size. Never: decides what is right; that is [`super::Journal::commit`]'s part.

use super::record::{Shard, Source, Stream};
use super::reject::Reject;
use crate::model::lines::Lines;
use crate::model::{Formats, Timestamp};

/// Byte strings one behind the other.
#[derive(Clone, Debug, Default)]
struct Items {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Items {
    /// Appends what `write` appends to the buffer.
    fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Each, in order.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// A state record's new value, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The key has this value from now on.
    Put(&'a [u8], &'a [u8]),
    /// The key is gone.
    Delete(&'a [u8]),
}

#[derive(Clone, Copy, Debug)]
struct ChangeEntry {
    key_end: usize,
    /// `None`: the key is deleted.
    value_end: Option<usize>,
}

/// One shard's part of a transaction.
#[derive(Clone, Debug, Default)]
pub struct ShardCommit {
    shard: Shard,
    seq: u64,
    /// What [`super::Head::meta`] will be.
    pub meta: Vec<u8>,
    /// In which format it is written, and which its owner reads.
    pub formats: Formats,
    /// The epoch that the shard has taken: by this commit it acknowledges it (G11).
    pub epoch: u64,
    /// Lines for delivery, without newlines.
    pub sends: Lines,
    /// Lines of movements, without newlines.
    pub transitions: Lines,
    /// Lines of refusals, without newlines.
    pub refusals: Lines,
    /// What was read in which order; one item if not empty.
    pub cycles: Vec<u8>,
    positions: Vec<(Source, u64)>,
    rejects: Items,
    changes: Vec<ChangeEntry>,
    change_bytes: Vec<u8>,
}

impl ShardCommit {
    /// Whose it is.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The number of this commit: the last one's plus 1, from 1.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Sets what is to be read next in `source`. A log that is not mentioned keeps its position.
    pub fn set_position(&mut self, source: Source, next: u64) {
        match self.positions.iter_mut().find(|(s, _)| *s == source) {
            Some(known) => known.1 = next,
            None => self.positions.push((source, next)),
        }
    }

    /// The positions that change.
    #[must_use]
    pub fn positions(&self) -> &[(Source, u64)] {
        &self.positions
    }

    /// Gives `key` a value. Of several changes to one key the last one holds.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.change_bytes.extend_from_slice(key);
        let key_end = self.change_bytes.len();
        self.change_bytes.extend_from_slice(value);
        self.changes.push(ChangeEntry { key_end, value_end: Some(self.change_bytes.len()) });
    }

    /// Deletes `key`, whether it exists or not.
    pub fn delete(&mut self, key: &[u8]) {
        self.change_bytes.extend_from_slice(key);
        self.changes.push(ChangeEntry { key_end: self.change_bytes.len(), value_end: None });
    }

    /// The changes of state, in order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Change<'_>> {
        let mut start = 0;
        self.changes.iter().map(move |entry| {
            let key = &self.change_bytes[start..entry.key_end];
            start = entry.value_end.unwrap_or(entry.key_end);
            match entry.value_end {
                Some(end) => Change::Put(key, &self.change_bytes[entry.key_end..end]),
                None => Change::Delete(key),
            }
        })
    }

    /// Sends, movements and refusals, to be exchanged for filled buffers.
    pub fn lines(&mut self) -> [&mut Lines; 3] {
        [&mut self.sends, &mut self.transitions, &mut self.refusals]
    }

    /// Keeps an input that could not be understood.
    pub fn reject(&mut self, reject: &Reject<'_>) {
        self.rejects.push_with(|bytes| reject.encode(bytes));
    }

    /// The items of `stream`, as they are stored.
    pub fn items(&self, stream: Stream) -> impl Iterator<Item = &[u8]> {
        let lines = match stream {
            Stream::Sends => Some(&self.sends),
            Stream::Transitions => Some(&self.transitions),
            Stream::Refusals => Some(&self.refusals),
            Stream::Rejects | Stream::Cycles => None,
        };
        let rejects = (stream == Stream::Rejects).then_some(&self.rejects);
        let cycles = Some(self.cycles.as_slice()).filter(|it| stream == Stream::Cycles && !it.is_empty());
        let lines = lines.into_iter().flat_map(Lines::iter);
        lines.chain(rejects.into_iter().flat_map(Items::iter)).chain(cycles)
    }

    fn reset(&mut self, shard: Shard, seq: u64) {
        self.shard = shard;
        self.seq = seq;
        self.meta.clear();
        self.epoch = 0;
        self.sends.clear();
        self.transitions.clear();
        self.refusals.clear();
        self.cycles.clear();
        self.positions.clear();
        self.rejects.clear();
        self.changes.clear();
        self.change_bytes.clear();
    }
}

/// What is committed together: reused from commit to commit.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    at: Timestamp,
    parts: Vec<ShardCommit>,
    used: usize,
}

impl Transaction {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it for a commit at `at`, and keeps what it has allocated.
    ///
    /// `at` is kept with what leaves and decides when that is old enough to be dropped: the wall clock, or
    /// in a replay the virtual one.
    pub fn begin(&mut self, at: Timestamp) {
        self.at = at;
        self.used = 0;
    }

    /// The time given to [`Transaction::begin`].
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Adds a shard's part, to be filled in. A shard may have one part only: the commit is refused otherwise.
    pub fn shard(&mut self, shard: Shard, seq: u64) -> &mut ShardCommit {
        if self.used == self.parts.len() {
            self.parts.push(ShardCommit::default());
        }
        let part = &mut self.parts[self.used];
        self.used += 1;
        part.reset(shard, seq);
        part
    }

    /// The shards' parts, in the order in which they were added.
    #[must_use]
    pub fn parts(&self) -> &[ShardCommit] {
        &self.parts[..self.used]
    }

    /// Whether it has no part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}
