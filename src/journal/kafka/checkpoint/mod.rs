//! Checkpoints: on local disk, what a shard's changelog comes to up to an offset, so that a restart reads what came
//! after that from the brokers and no more.
//!
//! Owns: a directory with one file a shard. Promises: what is used is what the changelog says, or it is not used:
//! another cluster, topic, shard or format, an age at which deletions may have left the changelog, an offset
//! that it does not reach, a checksum that does not fit each have a sentence, and the changelog is read
//! whole instead; so it is when the digest of the restored shard is not the committed one. A file appears whole
//! or not at all (written aside, synced, renamed). No trouble with the directory ends anything but
//! the checkpoints.
//!
//! A checkpoint is made of the changelog, by [`keeper`] on a thread of its own, and not of the shard's memory: no
//! worker waits for it, not for a page, and it holds records that no memory has (closed hours). It costs
//! a second reading of the changelog and room on the disk.

mod file;
pub(super) mod keeper;
mod stale;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::file::{Header, Reader, Writer};
pub use self::stale::{Here, Stale};
use super::options::KafkaOptions;
use super::topics::cluster::Cluster;
use super::{Shared, latest::Latest};
use crate::journal::error::JournalError;
use crate::journal::record::Shard;

/// The file that whoever uses the directory has locked.
const LOCK: &str = "lock";
/// How the name of a checkpoint ends, and that of one that is being written.
const SUFFIX: &str = "checkpoint";
const ASIDE: &str = "new";
/// How long deletions stay in the changelog.
const DELETIONS: &str = "delete.retention.ms";

/// Where checkpoints are kept, and how often they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// The directory, of this instance alone; made if it is not there.
    pub directory: PathBuf,
    /// The shortest time between two checkpoints of a shard.
    pub every: Duration,
}

/// The directory of an instance's checkpoints.
pub(super) struct Checkpoints {
    directory: PathBuf,
    every: Duration,
    /// Asked how long deletions are kept.
    cluster: Cluster,
    /// Locked as long as this lives.
    _lock: File,
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoints({})", self.directory.display())
    }
}

/// Why a directory cannot be used, as a sentence.
fn lock(directory: &Path) -> Result<File, String> {
    let place = directory.display();
    let refused = |error: io::Error| format!("{place} cannot be used for checkpoints: {error}");
    fs::create_dir_all(directory).map_err(refused)?;
    let open = File::options().create(true).truncate(false).write(true).open(directory.join(LOCK));
    let lock = open.map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!("{place} is in use for another process's checkpoints")),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

impl Checkpoints {
    /// The directory that the options name; none if they name none, or if it cannot be used, which is said: then
    /// all goes on without.
    pub(super) fn open(options: &KafkaOptions) -> Option<Self> {
        let CheckpointOptions { directory, every } = options.checkpoints.clone()?;
        let lock =
            lock(&directory).map_err(|why| tracing::warn!("{why}; shards are restored without")).ok()?;
        let cluster = Cluster::new(&options.settings, options.call_timeout);
        let cluster = cluster.map_err(|error| tracing::warn!(%error, "there are no checkpoints")).ok()?;
        Some(Self { directory, every, cluster, _lock: lock })
    }

    fn path(&self, shard: Shard) -> PathBuf {
        self.directory.join(format!("{shard}.{SUFFIX}"))
    }

    /// What a shard's checkpoint is compared with; its changelog reaches from `oldest` to `end` now.
    fn here(&self, shared: &Shared, oldest: i64, end: i64) -> Result<Here, Stale> {
        let options = &shared.options;
        let unknown = |what: &dyn std::fmt::Display| Stale::Unknown(what.to_string());
        let identity = shared.asker.identity(&options.topics.state, options.call_timeout);
        let (cluster, topic) = identity.map_err(|error| unknown(&error))?;
        let kept = self.cluster.setting(&options.topics.state, DELETIONS).map_err(|error| unknown(&error))?;
        let kept = kept.as_deref().and_then(|text| text.parse().ok());
        let kept = kept.ok_or_else(|| unknown(&format!("{DELETIONS} of {}", options.topics.state)))?;
        Ok(Here {
            cluster,
            topic,
            deletions_kept: Duration::from_millis(kept),
            now: shared.clock.now(),
            oldest: oldest.unsigned_abs(),
            end: end.unsigned_abs(),
        })
    }

    /// The shard's checkpoint if it is beyond doubt, the reason why not if there is one.
    fn judged(
        &self,
        shard: Shard,
        here: impl FnOnce() -> Result<Here, Stale>,
    ) -> Result<Option<Base>, Stale> {
        let path = self.path(shard);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let reader = Reader::open(file)?;
        reader.header.judge(shard, &here()?)?;
        Ok(Some(Base { path, reader }))
    }

    /// The shard's checkpoint, if there is one that is beyond doubt. Its changelog reaches from `oldest` to
    /// `end`.
    pub(super) fn trusted(&self, shared: &Shared, shard: Shard, oldest: i64, end: i64) -> Option<Base> {
        self.judged(shard, || self.here(shared, oldest, end)).unwrap_or_else(|why| {
            let path = self.path(shard);
            tracing::warn!(shard, path = %path.display(), "{}", sentence(&why));
            None
        })
    }
}

/// What is said of a checkpoint that is not used.
fn sentence(why: &dyn std::fmt::Display) -> String {
    format!("a checkpoint is not used, and the changelog is read whole: {why}")
}

/// A checkpoint that is used: what it says counts where the changelog behind it says nothing.
#[derive(Debug)]
pub(super) struct Base {
    path: PathBuf,
    reader: Reader<File>,
}

impl Base {
    /// Where the changelog behind it begins.
    pub(super) fn next(&self) -> i64 {
        i64::try_from(self.reader.header.next).unwrap_or(i64::MAX)
    }

    /// The value of the shard's head record.
    pub(super) fn head(&self) -> &[u8] {
        &self.reader.header.head
    }

    /// How many records it has.
    pub(super) fn records(&self) -> u64 {
        self.reader.records
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives every record to `each` that `newer` does not replace, until that says no; whether it was always yes.
    pub(super) fn each(
        &mut self,
        newer: &Latest,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, JournalError> {
        let all = self.reader.each(&mut |key, value| newer.contains(key) || each(key, value));
        all.map_err(|why| JournalError::corrupt(format!("{}", self.path.display()), why.to_string()))
    }
}

/// Says that a checkpoint did not lead to what was committed, and removes it.
pub(super) fn reject(shard: Shard, path: &Path, why: &str) {
    tracing::warn!(shard, path = %path.display(), "{}", sentence(&why));
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "the checkpoint cannot be removed");
    }
}

/// Writes a checkpoint of `newer` over `base`; how many records it has.
fn write(path: &Path, header: &Header, base: Option<&mut Base>, newer: &Latest) -> Result<u64, JournalError> {
    let aside = path.with_extension(ASIDE);
    let written = write_aside(&aside, header, base, newer).and_then(|records| {
        fs::rename(&aside, path).and_then(|()| sync_directory(path)).map_err(failed)?;
        Ok(records)
    });
    if written.is_err() {
        // Of no use, and it may be what fills the disk.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn write_aside(
    aside: &Path,
    header: &Header,
    base: Option<&mut Base>,
    newer: &Latest,
) -> Result<u64, JournalError> {
    let mut writer = Writer::new(File::create(aside).map_err(failed)?, header).map_err(failed)?;
    let mut refused = None;
    let mut put = |key: &[u8], value: &[u8]| {
        refused = writer.record(key, value).err();
        refused.is_none()
    };
    let went_on = match base {
        Some(base) => base.each(newer, &mut put)?,
        None => true,
    };
    let _ = went_on && newer.each().all(|(key, value)| key == super::codec::HEAD_KEY || put(key, value));
    if let Some(error) = refused {
        return Err(failed(error));
    }
    let (file, records) = writer.finish().map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(records)
}

/// A name is on the disk when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what an error is mapped by")]
fn failed(error: io::Error) -> JournalError {
    JournalError::Storage { doing: "write a checkpoint", cause: error.to_string() }
}

#[cfg(test)]
mod tests;
