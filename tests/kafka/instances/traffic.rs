//! Events, by a producer's client and over HTTP, to whichever instance lives.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wayfarer::journal::kafka::client::{Append, Appender, Out};
use wayfarer::journal::kafka::partition::Partitioner;

use super::Random;
use super::deployment::{Deployment, SHARDS};
use super::instance::ask;
use super::storm::Fleet;
use crate::scene::PATIENCE;

/// What is no event begins so.
pub const POISON: &[u8] = b"{\"poison\":";

/// What was told to be accepted.
#[derive(Default)]
pub struct Accepted {
    pub users: BTreeSet<String>,
    pub by_http: u64,
    pub poison: u64,
}

/// The event of a user. Whoever sends it again sends the same.
fn event(user: &str) -> String {
    format!(r#"{{"type":"track","userId":"{user}","event":"Start","messageId":"m-{user}"}}"#)
}

/// Produces until `over`.
pub fn run(of: &Deployment, fleet: &Fleet, mut random: Random, over: &AtomicBool) -> Accepted {
    let appender = Appender::new(&of.scene.settings()).expect("an appender");
    let (mut accepted, mut next) = (Accepted::default(), 0_u64);
    while !over.load(Ordering::Relaxed) {
        let users: Vec<String> = (0..=random.below(15)).map(|n| format!("u{}", next + n)).collect();
        next += users.len() as u64;
        if random.below(2) == 0 {
            produce(of, &appender, &mut accepted, users, random.below(4) == 0);
        } else {
            post(fleet, &mut random, &mut accepted, users);
        }
        thread::sleep(random.millis(20, 90));
    }
    accepted
}

/// As any producer of the field.
fn produce(of: &Deployment, appender: &Appender, accepted: &mut Accepted, users: Vec<String>, poison: bool) {
    let topic = of.topic("events");
    let values: Vec<String> = users.iter().map(|user| event(user)).collect();
    let to = |user: &String| i32::from(Partitioner::Murmur2.partition(user.as_bytes(), SHARDS));
    let record = |partition, value| Append {
        topic: &topic,
        record: Out { partition, key: None, value: Some(value) },
        headers: &[],
    };
    let records = users.iter().zip(&values).map(|(user, value)| record(to(user), value.as_bytes()));
    let mut records: Vec<Append<'_>> = records.collect();
    if poison {
        records.push(record(to(&users[0]), POISON));
    }
    let answers = appender.append(&records, PATIENCE);
    // A record of which nobody knows may be there; the topic tells.
    let known = users.into_iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
    accepted.users.extend(known.map(|(user, _)| user));
    accepted.poison += u64::from(poison && answers.last().is_some_and(Result::is_ok));
}

/// To one that lives; to another if nobody knows what became of it.
fn post(fleet: &Fleet, random: &mut Random, accepted: &mut Accepted, users: Vec<String>) {
    let events: Vec<String> = users.iter().map(|user| event(user)).collect();
    let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
    for _ in 0..2 {
        let Some(to) = fleet.any(random) else { return };
        let head = "content-type: application/json\r\n";
        if let Ok((202, _)) = ask(to, "POST", "/v1/batch", head, body.as_bytes()) {
            accepted.by_http += users.len() as u64;
            accepted.users.extend(users);
            return;
        }
    }
}
