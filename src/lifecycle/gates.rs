//! The two gates and the dates over them.
//!
//! The engine asks a gate at exactly two places: entry before an enrollment is created, movement before a
//! node starts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// May a qualifying user be enrolled?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryGate {
    /// Yes.
    Open,
    /// No; and whoever is turned away now does not enter later by this event (G1).
    Shut,
}

/// May an enrolled user start another node?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementGate {
    /// Yes.
    Open,
    /// Not now: stay where you are, you will go on later.
    Held,
    /// Never again.
    Shut,
}

impl EntryGate {
    /// The gate's position as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shut => "shut",
        }
    }
}

impl MovementGate {
    /// The gate's position as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held => "held",
            Self::Shut => "shut",
        }
    }
}

impl fmt::Display for EntryGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for MovementGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Both gates of a journey at one moment: all that the engine sees of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gates {
    /// The gate before an enrollment is created.
    pub entry: EntryGate,
    /// The gate before a node starts.
    pub movement: MovementGate,
}

/// When a journey opens and shuts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// The first moment at which users may enter; `None`: from the publication on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// The first moment at which they may no longer; `None`: never by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

impl Schedule {
    /// Whether the start has been reached at `now`.
    #[must_use]
    pub fn has_started(&self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now)
    }

    /// Whether the end has been reached at `now`; the end itself is outside.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Why a journey cannot go live with these dates at `now`; empty if it can.
    #[must_use]
    pub fn problems(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(end) = self.end.filter(|&end| end <= now) {
            problems.push(format!("its end date {end} has passed"));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end <= start
        {
            problems.push(format!("its end date {end} is not after its start date {start}"));
        }
        problems
    }
}
