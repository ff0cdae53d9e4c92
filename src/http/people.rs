//! What is asked of one user: to enter a journey, to leave one, to be forgotten.

use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::app::{App, Deadline, Pool};
use super::body;
use super::error::{ApiError, Reply};
use super::intake::accept;
use super::names::{self, Caller};
use super::parts::{InPath, Whole};
use crate::control::service::{Accepted, AcceptedKind};
use crate::ingest::decode;

type Answer = Result<Reply, ApiError>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: String,
    #[serde(default)]
    properties: Option<Box<RawValue>>,
    #[serde(default)]
    id: Option<String>,
}

/// Enters one user by API, if the journey's entry allows it when the shard takes the entry.
pub(super) async fn enter(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answer {
    let journey = path.journey()?;
    Caller::of(request.headers())?;
    body::media_type(request.headers(), &["application/json"])?;
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Intake, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let Whole { headers, raw, .. } = whole;
        let entry: Entry = body::json(&raw.plain()?)?;
        let key = names::key(&headers, entry.id.as_deref())?;
        let user = names::user(&entry.user)?;
        let properties = entry.properties.as_deref().map_or("{}", RawValue::get);
        let record = row(AcceptedKind::Enter, &journey, user, properties)?;
        app.known(&journey)?;
        app.once(key.as_deref(), fingerprint, |_| accept(app, vec![record]))
    })
    .await
}

/// A user who is to enter, with properties that an event could have.
fn row(kind: AcceptedKind, journey: &str, user: String, properties: &str) -> Result<Accepted, ApiError> {
    properties_of(&user, properties)?;
    let (id, name) = (json!(journey), json!(user));
    let bytes = format!(r#"{{"journey":{id},"user":{name},"properties":{properties}}}"#).into_bytes();
    Ok(Accepted { kind, user, bytes })
}

/// That properties are what an event may have: an object, neither too deep nor too wide nor too large.
pub(super) fn properties_of(user: &str, properties: &str) -> Result<(), ApiError> {
    let user = json!(user);
    let message = format!(r#"{{"type":"track","event":"entry","userId":{user},"properties":{properties}}}"#);
    match decode(message.as_bytes()) {
        Ok(_) => Ok(()),
        Err(reject) => {
            // Its place is that in the message that was made of it; the reason alone is the client's.
            let why = match reject.code {
                "properties_not_object" => "they must be a JSON object, such as {\"value\": 30}",
                "too_deep" => "they nest deeper than 30 levels",
                "too_many_fields" => "they have more than 990 fields",
                "too_large" => "they have more than 250 KiB",
                "number_out_of_range" => "a number in them does not fit a double",
                _ => "they are not JSON as an event has it",
            };
            Err(ApiError::bad(reject.code, format!("the properties cannot be taken: {why}")))
        }
    }
}

/// Takes one user out of one journey.
pub(super) async fn remove(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answer {
    let (journey, user) = (path.journey()?, path.user()?);
    Caller::of(request.headers())?;
    app.clone()
        .blocking(Pool::Operators, deadline, move |app| {
            app.known(&journey)?;
            let bytes = json!({ "journey": journey, "user": user }).to_string().into_bytes();
            accept(app, vec![Accepted { kind: AcceptedKind::Remove, user, bytes }])
        })
        .await
}

/// Forgets one user (G39): enrollments end with `deleted`, and what is remembered of the user is erased.
/// Movements, accepted events and sends stay until their retention ends.
pub(super) async fn erase(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answer {
    let user = path.user()?;
    Caller::of(request.headers())?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let bytes = json!({ "user": user }).to_string().into_bytes();
        accept(app, vec![Accepted { kind: AcceptedKind::Delete, user, bytes }])
    })
    .await
}
