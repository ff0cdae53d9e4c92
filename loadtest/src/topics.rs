//! Topics that are made for a load, measured, and deleted.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use wayfarer::journal::kafka::client::{Consumer, Edge, Isolation, Message, Messages, Partition, Settings};

use crate::error::{Error, Result};

/// How long brokers may take for an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The keys in `[topics]` of what `wayfarer topics apply` makes beside the events.
pub const OWN: [&str; 11] = [
    "internal",
    "receipts",
    "lists",
    "control",
    "state",
    "sends",
    "rejects",
    "transitions",
    "refusals",
    "cycles",
    "views",
];

/// Who asks brokers for topics.
pub struct Topics {
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
    servers: String,
}

/// What lies in a topic, by the first byte of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Content {
    /// Records.
    pub records: u64,
    /// The bytes of their keys.
    pub keys: u64,
    /// The bytes of their values.
    pub values: u64,
}

impl AddAssign for Content {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.keys += other.keys;
        self.values += other.values;
    }
}

impl Topics {
    /// Of the cluster at these addresses.
    ///
    /// # Errors
    /// The addresses are none, or there are no threads.
    pub fn new(servers: &str) -> Result<Self> {
        let kafka = |error| Error(format!("Kafka: {error}"));
        let admin = ClientConfig::new().set("bootstrap.servers", servers).create().map_err(kafka)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error(format!("no thread for Kafka's answers: {error}")))?;
        Ok(Self { admin, runtime, servers: servers.to_owned() })
    }

    /// That a broker answers.
    ///
    /// # Errors
    /// None does within ten seconds.
    pub fn reach(&self) -> Result<()> {
        let asked = self.admin.inner().fetch_metadata(None, Duration::from_secs(10));
        let servers = &self.servers;
        asked.map(drop).map_err(|error| {
            Error(format!(
                "no broker answers at {servers}: {error}; `--brokers HOST:PORT` or WAYFARER_KAFKA names another one"
            ))
        })
    }

    /// Where each broker of the cluster listens, by its own word.
    ///
    /// # Errors
    /// None answers.
    pub fn brokers(&self) -> Result<Vec<(String, u16)>> {
        let asked = self.admin.inner().fetch_metadata(None, PATIENCE);
        let told = asked.map_err(|error| Error(format!("no broker answers at {}: {error}", self.servers)))?;
        let at = |broker: &rdkafka::metadata::MetadataBroker| {
            (broker.host().to_owned(), u16::try_from(broker.port()).unwrap_or(0))
        };
        Ok(told.brokers().iter().map(at).collect())
    }

    /// Makes a topic, whose records are stamped by the broker.
    ///
    /// # Errors
    /// The brokers refuse it, or do not answer.
    pub fn make(&self, name: &str, partitions: u16, compacted: bool) -> Result<()> {
        let policy = if compacted { "compact" } else { "delete" };
        let new = NewTopic::new(name, i32::from(partitions), TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime")
            .set("cleanup.policy", policy);
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = self.runtime.block_on(self.admin.create_topics([&new], &options));
        let made = made.map_err(|error| Error(format!("Kafka does not make the topic {name}: {error}")))?;
        for result in made {
            result.map_err(|(name, code)| Error(format!("Kafka does not make the topic {name}: {code}")))?;
        }
        Ok(())
    }

    /// Deletes topics; those that are not there are passed over.
    pub fn delete(&self, names: &[String]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        // What is left behind takes room and does no harm.
        let _ = self.runtime.block_on(self.admin.delete_topics(&names, &options));
    }

    /// How many records lie before the ends of a topic's partitions, markers of transactions included.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn ends(&self, topic: &str, partitions: u16) -> Result<Vec<i64>> {
        let reader = Consumer::reader(&Settings::new(&*self.servers), "wayfarer-load", Isolation::Committed)?;
        let all = partitions_of(topic, partitions);
        Ok(reader.offsets(&all, Edge::Latest, Isolation::Committed, PATIENCE)?)
    }

    /// What lies committed in a topic, by the first byte of the key (0 if there is none).
    ///
    /// # Errors
    /// The brokers do not answer, or not to the end.
    pub fn content(&self, topic: &str, partitions: u16) -> Result<BTreeMap<u8, Content>> {
        let mut content = BTreeMap::<u8, Content>::new();
        self.read(topic, partitions, |message| {
            let key = message.key().unwrap_or_default();
            let of = content.entry(key.first().copied().unwrap_or(0)).or_default();
            of.records += 1;
            of.keys += key.len() as u64;
            of.values += message.value().map_or(0, <[u8]>::len) as u64;
        })?;
        Ok(content)
    }

    /// Shows everything that lies committed in a topic, each partition in its order.
    ///
    /// # Errors
    /// The brokers do not answer, or not to the end.
    pub fn read(&self, topic: &str, partitions: u16, mut show: impl FnMut(&Message<'_>)) -> Result<()> {
        let reader = Consumer::reader(&Settings::new(&*self.servers), "wayfarer-load", Isolation::Committed)?;
        let all = partitions_of(topic, partitions);
        let ends = reader.offsets(&all, Edge::Latest, Isolation::Committed, PATIENCE)?;
        let from: Vec<_> = all.iter().map(|partition| (partition.clone(), 0)).collect();
        reader.assign(&from)?;
        let mut messages = Messages::new();
        let mut heard = Instant::now();
        loop {
            reader.poll(&mut messages, 10_000, Duration::from_millis(20), &mut |_, _| {})?;
            for message in messages.iter() {
                show(&message);
            }
            if !messages.is_empty() {
                heard = Instant::now();
            }
            let read = reader.positions(&all)?;
            if read.iter().zip(&ends).all(|(at, end)| at.unwrap_or(0) >= *end) {
                return Ok(());
            }
            if heard.elapsed() > PATIENCE {
                return Err(Error(format!("the topic {topic} cannot be read to its end: nothing comes")));
            }
        }
    }
}

/// All partitions of a topic.
#[must_use]
pub fn partitions_of(topic: &str, count: u16) -> Vec<Partition> {
    (0..count).map(|number| Partition::new(topic, i32::from(number))).collect()
}
