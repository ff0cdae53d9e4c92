//! The traits that every journal keeps: memory, embedded, Kafka. [`super::contract`] says what they mean, as
//! tests.

use std::ops::ControlFlow;
use std::time::Duration;

use super::batch::Batch;
use super::counts::Counts;
use super::error::{CommitError, IntakeError, JournalError};
use super::letters::Letters;
use super::pending::Pending;
use super::record::{
    Acknowledged, Append, Appended, Bounds, Committed, ControlRecord, Head, IntakeState, Item, Progress,
    Shard, Source, Stream, View,
};
use super::transaction::Transaction;
use crate::model::{Timestamp, hash, wire};

/// The longest record that is accepted, in bytes: four times what an event may have (256 KiB), for what
/// wraps it.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The longest key of a state record, in bytes.
///
/// Short keys pay: the embedded journal keeps one of up to 17 bytes in place, and a commit of longer ones
/// takes about twice as long.
pub const KEY_BYTES_MAX: usize = 4096;

/// Which shards a worker is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment<'a> {
    /// These, as long as it lives.
    Fixed(&'a [Shard]),
    /// Those that the journal gives to the worker of this number, from 0, of this instance: they come and go
    /// as instances do. Only where [`Group::is_shared`].
    Shared(usize),
}

/// Told how far a restore is; whether it is to go on.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Given a state record's key and value; whether the restore is to go on.
pub type OnRecord<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Reads a shard anew, given the reason why what was read first is not right.
pub type Again<S> = Box<dyn FnOnce(&str) -> Result<S, JournalError> + Send>;

/// Says where the record of a key stands that cannot be read, and what to do; without a key where all of them stand.
pub type Whereabouts = Box<dyn FnOnce(Option<&[u8]>) -> String + Send>;

/// What a shard is restored from: its last commit, and its state records. It may go to another thread, and
/// neither needs nor disturbs the worker.
pub trait Stored: Send + 'static {
    /// What the shard committed last; `None` if it never did.
    fn head(&self) -> Option<&Head>;

    /// Gives every state record that the head's commit left to `each`, in any order, each key once, and says
    /// now and then how far it is. Returns how many there were; ends early if either answers `Break`.
    ///
    /// # Errors
    /// If they cannot be read; what was given until then is not whole.
    fn records(self, progress: OnProgress<'_>, each: OnRecord<'_>) -> Result<u64, JournalError>;

    /// How to read it anew from the log itself, if some of it comes from a copy beside the log that may be wrong:
    /// for whoever finds that it does not add up. `None`, as here, if nothing else could be read.
    fn again(&self) -> Option<Again<Self>>
    where
        Self: Sized,
    {
        None
    }

    /// Who can say where a record stands, for whoever finds one that cannot be read. `None` if that helps nobody.
    fn whereabouts(&self) -> Option<Whereabouts> {
        None
    }
}

/// One worker's access to its shards: it alone reads and commits them.
///
/// A cycle is: `poll`, decide, `commit`, let go. A shard that [`Batch::gained`] names is silent until it has
/// been restored from what [`stored`](Journal::stored) gives, and [`started`](Journal::start). Shards come
/// and go in `poll` only, but a commit can find out that one is gone: it is refused then, and `start`, `head`
/// and `stored` answer [`JournalError::NotOwned`].
pub trait Journal: Send {
    /// What a shard is restored from.
    type Stored: Stored;

    /// The shards that it owns now, ascending.
    fn shards(&self) -> &[Shard];

    /// Empties `batch` and fills it with at most `max` records of the started shards, each log in order, and
    /// with the shards that were lost and gained since the last poll. Never waits. With a `max` of 0 it only
    /// looks after the shards.
    ///
    /// A shard that was lost gives no records from then on, and what was decided of it is committed by
    /// somebody else. One that was lost and gained again is named as both, and is restored anew.
    ///
    /// A record may come again, with the offset that it had: a shard passes over what lies before its
    /// position. Anything may be polled before its intake has answered, but nothing decided on it is
    /// committed before it.
    ///
    /// # Errors
    /// If the log cannot be read; nothing is passed over.
    fn poll(&mut self, batch: &mut Batch, max: usize) -> Result<(), JournalError>;

    /// Waits until there may be something to poll, at most so long. `false`: it cannot know, and has not
    /// waited; whoever appends here wakes the worker.
    fn wait(&mut self, _at_most: Duration) -> bool {
        false
    }

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

    /// How many events of the shard's log were accepted and not polled when this was last looked at. A journal
    /// that cannot count them says 1 while there are any.
    fn unread(&self, shard: Shard) -> u64 {
        u64::from(!self.caught_up(shard))
    }

    /// What keeps the worker from shards that are to be its own: nothing, where they are there at once.
    fn pending(&self) -> Vec<Pending> {
        Vec::new()
    }

    /// What it has counted for this worker.
    fn counts(&self) -> Counts {
        Counts::default()
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

    /// What the shard is to be restored from: as of now, whoever commits it meanwhile. May be asked for
    /// again.
    ///
    /// # Errors
    /// If it is not this worker's or cannot be read.
    fn stored(&mut self, shard: Shard) -> Result<Self::Stored, JournalError>;

    /// The time now: the wall clock, or that of whoever gives the append times, so that a local clock that is
    /// wrong moves nothing.
    fn now(&self, wall: Timestamp) -> Timestamp {
        wall
    }

    /// `wake` is to be called when there may be something to poll: for a journal that knows of it before its
    /// worker. Called at most once, before the first poll.
    fn wake_by(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        drop(wake);
    }
}

/// Takes records into the shards' logs: shared by everybody who receives some.
pub trait Intake: Send + Sync {
    /// How many shards there are. It never changes: it decides whose shard a user is in.
    fn shard_count(&self) -> u16;

    /// The shard that this user's records belong to, by the user's id: what other producers of the same log
    /// would choose.
    fn shard_of(&self, user: &str) -> Shard {
        hash::shard_of(user, self.shard_count())
    }

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

    /// At most `max` records from `offset` on, whoever appended them: at least those before what
    /// [`ControlLog::control_end`] answered.
    ///
    /// # Errors
    /// If the log cannot be read.
    fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError>;

    /// The offset that the next record will have, as of now: nothing that was answered anywhere lies behind.
    ///
    /// # Errors
    /// If it cannot be asked for.
    fn control_end(&self) -> Result<u64, JournalError>;

    /// Returns once there is a record at `offset` or behind it, at the latest after `at_most`.
    fn wait_control(&self, offset: u64, at_most: Duration);
}

/// What instances that share a journal know of each other's shards.
pub trait Group: Send + Sync {
    /// Whether the journal gives shards to workers ([`Assignment::Shared`]), of several instances perhaps.
    fn is_shared(&self) -> bool;

    /// The last commit of each shard that has one since the journal was opened or is known from before, in
    /// whatever instance, ascending by shard. One that has just returned may take a moment to be among them; it never
    /// waits for one that is under way.
    ///
    /// # Errors
    /// If it cannot be asked for.
    fn acknowledged(&self) -> Result<Vec<Acknowledged>, JournalError>;

    /// Shows all instances what `view` says of its shard, in place of what was shown before. May get lost:
    /// whoever shows something shows it again when it changes.
    ///
    /// # Errors
    /// If it was certainly not shown.
    fn publish_view(&self, view: View<'_>) -> Result<(), JournalError>;

    /// Gives what was shown since `from` to `each`, at least the latest of each shard, and returns the number
    /// to ask from next; the first is 0. `each` must not call the journal.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read_views(&self, from: u64, each: &mut dyn FnMut(View<'_>)) -> Result<u64, JournalError>;
}

/// What has left the shards: committed and durable, numbered ascending, with gaps perhaps.
///
/// Of one shard it is in the order of the commits; over all of them only where the journal is not
/// [shared](Group::is_shared). There are no gaps then.
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

    /// The numbers of a stream's items that are lines about users with this hash ([`hash::user_hash`]),
    /// ascending: those of one user, and those of another one once in four thousand million at most.
    ///
    /// Without an index of its own a journal goes through all that is kept, as this does.
    ///
    /// # Errors
    /// If the stream cannot be read.
    fn numbers_of(&self, stream: Stream, user: u64) -> Result<Vec<u64>, JournalError> {
        let mut found = Vec::new();
        let mut from = self.bounds(stream)?.first;
        loop {
            let read = self.read_stream(stream, from, usize::MAX, &mut |item| {
                if wire::user_of(item.bytes).is_some_and(|of| hash::user_hash(&of) == user) {
                    found.push(item.number);
                }
            });
            from = match read {
                // Retention was faster.
                Err(JournalError::Gone { oldest, .. }) => oldest,
                Ok(next) if next == from => return Ok(found),
                other => other?,
            };
        }
    }

    /// Gives the state records of a shard whose keys are at least `from` and below `to` to `each`,
    /// ascending, as they were committed last: for who looks from outside, beside the shard's owner. `each`
    /// must not call the journal.
    ///
    /// # Errors
    /// If they cannot be read, or this journal has them for the shard's owner only, which is the default.
    fn read_state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        let (_, _, _) = (from, to, each);
        Err(JournalError::Storage {
            doing: "look into a shard's state from outside",
            cause: format!("this kind of journal gives shard {shard} to its owner only"),
        })
    }

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
pub trait Log: Intake + ControlLog + Streams + Letters + Group + Clone + 'static {
    /// One worker's access.
    type Worker: Journal;

    /// Gives shards a worker. They are free again when it is dropped.
    ///
    /// # Errors
    /// [`JournalError::Owned`] if one has a worker, [`JournalError::NoShard`] if there is no such shard,
    /// [`JournalError::Assignment`] if it does not assign in this way.
    fn worker(&self, assignment: Assignment<'_>) -> Result<Self::Worker, JournalError>;
}
