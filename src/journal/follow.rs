//! A file of lines read as a log of its own: its position is committed, its content is not copied.
//!
//! A line's offset is the byte at which it begins. Each shard commits the offset behind the last line that
//! it has considered as its position in [`super::Source::File`]; after a restart the file is read from the
//! smallest of them, and a shard passes over the lines before its own. A file that has become shorter, or is
//! another one, is refused: to go on would lose lines or take others for them. Once the right one is back,
//! [`Follower::reopen`] goes on where it was.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::traits::RECORD_BYTES_MAX;

/// How much of a file's beginning it is known by.
const FINGERPRINT_BYTES: usize = 1024;

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What a file is known by: its first bytes, at most a KiB. To be kept beside the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// How many bytes were there to look at, at most 1,024.
    pub bytes: u16,
    /// Their xxh3-64.
    pub hash: u64,
}

impl Fingerprint {
    fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(FINGERPRINT_BYTES)];
        Self { bytes: head.len() as u16, hash: xxh3_64(head) }
    }

    /// Whether a file that begins with `head` is the one: it may have grown since.
    fn is_of(self, head: &[u8]) -> bool {
        head.get(..usize::from(self.bytes)).is_some_and(|known| xxh3_64(known) == self.hash)
    }
}

/// Why a file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It lacks what has been read.
    #[error(
        "{} has {len} bytes, and {position} of it have been read already: it was truncated or replaced; \
         put the old file back, or give the new one as another file", path.display()
    )]
    Shorter {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// What has been read of it.
        position: u64,
    },
    /// It begins differently.
    #[error(
        "{} is another file than the one that was read up to byte {position}: its first {bytes} bytes \
         differ; put the old file back, or give the new one as another file", path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What has been read of it.
        position: u64,
        /// How many bytes were compared.
        bytes: u16,
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
}

/// What comes behind the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: the file is whole, and its last line may lack its newline.
    Whole,
    /// More, some time: a line counts once its newline is there.
    Follow,
}

/// What to do next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read again: the batch was full.
    Read,
    /// Wait a little, then read again: the file may grow ([`Mode::Follow`]).
    Wait,
    /// Nothing: the file has been read to its end ([`Mode::Whole`]).
    End,
}

/// One line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The byte at which it begins.
    pub offset: u64,
    /// The byte at which the next one begins: the position once this one is done.
    pub next: u64,
    /// Without its newline and a carriage return before it.
    pub bytes: &'a [u8],
    /// It has more than [`RECORD_BYTES_MAX`] bytes and was cut to them.
    pub is_cut: bool,
}

/// Lines read together, reused from read to read.
#[derive(Debug, Default)]
pub struct Lines {
    arena: Vec<u8>,
    index: Vec<(u64, u64, usize, bool)>,
}

impl Lines {
    /// The lines, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Line<'_>> {
        let mut start = 0;
        self.index.iter().map(move |&(offset, next, end, is_cut)| {
            let bytes = &self.arena[start..end];
            start = end;
            Line { offset, next, bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes), is_cut }
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn clear(&mut self) {
        self.arena.clear();
        self.index.clear();
    }
}

/// A file that is being read line by line.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: File,
    mode: Mode,
    fingerprint: Fingerprint,
    chunk: Vec<u8>,
    /// What of `chunk` has been taken.
    taken: usize,
    /// The beginning of a line whose newline has not been seen: at most [`RECORD_BYTES_MAX`] bytes of it.
    partial: Vec<u8>,
    /// Where that line, or else the next one, begins.
    line_start: u64,
    /// Where the byte behind what was taken stands.
    position: u64,
}

impl Follower {
    /// Opens a file to be read from `position` on; `known` is the fingerprint that was kept with that
    /// position, and must be given unless it is 0.
    ///
    /// # Errors
    /// If it is shorter than that, or another file, or cannot be read.
    pub fn open(
        path: &Path,
        mode: Mode,
        position: u64,
        known: Option<Fingerprint>,
    ) -> Result<Self, FollowError> {
        let (mut file, len, head) = look(path)?;
        check(path, position, known, len, &head)?;
        file.seek(SeekFrom::Start(position)).map_err(|e| io_error(path, "read", e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            mode,
            fingerprint: Fingerprint::of(&head),
            chunk: Vec::new(),
            taken: 0,
            partial: Vec::new(),
            line_start: position,
            position,
        })
    }

    /// What the file is known by as of now: to be kept with each position.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// After an error: opens what is there now, and goes on behind the last whole line that was given.
    ///
    /// # Errors
    /// As [`Follower::open`]; nothing has changed then.
    pub fn reopen(&mut self) -> Result<(), FollowError> {
        *self = Self::open(&self.path, self.mode, self.line_start, Some(self.fingerprint))?;
        Ok(())
    }

    /// Empties `lines` and fills it with at most `max` lines.
    ///
    /// # Errors
    /// If the file cannot be read, was truncated or replaced.
    pub fn read(&mut self, lines: &mut Lines, max: usize) -> Result<Next, FollowError> {
        lines.clear();
        while lines.len() < max {
            if self.taken == self.chunk.len() && self.fetch()? == 0 {
                return self.at_end(lines);
            }
            self.take_line(lines);
        }
        Ok(Next::Read)
    }

    /// Reads the next chunk; how many bytes it has.
    fn fetch(&mut self) -> Result<usize, FollowError> {
        self.chunk.clear();
        self.taken = 0;
        let read = self.file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.chunk);
        read.map_err(|e| io_error(&self.path, "read", e))
    }

    /// Takes what the chunk has of the current line.
    fn take_line(&mut self, lines: &mut Lines) {
        let rest = &self.chunk[self.taken..];
        let newline = memchr::memchr(b'\n', rest);
        let piece = &rest[..newline.unwrap_or(rest.len())];
        let room = RECORD_BYTES_MAX.saturating_sub(self.partial.len());
        self.taken += piece.len() + usize::from(newline.is_some());
        self.position += (piece.len() + usize::from(newline.is_some())) as u64;
        match newline {
            None => self.partial.extend_from_slice(&piece[..piece.len().min(room)]),
            Some(_) => {
                let is_cut = self.position - self.line_start - 1 > RECORD_BYTES_MAX as u64;
                lines.arena.extend_from_slice(&self.partial);
                lines.arena.extend_from_slice(&piece[..piece.len().min(room)]);
                lines.index.push((self.line_start, self.position, lines.arena.len(), is_cut));
                self.partial.clear();
                self.line_start = self.position;
            }
        }
    }

    fn at_end(&mut self, lines: &mut Lines) -> Result<Next, FollowError> {
        match self.mode {
            Mode::Whole if self.position == self.line_start => Ok(Next::End),
            Mode::Whole => {
                let is_cut = self.position - self.line_start > RECORD_BYTES_MAX as u64;
                lines.arena.extend_from_slice(&self.partial);
                lines.index.push((self.line_start, self.position, lines.arena.len(), is_cut));
                self.partial.clear();
                self.line_start = self.position;
                Ok(Next::End)
            }
            Mode::Follow => {
                // The path is looked at anew: the file that is open may have been renamed away. From here on
                // what stands there now is read: a copy of the old one is as good, and only it will grow.
                let (mut file, len, head) = look(&self.path)?;
                check(&self.path, self.position, Some(self.fingerprint), len, &head)?;
                file.seek(SeekFrom::Start(self.position)).map_err(|e| io_error(&self.path, "read", e))?;
                (self.file, self.fingerprint) = (file, Fingerprint::of(&head));
                Ok(Next::Wait)
            }
        }
    }
}

fn io_error(path: &Path, doing: &'static str, cause: io::Error) -> FollowError {
    FollowError::Io { path: path.to_owned(), doing, cause }
}

/// Opens a file; its length and its first bytes.
fn look(path: &Path) -> Result<(File, u64, Vec<u8>), FollowError> {
    let mut file = File::open(path).map_err(|e| io_error(path, "opened", e))?;
    let len = file.metadata().map_err(|e| io_error(path, "looked at", e))?.len();
    let mut head = Vec::new();
    let read = file.by_ref().take(FINGERPRINT_BYTES as u64).read_to_end(&mut head);
    read.map_err(|e| io_error(path, "read", e))?;
    Ok((file, len, head))
}

fn check(
    path: &Path,
    position: u64,
    known: Option<Fingerprint>,
    len: u64,
    head: &[u8],
) -> Result<(), FollowError> {
    if len < position {
        return Err(FollowError::Shorter { path: path.to_owned(), len, position });
    }
    match known {
        Some(known) if !known.is_of(head) => {
            Err(FollowError::Other { path: path.to_owned(), position, bytes: known.bytes })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn texts(lines: &Lines) -> Vec<(u64, u64, String)> {
        let text = |line: Line<'_>| String::from_utf8(line.bytes.to_vec()).unwrap();
        lines.iter().map(|line| (line.offset, line.next, text(line))).collect()
    }

    fn line(offset: u64, next: u64, text: &str) -> (u64, u64, String) {
        (offset, next, text.to_owned())
    }

    #[test]
    fn a_whole_file_ends_with_its_last_line_newline_or_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        fs::write(&path, "one\ntwo\r\n\nlast").unwrap();
        let mut file = Follower::open(&path, Mode::Whole, 0, None).unwrap();
        let mut lines = Lines::default();
        assert_eq!(file.read(&mut lines, 2).unwrap(), Next::Read);
        assert_eq!(texts(&lines), [line(0, 4, "one"), line(4, 9, "two")]);
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::End);
        assert_eq!(texts(&lines), [line(9, 10, ""), line(10, 14, "last")]);
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::End);
        assert!(lines.is_empty());
        let mut again = Follower::open(&path, Mode::Whole, 9, Some(file.fingerprint())).unwrap();
        assert_eq!(again.read(&mut lines, 9).unwrap(), Next::End);
        assert_eq!(lines.len(), 2, "the position is where to go on");
    }

    #[test]
    fn a_followed_file_gives_a_line_once_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        fs::write(&path, "one\ntw").unwrap();
        let mut file = Follower::open(&path, Mode::Follow, 0, None).unwrap();
        let known = file.fingerprint();
        let mut lines = Lines::default();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        assert_eq!(texts(&lines), [line(0, 4, "one")]);
        let mut grown = File::options().append(true).open(&path).unwrap();
        grown.write_all(b"o\nthree\n").unwrap();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        assert_eq!(texts(&lines), [line(4, 8, "two"), line(8, 14, "three")]);
        assert!(
            Follower::open(&path, Mode::Follow, 14, Some(known)).is_ok(),
            "it has grown, and is the same"
        );
    }

    #[test]
    fn a_file_that_was_truncated_or_replaced_is_refused_with_a_sentence() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        let mut lines = Lines::default();
        for (after, sentence) in [("on", "truncated or replaced"), ("ONE\ntwo\nthree\n", "is another file")] {
            fs::write(&path, "one\ntwo\n").unwrap();
            let mut file = Follower::open(&path, Mode::Follow, 0, None).unwrap();
            assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
            fs::remove_file(&path).unwrap();
            fs::write(&path, after).unwrap();
            let while_following = file.read(&mut lines, 9).unwrap_err().to_string();
            assert!(while_following.contains(sentence), "{while_following}");
            let at_start = Follower::open(&path, Mode::Follow, 8, Some(file.fingerprint()));
            assert!(at_start.unwrap_err().to_string().contains(sentence));
        }
    }

    #[test]
    fn once_the_file_is_back_it_goes_on_behind_the_last_whole_line() {
        let place = tempfile::tempdir().unwrap();
        let (path, away) = (place.path().join("events.jsonl"), place.path().join("away"));
        fs::write(&path, "one\ntw").unwrap();
        let mut file = Follower::open(&path, Mode::Follow, 0, None).unwrap();
        let mut lines = Lines::default();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        fs::rename(&path, &away).unwrap();
        assert!(file.read(&mut lines, 9).is_err() && file.reopen().is_err());
        fs::write(&path, "another\n").unwrap();
        assert!(file.read(&mut lines, 9).is_err() && file.reopen().is_err());
        // A copy will do, and it is the copy that grows.
        fs::copy(&away, &path).unwrap();
        file.reopen().unwrap();
        assert_eq!((file.read(&mut lines, 9).unwrap(), lines.len()), (Next::Wait, 0));
        File::options().append(true).open(&path).unwrap().write_all(b"o\n").unwrap();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        assert_eq!(texts(&lines), [line(4, 8, "two")]);
        // One that was put in its place unseen, too.
        fs::copy(&path, &away).unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        File::options().append(true).open(&path).unwrap().write_all(b"three\n").unwrap();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::Wait);
        assert_eq!(texts(&lines), [line(8, 14, "three")]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_costs_no_more_memory_than_a_long_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        let long = "x".repeat(RECORD_BYTES_MAX);
        fs::write(&path, format!("{long}\n{long}xxx\nshort\n")).unwrap();
        let mut file = Follower::open(&path, Mode::Whole, 0, None).unwrap();
        let mut lines = Lines::default();
        assert_eq!(file.read(&mut lines, 9).unwrap(), Next::End);
        let shape: Vec<_> = lines.iter().map(|l| (l.bytes.len(), l.is_cut)).collect();
        assert_eq!(shape, [(RECORD_BYTES_MAX, false), (RECORD_BYTES_MAX, true), (5, false)]);
        assert_eq!(lines.iter().last().unwrap().next, 2 * RECORD_BYTES_MAX as u64 + 11);
    }
}
