//! What a worker is told by its environment, and how it answers.

use std::env;
use std::io::{self, Write};

use wayfarer::journal::kafka::client::Consumer;

use super::Point;
use super::work::Tenure;
use crate::process::stand_still;

/// What tells such a process what to do.
pub const VARIABLE: &str = "WAYFARER_FENCING";

/// Who a worker is in its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Stands still at the point.
    Sleeper,
    /// Takes over, and goes on until it is killed.
    Successor,
}

/// What to do, as the environment tells it.
pub struct Plan {
    /// Where the broker is.
    pub servers: String,
    /// The group.
    pub group: String,
    /// The topic of inputs.
    pub events: String,
    /// The topic of outputs.
    pub sends: String,
    /// Who it is.
    pub role: Role,
    point: String,
    /// Whether it polls until it is a member again, after it stood still.
    pub polls: bool,
    /// Whether its name in the group outlasts it.
    pub is_static: bool,
    /// Whether it checks its tenure before the commit.
    pub checks: bool,
}

impl Plan {
    /// That of the environment, if this process was started for one.
    pub fn from_environment() -> Option<Plan> {
        let line = env::var(VARIABLE).ok()?;
        let words: Vec<&str> = line.split(' ').collect();
        let [servers, group, events, sends, role, point, polls, is_static, checks] = words[..] else {
            panic!("a plan has nine words: {line}");
        };
        Some(Plan {
            servers: servers.to_owned(),
            group: group.to_owned(),
            events: events.to_owned(),
            sends: sends.to_owned(),
            role: if role == "Sleeper" { Role::Sleeper } else { Role::Successor },
            point: point.to_owned(),
            polls: polls == "true",
            is_static: is_static == "true",
            checks: checks == "true",
        })
    }

    /// Whether that is the point.
    pub fn stands_at(&self, point: Point) -> bool {
        self.point == format!("{point:?}")
    }

    /// Stands still if that is the point; then polls until it is a member again, if that is to be.
    pub fn stand_at(&self, point: Point, consumer: &Consumer, tenure: &mut Tenure) {
        if self.stands_at(point) {
            say("stands still");
            stand_still();
            if self.polls {
                tenure.rejoin(consumer);
            }
        }
    }
}

/// Tells the test.
pub fn say(word: &str) {
    let mut out = io::stdout();
    writeln!(out, "@{word}").and_then(|()| out.flush()).expect("somebody listens");
}
