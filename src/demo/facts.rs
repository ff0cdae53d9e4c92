//! What the demo has to tell, as data. The text and the JSON are two renderings of these and of nothing else,
//! so that they cannot differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger::{Identity, VersionCounts};
use crate::lifecycle::{EntryGate, MovementGate};
use crate::model::Timestamp;

/// One thing that is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Told {
    /// A chapter begins.
    Scene {
        /// Its name.
        id: &'static str,
        /// Its title.
        title: &'static str,
        /// What is to come.
        text: &'static str,
    },
    /// Something is pointed at.
    Say {
        /// The words.
        text: String,
    },
    /// What was to be seen.
    Moral {
        /// The words.
        text: &'static str,
    },
    /// Verbs were given at one moment.
    Verbs {
        /// When.
        at: Timestamp,
        /// Why, in half a sentence.
        why: String,
        /// What each did.
        given: Vec<Given>,
    },
    /// The two journeys were watched.
    Watched {
        /// The states in which they were, CleverTap's first.
        states: [GateState; 2],
        /// One span of time each.
        spans: Vec<Span>,
    },
    /// The list journey's messages around its abort.
    AtSend(AtSend),
    /// The drain of the two journeys.
    Drained(Drained),
    /// One user's story.
    Explained {
        /// Who.
        user: String,
        /// What happened, in order.
        lines: Vec<StoryLine>,
    },
    /// Every state over the two gates.
    Map {
        /// One combination of the gates each.
        cells: Vec<MapCell>,
    },
    /// The ledger at the end.
    Summary(Summary),
}

/// One combination of the gates.
#[derive(Clone, Debug, Serialize)]
pub struct MapCell {
    /// The entry gate.
    pub entry: EntryGate,
    /// The movement gate.
    pub movement: MovementGate,
    /// The states that have them: dialect and name.
    pub states: Vec<(&'static str, &'static str)>,
}

/// A state's name and its gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateState {
    /// The journey's dialect.
    pub dialect: &'static str,
    /// The vendor's name of the state.
    pub state: &'static str,
    /// The entry gate.
    pub entry: EntryGate,
    /// The movement gate.
    pub movement: MovementGate,
    /// Whether anybody has been or can be inside: before, the movement gate means nothing.
    pub inhabited: bool,
}

/// What a verb did.
#[derive(Clone, Debug, Serialize)]
pub struct Given {
    /// To which journey.
    pub journey: String,
    /// The verb, or `put` for an edit, or none if the journey moved by itself.
    pub verb: Option<&'static str>,
    /// Before.
    pub from: GateState,
    /// After; the same if the verb was refused.
    pub to: GateState,
    /// Why it was refused.
    pub refused: Option<String>,
}

/// One span of time, for both journeys: CleverTap's first.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// From.
    pub from: Timestamp,
    /// To; that moment itself is outside.
    pub to: Timestamp,
    /// Each journey's counts.
    pub sides: [Side; 2],
}

/// What one journey did in a span, and who is where at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Came in during the span.
    pub entered: u64,
    /// Were turned away during the span because the entry gate is or was shut.
    pub turned_away: u64,
    /// Messages handed over during the span.
    pub sent: u64,
    /// Left during the span, for whatever reason.
    pub left: u64,
    /// In a step at its end.
    pub waiting: u64,
    /// Held before a step at its end.
    pub held: u64,
    /// Queued in a send step at its end.
    pub at_send: u64,
    /// Draining at its end.
    pub draining: u64,
}

/// Messages of a journey around its abort.
#[derive(Clone, Debug, Serialize)]
pub struct AtSend {
    /// The journey.
    pub journey: String,
    /// When it was aborted.
    pub aborted: Timestamp,
    /// Messages handed over before.
    pub sent_before: u64,
    /// Users queued in a send step at that moment.
    pub at_send: u64,
    /// Messages handed over afterwards.
    pub sent_after: u64,
    /// Of these, the messages to users who were not queued.
    pub sent_to_others: u64,
    /// When the last one was.
    pub last_sent: Option<Timestamp>,
}

/// The drain of the two journeys.
#[derive(Clone, Debug, Serialize)]
pub struct Drained {
    /// When both were stopped.
    pub stopped: Timestamp,
    /// Who drains at the end of each day after the stop; day 0 is the moment of the stop.
    pub days: Vec<DrainDay>,
    /// The last to leave each journey, and when.
    pub last: [Option<(String, Timestamp)>; 2],
    /// Messages handed over after the stop.
    pub sent_after: [u64; 2],
    /// Users who bought while they drained.
    pub converted_after: [u64; 2],
}

/// The end of one day of the drain.
#[derive(Clone, Debug, Serialize)]
pub struct DrainDay {
    /// Days since the stop.
    pub day: i64,
    /// When it ends.
    pub at: Timestamp,
    /// Who drains, CleverTap's first.
    pub draining: [u64; 2],
    /// What all who are inside any journey take, in bytes as they are stored, without their profiles.
    pub inside_bytes: u64,
}

/// One line of a user's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoryLine {
    /// When.
    pub at: Timestamp,
    /// In which journey.
    pub journey: String,
    /// The word on the wire: `entered`, `held`, …, or `refused`.
    pub what: String,
    /// The reason, the branch, the goal.
    pub detail: Option<String>,
    /// The same as a sentence.
    pub text: String,
}

/// The ledger at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// From the first moment.
    pub from: Timestamp,
    /// To the last.
    pub to: Timestamp,
    /// Messages that the shop's gateway handed on.
    pub events: u64,
    /// Of these, the messages that could not be decoded.
    pub rejected: u64,
    /// Rows of lists.
    pub rows: u64,
    /// Commits.
    pub commits: u64,
    /// Shards.
    pub shards: u16,
    /// Where everybody is, by journey and version.
    pub versions: Vec<VersionCounts>,
    /// Who was turned away, by journey and reason; only what happened.
    pub refusals: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// What was checked.
    pub identities: Vec<Identity>,
}
