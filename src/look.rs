//! Looking at what a journal has kept, in a directory that no server uses.

use std::path::Path;

use crate::cli::exit;
use crate::ctl::tables;
use crate::journal::embedded::{Embedded, EmbeddedOptions, OpenError, Retention};
use crate::journal::{JournalError, Stream, Streams};
use crate::worker::{letters, story};

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The directory has no journal that can be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no directory.
    #[error("{0} is no journal's directory: it has no file FORMAT")]
    NoJournal(String),
    /// No such dead letter.
    #[error("there is no dead letter {number}; there are {first} to {last}")]
    NoReject {
        /// The number asked for.
        number: u64,
        /// The first that is kept.
        first: u64,
        /// The last.
        last: u64,
    },
    /// There is none at all.
    #[error("there is no dead letter {0}")]
    Gone(u64),
}

impl LookError {
    /// The code to exit with.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Open(_) | Self::Journal(_) | Self::NoJournal(_) => exit::JOURNAL,
            Self::NoReject { .. } | Self::Gone(_) => exit::PROBLEM,
        }
    }
}

/// Opens a journal that is there already, whatever the number of its shards.
///
/// # Errors
/// If there is none, or another process has it.
pub fn open(directory: &Path) -> Result<Embedded, LookError> {
    open_as(directory, EmbeddedOptions::default())
}

/// The same with these options, but for the number of shards, and that nothing is dropped: who looks changes nothing.
///
/// # Errors
/// As [`open`].
pub fn open_as(directory: &Path, options: EmbeddedOptions) -> Result<Embedded, LookError> {
    if !directory.join("FORMAT").is_file() {
        return Err(LookError::NoJournal(directory.display().to_string()));
    }
    let options = EmbeddedOptions { retention: Retention::ALL, ..options };
    match Embedded::open(directory, options.clone()) {
        Err(OpenError::Shards { found, .. }) => {
            Ok(Embedded::open(directory, EmbeddedOptions { shards: found, ..options })?)
        }
        other => Ok(other?),
    }
}

/// Dead letters as a table, one a line, or as JSON.
///
/// # Errors
/// If they cannot be looked at.
pub fn rejects(directory: &Path, from: u64, limit: u32, as_json: bool) -> Result<String, LookError> {
    let found = letters::rejects(&open(directory)?, from, limit as usize)?;
    if as_json {
        return Ok(json(&found));
    }
    Ok(tables::rejects(&found))
}

/// All of one dead letter; with `raw` its original bytes and nothing else.
///
/// # Errors
/// If there is no such one, or it cannot be looked at.
pub fn reject(directory: &Path, number: u64, raw: bool, as_json: bool) -> Result<Vec<u8>, LookError> {
    let log = open(directory)?;
    let found = letters::rejects(&log, number, 1)?.into_iter().find(|reject| reject.number == number);
    let Some(reject) = found else {
        let bounds = log.bounds(Stream::Rejects)?;
        return Err(match bounds.next.checked_sub(1) {
            Some(last) if last >= bounds.first => LookError::NoReject { number, first: bounds.first, last },
            _ => LookError::Gone(number),
        });
    };
    let bytes = story::from_base64(&reject.bytes).unwrap_or_default();
    if raw {
        return Ok(bytes);
    }
    if as_json {
        return Ok(json(&reject).into_bytes());
    }
    Ok(tables::reject(&reject, &bytes).into_bytes())
}

/// What is kept of one user, oldest first: a line each, or as the JSON that a server answers.
///
/// # Errors
/// If it cannot be looked at.
pub fn explain(
    directory: &Path,
    user: &str,
    journey: Option<&str>,
    as_json: bool,
) -> Result<String, LookError> {
    let story = story::of_user(&open(directory)?, user, journey)?;
    if as_json {
        let story = serde_json::to_value(&story).expect("a story is JSON");
        return Ok(format!("{story}\n"));
    }
    Ok(tables::story(&story))
}

fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("a dead letter is texts and numbers");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_answers_people_as_a_server_does() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(Embedded::open(directory.path(), EmbeddedOptions::default()).expect("a new journal"));
        let told = |json| explain(directory.path(), "u", None, json).expect("a journal");
        assert_eq!(told(false), "nothing is told of u\n");
        assert_eq!(told(true), "{\"user\":\"u\",\"records\":[],\"left_out\":0}\n");
        let letters = rejects(directory.path(), 0, 10, false).expect("a journal");
        assert_eq!(letters, tables::rejects(&[]));
    }
}
