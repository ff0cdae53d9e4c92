//! The transactional log under the shards: what is read, what is committed, and what leaves.
//!
//! - [`record`]: the words. [`batch`]: what a poll gave. [`transaction`]: what is committed together. [`reject`]: a
//!   dead letter. [`letters`]: those that are let in once more.
//! - [`traits`]: what a journal is. [`contract`]: what that means, as tests that every twin passes.
//! - [`memory`]: no disk, fails on demand. [`embedded`]: a directory on one machine.
//! - [`history`]: what is remembered, for a replay.
//! - [`sends_file`]: the committed sends as a file, exactly once. [`follow`]: a growing file as a log of its
//!   own.
//! - [`steps`]: where a process can be made to stand still, for tests.
//! - [`error`]: what can go wrong, as sentences. [`pending`]: what a shard waits for
//!   before it is there. [`counts`]: what is measured.
//!
//! # What a journal guarantees
//! A shard has one owner at a time, which may change. Its owner polls records in the order of their offsets, decides, and commits:
//! state, head, positions and everything that leaves, over all the shards of the transaction, whole or not
//! at all. Nothing can be read from a [`Stream`] before its commit. A commit follows the shard's last one
//! (`seq`), so that a commit that was repeated after an unknown outcome is refused rather than done twice.
//!
//! # How a worker uses it, and how it recovers
//! 1. `poll` names the shards lost, which are dropped, and gained. For each of these: [`Journal::stored`],
//!    read on any thread, then [`Journal::start`].
//! 2. `poll`, decide, [`Journal::commit`], let go. The shard's time is [`Journal::complete_until`] (G19).
//! 3. `Refused`: nothing is committed. Undo and `start` again, or offer the same transaction again.
//! 4. `Unknown`: ask for the head of every shard concerned. The new `seq`: it is committed, go on. The old
//!    one: undo and `start`. Another one: somebody else has gone on with it, restore. `NotOwned`: drop the
//!    shard. Another error: drop the worker, open again, restore.
//!
//! A record may be polled again after any of these: a shard passes over offsets before its position.

pub mod record;
pub mod batch;
pub mod pending;
pub mod counts;
pub mod reject;
pub mod letters;
pub mod transaction;
pub mod error;
pub mod traits;
mod own_shards;
mod verify;
pub mod contract;
pub mod memory;
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod sends_file;
pub mod follow;
pub mod steps;
pub mod history;

pub use batch::{Batch, Held};
pub use counts::Counts;
pub use error::{CommitError, Fault, IntakeError, JournalError};
pub use letters::{Letters, Verdict};
pub use pending::Pending;
pub use record::{
    Acknowledged, Append, Appended, Bounds, Committed, ControlRecord, Head, IntakeState, Item, Kind,
    Progress, Record, Shard, Source, Stream, View,
};
pub use reject::Reject;
pub use traits::{
    Again, Assignment, ControlLog, Group, Intake, Journal, KEY_BYTES_MAX, Log, ORIGIN_BYTES_MAX, OnProgress,
    OnRecord, RECORD_BYTES_MAX, Stored, Streams, Whereabouts,
};
pub use transaction::{Change, ShardCommit, Transaction};
