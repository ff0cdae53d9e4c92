//! One worker's shards in an embedded journal.

use std::sync::Arc;

use fjall::{OwnedWriteBatch, Slice};
use hashbrown::HashSet;

use super::Shared;
use super::codec::{self, ChunkCursor, Stripe};
use super::store::{Store, Tails, lock};
use crate::journal::batch::Batch;
use crate::journal::error::{CommitError, JournalError};
use crate::journal::own_shards::OwnShards;
use crate::journal::record::{Committed, Head, Progress, Shard, Source, Stream};
use crate::journal::traits::{Journal, ORIGIN_BYTES_MAX, OnProgress, OnRecord, Stored};
use crate::journal::transaction::{Change, ShardCommit, Transaction};
use crate::journal::verify;
use crate::model::Timestamp;

/// After how many records a restore says how far it is.
const PROGRESS_EVERY: u64 = 65_536;

/// How far one shard's accepted log has been polled.
struct Cursor {
    next: u64,
    /// The append time of the last record polled.
    last: Timestamp,
    /// A chunk that has been polled in part.
    rest: Option<(Slice, ChunkCursor)>,
    caught_up: bool,
}

struct Owned {
    shard: Shard,
    head: Option<Head>,
    /// `None` until started.
    cursor: Option<Cursor>,
}

/// One worker's shards in an [`super::Embedded`]. They are free again when it is dropped.
pub struct EmbeddedWorker {
    shared: Arc<Shared>,
    shards: OwnShards,
    /// Beside `shards`.
    owned: Vec<Owned>,
}

impl EmbeddedWorker {
    pub(super) fn new(shared: Arc<Shared>, shards: &[Shard]) -> Result<Self, JournalError> {
        let shards = OwnShards::new(shards);
        let owned = |&shard| Ok(Owned { shard, head: shared.store.head(shard)?, cursor: None });
        let owned = shards.as_slice().iter().map(owned).collect::<Result<_, JournalError>>()?;
        Ok(Self { shared, shards, owned })
    }

    fn place(&self, shard: Shard) -> Result<usize, JournalError> {
        self.shards.place(shard)
    }

    /// Puts all of `tx` into one batch, except what depends on where the streams end.
    fn lay(&self, tx: &Transaction) -> (OwnedWriteBatch, Vec<Head>) {
        let store = &self.shared.store;
        let changes: usize = tx.parts().iter().map(|part| part.changes().len()).sum();
        let mut batch = store.batch(changes + tx.parts().len() + Stream::ALL.len() + 1);
        let mut heads = Vec::with_capacity(tx.parts().len());
        for part in tx.parts() {
            lay_state(store, part, &mut batch);
            let place = self.place(part.shard()).expect("verified: the shard is owned");
            let head = verify::next_head(self.owned[place].head.as_ref(), part);
            batch.insert(&store.keys, codec::head_key(part.shard()), codec::encode_head(&head));
            heads.push(head);
        }
        (batch, heads)
    }
}

/// A batch may name a key once only (all its changes have one sequence number), so the last change is taken.
fn lay_state(store: &Store, part: &ShardCommit, batch: &mut OwnedWriteBatch) {
    let prefix = codec::state_prefix(part.shard());
    let mut changes: Vec<Change<'_>> = part.changes().collect();
    let mut seen = HashSet::with_capacity(changes.len());
    changes.reverse();
    changes.retain(|change| {
        let (Change::Put(key, _) | Change::Delete(key)) = change;
        seen.insert(*key)
    });
    let mut full = Vec::with_capacity(64);
    for change in changes.iter().rev() {
        let (Change::Put(key, _) | Change::Delete(key)) = change;
        full.clear();
        full.extend_from_slice(&prefix);
        full.extend_from_slice(key);
        match change {
            Change::Put(_, value) => batch.insert(&store.keys, full.as_slice(), *value),
            Change::Delete(_) => batch.remove(&store.keys, full.as_slice()),
        }
    }
}

/// Gives each stripe its place behind `tails`, and says where the streams end then.
fn place_stripes(
    store: &Store,
    tails: &mut Tails,
    stripes: Vec<(Stream, Stripe)>,
    batch: &mut OwnedWriteBatch,
) {
    for (stream, mut stripe) in stripes {
        let (next, position) = &mut tails.streams[stream.index()];
        stripe.set_position(*position);
        if stream == Stream::Sends && tails.origin.len() < ORIGIN_BYTES_MAX {
            let body = stripe.value.len() - stripe.bytes as usize;
            let missing = (ORIGIN_BYTES_MAX - tails.origin.len()).min(stripe.bytes as usize);
            tails.origin.extend_from_slice(&stripe.value[body..body + missing]);
            batch.insert(&store.keys, codec::ORIGIN_KEY, tails.origin.as_slice());
        }
        batch.insert(&store.keys, codec::stream_key(stream, *next), stripe.value);
        *next += stripe.count;
        *position += stripe.bytes;
    }
}

impl Cursor {
    fn new(store: &Store, shard: Shard, next: u64) -> Result<Self, JournalError> {
        let mut cursor = Self { next, last: Timestamp::MIN, rest: None, caught_up: false };
        let Some(last) = next.checked_sub(1) else { return Ok(cursor) };
        if let Some((chunk, mut inside)) = chunk_of(store, shard, 0, last)? {
            if let Some(record) = inside.record(&chunk, shard, Source::Events)? {
                cursor.last = record.appended;
            }
            cursor.rest = (inside.next < inside.end).then_some((chunk, inside));
        }
        Ok(cursor)
    }

    /// Moves what is unread of the shard into `batch`, until that holds `max` records.
    fn fill(
        &mut self,
        store: &Store,
        shard: Shard,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        let end = store.end_of(shard, 0);
        if let Some((chunk, inside)) = &mut self.rest {
            self.next = take(chunk, inside, shard, Source::Events, max, batch, &mut self.last)?;
            if inside.next >= inside.end {
                self.rest = None;
            }
        }
        if self.rest.is_none() && self.next < end && batch.len() < max {
            let span = codec::accepted_key(shard, 0, self.next)..codec::accepted_key(shard, 0, end);
            for guard in store.keys.range(span) {
                if batch.len() >= max {
                    break;
                }
                let (key, chunk) = guard.into_inner().map_err(Store::storage("read accepted records"))?;
                let mut inside = ChunkCursor::new(&chunk, codec::last_number(&key)?)?;
                self.next = take(&chunk, &mut inside, shard, Source::Events, max, batch, &mut self.last)?;
                if inside.next < inside.end {
                    self.rest = Some((chunk, inside));
                }
            }
        }
        self.caught_up = self.next >= end;
        Ok(())
    }
}

/// Moves what is left of a chunk into `batch`, until that holds `max` records; the offset that comes next.
fn take(
    chunk: &Slice,
    inside: &mut ChunkCursor,
    shard: Shard,
    source: Source,
    max: usize,
    batch: &mut Batch,
    last: &mut Timestamp,
) -> Result<u64, JournalError> {
    while batch.len() < max {
        let Some(record) = inside.record(chunk, shard, source)? else { break };
        *last = record.appended;
        batch.push(record);
    }
    Ok(inside.next)
}

/// The chunk that holds `offset`, with the cursor before that record.
fn chunk_of(
    store: &Store,
    shard: Shard,
    log: usize,
    offset: u64,
) -> Result<Option<(Slice, ChunkCursor)>, JournalError> {
    let span = codec::accepted_key(shard, log, 0)..=codec::accepted_key(shard, log, offset);
    let Some(guard) = store.keys.range(span).next_back() else { return Ok(None) };
    let (key, chunk) = guard.into_inner().map_err(Store::storage("read accepted records"))?;
    let mut inside = ChunkCursor::new(&chunk, codec::last_number(&key)?)?;
    while inside.next < offset && inside.record(&chunk, shard, codec::LOGS[log])?.is_some() {}
    Ok((inside.next == offset && offset < inside.end).then_some((chunk, inside)))
}

impl Journal for EmbeddedWorker {
    type Stored = EmbeddedStored;

    fn shards(&self) -> &[Shard] {
        self.shards.as_slice()
    }

    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError> {
        batch.clear();
        let store = &self.shared.store;
        store.alive()?;
        self.shards.announce(batch);
        for at in self.shards.turn() {
            let owned = &mut self.owned[at];
            if let Some(cursor) = &mut owned.cursor {
                cursor.fill(store, owned.shard, max, batch)?;
            }
        }
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
        let store = &self.shared.store;
        store.alive()?;
        let Some(log) = codec::log_place(source) else { return Ok(()) };
        let oldest = lock(&store.kept)[usize::from(shard)][log];
        if from < oldest {
            return Err(JournalError::Gone { what: "record", asked: from, oldest });
        }
        let (mut next, end) = (from, store.end_of(shard, log));
        while next < end && batch.len() < max {
            let Some((chunk, mut inside)) = chunk_of(store, shard, log, next)? else { break };
            next = take(&chunk, &mut inside, shard, source, max, batch, &mut Timestamp::MIN.clone())?;
        }
        Ok(())
    }

    fn start(&mut self, shard: Shard) -> Result<(), JournalError> {
        let place = self.place(shard)?;
        let store = &self.shared.store;
        let owned = &mut self.owned[place];
        owned.head = store.head(shard)?;
        let next = owned.head.as_ref().map_or(0, |head| head.position(Source::Events));
        owned.cursor = Some(Cursor::new(store, shard, next)?);
        Ok(())
    }

    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp {
        let Ok(place) = self.place(shard) else { return Timestamp::MIN };
        let Some(cursor) = &mut self.owned[place].cursor else { return Timestamp::MIN };
        let limit = self.shared.store.pledge(shard, cursor.next, now);
        cursor.caught_up = limit.is_some();
        limit.unwrap_or_else(|| cursor.last.min(now))
    }

    fn caught_up(&self, shard: Shard) -> bool {
        let cursor = self.place(shard).ok().and_then(|place| self.owned[place].cursor.as_ref());
        cursor.is_some_and(|cursor| cursor.caught_up)
    }

    fn unread(&self, shard: Shard) -> u64 {
        let Ok(place) = self.place(shard) else { return 0 };
        let Some(log) = codec::log_place(Source::Events) else { return 0 };
        let end = self.shared.store.end_of(shard, log);
        self.owned[place].cursor.as_ref().map_or(0, |cursor| end.saturating_sub(cursor.next))
    }

    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        let store = &self.shared.store;
        // 1. What is certainly wrong is refused before anything is written.
        store.alive().map_err(|e| CommitError::Refused { reason: e.to_string() })?;
        verify::transaction(tx, self.shards.as_slice(), |shard| {
            self.place(shard).ok().and_then(|place| self.owned[place].head.as_ref())
        })?;
        let (mut batch, heads) = self.lay(tx);
        let stripes: Vec<_> = Stream::ALL.iter().filter_map(|&s| Some((s, Stripe::of(tx, s)?))).collect();
        let bytes = stripes.iter().map(|(_, stripe)| stripe.value.len()).sum();
        store
            .has_room(store.options.reserve_bytes / 2, bytes)
            .map_err(|reason| CommitError::Refused { reason })?;
        // 2. One writer at a time gives the streams their numbers and writes the batch.
        let unknown = |e: JournalError| CommitError::Unknown { reason: e.to_string() };
        let sends = stripes.iter().find(|(s, _)| *s == Stream::Sends).map_or(0, |(_, stripe)| stripe.count);
        let mut writer = store.writer();
        let committed = Committed { first_send: writer.streams[Stream::Sends.index()].0, sends };
        place_stripes(store, &mut writer, stripes, &mut batch);
        let streams = writer.streams;
        let ticket = store.write(&mut writer, batch).map_err(unknown)?;
        drop(writer);
        // 3. Durable; only then may anybody see what leaves.
        store.settle(ticket).map_err(unknown)?;
        store.publish(&streams);
        let mut epochs = lock(&store.epochs);
        for (part, head) in tx.parts().iter().zip(heads) {
            epochs.insert(part.shard(), (part.epoch, part.formats));
            let place = self.shards.place(part.shard()).expect("verified: the shard is owned");
            self.owned[place].head = Some(head);
        }
        Ok(committed)
    }

    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError> {
        let place = self.place(shard)?;
        self.shared.store.alive()?;
        Ok(self.owned[place].head.clone())
    }

    fn stored(&mut self, shard: Shard) -> Result<EmbeddedStored, JournalError> {
        let head = self.head(shard)?;
        Ok(EmbeddedStored { shared: Arc::clone(&self.shared), shard, head })
    }
}

/// What a shard of an [`super::Embedded`] is restored from: its owner commits nothing before it has been.
pub struct EmbeddedStored {
    shared: Arc<Shared>,
    shard: Shard,
    head: Option<Head>,
}

impl Stored for EmbeddedStored {
    fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    fn records(self, progress: OnProgress<'_>, each: OnRecord<'_>) -> Result<u64, JournalError> {
        let store = &self.shared.store;
        store.alive()?;
        let prefix = codec::state_prefix(self.shard);
        // Nearly all keys are state, and shards are of a size.
        let estimate = store.keys.approximate_len() as u64 / u64::from(store.options.shards);
        let mut records = 0;
        for guard in store.keys.prefix(prefix) {
            let (key, value) = guard.into_inner().map_err(Store::storage("restore a shard's state"))?;
            records += 1;
            if each(&key[prefix.len()..], &value).is_break() {
                return Ok(records);
            }
            let said = Progress { records, estimate: estimate.max(records) };
            if records % PROGRESS_EVERY == 0 && progress(said).is_break() {
                return Ok(records);
            }
        }
        // It is the last word: there is nothing left to break off.
        let _ = progress(Progress { records, estimate: records });
        Ok(records)
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        lock(&self.shared.store.owned).retain(|shard| !self.shards.as_slice().contains(shard));
    }
}
