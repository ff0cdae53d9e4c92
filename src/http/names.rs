//! Who asks, and the names in a request: each checked once, at the edge, with a sentence for what is no name.
//!
//! Users are judged by the decoder's own rule, so that whoever can be in an event can be entered, explained
//! and deleted. What is shown to operators, written in files' names or in headers is strict: no markup, no
//! line break, no way out of a directory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, StatusCode};
use serde_json::json;

use super::error::ApiError;
use crate::ingest::decode;
use crate::lifecycle::Role;

/// Who asks: the name goes into the control log with the command.
pub const ACTOR_HEADER: &str = "x-wayfarer-actor";
/// In which role: `operator`, which is the default, or `system`.
pub const ROLE_HEADER: &str = "x-wayfarer-role";
/// The command's id: the same again does nothing and gets the first answer.
pub const KEY_HEADER: &str = "idempotency-key";

/// The longest id of a journey or of a node; the checker of definitions has the same.
const ID_BYTES_MAX: usize = 64;
/// The longest id of a command: a UUID has 36.
const KEY_BYTES_MAX: usize = 128;
/// The longest name of who asks: an address of a mailbox and more.
const ACTOR_CHARS_MAX: usize = 128;

/// On whose behalf a request is made.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) actor: String,
    pub(super) role: Role,
}

impl Caller {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let actor = one(headers, ACTOR_HEADER)?.unwrap_or("operator");
        let fits = (1..=ACTOR_CHARS_MAX).contains(&actor.chars().count());
        let letters = actor.chars().all(|c| c.is_alphanumeric() || " -_.@+:".contains(c));
        if !fits || !letters || actor.trim() != actor {
            let message = format!(
                "{} in X-Wayfarer-Actor names nobody: letters, digits, spaces inside and -_.@+: are allowed, \
                 from 1 to {ACTOR_CHARS_MAX} of them",
                shown(actor)
            );
            return Err(ApiError::bad("bad_actor", message));
        }
        let role = match one(headers, ROLE_HEADER)? {
            None | Some("operator") => Role::Operator,
            Some("system") => Role::System,
            Some(other) => {
                let message =
                    format!("{} in X-Wayfarer-Role is no role; the roles are operator, system", shown(other));
                return Err(ApiError::new(StatusCode::FORBIDDEN, "unknown_role", message));
            }
        };
        Ok(Self { actor: actor.to_owned(), role })
    }
}

/// The one value of a header.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::bad("bad_header", format!("the header {name} stands twice; once is allowed")));
    }
    let text = std::str::from_utf8(first.as_bytes());
    text.map(Some).map_err(|_| ApiError::bad("bad_header", format!("the header {name} is not UTF-8 text")))
}

/// A journey's id, as the checker of definitions has it.
pub(super) fn journey(text: &str) -> Result<String, ApiError> {
    id(text, "a journey's id")
}

/// A node's id.
pub(super) fn node(text: &str) -> Result<String, ApiError> {
    id(text, "a node's id")
}

fn id(text: &str, what: &str) -> Result<String, ApiError> {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if (1..=ID_BYTES_MAX).contains(&text.len()) && letters && !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    let message = format!(
        "{} cannot be {what}: letters, digits, '-', '_' and '.', from 1 to {ID_BYTES_MAX} of them, not \
         beginning with '.'",
        shown(text)
    );
    Err(ApiError::bad("bad_id", message))
}

/// The id that the client chose for its command, in the header or in the body; nothing if in neither.
pub(super) fn key(headers: &HeaderMap, in_body: Option<&str>) -> Result<Option<String>, ApiError> {
    let in_header = one(headers, KEY_HEADER)?;
    let text = match (in_header, in_body) {
        (Some(a), Some(b)) if a != b => {
            let message = "the header Idempotency-Key and id in the body differ; one of them is enough";
            return Err(ApiError::bad("bad_key", message));
        }
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => return Ok(None),
    };
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if (1..=KEY_BYTES_MAX).contains(&text.len()) && letters {
        return Ok(Some(text.to_owned()));
    }
    let message = format!(
        "{} cannot be a command's id: letters, digits, '-', '_', '.' and ':', from 1 to {KEY_BYTES_MAX} of \
         them",
        shown(text)
    );
    Err(ApiError::bad("bad_key", message))
}

/// A user's id, by the same rule as in an event.
pub(super) fn user(text: &str) -> Result<String, ApiError> {
    let message = json!({ "type": "identify", "userId": text }).to_string();
    match decode(message.as_bytes()) {
        Ok(event) => Ok(event.user.into_owned()),
        // Where it stands in the message that was made of it tells the client nothing.
        Err(reject) => {
            let why = match reject.code {
                "user_blank" => "it is blank",
                "user_control_character" => "it has a control character",
                _ => "it is longer than 512 bytes",
            };
            let message = format!(
                "{} cannot be a user's id: {why}; allowed are 1 to 512 bytes of text, not blank, without \
                 control characters",
                shown(text)
            );
            Err(ApiError::bad(reject.code, message))
        }
    }
}

/// What the client wrote, quoted and escaped, and no longer than a sentence bears.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let escape = |c: char| {
        if "<>&".contains(c) { c.escape_unicode().to_string() } else { c.escape_debug().to_string() }
    };
    let start: String = text.chars().take(CHARS_MAX).map(escape).collect();
    if text.chars().nth(CHARS_MAX).is_none() {
        return format!("\"{start}\"");
    }
    format!("\"{start}…\" ({} bytes)", text.len())
}

/// An id that nobody has used: 32 hexadecimal digits.
#[must_use]
pub fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The keys of two hashers are drawn by the operating system for this process; the count parts the calls.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let half = || RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now(), count));
    format!("{:016x}{:016x}", half(), half())
}
