//! No allocation per event in the steady state: what an event needs was there before it came.
//!
//! Counted by an allocator, for every kind of event that a busy shard sees. Commits are counted apart: they may
//! allocate a little, per commit and not per event.

use wayfarer::control::{Act, Command, Fold, Record as ControlRecord};
use wayfarer::engine::{Body, Effects, Input, Record, Setup, Shard, StateSink};
use wayfarer::ingest::decode::decode;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;

const START: i64 = 1_772_323_200_000;
const USERS: usize = 2_000;

const JOURNEY: &str = r#"
id = "to-and-fro"
dialect = "clevertap"
[entry]
event = "Cart Updated"
where = "properties.value > 0"
reentry = { after_exit = "1d" }
[[exit]]
event = "Order Completed"
where = "properties.value > 1000"
goal = "bought"
[[node]]
id = "here"
type = "wait_event"
timeout = "30m"
branches = [{ event = "Ping", match = "cart_id", to = "tell" }]
otherwise = "there"
[[node]]
id = "tell"
type = "send"
channel = "push"
content = "hello"
variables = { cart = "entry.cart_id", value = "entry.value" }
next = "there"
[[node]]
id = "there"
type = "wait_event"
timeout = "30m"
branches = [{ event = "Ping", to = "here" }]
otherwise = "here"
[content.hello]
title = "Hello"
"#;

struct Forget;

impl StateSink for Forget {
    fn put(&mut self, _key: &[u8], _value: &[u8]) {}
    fn delete(&mut self, _key: &[u8]) {}
}

fn shard() -> Shard {
    let mut fold = Fold::new();
    let mut shard = Shard::new(Setup::single());
    let definition = wayfarer::journey::source::load("j.toml", JOURNEY.as_bytes()).expect("it is right");
    let commands =
        [Command::Put { definition: Box::new(definition) }, Command::Act(Act::from(Verb::Publish))];
    for (offset, command) in commands.into_iter().enumerate() {
        let record = ControlRecord {
            id: offset.to_string(),
            at: None,
            actor: "test".to_owned(),
            role: Role::Operator,
            journey: "to-and-fro".to_owned(),
            expect: None,
            command,
        };
        let (epoch, _) = fold.apply(offset as u64, Timestamp(START), &record).expect("it is accepted");
        let _ = shard.handle(Timestamp(START), Input::Epoch(&epoch), &mut Effects::default());
    }
    shard
}

fn message(user: usize, name: &str) -> Vec<u8> {
    format!(
        r#"{{"type":"track","userId":"6f9619ff-8b86-4011-b42d-{user:012x}","event":"{name}",
            "properties":{{"cart_id":"cart-{user}","value":12.5,"currency":"INR"}}}}"#
    )
    .into_bytes()
}

/// Feeds one event to each user, then commits; returns the allocations of the events and those of the commit.
fn round(shard: &mut Shard, effects: &mut Effects, number: usize, messages: &[Vec<u8>]) -> (u64, u64) {
    let now = Timestamp(START + number as i64 * 60_000);
    let events = allocation_counter::measure(|| {
        for (i, bytes) in messages.iter().enumerate() {
            let event = decode(bytes).expect("it decodes");
            let record = Record {
                source: 0,
                offset: (number * USERS + i) as u64,
                timed: true,
                body: Body::Event(&event),
            };
            let _ = shard.handle(now, Input::Record(record), effects);
        }
    });
    let commit = allocation_counter::measure(|| {
        let _ = shard.commit(&mut Forget);
        shard.committed();
        effects.clear();
    });
    (events.count_total, commit.count_total)
}

#[test]
fn a_busy_shard_allocates_nothing_per_event() {
    let mut shard = shard();
    let mut effects = Effects::default();
    let all = |name: &str| (0..USERS).map(|user| message(user, name)).collect::<Vec<_>>();
    let (enter, ping, other, low) =
        (all("Cart Updated"), all("Ping"), all("Product Viewed"), all("Order Completed"));
    let mut number = 0;
    let mut next = |shard: &mut Shard, effects: &mut Effects, messages: &[Vec<u8>]| {
        number += 1;
        round(shard, effects, number, messages)
    };
    let _ = next(&mut shard, &mut effects, &enter);
    assert_eq!(shard.size(), (USERS, USERS), "everybody is inside");
    for _ in 0..4 {
        let _ = next(&mut shard, &mut effects, &ping);
    }
    // What may still grow are buffers that double: a few for a whole round, however many events it has.
    let few = (USERS / 50) as u64;
    let rounds = [
        ("a move with a send", &ping),
        ("a refused entry", &enter),
        ("no match", &low),
        ("no mention", &other),
    ];
    for (what, messages) in rounds {
        let (events, commit) = next(&mut shard, &mut effects, messages);
        assert!(events <= few, "{what}: {events} allocations for {USERS} events");
        assert!(commit <= few, "{what}: {commit} allocations for the commit of {USERS} users");
    }
}

#[test]
fn timers_fire_without_allocating() {
    let mut shard = shard();
    let mut effects = Effects::default();
    let enter: Vec<_> = (0..USERS).map(|user| message(user, "Cart Updated")).collect();
    let _ = round(&mut shard, &mut effects, 0, &enter);
    for half_hour in 1..6 {
        let now = Timestamp(START + half_hour * 1_800_000);
        let fired = allocation_counter::measure(|| {
            let outcome = shard.handle(now, Input::Wake { max: usize::MAX }, &mut effects);
            assert_eq!(outcome.fired, USERS);
        });
        let _ = shard.commit(&mut Forget);
        shard.committed();
        effects.clear();
        if half_hour > 3 {
            assert!(
                fired.count_total <= (USERS / 50) as u64,
                "{} allocations for {USERS} timers",
                fired.count_total
            );
        }
    }
}
