//! What an opened journal finds: where every log and stream begins and ends.
//!
//! Nothing is counted: the last entry of each log says where it ends, which is why retention never drops it.

use fjall::{Keyspace, Slice};

use super::codec::{self, LOGS};
use super::store::{Store, Tails};
use super::tail::{MARK_KEY, Mark};
use crate::journal::error::JournalError;
use crate::journal::record::{Bounds, Stream};
use crate::model::Timestamp;

/// What was found.
pub(super) struct Found {
    pub(super) tails: Tails,
    pub(super) kept: Vec<[u64; LOGS.len()]>,
    pub(super) bounds: [Bounds; 5],
    pub(super) delivered: u64,
    /// By stream: where the index of users ends.
    pub(super) indexed: [u64; 5],
    /// The latest append time.
    pub(super) last: Timestamp,
    /// The number of the last write.
    pub(super) ticket: u64,
}

pub(super) fn recover(keys: &Keyspace, shards: u16) -> Result<Found, JournalError> {
    let mut tails = Tails::default();
    let mut kept = Vec::new();
    let mut last = Timestamp::MIN;
    for shard in 0..shards {
        let (mut ends, mut starts) = ([0; LOGS.len()], [0; LOGS.len()]);
        for log in 0..LOGS.len() {
            let span = [codec::accepted_key(shard, log, 0), codec::accepted_key(shard, log, u64::MAX)];
            if let Some((first, _, base, chunk)) = edges(keys, &span[0], &span[1])? {
                let (at, count) = codec::chunk_header(&chunk)?;
                starts[log] = first;
                ends[log] = base + count;
                last = last.max(at);
            }
        }
        tails.logs.push(ends);
        kept.push(starts);
    }
    if let Some((_, _, offset, record)) = edges(keys, &codec::control_key(0), &codec::control_key(u64::MAX))?
    {
        tails.control = offset + 1;
        last = last.max(codec::decode_control(offset, &record)?.appended);
    }
    let mut bounds = [Bounds::default(); 5];
    for stream in Stream::ALL {
        let span = [codec::stream_key(stream, 0), codec::stream_key(stream, u64::MAX)];
        let Some((first, oldest, newest, stripe)) = edges(keys, &span[0], &span[1])? else { continue };
        let header = codec::stripe_header(&stripe)?;
        let (next, next_position) = (newest + header.count, header.position + header.bytes);
        let first_position = codec::stripe_header(&oldest)?.position;
        tails.streams[stream.index()] = (next, next_position);
        bounds[stream.index()] = Bounds { first, first_position, next, next_position };
    }
    let get = |key: &[u8]| keys.get(key).map_err(Store::storage("read"));
    tails.origin = get(&codec::ORIGIN_KEY)?.map(|bytes| bytes.to_vec()).unwrap_or_default();
    let delivered = get(&codec::DELIVERED_KEY)?.map_or(Ok(0), |number| codec::last_number(&number))?;
    let ticket = get(&MARK_KEY)?.and_then(|bytes| Mark::from_bytes(&bytes)).map_or(0, |mark| mark.ticket);
    let indexed = super::index::ends(keys)?;
    Ok(Found { tails, kept, bounds, delivered, indexed, last, ticket })
}

/// The first and the last entry between two keys, each with the number at the end of its key.
fn edges(keys: &Keyspace, from: &[u8], to: &[u8]) -> Result<Option<(u64, Slice, u64, Slice)>, JournalError> {
    let entry = |guard: fjall::Guard| -> Result<(u64, Slice), JournalError> {
        let (key, value) = guard.into_inner().map_err(Store::storage("read"))?;
        Ok((codec::last_number(&key)?, value))
    };
    let first = keys.range(from..=to).next().map(entry).transpose()?;
    let last = keys.range(from..=to).next_back().map(entry).transpose()?;
    Ok(first.zip(last).map(|((first, oldest), (last, newest))| (first, oldest, last, newest)))
}
