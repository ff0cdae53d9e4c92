//! Why a checkpoint is not used: every class of doubt is a sentence, and the changelog is read whole instead.

use std::io;
use std::time::Duration;

use super::file::Header;
use crate::model::Timestamp;

/// How much later than our clock another instance's may have been.
const AHEAD_MAX_MS: i64 = 60_000;

/// What makes a checkpoint useless.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their sentences say it")]
pub enum Stale {
    /// The file cannot be read, or ends too early.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A checksum does not fit.
    #[error("its block {block} is damaged")]
    Torn { block: u64 },
    /// It begins like nothing that is written here.
    #[error("it is no checkpoint")]
    Foreign,
    #[error("it is of format {found}, and this build reads format {reads}")]
    Version { found: u32, reads: u32 },
    #[error("it is of shard {found}")]
    Shard { found: u16 },
    #[error("it is of the cluster {found:?}, and this one is {here:?}")]
    Cluster { found: String, here: String },
    #[error("it is of the topic with id {found}, and the one of that name has id {here} now")]
    Topic { found: String, here: String },
    #[error(
        "it is {age:?} old, and deletions are in the changelog for {kept:?} (delete.retention.ms), of which half \
         is trusted"
    )]
    Old { age: Duration, kept: Duration },
    #[error("it is of {} ms after the brokers' time", .0)]
    Future(i64),
    #[error("it ends at offset {next}, and the changelog begins at {oldest}")]
    Behind { next: u64, oldest: u64 },
    #[error("it ends at offset {next}, and the changelog at {end}")]
    Ahead { next: u64, end: u64 },
    #[error("what it is to be compared with is not known: {0}")]
    Unknown(String),
}

/// What is known of the changelog now.
#[derive(Clone, Debug)]
pub struct Here {
    /// The cluster's id.
    pub cluster: String,
    /// The id of the changelog's topic.
    pub topic: String,
    /// How long a deletion is in the changelog after it was compacted.
    pub deletions_kept: Duration,
    /// The brokers' time.
    pub now: Timestamp,
    /// The oldest offset of the shard's partition.
    pub oldest: u64,
    /// Its end, open transactions included.
    pub end: u64,
}

impl Here {
    /// How old a checkpoint may be. A reader must see every deletion since, and be done before it is dropped: half
    /// of the time is for that.
    #[must_use]
    pub fn age_max(&self) -> Duration {
        self.deletions_kept / 2
    }
}

impl Header {
    /// Whether the changelog from `next` on, laid over this, is the changelog.
    ///
    /// # Errors
    /// Why that is not beyond doubt.
    pub fn judge(&self, shard: u16, here: &Here) -> Result<(), Stale> {
        if self.shard != shard {
            return Err(Stale::Shard { found: self.shard });
        }
        if self.cluster != here.cluster {
            return Err(Stale::Cluster { found: self.cluster.clone(), here: here.cluster.clone() });
        }
        if self.topic != here.topic {
            return Err(Stale::Topic { found: self.topic.clone(), here: here.topic.clone() });
        }
        let ahead = self.at.0.saturating_sub(here.now.0);
        if ahead > AHEAD_MAX_MS {
            return Err(Stale::Future(ahead));
        }
        let age = self.age(here.now);
        if age >= here.age_max() {
            return Err(Stale::Old { age, kept: here.deletions_kept });
        }
        // Of a compacted topic this is seldom more than 0, so it proves nothing; but somebody may have deleted
        // records by hand.
        if self.next < here.oldest {
            return Err(Stale::Behind { next: self.next, oldest: here.oldest });
        }
        if self.next > here.end {
            return Err(Stale::Ahead { next: self.next, end: here.end });
        }
        Ok(())
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::from_millis(now.0.saturating_sub(self.at.0).max(0).unsigned_abs())
    }
}
