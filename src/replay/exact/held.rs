//! What the journal holds of one shard and was read already, until the replay has come to it.

use std::collections::{BTreeMap, VecDeque};

use crate::journal::history::NO_COMMIT;
use crate::journal::{Item, Reject, Stream};
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

/// Where letters of programs that did not note what they were are cut, on Kafka.
const OLD_LETTER_MAX: usize = 512 << 10;

/// Whether what is kept is what was decided. Letters of an older program say neither what they were nor that they are
/// cut.
pub(super) fn is_same(stream: Stream, found: &[u8], decided: &[u8]) -> bool {
    found == decided || (stream == Stream::Rejects && is_same_letter(found, decided))
}

fn is_same_letter(found: &[u8], decided: &[u8]) -> bool {
    let (Ok(found), Ok(decided)) = (Reject::decode(found), Reject::decode(decided)) else { return false };
    if found.kind.is_some() {
        return false;
    }
    let cut = found.bytes.len() == OLD_LETTER_MAX && decided.bytes.starts_with(found.bytes);
    let (length, bytes) = (found.length, found.bytes);
    (cut || decided.bytes == bytes) && Reject { kind: None, key: None, length, bytes, ..decided } == found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Kind, Source};

    fn item(kind: Option<Kind>, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let (key, code, length) = (kind.map(|_| &b"u"[..]), "not_json: no", bytes.len() as u64);
        let mut item = Vec::new();
        Reject { source: Source::Events, offset, kind, key, code, length, bytes }.encode(&mut item);
        item
    }

    #[test]
    fn a_letter_of_the_form_before_is_what_is_decided_now() {
        let long = vec![b'x'; OLD_LETTER_MAX + 1];
        let now = |bytes| item(Some(Kind::Event), 7, bytes);
        for (found, decided, same) in [
            (now(b"{"), now(b"{"), true),
            (item(None, 7, b"{"), now(b"{"), true),
            (item(None, 7, &long[1..]), now(&long), true),
            (item(None, 7, b""), now(b"{"), false),
            (item(None, 8, b"{"), now(b"{"), false),
            (item(Some(Kind::Receipt), 7, b"{"), now(b"{"), false),
        ] {
            assert_eq!(is_same(Stream::Rejects, &found, &decided), same);
            assert_eq!(is_same(Stream::Cycles, &found, &decided), found == decided);
        }
    }
}
