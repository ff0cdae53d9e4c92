//! What workers tell the rest of the process: epochs that are committed, counts, and how they are. Workers of
//! other instances tell the same by the journal.
//!
//! Counts are absolute and written after commits, so whoever adds them up sees nothing that is not committed.
//! Only the API and the steward read them; nothing on the data's way waits for either.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use super::view::ShardView;
use crate::control::service::Health;
use crate::journal::Pending;

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It restores its shards; so many of so many are done.
    Restoring(usize, usize),
    /// It does its work.
    Running,
    /// Its commits are refused, for this reason; it tries again.
    Refused(String),
    /// It has ended because of this.
    Dead(String),
    /// It was told to end, and did.
    Ended,
}

/// What workers tell.
#[derive(Debug)]
pub struct Board {
    epochs: Mutex<Vec<u64>>,
    changed: Condvar,
    workers: Mutex<Vec<State>>,
    /// By worker: what keeps it from shards.
    pending: Mutex<Vec<Vec<Pending>>>,
    /// What ails the inputs or outputs beside the workers, by name.
    ailments: Mutex<Vec<(&'static str, String)>>,
    /// By shard, of whatever instance: the commit as of which it is shown, and what is shown.
    views: DashMap<u16, (u64, Arc<ShardView>)>,
}

/// What is behind these locks is whole after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// For so many shards and workers, of which nothing is known yet.
    #[must_use]
    pub fn new(shards: u16, workers: usize) -> Self {
        Self {
            epochs: Mutex::new(vec![0; usize::from(shards)]),
            changed: Condvar::new(),
            workers: Mutex::new(vec![State::Restoring(0, 0); workers]),
            pending: Mutex::new(vec![Vec::new(); workers]),
            ailments: Mutex::default(),
            views: DashMap::new(),
        }
    }

    /// Says which epochs are committed, by shard.
    pub fn committed(&self, epochs: impl Iterator<Item = (u16, u64)>) {
        let mut known = lock(&self.epochs);
        let mut changed = false;
        for (shard, epoch) in epochs {
            let slot = &mut known[usize::from(shard)];
            changed |= *slot < epoch;
            *slot = epoch.max(*slot);
        }
        if changed {
            self.changed.notify_all();
        }
    }

    /// Waits until every shard has committed the epoch, at most for `wait`; the shards that have not.
    #[must_use]
    pub fn wait_for(&self, epoch: u64, wait: Duration) -> Vec<u16> {
        let until = Instant::now() + wait;
        let mut known = lock(&self.epochs);
        loop {
            let missing: Vec<u16> =
                (0u16..).zip(known.iter()).filter(|(_, at)| **at < epoch).map(|(shard, _)| shard).collect();
            let left = until.saturating_duration_since(Instant::now());
            if missing.is_empty() || left.is_zero() {
                return missing;
            }
            known = self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Shows what a shard is like as of a commit, unless something newer is shown.
    pub fn see(&self, shard: u16, seq: u64, view: Arc<ShardView>) {
        let mut known = self.views.entry(shard).or_insert_with(|| (seq, Arc::clone(&view)));
        if known.0 <= seq {
            *known = (seq, view);
        }
    }

    /// What is shown of each shard, of whatever instance, ascending by shard.
    #[must_use]
    pub fn views(&self) -> Vec<(u16, Arc<ShardView>)> {
        let mut views: Vec<_> = self.views.iter().map(|view| (*view.key(), Arc::clone(&view.1))).collect();
        views.sort_unstable_by_key(|(shard, _)| *shard);
        views
    }

    /// Says how a worker is.
    pub fn set(&self, worker: usize, state: State) {
        let mut workers = lock(&self.workers);
        if workers[worker] != state {
            workers[worker] = state;
        }
    }

    /// Says what keeps a worker from shards that are to be its own.
    pub fn pend(&self, worker: usize, pending: Vec<Pending>) {
        lock(&self.pending)[worker] = pending;
    }

    /// Says what ails an input or an output; `None`: nothing any more.
    pub fn ails(&self, what: &'static str, why: Option<String>) {
        let mut ailments = lock(&self.ailments);
        ailments.retain(|(known, _)| *known != what);
        ailments.extend(why.map(|why| (what, why)));
    }

    /// Whether every worker does its work, and nothing ails.
    #[must_use]
    pub fn health(&self) -> Health {
        let not_ready = |why: String| Health { ready: false, why: Some(why) };
        let workers = lock(&self.workers);
        let (mut done, mut all, mut restoring) = (0, 0, false);
        for (worker, state) in workers.iter().enumerate() {
            match state {
                State::Dead(why) => return not_ready(format!("worker {worker} has ended: {why}")),
                State::Refused(why) => return not_ready(format!("worker {worker} cannot commit: {why}")),
                State::Ended => return not_ready("the process is ending".to_owned()),
                State::Restoring(of, total) => {
                    restoring = true;
                    (done, all) = (done + of, all + total);
                }
                State::Running => {}
            }
        }
        if restoring {
            return not_ready(format!("shards are being restored, {done} of {all} are done"));
        }
        let pending = lock(&self.pending);
        if let Some((worker, first)) = pending.iter().enumerate().find_map(|(n, all)| Some((n, all.first()?)))
        {
            let others = pending.iter().map(Vec::len).sum::<usize>() - 1;
            let others = if others == 0 { String::new() } else { format!("; {others} more wait") };
            return not_ready(format!("worker {worker}: {first}{others}"));
        }
        match lock(&self.ailments).first() {
            Some((what, why)) => not_ready(format!("{what}: {why}")),
            None => Health { ready: true, why: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_epoch_is_told_the_shards_that_have_not_committed_it() {
        let board = Board::new(3, 1);
        board.committed([(0, 5), (2, 4)].into_iter());
        assert_eq!(board.wait_for(4, Duration::ZERO), [1]);
        board.committed([(1, 7), (2, 3)].into_iter());
        assert_eq!(board.wait_for(4, Duration::ZERO), [0u16; 0], "a shard's epoch never goes back");
        assert_eq!(board.wait_for(6, Duration::ZERO), [0, 2]);
    }

    #[test]
    fn a_view_of_an_older_commit_takes_the_place_of_none() {
        let board = Board::new(2, 0);
        let view =
            |plan| Arc::new(ShardView { versions: vec![(plan, Default::default())], ..Default::default() });
        for (seq, plan) in [(7, 1), (9, 2), (8, 3)] {
            board.see(1, seq, view(plan));
        }
        assert_eq!(board.views(), [(1, view(2))]);
    }

    #[test]
    fn health_names_what_keeps_the_process_from_its_work() {
        let board = Board::new(1, 2);
        board.set(0, State::Running);
        board.set(1, State::Restoring(3, 8));
        assert!(board.health().why.is_some_and(|why| why.contains("3 of 8")));
        board.set(1, State::Running);
        assert!(board.health().ready);
        board.ails("the file of sends", Some("the disk is full".to_owned()));
        assert_eq!(board.health().why.as_deref(), Some("the file of sends: the disk is full"));
        board.ails("the file of sends", None);
        board.pend(1, vec![Pending::Queued(3), Pending::Queued(4)]);
        let why = board.health().why.expect("shards are missing");
        assert_eq!(why, "worker 1: shard 3 is read after others; 1 more wait");
        board.pend(1, Vec::new());
        assert!(board.health().ready);
        board.set(0, State::Dead("it panicked".to_owned()));
        assert!(!board.health().ready);
    }
}
