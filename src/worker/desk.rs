//! The control log → epochs, in the order of the log: the same on every instance and in every life of the
//! process.
//!
//! An epoch's number is its record's offset plus one, so that 0 means "none taken". A record that is refused
//! makes no epoch; neither does a repeat of a known id.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::control::fold::Fold;
use crate::control::{Applied, Command, Record, Refused};
use crate::engine::Epoch;
use crate::journal::{ControlLog, ControlRecord, JournalError};
use crate::model::Format;

/// How many control records are read at once.
const READ_AT_ONCE: usize = 256;

/// A record of the control log as it is stored: the command, and where the rows of its list lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The command.
    pub record: Record,
    /// Of a list's manifest: by shard, the first row's offset in the log of lists and the offset behind the
    /// last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<(u64, u64)>,
}

impl From<Record> for Stored {
    fn from(record: Record) -> Self {
        Self { record, rows: Vec::new() }
    }
}

impl Stored {
    /// Its bytes in the log.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a command has string keys only, so it is JSON")
    }
}

/// What an accepted command is to the shards.
#[derive(Clone, Debug)]
pub struct Step {
    /// The epoch to feed.
    pub epoch: Epoch,
    /// Of a list's manifest: where its rows lie, by shard.
    pub rows: Vec<(u64, u64)>,
}

/// Why the control log cannot be folded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeskError {
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record is not one that this build understands: to pass over it would fold another state.
    #[error("record {offset} of the control log cannot be read by this build: {why}")]
    Unreadable {
        /// Its offset.
        offset: u64,
        /// What is wrong.
        why: String,
    },
}

/// The answer to one record of the log.
pub type Answered = Result<(Applied, Option<Arc<Step>>), Refused>;

/// Folds the control log, record by record.
#[derive(Clone, Debug)]
pub struct Desk {
    fold: Fold,
    next: u64,
    reads: Format,
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Desk {
    /// Nothing folded yet.
    #[must_use]
    pub fn new() -> Self {
        Self::reading(Format::NEWEST)
    }

    /// The same of a program that reads formats up to this one.
    #[must_use]
    pub fn reading(reads: Format) -> Self {
        Self { fold: Fold::new(), next: 0, reads }
    }

    /// What has been folded.
    #[must_use]
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The offset of the record that is folded next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Folds everything that the log has by now; each accepted command's step goes to `each`, in order.
    ///
    /// # Errors
    /// If the log cannot be read, or a record is of another build.
    pub fn catch_up(
        &mut self,
        log: &impl ControlLog,
        each: &mut dyn FnMut(&ControlRecord, Answered),
    ) -> Result<(), DeskError> {
        loop {
            let records = log.read_control(self.next, READ_AT_ONCE)?;
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                if let Some(answered) = self.apply(record)? {
                    each(record, answered);
                }
            }
        }
    }

    /// Folds the record that comes next in the log; `None` if it is nobody's command: somebody else has written it,
    /// and every instance passes over it.
    ///
    /// # Errors
    /// If it is a command that cannot be read.
    pub fn apply(&mut self, record: &ControlRecord) -> Result<Option<Answered>, DeskError> {
        debug_assert!(record.offset >= self.next, "the log is folded in order");
        self.next = record.offset + 1;
        if !is_command(&record.bytes) {
            tracing::warn!(
                offset = record.offset,
                "a record of the control log is no command; it is passed over"
            );
            return Ok(None);
        }
        let stored: Stored = serde_json::from_slice(&record.bytes)
            .map_err(|e| DeskError::Unreadable { offset: record.offset, why: e.to_string() })?;
        // To refuse it would be to fold something else than those who understand it.
        if let Command::Format(format) = stored.record.command
            && format > self.reads
        {
            let why = format!(
                "it has everything written in format {format}, and formats up to {} are read; start the newer \
                 program again",
                self.reads
            );
            return Err(DeskError::Unreadable { offset: record.offset, why });
        }
        let number = self.next;
        let folded = self.fold.apply(number, record.appended, &stored.record);
        Ok(Some(folded.map(|(epoch, applied)| {
            // A repeat gets its first answer, under an epoch that the shards have had.
            let step = (epoch.number == number).then(|| Arc::new(Step { epoch, rows: stored.rows }));
            (applied, step)
        })))
    }
}

/// Whether somebody meant a command by these bytes: a JSON object with a member `record`, as every build writes it.
/// Only that is refused if it cannot be read, for another build may; the answer must never change.
fn is_command(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Any<'a> {
        #[serde(borrow)]
        record: &'a serde_json::value::RawValue,
    }
    serde_json::from_slice::<Any<'_>>(bytes).is_ok_and(|any| any.record.get().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn what_is_no_command_is_passed_over_and_one_of_another_build_is_not() {
        for (bytes, passed) in [
            (&b""[..], true),
            (b"\xff\x00", true),
            (b"[]", true),
            (b"{\"type\":\"track\"}", true),
            (b"{\"record\":7}", true),
            (b"{\"record\":{\"verb\":\"levitate\"}}", false),
        ] {
            let mut desk = Desk::new();
            let record = ControlRecord { offset: 3, appended: Timestamp(1), bytes: bytes.to_vec() };
            let folded = desk.apply(&record);
            assert_eq!(matches!(folded, Ok(None)), passed, "{bytes:?}: {folded:?}");
            assert_eq!(desk.next(), 4);
        }
    }
}
