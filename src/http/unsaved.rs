//! Unsaved edits of a draft: keep, look at, drop, save; each caller has their own.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde_json::json;

use super::app::{App, Deadline, Pool, no_journey};
use super::body;
use super::error::{ApiError, Reply};
use super::journeys::{Given, JSON, TOML, bad_definition, given, problem, read_given, record, taken};
use super::names::{self, Caller};
use super::parts::{InPath, Whole};
use crate::control::unsaved::{Form, Unsaved};
use crate::control::{Act, Command};
use crate::journey::source;
use crate::lifecycle::Verb;

type Answered = Result<Reply, ApiError>;

/// Keeps the caller's edit of a draft, whole or not.
pub(super) async fn keep(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let id = path.journey()?;
    let caller = Caller::of(request.headers())?;
    let form = match body::media_type(request.headers(), &[TOML, JSON])? {
        TOML => Form::Toml,
        _ => Form::Json,
    };
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let key = names::key(&whole.headers, None)?;
        let text = String::from_utf8(whole.raw.plain()?)
            .map_err(|error| ApiError::bad("not_utf8", format!("an edit must be UTF-8 text: {error}")))?;
        let record = record(&key, caller, id, None, Command::KeepEdit { text, form });
        app.once(key.as_deref(), fingerprint, |service| {
            Ok(taken(&service.command(record, app.command_wait())?, Vec::new()))
        })
    })
    .await
}

/// The caller's edit.
pub(super) async fn show(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    headers: HeaderMap,
) -> Answered {
    let id = path.journey()?;
    let Caller { actor, .. } = Caller::of(&headers)?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let view = app.service().journeys().into_iter().find(|view| view.id == id);
        let revision = view.ok_or_else(|| no_journey(&id))?.revision;
        let Some(Unsaved { edit, text, form, at, base }) = app.service().unsaved(&id, &actor) else {
            let message = format!("{actor} has no unsaved edit of journey {id:?}");
            return Err(ApiError::absent("no_edit", message));
        };
        Ok(Reply::ok(&json!({
            "edit": edit, "text": text, "form": form, "at": at, "base": base, "revision": revision,
        })))
    })
    .await
}

/// Drops the caller's edit.
pub(super) async fn drop(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let id = path.journey()?;
    let caller = Caller::of(request.headers())?;
    let whole = Whole::read(&app, deadline.0, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let key = names::key(&whole.headers, None)?;
        let record = record(&key, caller, id, None, Command::DropEdit);
        app.once(key.as_deref(), whole.fingerprint(), |service| {
            Ok(taken(&service.command(record, app.command_wait())?, Vec::new()))
        })
    })
    .await
}

/// The verb `save`: what the caller has kept becomes the draft that everybody sees. Without such an edit there is
/// nothing to save, and nothing changes.
pub(super) async fn save(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Answered {
    let id = path.journey()?;
    let caller = Caller::of(request.headers())?;
    let whole = read_given(&app, deadline, request).await?;
    app.blocking(Pool::Operators, deadline, move |app| {
        let fingerprint = whole.fingerprint();
        let Whole { headers, raw, .. } = whole;
        let Given { expect, reason, id: in_body, .. } = given(&raw.plain()?)?;
        let key = names::key(&headers, in_body.as_deref())?;
        app.once(key.as_deref(), fingerprint, |service| {
            let (command, warnings) = match service.unsaved(&id, &caller.actor) {
                Some(unsaved) => read(&unsaved)?,
                None => (Command::Act(Act { reason, ..Act::from(Verb::Save) }), Vec::new()),
            };
            let record = record(&key, caller, id, expect, command);
            Ok(taken(&service.command(record, app.command_wait())?, warnings))
        })
    })
    .await
}

/// An edit that is to be saved must be a definition; what is wrong with it is said all at once.
fn read(unsaved: &Unsaved) -> Result<(Command, Vec<serde_json::Value>), ApiError> {
    let reading = source::read(unsaved.form.file(), unsaved.text.as_bytes());
    let problems: Vec<_> = reading.problems.into_iter().map(problem).collect();
    match reading.definition {
        Some(definition) => {
            Ok((Command::SaveEdit { definition: Box::new(definition), edit: unsaved.edit }, problems))
        }
        None => Err(bad_definition(problems)),
    }
}
