//! One request to the server, and what its answer means to a script.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;
use ureq::{Agent, SendBody};

use crate::cli::{Role, exit};
use crate::http::{ACTOR_HEADER, KEY_HEADER, ROLE_HEADER};

/// The longest that a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that the server may take to begin its answer: it may be reading a large list.
const RECEIVE: Duration = Duration::from_secs(300);
/// The largest answer that is read, in bytes; a thousand dead letters may be large.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Who asks whom.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    /// Headers for every request.
    who: Vec<(&'static str, String)>,
}

/// What is asked, besides the path.
#[derive(Debug, Default)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) content_type: Option<&'a str>,
    /// The id of the command.
    pub(super) key: Option<&'a str>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) value: Value,
}

/// Why nothing, or nothing good, came back: the code to end with, and what to say.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) message: String,
    /// The server's own words, for `--json`.
    pub(super) answer: Option<String>,
}

impl Failure {
    pub(super) fn new(code: u8, message: String) -> Self {
        Self { code, message, answer: None }
    }
}

impl Client {
    /// For a server at `url`, in somebody's name.
    pub(super) fn new(url: &str, by: Option<(&str, Role)>) -> Self {
        // A proxy of the environment is for the world outside, not for a port of this machine.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(RECEIVE))
            .build();
        let who = by.map_or_else(Vec::new, |(actor, role)| {
            let role = match role {
                Role::Operator => "operator",
                Role::System => "system",
            };
            vec![(ACTOR_HEADER, actor.to_owned()), (ROLE_HEADER, role.to_owned())]
        });
        Self { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), who }
    }

    /// What is at a path.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(path, &Ask { method: "GET", ..Ask::default() }, None)
    }

    /// Asks, and gives an answer that is not a refusal.
    pub(super) fn send(
        &self,
        path: &str,
        ask: &Ask<'_>,
        body: Option<&mut dyn Read>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(ask.method).uri(format!("{}{path}", self.url));
        for (name, value) in &self.who {
            request = request.header(*name, value);
        }
        for (name, value) in [("content-type", ask.content_type), (KEY_HEADER, ask.key)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        // A body that is empty and none at all are two types.
        let response = match body {
            Some(source) => {
                let request = request.body(SendBody::from_reader(source));
                self.agent.run(request.map_err(|error| self.not_asked(&error))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| self.not_asked(&error))?),
        };
        let answer = response.and_then(|response| {
            let status = response.status().as_u16();
            let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
            Ok((status, body.lossy_utf8(true).read_to_string()?))
        });
        let (status, text) = answer.map_err(|error| self.unreachable(&error))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status, text, value };
        if (200..300).contains(&status) { Ok(answer) } else { Err(refusal(answer)) }
    }

    fn not_asked(&self, error: &ureq::http::Error) -> Failure {
        let message = format!(
            "{:?} cannot be asked: {error}; --url must be such as http://HOST:PORT, --actor and --id text \
             without line breaks",
            self.url
        );
        Failure::new(exit::USAGE, message)
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let message = format!(
            "the server at {} cannot be reached: {error}; is `wayfarer run` running there? (--url, \
             WAYFARER_URL)",
            self.url
        );
        Failure::new(exit::SERVER, message)
    }
}

/// What the server said no to, with all that it said.
fn refusal(answer: Answer) -> Failure {
    let error = &answer.value["error"];
    let Some(message) = error["message"].as_str() else {
        let message = format!("the server answered {} without a reason; is it a wayfarer?", answer.status);
        return Failure::new(exit::SERVER, message);
    };
    let mut said = message.to_owned();
    for problem in error["problems"].as_array().into_iter().flatten() {
        said.push_str("\n  ");
        said.push_str(&one_problem(problem));
    }
    // What another moment may cure is the server's trouble; the rest is the asker's.
    let code = if matches!(answer.status, 408 | 429 | 500..) { exit::SERVER } else { exit::PROBLEM };
    Failure { code, message: said, answer: Some(answer.text) }
}

/// One line: where, what, and what is allowed.
pub(super) fn one_problem(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().filter(|text| !text.is_empty());
    let mut parts = Vec::new();
    if let Some(line) = problem["line"].as_u64().filter(|&line| line > 0) {
        parts.push(format!("line {line}"));
    }
    if let Some(index) = problem["index"].as_u64() {
        parts.push(format!("message {index}"));
    }
    parts.extend(text("path").map(str::to_owned));
    parts.extend(text("message").map(str::to_owned));
    let mut line = parts.join(": ");
    for (key, what) in [("allowed", "allowed"), ("hint", "hint")] {
        if let Some(text) = text(key) {
            line.push_str(&format!("; {what}: {text}"));
        }
    }
    line
}

/// A text as one part of a path.
pub(super) fn in_path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
