//! An audience list in: read as it arrives, checked row by row, taken whole or not at all.
//!
//! Rows are JSON lines with a field `user_id`, or CSV with such a column; whatever else a row has stands
//! for the properties of an event. The reader is that of recorded events, so that a column means here what
//! it means there. The body is never in memory as such: chunks go through a short queue to a thread that
//! reads them. The rows are, until they are handed over; so few uploads run at once.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::Xxh3;

use super::app::{App, Deadline};
use super::body::{self, Frames, is_gzip, too_large};
use super::error::{ApiError, Reply};
use super::journeys::{record, taken};
use super::names::{self, Caller};
use super::parts::{InPath, fingerprint, query};
use super::people::properties_of;
use crate::control::{Command, Manifest};
use crate::ingest::decode;
use crate::ingest::reader::{Format, Line, ReadError, Reader};

/// How many bad rows are told before the reading ends.
const PROBLEMS_MAX: usize = 100;
/// How many chunks wait for the reading thread; the socket waits behind them.
const CHUNKS: usize = 16;
/// A list may arrive this slowly, besides `http.request_timeout`: 1 MiB a second.
const BYTES_PER_MS: u64 = 1 << 10;
/// The column or field that says who.
const USER: &str = "user_id";

const CSV: &str = "text/csv";
const LINES: [&str; 3] = ["application/x-ndjson", "application/jsonl", "application/json-lines"];

type Rows = Vec<(String, Vec<u8>)>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// The list's name; the one that the journey's definition has, if it is left out.
    #[serde(default)]
    list: String,
    expect: Option<u64>,
}

/// Takes the rows of a journey's list, and says that it is complete.
pub(super) async fn upload(
    State(app): State<App>,
    deadline: Deadline,
    path: InPath,
    request: Request,
) -> Result<Reply, ApiError> {
    let journey = path.journey()?;
    let caller = Caller::of(request.headers())?;
    let key = names::key(request.headers(), None)?;
    let is_csv = body::media_type(request.headers(), &[CSV, LINES[0], LINES[1], LINES[2]])? == CSV;
    let ListQuery { list, expect } = query(request.uri(), "list=NAME, expect=REVISION")?;
    let uploads = Arc::clone(app.uploads());
    let Ok(permit) = uploads.try_acquire_owned() else {
        let message = "other lists are being uploaded; send this one when they are done";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", message).retry_after(5));
    };
    let max = app.settings().list_max.bytes();
    let deadline = deadline.0 + Duration::from_millis(max / BYTES_PER_MS);
    let (parts, body) = request.into_parts();
    let gzip = is_gzip(&parts.headers)?;
    let mut frames = Frames::new(&parts.headers, body, max, deadline)?;
    let (chunks, received) = mpsc::channel(CHUNKS);
    let source = Chunks { received, chunk: Vec::new(), at: 0, whole: Arc::default() };
    let whole = Arc::clone(&source.whole);
    let mut request = fingerprint(&parts.method, &parts.uri);
    let work = spawn_blocking(move || {
        let _permit = permit;
        let rows = read(source, is_csv, gzip, max, &mut request)?;
        app.known(&journey)?;
        let manifest = Manifest { list, rows: rows.len() as u64 };
        let record = record(&key, caller, journey, expect, Command::List(manifest));
        app.once(key.as_deref(), request.digest128(), |service| {
            Ok(taken(&service.upload(record, rows, app.command_wait())?, Vec::new()))
        })
    });
    while let Some(chunk) = frames.next().await? {
        if chunks.send(chunk).await.is_err() {
            // The reader has seen enough, and has its answer.
            break;
        }
    }
    whole.store(true, Ordering::Release);
    drop(chunks);
    finish(work, deadline).await
}

async fn finish(
    work: tokio::task::JoinHandle<Result<Reply, ApiError>>,
    deadline: Instant,
) -> Result<Reply, ApiError> {
    match timeout_at(deadline, work).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => {
            let message =
                "the server failed in this request; it is a fault of the server, not of the request";
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message))
        }
        Err(_) => {
            let message =
                "there was no answer in time; the list may have been taken or not: look at the journey";
            Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "no_answer", message).retry_after(5))
        }
    }
}

/// The body, as a blocking reader sees it.
#[derive(Debug)]
struct Chunks {
    received: mpsc::Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    /// Whether the end of the chunks is the end of the body.
    whole: Arc<AtomicBool>,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            match self.received.blocking_recv() {
                Some(chunk) => (self.chunk, self.at) = (chunk, 0),
                None if self.whole.load(Ordering::Acquire) => return Ok(0),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body broke off")),
            }
        }
        let n = buffer.len().min(self.chunk.len() - self.at);
        buffer[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// All rows, or all that is wrong with them. What makes one list another goes into `request`.
fn read(source: Chunks, is_csv: bool, gzip: bool, max: u64, request: &mut Xxh3) -> Result<Rows, ApiError> {
    let source: Box<dyn Read + Send> =
        if gzip { Box::new(MultiGzDecoder::new(source)) } else { Box::new(source) };
    let format = if is_csv { Format::Csv(columns()) } else { Format::JsonLines };
    let mut reader = Reader::new("the list".to_owned(), source, format).map_err(unreadable)?;
    let (mut rows, mut problems) = (Rows::new(), Vec::new());
    while let Some(line) = reader.next_line().map_err(unreadable)? {
        if line.position.offset > max {
            return Err(too_large(max, "unpacked, "));
        }
        let number = line.position.line;
        match row(&line, is_csv) {
            Ok((user, fields)) => {
                request.update(user.as_bytes());
                request.update(b"\0");
                request.update(&fields);
                request.update(b"\n");
                rows.push((user, fields));
            }
            Err((code, message)) => {
                problems.push(json!({ "line": number, "code": code, "message": message }));
            }
        }
        if problems.len() == PROBLEMS_MAX {
            break;
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(bad_rows(problems)) }
}

fn bad_rows(problems: Vec<Value>) -> ApiError {
    let more = if problems.len() == PROBLEMS_MAX { " (there may be more)" } else { "" };
    let rows = if problems.len() == 1 { "row" } else { "rows" };
    let message = format!("{} {rows} cannot be taken{more}, so none was", problems.len());
    ApiError::unfit("bad_rows", message).problems(problems)
}

fn columns() -> crate::ingest::reader::Mapping {
    let mapping = format!("user={USER},event='row',properties=*");
    mapping.parse().expect("the mapping of a list is one")
}

fn unreadable(error: ReadError) -> ApiError {
    match error {
        ReadError::Header { .. } => ApiError::unfit(
            "csv_header",
            format!("the table has no column {USER}; its first line must name one"),
        ),
        other => ApiError::bad("broken_list", other.to_string()),
    }
}

type Wrong = (&'static str, String);

fn row(line: &Line<'_>, is_csv: bool) -> Result<(String, Vec<u8>), Wrong> {
    let message = match &line.message {
        Ok(message) => *message,
        Err(reject) => return Err((reject.code, reject.message.clone())),
    };
    if is_csv {
        let event =
            decode(message).map_err(|reject| (reject.code, sentence(reject.code, &reject.message)))?;
        let fields = if event.properties.is_empty() { b"{}" } else { event.properties };
        return Ok((event.user.into_owned(), fields.to_vec()));
    }
    json_row(message)
}

/// The record was made into a message, of which the client knows nothing.
fn sentence(code: &str, message: &str) -> String {
    match code {
        "user_missing" => format!("the row has no {USER}"),
        _ => message.replace("userId", USER),
    }
}

fn json_row(bytes: &[u8]) -> Result<(String, Vec<u8>), Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ("invalid_utf8", format!("the row is not UTF-8 at its byte {}", error.valid_up_to()))
    })?;
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| ("not_json", "the row is not a JSON object".to_owned()))?;
    let user = fields.remove(USER).map(|value| serde_json::from_str::<String>(value.get()));
    let user = match user {
        Some(Ok(user)) => names::user(&user).map_err(ApiError::told)?,
        Some(Err(_)) => return Err(("user_not_string", format!("{USER} must be a text in double quotes"))),
        None => return Err(("user_missing", format!("the row has no {USER}"))),
    };
    let fields = serde_json::to_string(&fields).expect("what was JSON is JSON");
    properties_of(&user, &fields).map_err(ApiError::told)?;
    Ok((user, fields.into_bytes()))
}
