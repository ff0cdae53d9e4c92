//! One worker thread: takes turns as long as there is something to do, and waits when not; shards that it gains
//! are restored beside it.
//!
//! It never sleeps while there is work, never spins while there is none, and after Stop it ends with a
//! commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;

use super::board::{Board, State};
use super::clock;
use super::cycle::{Cycle, Failure, Options, Turn};
use super::feed::{FileClock, Mark};
use super::inbox::{Inbox, Message};
use super::panics::Panics;
use super::publish::{self, Publisher};
use super::restorers::Restorers;
use crate::engine::cycle::UNTIMED_SOURCES;
use crate::journal::{ControlLog, Group, Journal};
use crate::journey::catalog::JourneyIndex;
use crate::metrics::Hub;
use crate::model::Timestamp;

/// How long to wait before a refused commit is tried again: at first, and at most. Disks are freed by people.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// The longest sleep: it bounds what a jump of the wall clock can delay.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The shortest, where a timer is due and the followed file's clock has yet to reach it.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// How long the inbox is left alone at most while the journal is waited for.
const INBOX_EVERY: Duration = Duration::from_millis(10);

/// What a worker tells the steward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// A door or a list is worth a look.
    Look,
    /// The failure budget of this journey was spent (G17): an alarm. What is to be done stands in the shard's view.
    Spent(JourneyIndex),
}

/// How far the shards of a worker have read a followed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAt {
    /// By what it is known, if one of the shards does.
    pub mark: Option<Arc<Mark>>,
    /// The least position of the shards.
    pub position: u64,
}

/// What a worker found when it had opened its shards: by the file's number.
pub type Files = BTreeMap<u8, FileAt>;

/// What a worker is given.
#[derive(Debug)]
pub struct Post {
    /// Its number.
    pub number: usize,
    /// What it is told.
    pub inbox: Inbox,
    /// Where it shows its shards.
    pub board: Arc<Board>,
    /// Where it shows what it measures.
    pub hub: Hub,
    /// The time up to which a followed file was read.
    pub file: FileClock,
    /// How its shards are set up.
    pub options: Options,
    /// What the workers have given up, all together.
    pub panics: Panics,
    /// How often it shows its counts at least, while they change.
    pub publish_every: Duration,
    /// How long it reads on before it commits, while it lags.
    pub commit_every: Duration,
    /// Whom it tells of doors, lists and failures.
    pub nudges: Sender<Nudge>,
    /// Whom it tells that sends were committed.
    pub sends: Sender<()>,
}

struct Worker<J: Journal> {
    post: Post,
    cycle: Cycle<J>,
    restorers: Restorers,
    publisher: Publisher,
    /// Told once every shard that it was given at the start is open.
    opened: Option<Box<dyn FnOnce(Files)>>,
    shown: Instant,
    unshown: bool,
    backoff: Duration,
}

impl Post {
    /// The life of a worker: `opened` is called once the shards that it is given at the start are restored.
    ///
    /// # Errors
    /// See [`Failure`]; the board says so too.
    pub fn run<J: Journal>(
        self,
        journal: J,
        log: &(impl ControlLog + Group + Clone + 'static),
        opened: impl FnOnce(Files) + 'static,
    ) -> Result<(), Failure> {
        let (board, number) = (Arc::clone(&self.board), self.number);
        board.set(number, State::Restoring(0, journal.shards().len()));
        let cycle = Cycle::new(journal, self.options.clone());
        let restorers = Restorers::new(number, self.inbox.for_restored(), self.hub.clone());
        let opened: Option<Box<dyn FnOnce(Files)>> = Some(Box::new(opened));
        let (shown, backoff) = (Instant::now(), BACKOFF.0);
        let publisher = Publisher::new(Arc::clone(&self.board), self.hub.clone(), number);
        let mut worker =
            Worker { post: self, cycle, restorers, publisher, opened, shown, unshown: true, backoff };
        let lived = worker.live(log);
        worker.restorers.end(&mut worker.cycle);
        board.set(
            number,
            match &lived {
                Ok(()) => State::Ended,
                Err(failure) => State::Dead(failure.to_string()),
            },
        );
        lived
    }
}

/// The most batches in one commit: a bound on what a commit has to hold, however fast they are.
const BATCHES_MAX: usize = 16;

/// How many batches fit into an interval, if so many took so long with their commit.
fn batches_in(interval: Duration, took: Duration, batches: usize) -> usize {
    let each = took.as_nanos().max(1) / batches.max(1) as u128;
    usize::try_from(interval.as_nanos() / each.max(1)).unwrap_or(BATCHES_MAX).clamp(1, BATCHES_MAX)
}

impl<J: Journal> Worker<J> {
    fn files(&self) -> Files {
        let mut files = Files::new();
        for (file, mark, _) in self.cycle.files() {
            files.entry(file).or_insert_with(|| FileAt { mark: Some(Arc::new(mark.clone())), position: 0 });
        }
        for (file, at) in &mut files {
            let positions = self.cycle.shards().map(|(_, shard)| shard.position(UNTIMED_SOURCES + file));
            at.position = positions.min().unwrap_or(0);
        }
        files
    }

    fn live(&mut self, log: &(impl ControlLog + Group + Clone + 'static)) -> Result<(), Failure> {
        loop {
            self.take_restored(log)?;
            // The file's clock before the inbox, the signal before the log: what comes later is found later.
            let until = self.post.file.now();
            self.post.inbox.clear_signal();
            let stop = self.take_messages();
            let room = self.post.options.events_max;
            while self.cycle.lines_waiting() < room
                && let Some(lines) = self.post.inbox.lines()
            {
                self.cycle.push_lines(lines);
            }
            // Lines that found no room happened before whatever the clock says.
            self.cycle.read_until(if self.post.inbox.has_lines() { Timestamp::MIN } else { until });
            let began = Instant::now();
            let turn = self.cycle.turn(self.cycle.now(clock::wall()))?;
            self.cycle.read_at_most(batches_in(self.post.commit_every, began.elapsed(), turn.batches));
            self.tell(&turn, log);
            if self.post.panics.note(turn.given_up, Instant::now()) {
                return Err(Failure::GivenUp);
            }
            if stop {
                self.show(log);
                return Ok(());
            }
            self.wait(&turn);
        }
    }

    /// Shards that were gained go to threads of their own, and come back restored.
    fn take_restored(&mut self, log: &(impl ControlLog + Group + Clone + 'static)) -> Result<(), Failure> {
        while let Some(restored) = self.post.inbox.restored() {
            self.cycle.install(restored)?;
        }
        while let Some(restoring) = self.cycle.next_restoring() {
            self.restorers.start(restoring, log.clone())?;
        }
        if self.cycle.is_open()
            && let Some(opened) = self.opened.take()
        {
            opened(self.files());
        }
        Ok(())
    }

    /// Whether it is to end.
    fn take_messages(&mut self) -> bool {
        let mut stop = false;
        while let Some(message) = self.post.inbox.message() {
            match message {
                Message::Step(step) => self.cycle.push_step(step),
                Message::Stop => {
                    stop = true;
                    break;
                }
                Message::Preview(journey, selection, answer) => {
                    for (_, shard) in self.cycle.shards() {
                        let _ = answer.send(shard.preview(journey, &selection));
                    }
                }
                Message::Places(plans, answer) => {
                    let _ = answer.send(publish::places(&self.cycle, &plans));
                }
            }
        }
        stop
    }

    fn tell(&mut self, turn: &Turn, group: &impl Group) {
        self.unshown |= turn.committed || !turn.lost.is_empty();
        for shard in &turn.lost {
            self.publisher.lost(*shard);
        }
        if turn.acknowledged || !turn.budget_spent.is_empty() {
            // Counts first: whoever is told that a gate has shut sees no older ones; and the steward reads there which
            // budgets are spent.
            self.show(group);
            self.acknowledge();
        } else if self.shown.elapsed() >= self.post.publish_every {
            if self.unshown {
                self.show(group);
            } else {
                self.publisher.refresh(&mut self.cycle);
                self.shown = Instant::now();
            }
        }
        if turn.sends > 0 {
            // Full: the output will look anyway.
            let _ = self.post.sends.try_send(());
        }
        for journey in &turn.budget_spent {
            let _ = self.post.nudges.send(Nudge::Spent(*journey));
        }
        let state = self.cycle.state(turn);
        if let State::Refused(why) = &state {
            tracing::warn!(worker = self.post.number, why, "nothing was committed; it is tried again");
        }
        self.post.board.pend(self.post.number, self.cycle.pending());
        self.post.board.set(self.post.number, state);
    }

    fn acknowledge(&self) {
        self.post.board.committed(self.cycle.shards().map(|(number, shard)| (number, shard.epoch())));
    }

    fn show(&mut self, group: &impl Group) {
        self.restorers.measure(&mut self.cycle.metrics.gauges);
        if self.publisher.publish(&mut self.cycle, group) {
            let _ = self.post.nudges.send(Nudge::Look);
        }
        (self.shown, self.unshown) = (Instant::now(), false);
    }

    fn wait(&mut self, turn: &Turn) {
        if turn.refused.is_some() {
            self.post.inbox.wait_for_message(self.backoff);
            self.backoff = (self.backoff * 2).min(BACKOFF.1);
            return;
        }
        self.backoff = BACKOFF.0;
        if turn.more {
            return;
        }
        let now = self.cycle.now(clock::wall());
        let due = turn.next_wake.map_or(SLEEP_MAX, |at| Duration::from_millis(at.since(now).as_millis()));
        // Counts that were not shown yet are shown in time, idle or not.
        let show =
            if self.unshown { self.post.publish_every.saturating_sub(self.shown.elapsed()) } else { due };
        let at_most = due.min(show).clamp(SLEEP_MIN, SLEEP_MAX);
        // A journal that can be waited for is: its records are appended elsewhere. The inbox comes in between.
        if !self.cycle.wait(at_most.min(INBOX_EVERY)) {
            self.post.inbox.wait(at_most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_lags_reads_on_as_long_as_the_interval_lets_it() {
        let ms = Duration::from_millis;
        for (interval, took, batches, next) in [
            (ms(100), ms(20), 1, 5),
            (ms(100), ms(100), 5, 5),
            // It has become slower: fewer.
            (ms(100), ms(400), 4, 1),
            (ms(0), ms(1), 1, 1),
            (ms(100), ms(0), 1, BATCHES_MAX),
            // Nothing was read: as if one batch were that fast.
            (ms(100), ms(50), 0, 2),
        ] {
            assert_eq!(batches_in(interval, took, batches), next, "{interval:?} {took:?} {batches}");
        }
    }
}
