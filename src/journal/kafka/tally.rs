//! How much a transaction carries: each partition in it costs its commit a marker (protocols, risk 4).

use std::collections::BTreeSet;

use crate::journal::counts::Counts;
use crate::journal::record::Stream;
use crate::journal::transaction::Transaction;

/// Counts a transaction that was committed.
pub(super) fn committed(counts: &mut Counts, tx: &Transaction) {
    let mut shared = BTreeSet::new();
    for part in tx.parts() {
        // Its changes, and its head behind them.
        counts.records += part.changes().len() as u64 + 1;
        counts.partitions += 1;
        for stream in Stream::ALL {
            let items = part.items(stream).count() as u64;
            counts.records += items;
            if items > 0 && (stream == Stream::Sends || shared.insert(stream.code())) {
                // Sends lie in the shard's own partition, everything else in the worker's.
                counts.partitions += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn what_shards_share_is_one_partition_and_what_is_their_own_is_one_each() {
        let mut tx = Transaction::new();
        tx.begin(Timestamp(1));
        for shard in [3, 5] {
            let part = tx.shard(shard, 1);
            part.put(b"k", b"v");
            part.delete(b"l");
            part.sends.push(b"a");
            part.sends.push(b"b");
            part.transitions.push(b"t");
        }
        tx.shard(6, 1).cycles = b"c".to_vec();
        let mut counts = Counts::default();
        committed(&mut counts, &tx);
        // Two changes, a head, two sends, a movement: twice; a head and a cycle.
        assert_eq!(counts.records, 2 * 6 + 2);
        // State and sends of two shards, movements of both, the third's state, cycles.
        assert_eq!(counts.partitions, 2 * 2 + 1 + 1 + 1);
    }
}
