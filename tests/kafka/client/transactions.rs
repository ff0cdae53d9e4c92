//! A transaction is whole or not at all, and says which.

use std::io::Write;
use std::time::{Duration, Instant};

use wayfarer::journal::kafka::client::{
    Edge, Error, Isolation, Out, Partition, Producer, Scope, Transaction, TransactionError,
};

use crate::scene::{PATIENCE, Scene, outs, until};

#[test]
fn only_what_is_committed_is_read() {
    let scene = Scene::shared();
    let topic = scene.topic("committed", 1, &[]);
    let mut producer = scene.producer(&scene.name("committed"));
    let mut produce = |values: &[&str], end: &dyn Fn(Transaction<'_>)| {
        let mut transaction = producer.begin().expect("it is ready");
        transaction.produce(&topic, outs(0, values), PATIENCE).expect("there is room");
        end(transaction);
    };
    produce(&["a", "b"], &|it| it.commit(PATIENCE).expect("the broker answers"));
    produce(&["aborted"], &|it| it.abort(PATIENCE).expect("the broker answers"));
    produce(&["dropped"], &|it| drop(it));
    produce(&["c"], &|it| it.commit(PATIENCE).expect("the broker answers"));
    assert_eq!(scene.values(&topic, 0, Isolation::Committed), ["a", "b", "c"]);
}

/// Something that a transaction refuses, once there is a topic with one partition and 1,000 bytes a record.
type Refusal = fn(&mut Transaction<'_>, &str) -> Result<(), Error>;

const REFUSALS: [(&str, Refusal); 5] = [
    ("MSG_SIZE_TOO_LARGE", |it, topic| {
        let large = "x".repeat(2_000_000);
        it.produce(topic, outs(0, &["fits", &large, "fits too"]), PATIENCE)
    }),
    ("MSG_SIZE_TOO_LARGE", |it, topic| {
        // The client lets it pass, the broker does not: it comes out at the commit.
        it.produce(topic, outs(0, &["y".repeat(5_000).as_str()]), PATIENCE)
    }),
    ("_UNKNOWN_PARTITION", |it, topic| it.produce(topic, outs(1, &["nowhere"]), PATIENCE)),
    ("UNKNOWN_TOPIC_OR_PART", |it, topic| it.produce(&format!("{topic}.none"), outs(0, &["z"]), PATIENCE)),
    ("_UNKNOWN_PARTITION", |it, topic| {
        it.produce_with(topic, Out { partition: -1, key: None, value: None }, &[], None, PATIENCE)
    }),
];

#[test]
fn a_transaction_with_a_refused_record_never_commits_and_the_next_one_does() {
    let scene = Scene::shared();
    let topic = scene.topic("refused", 1, &[("max.message.bytes", "1000")]);
    let settings = scene.settings().with(Scope::Producer, "compression.type", "none").expect("it is free");
    let mut producer = Producer::new(&settings, &scene.name("refused"), PATIENCE).expect("a producer");
    producer.init_transactions(PATIENCE).expect("the broker answers");
    for (name, refusal) in REFUSALS {
        let mut transaction = producer.begin().expect("it is ready");
        transaction.produce(&topic, outs(0, &["before"]), PATIENCE).expect("there is room");
        let refused = refusal(&mut transaction, &topic);
        if refused.is_err() {
            let again = transaction.produce(&topic, outs(0, &["after"]), PATIENCE);
            assert_eq!(again.expect_err("it is poisoned").name, name);
        }
        match transaction.commit(PATIENCE) {
            Err(TransactionError::Aborted(error)) => assert_eq!(error.name, name, "{error}"),
            other => panic!("{name}: {other:?}"),
        }
        // What the broker has refused is missing in the partition's sequence, which costs one more
        // transaction.
        let committed = (0..2).find_map(|_| {
            let mut transaction = producer.begin().expect("it goes on");
            transaction.produce(&topic, outs(0, &["good"]), PATIENCE).expect("there is room");
            transaction.commit(PATIENCE).ok()
        });
        assert_eq!(committed, Some(()), "nothing is wrong with this one");
    }
    assert_eq!(scene.values(&topic, 0, Isolation::Committed), [const { "good" }; REFUSALS.len()]);
}

#[test]
fn a_full_queue_is_waited_for_and_keeps_the_order() {
    let scene = Scene::shared();
    let topic = scene.topic("full", 1, &[]);
    let settings =
        scene.settings().with(Scope::Producer, "queue.buffering.max.messages", "100").expect("it is free");
    let mut producer = Producer::new(&settings, &scene.name("full"), PATIENCE).expect("a producer");
    producer.init_transactions(PATIENCE).expect("the broker answers");
    let values: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let (batch, single) = values.split_at(900);
    let mut transaction = producer.begin().expect("it is ready");
    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
    transaction.produce(&topic, outs(0, &batch), PATIENCE).expect("it is waited for");
    for value in single {
        let out = Out { partition: 0, key: None, value: Some(value.as_bytes()) };
        transaction.produce_with(&topic, out, &[], None, PATIENCE).expect("it is waited for");
    }
    transaction.commit(PATIENCE).expect("the broker answers");
    assert_eq!(scene.values(&topic, 0, Isolation::Committed), values);
}

#[test]
fn a_producer_that_was_fenced_says_so() {
    let scene = Scene::shared();
    let topic = scene.topic("fenced", 1, &[]);
    let id = scene.name("fenced");
    let mut old = scene.producer(&id);
    let mut transaction = old.begin().expect("it is ready");
    transaction.produce(&topic, outs(0, &["old"]), PATIENCE).expect("there is room");
    let mut new = scene.producer(&id);
    let committed = transaction.commit(PATIENCE);
    assert!(matches!(committed, Err(TransactionError::Fenced(_))), "{committed:?}");
    let error = old.begin().map(drop).expect_err("it is of no use any more");
    assert!(error.fatal, "{error}");
    let mut transaction = new.begin().expect("it is ready");
    transaction.produce(&topic, outs(0, &["new"]), PATIENCE).expect("there is room");
    transaction.commit(PATIENCE).expect("it is the one");
    assert_eq!(scene.values(&topic, 0, Isolation::Committed), ["new"]);
}

#[test]
fn a_commit_of_little_takes_milliseconds() {
    let scene = Scene::shared();
    let topic = scene.topic("quick", 1, &[]);
    let (reader, at) = (scene.reader(Isolation::Committed), [Partition::new(topic.as_str(), 0)]);
    let end = |isolation| reader.offsets(&at, Edge::Latest, isolation, PATIENCE).expect("the broker answers");
    let mut producer = scene.producer(&scene.name("quick"));
    let values = ["one of a hundred"; 100];
    let mut took: Vec<Duration> = (0..50)
        .map(|_| {
            // As long as the last transaction's markers are missing the next one is put off, by 20 ms.
            until("it is idle", || (end(Isolation::Committed) == end(Isolation::Uncommitted)).then_some(()));
            let mut transaction = producer.begin().expect("it is ready");
            transaction.produce(&topic, outs(0, &values), PATIENCE).expect("there is room");
            let start = Instant::now();
            transaction.commit(PATIENCE).expect("the broker answers");
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    // A figure to look at; how fast the machine is today is nobody's promise.
    let said = format!("commit of 100 records: median {:?}, slowest {:?}\n", took[25], took[49]);
    std::io::stderr().write_all(said.as_bytes()).expect("stderr takes it");
}
