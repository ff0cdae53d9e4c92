//! What is there, as the brokers tell it.

use std::collections::BTreeMap;

/// A cluster, as far as its topics concern us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct There {
    /// How many brokers are alive.
    pub brokers: usize,
    /// The topics that were asked for, by name. One that is not in here does not exist.
    pub topics: BTreeMap<String, Found>,
}

/// What was found under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A topic.
    Topic(Topic),
    /// We may not look.
    Denied,
}

/// A topic that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: usize,
    /// How many replicas the partition with the fewest has.
    pub replicas: usize,
    /// The partitions that nobody leads at the moment, in order.
    pub leaderless: Vec<i32>,
    /// Its settings; nothing if we may not see them.
    pub settings: Option<BTreeMap<String, Value>>,
}

/// The value of a setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// As the broker writes it.
    pub text: String,
    /// Whether it was given to this topic, rather than being the brokers' default.
    pub own: bool,
}
