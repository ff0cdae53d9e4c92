//! What is appended is said to be, with its place.

use std::thread;
use std::time::Duration;

use wayfarer::journal::kafka::client::{
    Append, AppendError, Appender, Isolation, Messages, Out, Partition, Timestamp,
};

use crate::scene::{PATIENCE, Scene, fragile, poll, until};

fn append<'a>(topic: &'a str, partition: i32, value: &'a str) -> Append<'a> {
    let record = Out { partition, key: Some(b"k"), value: Some(value.as_bytes()) };
    Append { topic, record, headers: &[("wayfarer-kind", b"7")] }
}

#[test]
fn each_record_is_answered_with_its_place_or_its_refusal() {
    let scene = Scene::shared();
    let topic = scene.topic("places", 2, &[]);
    let appender = Appender::new(&scene.settings()).expect("an appender");
    let large = "x".repeat(2_000_000);
    let said = appender.append(
        &[
            append(&topic, 0, "a"),
            append(&topic, 1, "b"),
            append(&topic, 2, "nowhere"),
            append(&topic, 1, &large),
            append(&topic, 1, "c"),
        ],
        PATIENCE,
    );
    let offsets: Vec<_> = said.iter().map(|it| it.as_ref().map(|at| at.offset).ok()).collect();
    assert_eq!(offsets, [Some(0), Some(0), None, None, Some(1)]);
    for refused in [&said[2], &said[3]] {
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    }
    assert_eq!(scene.values(&topic, 1, Isolation::Committed), ["b", "c"]);
    assert!(appender.append(&[], PATIENCE).is_empty());
}

#[test]
fn the_timestamp_is_the_one_that_readers_see() {
    let scene = Scene::shared();
    let topic = scene.topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let appender = Appender::new(&scene.settings()).expect("an appender");
    let at = appender.append(&[append(&topic, 0, "a")], PATIENCE).remove(0).expect("the broker answers");
    let reader = scene.reader(Isolation::Committed);
    reader.assign(&[(Partition::new(topic.as_str(), 0), at.offset)]).expect("it is free");
    let mut batch = Messages::new();
    until("it comes", || {
        poll(&reader, &mut batch);
        let message = batch.iter().next()?;
        assert_eq!(message.timestamp(), Timestamp::Appended(at.timestamp));
        assert_eq!(message.header("wayfarer-kind"), Some(Some(&b"7"[..])));
        Some(())
    });
}

#[test]
fn threads_that_append_at_once_are_answered_each_its_own() {
    let scene = Scene::shared();
    let topic = scene.topic("threads", 1, &[]);
    let appender = Appender::new(&scene.settings()).expect("an appender");
    let mut offsets: Vec<i64> = thread::scope(|scope| {
        let threads = (0..8).map(|_| {
            scope.spawn(|| {
                let records = ["a"; 50].map(|value| append(&topic, 0, value));
                let said = appender.append(&records, PATIENCE).into_iter().map(|it| it.expect("room").offset);
                let said: Vec<i64> = said.collect();
                assert!(said.is_sorted(), "the order of a call is kept");
                said
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    offsets.sort_unstable();
    assert_eq!(offsets, (0..400).collect::<Vec<_>>());
}

#[test]
fn what_is_not_acknowledged_in_time_is_unknown() {
    let broker = fragile();
    let scene = Scene::of(&broker);
    let topic = scene.topic("silent", 1, &[]);
    let appender = Appender::new(&scene.settings()).expect("an appender");
    appender.append(&[append(&topic, 0, "known")], PATIENCE).remove(0).expect("the broker answers");
    broker.pause().expect("it runs");
    let said = appender.append(&[append(&topic, 0, "unknown")], Duration::from_millis(300)).remove(0);
    broker.resume().expect("it is there");
    assert!(matches!(said, Err(AppendError::Unknown(_))), "{said:?}");
    until("the one that was unknown has come", || {
        (scene.values(&topic, 0, Isolation::Committed) == ["known", "unknown"]).then_some(())
    });
}
