//! One worker thread: restores its shards, then takes turns as long as there is something to do, and waits
//! when not.
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
use super::publish::Publisher;
use super::restoring::Restoring;
use crate::engine::cycle::UNTIMED_SOURCES;
use crate::journal::{ControlLog, Journal};
use crate::journey::catalog::JourneyIndex;
use crate::metrics::Hub;

/// How long to wait before a refused commit is tried again: at first, and at most. Disks are freed by people.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// The longest sleep: it bounds what a jump of the wall clock can delay.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The shortest, where a timer is due and the followed file's clock has yet to reach it.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// What a worker tells the steward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// A door or a list is worth a look.
    Look,
    /// The failure budget of this journey is spent (G17).
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
    /// How often it shows its counts at least, while they change.
    pub publish_every: Duration,
    /// Whom it tells of doors, lists and failures.
    pub nudges: Sender<Nudge>,
    /// Whom it tells that sends were committed.
    pub sends: Sender<()>,
}

struct Worker<J> {
    post: Post,
    cycle: Cycle<J>,
    shown: Instant,
    unshown: bool,
    backoff: Duration,
}

impl Post {
    /// The life of a worker: `opened` is called once its shards are restored.
    ///
    /// # Errors
    /// See [`Failure`]; the board says so too.
    pub fn run<J: Journal>(
        self,
        journal: J,
        control: &impl ControlLog,
        opened: impl FnOnce(Files),
    ) -> Result<(), Failure> {
        let (board, number) = (Arc::clone(&self.board), self.number);
        let lived = self.restore(journal, control).and_then(|mut worker| {
            opened(worker.files());
            worker.live()
        });
        board.set(
            number,
            match &lived {
                Ok(()) => State::Ended,
                Err(failure) => State::Dead(failure.to_string()),
            },
        );
        lived
    }

    fn restore<J: Journal>(self, journal: J, control: &impl ControlLog) -> Result<Worker<J>, Failure> {
        let all = journal.shards().len();
        self.board.set(self.number, State::Restoring(0, all));
        let (started, mut restoring) = (Instant::now(), Restoring::of(all as u64));
        let Self { board, hub, number, .. } = &self;
        let mut cycle = Cycle::open(journal, control, self.options.clone(), &mut |shard, at| {
            restoring.at(shard, at);
            board.set(*number, State::Restoring(restoring.done as usize, all));
            hub.restoring(*number, restoring.gauges(started.elapsed()));
            tracing::debug!(worker = number, shard, records = at.records, of = at.estimate, "restoring");
        })?;
        restoring.end();
        cycle.read_until(self.file.now());
        cycle.metrics.gauges = restoring.gauges(started.elapsed());
        let (records, took) = (restoring.records(), started.elapsed().as_millis());
        tracing::info!(worker = self.number, shards = all, records, ms = took, "the shards are restored");
        Ok(Worker { post: self, cycle, shown: Instant::now(), unshown: true, backoff: BACKOFF.0 })
    }
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

    fn live(&mut self) -> Result<(), Failure> {
        // What shards committed in an earlier life is committed. Counts first, here too.
        self.show();
        self.acknowledge();
        loop {
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
            if self.post.inbox.has_no_lines() {
                // Of what was read up to then, nothing is left behind.
                self.cycle.read_until(until);
            }
            let turn = self.cycle.turn(clock::wall())?;
            self.tell(&turn);
            if stop {
                self.show();
                return Ok(());
            }
            self.wait(&turn);
        }
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
            }
        }
        stop
    }

    fn tell(&mut self, turn: &Turn) {
        self.unshown |= turn.committed;
        if turn.epochs && turn.committed {
            // Counts first: whoever is told that a gate has shut sees no older ones.
            self.show();
            self.acknowledge();
        } else if self.unshown && self.shown.elapsed() >= self.post.publish_every {
            self.show();
        }
        if turn.sends > 0 {
            // Full: the output will look anyway.
            let _ = self.post.sends.try_send(());
        }
        for journey in &turn.budget_spent {
            let _ = self.post.nudges.send(Nudge::Spent(*journey));
        }
        let state = turn.refused.clone().map_or(State::Running, State::Refused);
        if let State::Refused(why) = &state {
            tracing::warn!(worker = self.post.number, why, "nothing was committed; it is tried again");
        }
        self.post.board.set(self.post.number, state);
    }

    fn acknowledge(&self) {
        self.post.board.committed(self.cycle.shards().map(|(number, shard)| (number, shard.epoch())));
    }

    fn show(&mut self) {
        let Post { board, hub, number, nudges, .. } = &self.post;
        if (Publisher { board, hub, worker: *number }).publish(&mut self.cycle) {
            let _ = nudges.send(Nudge::Look);
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
        let now = clock::wall();
        let due = turn.next_wake.map_or(SLEEP_MAX, |at| Duration::from_millis(at.since(now).as_millis()));
        // Counts that were not shown yet are shown in time, idle or not.
        let show =
            if self.unshown { self.post.publish_every.saturating_sub(self.shown.elapsed()) } else { due };
        self.post.inbox.wait(due.min(show).clamp(SLEEP_MIN, SLEEP_MAX));
    }
}
