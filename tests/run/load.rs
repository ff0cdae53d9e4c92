//! What comes in while the process is being killed: events and entries from several clients at once, and an
//! operator. Each notes what was answered, and when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::{Answer, JSON, Random, ask};

/// The journeys that are fed over HTTP: by id, and how an operator treats each.
///
/// `web` (clevertap) is paused and resumed, `hold` (antsomi) paused, reactivated and resumed, `stop-ct` and
/// `stop-an` are stopped once; `api` is entered by API.
pub(crate) const FED: [&str; 5] = ["web", "hold", "stop-ct", "stop-an", "api"];
/// How many rows the list of the journey `vips` has.
pub(crate) const ROWS: usize = 300;

/// One request of a client: nothing else is ever said of that user.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) journey: &'static str,
    pub(crate) user: String,
    pub(crate) at: Instant,
    /// When the 202 came, if it did.
    pub(crate) accepted: Option<Instant>,
}

/// Sends one user into a journey.
pub(crate) fn send(to: SocketAddr, journey: &'static str, user: String) -> Sent {
    let (path, body) = match journey {
        "api" => ("/v1/journeys/api/entries", format!(r#"{{"user":"{user}"}}"#)),
        _ => ("/v1/track", format!(r#"{{"userId":"{user}","event":"{journey}","messageId":"m-{user}"}}"#)),
    };
    let at = Instant::now();
    let answer = ask(to, "POST", path, JSON, &body);
    let accepted = match answer {
        Some(Answer { status: 202, .. }) => Some(Instant::now()),
        // Not ready yet, or about to end.
        None | Some(Answer { status: 503, .. }) => None,
        Some(Answer { status, text }) => panic!("{user}: {status}: {text}"),
    };
    Sent { journey, user, at, accepted }
}

/// A client, until it is over.
pub(crate) fn feed(to: SocketAddr, name: &str, mut random: Random, over: &AtomicBool) -> Vec<Sent> {
    let mut sent = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let journey = FED[random.below(FED.len() as u64) as usize];
        sent.push(send(to, journey, format!("{journey}-{name}-{}", sent.len())));
        std::thread::sleep(Duration::from_micros(random.below(4_000)));
    }
    sent
}

/// A command that is given until it is answered, always under the same key.
#[derive(Debug)]
struct Command {
    key: String,
    method: &'static str,
    path: String,
    headers: &'static str,
    body: String,
    first: Option<Instant>,
}

/// A gate that was shut: when the answer came, and the count that stands still from then on, once it is seen.
#[derive(Debug)]
pub(crate) struct Shut {
    pub(crate) since: Instant,
    count: Option<u64>,
    /// When it was first asked to open again.
    pub(crate) until: Option<Instant>,
}

impl Shut {
    fn now() -> Self {
        Self { since: Instant::now(), count: None, until: None }
    }
}

/// What an operator has done, and saw.
#[derive(Debug)]
pub(crate) struct Operator {
    random: Random,
    given: u64,
    pending: Option<(Command, &'static str)>,
    /// Whether `hold` was reactivated and is to be resumed.
    reactivated: bool,
    /// How far the list is: put, uploaded, published.
    list: usize,
    /// The gates that are shut now, by journey.
    shut: BTreeMap<&'static str, Shut>,
    /// When the entry of `web` was shut: an event from such a time never enters.
    pub(crate) pauses: Vec<Shut>,
    /// What each stopped journey had sent, and when the answer came.
    pub(crate) stopped: BTreeMap<&'static str, (u64, Instant)>,
}

impl Operator {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            given: 0,
            pending: None,
            reactivated: false,
            list: 0,
            shut: BTreeMap::new(),
            pauses: Vec::new(),
            stopped: BTreeMap::new(),
        }
    }

    /// Acts until it is over, or nobody answers; `stops` says whether the stops are due.
    pub(crate) fn act(&mut self, to: SocketAddr, stops: bool, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(self.random.below(12)));
            let Some(answer) = ask(to, "GET", "/readyz", "", "") else { return };
            if answer.status == 200 && self.step(to, stops).is_none() {
                return;
            }
        }
    }

    /// Gives what has not been given, and opens what is shut.
    pub(crate) fn finish(&mut self, to: SocketAddr) {
        let alive = "nobody kills it now";
        while self.pending.is_some() || self.list < 3 || self.stopped.len() < 2 {
            self.step(to, true).expect(alive);
        }
        while self.shut.contains_key("hold") || self.reactivated {
            self.turn("hold");
            self.give(to).expect(alive);
        }
        while self.shut.contains_key("web") {
            self.turn("web");
            self.give(to).expect(alive);
        }
    }

    /// One command, or what is left of the last one; `None` if there was no answer.
    fn step(&mut self, to: SocketAddr, stops: bool) -> Option<()> {
        self.look(to)?;
        if self.pending.is_none() {
            match self.random.below(5) {
                0 | 1 => self.turn("web"),
                2 | 3 => self.turn("hold"),
                _ if self.list < 3 => self.turn("vips"),
                _ if stops && !self.stopped.contains_key("stop-ct") => self.verb("stop-ct", "stop"),
                _ if stops && !self.stopped.contains_key("stop-an") => self.verb("stop-an", "abort"),
                _ => {}
            }
        }
        self.give(to)
    }

    /// Decides what is done next with a journey.
    fn turn(&mut self, journey: &'static str) {
        if self.pending.is_some() {
            return;
        }
        match (journey, self.shut.contains_key(journey)) {
            ("vips", _) => {
                let list: String = (0..ROWS).map(|n| format!("vip-{n}\n")).collect();
                let (method, path, headers, body) = [
                    ("PUT", "", "content-type: application/toml\r\n", super::kill::list_journey()),
                    ("PUT", "/list", "content-type: text/csv\r\n", format!("user_id\n{list}")),
                    ("POST", "/publish", JSON, "{}".to_owned()),
                ][self.list]
                    .clone();
                self.command("list", method, format!("/v1/journeys/vips{path}"), headers, body);
            }
            ("hold", false) if self.reactivated => self.verb(journey, "resume"),
            ("hold", true) => self.verb(journey, "reactivate"),
            (_, true) => self.verb(journey, "resume"),
            (_, false) => self.verb(journey, "pause"),
        }
    }

    fn verb(&mut self, journey: &'static str, verb: &'static str) {
        self.command(verb, "POST", format!("/v1/journeys/{journey}/{verb}"), JSON, "{}".to_owned());
    }

    fn command(
        &mut self,
        what: &'static str,
        method: &'static str,
        path: String,
        headers: &'static str,
        body: String,
    ) {
        self.given += 1;
        let key = format!("key-{}", self.given);
        self.pending = Some((Command { key, method, path, headers, body, first: None }, what));
    }

    /// Gives the command at hand until every shard has taken it.
    fn give(&mut self, to: SocketAddr) -> Option<()> {
        let Some((command, _)) = &mut self.pending else { return Some(()) };
        let headers = format!("{}idempotency-key: {}\r\n", command.headers, command.key);
        command.first.get_or_insert_with(Instant::now);
        loop {
            let answer = ask(to, command.method, &command.path, &headers, &command.body)?;
            match answer.status {
                200 => break,
                // Some shard has not taken it yet, or the process is about to end.
                202 | 503 => std::thread::sleep(Duration::from_millis(2)),
                status => panic!("{} {}: {status}: {}", command.key, command.path, answer.text),
            }
        }
        let (command, what) = self.pending.take().expect("it was there");
        let journey = FED.into_iter().find(|id| command.path.contains(&format!("/{id}/")));
        match (journey.unwrap_or("vips"), what) {
            (_, "list") => self.list += 1,
            ("hold", "resume") => self.reactivated = false,
            (journey, "pause" | "stop" | "abort") => drop(self.shut.insert(journey, Shut::now())),
            (journey, _) => {
                let shut = self.shut.remove(journey).expect("what is opened was shut");
                if journey == "hold" {
                    self.reactivated = true;
                } else {
                    self.pauses.push(Shut { until: command.first, ..shut });
                }
            }
        }
        self.look(to)
    }

    /// I9: what stood still when the answer came stands still ever after: who has entered, under a shut
    /// entry; what was sent, under a held or shut movement. Also when the process was killed meanwhile.
    fn look(&mut self, to: SocketAddr) -> Option<()> {
        // An opening that was asked for may have happened.
        let opening = self.pending.as_ref().filter(|(command, _)| command.first.is_some());
        let opening = opening.map(|(command, _)| command.path.clone()).unwrap_or_default();
        for (journey, shut) in &mut self.shut {
            if opening.contains(&format!("/{journey}/")) {
                continue;
            }
            let answer = ask(to, "GET", &format!("/v1/journeys/{journey}"), "", "")?;
            let view = (answer.status == 200).then(|| answer.value())?;
            let count = if *journey == "web" { sum(&view, "entered") } else { sent(&view) };
            let before = *shut.count.get_or_insert(count);
            assert_eq!(count, before, "{journey} went on after the answer: {view}");
            if journey.starts_with("stop") {
                self.stopped.entry(journey).or_insert((before, shut.since));
            }
        }
        Some(())
    }
}

fn versions(view: &Value) -> impl Iterator<Item = &Value> {
    view["versions"].as_array().into_iter().flatten()
}

/// A count of a journey over its versions.
pub(crate) fn sum(view: &Value, count: &str) -> u64 {
    versions(view).filter_map(|version| version[count].as_u64()).sum()
}

/// How many messages a journey has handed over.
fn sent(view: &Value) -> u64 {
    versions(view).flat_map(|v| v["sent"].as_array()).flatten().filter_map(|node| node[1].as_u64()).sum()
}
