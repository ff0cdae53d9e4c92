//! Shards come and go (cooperative rebalancing, protocols 1 and 8): a lost one is dropped at once, a gained
//! one is restored elsewhere, takes what it has missed of the control log, and commits before anything else.
//!
//! Whatever of a lost shard was not committed never happened: somebody else decides it, and the journal
//! refuses it from us.

use std::sync::Arc;

use super::board::State;
use super::cycle::{Cycle, Failure, Turn};
use super::desk::Step;
use super::open::{OnProgress, Restored, Restoring, Ticket, epoch_of};
#[cfg(feature = "broken")]
use crate::engine::broken::{self, Broken};
use crate::journal::{ControlLog, Counts, Journal, JournalError, Pending};

impl<J: Journal> Cycle<J> {
    /// Takes note of what the last poll said.
    pub(super) fn shards_moved(&mut self) -> Result<(), Failure> {
        for number in 0..self.batch.lost().len() {
            self.lose(self.batch.lost()[number]);
        }
        let gained = self.batch.gained().to_vec();
        self.gain(&gained)?;
        if self.owned.is_empty() && self.opening.is_empty() {
            self.steps.clear();
        }
        Ok(())
    }

    /// A shard is no longer ours: everything of it goes.
    pub(super) fn lose(&mut self, shard: u16) {
        if let Ok(at) = self.owned.binary_search_by_key(&shard, |owned| owned.number) {
            self.owned.remove(at);
            self.lost.push(shard);
        }
        self.opening.retain(|ticket| {
            let goes = ticket.shard == shard;
            if goes {
                ticket.cancel();
            }
            !goes
        });
    }

    /// Shards that are ours, and of which nothing is known here: they are to be restored.
    pub(super) fn gain(&mut self, gained: &[u16]) -> Result<(), Failure> {
        let mut shards = Vec::with_capacity(gained.len());
        for &shard in gained {
            self.lose(shard);
            match self.journal.stored(shard) {
                Ok(stored) => {
                    // What cannot be read of a head is said by who restores it.
                    let epoch = epoch_of(shard, &stored, self.options.reads).unwrap_or(0);
                    shards.push((Ticket::new(shard, epoch), stored));
                }
                Err(JournalError::NotOwned { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !shards.is_empty() {
            self.opening.extend(shards.iter().map(|(ticket, _)| ticket.clone()));
            let (options, chronicle) = (self.options.clone(), Arc::clone(&self.chronicle));
            // A shard that stands behind may not have been told yet of what these will have taken; nor one that is
            // being restored, and is opened after them.
            let open = self.owned.iter().map(|owned| owned.shard.epoch());
            let opening = self.opening.iter().map(|ticket| ticket.epoch);
            #[cfg(feature = "broken")]
            let opening = opening.filter(|_| !broken::is(Broken::EpochGap));
            let others = open.chain(opening).min().unwrap_or(u64::MAX);
            self.to_restore.push_back(Restoring { shards, options, others, chronicle });
        }
        Ok(())
    }

    /// Shards to be restored, by whoever drives the cycle: on a thread of its own, or here and now.
    pub fn next_restoring(&mut self) -> Option<Restoring<J::Stored>> {
        self.to_restore.pop_front()
    }

    /// Restores what is to be restored here and now.
    ///
    /// # Errors
    /// As [`Cycle::install`].
    pub fn restore_now(
        &mut self,
        control: &impl ControlLog,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let mut done = Vec::new();
        while let Some(restoring) = self.next_restoring() {
            restoring.run(control, progress, &mut |restored| done.push(restored));
        }
        done.into_iter().try_for_each(|restored| self.install(restored))
    }

    /// Takes a shard that has been restored; one that was lost meanwhile is thrown away.
    ///
    /// # Errors
    /// If it cannot be restored: it stays closed, and the worker must not go on.
    pub fn install(&mut self, restored: Restored) -> Result<(), Failure> {
        let Some(at) = self.opening.iter().position(|ticket| ticket.is(&restored.ticket)) else {
            return Ok(());
        };
        let opened = restored.outcome?;
        let shard = restored.ticket.shard;
        match self.journal.start(shard) {
            Ok(()) => {
                self.merge_steps(&opened.steps);
                let place = self.owned.partition_point(|owned| owned.number < shard);
                self.owned.insert(place, opened.owned);
            }
            // The next poll says that it is lost.
            Err(JournalError::NotOwned { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.opening.remove(at);
        Ok(())
    }

    /// Tells whoever restores shards that they are wanted no more.
    pub fn cancel(&mut self) {
        self.opening.drain(..).for_each(|ticket| ticket.cancel());
    }

    /// How many shards are being restored.
    #[must_use]
    pub fn restoring(&self) -> usize {
        self.opening.len()
    }

    /// What keeps the journal from giving shards that are to be this worker's.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.journal.pending()
    }

    /// What the journal has counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// How many records of its inputs a shard has not read.
    #[must_use]
    pub fn unread_of(&self, shard: u16) -> u64 {
        self.journal.unread(shard)
    }

    /// Whether every shard that the journal has given is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opening.is_empty() && self.owned.len() >= self.journal.shards().len()
    }

    /// How the worker is after a turn: what its instance's readiness goes by.
    #[must_use]
    pub fn state(&self, turn: &Turn) -> State {
        let is_open = self.is_open();
        #[cfg(feature = "broken")]
        let is_open = is_open || broken::is(Broken::ReadyTooEarly);
        match &turn.refused {
            Some(why) => State::Refused(why.clone()),
            None if is_open => State::Running,
            None => State::Restoring(self.owned.len(), self.owned.len() + self.opening.len()),
        }
    }

    fn merge_steps(&mut self, steps: &[Arc<Step>]) {
        for step in steps {
            let number = step.epoch.number;
            let place = self.steps.partition_point(|known| known.epoch.number < number);
            if self.steps.get(place).is_none_or(|known| known.epoch.number != number) {
                self.steps.insert(place, Arc::clone(step));
            }
        }
    }

    /// Lets go of the commands that every shard has committed: to be called when nothing is undecided. A shard
    /// that is being restored may need any that came since it was gained.
    pub(super) fn forget_steps(&mut self) {
        if self.opening.is_empty() {
            let oldest = self.owned.iter().map(|owned| owned.shard.epoch()).min().unwrap_or(u64::MAX);
            self.steps.retain(|step| step.epoch.number > oldest);
        }
    }
}
