//! Dead letters: looked at, and let in once more.

use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::json;

use super::app::{App, Deadline, Pool};
use super::body;
use super::error::{ApiError, Reply};
use super::journeys::read_given;
use super::look::number;
use super::names::Caller;
use super::parts::query;
use crate::control::letters::Wanted;

type Answer = Result<Reply, ApiError>;

/// The most dead letters in one answer: each may have a MiB.
pub const REJECTS_MAX: u64 = 1_000;
/// How many there are if nobody says.
const REJECTS_DEFAULT: u64 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectsQuery {
    from: Option<String>,
    max: Option<String>,
}

/// Dead letters from a number on.
pub(super) async fn rejects(State(app): State<App>, deadline: Deadline, request: Request) -> Answer {
    let RejectsQuery { from, max } = query(request.uri(), "from=NUMBER, max=COUNT")?;
    let from = number("from", from.as_deref(), 0, u64::MAX, 0)?;
    let max = number("max", max.as_deref(), 1, REJECTS_MAX, REJECTS_DEFAULT)?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Ok(Reply::ok(&json!({ "rejects": app.service().rejects(from, max)? })))
    })
    .await
}

/// Lets dead letters in once more.
pub(super) async fn replay(State(app): State<App>, deadline: Deadline, request: Request) -> Answer {
    let Caller { actor, .. } = Caller::of(request.headers())?;
    let whole = read_given(&app, deadline, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let bytes = whole.raw.plain()?;
        let wanted: Wanted =
            if bytes.trim_ascii().is_empty() { Wanted::default() } else { body::json(&bytes)? };
        if let Some(problem) = wanted.problem() {
            return Err(ApiError::bad("bad_selection", problem));
        }
        let replay = app.service().replay(&wanted)?;
        if !wanted.dry_run {
            let (replayed, left) = (replay.replayed.len(), replay.left.len());
            tracing::info!(actor, replayed, left, "dead letters were let in once more");
        }
        Ok(Reply::ok(&serde_json::to_value(replay).expect("numbers and sentences are JSON")))
    })
    .await
}
