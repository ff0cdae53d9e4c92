//! HTTP bodies as messages: a `batch` taken apart, and a message completed by the path that it was sent
//! to.
//!
//! Messages stay the bytes that the client wrote: nothing is parsed into a tree or written anew.

use std::borrow::Cow;

use super::decode::{as_text, checked_text, start_of_object, twice};
use super::limits::{BATCH_BYTES_MAX, BATCH_DEPTH_MAX, BATCH_MESSAGES_MAX};
use super::reject::{Reject, Scanned};
use super::scan::{Kind, Scanner, unescape};
use crate::model::EventKind;

/// The messages of a body `{"batch": […]}`, each as it is written; other members of the body count for
/// nothing.
///
/// The messages are not looked at: each is for [`decode`](super::decode()), so that a bad one hurts only
/// itself.
///
/// # Errors
/// If the body is no JSON object (a number beyond a double anywhere makes it none), is longer than
/// [`BATCH_BYTES_MAX`], has no array `batch` or two, or more than [`BATCH_MESSAGES_MAX`] messages in it.
pub fn split(body: &[u8]) -> Result<Vec<&[u8]>, Reject> {
    split_boxed(body).map_err(|reject| *reject)
}

fn split_boxed(body: &[u8]) -> Scanned<Vec<&[u8]>> {
    if body.len() > BATCH_BYTES_MAX {
        let message = format!("the body has {} bytes; at most {BATCH_BYTES_MAX} are allowed", body.len());
        return Err(Reject::boxed("too_large", BATCH_BYTES_MAX, message));
    }
    let text = as_text(body)?;
    let mut scan = Scanner::of_many(body, BATCH_DEPTH_MAX);
    start_of_object(&mut scan, "the body")?;
    let mut messages: Option<Vec<&[u8]>> = None;
    scan.object(1, |scan, key| {
        let name = &text[key.start..key.end];
        let is_batch = if key.escaped { unescape(name) == "batch" } else { name == "batch" };
        if !is_batch {
            return scan.value(2).map(drop);
        }
        if messages.is_some() {
            let message =
                format!("batch stands twice in the body, again at byte {}; once is allowed", key.start);
            return Err(Reject::boxed("duplicate_key", key.start, message));
        }
        if scan.peek() != Some(b'[') {
            return Err(no_batch(scan.at()));
        }
        let found = messages.insert(Vec::new());
        scan.elements(2, |scan| {
            let start = scan.at();
            if found.len() == BATCH_MESSAGES_MAX {
                let message =
                    format!("the batch has more than {BATCH_MESSAGES_MAX} messages, the most allowed");
                return Err(Reject::boxed("batch_too_long", start, message));
            }
            scan.value(3)?;
            found.push(&body[start..scan.at()]);
            Ok(())
        })
    })?;
    scan.end()?;
    messages.ok_or_else(|| no_batch(0))
}

#[cold]
fn no_batch(at: usize) -> Box<Reject> {
    Reject::boxed(
        "batch_missing",
        at,
        "the body has no array batch; it must be {\"batch\": [MESSAGE, …]}".to_owned(),
    )
}

/// A message that was sent to the path of its kind, with its `type`: borrowed if it says that itself.
///
/// Everything else about it is left to [`decode`](super::decode()).
///
/// # Errors
/// If its form is bad, or it says another `type`.
pub fn complete(message: &[u8], kind: EventKind) -> Result<Cow<'_, [u8]>, Reject> {
    complete_boxed(message, kind).map_err(|reject| *reject)
}

fn complete_boxed(message: &[u8], kind: EventKind) -> Scanned<Cow<'_, [u8]>> {
    let text = checked_text(message)?;
    let mut scan = Scanner::new(message, 0);
    start_of_object(&mut scan, "the message")?;
    let inside = scan.at() + 1;
    let mut said = None;
    scan.object(1, |scan, key| {
        let name = &text[key.start..key.end];
        let is_type = if key.escaped { unescape(name) == "type" } else { name == "type" };
        let start = scan.at();
        let what = scan.value(2)?;
        if is_type && said.replace((what, start, scan.at())).is_some() {
            return Err(twice("type", key.start));
        }
        Ok(())
    })?;
    scan.end()?;
    let word = kind.as_str();
    match said {
        None => {
            let comma = if text[inside..].trim_start().starts_with('}') { "" } else { "," };
            let member = format!("\"type\":\"{word}\"{comma}");
            Ok(Cow::Owned([&message[..inside], member.as_bytes(), &message[inside..]].concat()))
        }
        Some((Kind::Null, start, end)) => {
            let value = format!("\"{word}\"");
            Ok(Cow::Owned([&message[..start], value.as_bytes(), &message[end..]].concat()))
        }
        Some((Kind::Text | Kind::Escaped, start, end)) if unescape(&text[start + 1..end - 1]) == word => {
            Ok(Cow::Borrowed(message))
        }
        Some((_, at, end)) => {
            let said: String = text[at..end].chars().take(40).collect();
            let message =
                format!("type at byte {at} is {said}; sent to /v1/{word} it must be \"{word}\" or absent");
            Err(Reject::boxed("type_contradicts", at, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::decode;
    use crate::ingest::limits::DEPTH_MAX;

    #[test]
    fn a_batch_gives_its_messages_as_they_are_written() {
        for (body, expected) in [
            (r#"{"batch":[]}"#, &[][..]),
            (r#"{"batch":[{"a":1}, {"b":[2]} ],"sentAt":"x"}"#, &[r#"{"a":1}"#, r#"{"b":[2]}"#]),
            ("\u{feff} {\"sentAt\":{},\"b\\u0061tch\": [ 1 ,\"x\" ] } ", &["1", "\"x\""]),
        ] {
            let expected: Vec<_> = expected.iter().map(|message| message.as_bytes()).collect();
            assert_eq!(split(body.as_bytes()).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_batch_is_refused_with_its_reason() {
        let many = format!(r#"{{"batch":[{}0]}}"#, "0,".repeat(BATCH_MESSAGES_MAX));
        let deep = format!(r#"{{"batch":[{}]}}"#, "[".repeat(100_000));
        let large = " ".repeat(BATCH_BYTES_MAX + 1);
        for (code, body) in [
            ("empty", ""),
            ("not_object", "[]"),
            ("not_json", r#"{"batch":[{]}"#),
            ("truncated", r#"{"batch":[{}"#),
            ("trailing_bytes", r#"{"batch":[]}]"#),
            ("batch_missing", "{}"),
            ("batch_missing", r#"{"batch":{}}"#),
            ("duplicate_key", r#"{"batch":[],"batch":[]}"#),
            ("batch_too_long", &many),
            ("too_deep", &deep),
            ("too_large", &large),
        ] {
            let reject = split(body.as_bytes()).expect_err(code);
            assert_eq!(reject.code, code, "{reject}");
        }
    }

    #[test]
    fn a_message_of_a_batch_that_breaks_a_limit_hurts_only_itself() {
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let wide: String = (0..1_500).map(|n| format!(r#","k{n}":0"#)).collect();
        let good = r#"{"type":"page","userId":"u"}"#;
        let message = r#"{"type":"page","userId":"u""#;
        let body = format!(r#"{{"batch":[{message},"x":{deep}}},{message}{wide}}},{good}]}}"#);
        let verdicts: Vec<_> = split(body.as_bytes())
            .unwrap()
            .into_iter()
            .map(|message| decode(message).map_or_else(|reject| reject.code, |_| "ok"))
            .collect();
        assert_eq!(verdicts, ["too_deep", "too_many_fields", "ok"]);
    }

    #[test]
    fn the_path_gives_the_type_and_refuses_another() {
        for (message, expected) in [
            (r#"{"userId":"u"}"#, Ok(r#"{"type":"page","userId":"u"}"#)),
            (" { } ", Ok(r#" {"type":"page" } "#)),
            (r#"{"type":null,"userId":"u"}"#, Ok(r#"{"type":"page","userId":"u"}"#)),
            (r#"{"type":"page"}"#, Ok(r#"{"type":"page"}"#)),
            (r#"{"t\u0079pe":"p\u0061ge"}"#, Ok(r#"{"t\u0079pe":"p\u0061ge"}"#)),
            (r#"{"properties":{"type":"track"}}"#, Ok(r#"{"type":"page","properties":{"type":"track"}}"#)),
            (r#"{"type":"track"}"#, Err("type_contradicts")),
            (r#"{"type":7}"#, Err("type_contradicts")),
            (r#"{"type":"page","type":"page"}"#, Err("duplicate_key")),
            (r#"{"userId":}"#, Err("not_json")),
            ("{}{}", Err("trailing_bytes")),
            ("[]", Err("not_object")),
            ("", Err("empty")),
        ] {
            let completed = complete(message.as_bytes(), EventKind::Page);
            let completed = completed.map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
            assert_eq!(completed.map_err(|r| r.code), expected.map(str::to_owned), "{message}");
        }
    }
}
