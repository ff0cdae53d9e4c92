//! What several benchmarks share: a shard that is driven without a journal, and the paths through it.

#![allow(dead_code, reason = "no benchmark uses all of it")]

pub mod paths;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wayfarer::control::{Act, Command, Fold, Record as ControlRecord};
use wayfarer::engine::{Body, Effects, Epoch, Input, Outcome, Record, Setup, Shard, StateSink, WARM_MAX};
use wayfarer::ingest::decode::decode;
use wayfarer::journey::source::load;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::{Event, Interval, Timestamp};

/// When everything begins.
pub const START: Timestamp = Timestamp(1_772_323_200_000);

/// What a thread has had of a processor so far: what others do on the machine costs it caches only.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// A journal that keeps nothing.
pub struct Forget;

impl StateSink for Forget {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        black_box((key, value));
    }
    fn delete(&mut self, key: &[u8]) {
        black_box(key);
    }
}

/// The control log and its fold.
#[derive(Default)]
pub struct Control {
    fold: Fold,
    offset: u64,
}

impl Control {
    /// What a command makes of the journeys.
    pub fn apply(&mut self, at: Timestamp, journey: &str, command: Command) -> Epoch {
        let record = ControlRecord {
            id: self.offset.to_string(),
            at: None,
            actor: "bench".to_owned(),
            role: Role::Operator,
            journey: journey.to_owned(),
            expect: None,
            command,
        };
        let (epoch, ..) = self.fold.apply(self.offset, at, &record).expect("it is accepted");
        self.offset += 1;
        epoch
    }

    /// The epochs of a journey that is put and published.
    pub fn publish(&mut self, at: Timestamp, text: &str) -> [Epoch; 2] {
        let definition = load("bench.toml", text.as_bytes()).expect("it is right");
        let id = definition.id.clone();
        let goes_live = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
        let put = Command::Put { definition: Box::new(definition) };
        [put, Command::Act(Act::from(goes_live))].map(|command| self.apply(at, &id, command))
    }
}

/// One shard, its journeys, and what came of them since the last commit.
pub struct One {
    pub shard: Shard,
    pub effects: Effects,
    pub now: Timestamp,
    control: Control,
    offset: u64,
}

impl One {
    /// A shard with these journeys, published.
    pub fn new(journeys: &[&str]) -> Self {
        let mut control = Control::default();
        let mut shard = Shard::new(Setup::single());
        let mut effects = Effects::default();
        for epoch in journeys.iter().flat_map(|text| control.publish(START, text)) {
            let _ = shard.handle(START, Input::Epoch(&epoch), &mut effects);
        }
        Self { shard, effects, now: START, control, offset: 0 }
    }

    /// What a verb makes of a journey.
    pub fn act(&mut self, journey: &str, verb: Verb) {
        let epoch = self.control.apply(self.now, journey, Command::Act(Act::from(verb)));
        let _ = self.shard.handle(self.now, Input::Epoch(&epoch), &mut self.effects);
    }

    /// Events that were decoded already, as a worker gives them: some are brought in together, then decided.
    pub fn decide(&mut self, events: &[Event<'_>]) {
        for some in events.chunks(WARM_MAX) {
            self.warm(some);
            self.decide_warm(some);
        }
    }

    /// Brings in what deciding these events will touch; at most [`WARM_MAX`].
    pub fn warm(&mut self, events: &[Event<'_>]) {
        black_box(self.shard.warm(events.iter().map(|event| &*event.user)));
        black_box(self.shard.warm_messages(events.iter().filter_map(|event| event.message_id.as_deref())));
    }

    /// Decides them.
    pub fn decide_warm(&mut self, events: &[Event<'_>]) {
        for event in events {
            self.offset += 1;
            let record = Record { source: 0, offset: self.offset, timed: true, body: Body::Event(event) };
            let _ = black_box(self.shard.handle(self.now, Input::Record(record), &mut self.effects));
        }
    }

    /// How many records it has taken.
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// Lets time pass and what is due fire.
    pub fn pass(&mut self, time: Interval) -> Outcome {
        self.now = self.now + time;
        self.shard.handle(self.now, Input::Wake { max: usize::MAX }, &mut self.effects)
    }

    /// Lets held users go.
    pub fn release(&mut self) -> Outcome {
        self.shard.handle(self.now, Input::Release { max: usize::MAX }, &mut self.effects)
    }

    /// Commits into nothing.
    pub fn commit(&mut self) {
        black_box(self.shard.commit(&mut Forget));
        self.shard.committed();
        self.effects.clear();
    }
}

/// The id of the n-th user: a UUID text, spread as such ids are.
pub fn user(n: usize) -> String {
    let spread = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-8b86-4011-b42d-{n:012x}", spread >> 32)
}

/// An event of the usual size of the n-th user. No two with different `serial` are the same message.
pub fn message(n: usize, name: &str, value: i64, serial: usize) -> Vec<u8> {
    let id = user(n);
    format!(
        r#"{{"type":"track","messageId":"ajs-next-{serial:013}-8f14e45f","userId":"{id}","event":"{name}","timestamp":"2026-03-01T00:00:00.250Z","properties":{{"cart_id":"c-{n}","value":{value},"currency":"EUR","quantity":3,"products":[{{"sku":"SKU-10442","price":43.3,"quantity":3}}],"coupon":null,"first":false}},"context":{{"ip":"203.0.113.42","locale":"de-DE","page":{{"path":"/cart"}}}}}}"#
    )
    .into_bytes()
}

/// Events of users, decoded. They stay for as long as the program runs, and are made once.
pub fn events(
    users: impl IntoIterator<Item = usize>,
    name: &'static str,
    value: i64,
    serial: usize,
) -> &'static [Event<'static>] {
    static MADE: Mutex<BTreeMap<Made, &[Event<'_>]>> = Mutex::new(BTreeMap::new());
    let users: Vec<usize> = users.into_iter().collect();
    let mut made = MADE.lock().expect("nobody panics with it");
    made.entry((name, value, serial, users.clone())).or_insert_with(|| {
        let messages = users.iter().enumerate().map(|(at, &n)| message(n, name, value, serial + at));
        messages.map(|bytes| decode(bytes.leak()).expect("it decodes")).collect::<Vec<_>>().leak()
    })
}

/// Name, value, first serial number, users.
type Made = (&'static str, i64, usize, Vec<usize>);
