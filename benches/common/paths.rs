//! The key paths, each as a piece of work that can be timed or counted.
//!
//! Each is prepared first (a shard, its journeys, users inside), and then does the same thing for [`OPERATIONS`]
//! users, who are met in an order that is not that of memory.

use std::hint::black_box;

use wayfarer::engine::{Restore, Setup, StateSink};
use wayfarer::ingest::decode::decode;
use wayfarer::lifecycle::Verb;
use wayfarer::model::Interval;

use super::{Forget, One, events, message};

/// Who is inside before anything is measured.
const USERS: usize = 10_000;
/// How often a path is gone at once.
pub const OPERATIONS: usize = 2_000;

const MINUTE: Interval = Interval::from_mins(1);

/// Waits for one of two events in turns: the look-up, the gate, a condition, a branch, a timer.
const WAITS: &str = include_str!("waits.toml");

/// Sends at once, and is left.
const SENDS: &str = r#"
id = "sends"
dialect = "clevertap"
[entry]
event = "Signed Up"
reentry = "always"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
variables = { cart_id = "entry.cart_id", value = "entry.value" }
next = "exit"
[content.hello]
body = "Hello {{cart_id}}"
"#;

/// Splits and filters on the way to a wait.
const SPLITS: &str = r#"
id = "splits"
dialect = "clevertap"
[entry]
event = "Viewed"
[[node]]
id = "rich"
type = "split"
branches = [{ where = "entry.value > 1000", to = "arms" }, { where = "entry.value > 10", to = "arms" }]
otherwise = "exit"
[[node]]
id = "arms"
type = "random_split"
branches = [{ weight = 50, to = "wait" }, { weight = 50, to = "later" }]
[[node]]
id = "wait"
type = "delay"
for = "30m"
next = "exit"
[[node]]
id = "later"
type = "delay"
for = "60m"
next = "exit"
"#;

/// Everybody is delayed for a minute and then sent a message, unless the movement gate is held.
const HOLDS: &str = r#"
id = "holds"
dialect = "antsomi"
[entry]
event = "Subscribed"
[[node]]
id = "patience"
type = "delay"
for = "1m"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
variables = { cart_id = "entry.cart_id" }
next = "exit"
[content.hello]
body = "Hello {{cart_id}}"
"#;

/// Work that was prepared.
pub type Work = Box<dyn FnMut()>;

/// A way through the core.
pub struct Path {
    /// Its name in the output.
    pub name: &'static str,
    /// Prepares it; the work goes it [`OPERATIONS`] times.
    pub prepare: fn() -> Work,
}

/// All of them.
pub const PATHS: [Path; 17] = [
    Path { name: "decode", prepare: decoding },
    Path { name: "event-not-mentioned", prepare: || deciding(inside(), "Page Viewed", 20) },
    Path { name: "event-repeated", prepare: repeated },
    Path { name: "entry-condition-false", prepare: || deciding(One::new(&[WAITS]), "Cart Updated", -1) },
    Path { name: "entry-inside-already", prepare: || deciding(inside(), "Cart Updated", 20) },
    Path { name: "entry-gate-shut", prepare: gate_shut },
    Path { name: "enter-wait-event", prepare: || deciding(One::new(&[WAITS]), "Cart Updated", 20) },
    Path { name: "enter-split-random-delay", prepare: || deciding(One::new(&[SPLITS]), "Viewed", 20) },
    Path { name: "enter-send-leave", prepare: || deciding(One::new(&[SENDS]), "Signed Up", 20) },
    Path { name: "branch-of-wait", prepare: || deciding(inside(), "Ping", 20) },
    Path { name: "exit-by-rule", prepare: || deciding(inside(), "Order Completed", 20) },
    Path { name: "timer-sends", prepare: timer_sends },
    Path { name: "timer-holds", prepare: timer_holds },
    Path { name: "release-sends", prepare: release_sends },
    Path { name: "commit-changed-user", prepare: commit_changed },
    Path { name: "undo-changed-user", prepare: undo_changed },
    Path { name: "restore-user", prepare: restore_user },
];

/// Users in an order that is not that of memory, each once.
fn some() -> impl Iterator<Item = usize> {
    (0..OPERATIONS).map(|n| n * 7_919 % USERS)
}

/// Everybody waits.
fn inside() -> One {
    filled(WAITS, "Cart Updated", USERS)
}

fn filled(journey: &str, entry: &'static str, users: usize) -> One {
    let mut one = One::new(&[journey]);
    one.decide(events(0..users, entry, 20, 0));
    assert_eq!(one.shard.size().1, users, "they are inside");
    one.commit();
    one
}

fn deciding(mut one: One, name: &'static str, value: i64) -> Work {
    let events = events(some(), name, value, USERS);
    Box::new(move || one.decide(events))
}

fn decoding() -> Work {
    let messages: Vec<_> = some().map(|n| message(n, "Cart Updated", 20, n)).collect();
    Box::new(move || {
        for message in &messages {
            black_box(decode(black_box(message)).expect("it decodes"));
        }
    })
}

fn repeated() -> Work {
    let mut one = inside();
    let events = events(some(), "Ping", 20, USERS);
    one.decide(events);
    one.commit();
    Box::new(move || one.decide(events))
}

fn gate_shut() -> Work {
    let mut one = One::new(&[WAITS]);
    one.act("waits", Verb::Pause);
    deciding(one, "Cart Updated", 20)
}

fn timer_sends() -> Work {
    let mut one = filled(HOLDS, "Subscribed", OPERATIONS);
    Box::new(move || assert_eq!(one.pass(MINUTE).fired, OPERATIONS, "all are due"))
}

/// The delay is over, and the movement gate held.
fn paused() -> One {
    let mut one = filled(HOLDS, "Subscribed", OPERATIONS);
    one.act("holds", Verb::Pause);
    one
}

fn timer_holds() -> Work {
    let mut one = paused();
    Box::new(move || assert_eq!(one.pass(MINUTE).fired, OPERATIONS, "all are due"))
}

fn release_sends() -> Work {
    let mut one = paused();
    let _ = one.pass(MINUTE);
    one.commit();
    one.act("holds", Verb::Reactivate);
    one.act("holds", Verb::Resume);
    Box::new(move || assert_eq!(one.release().released, OPERATIONS, "all are held"))
}

/// Users who were moved since the last commit.
fn changed() -> One {
    let mut one = inside();
    one.decide(events(some(), "Ping", 20, USERS));
    one
}

fn commit_changed() -> Work {
    let mut one = changed();
    Box::new(move || one.commit())
}

fn undo_changed() -> Work {
    let mut one = changed();
    Box::new(move || {
        black_box(one.shard.commit(&mut Forget));
        one.shard.undo();
    })
}

/// Keeps what a commit wrote.
#[derive(Default)]
struct Keep(Vec<(Vec<u8>, Vec<u8>)>);

impl StateSink for Keep {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), value.to_vec()));
    }
    fn delete(&mut self, _: &[u8]) {}
}

fn restore_user() -> Work {
    let mut one = One::new(&[WAITS]);
    one.decide(events(0..OPERATIONS, "Cart Updated", 20, 0));
    let mut kept = Keep::default();
    let committing = one.shard.commit(&mut kept);
    let catalog = one.shard.catalog().clone();
    Box::new(move || {
        let mut restore = Restore::new(Setup::single());
        for (key, value) in &kept.0 {
            restore.record(key, value).expect("it was just written");
        }
        let shard = restore.finish(&committing.meta, &catalog).expect("it fits together");
        assert_eq!(black_box(shard).size().1, OPERATIONS);
    })
}
