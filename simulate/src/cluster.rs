//! Instances over one journal, stepped one by one on one clock, and what is checked of every turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use wayfarer::journal::kafka::clock::Clock;
use wayfarer::journal::memory::{Member, Memory, Rebalance};
use wayfarer::journal::{Assignment, Log};
use wayfarer::journey::catalog::JourneyIndex;
use wayfarer::model::{Format, Timestamp};
use wayfarer::worker::board::State;
use wayfarer::worker::cycle::{Cycle, Options, Turn};
use wayfarer::worker::desk::Step;
use wayfarer::worker::open::Restored;

use super::journal::{SimWorker, Switch};
use super::met::Fault;
use super::mutation::Mutation;

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
    /// By how many milliseconds its local clock is wrong, and was in its last turn.
    pub(crate) jump: i64,
    jumped: i64,
    /// The newest format that its program reads.
    pub(crate) reads: Format,
    /// What the group gave it, as of its last poll.
    given: Arc<Mutex<Vec<u16>>>,
    /// What it has told of itself last.
    state: State,
}

/// What a turn begins with.
struct Before {
    /// Shards that are being restored.
    restoring: usize,
    /// Records that the open shards have not read.
    unread: u64,
    /// How often turns were disturbed.
    disturbed: u64,
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
        let mut is_late = late.restores && !self.restored.is_empty();
        if !late.restores {
            for done in self.restored.drain(..) {
                self.cycle.install(done).map_err(|e| text(&e))?;
            }
        }
        {
            let steps = stage.steps.lock().expect("nobody panics with it");
            is_late |= late.commands && self.told < steps.len();
            if !late.commands {
                // What its program does not fold it does not pass over either.
                for step in steps[self.told..].iter().take_while(|step| step.epoch.format <= self.reads) {
                    self.cycle.push_step(stage.as_told(step, self.reads));
                    self.told += 1;
                }
            }
        }
        while let Some(restoring) = self.cycle.next_restoring() {
            restoring.run(&stage.log, &mut |_, _| {}, &mut |done| self.restored.push(done));
        }
        let befell = [(is_late, Fault::Late), (self.jumped != self.jump, Fault::Jumped)];
        befell.into_iter().filter(|(is, _)| *is).for_each(|(_, fault)| stage.switch.met().fault(fault));
        self.jumped = self.jump;
        let wall = Timestamp(stage.switch.now().0 + self.jump);
        let before = self.before(stage);
        let turn = self.cycle.turn(self.cycle.now(wall)).map_err(|e| text(&e))?;
        stage.switch.met().renewed += turn.renewed as u64;
        if !turn.budget_spent.is_empty() && stage.switch.mute.swap(false, Ordering::Relaxed) {
            self.dead.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        self.check(stage, &turn, &before);
        stage.spent.lock().expect("nobody panics with it").extend(&turn.budget_spent);
        let waits = !self.restored.is_empty() || !self.cycle.is_open();
        Ok(turn.more || turn.committed || turn.read > 0 || turn.refused.is_some() || waits)
    }

    fn before(&self, stage: &Stage) -> Before {
        let own = |shard: &u16| stage.log.owner(*shard) == Some(self.member);
        let open = self.cycle.shards().map(|(shard, _)| shard).filter(own);
        Before {
            restoring: self.cycle.restoring(),
            unread: open.map(|shard| self.cycle.unread_of(shard)).sum(),
            disturbed: stage.switch.disturbed(),
        }
    }

    /// What must hold of any turn.
    fn check(&mut self, stage: &Stage, turn: &Turn, before: &Before) {
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
        for shard in &turn.lost {
            if stage.log.owner(*shard) != Some(self.member) {
                met.fault(Fault::Moved);
            }
        }
        // Nothing has come in between, so whatever open shards have to read is read on.
        let is_smooth = before.disturbed == stage.switch.disturbed()
            && !stage.switch.repeating.load(Ordering::Relaxed)
            && turn.refused.is_none()
            && turn.lost.is_empty();
        let stands_still = is_smooth && before.unread > 0 && turn.read == 0;
        if before.restoring > 0 && before.unread > 0 {
            met.checked(11, u64::from(is_smooth && !stands_still));
            if stands_still {
                stage.blame(format!("I11: {} records wait beside a restore: {turn:?}", before.unread));
            }
        }
        self.state = self.cycle.state(turn);
        if self.state == State::Running {
            let open: Vec<u16> = self.cycle.shards().map(|(number, _)| number).collect();
            let given = self.given.lock().expect("nobody panics with it");
            let closed: Vec<_> =
                given.iter().filter(|s| !open.contains(s) && !turn.lost.contains(s)).collect();
            met.checked(12, 1);
            if !closed.is_empty() || stands_still {
                stage.blame(format!("I12: it says that it runs, without shards {closed:?}: {turn:?}"));
            }
        }
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
        let given = Arc::<Mutex<Vec<u16>>>::default();
        let worker = SimWorker {
            inner,
            log: self.log.clone(),
            given: Arc::clone(&given),
            clock: Clock::new_when(self.switch.now(), self.switch.running()),
            read: BTreeMap::new(),
            switch: Arc::clone(&self.switch),
            place,
            dead: Arc::clone(&dead),
        };
        let mut cycle = Cycle::new(worker, options);
        // What is folded once here every process folds for itself: it is the same log.
        if let Some(other) = self.places().iter().flatten().find(|other| other.reads == reads) {
            cycle.fold_with(&other.cycle);
        }
        let told = self.steps.lock().expect("nobody panics with it").len();
        let (restored, state) = (Vec::new(), State::Restoring(0, 0));
        Ok(Instance { cycle, member, told, restored, dead, jump: 0, jumped: 0, reads, given, state })
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

    /// The epochs of the accepted commands, in order.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        let steps = self.steps.lock().expect("nobody panics with it");
        steps.iter().map(|step| step.epoch.number).collect()
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
                    // One that was too old has ended, or one that was to tell of a spent budget.
                    self.revive(&mut |shard| usize::from(shard) % INSTANCES)?;
                    busy = true;
                }
            }
            if let Some(wrong) = self.wrong.lock().expect("nobody panics with it").take() {
                return Err(wrong);
            }
            if !busy {
                self.switch.repeating.store(false, Ordering::Relaxed);
                let all =
                    self.look(|instances| instances.iter().map(|i| i.state.clone()).collect::<Vec<_>>());
                if all.iter().any(|state| *state != State::Running) {
                    return Err(format!("I12: at rest instances say that they are {all:?}"));
                }
                return Ok(());
            }
        }
        Err(format!("I6: the cluster does not come to rest in {ROUNDS_MAX} rounds"))
    }

    /// When the next timer of any shard is due.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.look(|instances| {
            instances.iter().flat_map(|i| i.cycle.shards()).filter_map(|(_, shard)| shard.next_wake()).min()
        })
    }

    /// Looks at all instances that are in their places.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Vec<&mut Instance>) -> T) -> T {
        look(&mut self.places().iter_mut().flatten().collect())
    }
}
