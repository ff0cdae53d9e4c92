//! What Wayfarer has written, weighed in its topics: the bare loop writes as many records of the same size.

use super::bare;
use crate::error::Result;
use crate::topics::{Content, Topics};

/// What lies in Wayfarer's topics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Users' records in the changelog.
    pub users: Content,
    /// Lines of movements and refusals.
    pub lines: Content,
    /// What leaves.
    pub sends: Content,
    /// Heads, statistics, cycles.
    pub others: Content,
    /// How many partitions the transactions had, in all.
    pub parts: u64,
}

impl Written {
    /// Reads the topics whose names begin so to their ends.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn read(topics: &Topics, prefix: &str, partitions: u16) -> Result<Self> {
        let mut written = Self::default();
        for name in ["state", "cycles", "sends", "transitions", "refusals"] {
            for (first, content) in topics.content(&format!("{prefix}{name}"), partitions)? {
                match (name, first) {
                    ("state", b'u') => written.users += content,
                    ("transitions" | "refusals", _) => written.lines += content,
                    ("sends", _) => written.sends += content,
                    _ => written.others += content,
                }
                if (name, first) == ("state", 0) {
                    written.parts = content.records;
                }
            }
        }
        Ok(written)
    }

    /// The same for so many events in so many transactions; what is not weighed is that of `like`.
    #[must_use]
    pub fn shape(&self, events: u64, commits: u64, like: &bare::Shape) -> bare::Shape {
        let Self { users, lines, others, parts, .. } = *self;
        let of = |content: Content| content.records as f64 / events.max(1) as f64;
        bare::Shape {
            batch: (events / commits.max(1)).max(1) as usize,
            records: of(users),
            value: size(users),
            lines: of(lines),
            line: size(lines),
            others: others.records as f64 / parts.max(1) as f64,
            other: size(others),
            ..like.clone()
        }
    }
}

/// The bytes of a record's value, on average.
#[must_use]
pub fn size(content: Content) -> usize {
    content.values.checked_div(content.records).unwrap_or(0) as usize
}
