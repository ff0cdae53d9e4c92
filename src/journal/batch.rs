//! What one poll gave: records over one arena, reused from poll to poll, or over memory that the journal holds.
//!
//! Owns: a byte arena, what a journal holds, and an index into both. Promises: no allocation per record once they
//! have grown to their usual size.

use std::fmt;

use super::record::{Kind, Record, Shard, Source};
use crate::model::Timestamp;

/// Records in a journal's own memory: spares a batch their copy, which costs more than to look at them.
pub trait Held: fmt::Debug + Send {
    /// The bytes of the record with this number.
    fn bytes(&self, number: usize) -> &[u8];

    /// Its key, if it has one.
    fn key(&self, number: usize) -> Option<&[u8]>;
}

/// Where the bytes of a record are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the arena: start and length.
    Arena(usize, u32),
    /// The record of that number in what is held with that number.
    Held(u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    appended: Timestamp,
    timed: bool,
    place: Place,
    source: Source,
    shard: Shard,
    kind: Kind,
}

/// Records read together, in the order in which they are to be decided, and what became of the shards.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    held: Vec<Box<dyn Held>>,
    index: Vec<Entry>,
    /// The keys of records in the arena, by number, ascending: start and length.
    keys: Vec<(usize, usize, u32)>,
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

    /// The key under which the record with this number stands in its log, if it has one. Asked for apart, since
    /// only a dead letter needs it.
    #[must_use]
    pub fn key(&self, number: usize) -> Option<&[u8]> {
        match self.index.get(number)?.place {
            Place::Held(held, number) => self.held[held as usize].key(number as usize),
            Place::Arena(..) => {
                let at = self.keys.binary_search_by_key(&number, |(of, ..)| *of).ok()?;
                let (_, start, length) = self.keys[at];
                Some(&self.arena[start..start + length as usize])
            }
        }
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
        self.held.clear();
        self.index.clear();
        self.keys.clear();
        self.gained.clear();
        self.lost.clear();
    }

    /// Appends a record. For those who implement [`super::Journal`].
    pub fn push(&mut self, record: Record<'_>) {
        let length = u32::try_from(record.bytes.len()).expect("RECORD_BYTES_MAX fits in 32 bits");
        let place = Place::Arena(self.arena.len(), length);
        self.arena.extend_from_slice(record.bytes);
        self.put(&record, place);
    }

    /// Appends a record that stands in its log under a key. For those who implement [`super::Journal`].
    pub fn push_keyed(&mut self, record: Record<'_>, key: Option<&[u8]>) {
        if let Some(key) = key {
            let length = u32::try_from(key.len()).expect("a record is far below 4 GiB");
            self.keys.push((self.index.len(), self.arena.len(), length));
            self.arena.extend_from_slice(key);
        }
        self.push(record);
    }

    /// Appends a record whose bytes are the ones of that number in what [`Batch::hold`] is given next; those of
    /// `record` are not looked at. For those who implement [`super::Journal`].
    pub fn push_held(&mut self, number: usize, record: &Record<'_>) {
        let number = u32::try_from(number).expect("a batch has fewer than 2^32 records");
        self.put(record, Place::Held(self.held.len() as u32, number));
    }

    /// Keeps the memory of the records that were pushed as held since it was called last. For those who
    /// implement [`super::Journal`].
    pub fn hold(&mut self, held: Box<dyn Held>) {
        self.held.push(held);
    }

    fn put(&mut self, record: &Record<'_>, place: Place) {
        let Record { shard, source, kind, offset, appended, timed, .. } = *record;
        self.index.push(Entry { offset, appended, timed, place, source, shard, kind });
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
            bytes: match entry.place {
                Place::Arena(start, length) => &self.arena[start..start + length as usize],
                Place::Held(held, number) => self.held[held as usize].bytes(number as usize),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Words(&'static [&'static str]);

    impl Held for Words {
        fn bytes(&self, number: usize) -> &[u8] {
            self.0[number].as_bytes()
        }

        fn key(&self, number: usize) -> Option<&[u8]> {
            Some(self.0[number].as_bytes()).filter(|key| key.len() == 3)
        }
    }

    #[test]
    fn held_and_copied_records_come_in_the_order_in_which_they_were_pushed() {
        let record = |offset, bytes| Record {
            shard: 3,
            source: Source::Events,
            kind: Kind::Event,
            offset,
            appended: Timestamp(7),
            timed: true,
            bytes,
        };
        let mut batch = Batch::new();
        for _ in 0..2 {
            batch.clear();
            batch.push_held(1, &record(1, b""));
            batch.push(record(2, b"copied"));
            batch.push_keyed(record(3, b"keyed"), Some(b"its key"));
            batch.hold(Box::new(Words(&["zero", "one"])));
            batch.push_held(0, &record(4, b""));
            batch.hold(Box::new(Words(&["null"])));
            let read: Vec<_> = batch.records().map(|r| (r.offset, r.bytes)).collect();
            assert_eq!(read, [(1, &b"one"[..]), (2, b"copied"), (3, b"keyed"), (4, b"null")]);
            let keys: Vec<_> = (0..5).map(|n| batch.key(n)).collect();
            assert_eq!(keys, [Some(&b"one"[..]), None, Some(b"its key"), None, None]);
        }
    }
}
