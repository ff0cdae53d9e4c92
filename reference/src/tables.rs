//! The vendors' tables of states, over two gates, typed by hand from section 2 of the contract.

use wayfarer::model::Interval;

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Come.
    Open,
    /// Stay where you are, you will go on later. Movement only.
    Held,
    /// Never (again).
    Shut,
}

/// One state. Where a table has a dash nobody is inside, and the gate is `Shut`.
pub(crate) struct Row {
    pub(crate) state: &'static str,
    pub(crate) entry: Gate,
    pub(crate) movement: Gate,
    pub(crate) verbs: &'static [&'static str],
}

const fn row(state: &'static str, entry: Gate, movement: Gate, verbs: &'static [&'static str]) -> Row {
    Row { state, entry, movement, verbs }
}

/// A vendor's states, and its names for the moments that both have.
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    pub(crate) draft: &'static str,
    pub(crate) running: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) stopped: &'static str,
    /// How late an event may be where the journey does not say.
    pub(crate) late: Option<Interval>,
    rows: &'static [Row],
}

use Gate::{Held, Open, Shut};

pub(crate) static CLEVERTAP: Dialect = Dialect {
    name: "clevertap",
    draft: "Draft",
    running: "Running",
    ended: "Completed",
    stopped: "Stopped",
    late: Some(Interval::from_mins(60)),
    rows: &[
        row("Draft", Shut, Shut, &["edit", "save", "publish", "clone"]),
        row("Scheduled", Shut, Shut, &["edit", "clone", "pause", "stop"]),
        row("Running", Open, Open, &["edit", "clone", "pause", "stop"]),
        row("Paused", Shut, Open, &["edit", "clone", "resume", "stop"]),
        row("Completed", Shut, Open, &["clone", "stop"]),
        row("Stopped", Shut, Shut, &["clone"]),
    ],
};

pub(crate) static ANTSOMI: Dialect = Dialect {
    name: "antsomi",
    draft: "Designing",
    running: "Active",
    ended: "Closed",
    stopped: "Aborted",
    late: None,
    rows: &[
        row("Designing", Shut, Shut, &["edit", "activate", "copy"]),
        row("Scheduled", Shut, Shut, &["abort", "copy"]),
        row("Active", Open, Open, &["pause", "freeze", "close", "resume", "abort", "copy"]),
        row("Closed", Shut, Open, &["reactivate", "freeze", "resume", "abort", "copy"]),
        row("Paused", Open, Held, &["edit", "reactivate", "freeze", "abort", "copy"]),
        row("Frozen", Shut, Held, &["edit", "reactivate", "abort", "copy"]),
        row("Error", Shut, Held, &["abort", "copy"]),
        row("Aborted", Shut, Shut, &["copy"]),
    ],
};

impl Dialect {
    /// The dialect of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        [&CLEVERTAP, &ANTSOMI].into_iter().find(|d| d.name == name)
    }

    /// What the table says of a state.
    pub(crate) fn row(&self, state: &str) -> &Row {
        self.rows.iter().find(|r| r.state == state).expect("a journey is only ever in a state of its dialect")
    }
}
