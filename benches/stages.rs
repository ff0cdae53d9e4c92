//! Where the time of an event goes inside the core: nanoseconds by stage, for what an event can be.
//!
//! `cargo bench --bench stages` prints the table; `WAYFARER_BENCH_USERS` says how many users wait (200,000). A worker
//! does the same in the same order: it takes 64 records of a shard apart, brings in what they will touch, decides them,
//! and commits after 10,000. What Kafka costs around that is what `make race` shows, as librdkafka's threads, and as
//! the difference to the bare loop.
//!
//! Times are the thread's own CPU time, the medians of rounds. The clock is read once for 64 events.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod common;

use std::time::Duration;

use common::{One, cpu_time, message};
use wayfarer::engine::WARM_MAX;
use wayfarer::ingest::decode::decode;
use wayfarer::model::Interval;

/// Cart abandonment as in the race: each cart event of somebody inside moves the deadline, and is refused entry.
const CART: &str = include_str!("../loadtest/journeys/cart-abandonment.toml");
/// Events between two commits, as a saturated worker has them.
const COMMIT: usize = 10_000;
const ROUNDS: usize = 21;

/// Nanoseconds for an event: taken apart, brought in, decided, committed.
type Stages = [f64; 4];

fn main() {
    // `cargo test --benches` wants to know only that everything runs.
    let test = std::env::args().any(|argument| argument == "--test");
    let users = std::env::var("WAYFARER_BENCH_USERS").ok().and_then(|n| n.parse().ok());
    let users = if test { COMMIT } else { users.unwrap_or(200_000) };
    let mut one = One::new(&[CART]);
    fill(&mut one, users);
    println!("{users} users wait; nanoseconds for an event, medians of {ROUNDS} rounds of {COMMIT}\n");
    println!("{:<34}{:>8}{:>10}{:>8}{:>8}{:>8}", "", "decode", "bring in", "decide", "commit", "all");
    let mut random = 7_u64;
    for (what, name) in [
        ("that no journey mentions", "Page Viewed"),
        ("that moves a deadline", "Cart Updated"),
        ("that lets leave", "Order Completed"),
    ] {
        let rounds: Vec<Stages> = (0..ROUNDS)
            .map(|_| {
                let chosen: Vec<usize> = (0..COMMIT).map(|_| next(&mut random) % users).collect();
                let spent = measure(&mut one, &chosen, name);
                // Whoever left comes back, so that all rounds are alike.
                if name == "Order Completed" {
                    fill(&mut one, users);
                }
                spent
            })
            .collect();
        let stages: Stages = std::array::from_fn(|at| median(rounds.iter().map(|round| round[at]).collect()));
        print!("{:<34}{:>8.0}", format!("an event {what}"), stages[0]);
        println!(
            "{:>10.0}{:>8.0}{:>8.0}{:>8.0}",
            stages[1],
            stages[2],
            stages[3],
            stages.iter().sum::<f64>()
        );
    }
}

/// Has everybody wait.
fn fill(one: &mut One, users: usize) {
    for first in (0..users).step_by(COMMIT) {
        for n in first..users.min(first + COMMIT) {
            let bytes = message(n, "Cart Updated", 20, one.offset());
            let event = decode(&bytes).expect("it decodes");
            one.decide(std::slice::from_ref(&event));
        }
        one.commit();
    }
}

fn next(random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 1) as usize
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// One turn of a worker: what each stage took for an event.
fn measure(one: &mut One, users: &[usize], name: &str) -> Stages {
    // No two records are the same message.
    let serial = one.offset();
    let messages: Vec<_> =
        users.iter().enumerate().map(|(at, &n)| message(n, name, 20, serial + at)).collect();
    let mut spent = [Duration::ZERO; 4];
    one.now = one.now + Interval::from_millis(50);
    for some in messages.chunks(WARM_MAX) {
        let began = cpu_time();
        let events: Vec<_> = some.iter().map(|bytes| decode(bytes).expect("it decodes")).collect();
        let decoded = cpu_time();
        one.warm(&events);
        let brought = cpu_time();
        one.decide_warm(&events);
        let decided = cpu_time();
        spent[0] += decoded - began;
        spent[1] += brought - decoded;
        spent[2] += decided - brought;
    }
    let began = cpu_time();
    one.commit();
    spent[3] = cpu_time() - began;
    spent.map(|spent| spent.as_nanos() as f64 / users.len() as f64)
}
