//! A transactional producer.
//!
//! A record that was refused can be overlooked by nobody: the transaction then cannot commit, whatever is called.

use std::time::Duration;

use super::consumer::GroupMetadata;
use super::error::{Error, TransactionError};
use super::partition::Partition;
use super::settings::Settings;

/// A record to be produced. Its partition is always said: nothing here hashes keys.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A header of a record.
pub type Header<'a> = (&'a str, &'a [u8]);

/// An offset to be committed with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentOffset<'a> {
    /// Of which partition.
    pub partition: Partition,
    /// The next offset to be read.
    pub offset: i64,
    /// What is stored beside it. No NUL bytes, at most 4,096 bytes (`offset.metadata.max.bytes`).
    pub metadata: &'a str,
}

/// A producer with a transactional id.
#[derive(Debug)]
pub struct Producer {}

/// An open transaction. Dropped without a commit it is aborted before the next one begins.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'p> {
    producer: &'p mut Producer,
}

impl Producer {
    /// A producer; `transaction_timeout` is the broker's limit after which it aborts an open one.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files.
    pub fn new(
        settings: &Settings,
        transactional_id: &str,
        transaction_timeout: Duration,
    ) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Fences earlier producers with this transactional id, and waits for the end of their transaction.
    ///
    /// # Errors
    /// No answer within `timeout` (may be called again if retriable), or fatal.
    pub fn init_transactions(&mut self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }

    /// Begins a transaction. Aborts one that was dropped.
    ///
    /// # Errors
    /// The producer is of no use (any more).
    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        unimplemented!()
    }
}

impl Transaction<'_> {
    /// Produces records of one topic. Waits up to `deadline` while librdkafka's queue is full.
    ///
    /// # Errors
    /// One was refused: too large, no such topic or partition, queue full for too long. The transaction cannot
    /// commit any more.
    pub fn produce(&mut self, topic: &str, records: &[Out<'_>], deadline: Duration) -> Result<(), Error> {
        unimplemented!()
    }

    /// Produces one record with headers, and a timestamp in milliseconds if not now.
    ///
    /// # Errors
    /// As [`Self::produce`].
    pub fn produce_with(
        &mut self,
        topic: &str,
        record: Out<'_>,
        headers: &[Header<'_>],
        timestamp: Option<i64>,
        deadline: Duration,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Adds the positions of the group to the transaction. Here, and only here, a stale member is fenced (KIP-447).
    ///
    /// # Errors
    /// The broker refuses the member or its generation, or no answer. The transaction cannot commit any more.
    pub fn send_offsets(
        &mut self,
        offsets: &[SentOffset<'_>],
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Commits. One that cannot commit is aborted.
    ///
    /// # Errors
    /// Certainly not committed, or unknown.
    pub fn commit(self, timeout: Duration) -> Result<(), TransactionError> {
        unimplemented!()
    }

    /// Aborts.
    ///
    /// # Errors
    /// The producer is of no use any more. Nothing is committed all the same.
    pub fn abort(self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
}
