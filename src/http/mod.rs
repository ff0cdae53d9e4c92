//! The HTTP API: events in, operators' commands, what can be looked at. The only place that knows tokio.
//!
//! It knows the process behind it as a [`Service`](crate::control::service::Service) only, and calls that
//! from threads that may block, a bounded number of them. An answer is true when it is given: 202 means
//! durable, 200 to a command means that every shard has committed it.
//!
//! | request | what |
//! |---|---|
//! | `POST /v1/track`, `identify`, `page`, `screen`, `group`, `alias` | one Segment message |
//! | `POST /v1/batch` | `{"batch": [MESSAGE, …]}`: all of them, or none and every reason |
//! | `POST /v1/receipts` | a provider's report, or `{"receipts": [REPORT, …]}` |
//! | `DELETE /v1/users/USER` | enrollments end with `deleted`, what is remembered of the user is erased |
//! | `GET /v1/journeys`, `GET /v1/journeys/ID` | state, both gates, counts, allowed verbs |
//! | `PUT /v1/journeys/ID` | a definition, `application/toml` or `application/json`; `?expect=REVISION` |
//! | `POST /v1/journeys/ID/VERB` | `{selection, keep_held, reason, to, expect, id}`, all optional |
//! | `POST /v1/journeys/ID/release` | `{selection, expect, id}`: lets the held go, those parked among them |
//! | `PUT`, `GET`, `DELETE /v1/journeys/ID/unsaved` | the caller's unsaved edit of a draft, whole or not |
//! | `POST /v1/journeys/ID/preview` | `{selection}`: how many a release would let go |
//! | `POST /v1/journeys/ID/entries` | `{user, properties, id}` |
//! | `DELETE /v1/journeys/ID/users/USER` | takes a user out of a journey |
//! | `PUT /v1/journeys/ID/list` | rows, `text/csv` or `application/x-ndjson`; `?list=NAME&expect=REVISION` |
//! | `GET /v1/journeys/ID/statistics` | what moved, who is where; `?from=DAY&to=DAY&version=NUMBER&by=hour` |
//! | `GET /v1/explain/USER` | the user's story; `?journey=ID` |
//! | `GET /v1/format` | in which format everything is stored, and what every shard's owner reads |
//! | `POST /v1/format` | `{format}`: everything is written in it from now on; refused as long as an owner does not read it |
//! | `GET /v1/rejects` | dead letters; `?from=NUMBER&max=COUNT` |
//! | `POST /v1/rejects/replay` | `{numbers}` or `{from, to, code, source, since, until}` or `{all}`; `again`, `dry_run` |
//! | `GET /livez`, `/readyz`, `/metrics` | for whoever watches the process |
//!
//! Whatever is refused is refused as `{"error": {"code", "message", "problems", "allowed"}}`, except a
//! request whose head is not HTTP or longer than 64 KiB, which gets a bare status. `Idempotency-Key` is a
//! command's id: the same request again does nothing and gets the first answer, another request with it
//! 409.
//!
//! There is no authentication, and `Authorization` is not looked at: whoever reaches the port is trusted,
//! and says in
//! `X-Wayfarer-Actor` and `X-Wayfarer-Role` who it is. So the default address is the loopback one. Pages of
//! other sites in a browser on the same machine are not let in: their `Origin` gives them away.

mod error;
mod names;
mod repeats;
mod body;
mod parts;
mod app;
mod intake;
mod people;
mod journeys;
mod unsaved;
mod format;
mod list;
mod look;
mod letters;
mod server;

pub use app::{INTAKE_THREADS, OPERATOR_THREADS, UPLOADS_MAX};
pub use letters::REJECTS_MAX;
pub use names::{ACTOR_HEADER, KEY_HEADER, ROLE_HEADER, new_id};
pub use repeats::KEYS_MAX;
pub use server::{ServeError, Server, serve};
