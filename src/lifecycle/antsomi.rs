//! Antsomi CDP 365's *Status of Journey* as a table.
//!
//! Paused means: users enter, and everybody is held (G3). Frozen holds everybody and lets nobody in. From
//! Paused, release takes two verbs (Reactivate the journey, Resume the held); from Frozen, Reactivate alone
//! does both.

use super::dialect::{Arrow, Dialect, Edits, State, StateId, Target};
use super::gates::{EntryGate, MovementGate};
use super::verb::{Inside, Verb};

const DESIGNING: StateId = StateId(0);
const SCHEDULED: StateId = StateId(1);
const ACTIVE: StateId = StateId(2);
const CLOSED: StateId = StateId(3);
const PAUSED: StateId = StateId(4);
const FROZEN: StateId = StateId(5);
const ERROR: StateId = StateId(6);
const ABORTED: StateId = StateId(7);

/// Back to work: Active, or Closed where nobody may enter any more (G6, G8, G17, G22).
const BACK: Target = Target::Return { open: ACTIVE, ended: CLOSED };
const ABORT: Arrow = Arrow::to(Verb::Abort, ABORTED).and(Inside::Drain);
const COPY: Arrow = Arrow::stay(Verb::Copy);
const FREEZE: Arrow = Arrow::to(Verb::Freeze, FROZEN);
const RESUME: Arrow = Arrow::stay(Verb::Resume).and(Inside::Release);
/// The list's end may be reported in every state that can still act on it; the state's `on_end` does the rest
/// (G8).
const LIST: Arrow = Arrow::stay(Verb::ListProcessed);
const FAIL: Arrow = Arrow::to(Verb::Fail, ERROR);

/// The dialect `antsomi`.
pub static ANTSOMI: Dialect = Dialect::new("antsomi", "Antsomi CDP 365, Status of Journey", STATES);

const STATES: &[State] = &[
    State {
        id: DESIGNING,
        name: "Designing",
        entry: EntryGate::Shut,
        movement: MovementGate::Held,
        inhabited: false,
        drains: false,
        edits: Edits::Everything,
        verbs: &[
            Arrow::stay(Verb::Edit),
            Arrow::leads(Verb::Activate, Target::Launch { later: SCHEDULED, now: ACTIVE }),
            COPY,
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
        edits: Edits::Nothing,
        verbs: &[ABORT, COPY],
        system: &[LIST],
        on_start: Some(ACTIVE),
        on_end: None,
    },
    State {
        id: ACTIVE,
        name: "Active",
        entry: EntryGate::Open,
        movement: MovementGate::Open,
        inhabited: true,
        drains: false,
        edits: Edits::Nothing,
        verbs: &[Arrow::to(Verb::Pause, PAUSED), FREEZE, Arrow::to(Verb::Close, CLOSED), RESUME, ABORT, COPY],
        system: &[FAIL, LIST],
        on_start: None,
        on_end: Some(CLOSED),
    },
    State {
        id: CLOSED,
        name: "Closed",
        entry: EntryGate::Shut,
        movement: MovementGate::Open,
        inhabited: true,
        drains: false,
        edits: Edits::Nothing,
        verbs: &[Arrow::leads(Verb::Reactivate, Target::Reopen(ACTIVE)), FREEZE, RESUME, ABORT, COPY],
        system: &[FAIL, LIST],
        on_start: None,
        on_end: None,
    },
    State {
        id: PAUSED,
        name: "Paused",
        entry: EntryGate::Open,
        movement: MovementGate::Held,
        inhabited: true,
        drains: false,
        edits: Edits::NextVersion,
        verbs: &[
            Arrow::stay(Verb::Edit),
            Arrow::leads(Verb::Reactivate, BACK).and(Inside::Adopt),
            FREEZE,
            ABORT,
            COPY,
        ],
        system: &[LIST],
        on_start: None,
        on_end: None,
    },
    State {
        id: FROZEN,
        name: "Frozen",
        entry: EntryGate::Shut,
        movement: MovementGate::Held,
        inhabited: true,
        drains: false,
        edits: Edits::NextVersion,
        verbs: &[
            Arrow::stay(Verb::Edit),
            Arrow::leads(Verb::Reactivate, BACK).and(Inside::AdoptAndRelease),
            ABORT,
            COPY,
        ],
        system: &[LIST],
        on_start: None,
        on_end: None,
    },
    State {
        id: ERROR,
        name: "Error",
        entry: EntryGate::Shut,
        movement: MovementGate::Held,
        inhabited: true,
        drains: false,
        edits: Edits::Nothing,
        verbs: &[ABORT, COPY],
        system: &[Arrow::leads(Verb::Recover, BACK).and(Inside::Release), LIST],
        on_start: None,
        on_end: None,
    },
    State {
        id: ABORTED,
        name: "Aborted",
        entry: EntryGate::Shut,
        movement: MovementGate::Shut,
        inhabited: true,
        drains: true,
        edits: Edits::Nothing,
        verbs: &[COPY],
        system: &[],
        on_start: None,
        on_end: None,
    },
];
