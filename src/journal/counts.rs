//! What a journal counts for one worker, for metrics.

/// Totals since the worker's access was opened. A journal of one machine counts none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that were refused, and have left nothing.
    pub aborted: u64,
    /// Transactions whose outcome had to be found out.
    pub unknown: u64,
    /// Transactions that were refused because somebody else had the worker's name.
    pub fenced: u64,
    /// Records in the transactions that were committed.
    pub records: u64,
    /// Partitions that they wrote to.
    pub partitions: u64,
    /// How often shards were given or taken, be it none.
    pub rebalances: u64,
    /// Shards that were given.
    pub gained: u64,
    /// Shards that were taken.
    pub lost: u64,
    /// Shards whose state was read.
    pub loaded: u64,
}
