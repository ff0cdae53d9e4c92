//! A broker that is silent or gone: everything ends in time, and says what it does not know.

use std::time::Duration;

use wayfarer::journal::kafka::client::{Edge, Isolation, Messages, Partition, TransactionError};

use crate::scene::{PATIENCE, SOON, Scene, fragile, outs, until};

const BRIEFLY: Duration = Duration::from_millis(500);

#[test]
fn a_commit_that_nobody_answers_is_unknown_and_the_next_producer_finds_out() {
    let broker = fragile();
    let scene = Scene::of(&broker);
    let (topic, id) = (scene.topic("unknown", 1, &[]), scene.name("unknown"));
    let mut producer = scene.producer(&id);
    let mut transaction = producer.begin().expect("it is ready");
    transaction.produce(&topic, outs(0, &["perhaps"]), PATIENCE).expect("there is room");
    let (reader, at) = (scene.reader(Isolation::Uncommitted), [Partition::new(topic.as_str(), 0)]);
    until("it is in the log", || {
        let end = reader.offsets(&at, Edge::Latest, Isolation::Uncommitted, PATIENCE);
        (end.expect("the broker answers") == [1]).then_some(())
    });
    broker.pause().expect("it runs");
    let committed = transaction.commit(BRIEFLY);
    broker.resume().expect("it is there");
    assert!(matches!(committed, Err(TransactionError::Unknown(_))), "{committed:?}");
    assert!(producer.begin().map(drop).expect_err("it is of no use any more").fatal);
    drop(producer);

    let mut next = scene.producer(&id);
    let found = scene.values(&topic, 0, Isolation::Committed);
    assert!(found.is_empty() || found == ["perhaps"], "{found:?}");
    let mut transaction = next.begin().expect("it is ready");
    transaction.produce(&topic, outs(0, &["certainly"]), PATIENCE).expect("there is room");
    transaction.commit(PATIENCE).expect("the broker answers");
    let all = scene.values(&topic, 0, Isolation::Committed);
    assert_eq!((all[..found.len()].to_vec(), all.last().map(String::as_str)), (found, Some("certainly")));
}

#[test]
fn a_member_is_closed_at_its_deadline_when_the_broker_is_silent() {
    let broker = fragile();
    let scene = Scene::of(&broker);
    let topic = scene.topic("closing", 1, &[]);
    let member = scene.member(&scene.name("closing"));
    member.subscribe(&[&topic]).expect("a good name");
    let mut batch = Messages::new();
    until("it is a member", || {
        member.poll(&mut batch, 10, SOON, &mut |_, _| {}).expect("nothing is wrong");
        (!member.assignment().expect("it is open").is_empty()).then_some(())
    });
    broker.pause().expect("it runs");
    let closed = member.close(BRIEFLY);
    broker.resume().expect("it is there");
    assert!(closed.expect_err("nobody answers").is_timeout());
}

#[test]
fn members_and_producers_are_closed_and_dropped_when_the_broker_is_gone() {
    let broker = fragile();
    let scene = Scene::of(&broker);
    let topic = scene.topic("gone", 1, &[]);
    let member = scene.member(&scene.name("gone"));
    member.subscribe(&[&topic]).expect("a good name");
    let mut batch = Messages::new();
    until("it is a member", || {
        member.poll(&mut batch, 10, SOON, &mut |_, _| {}).expect("nothing is wrong");
        (!member.assignment().expect("it is open").is_empty()).then_some(())
    });
    let mut producer = scene.producer(&scene.name("gone"));
    let mut transaction = producer.begin().expect("it is ready");
    transaction.produce(&topic, outs(0, &["lost"]), PATIENCE).expect("there is room");
    broker.kill().expect("it runs");
    let committed = transaction.commit(BRIEFLY);
    assert!(committed.is_err());
    drop(producer);
    // It may be closed at once, since there is nobody to say farewell to, or not in time: but it ends.
    let _ = member.close(Duration::from_secs(5));
    broker.restart().expect("it comes back");
}
