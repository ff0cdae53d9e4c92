//! How the embedded journal is laid out: keys in one ordered space, and values that hold many records each.
//!
//! The first byte of a key names the table; numbers are big-endian, so that the order of the keys is the
//! order of the logs. What an LSM costs, it costs per key: so an intake batch is one value a shard (a
//! *chunk*), and what one commit sends is one value (a *stripe*). Only state has a key a record. FORMAT
//! stands for all of this: a change here is a new version there.

use crate::journal::error::JournalError;
use crate::journal::record::{ControlRecord, Head, Item, Kind, Record, Shard, Source, Stream};
use crate::journal::transaction::Transaction;
use crate::model::Timestamp;

const ACCEPTED: u8 = b'a';
const CONTROL: u8 = b'c';
const HEAD: u8 = b'h';
const INDEX: u8 = b'i';
const MISC: u8 = b'm';
const STATE: u8 = b's';
const STREAM: u8 = b'x';

/// The key of the sends' first bytes.
pub(super) const ORIGIN_KEY: [u8; 2] = [MISC, b'o'];
/// The key of the number before which sends are delivered.
pub(super) const DELIVERED_KEY: [u8; 2] = [MISC, b'd'];
/// What is written to see whether there is room; never read.
pub(super) const PROBE_KEY: [u8; 2] = [MISC, b'p'];

/// The note that a dead letter was let in once more; its value is when.
pub(super) fn note_key(number: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&[MISC, b'r']);
    key[2..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The logs that are kept for a shard, in the order of their places.
pub(super) const LOGS: [Source; 2] = [Source::Events, Source::Lists];

/// The place of `source` in [`LOGS`], if it is kept here.
pub(super) fn log_place(source: Source) -> Option<usize> {
    LOGS.iter().position(|&log| log == source)
}

pub(super) fn accepted_key(shard: Shard, log: usize, base: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[0] = ACCEPTED;
    key[1..3].copy_from_slice(&shard.to_be_bytes());
    key[3] = log as u8;
    key[4..].copy_from_slice(&base.to_be_bytes());
    key
}

pub(super) fn control_key(offset: u64) -> [u8; 9] {
    numbered(CONTROL, offset)
}

pub(super) fn head_key(shard: Shard) -> [u8; 3] {
    let [a, b] = shard.to_be_bytes();
    [HEAD, a, b]
}

pub(super) fn state_prefix(shard: Shard) -> [u8; 3] {
    let [a, b] = shard.to_be_bytes();
    [STATE, a, b]
}

pub(super) fn stream_key(stream: Stream, first: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[0] = STREAM;
    key[1] = stream.code();
    key[2..].copy_from_slice(&first.to_be_bytes());
    key
}

/// A block of the index of users: its segment's first item, and the hash from which it holds them.
pub(super) fn index_key(stream: Stream, first: u64, hash: u32) -> [u8; 14] {
    let mut key = [0; 14];
    key[0] = INDEX;
    key[1] = stream.code();
    key[2..10].copy_from_slice(&first.to_be_bytes());
    key[10..].copy_from_slice(&hash.to_be_bytes());
    key
}

/// The number of the first item of such a block's segment.
pub(super) fn index_first(key: &[u8]) -> Result<u64, JournalError> {
    let first = key.get(2..10).and_then(|bytes| bytes.first_chunk::<8>());
    let first = first.ok_or_else(|| JournalError::corrupt("a key", "it is too short"))?;
    Ok(u64::from_be_bytes(*first))
}

fn numbered(table: u8, number: u64) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = table;
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The number at the end of a key.
pub(super) fn last_number(key: &[u8]) -> Result<u64, JournalError> {
    let number = key.last_chunk::<8>().ok_or_else(|| JournalError::corrupt("a key", "it is too short"))?;
    Ok(u64::from_be_bytes(*number))
}

/// Reads numbers off the front of a value.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self(value)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
    fn time(&mut self) -> Option<Timestamp> {
        self.array().map(|bytes| Timestamp(i64::from_be_bytes(bytes)))
    }
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

/// Writes a record of the control log.
pub(super) fn encode_control(at: Timestamp, bytes: &[u8]) -> Vec<u8> {
    [at.0.to_be_bytes().as_slice(), bytes].concat()
}

/// Reads a record of the control log.
pub(super) fn decode_control(offset: u64, value: &[u8]) -> Result<ControlRecord, JournalError> {
    let mut fields = Fields(value);
    let appended = fields.time();
    let appended = appended
        .ok_or_else(|| JournalError::corrupt(format!("control record {offset}"), "its time is cut off"))?;
    Ok(ControlRecord { offset, appended, bytes: fields.0.to_vec() })
}

const CHUNK_HEADER: usize = 12;

/// Begins a chunk: no record yet, accepted at `at`.
pub(super) fn begin_chunk(at: Timestamp) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(1024);
    chunk.extend_from_slice(&at.0.to_be_bytes());
    chunk.extend_from_slice(&0u32.to_be_bytes());
    chunk
}

/// Adds a record to a chunk.
pub(super) fn push_record(chunk: &mut Vec<u8>, kind: Kind, bytes: &[u8]) {
    let count = u32::from_be_bytes(*chunk[8..].first_chunk().expect("a chunk has a header"));
    chunk[8..CHUNK_HEADER].copy_from_slice(&(count + 1).to_be_bytes());
    chunk.push(kind.code());
    chunk.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    chunk.extend_from_slice(bytes);
}

/// The append time and the number of records of a chunk.
pub(super) fn chunk_header(chunk: &[u8]) -> Result<(Timestamp, u64), JournalError> {
    let mut fields = Fields(chunk);
    let header = fields.time().zip(fields.u32());
    let (at, count) =
        header.ok_or_else(|| JournalError::corrupt("accepted records", "the header is cut off"))?;
    Ok((at, u64::from(count)))
}

/// Where one stands in a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkCursor {
    /// The offset of the record that comes next.
    pub(super) next: u64,
    /// The offset behind the chunk.
    pub(super) end: u64,
    appended: Timestamp,
    at: usize,
}

impl ChunkCursor {
    /// At the first record of a chunk whose first record has offset `base`.
    pub(super) fn new(chunk: &[u8], base: u64) -> Result<Self, JournalError> {
        let (appended, count) = chunk_header(chunk)?;
        Ok(Self { next: base, end: base + count, appended, at: CHUNK_HEADER })
    }

    /// The next record; `None` behind the last.
    pub(super) fn record<'a>(
        &mut self,
        chunk: &'a [u8],
        shard: Shard,
        source: Source,
    ) -> Result<Option<Record<'a>>, JournalError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let mut fields = Fields(chunk.get(self.at..).unwrap_or_default());
        let read = |fields: &mut Fields<'a>| {
            let [code] = fields.array()?;
            let len = fields.u32()?;
            Some((Kind::from_code(code)?, fields.bytes(len as usize)?))
        };
        let Some((kind, bytes)) = read(&mut fields) else {
            let what = format!("record {} of shard {shard}", self.next);
            return Err(JournalError::corrupt(what, "its header is not readable"));
        };
        self.at += 5 + bytes.len();
        let offset = self.next;
        self.next += 1;
        Ok(Some(Record { shard, source, kind, offset, appended: self.appended, timed: true, bytes }))
    }
}

/// Writes a head.
pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let mut value = Vec::with_capacity(10 + head.positions.len() * 13 + head.meta.len());
    value.extend_from_slice(&head.seq.to_be_bytes());
    value.extend_from_slice(&(head.positions.len() as u16).to_be_bytes());
    for (source, next) in &head.positions {
        value.extend_from_slice(&source.to_bytes());
        value.extend_from_slice(&next.to_be_bytes());
    }
    value.extend_from_slice(&head.meta);
    value
}

/// Reads a head.
pub(super) fn decode_head(value: &[u8]) -> Result<Head, JournalError> {
    let read = || {
        let mut fields = Fields(value);
        let seq = fields.u64()?;
        let mut positions = Vec::new();
        for _ in 0..fields.u16()? {
            positions.push((Source::from_bytes(fields.array()?)?, fields.u64()?));
        }
        Some(Head { seq, meta: fields.0.to_vec(), positions })
    };
    read().ok_or_else(|| JournalError::corrupt("a shard's head", "it is not readable"))
}

/// What is written of one stream by one commit; its place in the stream is filled in last.
pub(super) struct Stripe {
    pub(super) value: Vec<u8>,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Stripe {
    /// What `tx` says in `stream`; `None` if that is nothing.
    pub(super) fn of(tx: &Transaction, stream: Stream) -> Option<Self> {
        let (mut value, mut lens, mut body) = (vec![0; 8], Vec::new(), Vec::new());
        let (mut count, mut parts) = (0u32, 0u16);
        let mut heads = Vec::new();
        for part in tx.parts() {
            let before = count;
            for item in part.items(stream) {
                body.extend_from_slice(item);
                if stream.is_lines() {
                    body.push(b'\n');
                }
                lens.extend_from_slice(&(item.len() as u32).to_be_bytes());
                count += 1;
            }
            if count > before {
                heads.extend_from_slice(&part.shard().to_be_bytes());
                heads.extend_from_slice(&part.seq().to_be_bytes());
                heads.extend_from_slice(&(count - before).to_be_bytes());
                parts += 1;
            }
        }
        value.extend_from_slice(&tx.at().0.to_be_bytes());
        value.extend_from_slice(&count.to_be_bytes());
        value.extend_from_slice(&parts.to_be_bytes());
        for piece in [&heads, &lens, &body] {
            value.extend_from_slice(piece);
        }
        (count > 0).then_some(Self { value, count: u64::from(count), bytes: body.len() as u64 })
    }

    /// Says how many bytes of the stream come before it.
    pub(super) fn set_position(&mut self, position: u64) {
        self.value[..8].copy_from_slice(&position.to_be_bytes());
    }
}

/// The head of a stripe: its position in the stream, its time, its number of items, and the bytes of its
/// items.
pub(super) struct StripeHeader {
    pub(super) position: u64,
    pub(super) at: Timestamp,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

pub(super) fn stripe_header(value: &[u8]) -> Result<StripeHeader, JournalError> {
    let read = || {
        let mut fields = Fields(value);
        let (position, at) = (fields.u64()?, fields.time()?);
        let (count, parts) = (u64::from(fields.u32()?), u64::from(fields.u16()?));
        let bytes = (fields.0.len() as u64).checked_sub(parts * 14 + count * 4)?;
        Some(StripeHeader { position, at, count, bytes })
    };
    read().ok_or_else(|| JournalError::corrupt("a stream", "a commit's header is not readable"))
}

/// Gives the items of a stripe whose first item has number `first` to `each`, until it says false.
pub(super) fn each_item(
    stream: Stream,
    first: u64,
    value: &[u8],
    each: &mut dyn FnMut(Item<'_>) -> bool,
) -> Result<(), JournalError> {
    let mut read = || {
        let mut fields = Fields(value);
        let (mut position, at) = (fields.u64()?, fields.time()?);
        let (count, parts) = (fields.u32()? as usize, usize::from(fields.u16()?));
        let mut heads = Fields(fields.bytes(parts * 14)?);
        let mut lens = Fields(fields.bytes(count * 4)?);
        let mut number = first;
        for _ in 0..parts {
            let (shard, seq) = (heads.u16()?, heads.u64()?);
            for _ in 0..heads.u32()? {
                let bytes = fields.bytes(lens.u32()? as usize)?;
                if !each(Item { number, position, shard, seq, at, bytes }) {
                    return Some(());
                }
                fields.bytes(usize::from(stream.is_lines()))?;
                number += 1;
                position += bytes.len() as u64 + u64::from(stream.is_lines());
            }
        }
        Some(())
    };
    read().ok_or_else(|| JournalError::corrupt("a stream", format!("the commit at item {first} is cut off")))
}
