//! What one event costs in a shard: alone, beside a million others, under a thousand journeys; and what a user weighs.
//!
//! `make bench ARGS=step`. With `WAYFARER_BENCH_USERS=10000000` the large size is ten million instead of one; it needs
//! some 3 GiB. The last lines say the resident bytes of a waiting user, read from the system.
//!
//! Times of a step are the thread's own CPU time: what others do on the machine costs caches only.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{Control, Forget, START, cpu_time};
use criterion::{Criterion, criterion_group, criterion_main};
use wayfarer::engine::{Body, Effects, Epoch, Input, Record, Setup, Shard, WARM_MAX};
use wayfarer::ingest::decode::decode;
use wayfarer::model::{Event, Timestamp, hash};

const SHARDS: u16 = 16;
/// Events between two commits, as a saturated worker has them.
const COMMIT: usize = 10_000;

/// A journey in which an event of the name `ping` moves everybody from one wait to the other.
fn journey(id: &str, entry: &str, ping: &str) -> String {
    format!(
        r#"
id = "{id}"
dialect = "clevertap"
[entry]
event = "{entry}"
where = "properties.value > 0"
[[exit]]
event = "Order Completed {id}"
[[node]]
id = "here"
type = "wait_event"
timeout = "30m"
branches = [{{ event = "{ping}", match = "cart_id", to = "there" }}]
otherwise = "there"
[[node]]
id = "there"
type = "wait_event"
timeout = "30m"
branches = [{{ event = "{ping}", where = "entry.value > 0", to = "here" }}]
otherwise = "here"
"#
    )
}

struct World {
    shards: Vec<Shard>,
    effects: Effects,
    now: i64,
    offset: u64,
    users: usize,
    random: u64,
}

impl World {
    fn new(users: usize, journeys: usize) -> Self {
        let shards = (0..SHARDS).map(|n| Shard::new(Setup::of(n, SHARDS))).collect();
        let mut world =
            Self { shards, effects: Effects::default(), now: START.0, offset: 0, users, random: 7 };
        for epoch in epochs(journeys) {
            for shard in &mut world.shards {
                let _ = shard.handle(START, Input::Epoch(&epoch), &mut world.effects);
            }
        }
        for user in 0..users {
            world.event(user, "Cart Updated");
            if user % COMMIT == 0 {
                world.commit();
            }
        }
        world.commit();
        assert_eq!(world.shards.iter().map(|s| s.size().1).sum::<usize>(), users);
        world
    }

    fn event(&mut self, user: usize, name: &str) {
        let message = message(user, name);
        self.feed(&message);
    }

    fn feed(&mut self, message: &[u8]) {
        let event = decode(message).expect("it decodes");
        let shard = usize::from(hash::shard_of(&event.user, SHARDS));
        self.offset += 1;
        let record = Record { source: 0, offset: self.offset, timed: true, body: Body::Event(&event) };
        let _ = self.shards[shard].handle(Timestamp(self.now), Input::Record(record), &mut self.effects);
    }

    fn commit(&mut self) {
        for shard in &mut self.shards {
            black_box(shard.commit(&mut Forget));
            shard.committed();
        }
        self.effects.clear();
    }

    fn some_user(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % self.users as u64) as usize
    }

    /// The time of `count` events of random users, decoding and making of messages left out, commits included.
    ///
    /// Whole batches are timed and their share is taken, so that an event bears its part of a commit and no more. As
    /// in a worker a few messages are decoded together, just before they are decided.
    fn time(&mut self, count: u64, name: &str) -> Duration {
        let mut spent = Duration::ZERO;
        let batches = count.div_ceil(COMMIT as u64);
        for _ in 0..batches {
            let mut messages: Vec<_> = (0..COMMIT)
                .map(|_| message(self.some_user(), name))
                .map(|m| (usize::from(hash::shard_of(&decode(&m).expect("it decodes").user, SHARDS)), m))
                .collect();
            // A batch comes shard by shard, as a journal gives it.
            messages.sort_by_key(|(shard, _)| *shard);
            self.now += 50;
            for of_shard in messages.chunk_by(|a, b| a.0 == b.0) {
                for chunk in of_shard.chunks(WARM_MAX) {
                    let events: Vec<_> =
                        chunk.iter().map(|(_, message)| decode(message).expect("it decodes")).collect();
                    spent += self.decide(of_shard[0].0, &events);
                }
            }
            let start = cpu_time();
            self.commit();
            spent += cpu_time() - start;
        }
        spent.mul_f64(count as f64 / (batches * COMMIT as u64) as f64)
    }

    fn decide(&mut self, shard: usize, events: &[Event<'_>]) -> Duration {
        let start = cpu_time();
        let shard = &mut self.shards[shard];
        black_box(shard.warm(events.iter().map(|event| &*event.user)));
        for event in events {
            self.offset += 1;
            let record = Record { source: 0, offset: self.offset, timed: true, body: Body::Event(event) };
            let _ = shard.handle(Timestamp(self.now), Input::Record(record), &mut self.effects);
        }
        cpu_time() - start
    }
}

fn epochs(journeys: usize) -> Vec<Epoch> {
    let mut control = Control::default();
    let texts = (0..journeys).map(|n| match n {
        0 => journey("main", "Cart Updated", "Ping"),
        n => journey(&format!("other-{n}"), &format!("Entry {n}"), &format!("Ping {n}")),
    });
    texts.flat_map(|text| control.publish(START, &text)).collect()
}

fn message(user: usize, name: &str) -> Vec<u8> {
    let spread = (user as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        r#"{{"type":"track","userId":"{:08x}-8b86-4011-b42d-{user:012x}","event":"{name}","properties":{{"cart_id":"c-{user}","value":{}}}}}"#,
        spread >> 32,
        user % 90 + 10
    )
    .into_bytes()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn large() -> usize {
    std::env::var("WAYFARER_BENCH_USERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    // The large one first: what it leaves behind would be counted as if it weighed nothing.
    for (users, journeys) in [(large(), 1), (10_000, 1), (200_000, 1), (200_000, 100), (200_000, 1_000)] {
        // Made only when it is asked for.
        let mut world = None;
        group.bench_function(format!("{users}-users-{journeys}-journeys"), |b| {
            let world = world.get_or_insert_with(|| {
                let before = resident_bytes();
                let world = World::new(users, journeys);
                if users == large() {
                    let weight = (resident_bytes() - before) as f64 / users as f64;
                    println!("{users} users: {weight:.1} resident bytes each");
                }
                world
            });
            b.iter_custom(|count| world.time(count, "Ping"));
        });
    }
    group.finish();
}

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    let mut world = World::new(200_000, 100);
    let unmentioned = std::fs::read("benches/event.json").expect("the benchmark's event is there");
    group.bench_function("decode-alone", |b| {
        b.iter(|| black_box(decode(black_box(&unmentioned)).expect("it decodes")));
    });
    group.bench_function("not-mentioned", |b| b.iter(|| world.feed(black_box(&unmentioned))));
    group.bench_function("refused-inside", |b| b.iter_custom(|n| world.time(n, "Cart Updated")));
    group.finish();
}

criterion_group!(benches, steps, events);
criterion_main!(benches);
