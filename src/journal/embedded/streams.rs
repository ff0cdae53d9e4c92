//! Reading what has left the shards, by number and by byte.

use std::sync::atomic::Ordering;

use super::store::Store;
use super::{Embedded, codec, index};
use crate::journal::error::JournalError;
use crate::journal::record::{Bounds, Item, Shard, Stream};
use crate::journal::traits::Streams;

fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Sends => "send",
        Stream::Rejects => "reject",
        Stream::Transitions => "transition",
        Stream::Refusals => "refusal",
        Stream::Cycles => "cycle",
    }
}

/// The number of the first item of the stripe that holds item `number`.
fn stripe_of(store: &Store, stream: Stream, number: u64) -> Result<u64, JournalError> {
    let span = codec::stream_key(stream, 0)..=codec::stream_key(stream, number);
    match store.keys.range(span).next_back() {
        None => Ok(number),
        Some(guard) => codec::last_number(&guard.key().map_err(Store::storage("read a stream"))?),
    }
}

/// See [`Streams::read_stream`].
pub(super) fn read(
    store: &Store,
    stream: Stream,
    from: u64,
    max: usize,
    each: &mut dyn FnMut(Item<'_>),
) -> Result<u64, JournalError> {
    store.alive()?;
    let bounds = store.stream_bounds(stream);
    let (mut next, mut left) = (from, max);
    if from >= bounds.next || max == 0 {
        return Ok(next);
    }
    if from < bounds.first {
        return Err(JournalError::Gone { what: word(stream), asked: from, oldest: bounds.first });
    }
    let first = stripe_of(store, stream, from)?;
    for guard in store.keys.range(codec::stream_key(stream, first)..codec::stream_key(stream, bounds.next)) {
        let (key, value) = guard.into_inner().map_err(Store::storage("read a stream"))?;
        codec::each_item(stream, codec::last_number(&key)?, &value, &mut |item| {
            if item.number >= from && left > 0 {
                next = item.number + 1;
                left -= 1;
                each(item);
            }
            left > 0
        })?;
        if left == 0 {
            break;
        }
    }
    Ok(next)
}

impl Streams for Embedded {
    fn bounds(&self, stream: Stream) -> Result<Bounds, JournalError> {
        self.store().alive()?;
        Ok(self.store().stream_bounds(stream))
    }

    fn read_stream(
        &self,
        stream: Stream,
        from: u64,
        max: usize,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Result<u64, JournalError> {
        read(self.store(), stream, from, max, each)
    }

    fn numbers_of(&self, stream: Stream, user: u64) -> Result<Vec<u64>, JournalError> {
        index::numbers_of(self.store(), stream, user)
    }

    fn read_state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        let store = self.store();
        store.alive()?;
        let prefix = codec::state_prefix(shard);
        let span = [&prefix[..], from].concat()..[&prefix[..], to].concat();
        for guard in store.keys.range(span) {
            let (key, value) = guard.into_inner().map_err(Store::storage("look into a shard's state"))?;
            each(&key[prefix.len()..], &value);
        }
        Ok(())
    }

    /// By halves over the numbers: about twenty look-ups.
    fn item_at(&self, stream: Stream, position: u64) -> Result<u64, JournalError> {
        let bounds = self.bounds(stream)?;
        if position >= bounds.next_position {
            return Ok(bounds.next);
        }
        if position < bounds.first_position {
            return Err(JournalError::Gone {
                what: "byte of the stream",
                asked: position,
                oldest: bounds.first_position,
            });
        }
        let (mut low, mut high) = (bounds.first, bounds.next);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let mut at = 0;
            self.read_stream(stream, middle, 1, &mut |item| at = item.position)?;
            if at <= position {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn origin(&self) -> Result<Vec<u8>, JournalError> {
        let origin = self.store().get(&codec::ORIGIN_KEY)?;
        Ok(origin.map(|bytes| bytes.to_vec()).unwrap_or_default())
    }

    /// Becomes durable with the next commit: to deliver twice what was safe already costs nothing.
    fn mark_delivered(&self, next: u64) -> Result<(), JournalError> {
        let store = self.store();
        if store.delivered.fetch_max(next, Ordering::AcqRel) >= next {
            return store.alive();
        }
        let mut writer = store.writer();
        let mut batch = store.batch(1);
        batch.insert(&store.keys, codec::DELIVERED_KEY, next.to_be_bytes());
        store.write(&mut writer, batch).map(drop)
    }

    fn delivered(&self) -> Result<u64, JournalError> {
        let first = self.bounds(Stream::Sends)?.first;
        Ok(self.store().delivered.load(Ordering::Acquire).max(first))
    }
}
