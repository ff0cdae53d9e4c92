//! Events and receipts in: checked, made durable, and only then answered 202.
//!
//! A request is taken whole or not at all: if one message of a batch is bad, the answer is 400 with the
//! number and the reason of each that is, and nothing was accepted. So a client may send the same request
//! again whatever happened to the answer, and never has to find out which half of it was taken.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::app::{App, Deadline, Pool};
use super::body;
use super::error::{ApiError, Reply};
use super::names;
use super::parts::Whole;
use crate::control::service::{Accepted, AcceptedKind};
use crate::ingest::batch::{complete, split};
use crate::ingest::limits::BATCH_MESSAGES_MAX;
use crate::ingest::{Reject, decode};
use crate::model::EventKind;
use crate::model::input::ReceiptKind;

type Answer = Result<Reply, ApiError>;

macro_rules! single {
    ($($name:ident: $kind:expr;)*) => {
        $(
            pub(super) async fn $name(app: State<App>, deadline: Deadline, request: Request) -> Answer {
                one($kind, app.0, deadline, request).await
            }
        )*
    };
}

single! {
    track: EventKind::Track;
    identify: EventKind::Identify;
    page: EventKind::Page;
    screen: EventKind::Screen;
    group: EventKind::Group;
    alias: EventKind::Alias;
}

async fn one(kind: EventKind, app: App, deadline: Deadline, request: Request) -> Answer {
    take(app, deadline, request, move |bytes| {
        let message = complete(bytes, kind).map_err(|reject| refused(&reject))?;
        Ok(vec![event(&message).map_err(|reject| refused(&reject))?])
    })
    .await
}

pub(super) async fn batch(State(app): State<App>, deadline: Deadline, request: Request) -> Answer {
    take(app, deadline, request, |bytes| {
        let messages = split(bytes).map_err(|reject| refused(&reject))?;
        whole(
            "message",
            messages
                .into_iter()
                .map(|message| event(message).map_err(|reject| (reject.code, reject.message))),
        )
    })
    .await
}

fn event(message: &[u8]) -> Result<Accepted, Reject> {
    let event = decode(message)?;
    let user = event.user.into_owned();
    Ok(Accepted { kind: AcceptedKind::Event, user, bytes: message.to_vec() })
}

fn refused(reject: &Reject) -> ApiError {
    let status =
        if reject.code == "too_large" { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    ApiError::new(status, reject.code, reject.message.clone())
}

/// All of them, or every one that is bad with its number.
fn whole(
    what: &str,
    items: impl Iterator<Item = Result<Accepted, (&'static str, String)>>,
) -> Result<Vec<Accepted>, ApiError> {
    let (mut good, mut problems) = (Vec::new(), Vec::new());
    for (index, item) in items.enumerate() {
        match item {
            Ok(accepted) => good.push(accepted),
            Err((code, message)) => {
                problems.push(json!({ "index": index, "code": code, "message": message }));
            }
        }
    }
    if problems.is_empty() {
        return Ok(good);
    }
    let (bad, all) = (problems.len(), problems.len() + good.len());
    let message =
        format!("{bad} of {all} {what}s cannot be taken, so none was; correct or leave out those listed");
    Err(ApiError::bad("bad_messages", message).problems(problems))
}

/// Reads, checks, makes durable, answers.
async fn take(
    app: App,
    deadline: Deadline,
    request: Request,
    check: impl FnOnce(&[u8]) -> Result<Vec<Accepted>, ApiError> + Send + 'static,
) -> Answer {
    body::media_type(request.headers(), &["application/json"])?;
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Intake, deadline, move |app| {
        let records = check(&whole.raw.plain()?)?;
        accept(app, records)
    })
    .await
}

/// 202 once they are durable.
pub(super) fn accept(app: &App, records: Vec<Accepted>) -> Answer {
    let accepted = records.len();
    if accepted > 0 {
        app.service().accept(records)?;
    }
    Ok(Reply::new(StatusCode::ACCEPTED, &json!({ "accepted": accepted })))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    kind: ReceiptKind,
    user: String,
    journey: String,
    version: u32,
    node: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipts {
    receipts: Vec<Receipt>,
}

/// A provider's report, or several as `{"receipts": […]}`.
pub(super) async fn receipts(State(app): State<App>, deadline: Deadline, request: Request) -> Answer {
    take(app, deadline, request, |bytes| {
        let document: serde_json::Value = body::json(bytes)?;
        let receipts = if document.get("receipts").is_some() {
            body::json::<Receipts>(bytes)?.receipts
        } else {
            vec![body::json(bytes)?]
        };
        if receipts.len() > BATCH_MESSAGES_MAX {
            let message = format!(
                "{} receipts are too many; at most {BATCH_MESSAGES_MAX} in one request",
                receipts.len()
            );
            return Err(ApiError::bad("batch_too_long", message));
        }
        whole("receipt", receipts.into_iter().map(|receipt| report(receipt).map_err(ApiError::told)))
    })
    .await
}

fn report(mut receipt: Receipt) -> Result<Accepted, ApiError> {
    names::journey(&receipt.journey)?;
    names::node(&receipt.node)?;
    receipt.user = names::user(&receipt.user)?;
    let bytes = serde_json::to_vec(&receipt).expect("texts and numbers are JSON");
    Ok(Accepted { kind: AcceptedKind::Receipt, user: receipt.user, bytes })
}
