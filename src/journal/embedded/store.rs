//! The storage under an embedded journal: one key space, one writer at a time, one order.
//!
//! Everything lives in **one** fjall key space. Its memory table is written out between two batches, never
//! within one, so that after a power cut the journal is a prefix of what was written, under every fsync
//! policy. With a key space a table, one could be written out ahead of the storage's own log and outlive
//! what it depends on.
//!
//! A write that fails leaves the storage undecided (fjall refuses from then on, rightly: after a failed
//! fsync nothing can be trusted). The store has then *ended*: everything answers with the reason, and
//! opening the directory again tells what was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Slice};
use xxhash_rust::xxh3::xxh3_64;

use super::codec::{self, LOGS};
use super::directory::{Directory, OpenError};
use super::options::{EmbeddedOptions, Fsync};
use super::sync::{Arrival, Group, How};
use super::tail::{self, MARK_KEY};
use crate::journal::error::JournalError;
use crate::journal::record::{Bounds, Head, Shard, Stream};
use crate::model::{Formats, Timestamp};

/// How much is written to see whether there is room, in bytes: as a large commit.
const PROBE_BYTES: u64 = 1 << 20;

/// How long to wait for the cause of a failure that another thread has met.
const CAUSE_WAIT: Duration = Duration::from_secs(1);

/// Where everything ends: what the next write continues. Only the writer changes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tails {
    /// By shard, by log: the next offset.
    pub(super) logs: Vec<[u64; LOGS.len()]>,
    pub(super) control: u64,
    /// By stream: the next number and position.
    pub(super) streams: [(u64, u64); 5],
    pub(super) origin: Vec<u8>,
}

/// What decides append times. Held for a few instructions only.
#[derive(Debug)]
pub(super) struct Clock {
    last: Timestamp,
    /// A shard has taken this for its own time: nothing may be appended before it.
    pledged: Timestamp,
    /// The append time of what is being written and cannot be polled yet.
    pending: Option<Timestamp>,
}

pub(super) struct Store {
    pub(super) options: EmbeddedOptions,
    db: Database,
    pub(super) keys: Keyspace,
    write: Mutex<Tails>,
    clock: Mutex<Clock>,
    group: Group,
    /// By shard, by log: the next offset, once it can be polled.
    ends: Vec<[AtomicU64; LOGS.len()]>,
    control_end: Mutex<u64>,
    control_grew: Condvar,
    /// By shard: the epoch that its last commit acknowledged, in this life of the process.
    pub(super) epochs: Mutex<BTreeMap<Shard, (u64, Formats)>>,
    /// By stream: what is kept and durable.
    pub(super) bounds: Mutex<[Bounds; 5]>,
    /// By shard, by log: the oldest offset that is kept.
    pub(super) kept: Mutex<Vec<[u64; LOGS.len()]>>,
    pub(super) delivered: AtomicU64,
    /// By stream: the number behind the last item that the index of users covers.
    pub(super) indexed: [AtomicU64; 5],
    pub(super) owned: Mutex<BTreeSet<Shard>>,
    ended: OnceLock<Ended>,
    /// The last field: the directory is locked until the storage is closed.
    pub(super) directory: Directory,
}

/// Why a store answers no more.
#[derive(Debug)]
struct Ended {
    reason: String,
    /// It was for want of room: opened again, it will do when there is some.
    wants_room: bool,
}

/// The right to write, and where everything ends.
pub(super) struct Writer<'a> {
    tails: MutexGuard<'a, Tails>,
    _arrival: Arrival<'a>,
}

impl Deref for Writer<'_> {
    type Target = Tails;
    fn deref(&self) -> &Tails {
        &self.tails
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Tails {
        &mut self.tails
    }
}

/// Nothing is left half done under these locks by a panic: they guard plain numbers, written last.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a write failed because a disk, a quota or the limit of a file's size had no room for it.
fn is_want_of_room(error: &fjall::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
            return kinds.contains(&error.kind());
        }
        cause = error.source();
    }
    false
}

fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(e) => e.to_string(),
        fjall::Error::Poisoned => "an earlier write failed".to_owned(),
        other => other.to_string(),
    }
}

impl Store {
    pub(super) fn open(directory: Directory, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let recover = |cause| OpenError::Recover { directory: directory.path.clone(), cause };
        let storage = |e: fjall::Error| {
            let cause = describe(&e);
            recover(JournalError::Storage { doing: "open its data", cause })
        };
        tail::clear_unmade(&directory.data()).map_err(recover)?;
        tail::mend(&directory.data()).map_err(recover)?;
        let db = Database::builder(directory.data())
            .cache_size(options.cache_bytes)
            .manual_journal_persist(true)
            .open()
            .map_err(storage)?;
        let made = || KeyspaceCreateOptions::default().manual_journal_persist(true);
        let keys = db.keyspace("journal", made).map_err(storage)?;
        let found = super::recover::recover(&keys, options.shards).map_err(recover)?;
        let ends = found.tails.logs.iter().map(|logs| logs.map(AtomicU64::new)).collect();
        Ok(Self {
            db,
            keys,
            ends,
            control_end: Mutex::new(found.tails.control),
            control_grew: Condvar::new(),
            epochs: Mutex::default(),
            write: Mutex::new(found.tails),
            clock: Mutex::new(Clock { last: found.last, pledged: Timestamp::MIN, pending: None }),
            group: Group::after(found.ticket),
            bounds: Mutex::new(found.bounds),
            kept: Mutex::new(found.kept),
            delivered: AtomicU64::new(found.delivered),
            indexed: found.indexed.map(AtomicU64::new),
            owned: Mutex::new(BTreeSet::new()),
            ended: OnceLock::new(),
            options,
            directory,
        })
    }

    /// Whether it still answers.
    pub(super) fn alive(&self) -> Result<(), JournalError> {
        match self.ended.get() {
            None => Ok(()),
            Some(Ended { reason, .. }) => Err(JournalError::Ended { reason: reason.clone() }),
        }
    }

    /// Why it has ended, if that was for want of room.
    pub(super) fn wants_room(&self) -> Option<String> {
        let ended = self.ended.get()?;
        // A write in the background fails without telling us more than that it did.
        let full = ended.wants_room || self.has_room(self.options.reserve_bytes / 2, 0).is_err();
        full.then(|| ended.reason.clone())
    }

    /// Writes and forces as much as shows that there is room, and takes it away again.
    pub(super) fn probe(&self) -> Result<(), JournalError> {
        // Nothing that compresses.
        let filler: Vec<u8> =
            (0..PROBE_BYTES / 8).flat_map(|n| xxh3_64(&n.to_le_bytes()).to_le_bytes()).collect();
        for filler in [Some(filler), None] {
            let mut writer = self.writer();
            let mut batch = self.batch(1);
            match filler {
                Some(filler) => batch.insert(&self.keys, codec::PROBE_KEY, filler),
                None => batch.remove(&self.keys, codec::PROBE_KEY),
            }
            let ticket = self.write(&mut writer, batch)?;
            drop(writer);
            self.force(ticket, How::Sync)?;
        }
        Ok(())
    }

    /// Whether `keep` bytes are free on the disk, beside `bytes` to be written.
    pub(super) fn has_room(&self, keep: u64, bytes: usize) -> Result<(), String> {
        let path = &self.directory.path;
        let free = (self.options.free_space)(path)
            .map_err(|e| format!("the free space in {} cannot be told: {e}", path.display()))?;
        let needed = keep.saturating_add(bytes as u64);
        if free >= needed {
            return Ok(());
        }
        Err(format!(
            "the disk of {} has {free} bytes free and {needed} are needed; it goes on by itself \
             when there is room",
            path.display()
        ))
    }

    pub(super) fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.db.clone(), capacity)
    }

    /// The right to write: whoever has it decides what comes next. Nobody waits for the disk while having it.
    pub(super) fn writer(&self) -> Writer<'_> {
        let arrival = self.group.arrive();
        Writer { tails: lock(&self.write), _arrival: arrival }
    }

    /// Writes a batch and gives the ticket to wait with. `_writer` proves the right to.
    pub(super) fn write(
        &self,
        _writer: &mut Writer<'_>,
        mut batch: OwnedWriteBatch,
    ) -> Result<u64, JournalError> {
        self.alive()?;
        batch.insert(&self.keys, MARK_KEY, self.group.next_mark().to_bytes());
        batch.commit().map_err(|e| self.end("write", &e))?;
        Ok(self.group.ticket())
    }

    /// Returns when the ticket is as safe as the settings ask.
    pub(super) fn settle(&self, ticket: u64) -> Result<(), JournalError> {
        match self.options.fsync {
            Fsync::Always => self.force(ticket, How::Sync),
            Fsync::Every(_) | Fsync::Never => self.force(ticket, How::Flush),
        }
    }

    /// Returns when the ticket is as safe as `how` says.
    pub(super) fn force(&self, ticket: u64, how: How) -> Result<(), JournalError> {
        self.group.wait(ticket, how, || {
            let mode = match how {
                How::Flush => PersistMode::Buffer,
                How::Sync => PersistMode::SyncData,
            };
            self.alive()?;
            self.db.persist(mode).map_err(|e| self.end("force its data to the disk", &e))?;
            match &self.options.on_sync {
                Some(observer) if how == How::Sync => observer(),
                _ => {}
            }
            Ok(())
        })
    }

    /// Forces everything to the disk that is not there yet.
    pub(super) fn sync_if_behind(&self) -> Result<(), JournalError> {
        if !self.group.is_behind() {
            return Ok(());
        }
        self.force(self.group.newest(), How::Sync)
    }

    fn end(&self, doing: &'static str, error: &fjall::Error) -> JournalError {
        if matches!(error, fjall::Error::Poisoned) {
            // Whoever met the cause is about to say so; a thread of the storage's own never does.
            let until = Instant::now() + CAUSE_WAIT;
            while self.ended.get().is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let reason = format!("the storage could not {doing}: {}", describe(error));
        let ended = Ended { reason, wants_room: is_want_of_room(error) };
        JournalError::Ended { reason: self.ended.get_or_init(|| ended).reason.clone() }
    }

    pub(super) fn storage(doing: &'static str) -> impl Fn(fjall::Error) -> JournalError {
        move |e| JournalError::Storage { doing, cause: describe(&e) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Slice>, JournalError> {
        self.alive()?;
        self.keys.get(key).map_err(Self::storage("read"))
    }

    pub(super) fn head(&self, shard: Shard) -> Result<Option<Head>, JournalError> {
        self.get(&codec::head_key(shard))?.map(|value| codec::decode_head(&value)).transpose()
    }

    /// The append time of what is written now; from here to [`Store::appended`] no shard passes it.
    pub(super) fn append_time(&self, now: Timestamp) -> Timestamp {
        let mut clock = lock(&self.clock);
        let at = now.max(clock.last).max(clock.pledged);
        clock.last = at;
        clock.pending = Some(at);
        at
    }

    /// Lets shards see what has been written.
    pub(super) fn appended(&self, tails: &Tails) {
        for (ends, tails) in self.ends.iter().zip(&tails.logs) {
            for (end, &tail) in ends.iter().zip(tails) {
                if end.load(Ordering::Relaxed) != tail {
                    end.store(tail, Ordering::Release);
                }
            }
        }
        lock(&self.clock).pending = None;
    }

    /// What a shard that has polled up to `next` may take for its time: nothing earlier will come.
    pub(super) fn pledge(&self, shard: Shard, next: u64, now: Timestamp) -> Option<Timestamp> {
        let mut clock = lock(&self.clock);
        if next < self.end_of(shard, 0) {
            return None;
        }
        let limit = clock.pending.map_or(now, |pending| now.min(Timestamp(pending.0.saturating_sub(1))));
        clock.pledged = clock.pledged.max(limit);
        Some(limit)
    }

    pub(super) fn end_of(&self, shard: Shard, log: usize) -> u64 {
        self.ends[usize::from(shard)][log].load(Ordering::Acquire)
    }

    pub(super) fn control_end(&self) -> u64 {
        *lock(&self.control_end)
    }

    /// Waits until the control log reaches beyond `offset`, at most so long.
    pub(super) fn wait_control(&self, offset: u64, at_most: Duration) {
        let end = lock(&self.control_end);
        // Whether it has, or the time is up, or the lock is poisoned: the caller looks at the log.
        drop(self.control_grew.wait_timeout_while(end, at_most, |end| *end <= offset));
    }

    pub(super) fn set_control_end(&self, end: u64) {
        let mut known = lock(&self.control_end);
        *known = end.max(*known);
        self.control_grew.notify_all();
    }

    /// Lets everybody read the streams up to what is durable now.
    pub(super) fn publish(&self, streams: &[(u64, u64); 5]) {
        let mut bounds = lock(&self.bounds);
        for (bounds, &(next, position)) in bounds.iter_mut().zip(streams) {
            bounds.next = bounds.next.max(next);
            bounds.next_position = bounds.next_position.max(position);
        }
    }

    pub(super) fn stream_bounds(&self, stream: Stream) -> Bounds {
        lock(&self.bounds)[stream.index()]
    }
}
