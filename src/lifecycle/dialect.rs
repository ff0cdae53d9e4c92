//! The types of a dialect's table, and the list of the dialects there are.
//!
//! A table is data, checked while it is compiled: arrows that lead nowhere, states out of order or verbs
//! given twice do not build.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::gates::{EntryGate, MovementGate};
use super::verb::{Inside, Role, Verb};
use super::{antsomi::ANTSOMI, clevertap::CLEVERTAP};

/// A state's place in its dialect's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub u8);

/// A vendor's states and verbs, laid over the two gates. Made by [`Dialect::new`].
#[derive(Debug)]
pub struct Dialect {
    name: &'static str,
    title: &'static str,
    states: &'static [State],
}

/// One state: what its gates are, which verbs it takes, and what happens to it by itself.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Its place in the table.
    pub id: StateId,
    /// What the vendor calls it, such as `Running`.
    pub name: &'static str,
    /// The entry gate, before dates and list have their say.
    pub entry: EntryGate,
    /// The movement gate. Where the vendors write "–" nobody can be inside yet; those states are `Held`, so
    /// that nobody could move or be drained even if somebody were.
    pub movement: MovementGate,
    /// Whether somebody can be inside; false where the vendors write "–" for movement.
    pub inhabited: bool,
    /// Whether those inside leave over the drain window.
    pub drains: bool,
    /// What an edit may change here.
    pub edits: Edits,
    /// The operators' verbs, in the vendor's order. Any other is refused.
    pub verbs: &'static [Arrow],
    /// The system's verbs.
    pub system: &'static [Arrow],
    /// Where the start date leads (G7).
    pub on_start: Option<StateId>,
    /// Where the end date and the end of the list lead (G6, G8).
    pub on_end: Option<StateId>,
}

/// One verb in one state.
#[derive(Clone, Copy, Debug)]
pub struct Arrow {
    /// The verb.
    pub verb: Verb,
    /// Where it leads.
    pub to: Target,
    /// What it does to those inside.
    pub inside: Inside,
}

/// Where a verb leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: the state stays.
    Stay,
    /// To that state.
    To(StateId),
    /// To `later` if the start date lies ahead, else to `now`. Refused with all reasons unless dates and
    /// audience are valid.
    Launch {
        /// The state that waits for the start date.
        later: StateId,
        /// The state that is live.
        now: StateId,
    },
    /// Back to `open`; or to `ended` if the dates or the list have ended (G6, G8, G17), or if that was the
    /// state before this one (G22).
    Return {
        /// The state with an open entry.
        open: StateId,
        /// The state that lets nobody in any more.
        ended: StateId,
    },
    /// To that state, refused with the reason if the dates or the list have ended.
    Reopen(StateId),
}

/// What an edit may change in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edits {
    /// Nothing.
    Nothing,
    /// Everything, in place: nobody has seen it yet.
    Everything,
    /// The content of messages only, in place (CT, Scheduled).
    Content,
    /// Content, the provider of a send, and the weights of a random split, in place (CT).
    InPlace,
    /// Everything, as a saved version that goes live at Reactivate (AN, G15).
    NextVersion,
}

impl Arrow {
    /// A verb that leaves the state as it is.
    #[must_use]
    pub const fn stay(verb: Verb) -> Self {
        Self { verb, to: Target::Stay, inside: Inside::Nothing }
    }
    /// A verb that leads to one state.
    #[must_use]
    pub const fn to(verb: Verb, state: StateId) -> Self {
        Self { verb, to: Target::To(state), inside: Inside::Nothing }
    }
    /// A verb that leads to a target.
    #[must_use]
    pub const fn leads(verb: Verb, to: Target) -> Self {
        Self { verb, to, inside: Inside::Nothing }
    }
    /// The same, doing something to those inside.
    #[must_use]
    pub const fn and(mut self, inside: Inside) -> Self {
        self.inside = inside;
        self
    }
}

impl Target {
    /// The states that it can lead to.
    #[must_use]
    pub const fn states(self) -> [Option<StateId>; 2] {
        match self {
            Self::Stay => [None, None],
            Self::To(state) | Self::Reopen(state) => [Some(state), None],
            Self::Launch { later, now } => [Some(later), Some(now)],
            Self::Return { open, ended } => [Some(open), Some(ended)],
        }
    }
}

impl State {
    /// What `verb` does here, whoever gives it.
    #[must_use]
    pub fn arrow(&self, verb: Verb) -> Option<&'static Arrow> {
        self.verbs.iter().chain(self.system).find(|arrow| arrow.verb == verb)
    }

    /// The states that can follow this one, in the order in which the table names them, each once.
    #[must_use]
    pub fn next(&self) -> Vec<StateId> {
        let automatic = [self.on_start, self.on_end];
        let by_verb = self.verbs.iter().chain(self.system).flat_map(|arrow| arrow.to.states());
        let mut next = Vec::new();
        for state in by_verb.chain(automatic).flatten() {
            if !next.contains(&state) {
                next.push(state);
            }
        }
        next
    }

    /// Whether no state follows this one.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.next().is_empty()
    }
}

impl Dialect {
    /// A dialect; its first state is the one in which journeys are made.
    ///
    /// # Panics
    /// While it is compiled, if the table does not hang together: a state's `id` is not its place, an arrow
    /// leads out of the table, a verb stands twice in a state or under the wrong role, or a state drains with
    /// its movement gate not shut.
    #[must_use]
    pub const fn new(name: &'static str, title: &'static str, states: &'static [State]) -> Self {
        assert!(!states.is_empty() && states.len() <= u8::MAX as usize, "a dialect has 1 to 255 states");
        let mut n = 0;
        while n < states.len() {
            let state = &states[n];
            assert!(state.id.0 as usize == n, "a state's id is its place in the table");
            assert!(
                !state.drains || matches!(state.movement, MovementGate::Shut),
                "those who drain start no node"
            );
            assert_within(state.on_start, states.len());
            assert_within(state.on_end, states.len());
            assert_arrows(state.verbs, Role::Operator, states.len());
            assert_arrows(state.system, Role::System, states.len());
            n += 1;
        }
        Self { name, title, states }
    }

    /// The name by which definitions choose it, such as `clevertap`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What people call it.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Its states, the first one first.
    #[must_use]
    pub const fn states(&self) -> &'static [State] {
        self.states
    }

    /// The state with that id, which must be of this dialect.
    #[must_use]
    pub fn state(&self, id: StateId) -> &'static State {
        &self.states[usize::from(id.0)]
    }

    /// The state of that name.
    #[must_use]
    pub fn state_named(&self, name: &str) -> Option<&'static State> {
        self.states.iter().find(|state| state.name == name)
    }

    /// Whether the entry is open in `from` or in any state that can follow it, however late.
    #[must_use]
    pub fn may_open(&self, from: StateId) -> bool {
        let mut seen = vec![from];
        let mut n = 0;
        while let Some(&id) = seen.get(n) {
            if self.state(id).entry == EntryGate::Open {
                return true;
            }
            let new: Vec<_> = self.state(id).next().into_iter().filter(|next| !seen.contains(next)).collect();
            seen.extend(new);
            n += 1;
        }
        false
    }

    /// Whether any of its states takes `verb`.
    #[must_use]
    pub fn knows(&self, verb: Verb) -> bool {
        self.states.iter().any(|state| state.arrow(verb).is_some())
    }
}

const fn assert_within(id: Option<StateId>, states: usize) {
    if let Some(id) = id {
        assert!((id.0 as usize) < states, "every arrow leads to a state of the table");
    }
}

const fn assert_arrows(arrows: &[Arrow], role: Role, states: usize) {
    let mut n = 0;
    while n < arrows.len() {
        let targets = arrows[n].to.states();
        assert_within(targets[0], states);
        assert_within(targets[1], states);
        let verb = arrows[n].verb;
        assert!(verb.role() as u8 == role as u8, "a verb stands under the role that may give it");
        let mut other = 0;
        while other < n {
            assert!(arrows[other].verb as u8 != verb as u8, "a verb stands once in a state");
            other += 1;
        }
        n += 1;
    }
}

impl PartialEq for Dialect {
    /// Dialects are told apart by name.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A name that no dialect has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a dialect; there are {all}", all = names())]
pub struct UnknownDialect(pub String);

fn names() -> String {
    dialects().iter().map(|d| d.name).collect::<Vec<_>>().join(" and ")
}

/// Every dialect, in the order in which they are shown.
#[must_use]
pub fn dialects() -> &'static [&'static Dialect] {
    static DIALECTS: [&Dialect; 2] = [&CLEVERTAP, &ANTSOMI];
    &DIALECTS
}

/// The dialect of that name.
///
/// # Errors
/// [`UnknownDialect`], which names those there are.
pub fn dialect(name: &str) -> Result<&'static Dialect, UnknownDialect> {
    dialects().iter().copied().find(|d| d.name == name).ok_or_else(|| UnknownDialect(name.to_owned()))
}
