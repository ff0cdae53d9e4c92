//! Cuts a stream into records without copying them: one buffer, refilled when a record is not whole in
//! it.

use std::io::{self, Read};
use std::ops::Range;

use super::{LINE_BYTES_MAX, Position};
use crate::ingest::reject::Reject;

/// The size of the buffer: twice the longest line, so that little is moved at a refill, and it fits the
/// second cache.
pub(super) const CHUNK_BYTES: usize = 2 * LINE_BYTES_MAX;

const _: () = assert!(CHUNK_BYTES > LINE_BYTES_MAX + 2, "a line that is too long must be seen to be");

/// What a splitter sees at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// The record ends before a line feed.
    At {
        /// The bytes before that.
        len: usize,
        /// The line feeds up to and with it.
        lines: u64,
    },
    /// It does not end here; in a quote or not.
    Beyond {
        /// Whether a quote is open.
        quoted: bool,
    },
}

/// What comes next in the stream.
#[derive(Debug)]
pub(super) enum Found {
    /// A record, without its line's end; the range is valid until the next call.
    Record(Position, Range<usize>),
    /// Something that is none.
    Reject(Position, Box<Reject>),
}

/// A stream and the part of it that is being looked at.
pub(super) struct Chunks {
    source: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Of `start`.
    position: Position,
    ended: bool,
    /// What comes until the next line feed belongs to a line that has been refused.
    passing: bool,
    /// The end may not be one yet: more is asked for each time, and a line without an end is waited for.
    following: bool,
}

impl Chunks {
    /// A stream whose first byte is at `position`.
    pub(super) fn new(source: Box<dyn Read + Send>, position: Position, following: bool) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK_BYTES].into(),
            start: 0,
            end: 0,
            position,
            ended: false,
            passing: false,
            following,
        }
    }

    /// Where the next record starts.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// What [`Found::Record`] named.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The next record, as `split` sees its end.
    #[inline]
    pub(super) fn next(&mut self, split: impl Fn(&[u8]) -> Split) -> io::Result<Option<Found>> {
        loop {
            if self.passing {
                self.pass_over();
            }
            let window = &self.buffer[self.start..self.end];
            // One byte more than allowed may be the carriage return of a line that is just long enough.
            let enough = window.len() > LINE_BYTES_MAX + 1;
            match split(window) {
                Split::At { len, lines } => return Ok(Some(self.take(len, len + 1, lines))),
                Split::Beyond { .. } if self.ended && window.is_empty() => return Ok(None),
                Split::Beyond { quoted } if enough || (quoted && self.ended) => {
                    self.passing = true;
                    let refused = if quoted { unclosed } else { too_long };
                    return Ok(Some(refused(self.position)));
                }
                // The last line, without an end.
                Split::Beyond { .. } if self.ended => {
                    return Ok(Some(self.take(window.len(), window.len(), 0)));
                }
                Split::Beyond { .. } => {
                    if !self.fill()? && self.following {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The record of `len` bytes at the start, and leaves `passed` bytes behind.
    #[inline]
    fn take(&mut self, len: usize, passed: usize, lines: u64) -> Found {
        let (position, start) = (self.position, self.start);
        self.advance(passed, lines);
        let carriage = usize::from(self.buffer[start..start + len].ends_with(b"\r"));
        if len - carriage > LINE_BYTES_MAX {
            return too_long(position);
        }
        Found::Record(position, start..start + len - carriage)
    }

    /// Leaves behind what is there of a line that has been refused.
    ///
    /// Of a record with a quote that is not closed that is the first line only: the next one is likelier
    /// a good record than part of a text of 256 KiB.
    #[cold]
    fn pass_over(&mut self) {
        let window = &self.buffer[self.start..self.end];
        match memchr::memchr(b'\n', window) {
            Some(len) => {
                self.advance(len + 1, 1);
                self.passing = false;
            }
            None => self.advance(window.len(), 0),
        }
    }

    /// Leaves `len` bytes behind, with so many line feeds.
    #[inline]
    fn advance(&mut self, len: usize, lines: u64) {
        self.start += len;
        self.position.line += lines;
        self.position.offset += len as u64;
    }

    /// Reads more behind what is there, which moves to the front; tells whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    self.ended = read == 0 && !self.following;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cold]
fn too_long(position: Position) -> Found {
    let line = position.line;
    let message = format!("line {line} is longer than {LINE_BYTES_MAX} bytes, the most that is allowed");
    Found::Reject(position, Reject::boxed("too_large", LINE_BYTES_MAX, message))
}

#[cold]
fn unclosed(position: Position) -> Found {
    let line = position.line;
    let message = format!(
        "line {line} opens a quote that nothing closes; it must be closed within {LINE_BYTES_MAX} bytes"
    );
    Found::Reject(position, Reject::boxed("csv_quote", 0, message))
}

/// The splitter of plain lines.
#[inline]
pub(super) fn line(bytes: &[u8]) -> Split {
    memchr::memchr(b'\n', bytes).map_or(Split::Beyond { quoted: false }, |len| Split::At { len, lines: 1 })
}
