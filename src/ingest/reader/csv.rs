//! CSV (RFC 4180) cut into records and cells, and each record made into a Segment message by a
//! [`Mapping`].
//!
//! A quote counts only at the start of a cell. The delimiter is `,`, `;` or a tab: whichever the header
//! has most of.

use super::Position;
use super::chunks::Split;
use super::mapping::{Mapping, Plan};
use crate::ingest::reject::{Reject, Scanned};

const DELIMITERS: [u8; 3] = *b",;\t";

/// The splitter of records: a line feed inside a quoted cell does not end one. Without a delimiter, any
/// may be it.
pub(super) fn record(bytes: &[u8], delimiter: Option<u8>) -> Split {
    let delimits = |byte| delimiter.map_or(DELIMITERS.contains(&byte), |delimiter| delimiter == byte);
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match closing_quote(bytes, at + 1) {
                Some(quote) => at = quote + 1,
                None => return Split::Beyond { quoted: true },
            }
        }
        match bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == b'\n' || delimits(b))) {
            None => return Split::Beyond { quoted: false },
            Some(len) if bytes[at + len] == b'\n' => {
                let len = at + len;
                return Split::At { len, lines: memchr::memchr_iter(b'\n', &bytes[..=len]).count() as u64 };
            }
            Some(len) => at += len + 1,
        }
    }
}

/// The quote that closes a cell opened before `at`: the first that is not doubled.
fn closing_quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let quote = at + memchr::memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// One cell of a record: its place without quotes, and whether quotes inside are doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    start: usize,
    end: usize,
    doubled: bool,
}

/// Cuts a record, which is whole, into its cells.
fn cut(record: &str, delimiter: u8, cells: &mut Vec<Cell>) {
    let bytes = record.as_bytes();
    cells.clear();
    let mut at = 0;
    loop {
        let mut cell = Cell { start: at, end: at, doubled: false };
        if bytes.get(at) == Some(&b'"') {
            let quote = closing_quote(bytes, at + 1).unwrap_or(bytes.len());
            cell = Cell { start: at + 1, end: quote, doubled: bytes[at + 1..quote].contains(&b'"') };
            at = (quote + 1).min(bytes.len());
        }
        let end = memchr::memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |len| at + len);
        if cell.start == at {
            cell.end = end;
        }
        cells.push(cell);
        if end == bytes.len() {
            return;
        }
        at = end + 1;
    }
}

fn text(record: &str, cell: Cell) -> std::borrow::Cow<'_, str> {
    let raw = &record[cell.start..cell.end];
    if cell.doubled { raw.replace("\"\"", "\"").into() } else { raw.into() }
}

/// A table whose header has been read.
#[derive(Debug)]
pub(super) struct Table {
    delimiter: u8,
    columns: usize,
    plan: Plan,
    cells: Vec<Cell>,
    message: Vec<u8>,
}

impl Table {
    /// Finds the mapped columns in the header; the error is a sentence about the one that is missing.
    pub(super) fn new(header: &[u8], mapping: &Mapping) -> Result<Self, String> {
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        let header = std::str::from_utf8(header)
            .map_err(|error| format!("the header is not UTF-8 at byte {}", error.valid_up_to()))?;
        let most =
            DELIMITERS.iter().rev().max_by_key(|&&d| memchr::memchr_iter(d, header.as_bytes()).count());
        let delimiter = *most.expect("there are delimiters");
        let mut cells = Vec::new();
        cut(header, delimiter, &mut cells);
        let names: Vec<_> = cells.iter().map(|&cell| text(header, cell).trim().to_owned()).collect();
        let plan = Plan::new(mapping, &names)?;
        Ok(Self { delimiter, columns: names.len(), plan, cells, message: Vec::new() })
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The record that starts at `position` as a message.
    pub(super) fn message(&mut self, position: Position, record: &[u8]) -> Scanned<&[u8]> {
        let line = position.line;
        let record = std::str::from_utf8(record).map_err(|error| {
            let at = error.valid_up_to();
            Reject::boxed(
                "invalid_utf8",
                at,
                format!("line {line} is not UTF-8 at its byte {at}; save it as UTF-8"),
            )
        })?;
        cut(record, self.delimiter, &mut self.cells);
        if self.cells.len() != self.columns {
            let (has, columns) = (self.cells.len(), self.columns);
            let message = format!("line {line} has {has} columns; the header has {columns}, and so must it");
            return Err(Reject::boxed("csv_columns", 0, message));
        }
        self.message.clear();
        let cell = |column: usize| text(record, self.cells[column]);
        self.plan.write(&cell, &mut self.message).map_err(|wrong| {
            let message = format!("line {line}, column {}: {}", wrong.column, wrong.message);
            Reject::boxed("csv_timestamp", self.cells[wrong.index].start, message)
        })?;
        Ok(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_at_the_first_line_feed_outside_quotes() {
        let at = |len, lines| Split::At { len, lines };
        let (open, shut) = (Split::Beyond { quoted: true }, Split::Beyond { quoted: false });
        for (bytes, expected) in [
            ("a,b\nc", at(3, 1)),
            ("\n", at(0, 1)),
            ("\"a\nb\",c\nd", at(7, 2)),
            ("a,\"b\"\"\n\"\"c\"\r\nd", at(12, 2)),
            ("5\" pipe,x\n", at(9, 1)),
            ("\"a\"x\ny", at(4, 1)),
            ("a,b", shut),
            ("", shut),
            ("\"a\n", open),
            ("a,\"", open),
            ("\"a\"\"\n", open),
        ] {
            assert_eq!(record(bytes.as_bytes(), Some(b',')), expected, "{bytes:?}");
        }
    }

    #[test]
    fn cells_lose_their_quotes_and_keep_everything_else() {
        for (record, expected) in [
            ("a,b", &["a", "b"][..]),
            ("", &[""]),
            (",", &["", ""]),
            ("\"\",x", &["", "x"]),
            (" a , b ", &[" a ", " b "]),
            ("\"a,\"\"b\"\"\n\",c", &["a,\"b\"\n", "c"]),
            ("5\" pipe,é", &["5\" pipe", "é"]),
            ("\"a\"junk,b", &["a", "b"]),
        ] {
            let mut cells = Vec::new();
            cut(record, b',', &mut cells);
            let texts: Vec<_> = cells.iter().map(|&cell| text(record, cell)).collect();
            assert_eq!(texts, expected, "{record:?}");
        }
    }
}
