//! Topics of one test: made, filled, and read to their end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use wayfarer::journal::kafka::client::{
    Append, Appender, Consumer, Edge, Isolation, Messages, Out, Partition, Settings,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A name that no other run has had, if the broker outlives us.
pub fn unique(name: &str) -> String {
    format!("{name}.{}", std::process::id())
}

/// Makes topics of so many partitions each, and waits until they can be used. Their names must be new.
pub fn create(servers: &str, names: &[String], partitions: i32) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let made = runtime.block_on(admin.create_topics(&topics, &options)).expect("the broker answers");
    for made in made {
        made.unwrap_or_else(|(name, error)| panic!("{name}: {error}"));
    }
    // The controller has answered; the broker that is asked next hears of it in its own time.
    let deadline = Instant::now() + PATIENCE;
    for name in names {
        while !is_led(&admin, name, partitions) {
            assert!(Instant::now() < deadline, "{name} has no leader after {} s", PATIENCE.as_secs());
        }
    }
}

fn is_led(admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) -> bool {
    let metadata = admin.inner().fetch_metadata(Some(name), PATIENCE).expect("the broker answers");
    let topics = metadata.topics();
    let led = topics.iter().flat_map(|topic| topic.partitions()).filter(|partition| partition.leader() >= 0);
    i32::try_from(led.count()).is_ok_and(|led| led == partitions)
}

/// Appends `count` records, with their number as the value, to each of so many partitions.
pub fn fill(appender: &Appender, topic: &str, partitions: i32, count: i64) {
    for partition in 0..partitions {
        let values: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let record = |value| append(topic, partition, value);
        let records: Vec<Append<'_>> = values.iter().map(record).collect();
        for appended in appender.append(&records, PATIENCE) {
            appended.unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        }
    }
}

fn append<'a>(topic: &'a str, partition: i32, value: &'a String) -> Append<'a> {
    let record = Out { partition, key: None, value: Some(value.as_bytes()) };
    Append { topic, record, headers: &[] }
}

/// How often each key is there for a read_committed reader.
pub fn committed_keys(servers: &str, topic: &str, partitions: i32) -> BTreeMap<String, usize> {
    let reader =
        Consumer::reader(&Settings::new(servers), "fencing.reader", Isolation::Committed).expect("a reader");
    let all: Vec<Partition> = (0..partitions).map(|number| Partition::new(topic, number)).collect();
    let ends = reader.offsets(&all, Edge::Latest, Isolation::Uncommitted, PATIENCE).expect("their ends");
    reader.assign(&all.iter().map(|at| (at.clone(), 0)).collect::<Vec<_>>()).expect("they exist");
    let mut keys = BTreeMap::new();
    let mut batch = Messages::new();
    // Control records count in a position and are never given: the end is known by it alone.
    let there = |reader: &Consumer| {
        let positions = reader.positions(&all).expect("they are assigned");
        positions.iter().zip(&ends).all(|(position, end)| position.unwrap_or(0) >= *end)
    };
    let deadline = Instant::now() + PATIENCE;
    while !there(&reader) {
        assert!(Instant::now() < deadline, "{topic} ends with a transaction that stays open");
        reader.poll(&mut batch, 1_000, Duration::from_millis(50), &mut |_, _| ()).expect("records");
        for message in batch.iter() {
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            *keys.entry(key).or_default() += 1;
        }
    }
    keys
}
