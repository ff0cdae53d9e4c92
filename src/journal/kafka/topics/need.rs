//! What is needed: a table of roles and the settings of their topics, each with its reason.

use std::fmt;

use crate::journal::{KEY_BYTES_MAX, RECORD_BYTES_MAX};

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Events of users. The first of several is the anchor, whose partitions are the shards.
    Events,
    /// Entries by the API, removals, deletions.
    Internal,
    /// What became of sends.
    Receipts,
    /// Rows of audience lists.
    Lists,
    /// Operators' commands.
    Control,
    /// The users' state.
    State,
    /// Messages to hand over.
    Sends,
    /// Dead letters.
    Rejects,
    /// Movements of users.
    Transitions,
    /// Who was refused.
    Refusals,
    /// What each commit has read.
    Cycles,
    /// What the shards show.
    Views,
}

impl Role {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Events,
        Self::Internal,
        Self::Receipts,
        Self::Lists,
        Self::Control,
        Self::State,
        Self::Sends,
        Self::Rejects,
        Self::Transitions,
        Self::Refusals,
        Self::Cycles,
        Self::Views,
    ];

    /// Its key in `[topics]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Internal => "internal",
            Self::Receipts => "receipts",
            Self::Lists => "lists",
            Self::Control => "control",
            Self::State => "state",
            Self::Sends => "sends",
            Self::Rejects => "rejects",
            Self::Transitions => "transitions",
            Self::Refusals => "refusals",
            Self::Cycles => "cycles",
            Self::Views => "views",
        }
    }

    /// The role with this key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }

    /// Whether it has one partition, rather than one a shard.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Control | Self::Views)
    }

    /// Whether it belongs to those who produce events: made if it is not there, never altered.
    #[must_use]
    pub const fn is_theirs(self) -> bool {
        matches!(self, Self::Events)
    }
}

/// What is wanted of the topics, from the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Role and name of each topic, at least one of each role; the first of [`Role::Events`] is the anchor.
    pub topics: Vec<(Role, String)>,
    /// How many partitions the events topic is given if there is none: the number of shards.
    pub shards: u32,
    /// How many brokers keep a record.
    pub replication: u32,
    /// How many of them must have it before it counts as written.
    pub min_insync: u32,
    /// How long inputs, movements and cycles are kept, in milliseconds.
    pub accepted_ms: u64,
    /// How long sends, dead letters and lists are kept, in milliseconds.
    pub sends_ms: u64,
}

/// How bad it is if a setting is not as needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A start is refused.
    Must,
    /// A start goes on; `topics apply` puts it right where the topic is ours.
    Should,
}

/// What a setting of a topic has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// This word.
    Is(&'static str),
    /// At least this number; the brokers' −1 is without end, and more than every number.
    AtLeast(i64),
    /// At most this number.
    AtMost(f64),
}

/// The brokers' word for "without end".
pub(super) const ENDLESS: i64 = -1;

impl Rule {
    /// Whether a value, as the brokers write it, is as needed. One that is no number where one must be is
    /// not.
    #[must_use]
    pub fn holds(self, value: &str) -> bool {
        match self {
            Self::Is(word) => value == word,
            Self::AtLeast(ENDLESS) => value == "-1",
            Self::AtLeast(least) => value.parse::<i64>().is_ok_and(|is| is == ENDLESS || is >= least),
            Self::AtMost(most) => value.parse::<f64>().is_ok_and(|is| is <= most),
        }
    }

    /// The value that a new topic gets.
    #[must_use]
    pub fn value(self) -> String {
        match self {
            Self::Is(word) => word.to_owned(),
            Self::AtLeast(least) => least.to_string(),
            Self::AtMost(most) => most.to_string(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(word) => f.write_str(word),
            Self::AtLeast(ENDLESS) => f.write_str("-1 (without end)"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

/// One setting of a topic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Want {
    /// Its name.
    pub property: &'static str,
    /// What it has to be.
    pub rule: Rule,
    /// What it means if it is not.
    pub weight: Weight,
    /// Why, as the end of a sentence.
    pub why: &'static str,
}

/// The largest message: a record, its key, and room for headers and the batch around them.
pub const MESSAGE_BYTES_MAX: i64 = (RECORD_BYTES_MAX + KEY_BYTES_MAX + (64 << 10)) as i64;

const MINUTE_MS: f64 = 60_000.0;
const WEEK_MS: i64 = 7 * 86_400_000;

const fn must(property: &'static str, rule: Rule, why: &'static str) -> Want {
    Want { property, rule, weight: Weight::Must, why }
}

const fn should(property: &'static str, rule: Rule, why: &'static str) -> Want {
    Want { property, rule, weight: Weight::Should, why }
}

const READABLE: Want =
    must("cleanup.policy", Rule::Is("delete"), "compaction would remove records that nobody has read");
const COMPACTED: Want =
    must("cleanup.policy", Rule::Is("compact"), "what is older than the retention would be forgotten");
const BROKER_TIME: Want = should(
    "message.timestamp.type",
    Rule::Is("LogAppendTime"),
    "a shard that lags goes by the records' times, and only the brokers' own can be trusted",
);
const NO_UNCLEAN: Want = should(
    "unclean.leader.election.enable",
    Rule::Is("false"),
    "a broker that lags could become leader, and what it lacks be lost",
);
const LARGEST: Want = must(
    "max.message.bytes",
    Rule::AtLeast(MESSAGE_BYTES_MAX),
    "the largest record that is accepted would be refused, and its transaction with it",
);

/// The settings of a role's topics. `replicas` is how many it has, or will get.
#[must_use]
pub fn settings(wanted: &Wanted, role: Role, replicas: usize) -> Vec<Want> {
    let kept =
        |ms: u64, why| should("retention.ms", Rule::AtLeast(i64::try_from(ms).unwrap_or(i64::MAX)), why);
    let mut wants = match role {
        Role::Events | Role::Internal | Role::Receipts => {
            vec![
                READABLE,
                BROKER_TIME,
                kept(wanted.accepted_ms, "a replay reaches as far back (journal.accepted_retention)"),
            ]
        }
        Role::Lists | Role::Sends | Role::Rejects => {
            vec![READABLE, kept(wanted.sends_ms, "people ask for it that long (journal.sends_retention)")]
        }
        Role::Transitions | Role::Refusals | Role::Cycles => {
            vec![
                READABLE,
                kept(wanted.accepted_ms, "a replay reaches as far back (journal.accepted_retention)"),
            ]
        }
        Role::Control => control(),
        Role::State | Role::Views => compacted(),
    };
    if !role.is_theirs() {
        wants.push(LARGEST);
    }
    wants.push(NO_UNCLEAN);
    let least = usize::try_from(wanted.min_insync).unwrap_or(usize::MAX).min(replicas);
    wants.push(should(
        "min.insync.replicas",
        Rule::AtLeast(i64::try_from(least).unwrap_or(i64::MAX)),
        "a record that only one broker has is lost with it (topics.min_insync)",
    ));
    wants
}

fn control() -> Vec<Want> {
    vec![
        must("cleanup.policy", Rule::Is("delete"), "compaction would remove operators' commands"),
        must("retention.ms", Rule::AtLeast(ENDLESS), "every start folds all commands from the first"),
        must("retention.bytes", Rule::AtLeast(ENDLESS), "every start folds all commands from the first"),
        must(
            "message.timestamp.type",
            Rule::Is("LogAppendTime"),
            "all instances take a command's time from its record",
        ),
    ]
}

/// Protocol 8: small segments, so that compaction keeps up; tombstones that outlive a checkpoint.
fn compacted() -> Vec<Want> {
    let short = "a restore reads what is not compacted yet";
    vec![
        COMPACTED,
        should("segment.ms", Rule::AtMost(10.0 * MINUTE_MS), short),
        should("min.cleanable.dirty.ratio", Rule::AtMost(0.2), short),
        should("max.compaction.lag.ms", Rule::AtMost(60.0 * MINUTE_MS), short),
        should(
            "delete.retention.ms",
            Rule::AtLeast(WEEK_MS),
            "a checkpoint that is older than the removal of a user brings the user back",
        ),
    ]
}
