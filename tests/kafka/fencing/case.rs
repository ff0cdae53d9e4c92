//! One case: who stands still where, who takes over, and what is there at the end.

use std::collections::BTreeMap;

use super::worker::{Role, VARIABLE};
use super::{PARTITIONS, Point, RECORDS};
use crate::process::Process;
use super::topics;

/// What is done in a case. Its name is that of its group and topics.
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
    /// Keys that a reader sees more than once.
    pub doubled: Vec<String>,
    /// Keys that it does not see.
    pub lost: Vec<String>,
}

impl Case {
    fn name(&self) -> String {
        let words = [
            if self.polls { "polled" } else { "straight" },
            if self.is_static { "static" } else { "dynamic" },
            if self.checks { "checked" } else { "unchecked" },
        ];
        topics::unique(&format!("fencing.{:?}.{}", self.point, words.join(".")))
    }

    /// The topic of inputs.
    pub fn events(&self) -> String {
        format!("{}.events", self.name())
    }

    /// The topic of outputs.
    pub fn sends(&self) -> String {
        format!("{}.sends", self.name())
    }

    /// Plays it.
    pub fn run(&self, servers: &str) -> Result<Outcome, String> {
        let name = self.name();
        let sleeper = self.start(servers, Role::Sleeper);
        let mut successor = None;
        if self.point == Point::Revoke {
            // Somebody has to come, or nothing is revoked.
            sleeper.says("open")?;
            successor = Some(self.start(servers, Role::Successor));
        }
        sleeper.says("stands still")?;
        sleeper.stopped();
        let successor = successor.unwrap_or_else(|| self.start(servers, Role::Successor));
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
        let committed = said.starts_with("ok");
        let keys = topics::committed_keys(servers, &self.sends(), PARTITIONS);
        let doubled = keys.iter().filter(|(_, count)| **count > 1).map(|(key, _)| key.clone()).collect();
        Ok(Outcome { committed, why: format!("{name}: {said}"), doubled, lost: missing(&keys) })
    }

    fn start(&self, servers: &str, role: Role) -> Process {
        let words: [String; 7] = [
            servers.to_owned(),
            self.name(),
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

/// Each input makes one send, whose key is the input's position.
fn missing(keys: &BTreeMap<String, usize>) -> Vec<String> {
    let inputs = (0..PARTITIONS).flat_map(|partition| (0..RECORDS).map(move |n| format!("{partition}/{n}")));
    inputs.filter(|key| !keys.contains_key(key)).collect()
}
