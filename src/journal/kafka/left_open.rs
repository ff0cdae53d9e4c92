//! Transactions that a former owner of a shard has left open in its state, and how they are ended.
//!
//! Whoever takes a transactional id ends what is open under it, as far as the coordinator knows; what it has decided
//! to commit is committed. One that hangs it does not know: a coordinator that comes back before its own broker knows
//! the topics takes a partition for deleted, and never sends it the marker of a transaction that was decided before.
//! No time-out ends that, and nobody here does: to take part once more under its id would get it a marker, but the
//! wrong one if that is aborted on the way, when a broker does not answer or the process is killed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client::{Partition, Producer};
use super::{Shared, codec, storage};
use crate::journal::error::JournalError;
use crate::journal::record::Shard;

/// Where the transactions began that were ended from here, by shard. One that hangs nevertheless is not ended again:
/// its coordinator knows of none, and whoever took its transactional id once more would only fence the owner, who may
/// well be alive and at work on other shards.
#[derive(Debug, Default)]
pub(super) struct EndedAt(Mutex<BTreeMap<Shard, i64>>);

impl EndedAt {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Shard, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the transaction of the shard's state that begins at this offset was ended.
    pub(super) fn contains(&self, shard: Shard, at: i64) -> bool {
        self.lock().get(&shard) == Some(&at)
    }

    /// It was.
    pub(super) fn insert(&self, shard: Shard, at: i64) {
        self.lock().insert(shard, at);
    }
}

impl Shared {
    /// Ends what is open in a shard's state, whose last head that is decided is `head`.
    pub(super) fn end_left_open(
        &self,
        shard: Shard,
        state: &Partition,
        head: Option<&[u8]>,
    ) -> Result<(), JournalError> {
        let Some(head) = head else {
            tracing::warn!(partition = %state, "a transaction is open, no head says whose; it is waited for");
            return Ok(());
        };
        let (_, owner) = codec::head(shard, head)?;
        tracing::warn!(shard, owner, "its former owner has left a transaction open; it is aborted");
        let options = &self.options;
        let producer = Producer::new(&options.settings, owner, options.transaction_timeout);
        let ended = producer.and_then(|mut producer| producer.init_transactions(options.call_timeout));
        ended.map_err(storage("end a transaction that was left open"))
    }

    /// Why a shard whose state has a transaction that hangs cannot be loaded, and what an operator can do.
    pub(super) fn hanging(
        &self,
        shard: Shard,
        state: &Partition,
        head: Option<&[u8]>,
    ) -> Result<JournalError, JournalError> {
        let last = head.map(|head| codec::head(shard, head)).transpose()?.map_or(0, |(head, _)| head.seq);
        let limit = 2 * self.options.transaction_timeout;
        let cause = format!(
            "a transaction in {state} is open for more than {limit:?}, and the brokers do not end it; \
             kafka-transactions.sh find-hanging tells which it is, and abort ends it: that loses nothing if the \
             group's offset of the shard's events, by its metadata, is of commit {last}, and loses a commit that \
             was made if it is of a later one"
        );
        Ok(JournalError::Storage { doing: "load a shard", cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_hangs_is_ended_once_and_the_next_one_too() {
        let ended = EndedAt::default();
        assert!(!ended.contains(3, 40));
        ended.insert(3, 40);
        assert!(ended.contains(3, 40) && !ended.contains(4, 40));
        assert!(!ended.contains(3, 52), "another one of the same shard");
        ended.insert(3, 52);
        assert!(ended.contains(3, 52));
    }
}
