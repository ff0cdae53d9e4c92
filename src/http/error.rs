//! What a client reads: one JSON shape for every refusal, and the answer that it becomes.
//!
//! `{"error": {"code": …, "message": …, "problems": […], "allowed": […]}}`: the code is stable and for programs,
//! the message is a sentence for people; `problems` is there where there may be several, `allowed` where a
//! verb was refused. Nothing of how the server is built shows in it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::control::Refused;
use crate::control::range::AskError;
use crate::control::service::{CommandError, StatisticsError, Unavailable};
use crate::lifecycle::{Verb, Why};

/// An answer that can be given again: status and JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// After how many seconds it is worth asking again.
    retry_after: Option<u32>,
    /// Whether the connection ends with it: the rest of the request was not read.
    closes: bool,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: &Value) -> Self {
        Self::text(status, format!("{body}\n"))
    }

    /// What is written already.
    pub(super) fn text(status: StatusCode, body: String) -> Self {
        Self { status, body, retry_after: None, closes: false }
    }

    pub(super) fn ok(body: &Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// Whether a repeat gets it again: neither what will be otherwise soon, nor what nobody knows.
    pub(super) fn is_final(&self) -> bool {
        self.retry_after.is_none() && !self.status.is_server_error()
    }

    /// A repeat is to ask again, for the answer is not the last one.
    pub(super) fn ask_again(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    problems: Vec<Value>,
    allowed: Option<Vec<Verb>>,
    retry_after: Option<u32>,
    closes: bool,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            problems: Vec::new(),
            allowed: None,
            retry_after: None,
            closes: false,
        }
    }

    /// 400: the request itself is wrong.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404: there is no such thing.
    pub(super) fn absent(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 422: the request can be read, and what it says cannot be done.
    pub(super) fn unfit(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 503: not now.
    pub(super) fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    }

    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(super) fn problems(mut self, problems: Vec<Value>) -> Self {
        self.problems = problems;
        self
    }

    /// Its code and its sentence, to be one problem among several.
    pub(super) fn told(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    fn allowed(mut self, allowed: Vec<Verb>) -> Self {
        self.allowed = Some(allowed);
        self
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let mut inner = json!({ "code": error.code, "message": error.message });
        if !error.problems.is_empty() {
            inner["problems"] = Value::Array(error.problems);
        }
        if let Some(allowed) = error.allowed {
            inner["allowed"] = json!(allowed);
        }
        let reply = Self::new(error.status, &json!({ "error": inner }));
        Self { retry_after: error.retry_after, closes: error.closes, ..reply }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        Self::busy("unavailable", unavailable.to_string())
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        let message = error.to_string();
        match error {
            AskError::NoJourney(_) => Self::absent("no_such_journey", message),
            AskError::NoVersion { .. } => Self::absent("no_such_version", message),
            AskError::By(_) => Self::bad("bad_by", message),
            AskError::Form { .. } | AskError::NotWhole { .. } | AskError::Order { .. } => {
                Self::bad("bad_range", message)
            }
            AskError::TooMany { .. } => Self::unfit("too_many_buckets", message),
        }
    }
}

impl From<StatisticsError> for ApiError {
    fn from(error: StatisticsError) -> Self {
        match error {
            StatisticsError::Ask(error) => error.into(),
            StatisticsError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refused) => refused.into(),
            CommandError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let error = Self::new(status(&refused), refused.code(), refused.to_string());
        match refused {
            Refused::Unusable { problems, .. } => {
                error.problems(problems.into_iter().map(|message| json!({ "message": message })).collect())
            }
            Refused::NotInPlace { paths, .. } => {
                error.problems(paths.into_iter().map(|path| json!({ "path": path })).collect())
            }
            Refused::Verb(refusal) => {
                let error = match refusal.why {
                    Why::Unfit(reasons) => {
                        error.problems(reasons.into_iter().map(|why| json!({ "message": why })).collect())
                    }
                    Why::NotInThisState | Why::NotInThisDialect { .. } | Why::SystemOnly => error,
                };
                error.allowed(refusal.allowed)
            }
            Refused::NobodyMoves { allowed, .. } => error.allowed(allowed),
            _ => error,
        }
    }
}

const fn status(refused: &Refused) -> StatusCode {
    match refused {
        Refused::NoId => StatusCode::BAD_REQUEST,
        Refused::GrantBySystem => StatusCode::FORBIDDEN,
        Refused::NoSuchJourney { .. } | Refused::NoEdit { .. } => StatusCode::NOT_FOUND,
        Refused::EditTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::BadId { .. }
        | Refused::OtherId { .. }
        | Refused::Unusable { .. }
        | Refused::Incomplete { .. }
        | Refused::NoSuchNode { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::IdUsed { .. }
        | Refused::Exists { .. }
        | Refused::Grant { .. }
        | Refused::Format { .. }
        | Refused::Stale { .. }
        | Refused::NotInPlace { .. }
        | Refused::List { .. }
        | Refused::NobodyMoves { .. }
        | Refused::Verb(_) => StatusCode::CONFLICT,
    }
}
