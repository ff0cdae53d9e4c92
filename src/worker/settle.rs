//! The commit and its three answers: it happened, it did not, nobody knows (protocol 8).
//!
//! Nothing leaves a worker but by the commit that carries it, and whatever the answer, the shards are as the
//! journal says they are before the next input.

use std::time::{Duration, Instant};

use super::cycle::{Cycle, Failure, Turn};
use super::owned::Owned;
use crate::engine::statistics::Statistics;
use crate::journal::{CommitError, Journal, JournalError, ShardCommit};
use crate::journey::catalog::PlanIndex;
use crate::metrics::Stage;
use crate::model::{Interval, Timestamp};

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
        // 3. Its answer decides, and where that is none, what the journal has: shard by shard, since another
        //    owner may have gone on with one of them.
        let reason = match answer {
            Ok(_) => {
                let all: Vec<u16> = self.tx.parts().iter().map(ShardCommit::shard).collect();
                self.keep(&all, now, started, turn);
                None
            }
            Err(CommitError::Refused { reason }) => Some(reason),
            Err(CommitError::Unknown { reason }) => {
                let kept = self.ask()?;
                self.keep(&kept, now, started, turn);
                (kept.len() < self.tx.parts().len()).then_some(reason)
            }
        };
        // 4. What is not committed has not happened.
        let settled = match reason {
            None => Settled::Kept,
            Some(reason) => {
                self.metrics.counters.commits_failed += 1;
                self.undo()?;
                Settled::Undone(reason)
            }
        };
        self.forget_steps();
        Ok(settled)
    }

    /// Asks the journal which parts of a transaction of an unknown outcome are committed. A shard that somebody
    /// else has gone on with is restored, or gone.
    fn ask(&mut self) -> Result<Vec<u16>, Failure> {
        let (mut kept, mut gone, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for part in self.tx.parts() {
            match self.journal.head(part.shard()) {
                // The number alone could be another owner's.
                Ok(Some(head)) if head.seq == part.seq() && head.meta == part.meta => kept.push(part.shard()),
                Ok(head) if head.as_ref().map_or(0, |head| head.seq) + 1 == part.seq() => {}
                Ok(_) => foreign.push(part.shard()),
                Err(JournalError::NotOwned { .. }) => gone.push(part.shard()),
                Err(error) => return Err(error.into()),
            }
        }
        gone.into_iter().for_each(|shard| self.lose(shard));
        self.gain(&foreign)?;
        Ok(kept)
    }

    fn keep(&mut self, kept: &[u16], now: Timestamp, started: Instant, turn: &mut Turn) {
        if kept.is_empty() {
            return;
        }
        let ended = Instant::now();
        let (took, before) = (ended.duration_since(started), turn.sends);
        let at = now + Interval::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        for part in self.tx.parts().iter().filter(|part| kept.contains(&part.shard())) {
            let Ok(index) = self.owned.binary_search_by_key(&part.shard(), |owned| owned.number) else {
                continue;
            };
            let owned = &mut self.owned[index];
            for &(arrived, count) in &owned.arrivals {
                let waited = Duration::from_millis(now.since(arrived).as_millis());
                self.metrics.record_many(Stage::EventToCommit, waited + took, count);
            }
            if let Some((users, took)) = owned.released(ended) {
                self.metrics.release(users, took);
            }
            self.deliveries.sent(part.sends.iter(), at);
            turn.sends += part.sends.len() as u64;
            turn.budget_spent.append(&mut owned.effects.budget_spent);
            owned.keep();
            let (shard, number) = (&owned.shard, owned.number);
            self.strikes.retain(|strike| {
                let stays = strike.shard != number || strike.outlasts(shard);
                turn.given_up += usize::from(!stays && strike.is_given_up());
                stays
            });
        }
        turn.committed = true;
        self.metrics.counters.commits += 1;
        self.metrics.counters.sends += turn.sends - before;
    }

    /// What was polled and not committed will be polled again.
    pub(super) fn forget_batch(&mut self) {
        self.batch.clear();
        (self.taken, self.waiting) = (Timestamp::MIN, None);
    }

    /// Everything since the last commit is forgotten, and will be read again.
    pub(super) fn undo(&mut self) -> Result<(), Failure> {
        let mut gone = Vec::new();
        for owned in &mut self.owned {
            owned.undo();
            match self.journal.start(owned.number) {
                Ok(()) => {}
                Err(JournalError::NotOwned { .. }) => gone.push(owned.number),
                Err(error) => return Err(error.into()),
            }
        }
        gone.into_iter().for_each(|shard| self.lose(shard));
        self.forget_batch();
        Ok(())
    }

    /// A decision of this shard panicked half way: what it has in memory cannot be trusted, so it is read
    /// anew.
    pub(super) fn reopen(&mut self, shard: u16) -> Result<(), Failure> {
        self.gain(&[shard])?;
        self.undo()
    }
}

fn not_conserved(owned: &Owned, plan: PlanIndex) -> Failure {
    let of = owned.shard.catalog().plan(plan);
    let identity = owned.shard.statistics(plan).map(Statistics::identity).unwrap_or_default();
    let (journey, version) = (of.journey.to_string(), of.version);
    Failure::NotConserved { shard: owned.number, journey, version, identity }
}
