//! What keeps a worker from its shards, for health: the journal's part of it, before anything is restored.

use std::fmt;

use super::record::Shard;
use crate::model::Timestamp;

/// Why a worker has no shards yet, or one of them is not announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nobody has said which shards are the worker's, be it none; or it has lost what was said.
    Unassigned,
    /// The shard is read after others.
    Queued(Shard),
    /// The shard's state is being read.
    Loading {
        /// Whose.
        shard: Shard,
        /// How far, as a number of records or offsets.
        done: u64,
        /// How far it reaches.
        of: u64,
    },
    /// A transaction of the shard's former owner is neither committed nor aborted.
    Undecided {
        /// Whose.
        shard: Shard,
        /// Since when that is waited for.
        since: Timestamp,
    },
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unassigned => write!(f, "the group has not said which shards are its own"),
            Self::Queued(shard) => write!(f, "shard {shard} is read after others"),
            Self::Loading { shard, done, of } => {
                write!(f, "the state of shard {shard} is being read, {done} of {of} offsets")
            }
            Self::Undecided { shard, since } => write!(
                f,
                "shard {shard} waits since {since} for a transaction that its former owner has left open"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_sentence_with_its_values() {
        for (pending, says) in [
            (Pending::Unassigned, "the group has not said"),
            (Pending::Queued(3), "shard 3"),
            (Pending::Loading { shard: 4, done: 10, of: 99 }, "shard 4 is being read, 10 of 99"),
            (Pending::Undecided { shard: 5, since: Timestamp(0) }, "5 waits since 1970-01-01T00:00:00.000Z"),
        ] {
            assert!(pending.to_string().contains(says), "{pending}");
        }
    }
}
