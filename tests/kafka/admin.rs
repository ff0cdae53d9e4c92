//! What an operator does with other tools.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// What a test waits for at most, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long whoever has ended waits for its topics to go.
const FORGET_WITHIN: Duration = Duration::from_secs(5);

/// Asks until it is so: a broker shows what it was told a moment later.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{PATIENCE:?} passed before {what}");
    }
}

/// Each of its answers comes when the broker shows what was asked for.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub fn of(servers: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { client: config.create().expect("a client"), runtime }
    }

    fn options() -> AdminOptions {
        AdminOptions::new().operation_timeout(Some(PATIENCE))
    }

    pub fn create(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = self.runtime.block_on(self.client.create_topics([&topic], &Self::options()));
        assert_eq!(made.expect("the broker answers"), [Ok(name.to_owned())]);
        self.wait_partitions(name, usize::try_from(partitions).expect("it is not negative"));
    }

    /// Makes a topic whose name another one had that was deleted.
    pub fn create_again(&self, name: &str, partitions: i32) {
        until(&format!("{name} may be made"), || {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            let made = self.runtime.block_on(self.client.create_topics([&topic], &Self::options()));
            made.expect("the broker answers") == [Ok(name.to_owned())]
        });
    }

    pub fn raise(&self, name: &str, partitions: usize) {
        let more = NewPartitions::new(name, partitions);
        let made = self.runtime.block_on(self.client.create_partitions([&more], &Self::options()));
        assert_eq!(made.expect("the broker answers"), [Ok(name.to_owned())]);
        self.wait_partitions(name, partitions);
    }

    fn wait_partitions(&self, name: &str, partitions: usize) {
        until(&format!("{name} has {partitions} partitions"), || {
            let all = self.client.inner().fetch_metadata(None, PATIENCE).expect("the broker answers");
            all.topics().iter().any(|topic| topic.name() == name && topic.partitions().len() == partitions)
        });
    }

    /// Gives a topic these settings, and all others their defaults.
    pub fn set(&self, name: &str, settings: &[(&str, &str)]) {
        let entries: HashMap<&str, &str> = settings.iter().copied().collect();
        let alter = AlterConfig { specifier: ResourceSpecifier::Topic(name), entries };
        let done = self.runtime.block_on(self.client.alter_configs([&alter], &Self::options()));
        assert!(done.expect("the broker answers").iter().all(Result::is_ok));
        for (property, value) in settings {
            until(&format!("{name} has {property} {value}"), || self.setting(name, property) == *value);
        }
    }

    pub fn setting(&self, name: &str, property: &str) -> String {
        let asked = [ResourceSpecifier::Topic(name)];
        let answer = self.runtime.block_on(self.client.describe_configs(&asked, &Self::options()));
        let resource = answer.expect("the broker answers").remove(0).expect("the topic is there");
        resource.get(property).and_then(|entry| entry.value.clone()).expect("it has a value")
    }

    /// Deletes topics.
    pub fn delete(&self, names: &[&str]) {
        let done = self.runtime.block_on(self.client.delete_topics(names, &Self::options()));
        let done = done.expect("the broker answers");
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// Deletes what there is of these topics; a broker that does not answer soon keeps them.
    pub fn forget(&self, names: &[&str]) {
        let soon = AdminOptions::new().request_timeout(Some(FORGET_WITHIN));
        let _ = self.runtime.block_on(self.client.delete_topics(names, &soon));
    }

    /// Deletes the records of a partition before an offset.
    pub fn delete_records(&self, name: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(name, partition, Offset::Offset(before)).expect("it is an offset");
        let done = self.runtime.block_on(self.client.delete_records(&offsets, &Self::options()));
        done.expect("the broker answers");
    }
}
