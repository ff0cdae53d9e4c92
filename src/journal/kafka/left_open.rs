//! Transactions that a former owner of a shard has left open in its state, and how they are ended.
//!
//! Whoever takes a transactional id ends what is open under it, as far as the coordinator knows. One that hangs it
//! does not know: a coordinator that comes back before its own broker knows the topics takes a partition for
//! deleted, and never sends it the marker of a transaction that was decided before. No time-out ends that.

use super::client::{Error, Out, Partition, Producer};
use super::{Shared, codec, storage};
use crate::journal::error::JournalError;
use crate::journal::record::{Head, Shard};

const DOING: &str = "end a transaction that was left open";
/// The key of a record that says nothing: nobody has it.
const NOTHING_KEY: &[u8] = &[0, 0];

impl Shared {
    /// Ends what is open in a shard's state, whose last head that is decided is `head`.
    pub(super) fn end_left_open(
        &self,
        shard: Shard,
        state: &Partition,
        head: Option<&[u8]>,
        hangs: bool,
    ) -> Result<(), JournalError> {
        let head = head.map(|head| codec::head(shard, head)).transpose()?;
        if hangs {
            return self.end_hanging(shard, state, head);
        }
        let Some((_, owner)) = head else {
            tracing::warn!(partition = %state, "a transaction is open, no head says whose; it is waited for");
            return Ok(());
        };
        tracing::warn!(shard, owner, "its former owner has left a transaction open; it is aborted");
        self.take_name(owner).map(drop).map_err(storage(DOING))
    }

    /// Ends what hangs: its id takes part once more, and the marker of that ends all that the id has open there.
    /// The group's offsets were of the same transaction and had their marker, so they tell whose it was, and how
    /// it was decided.
    fn end_hanging(
        &self,
        shard: Shard,
        state: &Partition,
        head: Option<(Head, &str)>,
    ) -> Result<(), JournalError> {
        let last = head.as_ref().map_or(0, |(head, _)| head.seq);
        let mark = self.committed(shard)?.mark.filter(|mark| mark.seq == last + 1);
        let is_committed = mark.is_some();
        let owner = mark.map(|mark| mark.transactional_id).or(head.map(|(_, owner)| owner.to_owned()));
        let Some(owner) = owner else { return Ok(()) };
        tracing::warn!(shard, owner, is_committed, "a transaction hangs in the shard's state; it is ended");
        let nothing = Out { partition: state.number, key: Some(NOTHING_KEY), value: None };
        let timeout = self.options.call_timeout;
        let end = |mut producer: Producer| {
            let mut transaction = producer.begin()?;
            // What could not be laid into it takes no part, and gets no marker.
            let laid = transaction.produce(&state.topic, &[nothing], timeout);
            match is_committed && laid.is_ok() {
                true => transaction.commit(timeout).map_err(|failed| failed.error().clone()),
                false => transaction.abort(timeout).and(laid),
            }
        };
        self.take_name(&owner).and_then(end).map_err(storage(DOING))
    }

    /// A producer of that name.
    fn take_name(&self, owner: &str) -> Result<Producer, Error> {
        let mut producer = Producer::new(&self.options.settings, owner, self.options.transaction_timeout)?;
        producer.init_transactions(self.options.call_timeout).map(|()| producer)
    }
}
