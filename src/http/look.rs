//! What can be looked at: what moved in a journey, one user's story, health, metrics.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::app::{App, Deadline, Pool};
use super::error::{ApiError, Reply};
use super::names::{self, shown};
use super::parts::{InPath, query};
use crate::control::range::{Ask, By};
use crate::metrics::CONTENT_TYPE;

type Answer = Result<Reply, ApiError>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    journey: Option<String>,
}

/// Everything told of one user, oldest first.
pub(super) async fn explain(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answer {
    let user = path.user()?;
    let ExplainQuery { journey } = query(request.uri(), "journey=ID")?;
    let journey = journey.as_deref().map(names::journey).transpose()?;
    app.blocking(Pool::Operators, deadline, move |app| {
        if let Some(journey) = &journey {
            app.known(journey)?;
        }
        let story = app.service().explain(&user, journey.as_deref())?;
        Ok(Reply::ok(&serde_json::to_value(story).expect("a story is JSON")))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsQuery {
    from: Option<String>,
    to: Option<String>,
    version: Option<String>,
    by: Option<String>,
}

/// What moved in a journey in a range of dates, by version, node and bucket, and who is where now (G40).
pub(super) async fn statistics(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answer {
    let journey = path.journey()?;
    let allowed = "from=DAY, to=DAY, version=NUMBER, by=hour or by=day";
    let StatisticsQuery { from, to, version, by } = query(request.uri(), allowed)?;
    let version =
        version.map(|text| number("version", Some(&text), 1, u64::from(u32::MAX), 1)).transpose()?;
    let by = by.as_deref().map(str::parse::<By>).transpose()?.unwrap_or_default();
    let version = version.and_then(|version| u32::try_from(version).ok());
    let ask = Ask { from, to, version, by };
    app.blocking(Pool::Operators, deadline, move |app| {
        let report = app.service().statistics(&journey, &ask)?;
        Ok(Reply::ok(&serde_json::to_value(report).expect("a report is JSON")))
    })
    .await
}

/// A number of a query, between two.
pub(super) fn number(
    name: &str,
    text: Option<&str>,
    least: u64,
    most: u64,
    default: u64,
) -> Result<u64, ApiError> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        let message = format!("{name} is {}; allowed is a whole number from {least} to {most}", shown(text));
        ApiError::bad("out_of_range", message)
    })
}

/// That the process runs and answers; nothing about its work.
pub(super) async fn livez() -> Reply {
    Reply::ok(&json!({ "live": true }))
}

/// Whether events are being processed (I12).
pub(super) async fn readyz(State(app): State<App>, deadline: Deadline) -> Answer {
    app.blocking(Pool::Probes, deadline, |app| {
        let health = app.service().health();
        if health.ready {
            return Ok(Reply::ok(&json!({ "ready": true })));
        }
        let why = health.why.unwrap_or_else(|| "events are not being processed".to_owned());
        Err(ApiError::busy("not_ready", why))
    })
    .await
}

/// What Prometheus scrapes.
pub(super) async fn metrics(State(app): State<App>, deadline: Deadline) -> Result<Response, ApiError> {
    let reply = app
        .blocking(Pool::Probes, deadline, |app| {
            app.hub().ready(app.service().health().ready);
            let text = app.service().metrics();
            Ok(Reply::text(StatusCode::OK, text))
        })
        .await?;
    let mut response = reply.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Ok(response)
}
