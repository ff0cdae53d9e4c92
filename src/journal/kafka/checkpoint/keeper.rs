//! Makes the checkpoints of the shards that are owned here, one after the other, on a thread beside everybody.
//!
//! What is new in the changelog is laid over the checkpoint that is there, and the outcome replaces it. To write
//! the whole of a shard for a few records is a waste, so a fifth of it must be new; or half of the time be
//! over for which the checkpoint is trusted. So a byte that changes is written about five times, and
//! what a restart reads behind a checkpoint is a fifth of it, and what came within the interval.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Weak;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::file::{Header, Reader};
use super::stale::Here;
use super::{ASIDE, Checkpoints, SUFFIX};
use crate::journal::error::JournalError;
use crate::journal::kafka::Shared;
use crate::journal::kafka::client::{Consumer, Edge, Isolation};
use crate::journal::kafka::codec::HEAD_KEY;
use crate::journal::kafka::reading::Reading;
use crate::journal::record::Shard;

/// How often it looks whether it is time.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A checkpoint is made anew when the changelog behind it has as many offsets as this part of its records.
const NEW_SHARE: u64 = 5;

/// Keeps checkpoints until the journal is closed.
pub(in super::super) fn run(shared: &Weak<Shared>, closing: &Receiver<()>) {
    let mut reader = None;
    // By shard: when it was looked at last, or was seen first. Those that have just come are being restored.
    let mut looked: BTreeMap<Shard, Instant> = BTreeMap::new();
    let mut swept = None::<Instant>;
    while let Err(RecvTimeoutError::Timeout) = closing.recv_timeout(LOOK_EVERY) {
        let Some(shared) = shared.upgrade() else { return };
        let Some(checkpoints) = &shared.checkpoints else { return };
        let owned = shared.ends.wanted();
        looked.retain(|shard, _| owned.binary_search(shard).is_ok());
        for shard in owned {
            let last = looked.entry(shard).or_insert_with(Instant::now);
            if last.elapsed() < checkpoints.every || super::super::is_closed(closing) {
                continue;
            }
            *last = Instant::now();
            let kept = checkpoints.keep(&shared, &mut reader, shard, closing);
            let here = match kept {
                Ok(here) => here,
                Err(JournalError::Ended { .. }) => return,
                Err(error) => {
                    tracing::warn!(shard, %error, "no checkpoint is made; it is tried again");
                    reader = None;
                    continue;
                }
            };
            if swept.is_none_or(|at| at.elapsed() >= checkpoints.every) {
                swept = Some(Instant::now());
                checkpoints.sweep(&here);
            }
        }
    }
}

impl Checkpoints {
    /// Makes the shard's checkpoint anew if it is time.
    fn keep(
        &self,
        shared: &Shared,
        reader: &mut Option<Consumer>,
        shard: Shard,
        closing: &Receiver<()>,
    ) -> Result<Here, JournalError> {
        // Before it is asked where the changelog ends: what is read is no older than this.
        let at = shared.clock.now();
        let mut reading = Reading::new(shared, reader, shard, closing)?;
        let end = reading.edge(Edge::Latest, Isolation::Committed)?;
        let unknown = |why: super::Stale| storage_error(&why);
        let here = self.here(shared, reading.at, end).map_err(unknown)?;
        let mut base = match self.judged(shard, || Ok(here.clone())) {
            Ok(base) => base,
            Err(why) => {
                tracing::info!(shard, %why, "the checkpoint is of no use, and is made anew");
                None
            }
        };
        if let Some(base) = &base {
            let new = end.saturating_sub(base.next());
            let aging = base.reader.header.age(here.now) > here.age_max() / 2;
            if new == 0 || (!aging && new.unsigned_abs() < base.records() / NEW_SHARE) {
                return Ok(here);
            }
            reading.at = base.next();
        }
        let began = Instant::now();
        reading.read_until(end)?;
        let head = reading.latest.get(HEAD_KEY).or(base.as_ref().map(super::Base::head));
        // It has never committed.
        let Some(head) = head.map(<[u8]>::to_vec) else { return Ok(here) };
        let Here { cluster, topic, .. } = here.clone();
        let header = Header { shard, at, next: reading.at.unsigned_abs(), cluster, topic, head };
        let records = super::write(&self.path(shard), &header, base.as_mut(), &reading.latest)?;
        let ms = began.elapsed().as_millis();
        tracing::debug!(shard, next = header.next, records, new = reading.latest.len(), ms, "checkpoint");
        Ok(here)
    }

    /// Removes what is too old to be of use to anybody, of shards that went elsewhere, and what was not finished.
    fn sweep(&self, here: &Here) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let extension = path.extension().and_then(|e| e.to_str());
            // The directory is ours alone, and nothing is being written now.
            let goes = extension == Some(ASIDE) || (extension == Some(SUFFIX) && is_over(&path, here));
            if goes && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old checkpoint cannot be removed");
            }
        }
    }
}

/// Whether a checkpoint of our own changelog is too old. Of another's nothing is known.
fn is_over(path: &Path, here: &Here) -> bool {
    let Ok(file) = fs::File::open(path) else { return false };
    Reader::open(file).is_ok_and(|Reader { header, .. }| {
        (&header.cluster, &header.topic) == (&here.cluster, &here.topic)
            && header.age(here.now) >= here.age_max()
    })
}

fn storage_error(why: &dyn std::fmt::Display) -> JournalError {
    JournalError::Storage { doing: "look after a checkpoint", cause: why.to_string() }
}
