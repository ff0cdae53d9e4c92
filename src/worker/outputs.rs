//! Where sends go besides the journal: a file, exactly once, or the standard output, at least once.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::board::Board;
use crate::journal::sends_file::{SendsFile, SendsFileError};
use crate::journal::{JournalError, Stream, Streams};

/// How often the file is forced to the disk, so that the journal need not keep what it has.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How many sends are written at once.
const SENDS_AT_ONCE: usize = 1024;

/// By what health knows it.
const NAME: &str = "the output of sends";

/// Where sends go.
pub(super) enum Output<L> {
    /// Nowhere but the journal.
    Journal,
    /// To a file.
    File(Box<SendsFile<L>>),
    /// To the standard output, from this number on.
    Stdout(L, u64),
}

/// Why sends cannot be let go.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(transparent)]
    File(#[from] SendsFileError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the standard output cannot be written: {0}")]
    Stdout(#[from] std::io::Error),
}

impl<L: Streams + Clone> Output<L> {
    /// Brings the file to what is committed.
    pub(super) fn file(log: L, path: &Path) -> Result<Self, SendsFileError> {
        let (file, mended) = SendsFile::open(log, path)?;
        if mended.cut > 0 || mended.completed > 0 {
            let (cut, completed) = (mended.cut, mended.completed);
            tracing::info!(cut, completed, "the file of sends was brought to what is committed, in bytes");
        }
        Ok(Self::File(Box::new(file)))
    }

    /// What was not delivered when the process last ended goes out again.
    pub(super) fn stdout(log: L) -> Result<Self, JournalError> {
        let next = log.delivered()?;
        Ok(Self::Stdout(log, next))
    }

    /// Lets everything go that is committed.
    fn let_go(&mut self) -> Result<(), OutputError> {
        match self {
            Self::Journal => {}
            Self::File(file) => drop(file.write_committed()?),
            Self::Stdout(log, next) => {
                let mut lines = Vec::new();
                loop {
                    lines.clear();
                    let after = log.read_stream(Stream::Sends, *next, SENDS_AT_ONCE, &mut |item| {
                        lines.extend_from_slice(item.bytes);
                        lines.push(b'\n');
                    })?;
                    if after == *next {
                        break;
                    }
                    let mut out = std::io::stdout().lock();
                    out.write_all(&lines)?;
                    out.flush()?;
                    *next = after;
                    log.mark_delivered(after)?;
                }
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), OutputError> {
        if let Self::File(file) = self {
            file.sync()?;
        }
        Ok(())
    }

    /// Lets sends go whenever `committed` says so, until nobody can say so any more.
    pub(super) fn run(mut self, committed: &Receiver<()>, board: &Arc<Board>) {
        let (mut synced, mut dirty) = (Instant::now(), true);
        loop {
            let ended = match committed.recv_timeout(SYNC_EVERY) {
                Ok(()) => {
                    dirty = true;
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if !dirty && !ended {
                continue;
            }
            let mut done = self.let_go();
            if done.is_ok() && (ended || synced.elapsed() >= SYNC_EVERY) {
                done = self.sync();
                synced = Instant::now();
                dirty = false;
            }
            if let Err(error) = &done {
                tracing::warn!(%error, "sends wait in the journal; it is tried again");
            }
            board.ails(NAME, done.err().map(|error| error.to_string()));
            if ended {
                return;
            }
        }
    }
}
