//! One CloudEvent as Kafka carries it to one [`Event`], decided exactly as a Segment `track` would be.
//!
//! The source of the forms is *CloudEvents 1.0* and its *Kafka Protocol Binding 1.0.2*. In **binary mode** (3.2) every
//! attribute is a header `ce_…` and the value is the data; in **structured mode** (3.3) the header `content-type`
//! begins with `application/cloudevents` and the value is all of it, in JSON. What is read of either:
//!
//! | attribute | becomes |
//! |---|---|
//! | `specversion` | must be `1.0` |
//! | `type` | the event's name |
//! | `source`, `id` | the message id, `SOURCE ID`: the two together are unique (CloudEvents 3.1) |
//! | `userid` (an extension of ours), else `subject`, else `partitionkey`, else the record's key | the user |
//! | `time` | the producer's time; what is no time is none, as in [`decode`](super::decode()) |
//! | `timezone` (an extension of ours) | the user's zone |
//! | the data, a JSON object or nothing | the properties |
//!
//! Every other attribute counts for nothing. Which headers make a record a CloudEvent is
//! [`is_cloud_event`](crate::model::envelope::is_cloud_event)'s to say.

use std::borrow::Cow;
use std::fmt;
use std::str;

use super::decode::{Shortened, allowed_user, as_text, start_of_object, twice};
use super::limits::{EVENT_BYTES_MAX, MESSAGE_ID_BYTES_MAX, NAME_BYTES_MAX, USER_BYTES_MAX};
use super::reject::{Reject, Scanned};
use super::scan::{Kind, Scanner, unescape};
use super::timestamp;
use crate::model::envelope::{CE_PREFIX, CONTENT_TYPE, Envelope, is_structured};
use crate::model::{Event, EventKind};

/// The attributes that are read.
const NAMES: [&str; 9] =
    ["specversion", "id", "source", "type", "time", "userid", "subject", "partitionkey", "timezone"];
const VERSION: usize = 0;
const ID: usize = 1;
const SOURCE: usize = 2;
const TYPE: usize = 3;
const TIME: usize = 4;
/// Those that may name the user, the first that is there does.
const USERS: std::ops::RangeInclusive<usize> = 5..=7;
const TIMEZONE: usize = 8;

/// Reads one record, laid as an [`Envelope`].
///
/// # Errors
/// The first thing that is wrong, as a sentence; [`Reject::code`] is one of [`Reject::CODES`].
pub fn decode(bytes: &[u8]) -> Result<Event<'_>, Reject> {
    read(bytes).map_err(|reject| *reject)
}

fn read(bytes: &[u8]) -> Scanned<Event<'_>> {
    if bytes.len() > EVENT_BYTES_MAX {
        let message = format!(
            "the record has {} bytes with its headers; at most {EVENT_BYTES_MAX} are allowed",
            bytes.len()
        );
        return Err(Reject::boxed("too_large", EVENT_BYTES_MAX, message));
    }
    let Some(envelope) = Envelope::read(bytes) else {
        let message = "the record is to be a CloudEvent, and its headers cannot be read".to_owned();
        return Err(Reject::boxed("ce_envelope", 0, message));
    };
    let mut content = None;
    for (_, value) in envelope.headers().filter(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE)) {
        content = Some(text_of(CONTENT_TYPE, value)?);
    }
    match content {
        Some(content) if is_structured(content.as_bytes()) => structured(envelope, content),
        _ => binary(envelope, content),
    }
}

/// The attributes as they were found.
struct Attributes<'a> {
    /// What stands before their names, for sentences.
    prefix: &'static str,
    /// By [`NAMES`]' order.
    found: [Option<Cow<'a, str>>; NAMES.len()],
    data: &'a [u8],
}

/// The name of an attribute as its producer writes it.
struct Name(&'static str, usize);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, NAMES[self.1])
    }
}

fn binary<'a>(envelope: Envelope<'a>, content: Option<&str>) -> Scanned<Event<'a>> {
    let mut found: [Option<Cow<'a, str>>; NAMES.len()] = Default::default();
    for (name, value) in envelope.headers() {
        let index = name.strip_prefix(CE_PREFIX).and_then(|name| NAMES.iter().position(|of| *of == name));
        let Some(index) = index else { continue };
        let text = text_of(name, value)?;
        if found[index].replace(Cow::Borrowed(text)).is_some() {
            let message = format!("the header {name} stands twice in the record; once is allowed");
            return Err(Reject::boxed("duplicate_key", 0, message));
        }
    }
    if let Some(content) = content.filter(|content| !is_json(content)) {
        return Err(not_json("content-type", content));
    }
    let data = if envelope.value.trim_ascii().is_empty() { b"" } else { whole_data(envelope.value)? };
    Attributes { prefix: CE_PREFIX, found, data }.event(envelope.key)
}

fn structured<'a>(envelope: Envelope<'a>, content: &str) -> Scanned<Event<'a>> {
    let kind = content.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/cloudevents+json") {
        let message = format!(
            "content-type is {:?}; of CloudEvents in one piece only application/cloudevents+json is allowed",
            Shortened(content)
        );
        return Err(Reject::boxed("ce_content_type", 0, message));
    }
    let text = as_text(envelope.value)?;
    let mut scan = Scanner::new(envelope.value, 0);
    start_of_object(&mut scan, "the CloudEvent")?;
    let mut found: [Option<Cow<'a, str>>; NAMES.len()] = Default::default();
    let mut data = None;
    scan.object(1, |scan, key| {
        let name = &text[key.start..key.end];
        let name = if key.escaped { Cow::Owned(unescape(name)) } else { Cow::Borrowed(name) };
        let at = scan.at();
        let kind = scan.value(2)?;
        let index = NAMES.iter().position(|of| *of == name);
        match (&*name, index, kind) {
            (_, _, Kind::Null) => {}
            ("data", ..) if data.replace((kind, at, scan.at())).is_some() => {
                return Err(twice("data", key.start));
            }
            ("data_base64", ..) => {
                let message =
                    format!("the data at byte {at} is base 64, so binary; it must be a JSON object in data");
                return Err(Reject::boxed("ce_content_type", at, message));
            }
            ("datacontenttype", _, Kind::Text | Kind::Escaped) => {
                let content = unescape(&text[at + 1..scan.at() - 1]);
                if !is_json(&content) {
                    return Err(not_json("datacontenttype", &content));
                }
            }
            (_, Some(index), Kind::Text | Kind::Escaped) => {
                let inner = &text[at + 1..scan.at() - 1];
                let text = if kind == Kind::Text { inner.into() } else { unescape(inner).into() };
                if found[index].replace(text).is_some() {
                    return Err(twice(NAMES[index], key.start));
                }
            }
            (_, Some(index), other) => {
                let message =
                    format!("{} at byte {at} is {}; it must be a string", NAMES[index], other.noun());
                return Err(Reject::boxed("ce_not_string", at, message));
            }
            _ => {}
        }
        Ok(())
    })?;
    scan.end()?;
    let data = match data {
        Some((kind, start, end)) => object(envelope.value, kind, start, end)?,
        None => b"",
    };
    Attributes { prefix: "", found, data }.event(envelope.key)
}

/// The data of binary mode: one JSON object.
fn whole_data(value: &[u8]) -> Scanned<&[u8]> {
    as_text(value)?;
    let mut scan = Scanner::new(value, 0);
    scan.skip_byte_order_mark();
    scan.space();
    let start = scan.at();
    let kind = scan.value(2)?;
    let end = scan.at();
    scan.end()?;
    object(value, kind, start, end)
}

fn object(value: &[u8], kind: Kind, start: usize, end: usize) -> Scanned<&[u8]> {
    match kind {
        Kind::Object => Ok(&value[start..end]),
        Kind::Null => Ok(b""),
        other => {
            let message = format!("the data at byte {start} is {}; it must be an object", other.noun());
            Err(Reject::boxed("properties_not_object", start, message))
        }
    }
}

impl<'a> Attributes<'a> {
    fn event(mut self, key: Option<&'a [u8]>) -> Scanned<Event<'a>> {
        let version = self.required(VERSION, "it must be 1.0")?;
        if version != "1.0" {
            let name = Name(self.prefix, VERSION);
            let message = format!("{name} is {:?}; it must be 1.0", Shortened(&version));
            return Err(Reject::boxed("ce_version", 0, message));
        }
        let id = self.required(ID, "it must tell this event from others of its source")?;
        let source = self.required(SOURCE, "it must name where the event comes from")?;
        let name = self.required(TYPE, "it must be the name of what happened")?;
        if name.len() > NAME_BYTES_MAX {
            return Err(self.too_long("event_too_long", TYPE, name.len(), NAME_BYTES_MAX));
        }
        let message_id = format!("{source} {id}");
        if message_id.len() > MESSAGE_ID_BYTES_MAX {
            let message = format!(
                "{} and {} have {} bytes together; at most {MESSAGE_ID_BYTES_MAX} are allowed",
                Name(self.prefix, SOURCE),
                Name(self.prefix, ID),
                message_id.len()
            );
            return Err(Reject::boxed("message_id_too_long", 0, message));
        }
        Ok(Event {
            kind: EventKind::Track,
            name,
            user: self.user(key)?,
            message_id: Some(message_id.into()),
            timestamp: self.found[TIME].as_deref().and_then(timestamp::parse),
            properties: self.data,
            traits: b"",
            timezone: self.found[TIMEZONE].take().filter(|zone| !zone.is_empty()),
        })
    }

    /// An attribute that every CloudEvent has, and that says something.
    fn required(&mut self, index: usize, what: &str) -> Scanned<Cow<'a, str>> {
        match self.found[index].take() {
            Some(text) if !text.trim_ascii_start().is_empty() => Ok(text),
            found => {
                let is = if found.is_some() { "is blank" } else { "is missing" };
                let message = format!("{} {is}; {what}", Name(self.prefix, index));
                Err(Reject::boxed("ce_missing", 0, message))
            }
        }
    }

    fn user(&mut self, key: Option<&'a [u8]>) -> Scanned<Cow<'a, str>> {
        if let Some(index) = USERS.into_iter().find(|index| self.found[*index].is_some()) {
            let user = self.found[index].take().unwrap_or_default();
            return allowed_user(format_args!("{}", Name(self.prefix, index)), user, 0);
        }
        let Some(key) = key else {
            let prefix = self.prefix;
            let message = format!(
                "the record has neither {prefix}userid, {prefix}subject, {prefix}partitionkey nor a key; one \
                 must name the user in 1 to {USER_BYTES_MAX} bytes"
            );
            return Err(Reject::boxed("user_missing", 0, message));
        };
        allowed_user(format_args!("the record's key"), text_of("the record's key", key)?.into(), 0)
    }

    #[cold]
    fn too_long(&self, code: &'static str, index: usize, len: usize, max: usize) -> Box<Reject> {
        let name = Name(self.prefix, index);
        Reject::boxed(code, 0, format!("{name} has {len} bytes; at most {max} are allowed"))
    }
}

/// Headers and keys are UTF-8 (Kafka binding 3.2.3).
fn text_of<'a>(what: &str, bytes: &'a [u8]) -> Scanned<&'a str> {
    str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("byte {at} of {what} is 0x{:02x}, which is not UTF-8 there", bytes[at]);
        Reject::boxed("invalid_utf8", 0, message)
    })
}

/// Whether data of this media type is JSON (RFC 6839 for the suffix).
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.is_empty() || kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

#[cold]
fn not_json(what: &str, content: &str) -> Box<Reject> {
    let message = format!("{what} is {:?}; only JSON (application/json) is allowed", Shortened(content));
    Reject::boxed("ce_content_type", 0, message)
}

#[cfg(test)]
mod tests;
