//! What the journal has kept of one user.

use serde::de::DeserializeOwned;

use crate::control::story::{StoryView, weave};
use crate::journal::{JournalError, Source, Stream, Streams};
use crate::model::hash::user_hash;
use crate::model::wire::{RefusalRecord, SendRecord, TransitionRecord, user_of};

/// The most records of one kind that are told of one user: the newest. A story is read by people.
pub const RECORDS_MAX: usize = 10_000;

/// What is kept of one user, oldest first: each qualification, refusal, node, timer and hold, and each
/// message.
///
/// Costs what the journal's index makes of it, and not a reading of all that is kept.
///
/// # Errors
/// If the streams cannot be read.
pub fn of_user(log: &impl Streams, user: &str, journey: Option<&str>) -> Result<StoryView, JournalError> {
    let mut left_out = 0;
    let asked = Asked { user, journey };
    let left = &mut left_out;
    let moves = asked.of(log, Stream::Transitions, |moved: &TransitionRecord| &moved.journey, left)?;
    let sends = asked.of(log, Stream::Sends, |sent: &SendRecord| &sent.journey, left)?;
    let refusals = asked.of(log, Stream::Refusals, |refused: &RefusalRecord| &refused.journey, left)?;
    Ok(StoryView { user: user.to_owned(), records: weave(moves, sends, refusals), left_out })
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    user: &'a str,
    journey: Option<&'a str>,
}

impl Asked<'_> {
    /// The newest records of one kind, oldest first; adds those that there are beside them to `left_out`.
    fn of<T: DeserializeOwned>(
        self,
        log: &impl Streams,
        stream: Stream,
        journey_of: impl Fn(&T) -> &String,
        left_out: &mut u64,
    ) -> Result<Vec<T>, JournalError> {
        let numbers = log.numbers_of(stream, user_hash(self.user))?;
        let mut found: Vec<T> = Vec::new();
        for (older, number) in numbers.iter().enumerate().rev() {
            if found.len() == RECORDS_MAX {
                *left_out += older as u64 + 1;
                break;
            }
            let mut line = Vec::new();
            match log.read_stream(stream, *number, 1, &mut |item| line.extend_from_slice(item.bytes)) {
                // Retention was faster, and what is older is gone too.
                Err(JournalError::Gone { .. }) => break,
                other => drop(other?),
            }
            if user_of(&line).is_none_or(|user| user != self.user) {
                continue;
            }
            let record: T = serde_json::from_slice(&line)
                .map_err(|e| JournalError::corrupt(format!("line {number} about a user"), e.to_string()))?;
            if self.journey.is_none_or(|journey| journey_of(&record) == journey) {
                found.push(record);
            }
        }
        found.reverse();
        Ok(found)
    }
}

pub(crate) fn name_of(source: Source) -> String {
    match source {
        Source::Events => "events".to_owned(),
        Source::Lists => "lists".to_owned(),
        Source::Receipts => "receipts".to_owned(),
        Source::Internal => "internal".to_owned(),
        Source::Input(number) => format!("input {number}"),
        Source::File(number) => format!("file {number}"),
    }
}

/// RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let whole = three.iter().fold(0u32, |whole, b| whole << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (whole >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

/// The bytes that a text in base 64 stands for; `None` if it is not base 64.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut whole = 0u32;
        for c in four {
            whole = whole << 6 | u32::from(digit(*c)?);
        }
        whole <<= 6 * (4 - four.len());
        out.extend_from_slice(whole.to_be_bytes().get(1..four.len())?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_bytes_survive_base_64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\x00\xfe", "/wD+"),
        ] {
            assert_eq!(base64(bytes), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(from_base64("#"), None);
    }
}
