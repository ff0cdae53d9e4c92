//! The digest of what a shard stores besides users' pages, kept additive: what a record adds is remembered where the
//! record's content lies, so that a commit adds and subtracts and reads nothing back.
//!
//! Hours that are closed lie nowhere in memory, and there may be two thousand of a version. They never change, and so
//! they are summed by spans of [`SPAN_DAYS`]: as soon as hours of a span begin to expire, none of it counts any more.
//! So of ninety-two days the newest eighty-eight at least are under the digest, at some hundred bytes a version.

use super::commit::key;
use super::flows::Flows;
use super::statistics::HOURS_KEPT;
use super::touched::record_digest;
use crate::journey::catalog::PlanIndex;
use crate::model::{Interval, Timestamp};

/// How many days are summed together: less is more exact and costs more memory.
const SPAN_DAYS: i64 = 4;
const SPAN: Interval = Interval::from_days(SPAN_DAYS as u64);

/// What the records of one version's flows add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FlowSums {
    /// The record of the totals as it was committed last; nothing if there is none.
    totals: u128,
    /// That of the open hour.
    open: u128,
    /// Closed hours by span, ascending.
    closed: Vec<(i64, u128)>,
}

fn span_of(hour: Timestamp) -> i64 {
    hour.0.div_euclid(SPAN.0 as i64)
}

/// Whether no hour of a span expires while this one is open.
fn is_kept(span: i64, open: Timestamp) -> bool {
    span.saturating_mul(SPAN.0 as i64) >= (open - HOURS_KEPT).0
}

/// What the record of an hour adds.
fn hour_digest(plan: PlanIndex, hour: Timestamp, row: &[u64]) -> u128 {
    let mut value = Vec::with_capacity(row.len());
    Flows::write(row, &mut value);
    record_digest(&key::hour(plan, hour), &value)
}

impl FlowSums {
    /// What all of them add.
    pub(super) fn sum(&self) -> u128 {
        let closed = self.closed.iter().fold(0u128, |sum, (_, of_span)| sum.wrapping_add(*of_span));
        self.totals.wrapping_add(self.open).wrapping_add(closed)
    }

    /// The record of the totals was written.
    pub(super) fn totals(&mut self, digest: u128) {
        self.totals = digest;
    }

    /// The record of the open hour was written.
    pub(super) fn open(&mut self, digest: u128) {
        self.open = digest;
    }

    /// An hour closes with that row, if anything was counted in it since its record was written; then `open` opens.
    pub(super) fn close(&mut self, plan: PlanIndex, hour: Timestamp, row: Option<&[u64]>, open: Timestamp) {
        let left = row.map_or(self.open, |row| hour_digest(plan, hour, row));
        self.open = 0;
        self.add_closed(hour, left);
        self.expire(open);
    }

    /// A record of a closed hour is there.
    fn add_closed(&mut self, hour: Timestamp, digest: u128) {
        let span = span_of(hour);
        match self.closed.binary_search_by_key(&span, |(known, _)| *known) {
            Ok(at) => self.closed[at].1 = self.closed[at].1.wrapping_add(digest),
            Err(at) => self.closed.insert(at, (span, digest)),
        }
    }

    /// Spans of which hours expire while `open` is open count no more.
    fn expire(&mut self, open: Timestamp) {
        self.closed.retain(|(span, _)| is_kept(*span, open));
    }
}

/// The records of one version's flows as a restore meets them, in any order.
#[derive(Debug, Default)]
pub(super) struct FlowRecords {
    sums: FlowSums,
    /// The newest hour with its row: that is the open one.
    newest: Option<(Timestamp, Vec<u64>)>,
}

impl FlowRecords {
    /// The record of the totals.
    pub(super) fn totals(&mut self, digest: u128) {
        self.sums.totals = digest;
    }

    /// The record of an hour.
    pub(super) fn hour(&mut self, hour: Timestamp, row: Vec<u64>, digest: u128) {
        match &self.newest {
            Some((newest, _)) if *newest > hour => self.sums.add_closed(hour, digest),
            before => {
                if let Some((closed, _)) = before {
                    let (closed, left) = (*closed, self.sums.open);
                    self.sums.add_closed(closed, left);
                }
                self.sums.open = digest;
                self.newest = Some((hour, row));
            }
        }
    }

    /// What was there: the open hour, and the sums as the shard that wrote the records had them.
    pub(super) fn finish(mut self) -> (Option<(Timestamp, Vec<u64>)>, FlowSums) {
        if let Some((open, _)) = &self.newest {
            self.sums.expire(*open);
        }
        (self.newest, self.sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_in_any_order_give_the_sums_of_the_shard_that_closed_them() {
        const HOUR: i64 = 3_600_000;
        let rows = |n: i64| vec![n.unsigned_abs(), 1, 200];
        let (mut live, mut records) = (FlowSums::default(), Vec::new());
        for n in 0..24 * 100 {
            let hour = Timestamp(n * HOUR);
            let digest = hour_digest(3, hour, &rows(n));
            live.open(digest);
            records.push((hour, digest));
            // Nothing was counted since in every third, so that its record stays as it was.
            let row = rows(n);
            let next = Timestamp(hour.0 + HOUR);
            live.close(3, hour, (n % 3 > 0).then_some(&row), next);
        }
        let open = Timestamp(24 * 100 * HOUR);
        live.open(7);
        records.push((open, 7));
        records.retain(|(hour, _)| *hour >= open - HOURS_KEPT);
        for turn in [0, 1, 700, 2_000] {
            records.rotate_left(turn);
            let mut met = FlowRecords::default();
            records.iter().for_each(|(hour, digest)| met.hour(*hour, Vec::new(), *digest));
            let (newest, sums) = met.finish();
            assert_eq!((newest.map(|(hour, _)| hour), &sums), (Some(open), &live));
        }
        let under: usize = records.iter().filter(|(hour, _)| is_kept(span_of(*hour), open)).count();
        assert!(under >= 88 * 24, "{under} hours are under the digest");
    }
}
