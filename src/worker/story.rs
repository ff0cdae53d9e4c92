//! What the journal has kept of one user, and of inputs that were no events.

use crate::control::service::RejectView;
use crate::journal::{JournalError, Reject, Source, Stream, Streams};
use crate::model::Timestamp;

/// How many items are read at once.
const ITEMS_AT_ONCE: usize = 4096;

#[derive(serde::Deserialize)]
struct Told<'a> {
    at: Timestamp,
    #[serde(borrow)]
    journey: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    user: std::borrow::Cow<'a, str>,
}

/// Everything told of one user, movements and refusals, as JSON lines, oldest first.
///
/// Reads all that is kept: it is for people who ask about a user, not for programs.
///
/// # Errors
/// If the streams cannot be read.
pub fn of_user(log: &impl Streams, user: &str, journey: Option<&str>) -> Result<Vec<String>, JournalError> {
    let mut found: Vec<(Timestamp, u8, u64, String)> = Vec::new();
    let name = serde_json::to_string(user).expect("a text is JSON");
    let finder = memchr::memmem::Finder::new(name.trim_matches('"').as_bytes());
    for (place, stream) in [(1, Stream::Transitions), (0, Stream::Refusals)] {
        let mut from = log.bounds(stream)?.first;
        loop {
            let next = log.read_stream(stream, from, ITEMS_AT_ONCE, &mut |item| {
                if finder.find(item.bytes).is_none() {
                    return;
                }
                let Ok(told) = serde_json::from_slice::<Told<'_>>(item.bytes) else { return };
                if told.user == user && journey.is_none_or(|journey| told.journey == journey) {
                    let line = String::from_utf8_lossy(item.bytes).into_owned();
                    found.push((told.at, place, item.number, line));
                }
            })?;
            if next == from {
                break;
            }
            from = next;
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, _, _, line)| line).collect())
}

/// At most `max` dead letters from number `from` on; those that are no longer kept are passed over.
///
/// # Errors
/// If the stream cannot be read.
pub fn rejects(log: &impl Streams, from: u64, max: usize) -> Result<Vec<RejectView>, JournalError> {
    let from = from.max(log.bounds(Stream::Rejects)?.first);
    let (mut found, mut damaged) = (Vec::new(), None);
    log.read_stream(Stream::Rejects, from, max, &mut |item| match Reject::decode(item.bytes) {
        Ok(reject) => {
            let (code, message) = reject.code.split_once(": ").unwrap_or((reject.code, ""));
            found.push(RejectView {
                number: item.number,
                source: name_of(reject.source),
                offset: reject.offset,
                code: code.to_owned(),
                message: message.to_owned(),
                bytes: base64(reject.bytes),
            });
        }
        Err(error) => damaged = Some(error),
    })?;
    damaged.map_or(Ok(found), Err)
}

fn name_of(source: Source) -> String {
    match source {
        Source::Events => "events".to_owned(),
        Source::Lists => "lists".to_owned(),
        Source::Receipts => "receipts".to_owned(),
        Source::Internal => "internal".to_owned(),
        Source::File(number) => format!("file {number}"),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
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

/// The bytes of [`RejectView::bytes`]; `None` if they are not base 64.
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
