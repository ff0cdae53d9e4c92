//! Topics of its own for each test, on the one broker of the run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use wayfarer::journal::kafka::client::Settings;
use wayfarer::journal::kafka::{KafkaOptions, TopicNames};
use wayfarer_broker::Broker;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The address of the broker of this run.
pub fn brokers() -> String {
    Broker::shared().expect("a broker for tests").to_owned()
}

/// A deployment of its own: topics with `shards` partitions, a group that nobody has used.
pub fn fresh(what: &str, shards: u16) -> KafkaOptions {
    fresh_on(&brokers(), what, shards)
}

/// The same on a broker that may be hurt.
pub fn fresh_on(brokers: &str, what: &str, shards: u16) -> KafkaOptions {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{what}-{}-{number}", std::process::id());
    let topics = TopicNames::with_prefix(&format!("{name}."));
    create(brokers, &topics, i32::from(shards));
    KafkaOptions { topics, ..KafkaOptions::new(Settings::new(brokers), shards, &name, "one") }
}

fn create(brokers: &str, topics: &TopicNames, shards: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let topic = |name, partitions| {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        new.set("message.timestamp.type", "LogAppendTime")
    };
    let mut new: Vec<NewTopic<'_>> = [
        &topics.events,
        &topics.internal,
        &topics.receipts,
        &topics.lists,
        &topics.sends,
        &topics.rejects,
        &topics.transitions,
        &topics.refusals,
        &topics.cycles,
    ]
    .map(|name| topic(&**name, shards))
    .into();
    new.push(topic(&*topics.state, shards).set("cleanup.policy", "compact"));
    for name in [&topics.control, &topics.views] {
        new.push(topic(&**name, 1));
    }
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answers = runtime.block_on(admin.create_topics(&new, &options)).expect("topics can be made");
    for answer in answers {
        answer.expect("the topic is made");
    }
    let names: Vec<&str> = new.iter().map(|topic| topic.name).collect();
    wait_for(&admin, &names);
}

/// A broker answers before it knows a new topic everywhere.
fn wait_for(admin: &AdminClient<DefaultClientContext>, names: &[&str]) {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        let known = admin.inner().fetch_metadata(None, Duration::from_secs(10)).expect("a broker answers");
        let led = |name: &&str| {
            let topic = known.topics().iter().find(|topic| topic.name() == *name);
            topic.is_some_and(|topic| {
                topic.partitions().iter().all(|p| p.error().is_none() && p.leader() >= 0)
            })
        };
        if names.iter().all(led) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the broker does not come to know {names:?}");
}
