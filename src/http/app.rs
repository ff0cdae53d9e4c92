//! What all requests share: the limits before they are let in, the bounded threads behind them, and the
//! routes.
//!
//! A flood stays here: at most `http.requests_max` requests are at work, at most [`INTAKE_THREADS`] and
//! [`OPERATOR_THREADS`] of them inside the process, and neither kind takes the threads of the other.
//! Workers that own shards never run on these threads.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::body::Lingering;
use super::error::{ApiError, Reply};
use super::names::{one, shown};
use super::repeats::{Repeats, Turn};
use super::{format, intake, journeys, letters, list, look, people, unsaved};
use crate::config;
use crate::control::service::Service;
use crate::metrics::Hub;

/// How many requests that bring events and entries may be inside the process at once: enough that many
/// share a commit.
pub const INTAKE_THREADS: usize = 96;
/// How many operators' requests may be inside the process at once.
pub const OPERATOR_THREADS: usize = 24;
/// How many lists may be uploaded at once: each may take `http.list_max` of memory.
pub const UPLOADS_MAX: usize = 2;
/// Threads for uploads and for the probes, which must be answered under any load.
const OTHER_THREADS: usize = UPLOADS_MAX + 6;
/// Every thread that may block.
pub(super) const THREADS: usize = INTAKE_THREADS + OPERATOR_THREADS + OTHER_THREADS;

/// When a request must be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Instant);

/// What every handler is given.
#[derive(Clone)]
pub(super) struct App(Arc<Shared>);

struct Shared {
    service: Arc<dyn Service>,
    settings: config::Http,
    hub: Hub,
    requests: Semaphore,
    intake: Arc<Semaphore>,
    operators: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    repeats: Arc<Repeats>,
    /// Journeys that are known to be there; none ever goes away.
    journeys: RwLock<BTreeSet<String>>,
}

/// Whose threads a request takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pool {
    Intake,
    Operators,
    Probes,
}

impl App {
    pub(super) fn new(service: Arc<dyn Service>, settings: config::Http, hub: Hub) -> Self {
        Self(Arc::new(Shared {
            service,
            requests: Semaphore::new(settings.requests_max as usize),
            settings,
            hub,
            intake: Arc::new(Semaphore::new(INTAKE_THREADS)),
            operators: Arc::new(Semaphore::new(OPERATOR_THREADS)),
            probes: Arc::new(Semaphore::new(OTHER_THREADS - UPLOADS_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            repeats: Arc::default(),
            journeys: RwLock::default(),
        }))
    }

    pub(super) fn settings(&self) -> &config::Http {
        &self.0.settings
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(super) fn body_max(&self) -> usize {
        self.0.settings.body_max.as_usize()
    }

    pub(super) fn uploads(&self) -> &Arc<Semaphore> {
        &self.0.uploads
    }

    /// How long a command may wait for the shards: so long that its request still gets the answer.
    pub(super) fn command_wait(&self) -> Duration {
        let settings = &self.0.settings;
        let most = settings.request_timeout.as_millis() / 10 * 9;
        Duration::from_millis(settings.command_timeout.as_millis().min(most))
    }

    /// Runs what blocks on a thread that may, as soon as there is one.
    ///
    /// If the deadline passes meanwhile the work goes on, and its thread counts until it is done: what came
    /// of it is not known to the client, who is told so.
    pub(super) async fn blocking(
        &self,
        pool: Pool,
        deadline: Deadline,
        work: impl FnOnce(&Self) -> Result<Reply, ApiError> + Send + 'static,
    ) -> Result<Reply, ApiError> {
        let permits = match pool {
            Pool::Intake => &self.0.intake,
            Pool::Operators => &self.0.operators,
            Pool::Probes => &self.0.probes,
        };
        let permit = match timeout_at(deadline.0, Arc::clone(permits).acquire_owned()).await {
            Ok(permit) => permit.expect("the permits are never closed"),
            Err(_) => {
                return Err(ApiError::busy(
                    "overloaded",
                    "the server is overloaded; nothing was done, try again",
                ));
            }
        };
        let app = self.clone();
        let task = spawn_blocking(move || {
            let reply = work(&app);
            drop(permit);
            reply
        });
        match timeout_at(deadline.0, task).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => {
                let message =
                    "the server failed in this request; it is a fault of the server, not of the request";
                Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message))
            }
            Err(_) => {
                let message = "there was no answer in time (http.request_timeout); it may have been done or \
                               not: repeat it with the same messageId or Idempotency-Key";
                Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "no_answer", message).retry_after(1))
            }
        }
    }

    /// Does what a key may be done with once, or gives the first answer again.
    pub(super) fn once(
        &self,
        key: Option<&str>,
        request: u128,
        work: impl FnOnce(&dyn Service) -> Result<Reply, ApiError>,
    ) -> Result<Reply, ApiError> {
        match self.0.repeats.begin(key, request)? {
            Turn::Again(reply) => Ok(reply),
            Turn::First(ticket) => {
                let reply = work(self.service()).unwrap_or_else(Reply::from);
                ticket.finish(&reply);
                Ok(reply)
            }
        }
    }

    pub(super) fn service(&self) -> &dyn Service {
        &*self.0.service
    }

    /// That there is such a journey. Asks the service only once for each.
    pub(super) fn known(&self, journey: &str) -> Result<(), ApiError> {
        let known =
            |app: &Self| app.0.journeys.read().unwrap_or_else(PoisonError::into_inner).contains(journey);
        if known(self) {
            return Ok(());
        }
        let ids = self.service().journeys().into_iter().map(|view| view.id);
        self.0.journeys.write().unwrap_or_else(PoisonError::into_inner).extend(ids);
        if known(self) { Ok(()) } else { Err(no_journey(journey)) }
    }
}

pub(super) fn no_journey(journey: &str) -> ApiError {
    let message = format!("there is no journey {}; put its definition first", shown(journey));
    ApiError::absent("no_such_journey", message)
}

/// Every route.
pub(super) fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/v1/track", post(intake::track))
        .route("/v1/identify", post(intake::identify))
        .route("/v1/page", post(intake::page))
        .route("/v1/screen", post(intake::screen))
        .route("/v1/group", post(intake::group))
        .route("/v1/alias", post(intake::alias))
        .route("/v1/batch", post(intake::batch))
        .route("/v1/receipts", post(intake::receipts))
        .route("/v1/users/{user}", delete(people::erase))
        .route("/v1/journeys", get(journeys::list))
        .route("/v1/journeys/{id}", get(journeys::show).put(journeys::put))
        .route("/v1/journeys/{id}/save", post(unsaved::save))
        .route("/v1/journeys/{id}/unsaved", get(unsaved::show).put(unsaved::keep).delete(unsaved::drop))
        .route("/v1/journeys/{id}/preview", post(journeys::preview))
        .route("/v1/journeys/{id}/release", post(journeys::release))
        .route("/v1/journeys/{id}/entries", post(people::enter))
        .route("/v1/journeys/{id}/users/{user}", delete(people::remove))
        .route("/v1/journeys/{id}/list", put(list::upload))
        .route("/v1/journeys/{id}/statistics", get(look::statistics))
        .route("/v1/journeys/{id}/{verb}", post(journeys::act))
        .route("/v1/explain/{user}", get(look::explain))
        .route("/v1/format", get(format::show).post(format::go))
        .route("/v1/rejects", get(letters::rejects))
        .route("/v1/rejects/replay", post(letters::replay))
        .route("/livez", get(look::livez))
        .route("/readyz", get(look::readyz))
        .route("/metrics", get(look::metrics))
        .fallback(nothing_there)
        // Each handler has its own limit, with its own sentence.
        .layer(DefaultBodyLimit::disable())
        .with_state(app.clone());
    // Around all routes, not in each: an answer to a wrong method gets its header `allow` outside of them.
    Router::new().fallback_service(routes).layer(from_fn_with_state(app, gate))
}

async fn nothing_there(uri: Uri) -> ApiError {
    let message = format!(
        "there is nothing at {}; events go to /v1/track, /v1/batch and their like, journeys are at \
         /v1/journeys",
        shown(uri.path())
    );
    ApiError::absent("no_such_path", message)
}

/// Lets a request in, or says why not; counts its answer.
async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let timeout = Duration::from_millis(app.settings().request_timeout.as_millis());
    let mut request = request.map(|body| Body::new(Lingering::new(body)));
    request.extensions_mut().insert(Deadline(Instant::now() + timeout));
    let probe = matches!(request.uri().path(), "/livez" | "/readyz" | "/metrics");
    let mut response = match (app.0.requests.try_acquire(), same_site(request.headers())) {
        (Err(_), _) if !probe => {
            let max = app.settings().requests_max;
            let message =
                format!("{max} requests are at work, the most allowed (http.requests_max); try again");
            ApiError::busy("too_many_requests", message).into_response()
        }
        (_, Err(error)) => error.into_response(),
        (permit, Ok(())) => {
            let response = next.run(request).await;
            drop(permit);
            response
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = other_method(&response);
    }
    // What names a user's id may look like markup: a browser is not to take it for that.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    app.0.hub.answered(response.status().as_u16());
    response
}

fn other_method(response: &Response) -> Response {
    let allow = response.headers().get(header::ALLOW).cloned();
    let methods =
        allow.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("another").replace(',', ", ");
    let message = format!("this method is not allowed here; allowed: {methods}");
    let mut answer = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", message).into_response();
    answer.headers_mut().extend(allow.map(|value| (header::ALLOW, value)));
    answer
}

/// Whoever reaches the port is trusted, but a page of another site in an operator's browser is not the
/// operator.
fn same_site(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = one(headers, header::ORIGIN.as_str())? else { return Ok(()) };
    let host = one(headers, header::HOST.as_str())?;
    if origin.split_once("://").map(|(_, authority)| authority) == host {
        return Ok(());
    }
    let message = format!("the page {} is of another site, and may ask nothing here", shown(origin));
    Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", message))
}
