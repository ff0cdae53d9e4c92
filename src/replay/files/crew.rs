//! The threads that own the shards: each takes its orders in turn, and nothing is shared but what nobody
//! changes.
//!
//! Shard `n` belongs to thread `n mod threads`. Orders are few (rounds, epochs, turns of the clock), so a
//! channel costs nothing; which thread runs first decides nothing, for no order reads another thread's
//! shards.

use std::ops::Range;
use std::sync::Arc;
use std::thread::Scope;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use super::chunk::{Chunk, What};
use super::intake::{Round, SHARDS};
use crate::control::range::By;
use crate::control::statistics::Tally;
use crate::control::story::Chapter;
use crate::engine::journey_state::JourneyState;
use crate::engine::statistics::Statistics;
use crate::engine::{Effects, Epoch, Input, Record, Setup, Shard};
use crate::journey::catalog::{JourneyIndex, PlanIndex};
use crate::model::hash::shard_of;
use crate::model::{Interval, Timestamp};
use crate::replay::story::Story;

/// The orders that a thread may be behind: it holds back the reader, not the other threads.
const ORDERS_MAX: usize = 8;
/// How many held users go in one turn of a release. All turns follow at the same instant of the clock.
const RELEASE_TURN: usize = 65_536;

/// What a thread is told to do with its shards.
#[derive(Clone)]
enum Order {
    /// Feed these events.
    Feed(Arc<Round>, Range<usize>),
    /// Take an epoch at its own time, and let go whom it releases.
    Epoch(Arc<Epoch>),
    /// Let time pass up to and with this.
    Wake(Timestamp),
    /// Tell how many each shard let into these journeys.
    Shares(Arc<[JourneyIndex]>),
    /// Tell when there is something to do next.
    NextWake,
    /// Hand over what was decided.
    Collect,
}

/// What a thread answers.
enum Answer {
    Shares(Vec<(u16, Vec<u64>)>),
    NextWake(Option<Timestamp>),
}

/// What one shard decided since it was last asked.
pub(super) struct Decided {
    /// The shard.
    pub(super) shard: u16,
    /// Its lines.
    pub(super) effects: Effects,
}

/// A shard when all is done.
pub(super) struct Done {
    /// The shard itself, for its statistics.
    pub(super) shard: Shard,
    /// The story of the user whose shard it is, if one is told.
    pub(super) story: Option<Story>,
}

/// What all threads have when all is done.
pub(super) struct Finished {
    /// The shards, by number.
    pub(super) shards: Vec<Done>,
    /// What moved in each bucket, if that was wanted.
    pub(super) tally: Option<Tally>,
}

/// What the threads are to hand over besides statistics.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// The lines of every shard.
    pub(super) lines: bool,
    /// The story of this user.
    pub(super) story: Option<String>,
    /// What moved by these buckets.
    pub(super) statistics: Option<By>,
}

struct Member {
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    decided: Receiver<Vec<Decided>>,
    done: Receiver<(Vec<Done>, Option<Tally>)>,
}

/// The threads.
pub(super) struct Crew {
    members: Vec<Member>,
}

/// That a thread is gone means that it panicked, and the scope hands that on.
const ALIVE: &str = "a thread of the replay ends only after its orders";

impl Crew {
    /// Starts the threads.
    pub(super) fn start<'scope>(scope: &'scope Scope<'scope, '_>, threads: usize, wanted: &Wanted) -> Self {
        let members = (0..threads).map(|number| {
            let (orders, inbox) = bounded(ORDERS_MAX);
            let (answers, answered) = unbounded();
            let (decided, handed) = unbounded();
            let (finished, done) = bounded(1);
            let mut thread = Thread::new(number, threads, wanted, answers, decided);
            scope.spawn(move || {
                while let Ok(order) = inbox.recv() {
                    thread.obey(order);
                }
                // Nobody waits for it if the replay has failed.
                let _ = finished.send(thread.done());
            });
            Member { orders, answers: answered, decided: handed, done }
        });
        Self { members: members.collect() }
    }

    fn tell(&self, order: &Order) {
        for member in &self.members {
            member.orders.send(order.clone()).expect(ALIVE);
        }
    }

    /// Feeds events of a round.
    pub(super) fn feed(&self, round: &Arc<Round>, range: Range<usize>) {
        if !range.is_empty() {
            self.tell(&Order::Feed(Arc::clone(round), range));
        }
    }

    /// Hands an epoch to every shard.
    pub(super) fn epoch(&self, epoch: Epoch) {
        self.tell(&Order::Epoch(Arc::new(epoch)));
    }

    /// Lets time pass up to and with `until`.
    pub(super) fn wake(&self, until: Timestamp) {
        self.tell(&Order::Wake(until));
    }

    /// How many each shard let into each of these journeys: by journey, by shard.
    pub(super) fn shares(&self, journeys: &Arc<[JourneyIndex]>) -> Vec<Vec<u64>> {
        self.tell(&Order::Shares(Arc::clone(journeys)));
        let mut shares = vec![vec![0; usize::from(SHARDS)]; journeys.len()];
        for member in &self.members {
            if let Answer::Shares(of) = member.answers.recv().expect(ALIVE) {
                for (shard, admitted) in of {
                    for (row, admitted) in shares.iter_mut().zip(admitted) {
                        row[usize::from(shard)] = admitted;
                    }
                }
            }
        }
        shares
    }

    /// When a shard has something to do next.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.tell(&Order::NextWake);
        let answers = self.members.iter().filter_map(|member| match member.answers.recv().expect(ALIVE) {
            Answer::NextWake(at) => at,
            Answer::Shares(_) => None,
        });
        // Every answer is taken, also where an earlier one would do.
        answers.collect::<Vec<_>>().into_iter().min()
    }

    /// Asks for what was decided since the last time; [`Crew::collected`] gives it.
    pub(super) fn collect(&self) {
        self.tell(&Order::Collect);
    }

    /// What was decided up to one [`Crew::collect`], by shard.
    pub(super) fn collected(&self) -> Vec<Decided> {
        let mut all: Vec<Decided> =
            self.members.iter().flat_map(|member| member.decided.recv().expect(ALIVE)).collect();
        all.sort_by_key(|decided| decided.shard);
        all
    }

    /// Ends the threads.
    pub(super) fn finish(self) -> Finished {
        let (mut done, mut all) = (Vec::new(), None::<Tally>);
        for Member { orders, answers: _, decided: _, done: handed } in self.members {
            drop(orders);
            let (shards, tally) = handed.recv().expect(ALIVE);
            done.push(shards.into_iter());
            match (&mut all, tally) {
                (Some(all), Some(tally)) => all.merge(&tally),
                (all, tally) => *all = tally,
            }
        }
        // Thread t has the shards t, t + threads, and so on.
        let threads = done.len();
        let shards = (0..usize::from(SHARDS)).filter_map(|shard| done[shard % threads].next()).collect();
        Finished { shards, tally: all }
    }
}

/// One shard with what it decided and has not handed over.
struct Seat {
    number: u16,
    shard: Shard,
    effects: Effects,
    story: Option<Story>,
}

struct Thread {
    number: usize,
    threads: usize,
    keeps_lines: bool,
    tally: Option<Tally>,
    seats: Vec<Seat>,
    answers: Sender<Answer>,
    decided: Sender<Vec<Decided>>,
}

impl Thread {
    fn new(
        number: usize,
        threads: usize,
        wanted: &Wanted,
        answers: Sender<Answer>,
        decided: Sender<Vec<Decided>>,
    ) -> Self {
        let seat = |shard: usize| {
            let shard = shard as u16;
            let story = wanted.story.as_ref().filter(|user| shard_of(user, SHARDS) == shard);
            let story = story.map(|user| Story::of(user));
            let feed = wanted.lines || story.is_some();
            let effects = Effects { feed, ..Effects::default() };
            Seat { number: shard, shard: Shard::new(Setup::of(shard, SHARDS)), effects, story }
        };
        let seats = (number..usize::from(SHARDS)).step_by(threads).map(seat).collect();
        let tally = wanted.statistics.map(Tally::new);
        Self { number, threads, keeps_lines: wanted.lines, tally, seats, answers, decided }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Feed(round, range) => self.feed(&round, range),
            Order::Epoch(epoch) => self.seats.iter_mut().for_each(|seat| seat.take_epoch(&epoch)),
            Order::Wake(until) => {
                let wake = Input::Wake { max: usize::MAX };
                self.seats.iter_mut().for_each(|seat| seat.handle(until, wake));
            }
            Order::Shares(journeys) => {
                let shares = self.seats.iter().map(|seat| (seat.number, seat.shares(&journeys)));
                let _ = self.answers.send(Answer::Shares(shares.collect()));
                return;
            }
            Order::NextWake => {
                let next = self.seats.iter().filter_map(|seat| seat.shard.next_wake()).min();
                let _ = self.answers.send(Answer::NextWake(next));
                return;
            }
            Order::Collect => return self.collect(),
        }
        for seat in &mut self.seats {
            if let Some(tally) = &mut self.tally {
                seat.closed_hours(tally);
            }
            // There is no journal that could refuse: what was decided stands, and need not be kept for an
            // undo.
            seat.shard.committed();
            if !self.keeps_lines {
                seat.effects.clear();
            }
        }
    }

    fn feed(&mut self, round: &Round, range: Range<usize>) {
        for &due in &round.events[range] {
            if usize::from(due.shard) % self.threads != self.number {
                continue;
            }
            let seat = &mut self.seats[usize::from(due.shard) / self.threads];
            let (chunk, index) = round.item(due);
            if let Some(story) = seat.story.as_mut().filter(|story| story.is_of(chunk.user(index))) {
                story.comes(came(due.at, chunk, index));
            }
            chunk.with(index, |body| {
                seat.handle(due.at, Input::Record(Record { source: 0, offset: due.seq, timed: true, body }));
            });
        }
    }

    fn collect(&mut self) {
        let of = |seat: &mut Seat| {
            let empty = Effects { feed: seat.effects.feed, ..Effects::default() };
            Decided { shard: seat.number, effects: std::mem::replace(&mut seat.effects, empty) }
        };
        let _ = self.decided.send(self.seats.iter_mut().map(of).collect());
    }

    fn done(mut self) -> (Vec<Done>, Option<Tally>) {
        if let Some(tally) = &mut self.tally {
            self.seats.iter().for_each(|seat| seat.open_hours(tally));
        }
        let of = |seat: Seat| Done { shard: seat.shard, story: seat.story };
        (self.seats.into_iter().map(of).collect(), self.tally)
    }
}

impl Seat {
    fn handle(&mut self, at: Timestamp, input: Input<'_>) {
        let told = self.story.is_some().then(|| Story::lengths(&self.effects));
        let _ = self.shard.handle(at, input, &mut self.effects);
        if let (Some(story), Some(from)) = (&mut self.story, told) {
            story.listen(&self.effects, from);
        }
    }

    fn take_epoch(&mut self, epoch: &Epoch) {
        // Timers at the very instant of a verb come after it (G28), those before it fire first.
        self.handle(epoch.at, Input::Epoch(epoch));
        while self.shard.is_releasing() {
            self.handle(epoch.at, Input::Release { max: RELEASE_TURN });
        }
    }

    /// Counts the hours that were closed by what was just done.
    fn closed_hours(&self, tally: &mut Tally) {
        let catalog = self.shard.catalog();
        for (plan, hour, row) in self.shard.closed_hours() {
            tally.add(plan, hour, &catalog.plan(plan).zone, row);
        }
    }

    /// Counts the hours that are open when all is done.
    fn open_hours(&self, tally: &mut Tally) {
        let catalog = self.shard.catalog();
        for plan in 0..catalog.plan_count() as PlanIndex {
            let open = self.shard.statistics(plan).and_then(Statistics::open_hour);
            if let Some((hour, row)) = open {
                tally.add(plan, hour, &catalog.plan(plan).zone, row);
            }
        }
    }

    fn shares(&self, journeys: &[JourneyIndex]) -> Vec<u64> {
        let admitted =
            |j: &JourneyIndex| self.shard.journey(*j).map_or(0, |state| JourneyState::share(state).1);
        journeys.iter().map(admitted).collect()
    }
}

/// An event as a story tells it.
fn came(at: Timestamp, chunk: &Chunk, index: usize) -> Chapter {
    let (what, name) = chunk.name(index);
    let name = match what {
        What::Event(_) => name.to_owned(),
        What::Row => format!("a row of the audience list of {name}"),
        What::Enter => format!("an entry by API into {name}"),
    };
    let own_time = chunk.timestamp(index).filter(|own| *own != at);
    Chapter::Came { at, name, own_time }
}

/// How long the clock runs on after the last event and the last verb, if no timer ends it and nobody says
/// until when: the longest that one wait may be.
pub(super) const RUN_ON: Interval = Interval::LONGEST;
