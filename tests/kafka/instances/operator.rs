//! An operator, who gives verbs to any instance that lives, and again until they are answered; and where the
//! topics ended before a verb was given and after it was answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::deployment::{Deployment, Ends};
use super::instance::ask;
use super::storm::Fleet;
use super::{Random, wait_for};

/// The journeys that live through the whole storm.
pub const LASTING: [&str; 2] = ["ct", "an"];

/// Where everything ends, at some moment.
#[derive(Clone)]
pub struct Moment {
    pub events: Ends,
    pub decided: Ends,
    pub sends: Ends,
    pub transitions: Ends,
}

impl Moment {
    pub fn now(of: &Deployment) -> Self {
        // What is decided was read before: its bound comes first.
        let decided = of.committed().into_iter().map(|(offset, _)| offset).collect();
        Self {
            decided,
            events: of.ends("events"),
            sends: of.ends("sends"),
            transitions: of.ends("transitions"),
        }
    }
}

/// A verb that was answered.
pub struct Given {
    pub journey: String,
    pub verb: &'static str,
    pub before: Moment,
    pub after: Moment,
    pub while_dead: bool,
}

/// A journey that greets at once, and again a little later.
pub fn definition(id: &str, dialect: &str) -> String {
    format!(
        r#"
id = "{id}"
dialect = "{dialect}"
zone = "UTC"
[entry]
event = "Start"
reentry = "always"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
[[node]]
id = "patience"
type = "delay"
for = "400ms"
[[node]]
id = "again"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#
    )
}

pub struct Operator<'a> {
    of: &'a Deployment,
    fleet: &'a Fleet,
    random: Random,
    /// Whether the next journey that ends is of the dialect `antsomi`.
    antsomi: bool,
    commands: u64,
    pub given: Vec<Given>,
}

impl<'a> Operator<'a> {
    pub fn new(of: &'a Deployment, fleet: &'a Fleet, seed: u64) -> Self {
        Self {
            of,
            fleet,
            random: Random(seed),
            antsomi: seed.is_multiple_of(2),
            commands: 0,
            given: Vec::new(),
        }
    }

    /// Asks one after the other until every shard has taken it.
    fn durably(&mut self, method: &str, path: &str, kind: &str, body: &str) {
        self.commands += 1;
        let id = format!("command-{}", self.commands);
        let head = format!("idempotency-key: {id}\r\ncontent-type: {kind}\r\n");
        let Self { of, fleet, random, .. } = self;
        wait_for(
            &format!("{method} {path} is answered"),
            || of.said(),
            || {
                let to = fleet.any(random)?;
                match ask(to, method, path, &head, body.as_bytes()) {
                    Ok((200, _)) => Some(()),
                    // Not yet everywhere; not now; nobody knows.
                    Ok((202 | 500..=599, _)) | Err(_) => None,
                    // We did not wait for its answer.
                    Ok((409, said)) if said.contains("at_work") => None,
                    Ok((status, said)) => panic!("{method} {path} ({id}) of {to}: {status} {said}"),
                }
            },
        );
    }

    pub fn put(&mut self, id: &str, dialect: &str) {
        let path = format!("/v1/journeys/{id}");
        self.durably("PUT", &path, "application/toml", &definition(id, dialect));
    }

    pub fn give(&mut self, journey: &str, verb: &'static str) {
        let (before, dead) = (Moment::now(self.of), self.fleet.somebody_is_dead());
        self.durably("POST", &format!("/v1/journeys/{journey}/{verb}"), "application/json", "");
        let while_dead = dead || self.fleet.somebody_is_dead();
        let after = Moment::now(self.of);
        self.given.push(Given { journey: journey.to_owned(), verb, before, after, while_dead });
    }

    /// Makes the lasting journeys, and opens them.
    pub fn open(&mut self) {
        for (id, dialect, verb) in [("ct", "clevertap", "publish"), ("an", "antsomi", "activate")] {
            self.put(id, dialect);
            self.give(id, verb);
        }
    }

    /// Goes on until `over`, and leaves the lasting journeys open, with nobody held.
    pub fn run(&mut self, over: &AtomicBool) {
        let mut round = 0;
        while !over.load(Ordering::Relaxed) {
            round += 1;
            match round % 4 {
                1 => self.one_that_ends(round),
                2 => self.turns("ct", &["pause", "resume"]),
                3 => self.turns("an", &["pause", "reactivate", "resume"]),
                _ => self.turns("an", &["freeze", "reactivate"]),
            }
        }
    }

    fn turns(&mut self, journey: &str, verbs: &[&'static str]) {
        for verb in verbs {
            thread::sleep(self.random.millis(100, 900));
            self.give(journey, verb);
        }
    }

    /// A journey of its own, that is stopped while users are inside.
    fn one_that_ends(&mut self, round: u64) {
        let (dialect, open, stop) = match self.antsomi {
            true => ("antsomi", "activate", "abort"),
            false => ("clevertap", "publish", "stop"),
        };
        self.antsomi = !self.antsomi;
        let id = format!("brief-{round}");
        self.put(&id, dialect);
        self.turns(&id, &[open, stop]);
    }
}
