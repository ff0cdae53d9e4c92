//! What a shard wants to happen. Nothing has happened until the commit that carries it.
//!
//! Effects are rendered lines in reusable buffers: the caller owns them, clears them after each commit, and no effect
//! costs an allocation in the steady state.

use crate::model::lines::Lines;

/// What a shard wants to happen.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Messages to hand over: [`crate::model::wire::SendRecord`] as JSON lines.
    pub sends: Lines,
    /// Movements: [`crate::model::wire::TransitionRecord`] as JSON lines. Empty unless [`Effects::feed`].
    pub transitions: Lines,
    /// Users who were not let in: [`crate::model::wire::RefusalRecord`] as JSON lines. Empty unless [`Effects::feed`].
    pub refusals: Lines,
    /// Journeys whose failure budget was spent by this input (G17), by number: an alarm. What is to be done about it
    /// is said by [`super::Shard::spent`], as long as it is to be done.
    pub budget_spent: Vec<u16>,
    /// Whether transitions and refusals are wanted as lines; they are counted in any case.
    pub feed: bool,
}

impl Effects {
    /// With transitions and refusals as lines.
    #[must_use]
    pub fn with_feed() -> Self {
        Self { feed: true, ..Self::default() }
    }

    /// Exchanges sends, movements and refusals, in this order, with these buffers: whoever commits them gives
    /// emptied ones for them, and copies nothing.
    pub fn exchange(&mut self, [sends, transitions, refusals]: [&mut Lines; 3]) {
        std::mem::swap(&mut self.sends, sends);
        std::mem::swap(&mut self.transitions, transitions);
        std::mem::swap(&mut self.refusals, refusals);
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.sends.clear();
        self.transitions.clear();
        self.refusals.clear();
        self.budget_spent.clear();
    }
}
