//! The parts of a request that handlers take, each refused in the API's own shape.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use super::app::{App, Deadline};
use super::body::{self, Raw};
use super::error::ApiError;
use super::names;

/// What stands in the path between the slashes, by name.
#[derive(Debug)]
pub(super) struct InPath(HashMap<String, String>);

impl InPath {
    /// The journey's id, checked.
    pub(super) fn journey(&self) -> Result<String, ApiError> {
        names::journey(self.text("id"))
    }

    /// The user's id, checked.
    pub(super) fn user(&self) -> Result<String, ApiError> {
        names::user(self.text("user"))
    }

    /// As it was sent, after percent-decoding.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<HashMap<String, String>>::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(ApiError::bad("bad_path", "the path is not UTF-8 text after percent-decoding")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let deadline = parts.extensions.get::<Self>().copied();
        Ok(deadline.expect("the gate before every route sets the deadline"))
    }
}

/// The query, of a known form.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri, allowed: &str) -> Result<T, ApiError> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(_) => Err(ApiError::bad("bad_query", format!("the query is not understood; allowed: {allowed}"))),
    }
}

/// A request that was read to its end.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) raw: Raw,
}

impl Whole {
    pub(super) async fn read(app: &App, deadline: Instant, request: Request) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let raw = body::read(&parts.headers, body, app.body_max(), deadline).await?;
        Ok(Self { method: parts.method, uri: parts.uri, headers: parts.headers, raw })
    }

    /// What tells this request from another with the same key: method, path and body.
    pub(super) fn fingerprint(&self) -> u128 {
        let mut hash = fingerprint(&self.method, &self.uri);
        hash.update(&self.raw.bytes);
        hash.digest128()
    }
}

/// The same without the body, to which that can be added.
pub(super) fn fingerprint(method: &Method, uri: &Uri) -> Xxh3 {
    let mut hash = Xxh3::new();
    hash.update(method.as_str().as_bytes());
    hash.update(b"\0");
    hash.update(uri.path().as_bytes());
    hash.update(b"?");
    hash.update(uri.query().unwrap_or_default().as_bytes());
    hash.update(b"\0");
    hash
}
