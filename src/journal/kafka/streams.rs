//! What has left the shards, read back: dead letters, movements, refusals, sends, cycles.
//!
//! An item's number is its partition in the upper 16 bits and its offset below: ascending, with gaps, one
//! partition after the other.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Edge, Message, Messages, Partition, Timestamp as Stamp};
use super::codec::{HEAD_KEY, Origin};
use super::{Kafka, KafkaOptions, Shared, letters, load, storage};
use crate::journal::error::JournalError;
use crate::journal::record::{Bounds, Item, Shard, Stream};
use crate::journal::traits::Streams;
use crate::model::Timestamp;

/// Bits of an offset in an item's number: 281 million million records a partition.
pub(super) const OFFSET_BITS: u32 = 48;
/// How many records are taken at once.
const AT_ONCE: usize = 1_000;
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(10);
const DOING: &str = "read what has left the shards";

pub(super) fn number(partition: u64, offset: i64) -> u64 {
    partition << OFFSET_BITS | offset.unsigned_abs()
}

pub(super) fn topic(options: &KafkaOptions, stream: Stream) -> &Arc<str> {
    let topics = &options.topics;
    match stream {
        Stream::Sends => &topics.sends,
        Stream::Rejects => &topics.rejects,
        Stream::Transitions => &topics.transitions,
        Stream::Refusals => &topics.refusals,
        Stream::Cycles => &topics.cycles,
    }
}

/// The partitions of a stream with their first offsets and their ends.
pub(super) struct Extent {
    pub(super) partitions: Vec<Partition>,
    pub(super) first: Vec<i64>,
    pub(super) end: Vec<i64>,
}

impl Extent {
    pub(super) fn ask(shared: &Shared, stream: Stream) -> Result<Self, JournalError> {
        let topic = topic(&shared.options, stream);
        let partitions: Vec<Partition> =
            (0..shared.options.shards).map(|n| Partition::new(Arc::clone(topic), i32::from(n))).collect();
        let first = shared.edges(&partitions, Edge::Earliest).map_err(storage(DOING))?;
        let end = shared.settled(&partitions).map_err(storage(DOING))?;
        Ok(Self { partitions, first, end })
    }
}

/// Gives what a record says as an item, if it is one: beside dead letters lie notes. `bytes` is where a dead letter is
/// put together again.
pub(super) fn give(
    stream: Stream,
    partition: u64,
    message: Message<'_>,
    bytes: &mut Vec<u8>,
    each: &mut dyn FnMut(Item<'_>),
) -> bool {
    if stream == Stream::Rejects && letters::note(message).is_some() {
        return false;
    }
    let at = match message.timestamp() {
        Stamp::Appended(ms) | Stamp::Created(ms) => Timestamp(ms),
        Stamp::None => Timestamp::MIN,
    };
    // The partition of a send is its shard's; what several shards share says where it comes from.
    let shard = u16::try_from(partition).unwrap_or(u16::MAX);
    let origin = message.key().and_then(Origin::decode).unwrap_or(Origin { shard, seq: 0, at });
    let origin = if stream == Stream::Sends { Origin { shard, seq: 0, at } } else { origin };
    bytes.clear();
    let value = message.value().unwrap_or_default();
    let value = if stream == Stream::Rejects { letters::read(message, bytes) } else { value };
    each(Item {
        number: number(partition, message.offset()),
        position: 0,
        shard: origin.shard,
        seq: origin.seq,
        at: origin.at,
        bytes: value,
    });
    true
}

impl Streams for Kafka {
    fn bounds(&self, stream: Stream) -> Result<Bounds, JournalError> {
        let extent = Extent::ask(&self.shared, stream)?;
        let last = extent.end.len() - 1;
        Ok(Bounds {
            first: number(0, extent.first[0]),
            first_position: 0,
            next: number(last as u64, extent.end[last]),
            next_position: 0,
        })
    }

    fn read_stream(
        &self,
        stream: Stream,
        from: u64,
        max: usize,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Result<u64, JournalError> {
        let reader = self.shared.options.scanner().map_err(storage(DOING))?;
        let extent = Extent::ask(&self.shared, stream)?;
        let (mut next, mut left, mut bytes) = (from, max, Vec::new());
        let mut messages = Messages::new();
        for (place, partition) in extent.partitions.iter().enumerate().skip((from >> OFFSET_BITS) as usize) {
            let n = place as u64;
            let wanted = i64::try_from(next & ((1 << OFFSET_BITS) - 1)).unwrap_or(i64::MAX);
            let start = if next >> OFFSET_BITS == n { wanted } else { 0 }.max(extent.first[place]);
            next = number(n, start);
            if start >= extent.end[place] {
                continue;
            }
            let one = std::slice::from_ref(partition);
            reader.assign(&[(partition.clone(), start)]).map_err(storage(DOING))?;
            while left > 0 {
                let at = reader.positions(one).map_err(storage(DOING))?[0].unwrap_or(start);
                if at >= extent.end[place] {
                    break;
                }
                reader
                    .poll(&mut messages, left.min(AT_ONCE), POLL, &mut |_, _| {})
                    .map_err(|e| storage(DOING)(e.error))?;
                for message in messages.iter() {
                    left -= usize::from(give(stream, n, message, &mut bytes, each));
                    next = number(n, message.offset() + 1);
                }
            }
            reader.unassign(one).map_err(storage(DOING))?;
            if left == 0 {
                return Ok(next);
            }
        }
        Ok(next)
    }

    fn item_at(&self, _stream: Stream, _position: u64) -> Result<u64, JournalError> {
        Err(no_file())
    }

    fn origin(&self) -> Result<Vec<u8>, JournalError> {
        Err(no_file())
    }

    /// Reads the whole partition, so it takes as long as a restore.
    fn read_state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        let latest = load::look(&self.shared, shard)?;
        let mut found: Vec<(&[u8], &[u8])> =
            latest.each().filter(|(key, _)| *key != HEAD_KEY && (from..to).contains(key)).collect();
        found.sort_unstable();
        found.into_iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn mark_delivered(&self, _next: u64) -> Result<(), JournalError> {
        // The brokers' retention drops sends, whoever has read them.
        Ok(())
    }

    fn delivered(&self) -> Result<u64, JournalError> {
        Ok(0)
    }
}

/// Sends leave by their topic: several instances have no file in common.
fn no_file() -> JournalError {
    JournalError::Storage {
        doing: "keep a file of sends",
        cause: "on Kafka sends are in their topic, in the order of each shard".to_owned(),
    }
}
