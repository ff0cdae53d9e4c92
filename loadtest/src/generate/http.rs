//! Events over HTTP, as an SDK's server side sends them: batches over connections that stay open.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ureq::Agent;

use super::sink::Sink;
use crate::error::{Error, Result};

/// How many requests may wait for a connection; beyond, the generator is late.
const WAITING_MAX: usize = 1_000;
/// How long an event may wait until its request is full.
const LINGER: Duration = Duration::from_millis(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What became of requests.
#[derive(Debug, Default)]
struct Outcome {
    /// Events in requests that the server refused, for now or for ever.
    refused: AtomicU64,
    /// The last status with which it did.
    status: AtomicU64,
    /// Events in requests that got no answer.
    lost: AtomicU64,
}

/// One connection: what waits for its next request, and who sends it.
struct Connection {
    body: Vec<u8>,
    events: u64,
    since: Instant,
    requests: SyncSender<(Vec<u8>, u64)>,
    thread: JoinHandle<()>,
}

/// A server's `/v1/batch`; with batches of one, `/v1/track`.
pub struct Server {
    connections: Vec<Connection>,
    batch: u64,
    url: String,
    outcome: Arc<Outcome>,
}

impl Server {
    /// At that address (`http://HOST:PORT`), over so many connections; a user's events go over one, in their order.
    ///
    /// # Errors
    /// Nothing is live there.
    pub fn open(url: &str, connections: usize, batch: u64) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let asked = agent().get(format!("{url}/livez")).call();
        let live = asked.map_err(|error| Error(format!("nothing answers at {url}: {error}")))?;
        if live.status() != 200 {
            return Err(Error(format!("{url}/livez answers {}: is it a wayfarer?", live.status().as_u16())));
        }
        let outcome = Arc::new(Outcome::default());
        let path = if batch == 1 { "track" } else { "batch" };
        let connect = |_| {
            let (requests, waiting) = sync_channel(WAITING_MAX);
            let (target, outcome) = (format!("{url}/v1/{path}"), Arc::clone(&outcome));
            let thread = std::thread::spawn(move || post(&target, &waiting, &outcome));
            Connection { body: Vec::new(), events: 0, since: Instant::now(), requests, thread }
        };
        let connections = (0..connections).map(connect).collect();
        Ok(Self { connections, batch, url: url.to_owned(), outcome: Arc::clone(&outcome) })
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(ANSWER));
    config.build().new_agent()
}

/// Sends what waits, one request after the other, until nobody is left who could give one.
fn post(target: &str, waiting: &Receiver<(Vec<u8>, u64)>, outcome: &Outcome) {
    let agent = agent();
    for (body, events) in waiting {
        match agent.post(target).header("content-type", "application/json").send(&body) {
            Ok(mut answer) => {
                // Read, so that the connection can be used again.
                let _ = answer.body_mut().read_to_vec();
                if answer.status() != 202 {
                    outcome.refused.fetch_add(events, Ordering::Relaxed);
                    outcome.status.store(u64::from(answer.status().as_u16()), Ordering::Relaxed);
                }
            }
            Err(_) => {
                outcome.lost.fetch_add(events, Ordering::Relaxed);
            }
        }
    }
}

impl Connection {
    fn put(&mut self, line: &[u8], batch: u64) -> Result<()> {
        match (self.events, batch) {
            (_, 1) => {}
            (0, _) => {
                self.since = Instant::now();
                self.body.extend_from_slice(br#"{"batch":["#);
            }
            _ => self.body.push(b','),
        }
        self.body.extend_from_slice(line);
        self.events += 1;
        if self.events == batch { self.flush(batch) } else { Ok(()) }
    }

    fn flush(&mut self, batch: u64) -> Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        if batch > 1 {
            self.body.extend_from_slice(b"]}");
        }
        let request = (std::mem::take(&mut self.body), std::mem::take(&mut self.events));
        self.requests.send(request).map_err(|_| Error("a connection's thread has ended".to_owned()))
    }
}

impl Sink for Server {
    fn put(&mut self, user: &str, line: &[u8]) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let place = hasher.finish() as usize % self.connections.len();
        self.connections[place].put(line, self.batch)
    }

    fn pause(&mut self) -> Result<()> {
        let batch = self.batch;
        let mut due = self.connections.iter_mut().filter(|connection| connection.since.elapsed() >= LINGER);
        due.try_for_each(|connection| connection.flush(batch))
    }

    fn close(&mut self) -> Result<()> {
        for mut connection in self.connections.drain(..) {
            connection.flush(self.batch)?;
            drop(connection.requests);
            connection.thread.join().map_err(|_| Error("a connection's thread panicked".to_owned()))?;
        }
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        match (of(&self.outcome.refused), of(&self.outcome.lost)) {
            (0, 0) => Ok(()),
            (0, lost) => Err(Error(format!("{} did not answer to {lost} events", self.url))),
            (refused, _) => {
                let status = of(&self.outcome.status);
                Err(Error(format!("{} refused {refused} events, the last ones with {status}", self.url)))
            }
        }
    }
}
