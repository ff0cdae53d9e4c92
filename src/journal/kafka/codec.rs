//! What this journal writes beside the shards' own records: a shard's head in its state partition, its short
//! form in the metadata of the group's offsets, and the header before what leaves into a shared partition.
//!
//! Both forms of the head are written by one transaction, so they agree. The short one is read by whoever
//! waits for an epoch, and by an owner that does not know whether its last commit happened.
//!
//! Whatever bytes somebody else has put there, they are read to a value, to none, or to a sentence.

use super::inputs::Inputs;
use crate::journal::error::JournalError;
use crate::journal::record::{Head, Kind, Shard, Source};
use crate::model::{Format, Formats, Timestamp};

/// The key of a shard's head among its state records; those of the engine and of the worker are letters.
pub const HEAD_KEY: &[u8] = &[0];

/// The format of heads: the same in every [`Format`], for what changes in them is the engine's part.
const FORMAT: u8 = 1;
/// The format of heads of shards that have read several topics of events: those stand before the engine's part.
const FORMAT_INPUTS: u8 = 2;

/// The header that names what a record of the internal topic is ([`Kind::code`] in decimal).
pub(super) const KIND_HEADER: &str = "wayfarer-kind";

/// Lays a head into `out`, with the transactional id of who commits it, and the topics of events if there are several.
pub(super) fn put_head(head: &Head, owner: &str, inputs: Option<&Inputs>, out: &mut Vec<u8>) {
    out.push(if inputs.is_some() { FORMAT_INPUTS } else { FORMAT });
    out.extend_from_slice(&head.seq.to_be_bytes());
    out.extend_from_slice(&(owner.len() as u16).to_be_bytes());
    out.extend_from_slice(owner.as_bytes());
    out.extend_from_slice(&(head.positions.len() as u16).to_be_bytes());
    for (source, next) in &head.positions {
        out.extend_from_slice(&source.to_bytes());
        out.extend_from_slice(&next.to_be_bytes());
    }
    if let Some(inputs) = inputs.map(Inputs::encode) {
        out.extend_from_slice(&(inputs.len() as u32).to_be_bytes());
        out.extend_from_slice(&inputs);
    }
    out.extend_from_slice(&head.meta);
}

/// Reads the value of [`HEAD_KEY`]: the head, and the transactional id of who committed it.
///
/// # Errors
/// [`JournalError::Corrupt`] if it is damaged or of another format.
pub fn head(shard: Shard, bytes: &[u8]) -> Result<(Head, &str), JournalError> {
    read_head(bytes).map(|(head, owner, _)| (head, owner)).ok_or_else(|| damaged(shard, bytes))
}

/// The topics of events in what [`put_head`] wrote, if there are several.
pub(super) fn inputs(shard: Shard, bytes: &[u8]) -> Result<Option<Inputs>, JournalError> {
    let (.., inputs) = read_head(bytes).ok_or_else(|| damaged(shard, bytes))?;
    inputs.map(|text| Inputs::decode(shard, text)).transpose()
}

fn damaged(shard: Shard, bytes: &[u8]) -> JournalError {
    JournalError::Corrupt {
        what: format!("the head of shard {shard}"),
        how: format!("its {} bytes are not of format {FORMAT} or {FORMAT_INPUTS}", bytes.len()),
        cure: "start the version of this program that has written it",
    }
}

/// The head, its owner, and the topics of events.
fn read_head(bytes: &[u8]) -> Option<(Head, &str, Option<&[u8]>)> {
    let (format, rest) = bytes.split_first()?;
    if *format != FORMAT && *format != FORMAT_INPUTS {
        return None;
    }
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (owner, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (count, mut rest) = rest.split_first_chunk::<2>()?;
    let mut positions = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (source, after) = rest.split_first_chunk::<5>()?;
        let (next, after) = after.split_first_chunk::<8>()?;
        positions.push((Source::from_bytes(*source)?, u64::from_be_bytes(*next)));
        rest = after;
    }
    let mut inputs = None;
    if *format == FORMAT_INPUTS {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        (inputs, rest) = (Some(text), after);
    }
    let head = Head { seq: u64::from_be_bytes(*seq), meta: rest.to_vec(), positions };
    Some((head, std::str::from_utf8(owner).ok()?, inputs))
}

/// The short form of a head: what the group's offsets say of a shard.
///
/// It begins with the format that the commit is written in. A program reads that one, and either the one before it or
/// the one behind it; if the latter, a plus stands before the number. So it is the whole message whether its writer
/// is behind or ahead, and a program that knows nothing of a plus reads the number all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// In which format the commit is written, and which its owner reads.
    pub formats: Formats,
    /// The number of the shard's last commit.
    pub seq: u64,
    /// The epoch that it had taken then.
    pub epoch: u64,
    /// Who committed: a successor ends that one's open transaction by it.
    pub transactional_id: String,
}

impl Mark {
    /// As text, since operators read it with Kafka's own tools.
    #[must_use]
    pub fn encode(&self) -> String {
        let Formats { writes, reads } = self.formats;
        let plus = if reads > writes { "+" } else { "" };
        format!("{plus}{writes} {} {} {}", self.seq, self.epoch, self.transactional_id)
    }

    /// Reads it; metadata that somebody else wrote is none.
    #[must_use]
    pub fn decode(metadata: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(metadata).ok()?;
        let mut words = text.splitn(4, ' ');
        let word = words.next()?;
        let writes = Format(word.parse().ok()?);
        if !(Format::FIRST..=Format::NEWEST).contains(&writes) {
            return None;
        }
        let reads = if word.starts_with('+') { writes.next() } else { writes };
        Some(Self {
            formats: Formats { writes, reads },
            seq: words.next()?.parse().ok()?,
            epoch: words.next()?.parse().ok()?,
            transactional_id: words.next()?.to_owned(),
        })
    }
}

/// What stands before an item in a partition that several shards share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The shard that it comes from.
    pub shard: Shard,
    /// The commit of the shard that it is part of.
    pub seq: u64,
    /// The time of that commit.
    pub at: Timestamp,
}

impl Origin {
    /// How many bytes it takes.
    pub const BYTES: usize = 18;

    /// As a record's key.
    #[must_use]
    pub fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.shard.to_be_bytes());
        bytes[2..10].copy_from_slice(&self.seq.to_be_bytes());
        bytes[10..].copy_from_slice(&self.at.0.to_be_bytes());
        bytes
    }

    /// The origin in a record's key; `None` if it is not one.
    #[must_use]
    pub fn decode(key: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = key.try_into().ok()?;
        let (shard, rest) = bytes.split_first_chunk::<2>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            shard: u16::from_be_bytes(*shard),
            seq: u64::from_be_bytes(*seq),
            at: Timestamp(i64::from_be_bytes(rest.try_into().ok()?)),
        })
    }
}

/// The kind that a header's value names.
pub(super) fn kind(value: &[u8]) -> Option<Kind> {
    Kind::from_code(std::str::from_utf8(value).ok()?.parse().ok()?)
}

/// The parts of a record of the views topic: the commit as of which it is, and what is shown.
#[must_use]
pub fn view(value: &[u8]) -> Option<(u64, &[u8])> {
    let (seq, bytes) = value.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*seq), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_no_part_of_it_does() {
        let head_in = Head {
            seq: 7,
            meta: b"meta".to_vec(),
            positions: vec![(Source::Events, 10), (Source::Internal, u64::MAX)],
        };
        let mut bytes = Vec::new();
        let known = Inputs::decode(1, b"web\n7 app").expect("it is in the form");
        put_head(&head_in, "shop-1-0", Some(&known), &mut bytes);
        assert_eq!(
            (head(1, &bytes), inputs(1, &bytes)),
            (Ok((head_in.clone(), "shop-1-0")), Ok(Some(known)))
        );
        bytes.clear();
        put_head(&head_in, "shop-1-0", None, &mut bytes);
        assert_eq!((head(1, &bytes), inputs(1, &bytes)), (Ok((head_in, "shop-1-0")), Ok(None)));
        for cut in 0..bytes.len() - b"meta".len() {
            assert!(head(1, &bytes[..cut]).is_err(), "{cut} bytes");
        }
        // As programs before the second format have written both.
        let before = b"\x01\0\0\0\0\0\0\0\x07\0\x08shop-1-0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\n\x03\0\0\0\0\
            \xff\xff\xff\xff\xff\xff\xff\xffmeta";
        assert_eq!(bytes, before);
        bytes[0] = FORMAT_INPUTS + 1;
        assert!(head(1, &bytes).unwrap_err().to_string().contains("shard 1"));
    }

    #[test]
    fn a_mark_reads_back_and_foreign_metadata_is_none() {
        for (writes, reads, text) in [
            (1, 1, "1 12 34 shop prod-3-0"),
            (1, 2, "+1 12 34 shop prod-3-0"),
            (2, 2, "2 12 34 shop prod-3-0"),
        ] {
            let formats = Formats { writes: Format(writes), reads: Format(reads) };
            let mark = Mark { formats, seq: 12, epoch: 34, transactional_id: "shop prod-3-0".to_owned() };
            assert_eq!(mark.encode(), text);
            assert_eq!(Mark::decode(text.as_bytes()), Some(mark));
        }
        for foreign in ["", "hello", "3 1 1 a", "0 1 1 a", "++1 1 1 a", "1 2", "1 x 3 a", "\u{ff}"] {
            assert_eq!(Mark::decode(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn an_origin_reads_back() {
        let origin = Origin { shard: 513, seq: 9, at: Timestamp(-1) };
        assert_eq!(Origin::decode(&origin.encode()), Some(origin));
        assert_eq!(Origin::decode(b"short"), None);
    }
}
