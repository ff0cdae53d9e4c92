//! The dead-letter topic: what was received, as it was, with position and reason as headers, so that any tool can read
//! it.
//!
//! The headers that a CloudEvent came with stand before ours, in their order, whatever their names: from
//! [`REASON_HEADER`]'s last occurrence on they are ours. What is cut is kept as it stands, and says how long it was.

use std::time::Duration;

use super::client::{Error, Header, Message, Out, Transaction};
use super::codec::{self, KIND_HEADER, Origin};
use super::owned::logged;
use crate::journal::record::{Kind, Shard, Source};
use crate::journal::reject::Reject;
use crate::journal::traits::RECORD_BYTES_MAX;
use crate::model::Timestamp;
use crate::model::envelope;

/// How much of an input is kept, its key and headers with it: as much as any record may have.
pub(super) const LETTER_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// The header that says why a dead letter is one: the first of ours.
const REASON_HEADER: &str = "wayfarer-reason";
/// The header that names the topic that it was read from.
pub(super) const TOPIC_HEADER: &str = "wayfarer-topic";
/// The header that names its partition there: that of the shard.
const PARTITION_HEADER: &str = "wayfarer-partition";
/// The header that says where it stood.
const OFFSET_HEADER: &str = "wayfarer-offset";
/// The header with [`Source::to_bytes`], for those who read dead letters back.
const SOURCE_HEADER: &str = "wayfarer-source";
/// The header with the key under which it stood, if it stood under one.
const KEY_HEADER: &str = "wayfarer-key";
/// The header that says how many bytes were received, where not all of them are kept.
const LENGTH_HEADER: &str = "wayfarer-length";

/// The header of what is no letter, but the note that the one with this number was let in once more.
pub(super) const NOTE_HEADER: &str = "wayfarer-replayed";

/// Produces a letter into a partition of the dead-letter topic: `(topic, shard, origin)` is where it was read, and the
/// commit that says so.
pub(super) fn produce(
    to: &mut Transaction<'_>,
    (rejects, lane): (&str, i32),
    (topic, shard, origin): (&str, Shard, &[u8; Origin::BYTES]),
    reject: &Reject<'_>,
    timeout: Duration,
) -> Result<(), Error> {
    let reject = reject.within(LETTER_BYTES_MAX);
    let envelope = reject.envelope();
    let mut headers: Vec<Header<'_>> = envelope.iter().flat_map(|all| all.headers()).collect();
    let (offset, partition, length) =
        (reject.offset.to_string(), shard.to_string(), reject.length.to_string());
    let (source, kind) = (reject.source.to_bytes(), reject.kind.map(|kind| kind.code().to_string()));
    headers.extend([
        (REASON_HEADER, reject.code.as_bytes()),
        (TOPIC_HEADER, topic.as_bytes()),
        (PARTITION_HEADER, partition.as_bytes()),
        (OFFSET_HEADER, offset.as_bytes()),
        (SOURCE_HEADER, &source[..]),
    ]);
    headers.extend(kind.as_ref().map(|kind| (KIND_HEADER, kind.as_bytes())));
    headers.extend(reject.key.map(|key| (KEY_HEADER, key)));
    if reject.is_cut() {
        headers.push((LENGTH_HEADER, length.as_bytes()));
    }
    let value = envelope.map_or(reject.bytes, |all| all.value);
    let record = Out { partition: lane, key: Some(origin), value: Some(value) };
    to.produce_with(rejects, record, &headers, None, timeout)
}

/// The letter that a note is about, and when it was written.
pub(super) fn note(message: Message<'_>) -> Option<(u64, Timestamp)> {
    let value = message.header(NOTE_HEADER)??;
    let number = std::str::from_utf8(value).ok()?.parse().ok()?;
    // A letter that came with such a header says why it is one.
    message.header(REASON_HEADER).is_none().then(|| (number, logged(message)))
}

/// A record of the dead-letter topic as an item of [`crate::journal::Stream::Rejects`], laid into `item`.
pub(super) fn read<'a>(message: Message<'_>, item: &'a mut Vec<u8>) -> &'a [u8] {
    let headers: Vec<_> = message.headers().collect();
    let ours = headers.iter().rposition(|(name, _)| *name == REASON_HEADER).unwrap_or(0);
    let (theirs, ours) = headers.split_at(ours);
    let header = |wanted: &str| ours.iter().find(|(name, _)| *name == wanted)?.1;
    let text =
        |name: &str| header(name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let source = header(SOURCE_HEADER).and_then(|bytes| bytes.try_into().ok());
    let bytes = message.value().unwrap_or_default();
    let mut reject = Reject {
        source: source.and_then(Source::from_bytes).unwrap_or(Source::Events),
        offset: text(OFFSET_HEADER).parse().unwrap_or_default(),
        kind: header(KIND_HEADER).and_then(codec::kind),
        key: header(KEY_HEADER),
        code: text(REASON_HEADER),
        length: text(LENGTH_HEADER).parse().unwrap_or(bytes.len() as u64),
        bytes,
    };
    let mut laid = Vec::new();
    if reject.kind == Some(Kind::CloudEvent) && !reject.is_cut() {
        envelope::put(reject.key, theirs.iter().copied(), bytes, &mut laid);
        (reject.length, reject.bytes) = (laid.len() as u64, &laid);
    }
    reject.encode(item);
    item
}
