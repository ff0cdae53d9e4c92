//! How far a worker is with restoring its shards: what they have told, and what is to be expected.

use std::time::Duration;

use crate::journal::Progress;
use crate::metrics::Gauges;

/// How far a restore is.
#[derive(Debug)]
pub(super) struct HowFar {
    shards: u64,
    /// How many shards are done, and the records of those.
    pub(super) done: u64,
    records: u64,
    /// The shard at work.
    current: Option<(u16, Progress)>,
}

impl HowFar {
    /// Of so many shards, one after the other.
    pub(super) const fn of(shards: u64) -> Self {
        Self { shards, done: 0, records: 0, current: None }
    }

    /// A shard says how far it is.
    pub(super) fn at(&mut self, shard: u16, progress: Progress) {
        if let Some((last, told)) = self.current
            && last != shard
        {
            self.done += 1;
            self.records += told.records;
        }
        self.current = Some((shard, progress));
    }

    /// All are done. A shard that has never committed tells nothing.
    pub(super) fn end(&mut self) {
        self.records = self.records();
        (self.done, self.current) = (self.shards, None);
    }

    /// The records that have been read.
    pub(super) fn records(&self) -> u64 {
        self.records + self.current.map_or(0, |(_, told)| told.records)
    }

    /// How many there will have been: what is left is taken for as large as what is done.
    fn expected(&self) -> u64 {
        let current = self.current.map_or(0, |(_, told)| told.estimate.max(told.records));
        let begun = self.done + u64::from(self.current.is_some());
        let known = self.records + current;
        known + known / begun.max(1) * self.shards.saturating_sub(begun)
    }

    /// As it is shown, after so long.
    pub(super) fn gauges(&self, took: Duration) -> Gauges {
        Gauges {
            restore_records: self.records(),
            restore_records_expected: self.expected(),
            restore_secs: took.as_secs(),
            ..Gauges::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_comes_closer_to_what_there_is() {
        let mut restoring = HowFar::of(4);
        let shown = |restoring: &HowFar| (restoring.done, restoring.records(), restoring.expected());
        let told = |records, estimate| Progress { records, estimate };
        assert_eq!(shown(&restoring), (0, 0, 0));
        restoring.at(0, told(10, 25));
        assert_eq!(shown(&restoring), (0, 10, 100));
        restoring.at(0, told(20, 20));
        assert_eq!(shown(&restoring), (0, 20, 80));
        restoring.at(2, told(5, 40));
        assert_eq!(shown(&restoring), (1, 25, 120));
        restoring.at(2, told(40, 40));
        // The third and the fourth have nothing to tell.
        restoring.end();
        assert_eq!(shown(&restoring), (4, 60, 60));
    }
}
