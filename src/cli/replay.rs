//! `wayfarer replay`: what it is given.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::control::range::By;
use crate::model::{Interval, Timestamp};

pub(super) const EXAMPLES: &str = "\
Examples:
  wayfarer replay --journeys config/journeys --events events.jsonl.zst
  wayfarer replay --journeys j --events clicks.csv --map user=customer_id --map event=action
  wayfarer replay --journeys j --events e.jsonl --script operator.txt --out out --threads 8
  wayfarer replay --journeys j --events e.jsonl --list members=members.csv
  wayfarer replay --journeys j --events e.jsonl --explain u-4711
  wayfarer replay --journeys j --events e.jsonl --statistics-by day

A script has one verb a line, with its time and its journey:
  2026-03-01T09:30:00Z pause cart-rescue
  2026-03-01T11:00:00Z resume cart-rescue
Its verbs are those of `wayfarer ctl`, with the options from=NODE, at=NODE, keep_held, to=ID and
reason=TEXT; beside them are `put JOURNEY file=DEFINITION` and `enter JOURNEY user=ID`.
A journey that the script does not publish or activate itself goes live before the first event.
--out gets sends.jsonl, transitions.jsonl, refusals.jsonl, rejects.jsonl and summary.json, with
--statistics-by statistics.jsonl too: the same bytes whatever --threads says.";

/// What `replay` is given.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The definitions: every .toml and .json in it
    #[arg(long, value_name = "DIR")]
    pub journeys: PathBuf,
    /// The recorded events: JSON lines in Segment's form, or CSV; plain, .gz or .zst; "-" is the standard
    /// input
    #[arg(long, value_name = "FILE")]
    pub events: PathBuf,
    /// For CSV: which column is which field (user, event, timestamp, message_id, type, timezone); others are
    /// properties
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<Mapping>,
    /// The users of an audience list, by the list's name: JSON lines or CSV with a column `user_id`; they
    /// enter when their journey opens
    #[arg(long, value_name = "NAME=FILE")]
    pub list: Vec<ListFile>,
    /// The operator's verbs, with their times
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Write sends, transitions and refusals into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Stop the virtual clock here, rather than when every timer is done: 2026-03-01T09:30:00Z
    #[arg(long, value_name = "T")]
    pub until: Option<Timestamp>,
    /// How many threads; the output does not depend on it [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: Option<u32>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Tell this user's whole story instead of the summary
    #[arg(long, value_name = "USER")]
    pub explain: Option<String>,
    /// Count what moved by journey, version, node and hour or day of the journey's zone: into
    /// statistics.jsonl of
    /// --out, else printed after the summary
    #[arg(long, value_name = "BUCKET", conflicts_with = "explain")]
    pub statistics_by: Option<By>,
    /// How far out of order events may be and still be sorted; what is later is counted, and taken as it
    /// comes
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub late: Interval,
}

/// One field of an event, and the column of a CSV file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// One of [`Mapping::FIELDS`].
    pub field: String,
    /// The column's name in the file's first line.
    pub column: String,
}

impl Mapping {
    /// The fields that a column can be mapped to; a column that is not mapped is a property.
    pub const FIELDS: [&str; 6] = ["user", "event", "timestamp", "message_id", "type", "timezone"];
}

/// An audience list, and the file that holds its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    /// The list's name, as the definition's `entry.list` has it.
    pub name: String,
    /// Where its rows are.
    pub file: PathBuf,
}

impl FromStr for ListFile {
    type Err = MappingError;
    fn from_str(text: &str) -> Result<Self, MappingError> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Ok(Self { name: name.to_owned(), file: file.into() })
            }
            _ => Err(MappingError::List(text.to_owned())),
        }
    }
}

/// Why a text is not a [`Mapping`] or a [`ListFile`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It does not have the form.
    #[error("{0:?} is not FIELD=COLUMN, such as user=customer_id")]
    Form(String),
    /// It names no list and file.
    #[error("{0:?} is not NAME=FILE, such as members=members.csv")]
    List(String),
    /// There is no such field.
    #[error("there is no field {0:?}; there are {all}", all = Mapping::FIELDS.join(", "))]
    Field(String),
}

impl FromStr for Mapping {
    type Err = MappingError;
    fn from_str(text: &str) -> Result<Self, MappingError> {
        match text.split_once('=') {
            Some((field, column)) if !column.is_empty() => {
                if Self::FIELDS.contains(&field) {
                    Ok(Self { field: field.to_owned(), column: column.to_owned() })
                } else {
                    Err(MappingError::Field(field.to_owned()))
                }
            }
            _ => Err(MappingError::Form(text.to_owned())),
        }
    }
}
