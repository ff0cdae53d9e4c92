//! What the columns of a table mean, and how a record becomes a Segment message: a pure function of
//! header and mapping.

use std::borrow::Cow;
use std::io::Write;
use std::str::FromStr;

use crate::ingest::scan::{Kind, Scanner};
use crate::ingest::timestamp;
use crate::model::Timestamp;

/// Which column is what: `user=customer_id,event=action,timestamp=ts,properties.value=amount`.
///
/// On the left: `user`, `anonymous`, `event`, `type`, `message_id`, `timestamp`, `timezone`, or a path in
/// `properties` or `traits`. On the right: a column's name, or a text in single quotes that is the same
/// for all records. `properties=*` makes a property of every column that is not named. Without `type`,
/// all are `track`.
///
/// An empty cell is absent. In properties and traits, what is written as a number or as true or false is
/// one. A time is RFC 3339; without a zone it is UTC; a whole number is seconds since 1970, or
/// milliseconds from twelve digits on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    entries: Vec<(Target, Origin)>,
    /// All columns that are not named are properties.
    rest: bool,
}

/// Why a text is no mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(String);

/// The keys from the message down.
type Target = Vec<String>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Column(String),
    Constant(String),
}

const TARGETS: &str =
    "user, anonymous, event, type, message_id, timestamp, timezone, properties.NAME or traits.NAME";

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mapping = Self { entries: Vec::new(), rest: false };
        for entry in entries(text) {
            let Some((left, right)) = entry.split_once('=') else {
                let message =
                    format!("{entry:?} is not a mapping; write FIELD=COLUMN, such as user=customer_id");
                return Err(MappingError(message));
            };
            let (left, right) = (left.trim(), right.trim());
            if (left, right) == ("properties", "*") {
                mapping.rest = true;
                continue;
            }
            let target = target(left)?;
            let nested = |a: &Target, b: &Target| a.starts_with(b) || b.starts_with(a);
            if mapping.entries.iter().any(|(other, _)| nested(other, &target)) {
                return Err(MappingError(format!("{left} is mapped twice; each field has one column")));
            }
            let origin = match right.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                Some(constant) => Origin::Constant(constant.to_owned()),
                None if right.is_empty() => {
                    return Err(MappingError(format!("{left} has no column; write {left}=COLUMN")));
                }
                None => Origin::Column(right.to_owned()),
            };
            mapping.entries.push((target, origin));
        }
        mapping.complete()
    }
}

impl Mapping {
    fn complete(mut self) -> Result<Self, MappingError> {
        let has = |key: &str| self.entries.iter().any(|(target, _)| target[0] == key);
        if !has("userId") && !has("anonymousId") {
            return Err(MappingError(
                "no column is the user; add user=COLUMN or anonymous=COLUMN".to_owned(),
            ));
        }
        if !has("type") {
            if !has("event") {
                let message =
                    "no column is the event's name; add event=COLUMN, or event='NAME' for all records";
                return Err(MappingError(message.to_owned()));
            }
            self.entries.insert(0, (vec!["type".to_owned()], Origin::Constant("track".to_owned())));
        }
        Ok(self)
    }
}

/// Cuts at commas outside single quotes.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    })
}

fn target(field: &str) -> Result<Target, MappingError> {
    let keys: &[&str] = match field {
        "user" | "userId" => &["userId"],
        "anonymous" | "anonymousId" => &["anonymousId"],
        "message_id" | "messageId" => &["messageId"],
        "event" => &["event"],
        "type" => &["type"],
        "timestamp" => &["timestamp"],
        "timezone" => &["context", "timezone"],
        path if path.starts_with("properties.") || path.starts_with("traits.") => {
            let keys: Target = path.split('.').map(str::to_owned).collect();
            if keys.len() > super::super::limits::DEPTH_MAX || keys.iter().any(String::is_empty) {
                return Err(MappingError(format!(
                    "{field:?} is not a path; write names joined by single dots"
                )));
            }
            return Ok(keys);
        }
        _ => return Err(MappingError(format!("{field:?} is not a field of an event; it must be {TARGETS}"))),
    };
    Ok(keys.iter().map(|&key| key.to_owned()).collect())
}

/// A mapping whose columns have been found: what a message is written from, in order.
#[derive(Debug)]
pub(super) struct Plan {
    parts: Vec<Part>,
    columns: Vec<String>,
}

#[derive(Debug)]
struct Part {
    name: String,
    /// The name with quotes and colon.
    key: Vec<u8>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Object(Vec<Part>),
    Text(Source),
    Typed(Source),
    Time(Source),
}

#[derive(Debug)]
enum Source {
    Column(usize),
    Constant(String),
}

/// A cell that cannot be what it is mapped to.
pub(super) struct Wrong<'p> {
    pub(super) column: &'p str,
    pub(super) index: usize,
    pub(super) message: String,
}

impl Plan {
    pub(super) fn new(mapping: &Mapping, columns: &[String]) -> Result<Self, String> {
        let mut plan = Self { parts: Vec::new(), columns: columns.to_vec() };
        let mut named = vec![false; columns.len()];
        for (target, origin) in &mapping.entries {
            let source = match origin {
                Origin::Constant(text) => Source::Constant(text.clone()),
                Origin::Column(name) => {
                    let Some(index) = columns.iter().position(|column| column == name) else {
                        let there =
                            columns.iter().take(30).map(String::as_str).collect::<Vec<_>>().join(", ");
                        return Err(format!("there is no column {name}; its columns are: {there}"));
                    };
                    named[index] = true;
                    Source::Column(index)
                }
            };
            insert(&mut plan.parts, target, source, 0);
        }
        let rest = columns.iter().enumerate().filter(|(index, name)| !named[*index] && !name.is_empty());
        for (index, name) in rest.take_while(|_| mapping.rest) {
            // A name with dots is a path, as it is in conditions.
            let target = target(&format!("properties.{name}"));
            let target = target.unwrap_or_else(|_| vec!["properties".to_owned(), name.clone()]);
            insert(&mut plan.parts, &target, Source::Column(index), 0);
        }
        Ok(plan)
    }

    /// Writes the message of the record whose cells `cell` gives.
    pub(super) fn write<'c>(
        &self,
        cell: &impl Fn(usize) -> Cow<'c, str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong<'_>> {
        self.object(&self.parts, cell, out)
    }

    fn object<'c>(
        &self,
        parts: &[Part],
        cell: &impl Fn(usize) -> Cow<'c, str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong<'_>> {
        out.push(b'{');
        for part in parts {
            let source = match &part.content {
                Content::Object(parts) => {
                    open(part, out);
                    self.object(parts, cell, out)?;
                    continue;
                }
                Content::Text(source) | Content::Typed(source) | Content::Time(source) => source,
            };
            let text = match source {
                Source::Column(index) => cell(*index),
                Source::Constant(text) => Cow::Borrowed(text.as_str()),
            };
            if text.is_empty() {
                continue;
            }
            open(part, out);
            match part.content {
                Content::Typed(_) => typed(&text, out),
                Content::Time(_) => match time(&text) {
                    Some(time) => write!(out, "\"{time}\"").expect("writing to memory succeeds"),
                    None => return Err(self.wrong(source, &text)),
                },
                _ => string(&text, out),
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn wrong(&self, source: &Source, text: &str) -> Wrong<'_> {
        let shown: String = text.chars().take(40).collect();
        let message = format!(
            "{shown:?} is not a time; write 2026-03-01T09:30:00Z, or seconds or milliseconds since 1970"
        );
        match source {
            Source::Column(index) => Wrong { column: &self.columns[*index], index: *index, message },
            Source::Constant(_) => Wrong { column: "(constant)", index: 0, message },
        }
    }
}

/// Puts a source where its keys lead, making the objects on the way.
fn insert(parts: &mut Vec<Part>, target: &[String], source: Source, level: usize) {
    let name = &target[level];
    let last = level + 1 == target.len();
    let found = parts.iter().position(|part| part.name == *name);
    let index = found.unwrap_or_else(|| {
        let mut key = Vec::new();
        string(name, &mut key);
        key.push(b':');
        parts.push(Part { name: name.clone(), key, content: Content::Object(Vec::new()) });
        parts.len() - 1
    });
    let content = &mut parts[index].content;
    match content {
        // A column that became a property by `properties=*` never displaces one that was mapped by name.
        _ if last && found.is_some() => {}
        _ if last => {
            *content = match target[0].as_str() {
                "properties" | "traits" => Content::Typed(source),
                "timestamp" => Content::Time(source),
                _ => Content::Text(source),
            };
        }
        Content::Object(parts) => insert(parts, target, source, level + 1),
        _ => {}
    }
}

fn open(part: &Part, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(&part.key);
}

/// A number or a boolean if it is written as one, else a string.
fn typed(text: &str, out: &mut Vec<u8>) {
    if is_number(text) {
        out.extend_from_slice(text.as_bytes());
    } else if text.eq_ignore_ascii_case("true") {
        out.extend_from_slice(b"true");
    } else if text.eq_ignore_ascii_case("false") {
        out.extend_from_slice(b"false");
    } else {
        string(text, out);
    }
}

/// Most texts begin otherwise than a number, and never come to the scanner.
fn is_number(text: &str) -> bool {
    let mut scan = Scanner::new(text.as_bytes(), 0);
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && matches!(scan.value(1), Ok(Kind::Number))
        && scan.at() == text.len()
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text is JSON, and writing to memory succeeds");
}

/// The time that a cell means. Tables seldom have zones, and there is nobody to ask: what has none is
/// UTC.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(time) = timestamp::parse(text) {
        return Some(time);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match digits.len() {
            ..=11 => Some(Timestamp(number * 1_000)),
            12..=14 => Some(Timestamp(number)),
            _ => None,
        };
    }
    let local = text.strip_suffix("UTC").map_or(text, str::trim_end);
    timestamp::parse(&format!("{local}Z")).or_else(|| timestamp::parse(&format!("{local}T00:00:00Z")))
}

#[cfg(test)]
mod tests;
