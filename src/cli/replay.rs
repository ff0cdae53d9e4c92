//! `wayfarer replay`: what it is given.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};

use crate::control::range::By;
use crate::model::{Interval, Timestamp};
use crate::replay::exact::Bound;

pub(super) const EXAMPLES: &str = "\
Examples:
  wayfarer replay --journeys config/journeys --events events.jsonl.zst
  wayfarer replay --journeys j --events clicks.csv --map user=customer_id --map event=action
  wayfarer replay --journeys j --events e.jsonl --script operator.txt --out out --threads 8
  wayfarer replay --journeys j --events e.jsonl --list members=members.csv
  wayfarer replay --journeys j --events e.jsonl --explain u-4711
  wayfarer replay --journeys j --events e.jsonl --statistics-by day
  wayfarer replay --config config/local.toml
  wayfarer replay --directory ./data --from 2026-03-01T09:30:00Z --to 2026-03-01T10:30:00Z
  wayfarer replay --config prod.toml --kafka --shard 7 --from 1200 --to 1300 --out out

A script has one verb a line, with its time and its journey:
  2026-03-01T09:30:00Z pause cart-rescue
  2026-03-01T11:00:00Z resume cart-rescue
Its verbs are those of `wayfarer ctl`, with the options from=NODE, at=NODE, keep_held, to=ID and
reason=TEXT; beside them are `put JOURNEY file=DEFINITION` and `enter JOURNEY user=ID`.
A journey that the script does not publish or activate itself goes live before the first event.
--out gets sends.jsonl, transitions.jsonl, refusals.jsonl, rejects.jsonl and summary.json, with
--statistics-by statistics.jsonl too: the same bytes whatever --threads says.

With --config, --directory or --kafka a journal is replayed instead: everything that its shards have
read is decided again by this program, and compared byte for byte with what it holds: sends,
movements, refusals, dead letters, and the state after each commit. A shard is always replayed from its
first commit, and --from and --to say which commits are compared. Kafka is only read, and instances may
run meanwhile; an embedded journal must be nobody's. Ends with 0 if all is the same, with 14 if
something differs, with 15 if what is needed for a part of it is not kept any more.";

/// What `replay` is given.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("journal").args(["config", "directory", "kafka"]).multiple(true)))]
pub struct ReplayArgs {
    /// Replay the journal that these settings name [env: WAYFARER_CONFIG, with --kafka]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replay the embedded journal in this directory; no server may be running on it
    #[arg(long, value_name = "DIR", conflicts_with = "kafka")]
    pub directory: Option<PathBuf>,
    /// Replay the journal on Kafka that the settings name, which may be running
    #[arg(long)]
    pub kafka: bool,
    /// Of a journal: compare from this commit (a number, in each shard) or time on
    #[arg(long, value_name = "N|T", requires = "journal")]
    pub from: Option<Bound>,
    /// Of a journal: up to this commit or time, which belongs to the range
    #[arg(long, value_name = "N|T", requires = "journal")]
    pub to: Option<Bound>,
    /// Of a journal: only this shard; may be given several times
    #[arg(long, value_name = "N", requires = "journal")]
    pub shard: Vec<u16>,
    /// The definitions: every .toml and .json in it
    #[arg(long, value_name = "DIR", required_unless_present = "journal", conflicts_with = "journal")]
    pub journeys: Option<PathBuf>,
    /// The recorded events: JSON lines in Segment's form, or CSV; plain, .gz or .zst; "-" is the standard
    /// input
    #[arg(long, value_name = "FILE", required_unless_present = "journal", conflicts_with = "journal")]
    pub events: Option<PathBuf>,
    /// For CSV: which column is which field (user, event, timestamp, message_id, type, timezone); others are
    /// properties
    #[arg(long, value_name = "FIELD=COLUMN", conflicts_with = "journal")]
    pub map: Vec<Mapping>,
    /// The users of an audience list, by the list's name: JSON lines or CSV with a column `user_id`; they
    /// enter when their journey opens
    #[arg(long, value_name = "NAME=FILE", conflicts_with = "journal")]
    pub list: Vec<ListFile>,
    /// The operator's verbs, with their times
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    pub script: Option<PathBuf>,
    /// Write sends, transitions and refusals into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Stop the virtual clock here, rather than when every timer is done: 2026-03-01T09:30:00Z
    #[arg(long, value_name = "T", conflicts_with = "journal")]
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
    #[arg(long, value_name = "BUCKET", conflicts_with_all = ["explain", "journal"])]
    pub statistics_by: Option<By>,
    /// How far out of order events may be and still be sorted; what is later is counted, and taken as it
    /// comes
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with = "journal")]
    pub late: Interval,
}

impl ReplayArgs {
    /// Whether a journal is to be replayed, rather than a file.
    #[must_use]
    pub const fn is_of_journal(&self) -> bool {
        self.config.is_some() || self.directory.is_some() || self.kafka
    }
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
