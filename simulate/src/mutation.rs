//! What is broken on purpose: a simulation that finds none of it proves nothing.
//!
//! Each lies where the bug would be: in the engine and in the workers behind the library's feature `broken`, which
//! only this program asks for, and at the seam of the journal where the journal would be wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use wayfarer::engine::broken::{self, Broken};

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// What was decided stays although its commit was refused.
    NoUndo,
    /// Who has lost a shard commits it all the same.
    NoFencing,
    /// Timers fire as if nothing were unread.
    TimersBeforeBacklog,
    /// Whoever is released is let go twice.
    DoubleRelease,
    /// The order of a release is that of a hash map.
    HashOrder,
    /// A shard that is being restored has no say in what commands come with another one.
    EpochGap,
    /// A spent budget is forgotten by whoever spends it.
    ForgottenBudget,
    /// A worker believes the local clock.
    LocalClock,
    /// Nobody reads while a shard is being restored.
    RestoreStopsOthers,
    /// An instance says that it is ready while a shard is being restored.
    ReadyTooEarly,
    /// Whoever reads the next format writes it, though nobody has said so.
    FormatTooSoon,
    /// The next format is begun although some owner does not read it.
    FormatUnasked,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::NoUndo,
        Self::NoFencing,
        Self::TimersBeforeBacklog,
        Self::DoubleRelease,
        Self::HashOrder,
        Self::EpochGap,
        Self::ForgottenBudget,
        Self::LocalClock,
        Self::RestoreStopsOthers,
        Self::ReadyTooEarly,
        Self::FormatTooSoon,
        Self::FormatUnasked,
    ];

    /// What it is called on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoUndo => "no-undo",
            Self::NoFencing => "no-fencing",
            Self::TimersBeforeBacklog => "timers-before-backlog",
            Self::DoubleRelease => "double-release",
            Self::HashOrder => "hash-order",
            Self::EpochGap => "epoch-gap",
            Self::ForgottenBudget => "forgotten-budget",
            Self::LocalClock => "local-clock",
            Self::RestoreStopsOthers => "restore-stops-others",
            Self::ReadyTooEarly => "ready-too-early",
            Self::FormatTooSoon => "format-too-soon",
            Self::FormatUnasked => "format-unasked",
        }
    }

    const fn of_library(self) -> Option<Broken> {
        match self {
            Self::DoubleRelease => Some(Broken::DoubleRelease),
            Self::HashOrder => Some(Broken::HashOrder),
            Self::EpochGap => Some(Broken::EpochGap),
            Self::ForgottenBudget => Some(Broken::ForgottenBudget),
            Self::ReadyTooEarly => Some(Broken::ReadyTooEarly),
            Self::NoUndo
            | Self::NoFencing
            | Self::TimersBeforeBacklog
            | Self::LocalClock
            | Self::RestoreStopsOthers
            | Self::FormatTooSoon
            | Self::FormatUnasked => None,
        }
    }
}

/// What runs of one process have hashed with: each has its own, as every hash map has.
static SEEDS: AtomicU64 = AtomicU64::new(1);

/// The library is broken on this thread as long as this lives.
pub(crate) struct Breaking;

impl Breaking {
    pub(crate) fn begin(mutation: Option<Mutation>) -> Self {
        broken::set(mutation.and_then(Mutation::of_library), SEEDS.fetch_add(1, Ordering::Relaxed));
        Self
    }
}

impl Drop for Breaking {
    fn drop(&mut self) {
        broken::set(None, 0);
    }
}
