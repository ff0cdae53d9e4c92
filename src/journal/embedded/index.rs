//! Which items of the streams are about which user: so that one user's story does not cost a reading of all.
//!
//! Owns: the segments of the index, and the thread that makes them. A segment covers a run of a stream: its
//! items' user hashes, sorted, in blocks of some hundred, a key a block. So an item costs eight bytes and a
//! five-hundredth of a key, and nothing on the data's way; a question costs one look-up a segment. What is
//! behind the last segment is read itself: never more than
//! [`index_every`](super::EmbeddedOptions::index_every) items once the thread has caught up.
//!
//! Promises: nothing depends on the index. It is made of what is durable, and made anew of what is not
//! covered, in a directory of an older program too. A segment goes when retention has dropped the last item
//! that it covers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fjall::Keyspace;

use super::codec::{self, Fields};
use super::helper::Helper;
use super::store::Store;
use super::streams;
use crate::journal::error::JournalError;
use crate::journal::record::Stream;
use crate::model::hash::user_hash;
use crate::model::wire::user_of;

/// The streams whose items are lines about users.
const INDEXED: [Stream; 3] = [Stream::Sends, Stream::Transitions, Stream::Refusals];

/// How many entries a block has at least, the last one excepted: 4 KiB, what a look-up reads.
const BLOCK_ENTRIES: usize = 512;

/// Room that a segment needs on the disk, in bytes.
const SEGMENT_BYTES: usize = 1 << 20;

/// An item of a segment: its user's hash, and its number from the segment's first on.
type Entry = (u32, u32);

/// Starts the thread that makes segments.
pub(super) fn start(store: &Arc<Store>) -> io::Result<Helper> {
    let store = Arc::clone(store);
    Helper::start("journal-indexer", move |ending| {
        let mut rest = store.options.housekeeping;
        while ending.rest(rest) {
            let began = Instant::now();
            // A failure ends the store, which says so to everybody who asks it next.
            let made = advance(&store).unwrap_or(0);
            // While there is more to do it takes half a thread's time: questions can wait, events cannot.
            rest = if made > 0 { began.elapsed() } else { store.options.housekeeping };
        }
    })
}

/// The part of a hash that is kept.
const fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The end of the last segment of each stream, by [`Stream::index`]; 0 if there is none.
pub(super) fn ends(keys: &Keyspace) -> Result<[u64; 5], JournalError> {
    let mut ends = [0; 5];
    for stream in INDEXED {
        let span = codec::index_key(stream, 0, 0)..=codec::index_key(stream, u64::MAX, u32::MAX);
        if let Some(guard) = keys.range(span).next_back() {
            ends[stream.index()] = end_of(&guard.value().map_err(Store::storage("read its index"))?)?;
        }
    }
    Ok(ends)
}

/// Makes at most one segment of each stream, if there are enough items for one; how many it made.
pub(super) fn advance(store: &Store) -> Result<usize, JournalError> {
    let mut made = 0;
    for stream in INDEXED {
        let bounds = store.stream_bounds(stream);
        let from = indexed(store, stream).max(bounds.first);
        let enough = bounds.next.saturating_sub(from) >= store.options.index_every.max(1);
        if enough && store.has_room(store.options.reserve_bytes, SEGMENT_BYTES).is_ok() {
            made += usize::from(make(store, stream, from)?);
        }
    }
    Ok(made)
}

fn indexed(store: &Store, stream: Stream) -> u64 {
    store.indexed[stream.index()].load(Ordering::Acquire)
}

/// Makes the segment of a stream that begins with item `first`; not if retention was faster.
fn make(store: &Store, stream: Stream, first: u64) -> Result<bool, JournalError> {
    let max = usize::try_from(store.options.index_every).unwrap_or(usize::MAX).min(u32::MAX as usize);
    let mut entries: Vec<Entry> = Vec::with_capacity(max.min(1 << 16));
    let read = streams::read(store, stream, first, max, &mut |item| {
        if let Some(user) = user_of(item.bytes) {
            entries.push((short(user_hash(&user)), (item.number - first) as u32));
        }
    });
    let end = match read {
        Err(JournalError::Gone { .. }) => return Ok(false),
        other => other?,
    };
    entries.sort_unstable();
    let mut batch = store.batch(entries.len() / BLOCK_ENTRIES + 1);
    for (hash, block) in blocks(&entries) {
        batch.insert(&store.keys, codec::index_key(stream, first, hash), encode(end, block));
    }
    let mut writer = store.writer();
    store.write(&mut writer, batch)?;
    drop(writer);
    store.indexed[stream.index()].fetch_max(end, Ordering::AcqRel);
    Ok(true)
}

/// Cuts sorted entries into blocks, none of which ends within a hash; each with the hash that its key has.
/// The first one's is nought, so that every hash has a block at or before it, also in a segment without
/// entries.
fn blocks(entries: &[Entry]) -> Vec<(u32, &[Entry])> {
    let mut blocks = Vec::new();
    let mut rest = entries;
    loop {
        let cut =
            rest.get(BLOCK_ENTRIES - 1).map(|(hash, _)| rest.partition_point(|(other, _)| other <= hash));
        let (block, more) = rest.split_at(cut.unwrap_or(rest.len()));
        let hash = if blocks.is_empty() { 0 } else { block.first().map_or(0, |(hash, _)| *hash) };
        blocks.push((hash, block));
        if more.is_empty() {
            return blocks;
        }
        rest = more;
    }
}

fn encode(end: u64, block: &[Entry]) -> Vec<u8> {
    let mut value = Vec::with_capacity(8 + block.len() * 8);
    value.extend_from_slice(&end.to_be_bytes());
    for (hash, number) in block {
        value.extend_from_slice(&hash.to_be_bytes());
        value.extend_from_slice(&number.to_be_bytes());
    }
    value
}

/// The number behind the last item of a segment, of any of its blocks.
pub(super) fn end_of(block: &[u8]) -> Result<u64, JournalError> {
    Fields::new(block).u64().ok_or_else(|| JournalError::corrupt("the index of users", "a block is cut off"))
}

/// See [`Streams::numbers_of`](crate::journal::Streams::numbers_of).
pub(super) fn numbers_of(store: &Store, stream: Stream, user: u64) -> Result<Vec<u64>, JournalError> {
    store.alive()?;
    let end = indexed(store, stream);
    let mut found = Vec::new();
    look_up(store, stream, short(user), end, &mut found)?;
    let first = store.stream_bounds(stream).first;
    found.retain(|number| *number >= first);
    // What no segment covers is read, in one go: a commit's lines are one value, which is fetched once so.
    let mut from = if INDEXED.contains(&stream) { end.max(first) } else { first };
    loop {
        let read = streams::read(store, stream, from, usize::MAX, &mut |item| {
            if user_of(item.bytes).is_some_and(|of| short(user_hash(&of)) == short(user)) {
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

/// Appends the numbers that the segments before item `end` have for a hash.
fn look_up(
    store: &Store,
    stream: Stream,
    hash: u32,
    end: u64,
    found: &mut Vec<u64>,
) -> Result<(), JournalError> {
    let failed = || Store::storage("read its index");
    let mut at = 0;
    while at < end {
        let within = codec::index_key(stream, at, 0)..=codec::index_key(stream, at, hash);
        if let Some(guard) = store.keys.range(within).next_back() {
            let block = guard.value().map_err(failed())?;
            let next = end_of(&block)?;
            let (entries, _) = block.get(8..).unwrap_or_default().as_chunks::<8>();
            let hash_of = |entry: &[u8; 8]| (u64::from_be_bytes(*entry) >> 32) as u32;
            let start = entries.partition_point(|entry| hash_of(entry) < hash);
            let same = entries[start..].iter().take_while(|entry| hash_of(entry) == hash);
            found.extend(same.map(|entry| at + (u64::from_be_bytes(*entry) & u64::from(u32::MAX))));
            at = next.max(at + 1);
            continue;
        }
        // No segment begins here: the first one, or one behind a stretch that was dropped before it had any.
        let later = codec::index_key(stream, at, 0)..codec::index_key(stream, end, 0);
        let Some(guard) = store.keys.range(later).next() else { break };
        at = codec::index_first(&guard.key().map_err(failed())?)?;
    }
    Ok(())
}

/// For retention: between which keys the segments of each stream lie, and the first item that is kept of it.
pub(super) fn segments(store: &Store) -> impl Iterator<Item = (Vec<u8>, Vec<u8>, u64)> {
    INDEXED.into_iter().map(|stream| {
        let (from, to) = (codec::index_key(stream, 0, 0), codec::index_key(stream, u64::MAX, u32::MAX));
        (from.to_vec(), to.to_vec(), store.stream_bounds(stream).first)
    })
}

#[cfg(test)]
mod tests {
    use crate::journal::Assignment;
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Embedded, EmbeddedOptions};
    use super::*;
    use crate::journal::record::Item;
    use crate::journal::traits::{Journal, Log, Streams};
    use crate::journal::transaction::Transaction;
    use crate::model::Timestamp;

    #[test]
    fn no_block_ends_within_a_hash_and_every_hash_has_a_block_at_or_before_it() {
        let hot = |n: u32| if n < 2_000 { 7 } else { n / 3 };
        for entries in [
            Vec::new(),
            vec![(9, 0)],
            (0..5_000).map(|n| (hot(n), n)).collect::<Vec<Entry>>(),
            (0..1_024).map(|n| (n, n)).collect(),
        ] {
            let mut entries = entries;
            entries.sort_unstable();
            let blocks = blocks(&entries);
            assert_eq!(blocks.first().map(|(hash, _)| *hash), Some(0));
            assert_eq!(blocks.iter().flat_map(|(_, block)| block.iter()).count(), entries.len());
            for pair in blocks.windows(2) {
                let (last, next) = (pair[0].1.last().unwrap().0, pair[1].1.first().unwrap().0);
                assert!(last < next && pair[1].0 == next);
            }
        }
    }
    const MONTH: Timestamp = Timestamp(40 * 24 * 3_600_000);

    fn open(place: &Path, index_every: u64) -> Embedded {
        let housekeeping = Duration::from_secs(3_600);
        let options =
            EmbeddedOptions { shards: 1, index_every, housekeeping, reserve_bytes: 0, ..Default::default() };
        Embedded::open(place, options).unwrap()
    }

    /// Commits `count` movements, three a commit: of `u0` and `hot` in turn, and of one of ten others.
    fn move_some(log: &Embedded, count: u64) {
        let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
        let (mut tx, mut n) = (Transaction::new(), log.bounds(Stream::Transitions).unwrap().next);
        let end = n + count;
        while n < end {
            let seq = worker.head(0).unwrap().map_or(1, |head| head.seq + 1);
            tx.begin(Timestamp(0));
            let part = tx.shard(0, seq);
            for n in n..(n + 3).min(end) {
                let user = [format!("u{}", n % 10), "hot".to_owned()][usize::from(n % 2 == 0)].clone();
                part.transitions.push(format!(r#"{{"at":"","user":"{user}","n":{n}}}"#).as_bytes());
            }
            worker.commit(&tx).unwrap();
            n += 3;
        }
    }

    /// What a reading of all that is kept gives.
    fn read_all(log: &Embedded, user: &str) -> Vec<u64> {
        let (mut found, from) = (Vec::new(), log.bounds(Stream::Transitions).unwrap().first);
        let mut each = |item: Item<'_>| {
            if user_of(item.bytes).as_deref() == Some(user) {
                found.push(item.number);
            }
        };
        log.read_stream(Stream::Transitions, from, usize::MAX, &mut each).unwrap();
        found
    }

    fn check(log: &Embedded, segments: usize) {
        for user in ["u1", "u7", "hot", "u2", "nobody"] {
            let found = log.numbers_of(Stream::Transitions, user_hash(user)).unwrap();
            assert_eq!(found, read_all(log, user), "{user}");
        }
        assert_eq!(count(log), segments);
    }

    /// How many segments there are: each has one block of hash nought.
    fn count(log: &Embedded) -> usize {
        let (from, to, _) = segments(log.store()).nth(1).unwrap();
        let keys = log.store().keys.range(from..to).map(|guard| guard.key().unwrap().to_vec());
        keys.filter(|key| key.ends_with(&[0; 4])).count()
    }

    fn index_all(log: &Embedded) {
        while log.index().unwrap() > 0 {}
    }

    #[test]
    fn a_user_s_items_are_found_in_segments_and_behind_them_through_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let log = open(place.path(), 1_000);
        move_some(&log, 4_321);
        check(&log, 0);
        assert_eq!(log.index().unwrap(), 1, "one segment a slice");
        check(&log, 1);
        index_all(&log);
        check(&log, 4);
        drop(log);
        // Another length from now on; what is there stays.
        let log = open(place.path(), 400);
        check(&log, 4);
        move_some(&log, 500);
        index_all(&log);
        check(&log, 6);
    }

    #[test]
    fn a_directory_without_an_index_gets_one() {
        let place = tempfile::tempdir().unwrap();
        let log = open(place.path(), u64::MAX);
        move_some(&log, 2_000);
        index_all(&log);
        check(&log, 0);
        drop(log);
        let log = open(place.path(), 700);
        index_all(&log);
        check(&log, 2);
    }

    #[test]
    fn segments_go_with_what_they_cover_and_new_ones_begin_behind_what_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let log = open(place.path(), 1_000);
        move_some(&log, 2_500);
        index_all(&log);
        check(&log, 2);
        while log.maintain(MONTH).unwrap() > 0 {}
        assert_eq!(log.bounds(Stream::Transitions).unwrap().first, 2_499, "the newest commit is kept");
        check(&log, 0);
        move_some(&log, 1_000);
        index_all(&log);
        check(&log, 1);
        drop(log);
        check(&open(place.path(), 1_000), 1);
    }
}
