//! What of an event must be kept until it is decided: the texts and documents that journeys read, copied
//! out of the reader's buffer once and side by side, so that an event is decoded once and costs no
//! allocation of its own.

use std::borrow::Cow;

use crate::engine::{Body, Entry};
use crate::model::{Event, EventKind, Timestamp};

/// A stretch of one of the chunk's two buffers.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// What an item of a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An event of that kind.
    Event(EventKind),
    /// A row of the audience list of the journey that stands for the name.
    Row,
    /// An entry by API into the journey that stands for the name.
    Enter,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    what: What,
    timestamp: Option<Timestamp>,
    name: Span,
    user: Span,
    message_id: Option<Span>,
    timezone: Option<Span>,
    properties: Span,
    traits: Span,
}

/// The items of one stretch of the input.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    text: String,
    documents: Vec<u8>,
    heads: Vec<Head>,
}

impl Chunk {
    /// Forgets everything and keeps the room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.documents.clear();
        self.heads.clear();
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.documents.len()
    }

    /// Keeps an event.
    pub(super) fn push(&mut self, event: &Event<'_>) {
        let head = Head {
            what: What::Event(event.kind),
            timestamp: event.timestamp,
            name: self.text(&event.name),
            user: self.text(&event.user),
            message_id: event.message_id.as_deref().map(|id| self.text(id)),
            timezone: event.timezone.as_deref().map(|zone| self.text(zone)),
            properties: self.document(event.properties),
            traits: self.document(event.traits),
        };
        self.heads.push(head);
    }

    /// Keeps an entry by API or a row of a list.
    pub(super) fn push_entry(&mut self, what: What, entry: Entry<'_>) {
        let head = Head {
            what,
            timestamp: None,
            name: self.text(entry.journey),
            user: self.text(entry.user),
            message_id: None,
            timezone: None,
            properties: self.document(entry.properties),
            traits: Span::default(),
        };
        self.heads.push(head);
    }

    /// What an item is, and its name: the event's, or the journey's id.
    pub(super) fn name(&self, index: usize) -> (What, &str) {
        let head = &self.heads[index];
        (head.what, self.slice(head.name))
    }

    /// Whose item it is.
    pub(super) fn user(&self, index: usize) -> &str {
        self.slice(self.heads[index].user)
    }

    /// The producer's own time of an event.
    pub(super) fn timestamp(&self, index: usize) -> Option<Timestamp> {
        self.heads[index].timestamp
    }

    /// Gives an item to `take` as the engine reads it.
    pub(super) fn with<R>(&self, index: usize, take: impl FnOnce(Body<'_>) -> R) -> R {
        let head = &self.heads[index];
        let entry = || Entry {
            journey: self.slice(head.name),
            user: self.slice(head.user),
            properties: self.bytes_of(head.properties),
        };
        match head.what {
            What::Row => take(Body::Row(entry())),
            What::Enter => take(Body::Enter(entry())),
            What::Event(kind) => take(Body::Event(&Event {
                kind,
                name: Cow::Borrowed(self.slice(head.name)),
                user: Cow::Borrowed(self.slice(head.user)),
                message_id: head.message_id.map(|span| Cow::Borrowed(self.slice(span))),
                timestamp: head.timestamp,
                properties: self.bytes_of(head.properties),
                traits: self.bytes_of(head.traits),
                timezone: head.timezone.map(|span| Cow::Borrowed(self.slice(span))),
            })),
        }
    }

    fn text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        span(start, self.text.len())
    }

    fn document(&mut self, bytes: &[u8]) -> Span {
        let start = self.documents.len();
        self.documents.extend_from_slice(bytes);
        span(start, self.documents.len())
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn bytes_of(&self, span: Span) -> &[u8] {
        &self.documents[span.start as usize..span.end as usize]
    }
}

/// A round ends long before its chunk has 4 GiB.
fn span(start: usize, end: usize) -> Span {
    let small = |n: usize| u32::try_from(n).expect("a chunk stays below 4 GiB");
    Span { start: small(start), end: small(end) }
}
