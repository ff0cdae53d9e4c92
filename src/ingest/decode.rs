//! One Segment-spec JSON message to one [`Event`], borrowing from the bytes.
//!
//! What decides *who* and *what* is strict: `type`, `event`, the user's id and `messageId` must be there
//! and be strings, the documents must be objects, and none of them may stand twice at the top level (RFC
//! 8259 leaves open which one counts, and two readers that differ would move two users). Inside the
//! documents the last of equal keys counts.
//!
//! What only refines is lenient, for an event is worth more than it: a `timestamp` that is missing, has
//! no zone or is no time at all is `None`, and the event then has its append time (G27: the lesser of the
//! two, so a time in the future needs no rule here either). A `context.timezone` that is no string is
//! `None` too.
//!
//! `null` counts as absent everywhere among these keys. A byte order mark before the message is skipped.

use std::borrow::Cow;
use std::{fmt, str};

use super::limits::{EVENT_BYTES_MAX, MESSAGE_ID_BYTES_MAX, NAME_BYTES_MAX, USER_BYTES_MAX};
use super::scan::{Key, Kind, Scanner, unescape};
use super::usual::Usual;
use super::{reject::Scanned, timestamp};
use crate::model::{Event, EventKind};

pub use super::reject::Reject;

/// Reads one message.
///
/// Allocates only where an id, a name or a zone is written with escapes, and for a reject.
///
/// # Errors
/// The first thing that is wrong, as a sentence; [`Reject::code`] is one of [`Reject::CODES`].
pub fn decode(bytes: &[u8]) -> Result<Event<'_>, Reject> {
    read(bytes).map_err(|reject| *reject)
}

fn read(bytes: &[u8]) -> Scanned<Event<'_>> {
    let text = checked_text(bytes)?;
    let found = match Found::usual(bytes) {
        Some(found) => found,
        None => Found::any(text)?,
    };
    Document { text, found: &found }.event()
}

/// The bytes as text, if they are not too many and UTF-8.
pub(super) fn checked_text(bytes: &[u8]) -> Scanned<&str> {
    if bytes.len() > EVENT_BYTES_MAX {
        let message = format!("the message has {} bytes; at most {EVENT_BYTES_MAX} are allowed", bytes.len());
        return Err(Reject::boxed("too_large", EVENT_BYTES_MAX, message));
    }
    as_text(bytes)
}

/// The bytes as text, if they are UTF-8.
pub(super) fn as_text(bytes: &[u8]) -> Scanned<&str> {
    str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        match error.error_len() {
            None => {
                let message =
                    format!("the message ends in the middle of a character at byte {at}; it was cut off");
                Reject::boxed("truncated", at, message)
            }
            Some(_) => {
                let message =
                    format!("byte {at} is 0x{:02x}, which is not UTF-8 there; JSON is UTF-8", bytes[at]);
                Reject::boxed("invalid_utf8", at, message)
            }
        }
    })
}

/// Skips to the opening brace of `what` the document is.
pub(super) fn start_of_object(scan: &mut Scanner<'_>, what: &str) -> Scanned<()> {
    scan.skip_byte_order_mark();
    scan.space();
    match scan.peek() {
        Some(b'{') => Ok(()),
        Some(_) => Err(not_an_object(scan, what)),
        None => {
            let message = format!("{what} is empty, {} bytes; it must be a JSON object", scan.at());
            Err(Reject::boxed("empty", scan.at(), message))
        }
    }
}

/// The reject for a document that is no object: whatever is wrong with it as JSON comes first.
#[cold]
fn not_an_object(scan: &mut Scanner<'_>, what: &str) -> Box<Reject> {
    let at = scan.at();
    match scan.value(1).and_then(|kind| scan.end().map(|()| kind)) {
        Err(reject) => reject,
        Ok(kind) => {
            let message = format!("{what} at byte {at} is {}; it must be a JSON object", kind.noun());
            Reject::boxed("not_object", at, message)
        }
    }
}

/// A value that was passed: what it is, and its bytes (a string's with its quotes).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    kind: Kind,
    start: u32,
    end: u32,
}

impl Span {
    /// Stands for a key that was not there; no value has this place.
    const ABSENT: Self = Self { kind: Kind::Null, start: 0, end: 0 };

    fn present(self) -> bool {
        self.end != 0
    }
}

/// Where everything is that an event is made of.
#[derive(Debug, PartialEq)]
struct Found {
    /// By [`TOP`]'s order.
    top: [Span; TOP.len()],
    context_traits: Span,
    timezone: Span,
}

/// The keys at the top level that are read.
const TOP: [&str; 9] =
    ["type", "event", "userId", "anonymousId", "messageId", "timestamp", "properties", "traits", "context"];
const TYPE: usize = 0;
const EVENT: usize = 1;
const USER: usize = 2;
const ANONYMOUS: usize = 3;
const MESSAGE: usize = 4;
const TIMESTAMP: usize = 5;
const PROPERTIES: usize = 6;
const TRAITS: usize = 7;
const CONTEXT: usize = 8;

/// The place of a key in [`TOP`]. A match compares lengths first, which a loop over `TOP` would not.
#[inline]
fn top_index(key: &[u8]) -> Option<usize> {
    Some(match key {
        b"type" => TYPE,
        b"event" => EVENT,
        b"userId" => USER,
        b"anonymousId" => ANONYMOUS,
        b"messageId" => MESSAGE,
        b"timestamp" => TIMESTAMP,
        b"properties" => PROPERTIES,
        b"traits" => TRAITS,
        b"context" => CONTEXT,
        _ => return None,
    })
}

impl Default for Found {
    fn default() -> Self {
        Self { top: [Span::ABSENT; TOP.len()], context_traits: Span::ABSENT, timezone: Span::ABSENT }
    }
}

impl Found {
    /// Of a message that is of the usual kind, and right; `None` of any other.
    #[inline]
    fn usual(bytes: &[u8]) -> Option<Self> {
        let usual = Usual::new(bytes)?;
        let mut found = Self::default();
        let end = usual.object(usual.space(0), 1, |name, start| {
            let Some(index) = top_index(name) else { return Some(usual.value(start, 2)?.1) };
            let is_context = index == CONTEXT && bytes.get(start) == Some(&b'{');
            let (kind, end) = match is_context {
                true => (Kind::Object, found.usual_context(&usual, start)?),
                false => usual.value(start, 2)?,
            };
            // Which of two counts is not for here to say.
            let first = !found.top[index].present();
            found.top[index] = span(kind, start, end);
            first.then_some(end)
        })?;
        usual.ends(end).then_some(found)
    }

    /// Where `context` ends, which begins at `start`.
    #[inline]
    fn usual_context(&mut self, usual: &Usual<'_>, start: usize) -> Option<usize> {
        usual.object(start, 2, |name, start| {
            let (kind, end) = usual.value(start, 3)?;
            self.note_context(name, span(kind, start, end));
            Some(end)
        })
    }

    /// Of any message.
    #[inline(never)]
    fn any(text: &str) -> Scanned<Self> {
        let mut scan = Scanner::new(text.as_bytes(), 0);
        start_of_object(&mut scan, "the message")?;
        let mut found = Self::default();
        scan.object(1, |scan, key| found.top_level(scan, text, key))?;
        scan.end()?;
        Ok(found)
    }

    /// Consumes the value of one member of the message.
    #[inline]
    fn top_level(&mut self, scan: &mut Scanner<'_>, text: &str, key: Key) -> Scanned<()> {
        let name = &text[key.start..key.end];
        let index = match key.escaped {
            true => top_index(unescape(name).as_bytes()),
            false => top_index(name.as_bytes()),
        };
        let Some(index) = index else { return scan.value(2).map(drop) };
        if self.top[index].present() {
            return Err(twice(TOP[index], key.start));
        }
        let start = scan.at();
        let kind = if index == CONTEXT && scan.peek() == Some(b'{') {
            scan.object(2, |scan, key| self.in_context(scan, text, key))?;
            Kind::Object
        } else {
            scan.value(2)?
        };
        self.top[index] = span(kind, start, scan.at());
        Ok(())
    }

    /// Consumes the value of one member of `context`. The last of equal keys counts.
    #[inline]
    fn in_context(&mut self, scan: &mut Scanner<'_>, text: &str, key: Key) -> Scanned<()> {
        let start = scan.at();
        let kind = scan.value(3)?;
        let name = &text[key.start..key.end];
        let name = if key.escaped { Cow::Owned(unescape(name)) } else { Cow::Borrowed(name) };
        self.note_context(name.as_bytes(), span(kind, start, scan.at()));
        Ok(())
    }

    #[inline]
    fn note_context(&mut self, name: &[u8], value: Span) {
        match name {
            b"traits" => self.context_traits = value,
            b"timezone" => self.timezone = value,
            _ => {}
        }
    }
}

fn span(kind: Kind, start: usize, end: usize) -> Span {
    let narrow = |at: usize| u32::try_from(at).expect("a message has at most EVENT_BYTES_MAX bytes");
    Span { kind, start: narrow(start), end: narrow(end) }
}

#[cold]
pub(super) fn twice(key: &str, at: usize) -> Box<Reject> {
    let message = format!("{key} stands twice in the message, again at byte {at}; once is allowed");
    Reject::boxed("duplicate_key", at, message)
}

/// A message whose form is right, and where its parts are.
struct Document<'a, 'f> {
    text: &'a str,
    found: &'f Found,
}

impl<'a> Document<'a, '_> {
    #[inline]
    fn event(&self) -> Scanned<Event<'a>> {
        let kind = self.kind()?;
        let user = self.user()?;
        let name = match kind {
            EventKind::Track => self.name()?,
            EventKind::Identify => Cow::Borrowed("User Identified"),
            EventKind::Page => Cow::Borrowed("Page Viewed"),
            EventKind::Screen => Cow::Borrowed("Screen Viewed"),
            EventKind::Group => Cow::Borrowed("Group Joined"),
            EventKind::Alias => Cow::Borrowed("User Aliased"),
        };
        let mut traits = self.object("traits", "traits_not_object", self.found.top[TRAITS])?;
        self.object("context", "context_not_object", self.found.top[CONTEXT])?;
        if traits.is_empty() && kind == EventKind::Identify {
            traits = self.object("context.traits", "traits_not_object", self.found.context_traits)?;
        }
        Ok(Event {
            kind,
            name,
            user,
            message_id: self.message_id()?,
            timestamp: self.lenient(self.found.top[TIMESTAMP]).and_then(|text| timestamp::parse(&text)),
            properties: self.object("properties", "properties_not_object", self.found.top[PROPERTIES])?,
            traits,
            timezone: self.lenient(self.found.timezone).filter(|zone| !zone.is_empty()),
        })
    }

    fn kind(&self) -> Scanned<EventKind> {
        const ALLOWED: &str = "track, identify, page, screen, group or alias";
        let span = self.found.top[TYPE];
        let Some(word) = self.string("type", "type_not_string", span)? else {
            let message = format!("the message has no type; it must be {ALLOWED}");
            return Err(Reject::boxed("type_missing", 0, message));
        };
        Ok(match word.as_bytes() {
            b"track" => EventKind::Track,
            b"identify" => EventKind::Identify,
            b"page" => EventKind::Page,
            b"screen" => EventKind::Screen,
            b"group" => EventKind::Group,
            b"alias" => EventKind::Alias,
            _ => {
                let at = span.start as usize;
                let message = format!("type at byte {at} is {:?}; it must be {ALLOWED}", Shortened(&word));
                return Err(Reject::boxed("type_unknown", at, message));
            }
        })
    }

    fn user(&self) -> Scanned<Cow<'a, str>> {
        let mut span = self.found.top[USER];
        let mut key = "userId";
        let mut id = self.string(key, "user_not_string", span)?;
        if id.is_none() {
            (key, span) = ("anonymousId", self.found.top[ANONYMOUS]);
            id = self.string(key, "user_not_string", span)?;
        }
        let Some(id) = id else {
            let message = format!(
                "the message has neither userId nor anonymousId; \
                 one must be a string of 1 to {USER_BYTES_MAX} bytes"
            );
            return Err(Reject::boxed("user_missing", 0, message));
        };
        // One look at the bytes settles it for nearly every id: printable ASCII without a space. At all of them, since
        // that is done many at a time.
        let graphic = id.bytes().fold(true, |graphic, byte| graphic & byte.is_ascii_graphic());
        let usual = id.len() <= USER_BYTES_MAX && !id.is_empty() && graphic;
        let at = span.start;
        if usual { Ok(id) } else { allowed_user(format_args!("{key} at byte {at}"), id, at as usize) }
    }

    fn name(&self) -> Scanned<Cow<'a, str>> {
        let span = self.found.top[EVENT];
        let at = span.start as usize;
        let Some(name) = self.string("event", "event_not_string", span)? else {
            let message = "a track message has no event; it must be the name of what happened".to_owned();
            return Err(Reject::boxed("event_missing", 0, message));
        };
        if name.len() > NAME_BYTES_MAX {
            return Err(too_long("event_too_long", "event", at, name.len(), NAME_BYTES_MAX));
        }
        if name.trim_start().is_empty() {
            let message = format!("event at byte {at} is blank; it must be the name of what happened");
            return Err(Reject::boxed("event_blank", at, message));
        }
        Ok(name)
    }

    /// An empty id identifies nothing: taken for one, it would drop every event but the first as a
    /// repeat.
    fn message_id(&self) -> Scanned<Option<Cow<'a, str>>> {
        let span = self.found.top[MESSAGE];
        let id = self.string("messageId", "message_id_not_string", span)?.filter(|id| !id.is_empty());
        if let Some(long) = id.as_ref().filter(|id| id.len() > MESSAGE_ID_BYTES_MAX) {
            let at = span.start as usize;
            return Err(too_long("message_id_too_long", "messageId", at, long.len(), MESSAGE_ID_BYTES_MAX));
        }
        Ok(id)
    }

    /// The text of a string; nothing if it is absent or null.
    #[inline]
    fn string(&self, key: &str, code: &'static str, span: Span) -> Scanned<Option<Cow<'a, str>>> {
        match span.kind {
            Kind::Text | Kind::Escaped => Ok(self.lenient(span)),
            Kind::Null => Ok(None),
            other => Err(wrong_kind(code, key, span, other, "a string")),
        }
    }

    /// The text of a string; nothing if it is anything else.
    #[inline]
    fn lenient(&self, span: Span) -> Option<Cow<'a, str>> {
        let inner = || &self.text[span.start as usize + 1..span.end as usize - 1];
        match span.kind {
            Kind::Text => Some(Cow::Borrowed(inner())),
            Kind::Escaped => Some(Cow::Owned(unescape(inner()))),
            _ => None,
        }
    }

    /// The bytes of an object; empty if it is absent or null.
    fn object(&self, key: &str, code: &'static str, span: Span) -> Scanned<&'a [u8]> {
        match span.kind {
            Kind::Object => Ok(&self.text.as_bytes()[span.start as usize..span.end as usize]),
            Kind::Null => Ok(b""),
            other => Err(wrong_kind(code, key, span, other, "an object")),
        }
    }
}

/// A user id that is long, blank or out of the ordinary: the rules in full.
pub(super) fn allowed_user<'a>(
    what: fmt::Arguments<'_>,
    id: Cow<'a, str>,
    at: usize,
) -> Scanned<Cow<'a, str>> {
    if id.len() > USER_BYTES_MAX {
        let message = format!("{what} has {} bytes; at most {USER_BYTES_MAX} are allowed", id.len());
        return Err(Reject::boxed("user_too_long", at, message));
    }
    if id.trim_start().is_empty() {
        let message = format!("{what} is blank; it must be a string of 1 to {USER_BYTES_MAX} bytes");
        return Err(Reject::boxed("user_blank", at, message));
    }
    match id.chars().find(|c| c.is_control()) {
        None => Ok(id),
        Some(control) => {
            let code = u32::from(control);
            let message =
                format!("{what} holds the control character U+{code:04X}; none is allowed in an id");
            Err(Reject::boxed("user_control_character", at, message))
        }
    }
}

#[cold]
fn too_long(code: &'static str, key: &str, at: usize, len: usize, max: usize) -> Box<Reject> {
    Reject::boxed(code, at, format!("{key} at byte {at} has {len} bytes; at most {max} are allowed"))
}

#[cold]
fn wrong_kind(code: &'static str, key: &str, span: Span, kind: Kind, allowed: &str) -> Box<Reject> {
    let at = span.start as usize;
    Reject::boxed(code, at, format!("{key} at byte {at} is {}; it must be {allowed}", kind.noun()))
}

/// A text for a sentence: quoted, and cut after 40 characters.
pub(super) struct Shortened<'a>(pub(super) &'a str);

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(40) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
        }
    }
}

#[cfg(test)]
mod tests;
