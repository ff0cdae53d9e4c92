//! Looking at a running server: `wayfarer explain`, `wayfarer ctl statistics`, `wayfarer ctl format`, which also
//! moves on to a format.

use std::io::Write;

use serde_json::json;

use super::client::{Client, Failure, in_path};
use super::{Said, finish, flows, path, post, tables, view};
use crate::cli::{ExplainArgs, FormatArgs, Source, StatisticsArgs};
use crate::control::service::FormatsView;
use crate::control::statistics::Report;
use crate::control::story::StoryView;
use crate::http::new_id;

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

/// In which format everything is stored, and who reads what; or on to another one.
pub(super) fn format(client: &Client, args: &FormatArgs, json: bool) -> Result<Said, Failure> {
    let Some(to) = args.to else {
        let answer = client.get("/v1/format")?;
        let formats: FormatsView = view(&answer, &answer.value)?;
        return Ok(answer.said(json, |_| tables::formats(&formats)));
    };
    let key = args.id.clone().unwrap_or_else(new_id);
    let answer = post(client, "/v1/format", &json!({ "format": to }), Some(&key))?;
    Ok(answer.taken(json, &format!("everything is written in format {to} from now on, in every shard")))
}
