//! The files of a replay, in one order whatever thread decided what: by time, then shard, then the
//! shard's own order.
//!
//! Everything is written beside its name, as `*.partial`, and gets its name when all is written: a replay
//! that fails leaves nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::crew::Decided;
use crate::control::statistics::Line;
use crate::model::lines::Lines;
use crate::replay::error::ReplayError;

/// The files, in the order of [`Output::write`]'s parts; the last two are written at the end, and the last
/// one only if it is asked for.
const NAMES: [&str; 6] = [
    "sends.jsonl",
    "transitions.jsonl",
    "refusals.jsonl",
    "rejects.jsonl",
    "summary.json",
    "statistics.jsonl",
];
const REJECTS: usize = 3;
const SUMMARY: usize = 4;
const STATISTICS: usize = 5;

/// The open files.
pub(super) struct Output {
    directory: PathBuf,
    files: Vec<BufWriter<File>>,
    order: Vec<Place>,
    merged: Vec<u8>,
    /// Whether the files have their names; otherwise they go with this.
    finished: bool,
}

/// A line among all that were decided in one round.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    shard: u16,
    start: u32,
    end: u32,
}

/// Where a line has its time.
#[derive(Clone, Copy)]
enum Stamp {
    /// Behind `{"at":"`.
    First,
    /// Before `"}`.
    Last,
}

/// A time as [`crate::engine::json::timestamp`] writes it, without its quotes.
const STAMP_BYTES: usize = "2026-03-01T09:30:00.000Z".len();

impl Output {
    /// Makes the directory and the files, with that of statistics or without; what an earlier replay left
    /// there is removed.
    ///
    /// # Errors
    /// If one of them cannot be made.
    pub(super) fn create(directory: &Path, statistics: bool) -> Result<Self, ReplayError> {
        fs::create_dir_all(directory).map_err(|error| ReplayError::file(directory, "made", &error))?;
        let mut output = Self {
            directory: directory.to_owned(),
            files: Vec::new(),
            order: Vec::new(),
            merged: Vec::new(),
            finished: false,
        };
        for (number, name) in NAMES.into_iter().enumerate() {
            let whole = directory.join(name);
            match fs::remove_file(&whole) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ReplayError::file(&whole, "replaced", &error));
                }
                _ => {}
            }
            if number == STATISTICS && !statistics {
                continue;
            }
            let path = partial(directory, name);
            let file = File::create(&path).map_err(|error| ReplayError::file(&path, "written", &error))?;
            output.files.push(BufWriter::with_capacity(1 << 18, file));
        }
        Ok(output)
    }

    /// Writes what the shards decided in one round; nothing of a later round is earlier.
    pub(super) fn write(&mut self, decided: &[Decided]) -> Result<(), ReplayError> {
        let sends: Vec<_> = decided.iter().map(|d| (d.shard, &d.effects.sends)).collect();
        self.merge(0, &sends, Stamp::Last)?;
        let transitions: Vec<_> = decided.iter().map(|d| (d.shard, &d.effects.transitions)).collect();
        self.merge(1, &transitions, Stamp::First)?;
        let refusals: Vec<_> = decided.iter().map(|d| (d.shard, &d.effects.refusals)).collect();
        self.merge(2, &refusals, Stamp::First)
    }

    fn merge(&mut self, file: usize, shards: &[(u16, &Lines)], stamp: Stamp) -> Result<(), ReplayError> {
        self.order.clear();
        self.merged.clear();
        for (place, (_, lines)) in (0..).zip(shards) {
            let bytes = lines.as_bytes();
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', bytes) {
                let at = stamp_of(&bytes[start..end], stamp);
                let small =
                    |n: usize| u32::try_from(n).expect("a round decides less than 4 GiB in one shard");
                self.order.push(Place { at, shard: place, start: small(start), end: small(end + 1) });
                start = end + 1;
            }
        }
        // Stable: of equal times, the lower shard's first, each in its own order.
        self.order.sort_by_key(|place| place.at);
        for place in &self.order {
            let bytes = shards[usize::from(place.shard)].1.as_bytes();
            self.merged.extend_from_slice(&bytes[place.start as usize..place.end as usize]);
        }
        let merged = std::mem::take(&mut self.merged);
        let written = self.put(file, &merged);
        self.merged = merged;
        written
    }

    /// Writes lines of rejects.
    pub(super) fn rejects(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        self.put(REJECTS, lines)
    }

    fn put(&mut self, file: usize, bytes: &[u8]) -> Result<(), ReplayError> {
        let written = self.files[file].write_all(bytes);
        written.map_err(|error| ReplayError::file(&partial(&self.directory, NAMES[file]), "written", &error))
    }

    /// Writes the summary, and what moved in each bucket, and gives every file its name.
    ///
    /// # Errors
    /// If the disk does not take it all; the names are not given then.
    pub(super) fn finish(mut self, summary: &[u8], statistics: Option<&[Line]>) -> Result<(), ReplayError> {
        self.put(SUMMARY, summary)?;
        for line in statistics.into_iter().flatten() {
            let mut line = serde_json::to_vec(line).expect("counts are JSON");
            line.push(b'\n');
            self.put(STATISTICS, &line)?;
        }
        let files = self.files.len();
        for (mut file, name) in std::mem::take(&mut self.files).into_iter().zip(NAMES) {
            let path = partial(&self.directory, name);
            let failed = |error: &io::Error| ReplayError::file(&path, "written", error);
            file.flush().map_err(|error| failed(&error))?;
            file.get_ref().sync_all().map_err(|error| failed(&error))?;
        }
        for name in &NAMES[..files] {
            let path = self.directory.join(name);
            fs::rename(partial(&self.directory, name), &path)
                .map_err(|error| ReplayError::file(&path, "written", &error))?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            self.files.clear();
            for name in NAMES {
                // What cannot be removed is still called partial.
                let _ = fs::remove_file(partial(&self.directory, name));
            }
        }
    }
}

fn partial(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.partial"))
}

/// A line's time as a number that is ordered as the times are: its digits.
fn stamp_of(line: &[u8], stamp: Stamp) -> u64 {
    let start = match stamp {
        Stamp::First => "{\"at\":\"".len(),
        Stamp::Last => line.len().saturating_sub(STAMP_BYTES + "\"}".len()),
    };
    let text = line.get(start..start + STAMP_BYTES).unwrap_or_default();
    if !text.ends_with(b"Z") {
        // A year that RFC 3339 cannot name: after all that it can.
        return u64::MAX;
    }
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lines_time_is_found_whatever_else_is_in_it() {
        let first = br#"{"at":"2026-03-01T09:30:00.250Z","journey":"at"}"#;
        let last = br#"{"key":"k","variables":{"at":"1999"},"at":"2026-03-01T09:30:00.250Z"}"#;
        assert_eq!(stamp_of(first, Stamp::First), 20_260_301_093_000_250);
        assert_eq!(stamp_of(last, Stamp::Last), 20_260_301_093_000_250);
    }
}
