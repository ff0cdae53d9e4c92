//! The format of what is stored (protocol 12): who reads what, and moving on to the next.

use axum::extract::{Request, State};
use serde::Deserialize;

use super::app::{App, Deadline, Pool};
use super::body;
use super::error::{ApiError, Reply};
use super::journeys::{JSON, record, taken};
use super::names::{self, Caller};
use super::parts::Whole;
use crate::control::Command;
use crate::model::Format;

type Answered = Result<Reply, ApiError>;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    format: Format,
}

/// What is written, and what every shard's owner reads.
pub(super) async fn show(State(app): State<App>, deadline: Deadline) -> Answered {
    app.blocking(Pool::Operators, deadline, |app| {
        let view = app.service().formats()?;
        Ok(Reply::ok(&serde_json::to_value(view).expect("a view is JSON")))
    })
    .await
}

/// Has everything written in the format asked for; refused as long as somebody does not read it.
pub(super) async fn go(State(app): State<App>, deadline: Deadline, request: Request) -> Answered {
    let caller = Caller::of(request.headers())?;
    let _ = body::media_type(request.headers(), &[JSON])?;
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let key = names::key(&whole.headers, None)?;
        let asked: Asked = serde_json::from_slice(&whole.raw.plain()?).map_err(|error| {
            ApiError::bad(
                "bad_json",
                format!("the body is not understood: {error}; allowed: {{\"format\": NUMBER}}"),
            )
        })?;
        let record = record(&key, caller, String::new(), None, Command::Format(asked.format));
        app.once(key.as_deref(), fingerprint, |service| {
            Ok(taken(&service.command(record, app.command_wait())?, Vec::new()))
        })
    })
    .await
}
