//! What a power cut may have done to the end of the storage's log, judged before fjall opens it.
//!
//! The disk may write the blocks of an unsynced batch in any order, so that a power cut leaves a batch with
//! a hole in it. fjall refuses a log with a wrong checksum, and silently cuts one off where its framing is
//! broken; neither is right. Here each batch carries a [`mark`]: its own number, and up to which number
//! everything was synced when it was written. A damaged batch that a later one knows to be synced is damage,
//! and refused: it may have been answered. Any other is the unfinished end, answered to nobody, and is cut
//! off with what follows it.
//!
//! Only the newest log file is looked at: fjall syncs a file before it begins another one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::journal::error::JournalError;

/// The key under which each batch carries its mark.
pub(super) const MARK_KEY: [u8; 2] = *b"mg";

/// What fjall ends each batch with, format 3.
const TRAILER: &[u8] = b"FJL\x03";
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// A batch's number, and the number up to which everything was synced when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) ticket: u64,
    pub(super) synced: u64,
}

impl Mark {
    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ticket) << 64 | u128::from(self.synced)).to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = u128::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { ticket: (number >> 64) as u64, synced: number as u64 })
    }
}

/// A batch in the log: its length and its mark, if it is one of ours.
struct Framed {
    len: usize,
    mark: Option<Mark>,
}

/// Takes away what a process left that was killed while the storage made `data`. Whether there was something.
///
/// fjall writes its file `version` last, and refuses a directory that has its log without one. Nothing was
/// written into the log before; if it holds something all the same, the file was lost later, and nothing is
/// touched.
///
/// # Errors
/// If it cannot be looked at or taken away, or a log that holds something has no `version`.
pub(super) fn clear_unmade(data: &Path) -> Result<bool, JournalError> {
    let storage = |cause: io::Error| JournalError::Storage {
        doing: "clear what was not made to its end",
        cause: cause.to_string(),
    };
    let version = data.join("version");
    let is_made = fs::metadata(&version).is_ok_and(|version| version.len() > 0);
    if is_made || !data.try_exists().map_err(storage)? {
        return Ok(false);
    }
    if let Some(log) = newest_log(data).map_err(storage)?
        && fs::read(&log).map_err(storage)?.iter().any(|&byte| byte != 0)
    {
        let how = format!("it holds something, and {} is not there", version.display());
        return Err(JournalError::corrupt(log.display().to_string(), how));
    }
    fs::remove_dir_all(data).map_err(storage)?;
    Ok(true)
}

/// Cuts the unfinished end off the newest log in `data`, if there is one. How many bytes that were.
///
/// # Errors
/// If a batch is damaged that was synced, or the log cannot be read or cut.
pub(super) fn mend(data: &Path) -> Result<u64, JournalError> {
    let storage =
        |cause: io::Error| JournalError::Storage { doing: "look at its log", cause: cause.to_string() };
    let Some(path) = newest_log(data).map_err(storage)? else { return Ok(0) };
    let log = fs::read(&path).map_err(storage)?;
    let used = log.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let (mut at, mut last) = (0, None);
    while let Some(batch) = frame(&log[at..]) {
        at += batch.len;
        last = batch.mark.or(last);
    }
    if at >= used {
        return Ok(0);
    }
    if let Some(later) = synced_after(&log[at..used], last) {
        let how =
            format!("a batch at byte {at} is not readable, and batch {later} after it says it was synced");
        return Err(JournalError::corrupt(path.display().to_string(), how));
    }
    let file = File::options().write(true).open(&path).map_err(storage)?;
    file.set_len(at as u64).and_then(|()| file.sync_all()).map_err(storage)?;
    Ok((used - at) as u64)
}

fn newest_log(data: &Path) -> io::Result<Option<PathBuf>> {
    if !data.try_exists()? {
        return Ok(None);
    }
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) = number.filter(|&number| newest.as_ref().is_none_or(|(n, _)| number > *n)) {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Looks behind a damaged batch for one that was written after it was synced; that one's number.
///
/// The damaged batch is the one after `last`; where that is not known, the one before the batch that is
/// found.
fn synced_after(rest: &[u8], last: Option<Mark>) -> Option<u64> {
    let mut at = 1;
    while at < rest.len() {
        let Some(batch) = frame(&rest[at..]) else {
            at += 1;
            continue;
        };
        at += batch.len;
        if let Some(later) = batch.mark {
            let damaged = last.map_or(later.ticket.saturating_sub(1), |last| last.ticket + 1);
            if later.synced >= damaged {
                return Some(later.ticket);
            }
        }
    }
    None
}

/// The batch that `bytes` begins with, if it is whole and its checksum is right.
fn frame(bytes: &[u8]) -> Option<Framed> {
    let mut rest = Reader { bytes, at: 0 };
    if rest.take(1)? != [START] {
        return None;
    }
    let count = rest.number(4)?;
    rest.take(8)?;
    let items = rest.at;
    let mut mark = None;
    for _ in 0..count {
        match rest.take(1)? {
            [ITEM] => {
                rest.take(10)?;
                let key = rest.number(2)?;
                rest.take(4)?;
                let value = rest.number(4)?;
                let key = rest.take(key)?;
                let value = rest.take(value)?;
                if key == MARK_KEY {
                    mark = Mark::from_bytes(value);
                }
            }
            [CLEAR] => drop(rest.take(8)?),
            _ => return None,
        }
    }
    let checksum = xxh3_64(&bytes[items..rest.at]);
    let end = rest.take(1)? == [END] && rest.take(8)? == checksum.to_le_bytes() && rest.take(4)? == TRAILER;
    end.then_some(Framed { len: rest.at, mark })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    /// A little-endian number of that many bytes, at most four.
    fn number(&mut self, len: usize) -> Option<usize> {
        Some(self.take(len)?.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }
}
