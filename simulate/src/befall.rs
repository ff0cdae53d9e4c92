//! What befalls the instances: chosen by dice, so a function of the seed.

use std::sync::Arc;

use wayfarer::journal::memory::{FaultPlan, PollFault};
use wayfarer::model::Timestamp;
use wayfarer_reference::workload::Dice;

use super::cluster::{INSTANCES, Late, Stage};
use super::disk::Written;
use super::formats;
use super::journal::{CommitFault, Death, Plan};
use super::met::Fault;
use super::mutation::Mutation;

/// How many steps are taken under faults, at most, before the cluster is let come to rest.
const BEFALLS_MAX: usize = 6;
/// A death comes within so many calls.
const CALLS_MAX: usize = 12;
/// By how much a local clock jumps.
const DAY_MS: i64 = 86_400_000;

/// Instances and their fate.
pub(crate) struct Cluster {
    pub(crate) stage: Arc<Stage>,
    pub(crate) dice: Dice,
    /// Who hears of no command for a while, and whether of no restore either.
    deaf: Option<(usize, bool)>,
    /// What befell, in words, if anybody wants to read it.
    pub(crate) told: Option<Vec<String>>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, shards: u16, mutation: Option<Mutation>) -> Result<Self, String> {
        let mut dice = Dice(seed ^ 0x5157_ac4e_0f0f_1234);
        let stage = Stage::new(shards, mutation, formats::programs(&mut dice))?;
        Ok(Self { stage, dice, deaf: None, told: None })
    }

    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(what());
        }
    }

    pub(crate) fn met(&self, fault: Fault) {
        self.stage.switch.met().fault(fault);
    }

    /// Steps everybody until nothing is left to do at `now`, with faults for a while, and then without.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Result<(), String> {
        self.stage.switch.set_now(now);
        let befalls = self.dice.below(BEFALLS_MAX);
        if let Some((deaf, to_restores)) = self.deaf.take() {
            // Once more before it hears of everything.
            self.stage.step(deaf, Late { commands: true, restores: to_restores })?;
        }
        self.shake(befalls)?;
        self.stage.log.set_faults(FaultPlan::default());
        // Dropped without the lock: what it holds may be an end of the stage.
        let over = std::mem::take(&mut *self.stage.switch.plan());
        drop(over);
        self.revive()?;
        self.stage.come_to_rest()?;
        self.stage.switch.met().checked(6, u64::from(befalls > 0));
        Ok(())
    }

    /// Between two commands that are given one behind the other: some take turns under faults, and mostly one is new
    /// to the group. It hears of no command yet, has given up what it had, and is given a shard that somebody else has
    /// taken the last command with.
    pub(crate) fn stir(&mut self) -> Result<(), String> {
        if self.deaf.is_none() && !self.dice.once_in(3) {
            let deaf = self.dice.below(INSTANCES);
            self.deaf = Some((deaf, !self.dice.once_in(3)));
            self.tell(|| format!("instance {deaf} hears of nothing for a while, and loses its shards"));
            let others: Vec<_> = self.stage.awake().into_iter().filter(|(place, _)| *place != deaf).collect();
            for shard in (0..self.stage.shards).filter(|_| !others.is_empty()) {
                self.stage.log.assign(shard, others[usize::from(shard) % others.len()].1);
            }
        }
        let befalls = self.dice.below(BEFALLS_MAX / 2);
        self.shake(befalls)?;
        let Some((deaf, to_restores)) = self.deaf else { return Ok(()) };
        self.revive()?;
        for _ in 0..2 {
            for place in (0..INSTANCES).filter(|place| *place != deaf) {
                self.stage.step(place, Late::default())?;
            }
        }
        let shard = self.dice.below(usize::from(self.stage.shards)) as u16;
        let member =
            self.stage.awake().into_iter().find(|(place, _)| *place == deaf).map(|(_, member)| member);
        if let Some(member) = member.filter(|member| self.stage.log.owner(shard) != Some(*member)) {
            self.tell(|| format!("shard {shard} is given to instance {deaf}"));
            self.stage.log.assign(shard, member);
        }
        for _ in 0..1 + self.dice.below(2) {
            self.stage.step(deaf, Late { commands: true, restores: to_restores })?;
        }
        Ok(())
    }

    fn shake(&mut self, times: usize) -> Result<(), String> {
        for _ in 0..times {
            self.befall()?;
            let place = self.dice.below(INSTANCES);
            let mut late = Late { commands: self.dice.once_in(3), restores: self.dice.once_in(3) };
            if let Some((_, to_restores)) = self.deaf.filter(|(deaf, _)| *deaf == place) {
                late = Late { commands: true, restores: late.restores || to_restores };
            }
            self.stage.step(place, late)?;
        }
        Ok(())
    }

    pub(crate) fn revive(&mut self) -> Result<(), String> {
        let dice = &mut self.dice;
        self.stage.revive(&mut |_| dice.below(INSTANCES))
    }

    fn befall(&mut self) -> Result<(), String> {
        self.revive()?;
        let broken = self.stage.switch.mutation;
        match self.dice.below(13) {
            0 => {
                let place = self.dice.below(INSTANCES);
                self.tell(|| format!("instance {place} crashes"));
                self.met(Fault::Crash);
                self.stage.crash(place);
                self.roll(place);
                self.revive()?;
            }
            1 if broken != Some(Mutation::NoFencing) => self.commit_fault(CommitFault::Refuse),
            2 => {
                let committed = self.dice.once_in(2);
                self.commit_fault(CommitFault::Unknown { committed });
            }
            3 => {
                let shard = self.dice.below(usize::from(self.stage.shards)) as u16;
                let (place, to) = self.stage.awake()[self.dice.below(INSTANCES)];
                self.tell(|| format!("shard {shard} is given to instance {place}"));
                self.stage.log.assign(shard, to);
            }
            // A commit that nobody refuses is no fault of who has lost the shard: not for that mutation.
            4 | 5 if broken != Some(Mutation::NoUndo) => {
                self.freeze(true);
            }
            6 => {
                self.freeze(false);
            }
            7 => self.read_fault(),
            8 => {
                let (after, committed) = (self.dice.below(CALLS_MAX), self.dice.once_in(2));
                self.tell(|| {
                    format!("a process dies in call {after} of its journal, committed: {committed}")
                });
                self.stage.switch.plan().death = Some(Death { after, committed });
            }
            9 | 10 => self.checkpoints(),
            11 => {
                let jump = [0, DAY_MS, -DAY_MS][self.dice.below(3)];
                let place = self.dice.below(INSTANCES);
                self.tell(|| format!("the clock of instance {place} is wrong by {} h", jump / 3_600_000));
                self.stage.look(|instances| instances[place].jump = jump);
            }
            _ => {}
        }
        Ok(())
    }

    fn commit_fault(&mut self, fault: CommitFault) {
        self.tell(|| format!("the next commit: {fault:?}"));
        self.stage.switch.plan().commit = Some(fault);
    }

    fn read_fault(&mut self) {
        let fault = match self.dice.below(3) {
            0 => PollFault::Delay,
            1 => PollFault::Short { max: 1 },
            _ => PollFault::Repeat { records: 2 },
        };
        self.tell(|| format!("the next read: {fault:?}"));
        self.stage.switch.plan().poll = Some(fault);
    }

    /// Checkpoints of all shards on one disk, one of them spoilt perhaps.
    fn checkpoints(&mut self) {
        let (place, any) = (self.dice.below(INSTANCES), self.dice.below(1 << 20));
        let kinds = [Written::Whole, Written::Cut, Written::Flipped, Written::Foreign, Written::Untrue];
        let spoilt = (self.dice.below(usize::from(self.stage.shards)) as u16, kinds[self.dice.below(5)]);
        self.tell(|| {
            format!("instance {place} keeps checkpoints, that of shard {} {:?}", spoilt.0, spoilt.1)
        });
        let now = self.stage.switch.now();
        let mut disks = self.stage.switch.disks.lock().expect("nobody panics with it");
        for shard in 0..self.stage.shards {
            let written = if shard == spoilt.0 { spoilt.1 } else { Written::Whole };
            disks.keep(place, shard, now, written, any);
        }
    }

    /// Whoever commits next is stopped before it does, while others take turns. If its shards go to them, it is a
    /// zombie when it is woken; else its commit was merely slow.
    fn freeze(&mut self, loses: bool) {
        let rounds = 1 + self.dice.below(6);
        self.tell(|| {
            let then = if loses { ", and loses its shards" } else { "" };
            format!("whoever commits next is stopped for {rounds} rounds of the others{then}")
        });
        let stage = Arc::downgrade(&self.stage);
        let happens = move || {
            let Some(stage) = stage.upgrade() else { return };
            let others = stage.awake();
            if others.is_empty() {
                return;
            }
            let mut moved = false;
            for shard in (0..stage.shards).filter(|_| loses) {
                let owner = stage.log.owner(shard);
                if !others.iter().any(|(_, member)| Some(*member) == owner) {
                    stage.log.assign(shard, others[usize::from(shard) % others.len()].1);
                    moved = true;
                }
            }
            stage.switch.disturb(if moved { Fault::Frozen } else { Fault::Slow });
            for _ in 0..rounds {
                for (place, _) in &others {
                    if let Err(why) = stage.step(*place, Late::default()) {
                        stage.blame(why);
                    }
                }
            }
        };
        *self.stage.switch.plan() = Plan { before_commit: Some(Box::new(happens)), ..Plan::default() };
    }
}
