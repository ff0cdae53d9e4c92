//! How far the shards are that are being loaded, for health and metrics: the loading threads tell, workers look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::pending::Pending;
use crate::journal::record::Shard;
use crate::model::Timestamp;

/// What is being loaded.
#[derive(Debug, Default)]
pub(super) struct Loads(Mutex<BTreeMap<Shard, Stage>>);

#[derive(Clone, Copy, Debug)]
enum Stage {
    Reading { done: u64, of: u64 },
    Undecided { since: Timestamp },
}

impl Loads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Shard, Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins to load a shard; it is told of until the answer is dropped.
    pub(super) fn begin(&self, shard: Shard) -> Load<'_> {
        let load = Load { loads: self, shard };
        load.read(0, 0);
        load
    }

    /// What a shard that is to be loaded waits for.
    pub(super) fn pending(&self, shard: Shard) -> Pending {
        match self.lock().get(&shard) {
            None => Pending::Queued(shard),
            Some(&Stage::Reading { done, of }) => Pending::Loading { shard, done, of },
            Some(&Stage::Undecided { since }) => Pending::Undecided { shard, since },
        }
    }
}

/// A shard that is being loaded.
#[derive(Debug)]
pub(super) struct Load<'a> {
    loads: &'a Loads,
    shard: Shard,
}

impl Load<'_> {
    /// So many of so many offsets are read.
    pub(super) fn read(&self, done: u64, of: u64) {
        self.loads.lock().insert(self.shard, Stage::Reading { done, of });
    }

    /// It waits for a transaction that somebody has left open.
    pub(super) fn undecided(&self, since: Timestamp) {
        self.loads.lock().insert(self.shard, Stage::Undecided { since });
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.loads.lock().remove(&self.shard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_waits_for_its_turn_then_for_its_records_then_for_nobody() {
        let loads = Loads::default();
        assert_eq!(loads.pending(1), Pending::Queued(1));
        let load = loads.begin(1);
        load.read(3, 9);
        assert_eq!(loads.pending(1), Pending::Loading { shard: 1, done: 3, of: 9 });
        load.undecided(Timestamp(5));
        assert_eq!(loads.pending(1), Pending::Undecided { shard: 1, since: Timestamp(5) });
        drop(load);
        assert_eq!(loads.pending(1), Pending::Queued(1));
    }
}
