//! Instances over one journal, stepped one by one on one clock, and what is checked of every turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use wayfarer::journal::memory::{Member, Memory, Rebalance};
use wayfarer::journal::{Assignment, Log};
use wayfarer::journey::catalog::JourneyIndex;
use wayfarer::model::{Format, Timestamp};
use wayfarer::worker::cycle::{Cycle, Options, Turn};
use wayfarer::worker::desk::Step;
use wayfarer::worker::open::Restored;

use super::journal::{Mutation, SimWorker, Switch};

/// How many instances there are.
pub(crate) const INSTANCES: usize = 3;
/// How many rounds the cluster may take to come to rest once nothing befalls it any more.
const ROUNDS_MAX: usize = 2_000;
/// What a turn may do in a shard: little, so that much happens in between.
const BUDGET: usize = 2;

/// One instance with one worker.
pub(crate) struct Instance {
    pub(crate) cycle: Cycle<SimWorker>,
    member: Member,
    /// How many of the accepted commands it was told.
    told: usize,
    /// Restored, and not handed over yet.
    restored: Vec<Restored>,
    dead: Arc<AtomicBool>,
    /// By how many milliseconds its local clock is wrong.
    pub(crate) jump: i64,
    /// The newest format that its program reads.
    pub(crate) reads: Format,
    /// Whether its last turn came as far as to ask what is its own.
    has_asked: bool,
}

/// What an instance does not get in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Late {
    /// Commands that it was not told yet.
    pub(crate) commands: bool,
    /// Shards that were restored.
    pub(crate) restores: bool,
}

/// Where all happens: instances by their place; the one that takes its turn is out of its place.
pub(crate) struct Stage {
    pub(crate) log: Memory,
    places: Mutex<Vec<Option<Instance>>>,
    /// The accepted commands.
    steps: Mutex<Vec<Arc<Step>>>,
    /// The journeys whose failure budget was spent, as turns said it.
    pub(crate) spent: Mutex<Vec<JourneyIndex>>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) shards: u16,
    /// The first thing that did not hold of a turn.
    wrong: Mutex<Option<String>>,
    /// By place: the newest format that the program reads which is started there next.
    pub(crate) programs: Mutex<[Format; INSTANCES]>,
}

impl Instance {
    /// One turn; whether anything was done.
    fn step(&mut self, stage: &Stage, late: Late) -> Result<bool, String> {
        let text = |e: &dyn ToString| e.to_string();
        if !late.restores {
            for done in self.restored.drain(..) {
                self.cycle.install(done).map_err(|e| text(&e))?;
            }
        }
        if !late.commands {
            let steps = stage.steps.lock().expect("nobody panics with it");
            // What its program does not fold it does not pass over either.
            for step in steps[self.told..].iter().take_while(|step| step.epoch.format <= self.reads) {
                self.cycle.push_step(stage.as_told(step, self.reads));
                self.told += 1;
            }
        }
        while let Some(restoring) = self.cycle.next_restoring() {
            restoring.run(&stage.log, &mut |_, _| {}, &mut |done| self.restored.push(done));
        }
        let wall = Timestamp(stage.switch.now().0 + self.jump);
        let restoring = self.cycle.restoring();
        let turn = self.cycle.turn(self.cycle.now(wall)).map_err(|e| text(&e))?;
        stage.switch.met().renewed += turn.renewed as u64;
        self.has_asked = turn.batches > 0;
        self.check(stage, &turn, restoring);
        stage.spent.lock().expect("nobody panics with it").extend(&turn.budget_spent);
        let waits = !self.restored.is_empty() || !self.cycle.is_open();
        Ok(turn.more || turn.committed || turn.read > 0 || turn.refused.is_some() || waits)
    }

    /// What must hold of any turn.
    fn check(&self, stage: &Stage, turn: &Turn, restoring: usize) {
        let shards = usize::from(stage.shards);
        let mut met = stage.switch.met();
        let within = turn.read <= BUDGET * turn.batches.max(1)
            && turn.fired <= BUDGET * shards
            && turn.released <= BUDGET * shards
            && turn.renewed <= BUDGET * shards;
        met.checked(8, u64::from(within));
        if !within {
            stage.blame(format!("I8: a turn of budget {BUDGET} a shard did {turn:?}"));
        }
        if restoring > 0 && turn.read > 0 {
            met.checked(11, 1);
        }
    }

    /// Whether it is ready only if it has opened all that the group has given it.
    fn tells_the_truth(&self, log: &Memory, shards: u16) -> bool {
        let mut given = (0..shards).filter(|shard| log.owner(*shard) == Some(self.member));
        let open: Vec<u16> = self.cycle.shards().map(|(number, _)| number).collect();
        !self.has_asked || !self.cycle.is_open() || given.all(|shard| open.contains(&shard))
    }
}

impl Stage {
    pub(crate) fn new(
        shards: u16,
        mutation: Option<Mutation>,
        programs: [Format; INSTANCES],
    ) -> Result<Arc<Self>, String> {
        let log = Memory::shared(shards, Rebalance::ByHand);
        if matches!(mutation, Some(Mutation::NoFencing | Mutation::NoUndo)) {
            log.without_fencing();
        }
        let stage = Arc::new(Self {
            log,
            places: Mutex::new((0..INSTANCES).map(|_| None).collect()),
            steps: Mutex::default(),
            spent: Mutex::default(),
            switch: Arc::new(Switch::new(mutation)),
            shards,
            wrong: Mutex::default(),
            programs: Mutex::new(programs),
        });
        stage.revive(&mut |shard| usize::from(shard) % INSTANCES)?;
        Ok(stage)
    }

    fn places(&self) -> MutexGuard<'_, Vec<Option<Instance>>> {
        self.places.lock().expect("no turn is taken with it")
    }

    fn start(&self, place: usize) -> Result<Instance, String> {
        let (log, reads) = (self.log.instance(&format!("instance {place}")), self.program(place));
        let inner = log.worker(Assignment::Shared(0)).map_err(|e| e.to_string())?;
        let member = inner.number().expect("it is one of a group");
        let options = Options {
            events_max: BUDGET,
            timers_max: BUDGET,
            releases_max: BUDGET,
            rows_max: BUDGET,
            renewals_max: BUDGET,
            reads,
            ..Options::of(self.shards)
        };
        let dead = Arc::<AtomicBool>::default();
        let worker = SimWorker { inner, switch: Arc::clone(&self.switch), place, dead: Arc::clone(&dead) };
        let mut cycle = Cycle::new(worker, options);
        // What is folded once here every process folds for itself: it is the same log.
        if let Some(other) = self.places().iter().flatten().find(|other| other.reads == reads) {
            cycle.fold_with(&other.cycle);
        }
        let told = self.steps.lock().expect("nobody panics with it").len();
        Ok(Instance { cycle, member, told, restored: Vec::new(), dead, jump: 0, reads, has_asked: false })
    }

    /// Lets one instance take its turn while the others are in their places.
    pub(crate) fn step(&self, place: usize, late: Late) -> Result<bool, String> {
        let taken = self.places().get_mut(place).and_then(Option::take);
        let Some(mut instance) = taken else { return Ok(false) };
        let stepped = instance.step(self, late);
        if instance.dead.load(Ordering::Relaxed) {
            return Ok(true);
        }
        if stepped.is_err() && self.is_too_old(instance.reads) {
            // As a process of that program ends; the next one there is of another.
            return Ok(true);
        }
        self.places()[place] = Some(instance);
        stepped
    }

    /// Whoever is gone comes again as another process, and shards that are nobody's are given to `whom`.
    pub(crate) fn revive(&self, whom: &mut dyn FnMut(u16) -> usize) -> Result<(), String> {
        for place in 0..INSTANCES {
            if self.places()[place].is_none() {
                let next = self.start(place)?;
                self.places()[place] = Some(next);
            }
        }
        let members: Vec<Member> = self.awake().into_iter().map(|(_, member)| member).collect();
        for shard in 0..self.shards {
            if self.log.owner(shard).is_none_or(|owner| !members.contains(&owner)) {
                self.log.assign(shard, members[whom(shard)]);
            }
        }
        Ok(())
    }

    /// An instance is gone with all that it had not committed.
    pub(crate) fn crash(&self, place: usize) {
        drop(self.places()[place].take());
    }

    /// Who is in its place.
    pub(crate) fn awake(&self) -> Vec<(usize, Member)> {
        let places = self.places();
        let awake = places.iter().enumerate();
        awake.filter_map(|(place, instance)| Some((place, instance.as_ref()?.member))).collect()
    }

    pub(crate) fn push_step(&self, step: Arc<Step>) {
        self.steps.lock().expect("nobody panics with it").push(step);
    }

    /// Notes what does not hold; the first counts.
    pub(crate) fn blame(&self, what: String) {
        self.wrong.lock().expect("nobody panics with it").get_or_insert(what);
    }

    /// Steps everybody until nothing is left to do.
    pub(crate) fn come_to_rest(&self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for place in 0..INSTANCES {
                busy |= self.step(place, Late::default())?;
                if self.awake().len() < INSTANCES {
                    // One that was too old has ended.
                    self.revive(&mut |shard| usize::from(shard) % INSTANCES)?;
                    busy = true;
                }
                if !self.look(|instances| instances[place].tells_the_truth(&self.log, self.shards)) {
                    self.blame("I12: an instance is ready without all that it owns".to_owned());
                }
                self.switch.met().checked(12, 1);
            }
            if let Some(wrong) = self.wrong.lock().expect("nobody panics with it").take() {
                return Err(wrong);
            }
            if !busy {
                return Ok(());
            }
        }
        Err(format!("I6: the cluster does not come to rest in {ROUNDS_MAX} rounds"))
    }

    /// Looks at all instances that are in their places.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Vec<&mut Instance>) -> T) -> T {
        look(&mut self.places().iter_mut().flatten().collect())
    }
}
