//! Instances, stepped one by one, and what befalls them: crashes, refused and unknown commits, shards that move
//! between two steps and in the middle of one, polls and control records that are late, restores that take long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wayfarer::journal::memory::{CommitFault, FaultPlan, Member, Memory, PollFault, Rebalance};
use wayfarer::journal::{Assignment, Log};
use wayfarer::model::Timestamp;
use wayfarer::worker::cycle::{Cycle, Options};
use wayfarer::worker::desk::Desk;
use wayfarer::worker::open::Restored;
use wayfarer_reference::workload::Dice;

use super::journal::{Mutation, SimWorker, Switch};

/// How many instances there are.
const INSTANCES: usize = 3;
/// How many rounds the cluster may take to come to rest once nothing befalls it any more.
const ROUNDS_MAX: usize = 2_000;
/// How many steps are taken under faults, at most, before the cluster is let come to rest.
const BEFALLS_MAX: usize = 8;
/// What a turn may do in a shard: little, so that much happens in between.
const BUDGET: usize = 2;

/// One instance with one worker.
pub(crate) struct Instance {
    pub(crate) cycle: Cycle<SimWorker>,
    member: Member,
    desk: Desk,
    /// Restored, and not handed over yet.
    restored: Vec<Restored>,
}

/// Instances by their place; the one that takes its turn is out of its place.
type Places = Arc<Mutex<Vec<Option<Instance>>>>;

/// What befell the cluster, so that a run which met nothing proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) crashed: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    pub(crate) moved: u64,
    pub(crate) fenced: u64,
    pub(crate) late: u64,
}

pub(crate) struct Cluster {
    pub(crate) log: Memory,
    places: Places,
    switch: Arc<Switch>,
    shards: u16,
    dice: Dice,
    pub(crate) tally: Tally,
}

impl Instance {
    fn start(log: &Memory, switch: &Arc<Switch>, place: usize, shards: u16) -> Result<Self, String> {
        let log = log.instance(&format!("instance {place}"));
        let inner = log.worker(Assignment::Shared(0)).map_err(|e| e.to_string())?;
        let member = inner.number().expect("it is one of a group");
        let mut desk = Desk::new();
        desk.catch_up(&log, &mut |_, _| {}).map_err(|e| e.to_string())?;
        let options =
            Options { events_max: BUDGET, timers_max: BUDGET, releases_max: BUDGET, ..Options::of(shards) };
        let worker = SimWorker { inner, switch: Arc::clone(switch) };
        Ok(Self { cycle: Cycle::new(worker, options), member, desk, restored: Vec::new() })
    }

    /// One turn; whether anything was done. `late` of the control log and of restored shards stay where they are.
    fn step(&mut self, log: &Memory, now: Timestamp, late: bool) -> Result<bool, String> {
        let text = |e: &dyn ToString| e.to_string();
        let Self { cycle, desk, restored, .. } = self;
        if !late {
            desk.catch_up(log, &mut |_, answered| {
                if let Ok((_, Some(step))) = answered {
                    cycle.push_step(step);
                }
            })
            .map_err(|e| text(&e))?;
            for done in restored.drain(..) {
                cycle.install(done).map_err(|e| text(&e))?;
            }
        }
        while let Some(restoring) = cycle.next_restoring() {
            restoring.run(log, &mut |_, _| {}, &mut |done| restored.push(done));
        }
        let turn = cycle.turn(now).map_err(|e| text(&e))?;
        Ok(turn.more || turn.committed || turn.read > 0 || turn.refused.is_some() || !cycle.is_open())
    }
}

/// Lets one instance take its turn while the others are in their places.
fn step(places: &Places, log: &Memory, place: usize, now: Timestamp, late: bool) -> Result<bool, String> {
    let taken = places.lock().expect("no turn is taken with it").get_mut(place).and_then(Option::take);
    let Some(mut instance) = taken else { return Ok(false) };
    let stepped = instance.step(log, now, late);
    places.lock().expect("no turn is taken with it")[place] = Some(instance);
    stepped
}

impl Cluster {
    pub(crate) fn new(seed: u64, shards: u16, mutation: Option<Mutation>) -> Result<Self, String> {
        let log = Memory::shared(shards, Rebalance::ByHand);
        if matches!(mutation, Some(Mutation::NoFencing | Mutation::NoUndo)) {
            log.without_fencing();
        }
        let switch = Arc::new(Switch { mutation, ..Switch::default() });
        let instances = (0..INSTANCES).map(|place| Instance::start(&log, &switch, place, shards).map(Some));
        let places = Arc::new(Mutex::new(instances.collect::<Result<Vec<_>, _>>()?));
        let dice = Dice(seed ^ 0x5157_ac4e_0f0f_1234);
        let cluster = Self { log, places, switch, shards, dice, tally: Tally::default() };
        (0..shards)
            .for_each(|shard| cluster.log.assign(shard, cluster.member(usize::from(shard) % INSTANCES)));
        Ok(cluster)
    }

    fn member(&self, place: usize) -> Member {
        let places = self.places.lock().expect("no turn is taken with it");
        places[place].as_ref().expect("nobody takes a turn").member
    }

    /// Steps everybody until nothing is left to do at `now`, with faults for a while, and then without.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Result<(), String> {
        for _ in 0..self.dice.below(BEFALLS_MAX) {
            self.befall(now)?;
            let place = self.dice.below(INSTANCES);
            let late = self.dice.once_in(3);
            self.tally.late += u64::from(late);
            step(&self.places, &self.log, place, now, late)?;
        }
        self.log.set_faults(FaultPlan::default());
        drop(self.switch.before_commit.lock().expect("nobody panics with it").take());
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for place in 0..INSTANCES {
                busy |= step(&self.places, &self.log, place, now, false)?;
            }
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet == 2 {
                self.tally.fenced = *self.switch.fenced.lock().expect("nobody panics with it");
                return Ok(());
            }
        }
        Err(format!("the cluster does not come to rest in {ROUNDS_MAX} rounds"))
    }

    fn befall(&mut self, now: Timestamp) -> Result<(), String> {
        let broken = self.switch.mutation;
        match self.dice.below(9) {
            0 => self.crash()?,
            1 if broken != Some(Mutation::NoFencing) => {
                self.tally.refused += 1;
                self.fault(CommitFault::Refuse);
            }
            2 => {
                self.tally.unknown += 1;
                let committed = self.dice.once_in(2);
                self.fault(CommitFault::Unknown { committed });
            }
            3 => {
                let shard = self.dice.below(usize::from(self.shards)) as u16;
                let to = self.member(self.dice.clone().below(INSTANCES));
                self.dice.below(2);
                self.log.assign(shard, to);
                self.tally.moved += 1;
            }
            // A commit that nobody refuses is no fault of who has lost the shard: not for that mutation.
            4 | 5 if broken != Some(Mutation::NoUndo) => self.freeze(now),
            6 => {
                let fault = match self.dice.below(3) {
                    0 => PollFault::Delay,
                    1 => PollFault::Short { max: 1 },
                    _ => PollFault::Repeat { records: 2 },
                };
                self.log
                    .set_faults(FaultPlan { polls: BTreeMap::from([(0, fault)]), ..FaultPlan::default() });
            }
            _ => {}
        }
        Ok(())
    }

    fn fault(&self, fault: CommitFault) {
        self.log.set_faults(FaultPlan { commits: BTreeMap::from([(0, fault)]), ..FaultPlan::default() });
    }

    /// An instance is gone with all that it had not committed; its shards go to all, and another takes its place.
    fn crash(&mut self) -> Result<(), String> {
        let place = self.dice.below(INSTANCES);
        let gone = self.places.lock().expect("no turn is taken with it")[place].take();
        let member = gone.as_ref().map(|instance| instance.member);
        drop(gone);
        let next = Instance::start(&self.log, &self.switch, place, self.shards)?;
        self.places.lock().expect("no turn is taken with it")[place] = Some(next);
        for shard in (0..self.shards).filter(|shard| self.log.owner(*shard) == member) {
            let to = self.dice.below(INSTANCES);
            self.log.assign(shard, self.member(to));
        }
        self.tally.crashed += 1;
        Ok(())
    }

    /// Whoever commits next is stopped before it does; its shards go to others, who go on with them, and then it
    /// is woken: a zombie.
    fn freeze(&mut self, now: Timestamp) {
        let (places, log, shards) = (Arc::clone(&self.places), self.log.clone(), self.shards);
        let rounds = 1 + self.dice.below(6);
        let happens = move || {
            let awake = |places: &Places| -> Vec<(usize, Member)> {
                let places = places.lock().expect("no turn is taken with it");
                let awake = places.iter().enumerate();
                awake.filter_map(|(place, instance)| Some((place, instance.as_ref()?.member))).collect()
            };
            let others = awake(&places);
            if others.is_empty() {
                return;
            }
            for shard in 0..shards {
                let owner = log.owner(shard);
                if !others.iter().any(|(_, member)| Some(*member) == owner) {
                    log.assign(shard, others[usize::from(shard) % others.len()].1);
                }
            }
            for _ in 0..rounds {
                for (place, _) in &others {
                    // What goes wrong shows again when it takes its next turn.
                    let _ = step(&places, &log, *place, now, false);
                }
            }
        };
        *self.switch.before_commit.lock().expect("nobody panics with it") = Some(Box::new(happens));
        self.tally.moved += 1;
    }

    /// Looks at all instances, which are at rest.
    pub(crate) fn look<T>(&self, look: impl FnOnce(Vec<&Instance>) -> T) -> T {
        let places = self.places.lock().expect("no turn is taken with it");
        look(places.iter().flatten().collect())
    }
}
