//! Followed files, read again from their beginnings: the lines of some shards, in the order of the file.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use crate::journal::JournalError;
use crate::journal::follow::{Follower, Lines, Mode, Next};
use crate::journal::history::History;
use crate::model::hash::shard_of;
use crate::worker::feed::{self, Mark};
use crate::worker::sources::shard_of_line;

/// How many lines are read at once.
const AT_ONCE: usize = 4_096;

/// A line: its offset as a cycle has it, and its bytes.
pub(super) type Line = (u64, Vec<u8>);

/// The files that the journal has followed.
pub(super) struct Files {
    shards: u16,
    own: Vec<u16>,
    marks: BTreeMap<u8, Mark>,
    open: BTreeMap<u8, Open>,
}

/// One file under way.
struct Open {
    follower: Follower,
    lines: Lines,
    /// What comes before this byte was read.
    read: u64,
    ended: bool,
    /// By shard: lines that were read and not taken.
    waiting: BTreeMap<u16, VecDeque<Line>>,
}

impl Files {
    /// Those that some of these shards know, for these shards.
    pub(super) fn of(history: &impl History, own: &[u16]) -> Result<Self, JournalError> {
        let mut marks = BTreeMap::new();
        for &shard in own {
            history.state(shard, &[feed::KEY], &[feed::KEY + 1], &mut |key, value| {
                let ([_, file], Ok(mark)) = (key, serde_json::from_slice::<Mark>(value)) else { return };
                // What the file begins with was longer when it was looked at last.
                let longer = |known: &Mark| known.fingerprint.bytes < mark.fingerprint.bytes;
                if marks.get(file).is_none_or(longer) {
                    marks.insert(*file, mark);
                }
            })?;
        }
        Ok(Self { shards: history.shard_count(), own: own.to_vec(), marks, open: BTreeMap::new() })
    }

    /// The lines of a shard from one offset to another; none if there is none. A sentence if they cannot be had.
    pub(super) fn lines(&mut self, shard: u16, file: u8, first: u64, last: u64) -> Result<Vec<Line>, String> {
        if !self.open.contains_key(&file) {
            let mark =
                self.marks.get(&file).ok_or_else(|| format!("nobody knows which file number {file} is"))?;
            let known = Some(mark.fingerprint);
            let follower = Follower::open(Path::new(&mark.path), Mode::Whole, 0, known);
            let follower = follower.map_err(|error| error.to_string())?;
            let (lines, waiting) = (Lines::default(), BTreeMap::new());
            self.open.insert(file, Open { follower, lines, read: 0, ended: false, waiting });
        }
        let open = self.open.get_mut(&file).expect("it was just opened");
        while open.read <= last {
            if open.ended {
                let path = &self.marks[&file].path;
                return Err(format!("{path} ends at byte {}, and {last} was read once", open.read));
            }
            open.read_on(|user| shard_of(user, self.shards), &self.own)?;
        }
        let mut found = Vec::new();
        let waiting = open.waiting.entry(shard).or_default();
        while let Some(line) = waiting.pop_front_if(|(offset, _)| *offset <= last) {
            // What was passed over was taken by a commit that is not replayed: there is none such.
            if line.0 >= first {
                found.push(line);
            }
        }
        Ok(found)
    }
}

impl Open {
    fn read_on(&mut self, of: impl Fn(&str) -> u16, own: &[u16]) -> Result<(), String> {
        let next = self.follower.read(&mut self.lines, AT_ONCE).map_err(|error| error.to_string())?;
        self.ended = next != Next::Read;
        for line in self.lines.iter() {
            self.read = line.next;
            if line.bytes.is_empty() {
                continue;
            }
            let shard = shard_of_line(line.bytes, &of);
            if own.contains(&shard) {
                let waiting = self.waiting.entry(shard).or_default();
                waiting.push_back((line.next - 1, line.bytes.to_vec()));
            }
        }
        Ok(())
    }
}
