//! What goes wrong in a [`super::Memory`], and when: a script, so that a failing run can be had again.

use std::collections::BTreeMap;

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It is refused: nothing is committed.
    Refuse,
    /// The answer is `Unknown`, and it was or was not committed.
    Unknown {
        /// Whether it was.
        committed: bool,
    },
    /// The process dies in the middle: as `Unknown`, and every handle has ended.
    Crash {
        /// Whether it was committed.
        committed: bool,
    },
}

/// What happens to an append, to the accepted log or the control log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// It is refused: nothing is accepted.
    Refuse,
    /// The answer is `Unknown`, and it was or was not accepted.
    Unknown {
        /// Whether it was.
        accepted: bool,
    },
    /// The process dies in the middle: as `Unknown`, and every handle has ended.
    Crash {
        /// Whether it was accepted.
        accepted: bool,
    },
}

/// What happens to a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollFault {
    /// Every started shard goes back by this many records, so that they come again.
    Repeat {
        /// How many records of each log.
        records: u64,
    },
    /// It gives nothing, although there is something.
    Delay,
    /// It gives at most this many records.
    Short {
        /// At most so many.
        max: usize,
    },
}

/// Which call meets which fault: calls are counted from 0 since the journal was made, over all its handles.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// By the number of the call of `commit`.
    pub commits: BTreeMap<u64, CommitFault>,
    /// By the number of the call of `append` or `append_control`.
    pub appends: BTreeMap<u64, AppendFault>,
    /// By the number of the call of `poll`.
    pub polls: BTreeMap<u64, PollFault>,
}

/// Counts calls and says what each meets.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    plan: FaultPlan,
    commits: u64,
    appends: u64,
    polls: u64,
}

impl Script {
    pub(super) fn new(plan: FaultPlan) -> Self {
        Self { plan, commits: 0, appends: 0, polls: 0 }
    }

    pub(super) fn commit(&mut self) -> Option<CommitFault> {
        self.commits += 1;
        self.plan.commits.remove(&(self.commits - 1))
    }

    pub(super) fn append(&mut self) -> Option<AppendFault> {
        self.appends += 1;
        self.plan.appends.remove(&(self.appends - 1))
    }

    pub(super) fn poll(&mut self) -> Option<PollFault> {
        self.polls += 1;
        self.plan.polls.remove(&(self.polls - 1))
    }
}
