//! The commit and its three answers: it happened, it did not, nobody knows (protocol 8).
//!
//! Nothing leaves a worker but by the commit that carries it, and whatever the answer, the shards are as the
//! journal says they are before the next input.

use std::time::{Duration, Instant};

use super::cycle::{Cycle, Failure, Turn};
use super::open;
use super::owned::Owned;
use crate::engine::statistics::Statistics;
use crate::journal::{CommitError, Journal, Transaction};
use crate::journey::catalog::PlanIndex;
use crate::metrics::Stage;
use crate::model::Timestamp;

/// What became of a turn's decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Settled {
    /// They are committed; or there were none.
    Kept,
    /// They were undone, and will be taken again.
    Undone(String),
}

impl<J: Journal> Cycle<J> {
    /// Commits what every shard has decided since the last commit, all in one transaction.
    pub(super) fn settle(
        &mut self,
        now: Timestamp,
        started: Instant,
        turn: &mut Turn,
    ) -> Result<Settled, Failure> {
        // 1. Every shard with something to say writes its part.
        self.tx.begin(now);
        for owned in self.owned.iter_mut().filter(|owned| owned.is_dirty()) {
            // What does not add up is not committed: a restart begins where it still did.
            if let Some(&plan) = owned.lay(&mut self.tx).first() {
                return Err(not_conserved(owned, plan));
            }
        }
        if self.tx.is_empty() {
            return Ok(Settled::Kept);
        }
        // 2. One atomic write: state, sends, statistics, rejects, positions.
        let before = Instant::now();
        let answer = self.journal.commit(&self.tx);
        self.metrics.record(Stage::Commit, before.elapsed());
        // 3. Its answer decides.
        let reason = match answer {
            Ok(_) => None,
            Err(CommitError::Refused { reason }) => Some(reason),
            Err(CommitError::Unknown { reason }) => (!self.is_committed()?).then_some(reason),
        };
        match reason {
            None => {
                self.metrics.counters.commits += 1;
                self.keep(now, started, turn);
                Ok(Settled::Kept)
            }
            Some(reason) => {
                self.metrics.counters.commits_failed += 1;
                self.undo()?;
                Ok(Settled::Undone(reason))
            }
        }
    }

    /// Asks the journal whether the transaction of an unknown outcome is committed.
    fn is_committed(&mut self) -> Result<bool, Failure> {
        let mut committed = false;
        for part in self.tx.parts() {
            let seq = self.journal.head(part.shard())?.map_or(0, |head| head.seq);
            if seq != part.seq() && seq + 1 != part.seq() {
                return Err(Failure::Foreign { shard: part.shard(), seq, expected: part.seq() });
            }
            committed = seq == part.seq();
        }
        Ok(committed)
    }

    fn keep(&mut self, now: Timestamp, started: Instant, turn: &mut Turn) {
        let took = started.elapsed();
        for part in self.tx.parts() {
            let Ok(at) = self.owned.binary_search_by_key(&part.shard(), |owned| owned.number) else {
                continue;
            };
            let owned = &mut self.owned[at];
            for &(arrived, count) in &owned.arrivals {
                let waited = Duration::from_millis(now.since(arrived).as_millis());
                self.metrics.record_many(Stage::EventToCommit, waited + took, count);
            }
            turn.sends += part.sends.len() as u64;
            turn.budget_spent.append(&mut owned.effects.budget_spent);
            owned.keep();
            let (shard, number) = (&owned.shard, owned.number);
            self.strikes.retain(|strike| strike.shard != number || strike.outlasts(shard));
        }
        turn.committed = true;
        self.metrics.counters.sends += sends(&self.tx);
        let oldest = self.owned.iter().map(|owned| owned.shard.epoch()).min().unwrap_or(u64::MAX);
        self.steps.retain(|step| step.epoch.number > oldest);
    }

    /// Everything since the last commit is forgotten, and will be read again.
    pub(super) fn undo(&mut self) -> Result<(), Failure> {
        for owned in &mut self.owned {
            owned.undo();
            self.journal.start(owned.number)?;
        }
        self.batch.clear();
        Ok(())
    }

    /// A decision of this shard panicked half way: what it has in memory cannot be trusted, so it is read
    /// anew.
    pub(super) fn reopen(&mut self, at: usize) -> Result<(), Failure> {
        for (other, owned) in self.owned.iter_mut().enumerate() {
            if other != at {
                owned.undo();
                self.journal.start(owned.number)?;
            }
        }
        self.batch.clear();
        let owned = &self.owned[at];
        let (number, catalog) = (owned.number, owned.catalog.clone());
        let head = self.journal.head(number)?;
        self.owned[at] =
            open::restore(&mut self.journal, number, head.as_ref(), &catalog, &self.options, &mut |_, _| {})?;
        Ok(())
    }
}

fn not_conserved(owned: &Owned, plan: PlanIndex) -> Failure {
    let of = owned.shard.catalog().plan(plan);
    let identity = owned.shard.statistics(plan).map(Statistics::identity).unwrap_or_default();
    let (journey, version) = (of.journey.to_string(), of.version);
    Failure::NotConserved { shard: owned.number, journey, version, identity }
}

fn sends(tx: &Transaction) -> u64 {
    tx.parts().iter().map(|part| part.sends.len() as u64).sum()
}
