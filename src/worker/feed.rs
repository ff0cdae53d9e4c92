//! A followed file on its way to the shards: lines read once, routed by user, fed until they are committed.
//!
//! The file is its own log (see [`crate::journal::follow`]): each shard commits the byte behind the last line
//! that it has considered, and a mark by which the file is known. A file has no append times: a line was
//! written after the file had last been read to its end, which is what [`FileClock`] tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::engine::cycle::UNTIMED_SOURCES;
use crate::engine::record_digest;
use crate::journal::follow::Fingerprint;
use crate::model::Timestamp;

/// The first byte of the state records of marks; then the file's number.
pub const KEY: u8 = b'f';

/// The most files that one journal ever follows: their logs are numbered in one byte.
pub const FILES_MAX: u8 = u8::MAX - UNTIMED_SOURCES;

/// By what a followed file is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its path, as it was given.
    pub path: String,
    /// Its first bytes.
    pub fingerprint: Fingerprint,
}

/// The marks of one shard.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By file, with what its record adds to the digest of what is kept beside the engine's records.
    known: BTreeMap<u8, (Arc<Mark>, u128)>,
    /// Those that are not written yet.
    to_write: Vec<u8>,
}

impl Marks {
    /// Takes a state record that was stored.
    pub(super) fn restore(&mut self, file: u8, mark: Arc<Mark>, digest: u128) {
        self.known.insert(file, (mark, digest));
    }

    /// Each, by file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &Mark)> {
        self.known.iter().map(|(file, (mark, _))| (*file, &**mark))
    }

    /// By what the file is known, if that is new.
    pub(super) fn note(&mut self, file: u8, mark: &Arc<Mark>) {
        let known = self.known.get(&file).map(|(known, _)| known);
        if known.is_none_or(|known| !Arc::ptr_eq(known, mark) && known != mark) {
            let digest = record_digest(&[KEY, file], &mark.encode());
            self.known.insert(file, (Arc::clone(mark), digest));
            self.to_write.push(file);
        }
    }

    /// Gives each record that is new to `put`.
    pub(super) fn write(&self, put: &mut dyn FnMut(&[u8], &[u8])) {
        for file in &self.to_write {
            put(&[KEY, *file], &self.known[file].0.encode());
        }
    }

    /// What is new is committed.
    pub(super) fn keep(&mut self) {
        self.to_write.clear();
    }

    /// What all records add to the digest, once they are written.
    pub(super) fn sum(&self) -> u128 {
        self.known.values().fold(0, |sum, (_, digest)| sum.wrapping_add(*digest))
    }
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a mark is a path and two numbers")
    }
}

/// Some lines of a file, for the shards of one worker.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The file's number among those of the journal, from 0.
    pub file: u8,
    /// The lines.
    pub bytes: Vec<u8>,
    /// By line: whose it is, where it ends in `bytes`, and where the next line begins in the file.
    pub lines: Vec<(u16, usize, u64)>,
    /// What has been read of the file with these: a shard that has none of the lines may move on to there.
    pub upto: u64,
    /// The time up to which the file had been read before; [`Timestamp::MIN`] if its end had not been seen.
    pub since: Timestamp,
    /// By what the file is known as of now.
    pub mark: Arc<Mark>,
}

impl Lines {
    /// The log that the engine knows the file by.
    #[must_use]
    pub const fn source(&self) -> u8 {
        UNTIMED_SOURCES + self.file
    }

    /// A line by number: its bytes, and where the next one begins.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    pub fn line(&self, number: usize) -> (&[u8], u64) {
        let start = if number == 0 { 0 } else { self.lines[number - 1].1 };
        let (_, end, next) = self.lines[number];
        (&self.bytes[start..end], next)
    }
}

/// Up to which time a followed file is known to have been read: no timer may fire beyond it (G19).
///
/// Whoever reads the file hands lines over first and moves the clock then; a worker looks at the clock first
/// and at its inbox then.
#[derive(Clone, Debug)]
pub struct FileClock(Arc<AtomicI64>);

impl Default for FileClock {
    /// No file: it holds nobody up.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl FileClock {
    /// A file of which nothing is known yet.
    #[must_use]
    pub fn behind() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }

    /// Everything that was in the file at that time has been handed over.
    pub fn complete_until(&self, at: Timestamp) {
        self.0.store(at.0, Ordering::Release);
    }

    /// Nothing comes any more.
    pub fn end(&self) {
        self.0.store(i64::MAX, Ordering::Release);
    }

    /// The time; [`Timestamp::MIN`] if the file's end has not been seen yet.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Acquire))
    }
}
