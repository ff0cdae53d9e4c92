//! What is told before partitions come and go.

use super::partition::Partition;

/// Partitions come or go. They are listed in order of topic and number, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance<'a> {
    /// These come, paused: [`super::Consumer::start`] says from where they are read.
    Assigned(&'a [Partition]),
    /// These go when the callback has returned: commit or give up what concerns them, now.
    Revoked(&'a [Partition]),
    /// These are gone, perhaps another member has them already: never commit what concerns them.
    Lost(&'a [Partition]),
}
