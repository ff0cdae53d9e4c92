//! How the journal is told where everything is.

use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::CheckpointOptions;
use super::client::{Consumer, Error, Isolation, Settings};
use super::inputs::Inputs;
use super::partition::Partitioner;
use crate::journal::record::Source;

/// The names of the topics; each has as many partitions as there are shards, `control` and `views` have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Users' events: the anchor, whose partitions the group divides.
    pub events: Arc<str>,
    /// Further topics of users' events, with as many partitions as the anchor.
    pub further: Vec<Arc<str>>,
    /// API entries, removals, deletions, failures, emitted events.
    pub internal: Arc<str>,
    /// What providers say about sends.
    pub receipts: Arc<str>,
    /// Rows of audience lists.
    pub lists: Arc<str>,
    /// Operators' commands.
    pub control: Arc<str>,
    /// The shards' records, compacted.
    pub state: Arc<str>,
    /// Messages for delivery.
    pub sends: Arc<str>,
    /// Dead letters.
    pub rejects: Arc<str>,
    /// Movements of users.
    pub transitions: Arc<str>,
    /// Users who were not let in.
    pub refusals: Arc<str>,
    /// What each commit read.
    pub cycles: Arc<str>,
    /// What each shard's owner shows of it, compacted.
    pub views: Arc<str>,
}

impl TopicNames {
    /// The default names: `prefix` and what they are.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |what: &str| Arc::from(format!("{prefix}{what}"));
        Self {
            events: name("events"),
            further: Vec::new(),
            internal: name("internal"),
            receipts: name("receipts"),
            lists: name("lists"),
            control: name("control"),
            state: name("state"),
            sends: name("sends"),
            rejects: name("rejects"),
            transitions: name("transitions"),
            refusals: name("refusals"),
            cycles: name("cycles"),
            views: name("views"),
        }
    }

    /// The topic that a shard reads as this source, if `inputs` is what it knows beside the anchor. `None` if that has
    /// no such number.
    pub(super) fn of<'a>(&'a self, source: Source, inputs: Option<&'a Inputs>) -> Option<&'a str> {
        match source {
            Source::Input(number) => inputs?.topic(number),
            Source::Lists => Some(&self.lists),
            Source::Receipts => Some(&self.receipts),
            Source::Internal => Some(&self.internal),
            Source::Events | Source::File(_) => Some(&self.events),
        }
    }
}

/// Where a shard begins that has never committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that is kept.
    #[default]
    Earliest,
    /// With the next event.
    Latest,
}

/// How a journal on Kafka is opened.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Where the brokers are, and what operators add for librdkafka.
    pub settings: Settings,
    /// The topics.
    pub topics: TopicNames,
    /// How many partitions the events topic has: the number of shards.
    pub shards: u16,
    /// The consumer group: the name of this deployment.
    pub group: String,
    /// The name of this instance, stable over restarts: its successor ends what it left open by it.
    pub instance: String,
    /// How the producers of the events topic choose partitions.
    pub partitioner: Partitioner,
    /// Where new shards begin.
    pub start: Start,
    /// After how long a silent member loses its shards.
    pub session_timeout: Duration,
    /// How often a worker must poll at least.
    pub poll_interval_max: Duration,
    /// After how long the broker aborts a transaction that nobody ends.
    pub transaction_timeout: Duration,
    /// How long one call to the brokers may take.
    pub call_timeout: Duration,
    /// How long an unknown outcome may stay so (brokers away) before the process ends.
    pub settle_timeout: Duration,
    /// Where checkpoints are kept, if they are.
    pub checkpoints: Option<CheckpointOptions>,
}

impl KafkaOptions {
    /// The defaults, for brokers, a group and an instance.
    #[must_use]
    pub fn new(settings: Settings, shards: u16, group: &str, instance: &str) -> Self {
        Self {
            settings,
            topics: TopicNames::with_prefix("wayfarer."),
            shards: shards.max(1),
            group: group.to_owned(),
            instance: instance.to_owned(),
            partitioner: Partitioner::default(),
            start: Start::default(),
            session_timeout: Duration::from_secs(6),
            poll_interval_max: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            settle_timeout: Duration::from_secs(600),
            checkpoints: None,
        }
    }

    /// A reader of what is committed.
    pub(super) fn reader(&self) -> Result<Consumer, Error> {
        Consumer::reader(&self.settings, &self.group, Isolation::Committed)
    }

    /// A reader that asks for committed offsets without waiting for open transactions.
    pub(super) fn glance(&self) -> Result<Consumer, Error> {
        Consumer::reader(&self.settings, &self.group, Isolation::Uncommitted)
    }

    /// A reader of what is committed already, of one partition after the other.
    pub(super) fn scanner(&self) -> Result<Consumer, Error> {
        Consumer::scanner(&self.settings, &self.group)
    }

    /// By what the brokers know a worker: its transactional id, and its static membership.
    pub(super) fn name_of(&self, worker: usize) -> String {
        format!("{}-{}-{worker}", self.group, self.instance)
    }
}
