//! Not ready while it does not process, and why (I12).

use std::time::Duration;

use wayfarer::journal::kafka::client::{Consumer, Messages, Out};

use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::wait_for;
use crate::running::wait_ready;
use crate::scene::{PATIENCE, Scene, fragile, until};

#[test]
fn who_hears_nothing_from_the_brokers_says_since_when_and_is_ready_once_they_answer() {
    let broker = fragile();
    let deployment = Deployment::on(Scene::of(&broker), 1, &[]);
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    broker.pause().expect("it runs");
    let said = wait_ready(&deployment, &instance, 503, "no broker has answered since 2");
    broker.resume().expect("it is there");
    wait_ready(&deployment, &instance, 200, "true");
    assert!(said.contains("not_ready"), "{said}");
}

#[test]
fn a_shard_that_waits_for_a_transaction_is_named_until_that_is_decided() {
    let deployment = Deployment::new(1);
    let mut foreign = deployment.scene.producer(&deployment.scene.name("foreign"));
    let mut open = foreign.begin().expect("it is ready");
    let record = Out { partition: 3, key: Some(b"k"), value: Some(b"v") };
    open.produce(&deployment.topic("state"), [record], PATIENCE).expect("there is room");
    // Only what has reached the broker is waited for.
    until("it is there", || (deployment.ends("state")[3] > 0).then_some(()));
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 503, "shard 3 waits since 2");
    open.abort(PATIENCE).expect("the broker answers");
    wait_ready(&deployment, &instance, 200, "true");
}

#[test]
fn whom_the_group_gives_nothing_joins_anew_and_has_its_shards_once_the_group_goes_on() {
    let deployment = Deployment::new(1);
    // One who is gone without a word is waited for until its session is over.
    let (session, interval) = (Duration::from_secs(36), Duration::from_secs(60));
    let gone = deployment.scene.member_as(deployment.group(), Some("gone"), session, interval);
    gone.subscribe(&[&deployment.topic("events")]).expect("there is such a topic");
    until("it is a member", || {
        poll_member(&gone);
        gone.is_assigned().then_some(())
    });
    gone.close(PATIENCE).expect("the broker answers");
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 503, "not_ready");
    wait_for(
        "it joins anew",
        || deployment.said(),
        || instance.said().contains("it joins anew").then_some(()),
    );
    wait_ready(&deployment, &instance, 200, "true");
}

/// Takes part in the group.
fn poll_member(member: &Consumer) {
    let polled = member.poll(&mut Messages::new(), 1, Duration::from_millis(20), &mut |_, _| {});
    polled.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn workers_without_shards_are_ready_once_the_group_has_said_so() {
    // More workers than shards: some of each instance have none.
    let deployment = Deployment::new(u32::from(SHARDS) - 1);
    let instances = [deployment.start("a"), deployment.start("b")];
    for instance in &instances {
        wait_ready(&deployment, instance, 200, "true");
    }
}
