//! A journal in a directory, for one machine: fjall's LSM, one atomic batch a commit.
//!
//! # What is guaranteed
//! - What [`Intake::append`] or [`ControlLog::append_control`] answered, and what a commit answered,
//!   survives the death of the process; under [`Fsync::Always`] (the default) a power cut too. The control
//!   log is always synced.
//! - A commit is whole or not there, over all its shards: state, head, positions and everything that leaves.
//! - After a power cut the journal is a prefix of what was written: a record that was answered later is
//!   never there without one that was answered earlier, and no commit without what it was decided on.
//! - Streams are readable only once they are as durable as the settings ask, so nothing leaves before its
//!   commit.
//! - Disk full: intake stops while less than the reserve is free ([`IntakeState::Stopped`] says so), commits
//!   are refused below half of it, and both go on by themselves when there is room. Nothing is lost or
//!   undecided.
//! - If the disk fails in the middle of a write, the outcome is unknown and everything answers
//!   [`JournalError::Ended`] from then on: drop every handle and open the journal again. Whether it was for
//!   want of room, [`Embedded::wants_room`] says.
//!
//! # How recovery goes
//! Opening locks the directory, reads FORMAT, cuts an unfinished end off the storage's log (and refuses one
//! that is damaged where it was synced), lets fjall replay it, and finds the end of each log by its last
//! entry. A shard's owner asks for its head, restores its state and starts; what was accepted and not
//! committed is polled again.

mod codec;
mod directory;
mod helper;
mod letters;
mod index;
mod options;
mod recover;
mod retention;
mod store;
mod streams;
mod sync;
mod tail;
mod worker;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::directory::Directory;
pub use self::directory::{FORMAT_VERSION, OpenError};
use self::helper::Helper;
pub use self::options::{EmbeddedOptions, FreeSpace, Fsync, Retention, SyncObserver};
use self::store::{Store, Tails, lock};
use self::sync::How;
pub use self::worker::EmbeddedWorker;
use super::error::{IntakeError, JournalError};
use super::record::{Acknowledged, Append, Appended, ControlRecord, IntakeState, Shard, View};
use super::traits::{Assignment, ControlLog, Group, Intake, Log};
use super::verify;
use crate::model::{Formats, Timestamp};

/// At which length a chunk of accepted records is closed and another one begun, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// What all handles share; the threads beside the data's way end with the last of them.
struct Shared {
    /// Before the store: the housekeeper and the indexer must have ended when the store is closed.
    _helpers: [Helper; 2],
    store: Arc<Store>,
}

/// A journal in a directory; a clone is another handle to it. It is closed when the last handle and the last
/// worker are dropped.
#[derive(Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

impl Embedded {
    /// Opens the journal in `path`, or makes one there.
    ///
    /// # Errors
    /// See [`OpenError`]; a directory that is refused is left as it was.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let options = EmbeddedOptions { shards: options.shards.max(1), ..options };
        let directory = Directory::open(path, options.shards)?;
        let store = Arc::new(Store::open(directory, options)?);
        let failed = |doing| move |e| directory::io_error(path, doing, &e);
        let housekeeper = retention::start(&store).map_err(failed("start its housekeeper thread"))?;
        let indexer = index::start(&store).map_err(failed("start its indexer thread"))?;
        Ok(Self { shared: Arc::new(Shared { _helpers: [housekeeper, indexer], store }) })
    }

    /// The journal's id, 32 hex digits: another directory has another one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.store().directory.id
    }

    /// One slice of housekeeping at the wall clock `now`: drops what is old and no longer needed, at most a
    /// few hundred entries. The housekeeper calls it; a caller may, to hurry. Returns how many entries it
    /// dropped.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn maintain(&self, now: Timestamp) -> Result<u64, JournalError> {
        retention::slice(self.store(), now)
    }

    /// One slice of indexing: at most one more segment of each stream, of those that have enough items that
    /// no segment covers. The indexer calls it; a caller may, to hurry. Returns how many segments it made.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn index(&self) -> Result<usize, JournalError> {
        index::advance(self.store())
    }

    /// Why it has ended, if that was for want of room (a disk, a quota, the limit of a file's size): once all
    /// handles are dropped it can be opened again.
    #[must_use]
    pub fn wants_room(&self) -> Option<String> {
        self.store().wants_room()
    }

    /// Writes and forces a MiB, and takes it away again: whether there is room.
    ///
    /// # Errors
    /// If there is none; the journal may have ended then.
    pub fn probe(&self) -> Result<(), JournalError> {
        let store = self.store();
        let full = |cause| JournalError::Storage { doing: "write", cause };
        store.has_room(store.options.reserve_bytes, 0).map_err(full)?;
        store.probe()
    }

    fn store(&self) -> &Arc<Store> {
        &self.shared.store
    }

    /// Fails if nothing may be taken in now.
    fn admit(&self, bytes: usize) -> Result<(), IntakeError> {
        let store = self.store();
        let stopped = |reason| IntakeError::Stopped { reason };
        store.alive().map_err(|e| stopped(e.to_string()))?;
        store.has_room(store.options.reserve_bytes, bytes).map_err(stopped)
    }
}

fn unknown(error: &JournalError) -> IntakeError {
    IntakeError::Unknown { reason: error.to_string() }
}

/// Lays `records` into chunks that continue `tails`: by shard and log, the base offset and the bytes.
type Chunks = BTreeMap<(Shard, usize), Vec<(u64, Vec<u8>)>>;

fn chunk(tails: &mut Tails, at: Timestamp, records: &[Append<'_>]) -> (Chunks, Vec<u64>) {
    let mut chunks = Chunks::new();
    let mut offsets = Vec::with_capacity(records.len());
    for record in records {
        let log = codec::log_place(record.kind.source()).expect("every kind has a log here");
        let next = &mut tails.logs[usize::from(record.shard)][log];
        let open = chunks.entry((record.shard, log)).or_default();
        match open.last_mut() {
            Some((_, bytes)) if bytes.len() < CHUNK_BYTES => {
                codec::push_record(bytes, record.kind, record.bytes);
            }
            _ => {
                let mut bytes = codec::begin_chunk(at);
                codec::push_record(&mut bytes, record.kind, record.bytes);
                open.push((*next, bytes));
            }
        }
        offsets.push(*next);
        *next += 1;
    }
    (chunks, offsets)
}

impl Intake for Embedded {
    fn shard_count(&self) -> u16 {
        self.store().options.shards
    }

    fn append(&self, now: Timestamp, records: &[Append<'_>]) -> Result<Appended, IntakeError> {
        let store = self.store();
        verify::records(records, store.options.shards)?;
        self.admit(records.iter().map(|record| record.bytes.len()).sum())?;
        let mut writer = store.writer();
        let at = store.append_time(now);
        let (chunks, offsets) = chunk(&mut writer, at, records);
        let mut batch = store.batch(chunks.len());
        for ((shard, log), pieces) in chunks {
            for (base, bytes) in pieces {
                batch.insert(&store.keys, codec::accepted_key(shard, log, base), bytes);
            }
        }
        let ticket = store.write(&mut writer, batch).map_err(|e| unknown(&e))?;
        store.appended(&writer);
        drop(writer);
        store.settle(ticket).map_err(|e| unknown(&e))?;
        Ok(Appended { at, offsets })
    }

    fn intake_state(&self) -> IntakeState {
        match self.admit(0) {
            Ok(()) => IntakeState::Open,
            Err(IntakeError::Stopped { reason }) => IntakeState::Stopped { reason },
            Err(other) => IntakeState::Stopped { reason: other.to_string() },
        }
    }
}

impl ControlLog for Embedded {
    fn append_control(&self, now: Timestamp, bytes: &[u8]) -> Result<ControlRecord, IntakeError> {
        let store = self.store();
        self.admit(bytes.len())?;
        let mut writer = store.writer();
        let appended = store.append_time(now);
        let offset = writer.control;
        let mut batch = store.batch(1);
        batch.insert(&store.keys, codec::control_key(offset), codec::encode_control(appended, bytes));
        let ticket = store.write(&mut writer, batch).map_err(|e| unknown(&e))?;
        writer.control = offset + 1;
        store.appended(&writer);
        drop(writer);
        store.force(ticket, How::Sync).map_err(|e| unknown(&e))?;
        store.set_control_end(offset + 1);
        Ok(ControlRecord { offset, appended, bytes: bytes.to_vec() })
    }

    fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        let store = self.store();
        store.alive()?;
        let end = store.control_end();
        if offset >= end {
            return Ok(Vec::new());
        }
        let entries = store.keys.range(codec::control_key(offset)..codec::control_key(end));
        let read = |guard: fjall::Guard| {
            let (key, value) = guard.into_inner().map_err(Store::storage("read the control log"))?;
            codec::decode_control(codec::last_number(&key)?, &value)
        };
        entries.take(max).map(read).collect()
    }

    fn control_end(&self) -> Result<u64, JournalError> {
        Ok(self.store().control_end())
    }

    fn wait_control(&self, offset: u64, at_most: Duration) {
        self.store().wait_control(offset, at_most);
    }
}

/// One process has it alone: it knows its own shards, and there is nobody to show them to.
impl Group for Embedded {
    fn is_shared(&self) -> bool {
        false
    }

    fn acknowledged(&self) -> Result<Vec<Acknowledged>, JournalError> {
        let epochs = lock(&self.store().epochs);
        let of = |(&shard, &(epoch, formats)): (&Shard, &(u64, Formats))| Acknowledged {
            shard,
            epoch,
            owner: "this process".to_owned(),
            formats,
        };
        Ok(epochs.iter().map(of).collect())
    }

    fn publish_view(&self, _view: View<'_>) -> Result<(), JournalError> {
        Ok(())
    }

    fn read_views(&self, from: u64, _each: &mut dyn FnMut(View<'_>)) -> Result<u64, JournalError> {
        Ok(from)
    }
}

impl Log for Embedded {
    type Worker = EmbeddedWorker;

    fn worker(&self, assignment: Assignment<'_>) -> Result<EmbeddedWorker, JournalError> {
        let Assignment::Fixed(shards) = assignment else {
            let can = "belongs to one process, which divides its shards itself";
            return Err(JournalError::Assignment { can, asked: "shards that come and go" });
        };
        let store = self.store();
        store.alive()?;
        let count = store.options.shards;
        let mut owned = lock(&store.owned);
        for &shard in shards {
            if shard >= count {
                return Err(JournalError::NoShard { shard, shards: count });
            }
            if owned.contains(&shard) {
                return Err(JournalError::Owned { shard });
            }
        }
        let worker = EmbeddedWorker::new(Arc::clone(&self.shared), shards)?;
        owned.extend(shards);
        Ok(worker)
    }
}
