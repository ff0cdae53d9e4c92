//! The form of a checkpoint: the latest record of every key of a shard's changelog, up to an offset.
//!
//! A file is blocks, each `length (u32), xxh3-64, payload`, little-endian; the checksum is seeded with the block's
//! number, so that a block that is lost, doubled or out of place is seen as well as one that is torn. The first
//! is the header, the last (of a fixed length, so that it is found from the end) says how many records
//! there are; those between carry them, each `key length, value length, key, value` with lengths as varints.

use std::io::{self, Read, Seek, SeekFrom, Write};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::stale::Stale;
use crate::model::Timestamp;

/// The version that is written, and the only one that is read: a checkpoint of another is made anew.
pub const VERSION: u32 = 1;
/// What a file begins with, in its header.
const MAGIC: &[u8; 8] = b"wayfckpt";
/// How many bytes of records a block has before it is closed.
const BLOCK: usize = 256 << 10;
/// A longer block than any that is written: a length beyond it is damage, and not to be allocated.
const BLOCK_MAX: usize = 64 << 20;
/// Length and checksum before a payload.
const FRAME: usize = 4 + 8;
/// The payload of the last block: how many records, and how many blocks before it.
const END: usize = 8 + 8;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The shard.
    pub shard: u16,
    /// The brokers' time before it was asked where the changelog ends: what it says is no older.
    pub at: Timestamp,
    /// The offset behind the last record that it knows: the tail begins there.
    pub next: u64,
    /// The cluster's id.
    pub cluster: String,
    /// The id of the changelog's topic: another one for each topic ever made.
    pub topic: String,
    /// The value of the shard's head record.
    pub head: Vec<u8>,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.at.0.to_le_bytes());
        out.extend_from_slice(&self.next.to_le_bytes());
        for part in [self.cluster.as_bytes(), self.topic.as_bytes(), &self.head] {
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Stale> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Stale::Foreign)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(Stale::Foreign)?;
        let found = u32::from_le_bytes(*version);
        if found != VERSION {
            return Err(Stale::Version { found, reads: VERSION });
        }
        Self::parse(rest).ok_or(Stale::Foreign)
    }

    fn parse(rest: &[u8]) -> Option<Self> {
        let (shard, rest) = rest.split_first_chunk::<2>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (next, mut rest) = rest.split_first_chunk::<8>()?;
        let mut part = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(part.to_vec())
        };
        let (cluster, topic, head) = (part()?, part()?, part()?);
        Some(Self {
            shard: u16::from_le_bytes(*shard),
            at: Timestamp(i64::from_le_bytes(*at)),
            next: u64::from_le_bytes(*next),
            cluster: String::from_utf8(cluster).ok()?,
            topic: String::from_utf8(topic).ok()?,
            head,
        })
    }
}

/// Writes a checkpoint. What was not finished is not one.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    block: Vec<u8>,
    blocks: u64,
    records: u64,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        put_block(&mut to, 0, &header.encode())?;
        Ok(Self { to, block: Vec::with_capacity(BLOCK + BLOCK / 4), blocks: 1, records: 0 })
    }

    /// Adds a record; a key comes once.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        put_varint(&mut self.block, key.len());
        put_varint(&mut self.block, value.len());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.records += 1;
        if self.block.len() >= BLOCK { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> io::Result<()> {
        put_block(&mut self.to, self.blocks, &self.block)?;
        self.blocks += 1;
        self.block.clear();
        Ok(())
    }

    /// Ends it; how many records it has.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        let end = [self.records.to_le_bytes(), self.blocks.to_le_bytes()].concat();
        put_block(&mut self.to, self.blocks, &end)?;
        self.to.flush()?;
        Ok((self.to, self.records))
    }
}

fn put_block(to: &mut impl Write, number: u64, payload: &[u8]) -> io::Result<()> {
    to.write_all(&(payload.len() as u32).to_le_bytes())?;
    to.write_all(&xxh3_64_with_seed(payload, number).to_le_bytes())?;
    to.write_all(payload)
}

fn put_varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a checkpoint.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    block: Vec<u8>,
    /// What it is of.
    pub header: Header,
    /// How many records it says it has.
    pub records: u64,
    blocks: u64,
    /// Where the last block begins.
    end: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header, and the end: a file that was cut is seen before anything of it is used.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn open(mut from: R) -> Result<Self, Stale> {
        let mut block = Vec::new();
        read_block(&mut from, 0, &mut block)?;
        let header = Header::decode(&block)?;
        let after = from.stream_position()?;
        let end = from.seek(SeekFrom::End(-((FRAME + END) as i64)))?;
        let mut last = [0; FRAME + END];
        from.read_exact(&mut last)?;
        let number = |at: usize| last[FRAME + at..].first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
        let (records, blocks) = (number(0), number(8));
        read_block(&mut last.as_slice(), blocks, &mut block)?;
        from.seek(SeekFrom::Start(after))?;
        Ok(Self { from, block, header, records, blocks, end })
    }

    /// Gives every record to `each` until that says no; whether it was always yes.
    ///
    /// # Errors
    /// That it is torn; what was given until then is not whole.
    pub fn each(&mut self, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<bool, Stale> {
        let mut given = 0;
        for number in 1..self.blocks {
            read_block(&mut self.from, number, &mut self.block)?;
            let mut rest = self.block.as_slice();
            while !rest.is_empty() {
                let (key, value) = take_record(&mut rest).ok_or(Stale::Torn { block: number })?;
                given += 1;
                if !each(key, value) {
                    return Ok(false);
                }
            }
        }
        let whole = given == self.records && self.from.stream_position()? == self.end;
        if whole { Ok(true) } else { Err(Stale::Torn { block: self.blocks }) }
    }
}

fn read_block(from: &mut impl Read, number: u64, block: &mut Vec<u8>) -> Result<(), Stale> {
    let torn = Stale::Torn { block: number };
    let mut frame = [0; FRAME];
    from.read_exact(&mut frame)?;
    let (length, checksum) = frame.split_at(4);
    let length = length.first_chunk().map_or(0, |n| u32::from_le_bytes(*n)) as usize;
    if length > BLOCK_MAX {
        return Err(torn);
    }
    block.resize(length, 0);
    from.read_exact(block)?;
    if xxh3_64_with_seed(block, number).to_le_bytes() != checksum {
        return Err(torn);
    }
    Ok(())
}

fn take_record<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (key, value) = (take_varint(rest)?, take_varint(rest)?);
    let (key, after) = rest.split_at_checked(key)?;
    let (value, after) = after.split_at_checked(value)?;
    *rest = after;
    Some((key, value))
}

fn take_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut n = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        n |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}
