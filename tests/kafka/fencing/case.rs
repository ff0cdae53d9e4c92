//! One case: who stands still where, who takes over, and what is there at the end.

use std::collections::BTreeMap;

use wayfarer::journal::kafka::client::Isolation;

use super::plan::{Role, VARIABLE};
use super::{PARTITIONS, Point, RECORDS};
use crate::process::Process;
use crate::scene::Scene;

/// What is done in a case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Where the first worker stands still.
    pub point: Point,
    /// Whether it polls until it is a member again, before it goes on to its commit.
    pub polls: bool,
    /// Whether the members have names that outlast them (`group.instance.id`).
    pub is_static: bool,
    /// Whether it compares its member id at the commit with that at the first read.
    pub checks: bool,
}

/// What came of a case. All of it is printed when it is wrong.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the first worker's transaction was committed.
    pub committed: bool,
    /// What it said of that.
    #[allow(dead_code, reason = "it is for whoever reads the failure")]
    pub why: String,
    /// Sends that a reader sees more than once.
    pub doubled: Vec<String>,
    /// Inputs without a send.
    pub lost: Vec<String>,
}

/// The group and topics of a case.
struct Names {
    group: String,
    events: String,
    sends: String,
}

impl Case {
    fn name(&self) -> String {
        let words = [
            if self.polls { "polled" } else { "straight" },
            if self.is_static { "static" } else { "dynamic" },
            if self.checks { "checked" } else { "unchecked" },
        ];
        format!("{:?}.{}", self.point, words.join("."))
    }

    /// Plays it.
    pub fn run(&self, scene: &Scene) -> Result<Outcome, String> {
        let names = self.set_up(scene);
        let sleeper = self.start(scene, &names, Role::Sleeper);
        let mut successor = None;
        if self.point == Point::Revoke {
            // Somebody has to come, or nothing is revoked.
            sleeper.says("open")?;
            successor = Some(self.start(scene, &names, Role::Successor));
        }
        sleeper.says("stands still")?;
        sleeper.stopped();
        let successor = successor.unwrap_or_else(|| self.start(scene, &names, Role::Successor));
        successor.says("has all")?;
        // Positions that were sent and not decided hold the successor up: it waits for the sleeper.
        let waits = matches!(self.point, Point::Offsets | Point::Commit);
        if !waits {
            successor.says("done")?;
        }
        sleeper.go_on();
        let said = sleeper.says("commit ")?;
        drop(sleeper);
        if waits {
            successor.says("done")?;
        }
        drop(successor);
        Ok(judge(&sends(scene, &names), said))
    }

    fn set_up(&self, scene: &Scene) -> Names {
        let (events, sends) = (scene.topic("events", PARTITIONS, &[]), scene.topic("sends", PARTITIONS, &[]));
        let values: Vec<String> = (0..RECORDS).map(|n| n.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        for partition in 0..PARTITIONS {
            scene.commit(&events, partition, &values);
        }
        Names { group: scene.name(&self.name()), events, sends }
    }

    fn start(&self, scene: &Scene, names: &Names, role: Role) -> Process {
        let words: [String; 9] = [
            scene.servers().to_owned(),
            names.group.clone(),
            names.events.clone(),
            names.sends.clone(),
            format!("{role:?}"),
            format!("{:?}", self.point),
            self.polls.to_string(),
            self.is_static.to_string(),
            self.checks.to_string(),
        ];
        let name = format!("{role:?} of {}", self.name());
        Process::start(&name, "fencing::worker::worker", (VARIABLE, &words.join(" ")))
    }
}

/// How often each send is there for a read_committed reader.
fn sends(scene: &Scene, names: &Names) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for partition in 0..PARTITIONS {
        for send in scene.values(&names.sends, partition, Isolation::Committed) {
            *counts.entry(send).or_default() += 1;
        }
    }
    counts
}

/// Each input makes one send, which says the input's position.
fn judge(sends: &BTreeMap<String, usize>, said: String) -> Outcome {
    let all = (0..PARTITIONS).flat_map(|partition| (0..RECORDS).map(move |n| format!("{partition}/{n}")));
    Outcome {
        committed: said.starts_with("ok"),
        why: said,
        doubled: sends.iter().filter(|(_, count)| **count > 1).map(|(send, _)| send.clone()).collect(),
        lost: all.filter(|send| !sends.contains_key(send)).collect(),
    }
}
