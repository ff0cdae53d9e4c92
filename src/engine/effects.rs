//! What a shard wants to happen. Nothing has happened until the commit that carries it.
//!
//! Effects are rendered lines in reusable buffers: the caller owns them, clears them after each commit, and no effect
//! costs an allocation in the steady state.

/// Lines in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    count: usize,
}

impl Lines {
    /// How many lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All lines, each ended by a newline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines without their newlines.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&b| b == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }

    /// Forgets all lines and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Appends the lines of another buffer.
    pub fn extend(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// The buffer to write the next line into; [`Lines::end`] completes it.
    pub(super) fn begin(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(b'\n');
        self.count += 1;
    }
}

/// What a shard wants to happen.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Messages to hand over: [`crate::model::wire::SendRecord`] as JSON lines.
    pub sends: Lines,
    /// Movements: [`crate::model::wire::TransitionRecord`] as JSON lines. Empty unless [`Effects::feed`].
    pub transitions: Lines,
    /// Users who were not let in: [`crate::model::wire::RefusalRecord`] as JSON lines. Empty unless [`Effects::feed`].
    pub refusals: Lines,
    /// Journeys whose failure budget was spent by this input (G17), by number.
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

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.sends.clear();
        self.transitions.clear();
        self.refusals.clear();
        self.budget_spent.clear();
    }
}
