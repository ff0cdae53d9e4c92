//! The shards of one worker, whatever the journal: which they are, and whose turn it is to be read first.

use super::batch::Batch;
use super::error::JournalError;
use super::record::Shard;

/// The shards of one worker: ascending, each once.
#[derive(Clone, Debug)]
pub(super) struct OwnShards {
    shards: Vec<Shard>,
    announced: bool,
    turn: usize,
}

impl OwnShards {
    pub(super) fn new(shards: &[Shard]) -> Self {
        let mut shards = shards.to_vec();
        shards.sort_unstable();
        shards.dedup();
        Self { shards, announced: false, turn: 0 }
    }

    pub(super) fn as_slice(&self) -> &[Shard] {
        &self.shards
    }

    /// The place of a shard among them; that it is one of them.
    pub(super) fn place(&self, shard: Shard) -> Result<usize, JournalError> {
        let not_owned = |_| JournalError::NotOwned { shard, owned: self.shards.clone() };
        self.shards.binary_search(&shard).map_err(not_owned)
    }

    /// Says in the first batch that the worker has them.
    pub(super) fn announce(&mut self, batch: &mut Batch) {
        if !std::mem::replace(&mut self.announced, true) {
            self.shards.iter().for_each(|&shard| batch.push_gained(shard));
        }
    }

    /// The places in the order of this turn: each time another one is first, so that a full batch starves
    /// nobody.
    pub(super) fn turn(&mut self) -> impl Iterator<Item = usize> + use<> {
        let (count, first) = (self.shards.len(), self.turn);
        self.turn = (first + 1) % count.max(1);
        (0..count).map(move |step| (first + step) % count)
    }
}
