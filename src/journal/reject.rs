//! A dead letter: an input that could not be understood, with all that it takes to let it come once more.

use super::error::JournalError;
use super::record::{Kind, Source};
use crate::model::envelope::Envelope;

/// The first byte of an item: no [`Source`] begins so, with which items began that kept neither kind nor length.
const FORMAT: u8 = 0x81;
/// Stands for the length of a key that is not there.
const NO_KEY: u32 = u32::MAX;

/// An input that could not be understood, kept with its original bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject<'a> {
    /// The log that it was read from.
    pub source: Source,
    /// Where it stood.
    pub offset: u64,
    /// What it was; `None` in letters of programs that did not note it.
    pub kind: Option<Kind>,
    /// Under which key it stood, if under one.
    pub key: Option<&'a [u8]>,
    /// Why, such as `not_json`; at most 65,535 bytes, what is longer is cut.
    pub code: &'a str,
    /// How many bytes were received: more than `bytes` has if they were cut.
    pub length: u64,
    /// What was received.
    pub bytes: &'a [u8],
}

impl<'a> Reject<'a> {
    /// Its headers and its value apart, of a CloudEvent that is kept whole.
    #[must_use]
    pub fn envelope(&self) -> Option<Envelope<'a>> {
        let is_laid = self.kind == Some(Kind::CloudEvent) && !self.is_cut();
        if is_laid { Envelope::read(self.bytes) } else { None }
    }

    /// Whether not all that was received is kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }

    /// The same, cut if key and bytes have more than `max` together: then without its key.
    #[must_use]
    pub fn within(self, max: usize) -> Self {
        if self.bytes.len() + self.key.map_or(0, <[u8]>::len) <= max {
            return self;
        }
        // One byte less than there are, so that it is cut even if it was its key that was too long.
        let kept = self.bytes.len().saturating_sub(1).min(max);
        Self { key: None, bytes: &self.bytes[..kept], length: self.length.max(1), ..self }
    }

    /// Appends it as an item of [`super::Stream::Rejects`]. Without a kind in the form that had none.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let end = self.code.floor_char_boundary(usize::from(u16::MAX));
        if let Some(kind) = self.kind {
            into.extend_from_slice(&[FORMAT, kind.code()]);
            let key = self.key.map_or(NO_KEY, |key| u32::try_from(key.len()).unwrap_or(NO_KEY));
            into.extend_from_slice(&key.to_be_bytes());
            into.extend_from_slice(self.key.filter(|_| key != NO_KEY).unwrap_or_default());
            into.extend_from_slice(&self.length.to_be_bytes());
        }
        into.extend_from_slice(&self.source.to_bytes());
        into.extend_from_slice(&self.offset.to_be_bytes());
        into.extend_from_slice(&(end as u16).to_be_bytes());
        into.extend_from_slice(&self.code.as_bytes()[..end]);
        into.extend_from_slice(self.bytes);
    }

    /// Reads an item of [`super::Stream::Rejects`].
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] if it is not one.
    pub fn decode(item: &'a [u8]) -> Result<Self, JournalError> {
        Self::parse(item)
            .ok_or_else(|| JournalError::corrupt("a rejected input", "its header is not readable"))
    }

    fn parse(item: &'a [u8]) -> Option<Self> {
        let (mut kind, mut key, mut length, mut rest) = (None, None, None, item);
        if let Some((&FORMAT, after)) = item.split_first() {
            let (code, after) = after.split_first()?;
            kind = Some(Kind::from_code(*code)?);
            let (bytes, after) = after.split_first_chunk::<4>()?;
            rest = after;
            if u32::from_be_bytes(*bytes) != NO_KEY {
                let (of, after) = rest.split_at_checked(u32::from_be_bytes(*bytes) as usize)?;
                (key, rest) = (Some(of), after);
            }
            let (bytes, after) = rest.split_first_chunk::<8>()?;
            (length, rest) = (Some(u64::from_be_bytes(*bytes)), after);
        }
        let (source, rest) = rest.split_first_chunk::<5>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let (code, bytes) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        Some(Self {
            source: Source::from_bytes(*source)?,
            offset: u64::from_be_bytes(*offset),
            kind,
            key,
            code: std::str::from_utf8(code).ok()?,
            length: length.unwrap_or(bytes.len() as u64),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Reject<'_> = Reject {
        source: Source::Internal,
        offset: 99,
        kind: Some(Kind::Remove),
        key: Some(b"u"),
        code: "bad_record: no",
        length: 4,
        bytes: b"{\xff\n\0",
    };

    fn again(of: Reject<'_>) -> Vec<u8> {
        let mut item = Vec::new();
        of.encode(&mut item);
        item
    }

    #[test]
    fn a_letter_reads_back_with_or_without_a_kind() {
        for letter in [
            WHOLE,
            Reject { key: None, ..WHOLE },
            Reject { key: None, kind: None, ..WHOLE },
            Reject { length: 9, ..WHOLE },
        ] {
            assert_eq!(Reject::decode(&again(letter)), Ok(letter));
        }
        let item = again(WHOLE);
        for cut in 0..item.len() - WHOLE.bytes.len() {
            assert!(Reject::decode(&item[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn a_letter_of_the_form_before_is_still_read() {
        let item = [&b"\x03\0\0\0\0"[..], &99_u64.to_be_bytes(), b"\0\x08not_json", b"{"].concat();
        let letter = Reject::decode(&item).expect("it is the form that had no kind");
        assert_eq!((letter.source, letter.offset, letter.code), (Source::Internal, 99, "not_json"));
        assert_eq!((letter.kind, letter.bytes, letter.is_cut()), (None, &b"{"[..], false));
        assert_eq!(again(letter), item);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(WHOLE.within(5), WHOLE);
        let cut = WHOLE.within(4);
        assert_eq!((cut.is_cut(), cut.length, cut.key, cut.bytes.len()), (true, 4, None, 3));
        let cut = WHOLE.within(2);
        assert_eq!((cut.is_cut(), cut.length, cut.bytes), (true, 4, &b"{\xff"[..]));
        let keyed = Reject { bytes: b"", length: 0, ..WHOLE }.within(0);
        assert!(keyed.is_cut(), "a letter whose key was too long is not whole");
    }
}
