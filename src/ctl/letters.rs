//! Dead letters of a running server: `wayfarer rejects list`, `show` and `replay`.

use std::io::Write;

use serde_json::json;

use super::client::{Client, Failure};
use super::{Said, finish, post, tables, view};
use crate::cli::{Rejects, RejectsArgs, ReplayRejects, Source, exit};
use crate::control::letters::{Replay, Wanted};
use crate::control::service::RejectView;
use crate::http::REJECTS_MAX;
use crate::worker::story::from_base64;

/// Lists dead letters, shows one or lets some in once more, as the server at `--url` has them; `--directory` is not
/// looked at.
#[must_use]
pub fn rejects(args: &RejectsArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (said, json) = match &args.command {
        Rejects::List { source, from, limit } => (list(source, *from, u64::from(*limit)), source.json),
        Rejects::Show { source, number, raw } => (show(source, *number, *raw), source.json),
        Rejects::Replay(args) => (replay(args), args.json),
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
    let Some(bytes) = from_base64(&reject.bytes) else {
        let message = format!("the server's answer is not understood: the bytes of {number} are not base 64");
        return Err(Failure::new(exit::SERVER, message));
    };
    let out = if raw { bytes } else { tables::reject(&reject, &bytes).into_bytes() };
    Ok(Said { code: exit::OK, out })
}

fn replay(args: &ReplayRejects) -> Result<Said, Failure> {
    let wanted = Wanted {
        numbers: args.numbers.clone(),
        from: args.from,
        to: args.to,
        code: args.code.clone(),
        source: args.source.clone(),
        since: args.since,
        until: args.until,
        all: args.all,
        again: args.again,
        dry_run: args.dry_run,
    };
    let answer = post(&Client::new(&args.url, None), "/v1/rejects/replay", &json!(wanted), None)?;
    let told: Replay = view(&answer, &answer.value)?;
    let code = if told.left.is_empty() { exit::OK } else { exit::PROBLEM };
    Ok(Said { code, ..answer.said(args.json, |_| tables::replay(&told)) })
}
