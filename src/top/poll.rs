//! The threads that ask: one an instance, so that one that hangs delays no other.

use std::io;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use serde_json::Value;
use ureq::Agent;

use crate::control::service::JourneyView;
use crate::metrics::read::Scrape;

/// The longest that an answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest answer that is read, in bytes: a scrape of every journey there may be.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// What an instance said at one moment; if nothing that can be understood, why, as a sentence.
pub(super) type Answer = Result<Answered, String>;

/// Everything that is asked of an instance.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// When it was asked.
    pub(super) at: Instant,
    /// Why it is not ready, if it is not.
    pub(super) ails: Option<String>,
    pub(super) metrics: Scrape,
    /// The journeys with their counts over all shards; every instance tells the same.
    pub(super) journeys: Vec<JourneyView>,
}

/// The threads, for as long as somebody listens.
#[derive(Debug)]
pub(super) struct Polls {
    answers: Receiver<(usize, Answer)>,
    /// Nobody sends on it: its end ends the threads. A request under way ends by itself.
    _stop: Sender<()>,
}

impl Polls {
    /// Asks each of the instances at once, and then so often.
    pub(super) fn start(instances: &[String], every: Duration) -> io::Result<Self> {
        let (answering, answers) = unbounded();
        let (stop, stopped) = bounded::<()>(0);
        for (number, url) in instances.iter().enumerate() {
            let client = Client::new(url);
            let (answering, stopped) = (answering.clone(), stopped.clone());
            let ask = move || {
                loop {
                    let began = Instant::now();
                    if answering.send((number, client.answer())).is_err() {
                        return;
                    }
                    let rest = every.saturating_sub(began.elapsed());
                    if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            };
            Builder::new().name(format!("instance-{number}")).spawn(ask)?;
        }
        Ok(Self { answers, _stop: stop })
    }

    /// The next answer, and of which instance, by number; `None` if there is none in time.
    pub(super) fn next(&self, within: Duration) -> Option<(usize, Answer)> {
        self.answers.recv_timeout(within).ok()
    }
}

struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    fn new(url: &str) -> Self {
        // A proxy of the environment is for the world outside.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned() }
    }

    fn answer(&self) -> Answer {
        let at = Instant::now();
        let (status, text) = self.get("/readyz")?;
        let ails = match status {
            200 => None,
            503 => Some(reason(&text)),
            other => return Err(format!("it answers {other} at /readyz; is it a wayfarer?")),
        };
        let metrics = Scrape::parse(&self.good("/metrics")?).map_err(|error| error.to_string())?;
        // While an instance opens its shards it tells of no journeys.
        let journeys = match self.get("/v1/journeys")? {
            (200, text) => journeys(&text)?,
            (_, text) if ails.is_none() => return Err(reason(&text)),
            _ => Vec::new(),
        };
        Ok(Answered { at, ails, metrics, journeys })
    }

    fn good(&self, path: &str) -> Result<String, String> {
        match self.get(path)? {
            (200, text) => Ok(text),
            (status, text) => Err(format!("it answers {status} at {path}: {}", reason(&text))),
        }
    }

    fn get(&self, path: &str) -> Result<(u16, String), String> {
        let answer = self.agent.get(format!("{}{path}", self.url)).call().and_then(|response| {
            let status = response.status().as_u16();
            let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
            Ok((status, body.lossy_utf8(true).read_to_string()?))
        });
        answer.map_err(|error| format!("it cannot be reached: {error}"))
    }
}

/// The sentence in an answer that is an error.
fn reason(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    value["error"]["message"].as_str().unwrap_or("it gives no reason").to_owned()
}

fn journeys(text: &str) -> Result<Vec<JourneyView>, String> {
    #[derive(serde::Deserialize)]
    struct Journeys {
        journeys: Vec<JourneyView>,
    }
    let read = serde_json::from_str(text).map(|Journeys { journeys }| journeys);
    read.map_err(|error| format!("its journeys are not understood: {error}; is it of another version?"))
}
