//! Bodies: what they may be, how large, how slow; as they were sent and, if they were compressed, unpacked.

use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use super::names::{one, shown};

/// How much of a refused body is still read, and for how long: a client that only writes would else lose
/// the answer.
const LINGER_BYTES: usize = 8 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// A body as it was sent.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) bytes: Vec<u8>,
    gzip: bool,
    max: usize,
}

/// Reads a whole body, of at most `max` bytes, before the deadline.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    deadline: Instant,
) -> Result<Raw, ApiError> {
    let gzip = is_gzip(headers)?;
    let mut body = Frames::new(headers, body, max as u64, deadline)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Raw { bytes, gzip, max })
}

impl Raw {
    /// The bytes that are meant, at most as many as a body may have. Not on a thread that must not block.
    pub(super) fn plain(self) -> Result<Vec<u8>, ApiError> {
        if !self.gzip {
            return Ok(self.bytes);
        }
        let mut plain = Vec::new();
        // One byte more than is allowed tells a bomb, and no more of it is ever unpacked.
        let mut source = MultiGzDecoder::new(self.bytes.as_slice()).take(self.max as u64 + 1);
        match source.read_to_end(&mut plain) {
            Ok(_) if plain.len() > self.max => Err(too_large(self.max as u64, "unpacked, ")),
            Ok(_) => Ok(plain),
            Err(error) => Err(ApiError::bad("not_gzip", format!("the body is no gzip: {error}"))),
        }
    }
}

/// A body chunk by chunk, never more than is allowed, never later than the deadline.
#[derive(Debug)]
pub(super) struct Frames {
    body: Body,
    read: u64,
    max: u64,
    deadline: Instant,
}

impl Frames {
    /// Refuses at once what says that it is too large.
    pub(super) fn new(
        headers: &HeaderMap,
        body: Body,
        max: u64,
        deadline: Instant,
    ) -> Result<Self, ApiError> {
        let says = one(headers, header::CONTENT_LENGTH.as_str())?.and_then(|n| n.parse::<u64>().ok());
        if says.is_some_and(|length| length > max) {
            return Err(too_large(max, ""));
        }
        Ok(Self { body, read: 0, max, deadline })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let frame = match timeout_at(self.deadline, self.body.frame()).await {
                Err(_) => {
                    let message = "the request did not arrive in time (http.request_timeout); send it \
                                   faster, or in smaller parts";
                    return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).closing());
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => {
                    let message = "the body broke off before its end, or is not as its headers say";
                    return Err(ApiError::bad("broken_body", message).closing());
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            self.read += data.len() as u64;
            if self.read > self.max {
                return Err(too_large(self.max, ""));
            }
            return Ok(Some(data.into()));
        }
    }
}

/// A body that, dropped before its end, is read on into nothing for a while: a connection that ends under a
/// client which is still writing takes the answer with it.
#[derive(Debug)]
pub(super) struct Lingering(Option<Body>);

impl Lingering {
    pub(super) fn new(body: Body) -> Self {
        Self(Some(body))
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(body) = self.0.take().filter(|body| !body.is_end_stream())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(linger(body));
        }
    }
}

/// Reads on, into nothing, for a while.
async fn linger(mut body: Body) {
    let end = Instant::now() + LINGER;
    let mut left = LINGER_BYTES;
    while let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) else { return };
        left = rest;
    }
}

pub(super) fn too_large(max: u64, how: &str) -> ApiError {
    let message = format!("the body is too large: {how}at most {max} bytes are allowed here");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).closing()
}

/// Whether the body is compressed, as the headers say.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    match one(headers, header::CONTENT_ENCODING.as_str())?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(other) => {
            let message =
                format!("{} is no content encoding known here; allowed are gzip, identity", shown(other));
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", message))
        }
    }
}

/// The media type that the headers give, if it is one of those.
pub(super) fn media_type(headers: &HeaderMap, allowed: &[&'static str]) -> Result<&'static str, ApiError> {
    let given = one(headers, header::CONTENT_TYPE.as_str())?;
    let (essence, parameters) =
        given.unwrap_or_default().split_once(';').unwrap_or((given.unwrap_or_default(), ""));
    let refuse = |what: String| {
        let message = format!("{what}; allowed here: {}", allowed.join(", "));
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message)
    };
    let parameters = parameters.to_ascii_lowercase();
    if let Some((_, charset)) = parameters.split_once("charset=")
        && charset.trim().trim_matches('"') != "utf-8"
    {
        return Err(refuse(format!("the charset {} is not utf-8", shown(charset))));
    }
    let known = allowed.iter().find(|known| essence.trim().eq_ignore_ascii_case(known));
    known.copied().ok_or_else(|| match given {
        None => refuse("the request has no Content-Type".to_owned()),
        Some(given) => refuse(format!("the Content-Type {} is not read here", shown(given))),
    })
}

/// A JSON document of a known form; unknown fields are its reader's to refuse.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (code, what) = match error.classify() {
            serde_json::error::Category::Data => ("wrong_form", "the body has the wrong form"),
            _ => ("not_json", "the body is not JSON"),
        };
        // What the reader quotes of the body is bounded: it could be all of it.
        let harmless = |c: char| if c.is_control() || "<>".contains(c) { '\u{fffd}' } else { c };
        let why: String = error.to_string().chars().take(300).map(harmless).collect();
        ApiError::bad(code, format!("{what}: {why}"))
    })
}
