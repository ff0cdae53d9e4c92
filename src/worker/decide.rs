//! A record of a log → what the engine understands, or a reject with its reason.
//!
//! Kinds of the accepted log and their JSON: an event is a Segment message, or a CloudEvent; `enter` and `row` are
//! `{"journey", "user", "properties"}`, a receipt `{"kind", "user", "journey", "version", "node"}`, a removal
//! `{"journey", "user"}`, a deletion `{"user"}`, a failure `{"journey", "user"}`, whose user may be left out.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::engine::{Body, Charge, Entry, Receipt};
use crate::ingest;
use crate::journal::Kind;
use crate::model::Event;
use crate::model::input::ReceiptKind;

/// A record taken apart, borrowing from its bytes.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A user's event.
    Event(Event<'a>),
    /// An entry by API, or a row of a list.
    Entry(Kind, EntryForm<'a>),
    /// A provider's report.
    Receipt(ReceiptForm<'a>),
    /// A removal.
    Remove(RemoveForm<'a>),
    /// A deletion.
    Delete(DeleteForm<'a>),
    /// A failure.
    Failure(FailureForm<'a>),
    /// Nothing that the engine takes yet: the position moves on.
    Nothing,
}

/// An entry by API, or a row of a list.
#[derive(Debug, Deserialize)]
pub struct EntryForm<'a> {
    #[serde(borrow)]
    journey: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

/// A provider's report.
#[derive(Debug, Deserialize)]
pub struct ReceiptForm<'a> {
    kind: ReceiptKind,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    journey: Cow<'a, str>,
    version: u32,
    #[serde(borrow)]
    node: Cow<'a, str>,
}

impl ReceiptForm<'_> {
    /// As the engine is told of it.
    #[must_use]
    pub fn receipt(&self) -> Receipt<'_> {
        Receipt {
            kind: self.kind,
            user: &self.user,
            journey: &self.journey,
            version: self.version,
            node: &self.node,
        }
    }
}

/// A removal of a user from a journey.
#[derive(Debug, Deserialize)]
pub struct RemoveForm<'a> {
    #[serde(borrow)]
    journey: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
}

/// The end of everything of a user.
#[derive(Debug, Deserialize)]
pub struct DeleteForm<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
}

/// A failure that a journey is charged with.
#[derive(Debug, Deserialize)]
pub struct FailureForm<'a> {
    #[serde(borrow)]
    journey: Cow<'a, str>,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
}

/// Why a record is a dead letter: a stable code, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// One of [`ingest::Reject::CODES`], or `bad_record` or `panic`.
    pub code: &'static str,
    /// The sentence.
    pub message: String,
}

impl Bad {
    /// What a dead letter says of it.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}

impl From<ingest::Reject> for Bad {
    fn from(reject: ingest::Reject) -> Self {
        Self { code: reject.code, message: reject.message }
    }
}

fn form<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Bad> {
    serde_json::from_slice(bytes).map_err(|e| Bad {
        code: "bad_record",
        message: format!("the record is not of its kind's form: {e}"),
    })
}

/// Takes a record apart.
///
/// # Errors
/// What makes it a dead letter.
pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Decoded<'_>, Bad> {
    Ok(match kind {
        Kind::Event => Decoded::Event(ingest::decode(bytes)?),
        Kind::CloudEvent => Decoded::Event(ingest::cloud_event::decode(bytes)?),
        Kind::Entry | Kind::ListRow => Decoded::Entry(kind, form(bytes)?),
        Kind::Receipt => Decoded::Receipt(form(bytes)?),
        Kind::Remove => Decoded::Remove(form(bytes)?),
        Kind::Delete => Decoded::Delete(form(bytes)?),
        Kind::Failure => Decoded::Failure(form(bytes)?),
        Kind::Emitted => Decoded::Nothing,
    })
}

impl Decoded<'_> {
    /// Whom it is about, if it is about somebody.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.user),
            Self::Entry(_, form) => Some(&form.user),
            Self::Receipt(form) => Some(&form.user),
            Self::Remove(form) => Some(&form.user),
            Self::Delete(form) => Some(&form.user),
            Self::Failure(form) => form.user.as_deref(),
            Self::Nothing => None,
        }
    }

    /// The id of its message, by which a repeat is known.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) => event.message_id.as_deref(),
            _ => None,
        }
    }

    /// The one journey that it names, if it names one.
    #[must_use]
    pub fn journey(&self) -> Option<&str> {
        match self {
            Self::Entry(_, form) => Some(&form.journey),
            Self::Receipt(form) => Some(&form.journey),
            Self::Remove(form) => Some(&form.journey),
            Self::Failure(form) => Some(&form.journey),
            Self::Event(_) | Self::Delete(_) | Self::Nothing => None,
        }
    }

    /// What it is, for a story.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Event(event) => event.name.to_string(),
            Self::Entry(Kind::ListRow, form) => format!("a row of the audience list of {}", form.journey),
            Self::Entry(_, form) => format!("an entry by API into {}", form.journey),
            Self::Receipt(form) => format!("a receipt for node {} of {}", form.node, form.journey),
            Self::Remove(form) => format!("a removal from {}", form.journey),
            Self::Delete(_) => "a deletion".to_owned(),
            Self::Failure(form) => format!("a failure charged to {}", form.journey),
            Self::Nothing => "nothing".to_owned(),
        }
    }

    /// What the engine is told.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        match self {
            Self::Event(event) => Body::Event(event),
            Self::Entry(kind, form) => {
                let properties = form.properties.map_or(&b""[..], |raw| raw.get().as_bytes());
                let entry = Entry { journey: &form.journey, user: &form.user, properties };
                if *kind == Kind::ListRow { Body::Row(entry) } else { Body::Enter(entry) }
            }
            Self::Receipt(form) => Body::Receipt(form.receipt()),
            Self::Remove(form) => Body::Remove { journey: &form.journey, user: &form.user },
            Self::Delete(form) => Body::Delete { user: &form.user },
            Self::Failure(form) => {
                Body::Failure(Charge { journey: &form.journey, user: form.user.as_deref() })
            }
            Self::Nothing => Body::Skip,
        }
    }
}
