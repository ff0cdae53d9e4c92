//! Looking at a running server: `wayfarer explain`, `wayfarer rejects`, `wayfarer ctl statistics`.

use std::io::Write;

use serde_json::json;

use super::client::{Client, Failure, in_path};
use super::{Said, finish, flows, path, tables, view};
use crate::cli::{ExplainArgs, Rejects, RejectsArgs, Source, StatisticsArgs, exit};
use crate::control::service::RejectView;
use crate::control::statistics::Report;
use crate::control::story::StoryView;
use crate::http::REJECTS_MAX;

/// Tells one user's story, as the server at `--url` knows it; `--directory` is not looked at.
#[must_use]
pub fn explain(args: &ExplainArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let Source { url, json, .. } = &args.source;
    let journey = args.journey.as_ref().map_or_else(String::new, |id| format!("?journey={}", in_path(id)));
    let answer = Client::new(url, None).get(&format!("/v1/explain/{}{journey}", in_path(&args.user)));
    let said = answer.and_then(|answer| {
        let story: StoryView = view(&answer, &answer.value)?;
        Ok(answer.said(*json, |_| tables::story(&story)))
    });
    finish(said, *json, out, err)
}

/// What moved in a journey in a range of dates.
pub(super) fn statistics(client: &Client, args: &StatisticsArgs, json: bool) -> Result<Said, Failure> {
    let version = args.version.map(|version| version.to_string());
    let asked = [("from", &args.from), ("to", &args.to), ("version", &version)];
    let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let query = asked.map(|(name, value)| format!("&{name}={}", in_path(value)));
    let query = format!("/statistics?by={}{}", args.by, query.collect::<String>());
    let answer = client.get(&path(&args.journey, &query))?;
    let report: Report = view(&answer, &answer.value)?;
    Ok(answer.said(json, |_| flows::report(&report)))
}

/// Lists dead letters or shows one, as the server at `--url` has them; `--directory` is not looked at.
#[must_use]
pub fn rejects(args: &RejectsArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (said, json) = match &args.command {
        Rejects::List { source, from, limit } => (list(source, *from, u64::from(*limit)), source.json),
        Rejects::Show { number, source, raw } => (show(source, *number, *raw), source.json),
    };
    finish(said, json, out, err)
}

fn list(source: &Source, from: u64, limit: u64) -> Result<Said, Failure> {
    let client = Client::new(&source.url, None);
    let mut all: Vec<RejectView> = Vec::new();
    let mut from = from;
    // The server gives so many at once, and no more.
    while (all.len() as u64) < limit {
        let max = REJECTS_MAX.min(limit - all.len() as u64);
        let answer = client.get(&format!("/v1/rejects?from={from}&max={max}"))?;
        let page: Vec<RejectView> = view(&answer, &answer.value["rejects"])?;
        let last = page.last().map(|reject| reject.number);
        all.extend(page);
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) => from = next,
            None => break,
        }
    }
    let text = if source.json { format!("{}\n", json!(all)) } else { tables::rejects(&all) };
    Ok(Said { code: exit::OK, out: text.into_bytes() })
}

fn show(source: &Source, number: u64, raw: bool) -> Result<Said, Failure> {
    let answer = Client::new(&source.url, None).get(&format!("/v1/rejects?from={number}&max=1"))?;
    let first = &answer.value["rejects"][0];
    let found = if first.is_null() { None } else { Some(view::<RejectView>(&answer, first)?) };
    let Some(reject) = found.filter(|reject| reject.number == number) else {
        let message =
            format!("there is no dead letter {number}; `wayfarer rejects list` shows those there are");
        return Err(Failure::new(exit::PROBLEM, message));
    };
    if source.json {
        return Ok(Said { code: exit::OK, out: format!("{}\n", json!(reject)).into_bytes() });
    }
    let Some(bytes) = base64(&reject.bytes) else {
        let message = format!("the server's answer is not understood: the bytes of {number} are not base 64");
        return Err(Failure::new(exit::SERVER, message));
    };
    let out = if raw { bytes } else { tables::reject(&reject, &bytes).into_bytes() };
    Ok(Said { code: exit::OK, out })
}

/// The bytes that a text in base 64 (RFC 4648, with padding or without) stands for.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_read_as_rfc_4648_has_it() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYmFy", Some(b"foobar")),
            ("+/8=", Some(b"\xfb\xff")),
            ("a-b", None),
        ] {
            assert_eq!(base64(text).as_deref(), bytes, "{text}");
        }
    }
}
