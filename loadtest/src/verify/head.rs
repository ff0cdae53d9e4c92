//! A shard's head by its form on the wire: the number of its last commit, and the topics of events that it reads.
//!
//! A second reader of it, on purpose, as [`super::cycle`] is one of cycles.

/// The number in cycles of the first topic of events beside the anchor.
pub const FURTHER: u8 = 4;

/// The format of heads that name further topics of events.
const FORMAT_FURTHER: u8 = 2;
/// What a position takes: the log, and the offset.
const POSITION: usize = 5 + 8;

/// What is needed of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the commit.
    pub seq: u64,
    /// The topics of events beside the anchor by their numbers from [`FURTHER`] on: where each began, and its name.
    pub further: Vec<(u64, String)>,
}

/// Reads a head; `None` if it is not of this form.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Head> {
    let (format, rest) = bytes.split_first()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let seq = u64::from_be_bytes(*seq);
    if *format != FORMAT_FURTHER {
        return Some(Head { seq, further: Vec::new() });
    }
    let (owner, rest) = rest.split_first_chunk::<2>()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*owner))..)?;
    let (positions, rest) = rest.split_first_chunk::<2>()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*positions)) * POSITION..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let text = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let lines = std::str::from_utf8(text).ok()?.lines().skip(1);
    let further = lines.map(|line| {
        let (base, topic) = line.split_once(' ')?;
        Some((base.parse().ok()?, topic.to_owned()))
    });
    Some(Head { seq, further: further.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_its_commit_and_its_further_topics_and_half_of_one_tells_nothing() {
        let seq = 7_u64.to_be_bytes();
        let position = [0; POSITION];
        let parts: [&[u8]; 8] =
            [&[2], &seq, &[0, 2], b"me", &[0, 1], &position, &[0, 0, 0, 14], b"web\n3 app\n0 in"];
        let whole = parts.concat();
        let further = vec![(3, "app".to_owned()), (0, "in".to_owned())];
        assert_eq!(read(&whole), Some(Head { seq: 7, further }));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None, "{cut} bytes");
        }
        assert_eq!(read(&[&[1], &seq[..], b"whatever"].concat()), Some(Head { seq: 7, further: Vec::new() }));
    }
}
