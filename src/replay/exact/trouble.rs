//! Why a shard's decisions could not all be made again, and what was found if they were others.

use std::fmt;

use serde::Serialize;

use crate::journal::JournalError;
use crate::model::Timestamp;

/// Something that a replay needs is not there: one shard cannot be replayed (further).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Retention was there first.
    #[error(
        "what its commits read is kept from commit {first} on only, and nothing but its first commit has a state \
         to begin with: it cannot be replayed (keep it for longer: journal.accepted_retention)"
    )]
    CyclesGone {
        /// The first commit of which it is kept.
        first: u64,
    },
    /// Nothing is kept at all of what was read.
    #[error("it has made {last} commits, and what they read is not kept any more: it cannot be replayed")]
    AllGone {
        /// The last commit.
        last: u64,
    },
    /// One is missing in between.
    #[error(
        "what commit {commit} read is not there, though a later commit is; up to the one before it all was \
         replayed (programs before this one kept nothing of a commit that read nothing)"
    )]
    CycleMissing {
        /// The commit.
        commit: u64,
    },
    /// The last ones are missing.
    #[error(
        "it has made {last} commits, and of what those after commit {done} read nothing is there (yet): a \
         transaction that hangs open may hide it"
    )]
    CyclesEnd {
        /// The last commit that was replayed.
        done: u64,
        /// The last commit.
        last: u64,
    },
    /// What a commit read cannot be told.
    #[error("what commit {commit} read cannot be understood: its record is damaged, or of a later program")]
    CycleDamaged {
        /// The commit.
        commit: u64,
    },
    /// An input.
    #[error("commit {commit} read what is not there: {error}")]
    Input {
        /// The commit.
        commit: u64,
        /// What is missing.
        error: JournalError,
    },
    /// A followed file.
    #[error("commit {commit} read a file: {why}")]
    File {
        /// The commit.
        commit: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The control log.
    #[error("{0}")]
    Control(String),
}

/// Why a shard stops.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// This shard cannot go on, the others can.
    Trouble(Trouble),
    /// Nothing can be read any more.
    Journal(JournalError),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Stop {
    /// What reading an input of a commit came to.
    pub(super) fn of_input(commit: u64, error: JournalError) -> Self {
        match error {
            JournalError::Gone { .. } | JournalError::Corrupt { .. } => {
                Trouble::Input { commit, error }.into()
            }
            other => other.into(),
        }
    }
}

/// A decision that is another one now, or a line that only one side has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The commit.
    pub commit: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What: `send`, `transition`, `refusal`, `dead letter`, `state`, `cycle`.
    pub what: &'static str,
    /// Which one of the commit, from 1; of sends that do not say their commit, of those compared.
    pub line: u64,
    /// What the replay decided; `None`: nothing.
    pub replayed: Option<String>,
    /// What the journal holds; `None`: nothing.
    pub journal: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commit, at, what, line, replayed, journal } = self;
        write!(f, "commit {commit} of {at}: {what} {line} differs")?;
        write!(f, "\n  decided again: {}", replayed.as_deref().unwrap_or("nothing"))?;
        write!(f, "\n  in the journal: {}", journal.as_deref().unwrap_or("nothing"))
    }
}

/// What became of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every decision is the same.
    Same,
    /// The first that is not; what follows may follow from it, and is not compared.
    Differs(Box<Difference>),
    /// It could not be replayed to its end.
    Stopped(Trouble),
}
