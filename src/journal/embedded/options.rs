//! The settings of an embedded journal, with safe defaults.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Interval;

/// When what is written is forced to the disk.
///
/// Whatever the policy, everything answered survives the death of the process: it has been given to the
/// operating system. The policy decides what survives a power cut. After one the journal is a prefix of what
/// it was: nothing is ever torn, and nothing is there without what it follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before every answer; answers that fall due together share one. The default.
    Always,
    /// Every so often; a power cut loses at most what was answered since.
    Every(Duration),
    /// When the operating system thinks fit.
    Never,
}

/// How long what is no longer needed is kept.
///
/// What is still to be read is kept however old it is: records before the shard's committed position, sends
/// before they are delivered. The newest entry of each log is always kept, since it carries the numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records of the accepted log and list rows.
    pub accepted: Interval,
    /// Sends that are delivered.
    pub sends: Interval,
    /// Rejected inputs.
    pub rejects: Interval,
    /// Movements, and refusals.
    pub transitions: Interval,
    /// What each commit read; to replay needs both these and the accepted log.
    pub cycles: Interval,
}

impl Retention {
    /// Nothing is dropped.
    pub const ALL: Self = Self {
        accepted: Interval::LONGEST,
        sends: Interval::LONGEST,
        rejects: Interval::LONGEST,
        transitions: Interval::LONGEST,
        cycles: Interval::LONGEST,
    };
}

impl Default for Retention {
    /// A week; 30 days for sends and rejects, which people ask about later.
    fn default() -> Self {
        Self {
            accepted: Interval::from_days(7),
            sends: Interval::from_days(30),
            rejects: Interval::from_days(30),
            transitions: Interval::from_days(7),
            cycles: Interval::from_days(7),
        }
    }
}

/// Tells how many bytes are free on the disk of a directory.
pub type FreeSpace = Arc<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// Called after each time that everything written was forced to the disk.
pub type SyncObserver = Arc<dyn Fn() + Send + Sync>;

/// The settings of an embedded journal.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// How many shards a new journal has, from 1. An existing journal with another number is refused.
    pub shards: u16,
    /// When what is written is forced to the disk.
    pub fsync: Fsync,
    /// How long what is no longer needed is kept.
    pub retention: Retention,
    /// Memory for blocks read from the disk, in bytes.
    pub cache_bytes: u64,
    /// When fewer bytes than this are free on the disk, intake stops; with fewer than half of it, commits
    /// are refused too. The reserve is what the storage needs to reorganise itself.
    pub reserve_bytes: u64,
    /// How often the housekeeper looks: for what can be dropped, and for [`Fsync::Every`].
    pub housekeeping: Duration,
    /// How many items of a stream one segment of the index of users covers, and so how many at most a
    /// question about one user reads in vain.
    pub index_every: u64,
    /// Who is asked for free space; a test gives its own answer.
    pub free_space: FreeSpace,
    /// Who is told of each sync; a test takes its picture of the disk then.
    pub on_sync: Option<SyncObserver>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            shards: 64,
            fsync: Fsync::Always,
            retention: Retention::default(),
            cache_bytes: 64 << 20,
            reserve_bytes: 256 << 20,
            housekeeping: Duration::from_secs(1),
            index_every: 1 << 16,
            free_space: Arc::new(statvfs),
            on_sync: None,
        }
    }
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedOptions")
            .field("shards", &self.shards)
            .field("fsync", &self.fsync)
            .field("retention", &self.retention)
            .field("cache_bytes", &self.cache_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("housekeeping", &self.housekeeping)
            .field("index_every", &self.index_every)
            .finish_non_exhaustive()
    }
}

fn statvfs(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
