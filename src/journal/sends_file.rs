//! The committed sends as a file of JSON lines: every send once, whatever happened to the process or the
//! disk.
//!
//! The journal knows the byte at which each send stands, so the file is a function of the journal: at the
//! start it is cut to what is committed or completed from it, partial last line included, and then it only
//! grows. A file that is not this journal's is refused and left as it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::record::{Bounds, Stream};
use super::traits::Streams;

/// How many sends are written at once.
const SENDS_AT_ONCE: usize = 4096;

/// Why the file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SendsFileError {
    /// It holds something else.
    #[error(
        "{} holds something else than this journal's sends (it differs at or after byte {at}); \
         name another file, or move that one away", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where the comparison that failed began.
        at: u64,
    },
    /// What it lacks was dropped by retention.
    #[error(
        "{} ends at byte {len}, and the sends before byte {kept} are no longer kept: it cannot be completed; \
         name another journal's file, or put the file back that had them", path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// From which byte on the sends are kept.
        kept: u64,
    },
    /// The operating system refused.
    #[error("{} could not be {doing}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done to it.
        doing: &'static str,
        /// What was said.
        cause: io::Error,
    },
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What opening did to the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Bytes cut off its end, because no commit stands behind them.
    pub cut: u64,
    /// Bytes added, because they were committed and missing.
    pub completed: u64,
}

/// The file that the sends go to.
#[derive(Debug)]
pub struct SendsFile<L> {
    log: L,
    path: PathBuf,
    file: File,
    /// The send that is written next, and where.
    next: u64,
    position: u64,
    is_synced: bool,
}

impl<L: Streams> SendsFile<L> {
    /// Opens or makes the file, and brings it to exactly what is committed.
    ///
    /// # Errors
    /// See [`SendsFileError`]; what is refused is left as it was.
    pub fn open(log: L, path: &Path) -> Result<(Self, Mended), SendsFileError> {
        let io = |doing| move |cause| SendsFileError::Io { path: path.to_owned(), doing, cause };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(io("opened"))?;
        let len = file.metadata().map_err(io("looked at"))?.len();
        let bounds = log.bounds(Stream::Sends)?;
        verify(&log, path, &mut file, len, bounds)?;
        let end = bounds.next_position;
        if len < bounds.first_position {
            let (path, kept) = (path.to_owned(), bounds.first_position);
            return Err(SendsFileError::Incomplete { path, len, kept });
        }
        if len > end {
            file.set_len(end).map_err(io("cut to what is committed"))?;
        }
        let (position, next) = (len.min(end), log.item_at(Stream::Sends, len.min(end))?);
        let mut this = Self { log, path: path.to_owned(), file, next, position, is_synced: false };
        this.write_committed()?;
        this.sync()?;
        Ok((this, Mended { cut: len.saturating_sub(end), completed: end.saturating_sub(len) }))
    }

    /// Appends what has been committed since; to be called after each commit, or now and then. Returns how
    /// many sends that were.
    ///
    /// # Errors
    /// If the file cannot be written; nothing of a send is then left at its end, and the next call tries
    /// again.
    pub fn write_committed(&mut self) -> Result<u64, SendsFileError> {
        let from = self.next;
        let mut lines = Vec::new();
        loop {
            lines.clear();
            let position = self.position;
            let next = self.log.read_stream(Stream::Sends, self.next, SENDS_AT_ONCE, &mut |item| {
                let written = usize::try_from(position.saturating_sub(item.position)).unwrap_or(usize::MAX);
                // What a partial last line of the file has already is not written again.
                let missing = item.bytes.get(written..).unwrap_or_default();
                lines.extend_from_slice(missing);
                lines.push(b'\n');
            })?;
            if lines.is_empty() {
                return Ok(self.next - from);
            }
            self.append(&lines)?;
            self.next = next;
        }
    }

    /// Forces the file to the disk and tells the journal that it need not keep those sends any more.
    ///
    /// # Errors
    /// If the disk refuses, or the journal has ended.
    pub fn sync(&mut self) -> Result<(), SendsFileError> {
        if !self.is_synced {
            self.file.sync_data().map_err(|cause| self.io("forced to the disk", cause))?;
            self.is_synced = true;
        }
        Ok(self.log.mark_delivered(self.next)?)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SendsFileError> {
        self.is_synced = false;
        let written = self.file.seek(SeekFrom::Start(self.position)).and_then(|_| self.file.write_all(bytes));
        if let Err(cause) = written {
            // Best effort: the next write starts at the same place, and so does the next start of the
            // process.
            let _ = self.file.set_len(self.position);
            return Err(self.io("written", cause));
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn io(&self, doing: &'static str, cause: io::Error) -> SendsFileError {
        SendsFileError::Io { path: self.path.clone(), doing, cause }
    }
}

/// Compares the file's beginning, and the last line that it shares with the journal.
fn verify<L: Streams>(
    log: &L,
    path: &Path,
    file: &mut File,
    len: u64,
    bounds: Bounds,
) -> Result<(), SendsFileError> {
    let foreign = |at| SendsFileError::Foreign { path: path.to_owned(), at };
    let shared = len.min(bounds.next_position);
    if len > 0 && shared == 0 {
        // Nothing was ever sent: what is there cannot be ours, and to cut it would destroy it.
        return Err(foreign(0));
    }
    let mut differs = |at: u64, expected: &[u8]| {
        let known = usize::try_from(shared - at).unwrap_or(usize::MAX).min(expected.len());
        let mut found = vec![0; known];
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut found));
        let doing = "read";
        read.map_err(|cause| SendsFileError::Io { path: path.to_owned(), doing, cause })?;
        Ok::<bool, SendsFileError>(found != expected[..known])
    };
    if differs(0, &log.origin()?)? {
        return Err(foreign(0));
    }
    if shared > bounds.first_position {
        let (mut at, mut line) = (0, Vec::new());
        log.read_stream(Stream::Sends, log.item_at(Stream::Sends, shared - 1)?, 1, &mut |item| {
            at = item.position;
            line.extend_from_slice(item.bytes);
            line.push(b'\n');
        })?;
        if differs(at, &line)? {
            return Err(foreign(at));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::memory::Memory;
    use crate::journal::traits::{Assignment, Journal, Log};
    use crate::journal::transaction::Transaction;

    /// A journal that has committed these sends, one a commit.
    fn sent(log: &Memory, lines: &[&str]) {
        let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
        let mut tx = Transaction::new();
        for line in lines {
            let seq = worker.head(0).unwrap().map_or(1, |head| head.seq + 1);
            tx.begin(crate::model::Timestamp(0));
            tx.shard(0, seq).sends.push(line.as_bytes());
            worker.commit(&tx).unwrap();
        }
    }

    const LINES: [&str; 3] = ["{\"a\":1}", "{\"b\":22}", "{\"c\":3}"];
    const WHOLE: &str = "{\"a\":1}\n{\"b\":22}\n{\"c\":3}\n";

    #[test]
    fn a_file_of_any_length_becomes_exactly_what_is_committed() {
        for len in 0..=WHOLE.len() + 9 {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("sends.jsonl");
            let before = format!("{WHOLE}{{\"lost\":1");
            fs::write(&path, &before[..len]).unwrap();
            let log = Memory::new(1);
            sent(&log, &LINES);
            let (mut file, mended) = SendsFile::open(log.clone(), &path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), WHOLE, "from {len} bytes");
            let (cut, completed) = (len.saturating_sub(WHOLE.len()), WHOLE.len().saturating_sub(len));
            assert_eq!(mended, Mended { cut: cut as u64, completed: completed as u64 }, "from {len} bytes");
            sent(&log, &["{\"d\":4}", "{\"e\":5}"]);
            assert_eq!(file.write_committed().unwrap(), 2);
            assert_eq!(file.write_committed().unwrap(), 0);
            let after = fs::read_to_string(&path).unwrap();
            assert_eq!(after, format!("{WHOLE}{{\"d\":4}}\n{{\"e\":5}}\n"), "from {len} bytes");
        }
    }

    #[test]
    fn a_file_that_is_not_this_journals_is_refused_and_left_alone() {
        let log = Memory::new(1);
        sent(&log, &LINES);
        let other_line = WHOLE.replace("22", "23");
        for (log, text) in [
            (Memory::new(1), WHOLE),
            (log.clone(), "a diary\n"),
            (log.clone(), "{\"a\":2}\n"),
            (log, &other_line[..15]),
        ] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("sends.jsonl");
            fs::write(&path, text).unwrap();
            let refused = SendsFile::open(log, &path).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(refused.contains("something else than this journal's sends"), "{text:?}: {refused:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
