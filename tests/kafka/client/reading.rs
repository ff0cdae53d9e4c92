//! Records come whole, in order, and as far as the isolation allows.

use wayfarer::journal::kafka::client::{Edge, Isolation, Messages, Out, Partition, Timestamp};

use crate::scene::{PATIENCE, SOON, Scene, outs, poll, text, until};

#[test]
fn ten_thousand_records_come_in_their_order_batch_by_batch() {
    let scene = Scene::shared();
    let topic = scene.topic("ten-thousand", 1, &[]);
    let values: Vec<String> = (0..10_000).map(|n| format!("value {n}")).collect();
    scene.commit(&topic, 0, &values.iter().map(String::as_str).collect::<Vec<_>>());

    let reader = scene.reader(Isolation::Committed);
    reader.assign(&[(Partition::new(topic.as_str(), 0), 0)]).expect("it is free");
    let (mut read, mut batch) = (Vec::new(), Messages::new());
    until("all have come", || {
        poll(&reader, &mut batch);
        assert!(batch.len() <= 1_000, "a batch is no larger than asked for");
        for message in batch.iter() {
            assert_eq!((message.topic(), message.partition()), (topic.as_str(), 0));
            assert_eq!(message.offset(), i64::try_from(read.len()).expect("few"));
            read.push(text(message.value()));
        }
        (read.len() >= values.len()).then_some(())
    });
    assert_eq!(read, values);
}

#[test]
fn what_a_record_carries_comes_back() {
    let scene = Scene::shared();
    let topic = scene.topic("carries", 1, &[]);
    let mut producer = scene.producer(&scene.name("carries"));
    let mut transaction = producer.begin().expect("it is ready");
    let plain = [
        Out { partition: 0, key: Some(b"k"), value: Some(b"v") },
        Out { partition: 0, key: Some(b"gone"), value: None },
        Out { partition: 0, key: None, value: Some(b"") },
    ];
    transaction.produce(&topic, plain, PATIENCE).expect("there is room");
    let headers = [("kind", &b"first"[..]), ("kind", b"last"), ("empty", b"")];
    let out = Out { partition: 0, key: Some(b""), value: Some(b"timed") };
    transaction.produce_with(&topic, out, &headers, Some(1_234_567), PATIENCE).expect("there is room");
    transaction.commit(PATIENCE).expect("the broker answers");

    let reader = scene.reader(Isolation::Committed);
    reader.assign(&[(Partition::new(topic.as_str(), 0), 0)]).expect("it is free");
    let (mut read, mut batch) = (0, Messages::new());
    until("all have come", || {
        poll(&reader, &mut batch);
        for message in batch.iter() {
            let carried = (message.key(), message.value());
            match message.offset() {
                at @ 0..3 => {
                    let out = plain[usize::try_from(at).expect("few")];
                    assert_eq!(carried, (out.key, out.value));
                    assert!(matches!(message.timestamp(), Timestamp::Created(1..)), "{message:?}");
                    assert_eq!(message.headers().count(), 0);
                }
                _ => {
                    assert_eq!(carried, (Some(&b""[..]), Some(&b"timed"[..])));
                    assert_eq!(message.timestamp(), Timestamp::Created(1_234_567));
                    let expected: Vec<_> =
                        headers.iter().map(|(name, value)| (*name, Some(*value))).collect();
                    assert_eq!(message.headers().collect::<Vec<_>>(), expected);
                    assert_eq!(message.header("kind"), Some(Some(&b"last"[..])));
                    assert_eq!(message.header("none"), None);
                }
            }
        }
        read += batch.len();
        (read == 4).then_some(())
    });
}

#[test]
fn a_paused_partition_gives_nothing_and_goes_on_where_it_was() {
    let scene = Scene::shared();
    let topic = scene.topic("paused", 2, &[]);
    scene.commit(&topic, 0, &["a0", "a1"]);
    let [still, moving] = [0, 1].map(|number| Partition::new(topic.as_str(), number));
    let reader = scene.reader(Isolation::Committed);
    reader.assign(&[(still.clone(), 0), (moving.clone(), 0)]).expect("they are free");
    let mut batch = Messages::new();
    let mut next = |expected: &str| {
        until(expected, || {
            // One at a time: the second is fetched already when its partition is paused.
            let polled = reader.poll(&mut batch, 1, SOON, &mut |_, _| {});
            polled.expect("nothing is wrong");
            batch.iter().next().map(|message| assert_eq!(text(message.value()), expected))
        });
    };
    next("a0");
    reader.pause(std::slice::from_ref(&still)).expect("it is ours");
    scene.commit(&topic, 1, &["b0", "b1"]);
    next("b0");
    next("b1");
    reader.resume(std::slice::from_ref(&still)).expect("it is ours");
    next("a1");
    reader.seek(&[(still, 0)], PATIENCE).expect("it is ours");
    next("a0");
    assert_eq!(reader.positions(&[moving]).expect("it is ours"), [Some(3)], "the marker counts");
}

#[test]
fn a_partition_that_was_paused_resumed_and_left_is_read_when_it_comes_again() {
    let scene = Scene::shared();
    let topic = scene.topic("left", 1, &[]);
    scene.commit(&topic, 0, &["a0", "a1"]);
    let one = [Partition::new(topic.as_str(), 0)];
    let reader = scene.reader(Isolation::Committed);
    for _ in 0..2 {
        reader.assign(&[(one[0].clone(), 0)]).expect("it is free");
        let mut batch = Messages::new();
        until("a0", || {
            let polled = reader.poll(&mut batch, 1, SOON, &mut |_, _| {});
            polled.expect("nothing is wrong");
            batch.iter().next().map(|message| assert_eq!(text(message.value()), "a0"))
        });
        reader.pause(&one).expect("it is ours");
        // What librdkafka has paused stays so, over assignments.
        reader.resume(&one).expect("it is ours");
        reader.unassign(&one).expect("it is ours");
    }
}

#[test]
fn offsets_are_listed_by_either_isolation_while_a_transaction_is_open() {
    let scene = Scene::shared();
    let topic = scene.topic("listed", 2, &[]);
    scene.commit(&topic, 1, &["a", "b"]);
    let mut producer = scene.producer(&scene.name("listed"));
    let mut open = producer.begin().expect("it is ready");
    open.produce(&topic, outs(1, &["c", "d", "e"]), PATIENCE).expect("there is room");

    let reader = scene.reader(Isolation::Committed);
    let at = [1, 0].map(|number| Partition::new(topic.as_str(), number));
    let list = |edge, isolation| reader.offsets(&at, edge, isolation, PATIENCE).expect("the broker answers");
    // Two records and the marker of their commit, then the three that are open.
    until("the open ones are there", || (list(Edge::Latest, Isolation::Uncommitted) == [6, 0]).then_some(()));
    assert_eq!(list(Edge::Latest, Isolation::Committed), [3, 0]);
    assert_eq!(list(Edge::Earliest, Isolation::Committed), [0, 0]);
    open.abort(PATIENCE).expect("the broker answers");
    until("the marker is there", || (list(Edge::Latest, Isolation::Committed) == [7, 0]).then_some(()));
    assert_eq!(reader.offsets(&[], Edge::Latest, Isolation::Committed, PATIENCE), Ok(Vec::new()));
}

#[test]
fn a_partition_that_is_not_there_has_no_offsets() {
    let scene = Scene::shared();
    let topic = scene.topic("few", 1, &[]);
    let at = [Partition::new(topic.as_str(), 0), Partition::new(topic.as_str(), 7)];
    let listed =
        scene.reader(Isolation::Committed).offsets(&at, Edge::Latest, Isolation::Committed, PATIENCE);
    let error = listed.expect_err("there is one partition").to_string();
    assert!(error.contains(&format!("{topic}/7")), "{error}");
}

#[test]
fn an_offset_that_is_not_there_is_an_error_of_the_poll() {
    let scene = Scene::shared();
    let topic = scene.topic("beyond", 1, &[]);
    let at = Partition::new(topic.as_str(), 0);
    let reader = scene.reader(Isolation::Committed);
    reader.assign(&[(at.clone(), 1_000)]).expect("it is free");
    let mut batch = Messages::new();
    let failed = until("it is said", || reader.poll(&mut batch, 10, SOON, &mut |_, _| {}).err());
    assert_eq!(failed.partition, Some(at));
}
