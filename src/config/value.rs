//! What a setting can be: how it is read, from a file or from a variable, and how it is written.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::size::Size;
use crate::model::Interval;

/// A value as it was given.
pub(super) enum Given<'a> {
    /// A text of the file.
    Text(&'a str),
    /// A whole number of the file.
    Integer(i64),
    /// True or false, of the file.
    Boolean(bool),
    /// An array of texts of the file.
    List(Vec<&'a str>),
    /// A table of the file, whatever lies deeper named by its whole path with points, in order.
    Table(Vec<(String, String)>),
    /// Anything else in the file: what it is called, with its article.
    Other(&'static str),
    /// A variable of the environment, which has no types.
    Variable(&'a str),
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Variable(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(is) => write!(f, "{is}"),
            Self::List(_) => f.write_str("an array"),
            Self::Table(_) => f.write_str("a table"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl<'a> Given<'a> {
    pub(super) fn text(&self, wanted: &str) -> Result<&'a str, String> {
        match *self {
            Self::Text(text) | Self::Variable(text) => Ok(text),
            _ => Err(format!("{self} stands where {wanted} must be")),
        }
    }

    fn number(&self) -> Option<i64> {
        match *self {
            Self::Integer(number) => Some(number),
            Self::Variable(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// What was given, as this type; else the sentence that says what is allowed.
    fn read(given: &Given<'_>) -> Result<Self, String>;
    /// As a TOML value.
    fn toml(&self) -> String;
    /// As people write it in a sentence: without quotation marks.
    fn plain(&self) -> String {
        self.toml().trim_matches('"').to_owned()
    }
    /// Whether [`Setting::toml`] leaves something out that must not be seen.
    fn hides(&self) -> bool {
        false
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Setting for u32 {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given
            .number()
            .and_then(|n| Self::try_from(n).ok())
            .ok_or_else(|| format!("{given} stands where a whole number must be, without a sign"))
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given.text("a text").map(str::to_owned)
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for bool {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given {
            Given::Boolean(is) => Ok(*is),
            Given::Variable("true") => Ok(true),
            Given::Variable("false") => Ok(false),
            _ => Err(format!("{given} is neither true nor false")),
        }
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

/// The empty path is none.
impl Setting for Option<PathBuf> {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let path = given.text("a path, or \"\" for none,")?;
        Ok((!path.is_empty()).then(|| PathBuf::from(path)))
    }
    fn toml(&self) -> String {
        quoted(&self.as_deref().unwrap_or(Path::new("")).to_string_lossy())
    }
}

impl Setting for PathBuf {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text("a path")? {
            "" => Err("the path is empty".to_owned()),
            path => Ok(Self::from(path)),
        }
    }
    fn toml(&self) -> String {
        // It came out of a file or a variable that was text, so nothing is lost here.
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Interval {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given.text("a length of time such as \"30s\"")?.parse().map_err(|e| format!("{e}"))
    }
    fn toml(&self) -> String {
        quoted(&in_one_unit(*self))
    }
}

/// In the largest unit that leaves a whole number, and in days rather than weeks: nobody thinks of 30 days as
/// `4w2d`.
fn in_one_unit(interval: Interval) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let ms = interval.as_millis();
    match UNITS.into_iter().find(|(_, unit)| ms != 0 && ms.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", ms / unit),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

impl Setting for Size {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given.text("a size such as \"1MiB\"")?.parse().map_err(|e| format!("{e}"))
    }
    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for SocketAddr {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let wanted = "an address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        let text = given.text(wanted)?;
        text.parse().map_err(|_| format!("{text:?} is not {wanted}"))
    }
    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// When a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// At every commit: nothing that was answered is lost, whatever happens to the machine.
    Always,
    /// At most this much is lost when the power fails; nothing when the process ends, however it ends.
    Every(Interval),
    /// When the operating system sees fit.
    Never,
}

impl Setting for Fsync {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let wanted = "\"always\", \"never\" or \"every\" and a length of time, such as \"every 100ms\"";
        match given.text(wanted)? {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            text => match text.strip_prefix("every ").map(|rest| rest.trim().parse()) {
                Some(Ok(Interval::ZERO)) => Err(format!("{text:?} is no time at all; write \"always\"")),
                Some(Ok(interval)) => Ok(Self::Every(interval)),
                Some(Err(e)) => Err(format!("{e}")),
                None => Err(format!("{text:?} is not {wanted}")),
            },
        }
    }
    fn toml(&self) -> String {
        match self {
            Self::Always => quoted("always"),
            Self::Every(interval) => quoted(&format!("every {}", in_one_unit(*interval))),
            Self::Never => quoted("never"),
        }
    }
}

/// How many threads own shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// As many as this many.
    Count(u32),
    /// As many as the machine has cores, as far as the process may use them.
    Cores,
}

impl Workers {
    /// More threads than that are a slip of the pen.
    pub const MAX: u32 = 1024;

    /// How many that is on this machine, for so many shards: never more than one a shard, never none.
    #[must_use]
    pub fn count(self, shards: u32) -> u32 {
        let count = match self {
            Self::Count(count) => count,
            Self::Cores => {
                std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
            }
        };
        count.clamp(1, shards.max(1))
    }
}

impl Setting for Workers {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given {
            Given::Text("cores") | Given::Variable("cores") => Ok(Self::Cores),
            _ => match u32::read(given) {
                Ok(count @ 1..=Self::MAX) => Ok(Self::Count(count)),
                _ => Err(format!("{given} is neither \"cores\" nor a whole number from 1 to {}", Self::MAX)),
            },
        }
    }
    fn toml(&self) -> String {
        match self {
            Self::Cores => quoted("cores"),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// Where sends leave, besides the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendsTo {
    /// Nowhere else.
    Journal,
    /// To the standard output, at least once.
    Stdout,
    /// To this file, exactly once.
    File(PathBuf),
}

impl Setting for SendsTo {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        Ok(match given.text("a path, \"-\" or \"\"")? {
            "" => Self::Journal,
            "-" => Self::Stdout,
            path => Self::File(PathBuf::from(path)),
        })
    }
    fn toml(&self) -> String {
        match self {
            Self::Journal => quoted(""),
            Self::Stdout => quoted("-"),
            Self::File(path) => path.toml(),
        }
    }
}

/// Which journal carries the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalKind {
    /// A directory of one machine.
    Embedded,
    /// The topics of a Kafka cluster, which several instances share.
    Kafka,
}

impl Setting for JournalKind {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text("\"embedded\" or \"kafka\"")? {
            "embedded" => Ok(Self::Embedded),
            "kafka" => Ok(Self::Kafka),
            other => Err(format!("{other:?} is neither \"embedded\" nor \"kafka\"")),
        }
    }
    fn toml(&self) -> String {
        quoted(match self {
            Self::Embedded => "embedded",
            Self::Kafka => "kafka",
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for Format {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text("\"text\" or \"json\"")? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is neither \"text\" nor \"json\"")),
        }
    }
    fn toml(&self) -> String {
        quoted(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}
