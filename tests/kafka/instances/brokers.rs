//! Brokers that end, die, stand still and are away under load; one, and one of three. In a soak only: they take
//! minutes, and a lone broker that comes back may know no leaders for longer than these wait.

use std::io::{self, Write};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use wayfarer_broker::{Broker, Cluster, Options};

use super::deployment::Deployment;
use super::storm::{self, Storm};
use super::{PATIENCE, wait_for};
use crate::scene::Scene;

/// How long a broker is away.
const AWAY: Duration = Duration::from_secs(30);
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
fn what_one_broker_does_loses_nothing_and_sends_nothing_twice() {
    if !in_soak() {
        return;
    }
    let broker = Broker::start(&Options::default()).expect("it starts");
    let deployment = Deployment::on(Scene::of(&broker), 1, &[]);
    let rage = |storm: &mut Storm<'_>| {
        storm.revives = true;
        storm.both_own();
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
        step("SIGSTOP");
        broker.pause().expect("it runs");
        storm.not_ready_during(AWAY);
        broker.resume().expect("it is there");
        goes_on(storm);
        step("away");
        broker.stop().expect("it runs");
        storm.not_ready_during(AWAY);
        broker.restart().expect("it comes back");
        goes_on(storm);
    };
    told("one", &storm::run(&deployment, 1, rage));
}

fn goes_on(storm: &mut Storm<'_>) {
    storm.all_ready();
    storm.goes_on();
}

#[test]
fn three_brokers_lose_leader_and_coordinator_and_nothing_else() {
    if !in_soak() {
        return;
    }
    let cluster = Cluster::start(3).expect("it starts");
    let deployment = Deployment::on(Scene::of_cluster(&cluster), 1, &REPLICATED);
    let rage = |storm: &mut Storm<'_>| {
        storm.revives = true;
        storm.both_own();
        let coordinates = partition_of_group(deployment.group());
        for (topic, partition) in [
            (deployment.topic("events"), 0),
            ("__consumer_offsets".to_owned(), coordinates),
            (deployment.topic("state"), 0),
        ] {
            let leader = leader(&cluster, &topic, partition);
            step(&format!("SIGKILL to {leader}, which leads {topic}"));
            cluster.kill(leader).expect("it runs");
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
