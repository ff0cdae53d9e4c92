//! Brokers that end, die, stand still and are away under load; one, and one of three. For longer and more often in a
//! soak.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use wayfarer_broker::{Broker, Cluster, Options};

use super::deployment::Deployment;
use super::storm::{self, Storm};
use super::{PATIENCE, wait_for};
use crate::scene::Scene;

/// How long a broker is away, and in a soak.
const AWAY: Duration = Duration::from_secs(30);
const AWAY_LONG: Duration = Duration::from_secs(120);
/// As the broker of the tests has them (tests/broker/src/settings.rs).
const PARTITIONS_OF_OFFSETS: i32 = 8;

/// Three replicas, of which two must have what is acknowledged.
const REPLICATED: [(&str, &str); 2] = [("TOPICS__REPLICATION", "3"), ("TOPICS__MIN_INSYNC", "2")];

/// How often a broker that is alone is killed. Now and then it leaves a transaction hanging whose offsets hang too,
/// which nobody but an operator can end.
const SIGKILLS: u32 = 3;

fn in_soak() -> bool {
    std::env::var_os("WAYFARER_SOAK").is_some()
}

/// For whoever has to find out what went wrong.
fn step(what: &str) {
    let _ = writeln!(io::stderr(), "brokers: {what}");
}

fn told(what: &str, of: &storm::Told) {
    let _ = writeln!(io::stderr(), "brokers: {what}: {of:?}");
    assert!(of.sends > 0 && of.entered_surely > 0, "nothing was certain: {of:?}");
}

#[test]
fn brokers_that_end_die_and_are_away_lose_nothing_and_have_nothing_sent_twice() {
    // Side by side: most of it is waiting.
    thread::scope(|scope| {
        for running in [scope.spawn(one), scope.spawn(three)] {
            running.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// A lone broker is away; in a soak it also ends, dies and comes back. Now and then one that comes back leaves a
/// transaction hanging (`journal::kafka::left_open`), and then its shard waits for an operator, not for these.
fn one() {
    let broker = Broker::start(&Options::default()).expect("it starts");
    let deployment = Deployment::on(Scene::of(&broker), 1, &[]);
    let rage = |storm: &mut Storm<'_>| {
        storm.revives = true;
        storm.both_own();
        if in_soak() {
            step("SIGTERM");
            broker.stop().expect("it runs");
            broker.restart().expect("it comes back");
            goes_on(storm);
            for _ in 0..SIGKILLS {
                step("SIGKILL");
                broker.kill().expect("it runs");
                broker.restart().expect("it comes back");
                goes_on(storm);
            }
            step("away");
            broker.stop().expect("it runs");
            storm.not_ready_during(AWAY_LONG);
            broker.restart().expect("it comes back");
            goes_on(storm);
        }
        step("SIGSTOP");
        broker.pause().expect("it runs");
        storm.not_ready_during(AWAY);
        broker.resume().expect("it is there");
        goes_on(storm);
    };
    told("one", &storm::run(&deployment, 1, rage));
}

fn goes_on(storm: &mut Storm<'_>) {
    storm.all_ready();
    storm.goes_on();
}

/// Of a cluster whoever leads the events is killed, then whoever coordinates the group, and whoever leads the state
/// ends and comes back.
fn three() {
    let cluster = Cluster::start(3).expect("it starts");
    let deployment = Deployment::on(Scene::of_cluster(&cluster), 1, &REPLICATED);
    let rage = |storm: &mut Storm<'_>| {
        storm.revives = true;
        storm.both_own();
        let coordinates = partition_of_group(deployment.group());
        for (is_killed, topic, partition) in [
            (true, deployment.topic("events"), 0),
            (true, "__consumer_offsets".to_owned(), coordinates),
            (false, deployment.topic("state"), 0),
        ] {
            let leader = leader(&cluster, &topic, partition);
            step(&format!("the end of {leader}, which leads {topic}; is it killed: {is_killed}"));
            let ended = if is_killed { cluster.kill(leader) } else { cluster.stop(leader) };
            ended.expect("it runs");
            wait_for(
                "it counts as dead",
                || format!("{:?}", cluster.alive()),
                || (!cluster.alive().contains(&leader)).then_some(()),
            );
            goes_on(storm);
            cluster.restart(leader).expect("it comes back");
            wait_for(
                "all are alive",
                || format!("{:?}", cluster.alive()),
                || (cluster.alive().len() == 3).then_some(()),
            );
            goes_on(storm);
        }
    };
    told("three", &storm::run(&deployment, 2, rage));
}

/// The node that leads a partition.
fn leader(of: &Cluster, topic: &str, partition: i32) -> i32 {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", of.bootstrap()).create().expect("a client");
    wait_for("the leader is known", String::new, || {
        let metadata = client.fetch_metadata(Some(topic), PATIENCE).ok()?;
        let topic = metadata.topics().first()?;
        let leader = topic.partitions().iter().find(|it| it.id() == partition)?.leader();
        (leader > 0).then_some(leader)
    })
}

/// Where a group's offsets lie, by Java's hash of its name: that partition's leader coordinates it.
fn partition_of_group(group: &str) -> i32 {
    let hash = group.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    (hash & i32::MAX) % PARTITIONS_OF_OFFSETS
}
