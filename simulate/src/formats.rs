//! Instances of two programs beside each other (protocol 12): the one before reads the first format only. They come and
//! go in both directions until an operator has the next format begun, in the middle of the story; that is refused as
//! long as some shard's owner does not read it, and afterwards the program before understands nothing any more.

use std::sync::Arc;

use wayfarer::control::Command as Asked;
use wayfarer::journal::Group;
use wayfarer::lifecycle::Role;
use wayfarer::model::{Format, Timestamp};
use wayfarer::worker::desk::{Desk, Step};
use wayfarer_reference::workload::{Dice, Story};

use super::befall::Cluster;
use super::cluster::{INSTANCES, Stage};
use super::met::Fault;
use super::mutation::Mutation;
use super::oracle::Compared;
use super::story::Simulation;

/// Which program each instance is of at first.
pub(crate) fn programs(dice: &mut Dice) -> [Format; INSTANCES] {
    std::array::from_fn(|_| if dice.once_in(2) { Format::FIRST } else { Format::NEWEST })
}

/// At which step of a story the next format is asked for; never in one of four.
pub(crate) fn asked_at(story: &Story) -> usize {
    let mut dice = Dice(story.seed ^ 0x00f0_4a7f_00f0_4a7f);
    if dice.once_in(4) { usize::MAX } else { dice.below(story.steps.len().max(1)) }
}

impl Stage {
    /// Whether a program that reads so far does not fold the control log.
    pub(crate) fn is_too_old(&self, reads: Format) -> bool {
        reads < Format::NEWEST && Desk::reading(reads).catch_up(&self.log, &mut |_, _| {}).is_err()
    }

    /// The program that is started at a place: what is too old ends at once, and another takes its place.
    pub(crate) fn program(&self, place: usize) -> Format {
        let mut programs = self.programs.lock().expect("nobody panics with it");
        if self.is_too_old(programs[place]) {
            self.switch.met().fault(Fault::TooOld);
            programs[place] = Format::NEWEST;
        }
        programs[place]
    }

    /// A command as an instance is told of it: as it is, unless its build is broken.
    pub(crate) fn as_told(&self, step: &Arc<Step>, reads: Format) -> Arc<Step> {
        let mut told = Arc::clone(step);
        if self.switch.mutation == Some(Mutation::FormatTooSoon) {
            Arc::make_mut(&mut told).epoch.format = reads;
        }
        told
    }
}

impl Cluster {
    /// Now and then whoever comes again is of the other program: a step of a rolling upgrade, or of the way back.
    pub(crate) fn roll(&mut self, place: usize) {
        if !self.dice.once_in(3) {
            return;
        }
        let mut programs = self.stage.programs.lock().expect("nobody panics with it");
        programs[place] = if programs[place] == Format::FIRST { Format::NEWEST } else { Format::FIRST };
        drop(programs);
        self.met(Fault::Rolled);
        self.tell(|| format!("instance {place} is of the other program from now on"));
    }

    /// The end of a rolling upgrade: who is of the program before ends, and comes again as the newer one.
    fn upgrade_all(&mut self) -> Result<(), String> {
        *self.stage.programs.lock().expect("nobody panics with it") = [Format::NEWEST; INSTANCES];
        for (place, _) in self.stage.awake() {
            if self.stage.look(|instances| instances[place].reads) < Format::NEWEST {
                self.tell(|| format!("instance {place} is upgraded"));
                self.stage.crash(place);
                self.revive()?;
            }
        }
        Ok(())
    }
}

/// How often all are upgraded before the next format is given up: whoever crashes may come again as the program before.
const UPGRADES_MAX: usize = 20;

impl Simulation {
    /// An operator asks for the next format: in vain as long as somebody does not read it, and then all are upgraded.
    pub(crate) fn next_format(&mut self, now: Timestamp) -> Compared {
        let mut now = self.catch_up(now)?;
        for _ in 0..UPGRADES_MAX {
            let stage = &self.cluster.stage;
            let known = stage.log.acknowledged().map_err(|e| e.to_string())?;
            let is_behind = known.iter().any(|of| of.formats.reads < Format::NEWEST);
            if !is_behind || stage.switch.mutation == Some(Mutation::FormatUnasked) {
                self.control(now, "", Asked::Format(Format::NEWEST), Role::Operator)??;
                return self.rest(now);
            }
            stage.switch.met().fault(Fault::Behind);
            self.cluster.upgrade_all()?;
            self.rest(now)?;
            now = self.after(now);
        }
        Err(format!(
            "I9: all were upgraded {UPGRADES_MAX} times, and somebody still does not read the next format"
        ))
    }
}
