//! What a journal remembers, read back by who looks on: what each commit took, the inputs by offset, the control
//! log, and what left the shards. A replay decides it all again.
//!
//! Nothing here joins, commits, appends or drops anything. A [`History`] is as of its opening, however the shards go
//! on meanwhile. Whatever keeps a [`Log`] on this machine has one by [`Kept`]; Kafka has its own.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::error::JournalError;
use super::record::{ControlRecord, Item, Shard, Source, Stream};
use super::traits::{Assignment, Journal, Log};
use crate::model::Timestamp;

/// How many items are read at once.
const ITEMS_AT_ONCE: usize = 4_096;

/// The number of a commit that an item does not say ([`Item::seq`]).
pub const NO_COMMIT: u64 = 0;

/// A journal as of its opening.
pub trait History: Sync {
    /// A reader of some shards.
    type Past: Past;

    /// How many shards there are.
    fn shard_count(&self) -> u16;

    /// The shard of a user.
    fn shard_of(&self, user: &str) -> Shard;

    /// The number of the shard's last commit, 0 if it never committed; `None` if nobody knows any more.
    fn last_commit(&self, shard: Shard) -> Option<u64>;

    /// At most `max` records of the control log from `offset` on.
    ///
    /// # Errors
    /// If they cannot be read.
    fn control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError>;

    /// From when on everything of a stream is kept: what commits before left may be there or not. `None` if nothing
    /// was dropped.
    fn kept_since(&self, stream: Stream) -> Option<Timestamp>;

    /// If sends do not say their commit: those of the shard with numbers before this one are of commits up to
    /// [`History::last_commit`]. `None` if they say it.
    fn sends_before(&self, _shard: Shard) -> Option<u64> {
        None
    }

    /// How much is kept of a rejected input, in bytes.
    fn letter_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// Gives the state records of a shard with keys from `from` on and below `to` to `each`.
    ///
    /// # Errors
    /// If they cannot be read.
    fn state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError>;

    /// A reader for these shards, which nobody else reads.
    ///
    /// # Errors
    /// If there can be none.
    fn past(&self, shards: &[Shard]) -> Result<Self::Past, JournalError>;
}

/// Reads what concerns some shards, each stream from its oldest item to where it ended when the history was opened.
pub trait Past: Send {
    /// Gives the next items of the stream to `each`, those of one shard in the order of its commits as long as one
    /// worker makes them; those of other shards may be among them. Whether there may be more.
    ///
    /// # Errors
    /// If they cannot be read.
    fn items(&mut self, stream: Stream, each: &mut dyn FnMut(Item<'_>)) -> Result<bool, JournalError>;

    /// Appends the records from `first` to `last` of an input to `batch`, all of them, with the times that the log
    /// has of them.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if they are no longer kept, [`JournalError::Corrupt`] if one is missing.
    fn records(
        &mut self,
        shard: Shard,
        source: Source,
        first: u64,
        last: u64,
        batch: &mut Batch,
    ) -> Result<(), JournalError>;
}

/// What says that a record is missing.
pub(super) fn missing(shard: Shard, source: Source, offset: u64) -> JournalError {
    let what = format!("record {offset} of shard {shard} in the log {source:?}");
    let how = "it is not there, though the records around it are".to_owned();
    JournalError::Corrupt { what, how, cure: "what needs it cannot be replayed" }
}

/// The history of a journal whose shards are nobody's at present.
#[derive(Clone, Debug)]
pub struct Kept<L: Log> {
    log: L,
    last: Vec<u64>,
    since: [Option<Timestamp>; Stream::ALL.len()],
}

impl<L: Log> Kept<L> {
    /// As of now.
    ///
    /// # Errors
    /// If a shard has a worker, or the journal cannot be read.
    pub fn open(log: L) -> Result<Self, JournalError> {
        let shards: Vec<Shard> = (0..log.shard_count()).collect();
        let mut worker = log.worker(Assignment::Fixed(&shards))?;
        let seq = |shard: &Shard| Ok(worker.head(*shard)?.map_or(0, |head| head.seq));
        let last = shards.iter().map(seq).collect::<Result<_, JournalError>>()?;
        drop(worker);
        let mut since = [None; Stream::ALL.len()];
        for stream in Stream::ALL {
            let bounds = log.bounds(stream)?;
            if bounds.first > 0 {
                let mut oldest = Timestamp::MAX;
                log.read_stream(stream, bounds.first, 1, &mut |item| oldest = item.at)?;
                since[stream.index()] = Some(oldest);
            }
        }
        Ok(Self { log, last, since })
    }
}

impl<L: Log> History for Kept<L> {
    type Past = KeptPast<L>;

    fn shard_count(&self) -> u16 {
        self.log.shard_count()
    }

    fn shard_of(&self, user: &str) -> Shard {
        self.log.shard_of(user)
    }

    fn last_commit(&self, shard: Shard) -> Option<u64> {
        self.last.get(usize::from(shard)).copied()
    }

    fn control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        self.log.read_control(offset, max)
    }

    fn kept_since(&self, stream: Stream) -> Option<Timestamp> {
        self.since[stream.index()]
    }

    fn state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        self.log.read_state(shard, from, to, each)
    }

    fn past(&self, shards: &[Shard]) -> Result<KeptPast<L>, JournalError> {
        let mut next = [(0, 0); Stream::ALL.len()];
        for stream in Stream::ALL {
            let bounds = self.log.bounds(stream)?;
            next[stream.index()] = (bounds.first, bounds.next);
        }
        let worker = self.log.worker(Assignment::Fixed(shards))?;
        Ok(KeptPast { log: self.log.clone(), worker, next, ahead: BTreeMap::new() })
    }
}

/// A reader of a [`Kept`] journal.
#[derive(Debug)]
pub struct KeptPast<L: Log> {
    log: L,
    worker: L::Worker,
    /// By stream: the next item, and where it ended.
    next: [(u64, u64); Stream::ALL.len()],
    /// What was read of each input, from the record on that was asked for.
    ahead: BTreeMap<(Shard, Source), Batch>,
}

impl<L: Log> Past for KeptPast<L> {
    fn items(&mut self, stream: Stream, each: &mut dyn FnMut(Item<'_>)) -> Result<bool, JournalError> {
        let (next, end) = self.next[stream.index()];
        let left = usize::try_from(end.saturating_sub(next)).unwrap_or(usize::MAX).min(ITEMS_AT_ONCE);
        if left == 0 {
            return Ok(false);
        }
        let after = self.log.read_stream(stream, next, left, each)?;
        self.next[stream.index()].0 = after;
        Ok(after > next)
    }

    fn records(
        &mut self,
        shard: Shard,
        source: Source,
        first: u64,
        last: u64,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        let Self { worker, ahead, .. } = self;
        let ahead = ahead.entry((shard, source)).or_default();
        for offset in first..=last {
            let start = ahead.get(0).map_or(u64::MAX, |record| record.offset);
            if !(start..start.saturating_add(ahead.len() as u64)).contains(&offset) {
                worker.read(shard, source, offset, ITEMS_AT_ONCE, ahead)?;
            }
            let start = ahead.get(0).map_or(offset, |record| record.offset);
            let place = usize::try_from(offset.wrapping_sub(start)).unwrap_or(usize::MAX);
            match ahead.get(place).filter(|record| record.offset == offset) {
                Some(record) => batch.push(record),
                None => return Err(missing(shard, source, offset)),
            }
        }
        Ok(())
    }
}
