//! Why a replay cannot be done: one sentence, and the exit code that goes with it.

use std::path::Path;

use crate::cli::exit;
use crate::ingest::reader::ReadError;

/// Why a replay ended without a result. The output directory then holds nothing that looks whole.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What was given has a problem: journeys, a script, a list, events without any time.
    #[error("{0}")]
    Problem(String),
    /// The command line does not fit the files.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("{0}")]
    File(String),
}

impl ReplayError {
    /// A file that cannot be `done` (read, written), and what the system says.
    pub(super) fn file(path: &Path, done: &str, error: &std::io::Error) -> Self {
        Self::File(format!("{} cannot be {done}: {error}", path.display()))
    }

    /// The code with which the process ends.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(_) => exit::PROBLEM,
            Self::Usage(_) => exit::USAGE,
            Self::File(_) => exit::FILE,
        }
    }
}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Header { .. } => Self::Problem(error.to_string()),
            ReadError::Open { .. } | ReadError::Broken { .. } => Self::File(error.to_string()),
        }
    }
}
