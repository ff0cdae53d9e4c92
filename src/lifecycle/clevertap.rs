//! CleverTap's *Journey States* as a table.
//!
//! Paused means: nobody enters, and those inside go on (G2). There is no Error: `fail` is refused in every
//! state, and the caller raises an alarm and parks the users concerned instead (G17).

use super::dialect::{Arrow, Dialect, Edits, State, StateId, Target};
use super::gates::{EntryGate, MovementGate};
use super::verb::{Inside, Verb};

const DRAFT: StateId = StateId(0);
const SCHEDULED: StateId = StateId(1);
const RUNNING: StateId = StateId(2);
const PAUSED: StateId = StateId(3);
const COMPLETED: StateId = StateId(4);
const STOPPED: StateId = StateId(5);

/// The list's end may be reported in every state that can still act on it; the state's `on_end` does the rest
/// (G8).
const SYSTEM: &[Arrow] = &[Arrow::stay(Verb::ListProcessed)];
const STOP: Arrow = Arrow::to(Verb::Stop, STOPPED).and(Inside::Drain);

/// The dialect `clevertap`.
pub static CLEVERTAP: Dialect = Dialect::new("clevertap", "CleverTap, Journey States", STATES);

const STATES: &[State] = &[
    State {
        id: DRAFT,
        name: "Draft",
        entry: EntryGate::Shut,
        movement: MovementGate::Held,
        inhabited: false,
        drains: false,
        edits: Edits::Everything,
        verbs: &[
            Arrow::stay(Verb::Edit),
            Arrow::stay(Verb::Save),
            Arrow::leads(Verb::Publish, Target::Launch { later: SCHEDULED, now: RUNNING }),
            Arrow::stay(Verb::Clone),
        ],
        system: &[],
        on_start: None,
        on_end: None,
    },
    State {
        id: SCHEDULED,
        name: "Scheduled",
        entry: EntryGate::Shut,
        movement: MovementGate::Held,
        inhabited: false,
        drains: false,
        edits: Edits::Content,
        verbs: &[Arrow::stay(Verb::Edit), Arrow::stay(Verb::Clone), Arrow::to(Verb::Pause, PAUSED), STOP],
        system: SYSTEM,
        on_start: Some(RUNNING),
        on_end: None,
    },
    State {
        id: RUNNING,
        name: "Running",
        entry: EntryGate::Open,
        movement: MovementGate::Open,
        inhabited: true,
        drains: false,
        edits: Edits::InPlace,
        verbs: &[Arrow::stay(Verb::Edit), Arrow::stay(Verb::Clone), Arrow::to(Verb::Pause, PAUSED), STOP],
        system: SYSTEM,
        on_start: None,
        on_end: Some(COMPLETED),
    },
    State {
        id: PAUSED,
        name: "Paused",
        entry: EntryGate::Shut,
        movement: MovementGate::Open,
        inhabited: true,
        drains: false,
        edits: Edits::InPlace,
        verbs: &[Arrow::stay(Verb::Edit), Arrow::stay(Verb::Clone), Arrow::to(Verb::Resume, RUNNING), STOP],
        system: SYSTEM,
        on_start: None,
        on_end: Some(COMPLETED),
    },
    State {
        id: COMPLETED,
        name: "Completed",
        entry: EntryGate::Shut,
        movement: MovementGate::Open,
        inhabited: true,
        drains: false,
        edits: Edits::Nothing,
        verbs: &[Arrow::stay(Verb::Clone), STOP],
        system: SYSTEM,
        on_start: None,
        on_end: None,
    },
    State {
        id: STOPPED,
        name: "Stopped",
        entry: EntryGate::Shut,
        movement: MovementGate::Shut,
        inhabited: true,
        drains: true,
        edits: Edits::Nothing,
        verbs: &[Arrow::stay(Verb::Clone)],
        system: &[],
        on_start: None,
        on_end: None,
    },
];
