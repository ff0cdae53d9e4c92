//! Drops what is old and no longer needed, in small slices beside the data's way, and syncs every so often.
//!
//! Owns: the housekeeper thread, which ends with the journal's last handle. Promises: nothing unread is
//! dropped, and never the newest entry of a log, since it carries the numbering.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::codec::{self, LOGS};
use super::helper::Helper;
use super::index;
use super::options::Fsync;
use super::store::{Store, lock};
use crate::journal::error::JournalError;
use crate::journal::record::{Shard, Stream};
use crate::model::{Interval, Timestamp};

/// How many entries one slice drops of one log: the writer waits for no more than that.
const SLICE_ENTRIES: usize = 256;

/// Starts the thread that keeps house.
pub(super) fn start(store: &Arc<Store>) -> io::Result<Helper> {
    let store = Arc::clone(store);
    Helper::start("journal-keeper", move |ending| {
        let (wait, sync_every) = rhythm(&store);
        let (mut synced, mut kept) = (Instant::now(), Instant::now());
        while ending.rest(wait) {
            // A failure ends the store, which says so to everybody who asks it next.
            if sync_every.is_some_and(|every| synced.elapsed() >= every) {
                let _ = store.sync_if_behind();
                synced = Instant::now();
            }
            if kept.elapsed() >= store.options.housekeeping {
                let _ = slice(&store, wall_clock());
                kept = Instant::now();
            }
        }
    })
}

/// How long the housekeeper sleeps, and how often it syncs.
fn rhythm(store: &Store) -> (Duration, Option<Duration>) {
    let house = store.options.housekeeping.max(Duration::from_millis(1));
    match store.options.fsync {
        Fsync::Every(every) => (house.min(every.max(Duration::from_millis(1))), Some(every)),
        Fsync::Always | Fsync::Never => (house, None),
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Drops at most [`SLICE_ENTRIES`] entries of each log; how many it dropped.
pub(super) fn slice(store: &Store, now: Timestamp) -> Result<u64, JournalError> {
    let mut dropped = 0;
    for shard in 0..store.options.shards {
        for log in 0..LOGS.len() {
            dropped += slice_log(store, shard, log, now - store.options.retention.accepted)?;
        }
    }
    for stream in Stream::ALL {
        dropped += slice_stream(store, stream, now - age_of(store, stream))?;
    }
    let (first, kept) = (codec::note_key(0), store.stream_bounds(Stream::Rejects).first);
    dropped += drop_entries(store, first.to_vec(), codec::note_key(kept).to_vec(), |_, _| Ok(true))?;
    for (from, to, kept) in index::segments(store) {
        dropped += drop_entries(store, from, to, |_, block| Ok(index::end_of(block)? <= kept))?;
    }
    Ok(dropped)
}

fn age_of(store: &Store, stream: Stream) -> Interval {
    let retention = &store.options.retention;
    match stream {
        Stream::Sends => retention.sends,
        Stream::Rejects => retention.rejects,
        Stream::Transitions | Stream::Refusals => retention.transitions,
        Stream::Cycles => retention.cycles,
    }
}

fn slice_log(store: &Store, shard: Shard, log: usize, before: Timestamp) -> Result<u64, JournalError> {
    let oldest = lock(&store.kept)[usize::from(shard)][log];
    let end = store.end_of(shard, log);
    if oldest >= end {
        return Ok(0);
    }
    let consumed = store.head(shard)?.map_or(0, |head| head.position(LOGS[log]));
    let span = codec::accepted_key(shard, log, oldest)..codec::accepted_key(shard, log, end);
    drop_entries(store, span.start.to_vec(), span.end.to_vec(), |base, chunk| {
        let (at, count) = codec::chunk_header(chunk)?;
        let next = base + count;
        let old = at < before && next <= consumed && next < end;
        if old {
            lock(&store.kept)[usize::from(shard)][log] = next;
        }
        Ok(old)
    })
}

fn slice_stream(store: &Store, stream: Stream, before: Timestamp) -> Result<u64, JournalError> {
    let bounds = store.stream_bounds(stream);
    let delivered = store.delivered.load(Ordering::Acquire);
    let span = [codec::stream_key(stream, bounds.first), codec::stream_key(stream, bounds.next)];
    if bounds.first >= bounds.next {
        return Ok(0);
    }
    drop_entries(store, span[0].to_vec(), span[1].to_vec(), |first, stripe| {
        let header = codec::stripe_header(stripe)?;
        let next = first + header.count;
        let needed = stream == Stream::Sends && next > delivered;
        let old = header.at < before && next < bounds.next && !needed;
        if old {
            let kept = &mut lock(&store.bounds)[stream.index()];
            kept.first = next;
            kept.first_position = header.position + header.bytes;
        }
        Ok(old)
    })
}

/// Drops entries between two keys from the oldest on while `old` says so. Readers are told before it happens.
fn drop_entries(
    store: &Store,
    from: Vec<u8>,
    to: Vec<u8>,
    mut old: impl FnMut(u64, &[u8]) -> Result<bool, JournalError>,
) -> Result<u64, JournalError> {
    let mut keys = Vec::new();
    for guard in store.keys.range(from..to).take(SLICE_ENTRIES) {
        let (key, value) = guard.into_inner().map_err(Store::storage("look for what is old"))?;
        if !old(codec::last_number(&key)?, &value)? {
            break;
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Ok(0);
    }
    let mut batch = store.batch(keys.len());
    let dropped = keys.len() as u64;
    keys.into_iter().for_each(|key| batch.remove(&store.keys, key));
    let mut writer = store.writer();
    store.write(&mut writer, batch)?;
    Ok(dropped)
}
