//! The format of what instances share, as operators move it (protocol 12): only when every shard's owner reads it.
//!
//! A process can be taken for one of an older program: with [`VARIABLE`] in its environment it reads no format beyond
//! the one named there, folds no command that says a newer one, and says nothing newer of itself. So tests roll
//! between two programs that are one. Nothing else reads it.

use std::env;
use std::sync::OnceLock;

use super::running::Running;
use crate::control::service::{CommandError, FormatsView, ShardFormats, Unavailable};
use crate::control::{Record, Refused};
use crate::journal::Log;
use crate::model::Format;

/// The newest format that this process reads. For tests.
pub const VARIABLE: &str = "WAYFARER_READS_FORMAT";

/// How many shards a refusal names.
const NAMED_MAX: usize = 8;

static READS: OnceLock<Format> = OnceLock::new();

/// Has this process read no more than its environment says.
///
/// # Errors
/// If that is no format that it reads.
pub fn arm() -> Result<(), String> {
    let text = match env::var(VARIABLE) {
        Ok(text) => text,
        Err(env::VarError::NotPresent) => return Ok(()),
        Err(error) => return Err(format!("environment {VARIABLE}: {error}")),
    };
    let reads = text.parse().ok().map(Format).filter(|it| (Format::FIRST..=Format::NEWEST).contains(it));
    let reads = reads.ok_or_else(|| {
        format!("environment {VARIABLE}: {text:?} is no format from {} to {}", Format::FIRST, Format::NEWEST)
    })?;
    // Not to be overlooked where nobody meant it.
    tracing::error!("this process reads formats up to {reads} only, as {VARIABLE} says, which is for tests");
    // Whoever is armed stays so.
    let _ = READS.set(reads);
    Ok(())
}

/// The newest format that this process reads.
#[must_use]
pub fn reads() -> Format {
    READS.get().copied().unwrap_or(Format::NEWEST)
}

impl<L: Log> Running<L> {
    /// What every shard's last commit says.
    pub(super) fn formats_of_shards(&self) -> Result<FormatsView, Unavailable> {
        let known = self.log().acknowledged().map_err(|error| Unavailable(error.to_string()))?;
        let shown = self.board().views();
        let of = |shard: u16| {
            let last = known.iter().find(|of| of.shard == shard);
            let view = shown.iter().find(|(of, _)| *of == shard).map(|(_, view)| view);
            ShardFormats {
                shard,
                owner: last.map(|of| of.owner.clone()),
                writes: last.map(|of| of.formats.writes),
                reads: last.map(|of| of.formats.reads),
                to_renew: view.map(|view| view.to_renew),
            }
        };
        let written = self.with_fold(|fold| fold.registry().format());
        Ok(FormatsView { written, reads: reads(), shards: (0..self.shards() as u16).map(of).collect() })
    }

    /// Whether the command that moves everything to a format may be given: after it, whoever does not read that
    /// understands nothing any more.
    pub(super) fn check_format(&self, format: Format, record: &Record) -> Result<(), CommandError> {
        // A repeat gets its first answer, whoever has come since.
        if self.rehearse(record)? {
            return Ok(());
        }
        let view = self.formats_of_shards()?;
        let behind: Vec<String> = view.shards.iter().filter_map(|of| of.is_behind(format)).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let more = match behind.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = &behind[..behind.len().min(NAMED_MAX)];
        let why = format!("not every owner reads it: {}{more}; upgrade them first", named.join(", "));
        Err(Refused::Format { format, why }.into())
    }
}

impl ShardFormats {
    /// Why a shard is not ready for a format, if it is not.
    fn is_behind(&self, format: Format) -> Option<String> {
        match (&self.owner, self.reads) {
            (Some(owner), Some(reads)) if reads < format => {
                Some(format!("shard {} of {owner} reads up to {reads}", self.shard))
            }
            (Some(_), Some(_)) => None,
            _ => Some(format!("shard {} has no owner that is known", self.shard)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::board::Board;
    use super::super::desk::Desk;
    use super::*;
    use crate::control::Command;
    use crate::control::service::Service;
    use crate::journal::memory::Memory;
    use crate::journal::{Assignment, ControlLog, Journal, Transaction};
    use crate::lifecycle::Role;
    use crate::metrics::Hub;
    use crate::model::{Formats, Timestamp};

    #[test]
    fn the_next_format_is_refused_as_long_as_some_owner_does_not_read_it() {
        let log = Memory::new(2);
        let mut worker = log.worker(Assignment::Fixed(&[0, 1])).expect("nobody owns them");
        let mut seq = [0; 2];
        let mut commits = |shard: u16, reads: u8| {
            seq[usize::from(shard)] += 1;
            let mut tx = Transaction::new();
            tx.begin(Timestamp(1));
            let part = tx.shard(shard, seq[usize::from(shard)]);
            part.formats = Formats { writes: Format::FIRST, reads: Format(reads) };
            worker.commit(&tx).expect("memory takes it");
        };
        let board = Arc::new(Board::new(2, 0));
        let running = Running::new(log.clone(), Desk::new(), board, Hub::new(0, 1), vec![]);
        let ask = |id: &str| {
            let (id, actor, journey) = (id.to_owned(), "test".to_owned(), String::new());
            let command = Command::Format(Format::WHOLE_DIGEST);
            let record = Record { id, at: None, actor, role: Role::Operator, journey, expect: None, command };
            running.command(record, Duration::ZERO).map(drop).map_err(|error| error.to_string())
        };
        let why = |id| ask(id).expect_err("somebody is behind");
        assert!(
            why("a").contains("shard 0 has no owner that is known, shard 1 has no owner"),
            "{}",
            why("a")
        );
        commits(0, 2);
        commits(1, 1);
        let told = why("b");
        assert!(told.contains("reads it: shard 1 of this process reads up to 1; upgrade"), "{told}");
        assert_eq!(
            log.control_end(),
            Ok(0),
            "nothing was written that the program before does not understand"
        );
        commits(1, 2);
        assert_eq!(ask("c"), Ok(()));
        // Somebody has gone back too late: the command is given, and its repeat gets the same answer.
        commits(1, 1);
        assert_eq!(ask("c"), Ok(()));
        assert_eq!(running.with_fold(|fold| fold.registry().format()), Format::WHOLE_DIGEST);
    }
}
