//! What the journal holds of one shard and was read already, until the replay has come to it.

use std::collections::{BTreeMap, VecDeque};

use crate::journal::history::NO_COMMIT;
use crate::journal::{Item, Stream};
use crate::model::Timestamp;

/// The streams of decisions, in the order in which they are compared.
pub(super) const DECISIONS: [Stream; 4] =
    [Stream::Sends, Stream::Transitions, Stream::Refusals, Stream::Rejects];

/// How an item of a stream is called.
pub(super) const fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Sends => "send",
        Stream::Rejects => "dead letter",
        Stream::Transitions => "transition",
        Stream::Refusals => "refusal",
        Stream::Cycles => "cycle",
    }
}

/// How far two sends must be alike to be the same one: that is `{"key":"` and the key.
const KEY_BYTES: usize = 8 + 32;

/// Whether two lines are of one send, whatever else they say.
pub(super) fn is_same_send(one: &[u8], other: &[u8]) -> bool {
    one.len() >= KEY_BYTES && one.get(..KEY_BYTES) == other.get(..KEY_BYTES)
}

/// An item as it was read.
#[derive(Clone, Debug)]
pub(super) struct HeldItem {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

/// Items of one shard, by commit.
#[derive(Debug, Default)]
pub(super) struct Held {
    of: [BTreeMap<u64, VecDeque<HeldItem>>; Stream::ALL.len()],
}

impl Held {
    pub(super) fn take(&mut self, stream: Stream, item: Item<'_>) {
        let held = HeldItem { number: item.number, at: item.at, bytes: item.bytes.to_vec() };
        self.of[stream.index()].entry(item.seq).or_default().push_back(held);
    }

    /// How many items of a commit there are.
    pub(super) fn len(&self, stream: Stream, commit: u64) -> usize {
        self.of[stream.index()].get(&commit).map_or(0, VecDeque::len)
    }

    /// The first item of a commit.
    pub(super) fn first(&self, stream: Stream, commit: u64) -> Option<&HeldItem> {
        self.of[stream.index()].get(&commit)?.front()
    }

    /// Takes the first item of a commit away.
    pub(super) fn pop(&mut self, stream: Stream, commit: u64) -> Option<HeldItem> {
        self.of[stream.index()].get_mut(&commit)?.pop_front()
    }

    /// Takes all items of a commit away. Of sends that do not say their commit, there is none such.
    pub(super) fn remove(&mut self, stream: Stream, commit: u64) -> VecDeque<HeldItem> {
        debug_assert_ne!(commit, NO_COMMIT, "those are taken one by one");
        self.of[stream.index()].remove(&commit).unwrap_or_default()
    }

    /// The first commit of which a cycle was read and not taken.
    pub(super) fn next_cycle(&self) -> Option<u64> {
        self.of[Stream::Cycles.index()].keys().next().copied()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
