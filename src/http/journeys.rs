//! Journeys for operators: put, list, show, give a verb, preview a release.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::{App, Deadline, Pool, no_journey};
use super::body;
use super::error::{ApiError, Reply};
use super::names::{self, Caller, shown};
use super::parts::{InPath, Whole, query};
use crate::control::service::Answer;
use crate::control::{Act, Command, Record};
use crate::journey::problem::Problem;
use crate::journey::source;
use crate::lifecycle::Verb;
use crate::model::input::Selection;

type Answered = Result<Reply, ApiError>;

/// The longest reason of a command, in characters: it is read in a line of a table.
const REASON_CHARS_MAX: usize = 500;

pub(super) const TOML: &str = "application/toml";
pub(super) const JSON: &str = "application/json";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutQuery {
    expect: Option<u64>,
}

/// Makes the journey of that id, or edits it as far as its state allows.
pub(super) async fn put(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let id = path.journey()?;
    let caller = Caller::of(request.headers())?;
    let file = match body::media_type(request.headers(), &[TOML, JSON])? {
        TOML => "journey.toml",
        _ => "journey.json",
    };
    let PutQuery { expect } = query(request.uri(), "expect=REVISION")?;
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let key = names::key(&whole.headers, None)?;
        let reading = source::read(file, &whole.raw.plain()?);
        let problems: Vec<Value> = reading.problems.into_iter().map(problem).collect();
        let Some(definition) = reading.definition else {
            return Err(bad_definition(problems));
        };
        let command = Command::Put { definition: Box::new(definition) };
        let record = record(&key, caller, id, expect, command);
        app.once(key.as_deref(), fingerprint, |service| {
            let answer = service.command(record, app.command_wait())?;
            Ok(taken(&answer, problems))
        })
    })
    .await
}

pub(super) fn bad_definition(problems: Vec<Value>) -> ApiError {
    let some = match problems.len() {
        1 => "a problem".to_owned(),
        several => format!("{several} problems"),
    };
    let message = format!("the definition has {some}, and nothing was changed");
    ApiError::unfit("bad_definition", message).problems(problems)
}

/// Behind the API there is no file, only lines.
pub(super) fn problem(mut problem: Problem) -> Value {
    problem.file.clear();
    serde_json::to_value(problem).expect("a problem is JSON")
}

/// A command as it goes into the log, under the client's id or a new one.
pub(super) fn record(
    key: &Option<String>,
    caller: Caller,
    journey: String,
    expect: Option<u64>,
    command: Command,
) -> Record {
    let id = key.clone().unwrap_or_else(names::new_id);
    Record { id, at: None, actor: caller.actor, role: caller.role, journey, expect, command }
}

/// 200 when every shard has taken it, else 202 with the shards that have not.
pub(super) fn taken(answer: &Answer, warnings: Vec<Value>) -> Reply {
    let mut body = match answer {
        Answer::Done { epoch } => json!({ "epoch": epoch }),
        Answer::Pending { epoch, shards } => {
            let names: Vec<_> = shards.iter().map(ToString::to_string).collect();
            let numbers: Vec<_> = shards.iter().map(|waiting| waiting.shard).collect();
            let message = format!(
                "the command is recorded and will take effect; not yet taken by the shards {}",
                names.join(", ")
            );
            json!({ "epoch": epoch, "pending": numbers, "waiting": shards, "message": message })
        }
    };
    if !warnings.is_empty() {
        body["warnings"] = Value::Array(warnings);
    }
    match answer {
        Answer::Done { .. } => Reply::ok(&body),
        // The same command again waits for the rest of the shards.
        Answer::Pending { .. } => Reply::new(StatusCode::ACCEPTED, &body).ask_again(1),
    }
}

/// All journeys, in the order of creation.
pub(super) async fn list(State(app): State<App>, deadline: Deadline) -> Answered {
    app.blocking(Pool::Operators, deadline, |app| {
        Ok(Reply::ok(&json!({ "journeys": app.service().journeys() })))
    })
    .await
}

/// One journey.
pub(super) async fn show(State(app): State<App>, deadline: Deadline, path: InPath) -> Answered {
    let id = path.journey()?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let view = app.service().journeys().into_iter().find(|view| view.id == id);
        let view = view.ok_or_else(|| no_journey(&id))?;
        Ok(Reply::ok(&serde_json::to_value(view).expect("a view is JSON")))
    })
    .await
}

/// What a verb may need; all of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    #[serde(default)]
    selection: Selection,
    #[serde(default)]
    keep_held: bool,
    pub(super) reason: Option<String>,
    to: Option<String>,
    pub(super) expect: Option<u64>,
    pub(super) id: Option<String>,
}

/// Lets held users go, parked ones among them.
pub(super) async fn release(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let journey = path.journey()?;
    give(app, deadline, journey, request, |given| Command::Release(given.selection)).await
}

/// Gives a verb of either dialect.
pub(super) async fn act(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let verb = verb(path.text("verb"))?;
    let journey = path.journey()?;
    let act = move |Given { selection, keep_held, reason, to, .. }: Given| {
        Command::Act(Act { verb, selection, keep_held, reason, to })
    };
    give(app, deadline, journey, request, act).await
}

async fn give(
    app: App,
    deadline: Deadline,
    journey: String,
    request: Request,
    command: impl FnOnce(Given) -> Command + Send + 'static,
) -> Answered {
    let caller = Caller::of(request.headers())?;
    let whole = read_given(&app, deadline, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let Whole { headers, raw, .. } = whole;
        let given = given(&raw.plain()?)?;
        let key = names::key(&headers, given.id.as_deref())?;
        let expect = given.expect;
        let record = record(&key, caller, journey, expect, command(given));
        app.once(key.as_deref(), fingerprint, |service| {
            Ok(taken(&service.command(record, app.command_wait())?, Vec::new()))
        })
    })
    .await
}

fn verb(text: &str) -> Result<Verb, ApiError> {
    text.parse().map_err(|_| {
        let all = Verb::ALL.map(Verb::as_str).join(", ");
        let message = format!(
            "{} is no verb; the verbs are {all}; besides them there are release, preview and entries",
            shown(text)
        );
        ApiError::absent("unknown_verb", message)
    })
}

/// The body of a verb may be empty, and then needs no type.
pub(super) async fn read_given(app: &App, deadline: Deadline, request: Request) -> Result<Whole, ApiError> {
    let typed = body::media_type(request.headers(), &[JSON]);
    let whole = Whole::read(app, deadline.0, request).await?;
    if !whole.raw.bytes.is_empty() {
        typed?;
    }
    Ok(whole)
}

pub(super) fn given(bytes: &[u8]) -> Result<Given, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Given::default());
    }
    let given: Given = body::json(bytes)?;
    if let Selection::From(node) | Selection::At(node) = &given.selection {
        names::node(node)?;
    }
    if let Some(to) = &given.to {
        names::journey(to)?;
    }
    if let Some(reason) = &given.reason
        && (reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control))
    {
        let message = format!(
            "{} cannot be a reason: at most {REASON_CHARS_MAX} characters, none of them a control character",
            shown(reason)
        );
        return Err(ApiError::bad("bad_reason", message));
    }
    Ok(given)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToPreview {
    #[serde(default)]
    selection: Selection,
}

/// How many users a release would let go.
pub(super) async fn preview(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let journey = path.journey()?;
    let whole = read_given(&app, deadline, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let bytes = whole.raw.plain()?;
        let selection =
            if bytes.is_empty() { Selection::All } else { body::json::<ToPreview>(&bytes)?.selection };
        if let Selection::From(node) | Selection::At(node) = &selection {
            names::node(node)?;
        }
        let preview = app.service().preview(&journey, &selection)?.ok_or_else(|| no_journey(&journey))?;
        Ok(Reply::ok(&json!({ "users": preview.users, "oldest_due": preview.oldest_due })))
    })
    .await
}
