//! Recorded events, read as a stream: JSON lines or CSV, plain, gzip or zstd, from a file or from
//! anything that reads.
//!
//! Promises: memory is bounded by [`CHUNK_BYTES`](chunks::CHUNK_BYTES) and the decompressor's window,
//! whatever is in the file; a line that is no message is handed over as a reject with its position, and
//! the next one is read; only a source that cannot be read at all ends the stream. Which compression it
//! is tells the content, not the name.

mod chunks;
mod compression;
mod csv;
mod mapping;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use self::chunks::{Chunks, Found};
use self::csv::Table;
pub use self::mapping::{Mapping, MappingError};
use super::limits::EVENT_BYTES_MAX;
use super::reject::Reject;

/// The longest line of a file, in bytes without its end: a longer one cannot be a message.
pub const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// How the events are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One Segment-spec JSON message a line.
    JsonLines,
    /// A table with a header, and what its columns mean.
    Csv(Mapping),
}

/// A place in a file, after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The bytes before that line.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (byte {})", self.line, self.offset)
    }
}

/// One line that is not empty, or one record of a table.
#[derive(Debug)]
pub struct Line<'a> {
    /// Where it starts.
    pub position: Position,
    /// Its bytes as they stand in the file, without the line's end; empty if it was too long to be kept.
    pub original: &'a [u8],
    /// The message for [`decode`](super::decode()), which for a table is made from the record; or why
    /// there is none.
    pub message: Result<&'a [u8], Reject>,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file, or it may not be read.
    #[error("{path} cannot be opened: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// It broke off: the disk, the pipe, or the compression.
    #[error("{name} cannot be read beyond {position}: {source}")]
    Broken {
        /// The file, or what stands for it.
        name: String,
        /// The last place that was reached.
        position: Position,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// The table's header does not suit the mapping.
    #[error("{name} does not suit the mapping: {message}")]
    Header {
        /// The file, or what stands for it.
        name: String,
        /// A sentence about the column.
        message: String,
    },
}

/// Opens a file of recorded events.
///
/// # Errors
/// If it cannot be opened, or its first bytes cannot be read, or it is a table whose header lacks a
/// mapped column.
pub fn open(path: &Path, format: Format) -> Result<Reader, ReadError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Reader::new(name, Box::new(file), format),
        Err(source) => Err(ReadError::Open { path: name, source }),
    }
}

/// Reads recorded events one after the other.
pub struct Reader {
    name: String,
    chunks: Chunks,
    /// None for JSON lines.
    table: Option<Table>,
}

impl Reader {
    /// Reads from any source; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`open`], but for the opening.
    pub fn new(name: String, source: Box<dyn Read + Send>, format: Format) -> Result<Self, ReadError> {
        let start = Position { line: 1, offset: 0 };
        let source = match compression::decompressed(source) {
            Ok(source) => source,
            Err(source) => return Err(ReadError::Broken { name, position: start, source }),
        };
        let mut reader = Self { name, chunks: Chunks::new(source, start, false), table: None };
        if let Format::Csv(mapping) = format {
            reader.table = Some(reader.header(&mapping)?);
        }
        Ok(reader)
    }

    /// Follows a file of JSON lines that is still being written, or was when it was last read.
    ///
    /// `source` stands at `position`, the start of a line, and is not compressed. When
    /// [`next_line`](Self::next_line) gives nothing it may be asked again later; a last line without its
    /// end is waited for, and [`position`](Self::position) is before it.
    #[must_use]
    pub fn following(name: String, source: Box<dyn Read + Send>, position: Position) -> Self {
        Self { name, chunks: Chunks::new(source, position, true), table: None }
    }

    /// Where the next line starts: from here on nothing has been handed over.
    ///
    /// After a line that was refused as too long, and whose end has not been seen, it is inside that
    /// line.
    #[must_use]
    pub fn position(&self) -> Position {
        self.chunks.position()
    }

    /// The next line that is not empty; nothing at the end.
    ///
    /// The last line needs no end. A carriage return before the line feed belongs to the line's end.
    ///
    /// # Errors
    /// If the source breaks off. What was read before stands.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let delimiter = self.table.as_ref().map(Table::delimiter);
        loop {
            let found = match delimiter {
                None => self.chunks.next(chunks::line),
                Some(delimiter) => self.chunks.next(|bytes| csv::record(bytes, Some(delimiter))),
            };
            let found = found.map_err(|source| ReadError::Broken {
                name: self.name.clone(),
                position: self.chunks.position(),
                source,
            })?;
            let (position, range) = match found {
                None => return Ok(None),
                Some(Found::Reject(position, reject)) => {
                    return Ok(Some(Line { position, original: b"", message: Err(*reject) }));
                }
                Some(Found::Record(position, range)) => (position, range),
            };
            if self.chunks.bytes(range.clone()).trim_ascii().is_empty() {
                continue;
            }
            let original = self.chunks.bytes(range);
            let message = match &mut self.table {
                None => Ok(original),
                Some(table) => table.message(position, original).map_err(|reject| *reject),
            };
            return Ok(Some(Line { position, original, message }));
        }
    }

    /// Reads the header and finds the mapped columns in it.
    fn header(&mut self, mapping: &Mapping) -> Result<Table, ReadError> {
        let name = self.name.clone();
        match self.chunks.next(|bytes| csv::record(bytes, None)) {
            Err(source) => Err(ReadError::Broken { name, position: self.chunks.position(), source }),
            Ok(None) => {
                Err(ReadError::Header { name, message: "it is empty; it must begin with a header".into() })
            }
            Ok(Some(Found::Reject(_, reject))) => Err(ReadError::Header { name, message: reject.message }),
            Ok(Some(Found::Record(_, range))) => Table::new(self.chunks.bytes(range), mapping)
                .map_err(|message| ReadError::Header { name, message }),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("name", &self.name).field("at", &self.chunks.position()).finish()
    }
}

#[cfg(test)]
mod tests;
