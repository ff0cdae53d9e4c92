//! Where a partition begins and ends, by either isolation (`ListOffsets`, KIP-396).
//!
//! `query_watermark_offsets` always answers with the isolation of the client, hence not used.

use std::time::Duration;

use super::consumer::Consumer;
use super::error::Error;
use super::partition::Partition;

/// Which end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The oldest offset that is kept.
    Earliest,
    /// One past the newest: the high watermark, or under [`Isolation::Committed`] the last stable offset.
    Latest,
}

/// What of open transactions is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Only what is committed.
    Committed,
    /// Everything, open and aborted too.
    Uncommitted,
}

impl Consumer {
    /// The offsets of an edge, one for each partition asked for, in their order.
    ///
    /// # Errors
    /// A partition does not exist, or no answer came within `timeout`.
    pub fn offsets(
        &self,
        partitions: &[Partition],
        edge: Edge,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<i64>, Error> {
        unimplemented!()
    }
}
