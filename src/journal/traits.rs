//! The traits that every journal keeps: memory, embedded, Kafka. [`super::contract`] says what they mean, as
//! tests.

use super::batch::Batch;
use super::error::{CommitError, IntakeError, JournalError};
use super::record::{
    Append, Appended, Bounds, Committed, ControlRecord, Head, IntakeState, Item, Progress, Shard, Source,
    Stream,
};
use super::transaction::Transaction;
use crate::model::Timestamp;

/// The longest record that is accepted, in bytes: four times what an event may have (256 KiB), for what
/// wraps it.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The longest key of a state record, in bytes.
///
/// Short keys pay: the embedded journal keeps one of up to 17 bytes in place, and a commit of longer ones
/// takes about twice as long.
pub const KEY_BYTES_MAX: usize = 4096;

/// One worker's access to its shards: it alone reads and commits them.
///
/// A cycle is: `poll`, decide, `commit`, let go. A shard that [`Batch::gained`] names is silent until it has
/// been restored (`head`, `restore`) and [`started`](Journal::start).
pub trait Journal: Send {
    /// The shards that it owns now, ascending.
    fn shards(&self) -> &[Shard];

    /// Empties `batch` and fills it with at most `max` records of the started shards, each log in order, and
    /// with the shards that were gained. Never waits.
    ///
    /// A record may come again, with the offset that it had: a shard passes over what lies before its
    /// position. Anything may be polled before its intake has answered, but nothing decided on it is
    /// committed before it.
    ///
    /// # Errors
    /// If the log cannot be read; nothing is passed over.
    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError>;

    /// Empties `batch` and fills it with at most `max` records of one log from `from` on, without moving
    /// what `poll` gives next: for list rows, which have a pace of their own, and for who looks back.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if they are no longer kept.
    fn read(
        &mut self,
        shard: Shard,
        source: Source,
        from: u64,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError>;

    /// Lets `poll` give the shard's records from its committed positions on: after a restore, and after a
    /// commit that failed and was undone.
    ///
    /// # Errors
    /// If it is not this worker's, or the positions cannot be read.
    fn start(&mut self, shard: Shard) -> Result<(), JournalError>;

    /// The time that a shard may take for its own (G19): up to it, everything that was appended has been
    /// polled.
    ///
    /// `now` is the wall clock, which is the answer if nothing is unread; else it is the append time of the
    /// last record polled. [`Timestamp::MIN`] if nothing is known. Never more than `now`.
    fn complete_until(&mut self, shard: Shard, now: Timestamp) -> Timestamp;

    /// Whether nothing was unread when this was last looked at.
    fn caught_up(&self, shard: Shard) -> bool;

    /// At least how many events of the shard's log are accepted and were not polled yet. A journal that cannot
    /// count them says 1 while there are any.
    fn unread(&self, shard: Shard) -> u64 {
        u64::from(!self.caught_up(shard))
    }

    /// Commits everything in `tx`, or nothing, and returns when it is as durable as the settings ask.
    ///
    /// Refused, among others: a shard of another owner, a `seq` that does not follow, a position that goes
    /// back.
    ///
    /// # Errors
    /// [`CommitError::Refused`] if nothing is committed, [`CommitError::Unknown`] if that is not known.
    fn commit(&mut self, tx: &Transaction) -> Result<Committed, CommitError>;

    /// What the shard committed last; `None` if it never did.
    ///
    /// # Errors
    /// If it is not this worker's or cannot be read.
    fn head(&mut self, shard: Shard) -> Result<Option<Head>, JournalError>;

    /// Gives every state record of the shard to `each`, ascending by key, and says now and then how far it
    /// is. Returns how many there were. `each` must not call the journal.
    ///
    /// # Errors
    /// If it is not this worker's or cannot be read; what was given until then is not whole.
    fn restore(
        &mut self,
        shard: Shard,
        progress: &mut dyn FnMut(Progress),
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<u64, JournalError>;
}

/// Takes records into the shards' logs: shared by everybody who receives some.
pub trait Intake: Send + Sync {
    /// How many shards there are. It never changes: it decides whose shard a user is in.
    fn shard_count(&self) -> u16;

    /// Accepts all of `records`, or none, and returns when they are durable.
    ///
    /// `now` is the wall clock; the append time is that, or the last append time if the clock went back, or
    /// the time that a shard has already taken for its own.
    ///
    /// # Errors
    /// See [`IntakeError`]: only `Unknown` leaves it open whether they were accepted.
    fn append(&self, now: Timestamp, records: &[Append<'_>]) -> Result<Appended, IntakeError>;

    /// Whether records are being accepted, for health and for operators.
    fn intake_state(&self) -> IntakeState;
}

/// The operators' commands, in one total order, kept for ever.
pub trait ControlLog: Send + Sync {
    /// Appends one and returns when it is durable, whatever the settings say.
    ///
    /// # Errors
    /// See [`IntakeError`].
    fn append_control(&self, now: Timestamp, bytes: &[u8]) -> Result<ControlRecord, IntakeError>;

    /// At most `max` records from `offset` on.
    ///
    /// # Errors
    /// If the log cannot be read.
    fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError>;

    /// The offset that the next record will have.
    fn control_end(&self) -> u64;
}

/// What has left the shards: committed and durable, numbered over all of them in the order of the commits.
pub trait Streams: Send + Sync {
    /// How far a stream reaches.
    ///
    /// # Errors
    /// If it cannot be read.
    fn bounds(&self, stream: Stream) -> Result<Bounds, JournalError>;

    /// Gives at most `max` items from number `from` on to `each`, and returns the number behind the last one.
    /// `each` must not call the journal.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if they are no longer kept.
    fn read_stream(
        &self,
        stream: Stream,
        from: u64,
        max: usize,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Result<u64, JournalError>;

    /// The number of the item that contains the byte at `position`; `next` if that is the stream's end.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if it is no longer kept.
    fn item_at(&self, stream: Stream, position: u64) -> Result<u64, JournalError>;

    /// The stream's first bytes, at most [`ORIGIN_BYTES_MAX`], kept for ever: by them a file is known as its
    /// own.
    ///
    /// # Errors
    /// If it cannot be read.
    fn origin(&self) -> Result<Vec<u8>, JournalError>;

    /// Says that the sends before `next` are safe elsewhere, so that retention may drop them.
    ///
    /// # Errors
    /// If that could not be noted.
    fn mark_delivered(&self, next: u64) -> Result<(), JournalError>;

    /// What [`Streams::mark_delivered`] said last; the first send that is kept if it said nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    fn delivered(&self) -> Result<u64, JournalError>;
}

/// How many bytes of the first sends are kept to know their file by.
pub const ORIGIN_BYTES_MAX: usize = 256;

/// A whole journal: the handle that an instance opens once and clones.
pub trait Log: Intake + ControlLog + Streams + Clone + 'static {
    /// One worker's access.
    type Worker: Journal;

    /// Gives `shards` a worker. They are free again when it is dropped.
    ///
    /// # Errors
    /// [`JournalError::Owned`] if one has a worker, [`JournalError::NoShard`] if there is no such shard.
    fn worker(&self, shards: &[Shard]) -> Result<Self::Worker, JournalError>;
}
