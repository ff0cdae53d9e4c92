//! What every journal refuses, checked in one place so that all refuse it with the same words.

use super::error::{CommitError, IntakeError};
use super::record::{Append, Head, Shard};
use super::traits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};
use super::transaction::{Change, ShardCommit, Transaction};

/// Whether `tx` may be committed by the owner of `owned` on top of the heads that `head` gives.
pub(crate) fn transaction<'h>(
    tx: &Transaction,
    owned: &[Shard],
    mut head: impl FnMut(Shard) -> Option<&'h Head>,
) -> Result<(), CommitError> {
    let refused = |reason: String| Err(CommitError::Refused { reason });
    for (number, part) in tx.parts().iter().enumerate() {
        let shard = part.shard();
        if !owned.contains(&shard) {
            return refused(format!("shard {shard} is not this worker's; it owns {owned:?}"));
        }
        if tx.parts()[..number].iter().any(|earlier| earlier.shard() == shard) {
            return refused(format!("shard {shard} has two parts in one transaction; one is allowed"));
        }
        if let Err(reason) = follows(part, head(shard)) {
            return refused(reason);
        }
        for change in part.changes() {
            let (Change::Put(key, _) | Change::Delete(key)) = change;
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                let bytes = key.len();
                return refused(format!(
                    "shard {shard} changes a key of {bytes} bytes; 1 to {KEY_BYTES_MAX} are allowed"
                ));
            }
        }
    }
    Ok(())
}

fn follows(part: &ShardCommit, head: Option<&Head>) -> Result<(), String> {
    let (shard, seq) = (part.shard(), part.seq());
    let due = head.map_or(1, |head| head.seq + 1);
    if seq != due {
        return Err(format!("shard {shard} offers commit {seq} where {due} is due"));
    }
    for &(source, next) in part.positions() {
        let now = head.map_or(0, |head| head.position(source));
        if next < now {
            return Err(format!("shard {shard} would go back from {now} to {next} in {source:?}"));
        }
    }
    Ok(())
}

/// Whether `records` may be accepted by a journal of that many shards.
pub(crate) fn records(records: &[Append<'_>], shards: u16) -> Result<(), IntakeError> {
    for (index, record) in records.iter().enumerate() {
        let bytes = record.bytes.len();
        if bytes > RECORD_BYTES_MAX {
            return Err(IntakeError::TooLong { index, bytes, max: RECORD_BYTES_MAX });
        }
        if record.shard >= shards {
            return Err(IntakeError::NoShard { index, shard: record.shard, shards });
        }
    }
    Ok(())
}

/// The head after `part` is committed on top of `head`.
pub(crate) fn next_head(head: Option<&Head>, part: &ShardCommit) -> Head {
    let mut positions = head.map(|head| head.positions.clone()).unwrap_or_default();
    for &(source, next) in part.positions() {
        match positions.binary_search_by_key(&source, |&(s, _)| s) {
            Ok(at) => positions[at].1 = next,
            Err(at) => positions.insert(at, (source, next)),
        }
    }
    Head { seq: part.seq(), meta: part.meta.clone(), positions }
}
