//! Members come and go, and nobody else commits for them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use wayfarer::journal::kafka::client::{
    Committed, Consumer, Isolation, Messages, Partition, Rebalance, SentOffset, TransactionError,
};

use crate::scene::{PATIENCE, SOON, Scene, fragile, outs, text, until};

/// A member and what it was told.
struct Told {
    consumer: Consumer,
    batch: Messages,
    log: Vec<String>,
}

impl Told {
    fn join(consumer: Consumer, topic: &str) -> Self {
        consumer.subscribe(&[topic]).expect("a good name");
        Self { consumer, batch: Messages::new(), log: Vec::new() }
    }

    /// Polls, and notes what it is told and whether the partitions are still, or already, its own.
    fn poll(&mut self) -> usize {
        let log = &mut self.log;
        let told = &mut |consumer: &Consumer, change: Rebalance<'_>| {
            let (what, partitions) = match change {
                Rebalance::Assigned(partitions) => ("assigned", partitions),
                Rebalance::Revoked(partitions) => ("revoked", partitions),
                Rebalance::Lost(partitions) => ("lost", partitions),
            };
            let owned = consumer.assignment().expect("it is open");
            let held = partitions.iter().filter(|at| owned.contains(at)).count();
            log.push(format!("{what} {}, holds {held}", partitions.len()));
        };
        self.consumer.poll(&mut self.batch, 1_000, SOON, told).expect("nothing is wrong");
        self.batch.len()
    }

    fn owned(&self) -> Vec<Partition> {
        self.consumer.assignment().expect("it is open")
    }
}

#[test]
fn partitions_go_after_the_callback_and_come_paused() {
    let scene = Scene::shared();
    let topic = scene.topic("moves", 4, &[]);
    for number in 0..4 {
        scene.commit(&topic, number, &["waiting"]);
    }
    let group = scene.name("moves");
    let mut first = Told::join(scene.member(&group), &topic);
    until("it has all", || {
        assert_eq!(first.poll(), 0, "what is assigned is paused");
        (first.owned().len() == 4).then_some(())
    });
    assert_eq!(first.log, ["assigned 4, holds 0"]);
    first.log.clear();
    let from: Vec<_> = first.owned().into_iter().map(|at| (at, 0)).collect();
    first.consumer.start(&from, PATIENCE).expect("they are ours");
    let mut read = 0;
    until("all have come", || {
        read += first.poll();
        (read == 4).then_some(())
    });

    let mut second = Told::join(scene.member(&group), &topic);
    until("they share", || {
        assert_eq!((first.poll(), second.poll()), (0, 0), "what is assigned is paused");
        (second.owned().len() == 2).then_some(())
    });
    assert_eq!(first.log, ["revoked 2, holds 2"]);
    assert_eq!(second.log, ["assigned 2, holds 0"]);
    assert!(first.owned().iter().all(|at| !second.owned().contains(at)), "nobody shares one");

    let from: Vec<_> = second.owned().into_iter().map(|at| (at, 0)).collect();
    second.consumer.start(&from, PATIENCE).expect("they are ours");
    let mut read = Vec::new();
    until("the second reads its own", || {
        second.poll();
        read.extend(second.batch.iter().map(|it| (it.partition(), text(it.value()))));
        (read.len() == 2).then_some(())
    });
    first.consumer.close(PATIENCE).expect("the broker answers");
    until("the second has all", || {
        second.poll();
        (second.owned().len() == 4).then_some(())
    });
}

#[test]
fn what_is_committed_with_an_offset_comes_back() {
    let scene = Scene::shared();
    let (topic, group) = (scene.topic("positions", 2, &[]), scene.name("positions"));
    let mut member = Told::join(scene.member(&group), &topic);
    assert!(member.consumer.group_metadata().is_err(), "it has not joined yet");
    until("it has both", || {
        member.poll();
        (member.owned().len() == 2).then_some(())
    });
    let metadata = member.consumer.group_metadata().expect("it has joined");
    assert_eq!(metadata.member_id(), member.consumer.member_id());
    let [zero, one] = [0, 1].map(|number| Partition::new(topic.as_str(), number));
    let mut producer = scene.producer(&group);
    let mut transaction = producer.begin().expect("it is ready");
    let sent = [SentOffset { partition: one.clone(), offset: 42, metadata: "seq=7 epoch=3" }];
    transaction.send_offsets(&sent, &metadata, PATIENCE).expect("it is a member");
    transaction.commit(PATIENCE).expect("the broker answers");

    let asked = [zero, one];
    let expected = [None, Some(Committed { offset: 42, metadata: b"seq=7 epoch=3".to_vec() })];
    assert_eq!(member.consumer.committed(&asked, PATIENCE).expect("the broker answers"), expected);
    let reader = Consumer::reader(&scene.settings(), &group, Isolation::Committed).expect("a reader");
    assert_eq!(reader.committed(&asked, PATIENCE).expect("readers may ask"), expected);
}

#[test]
fn a_transaction_of_one_that_is_no_member_any_more_never_commits() {
    let scene = Scene::shared();
    let (topic, group) = (scene.topic("stale", 2, &[]), scene.name("stale"));
    let mut gone = Told::join(scene.member(&group), &topic);
    until("it has both", || {
        gone.poll();
        (gone.owned().len() == 2).then_some(())
    });
    let first_generation = gone.consumer.group_metadata().expect("it has joined");
    let mut stays = Told::join(scene.member(&group), &topic);
    until("they share", || {
        gone.poll();
        stays.poll();
        (stays.owned().len() == 1).then_some(())
    });
    let second_generation = gone.consumer.group_metadata().expect("it is a member");
    assert!(second_generation.generation() > first_generation.generation());

    let mut producer = scene.producer(&group);
    let mut refused = |metadata, name: &str| {
        let mut transaction = producer.begin().expect("it is ready");
        transaction.produce(&topic, outs(0, &["of a zombie"]), PATIENCE).expect("there is room");
        let at = Partition::new(topic.as_str(), 0);
        let sent = [SentOffset { partition: at, offset: 1, metadata: "" }];
        let error = transaction.send_offsets(&sent, metadata, PATIENCE).expect_err("it is stale");
        assert_eq!((error.name.as_str(), error.abortable), (name, true), "{error}");
        let committed = transaction.commit(PATIENCE);
        assert!(matches!(committed, Err(TransactionError::Aborted(_))), "{committed:?}");
    };
    refused(&first_generation, "ILLEGAL_GENERATION");
    gone.consumer.close(PATIENCE).expect("the broker answers");
    refused(&second_generation, "UNKNOWN_MEMBER_ID");
    assert!(scene.values(&topic, 0, Isolation::Committed).is_empty());
}

#[test]
fn a_transaction_without_positions_is_refused_by_the_client() {
    let scene = Scene::shared();
    let (topic, group) = (scene.topic("bare", 1, &[]), scene.name("bare"));
    let mut member = Told::join(scene.member(&group), &topic);
    until("it has it", || {
        member.poll();
        (member.owned().len() == 1).then_some(())
    });
    let metadata = member.consumer.group_metadata().expect("it has joined");
    let mut producer = scene.producer(&group);
    let negative = SentOffset { partition: Partition::new(topic.as_str(), 0), offset: -1, metadata: "" };
    for sent in [&[][..], &[negative]] {
        let mut transaction = producer.begin().expect("it is ready");
        transaction.send_offsets(sent, &metadata, PATIENCE).expect_err("librdkafka would pass over it");
        let committed = transaction.commit(PATIENCE);
        assert!(matches!(committed, Err(TransactionError::Aborted(_))), "{committed:?}");
    }
}

#[test]
fn a_panic_in_the_callback_goes_on_out_of_the_poll_and_the_partitions_come() {
    let scene = Scene::shared();
    let topic = scene.topic("panics", 1, &[]);
    let member = scene.member(&scene.name("panics"));
    member.subscribe(&[&topic]).expect("a good name");
    let mut batch = Messages::new();
    let panicked = until("it panics", || {
        let poll = || member.poll(&mut batch, 10, SOON, &mut |_, _| panic!("of the callback"));
        catch_unwind(AssertUnwindSafe(poll)).err()
    });
    assert_eq!(panicked.downcast_ref::<&str>(), Some(&"of the callback"));
    assert_eq!(member.assignment().expect("it is open").len(), 1);
}

#[test]
fn positions_are_not_moved_within_a_poll() {
    let scene = Scene::shared();
    let topic = scene.topic("within", 1, &[]);
    let member = scene.member(&scene.name("within"));
    member.subscribe(&[&topic]).expect("a good name");
    let (mut batch, refused) = (Messages::new(), RefCell::new(Vec::new()));
    until("it is assigned", || {
        let polled = member.poll(&mut batch, 10, SOON, &mut |member, change| {
            let Rebalance::Assigned(at) = change else { panic!("{change:?}") };
            let within = member.poll(&mut Messages::new(), 1, SOON, &mut |_, _| {}).map_err(|it| it.error);
            let start = member.start(&[(at[0].clone(), 0)], SOON);
            refused.borrow_mut().extend([within, start, member.pause(at), member.resume(at)]);
        });
        polled.expect("nothing is wrong");
        (!refused.borrow().is_empty()).then_some(())
    });
    for refused in refused.take() {
        assert!(refused.expect_err("a poll runs").to_string().contains("a poll runs"));
    }
}

#[test]
fn one_that_does_not_poll_in_time_loses_its_partitions() {
    let broker = fragile();
    let scene = Scene::of(&broker);
    let (topic, group) = (scene.topic("late", 1, &[]), scene.name("late"));
    let limit = Duration::from_secs(3);
    let mut late = Told::join(scene.member_for(&group, limit, limit), &topic);
    until("it has it", || {
        late.poll();
        (late.owned().len() == 1).then_some(())
    });
    let mut other = Told::join(scene.member(&group), &topic);
    until("the other has it", || {
        other.poll();
        (other.owned().len() == 1).then_some(())
    });
    let (mut lost, mut failed) = (None, None);
    until("it is told", || {
        let polled = late.consumer.poll(&mut late.batch, 10, SOON, &mut |_, change| {
            lost.get_or_insert_with(|| format!("{change:?}"));
        });
        failed = failed.take().or(polled.err());
        (lost.is_some() && failed.is_some()).then_some(())
    });
    assert!(lost.expect("it is").starts_with("Lost"));
    assert_eq!(failed.expect("it is").error.name, "_MAX_POLL_EXCEEDED");
}
