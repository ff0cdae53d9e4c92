//! What a shard can be told, and what it answers.

use std::sync::Arc;

use crate::journey::catalog::{Catalog, JourneyIndex};
use crate::lifecycle::Inside;
use crate::model::input::{ReceiptKind, Selection};
use crate::model::{Event, Format, Timestamp};

/// One input. The shard's time is the argument beside it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A record of one of the shard's logs, appended at the time beside it: every timer due before fires first.
    Record(Record<'a>),
    /// A record of the control log was folded.
    Epoch(&'a Epoch),
    /// Time has passed: fire what is due, at most that many timers.
    Wake {
        /// The most timers to fire; a count, so that a replay does the same.
        max: usize,
    },
    /// Let held users go whose release is under way, at most that many.
    Release {
        /// The most users to release.
        max: usize,
    },
    /// Write pages of the format before in the present one, before any time passes.
    Renew {
        /// The most pages.
        max: usize,
    },
    /// A timer or a release of this enrollment panicked: it is parked, before any time passes.
    Park {
        /// Its number in the shard.
        entry: u64,
    },
}

/// A record of a log that feeds the shard.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Which log: a small number that the journal gives.
    pub source: u8,
    /// Its position there.
    pub offset: u64,
    /// Whether the log itself remembers the time beside it, so that whoever reads the record again finds that time;
    /// else the cycle remembers it.
    pub timed: bool,
    /// What it says.
    pub body: Body<'a>,
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A user's event.
    Event(&'a Event<'a>),
    /// An entry by API.
    Enter(Entry<'a>),
    /// A row of an audience list.
    Row(Entry<'a>),
    /// A provider's report about a message.
    Receipt(Receipt<'a>),
    /// An operator removes a user from a journey.
    Remove {
        /// The journey's id.
        journey: &'a str,
        /// The user.
        user: &'a str,
    },
    /// Everything of a user ends.
    Delete {
        /// The user.
        user: &'a str,
    },
    /// A failure that the journey is charged with (G17).
    Failure(Charge<'a>),
    /// What the record says panicked when it was decided, and is not tried again; a journey may be charged with it.
    Poison(Option<Charge<'a>>),
    /// Nothing that concerns the journeys: the position moves on.
    Skip,
}

/// A failure, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    /// The journey's id.
    pub journey: &'a str,
    /// For whom it failed, if for somebody.
    pub user: Option<&'a str>,
}

/// A user who is to enter one journey.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The journey's id.
    pub journey: &'a str,
    /// The user.
    pub user: &'a str,
    /// A JSON object that stands for an event's properties; may be empty.
    pub properties: &'a [u8],
}

/// A provider's report about a message.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// What happened to it.
    pub kind: ReceiptKind,
    /// The user who got it.
    pub user: &'a str,
    /// The journey's id, as on the send.
    pub journey: &'a str,
    /// The version, as on the send.
    pub version: u32,
    /// The node, as on the send.
    pub node: &'a str,
}

/// A folded control record: the catalog after it, and what it does to those inside.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// The offset of the record in the control log.
    pub number: u64,
    /// When it was appended: the command's time.
    pub at: Timestamp,
    /// The journeys after it.
    pub catalog: Arc<Catalog>,
    /// The journey that it is about.
    pub journey: Option<JourneyIndex>,
    /// What it does to those inside.
    pub inside: Inside,
    /// Which of the held are released.
    pub selection: Selection,
    /// Whether a release that the verb brings is left out.
    pub keep_held: bool,
    /// In which format everything is written from now on: what the control log has said last.
    pub format: Format,
    /// New totals of entries that shards may admit, if the record is a grant (G26).
    pub grants: Option<Grants>,
}

/// How many entries into a limited journey each shard may admit, cumulatively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// By shard.
    pub granted: Arc<[u64]>,
    /// Whether the whole limit is now given out.
    pub exhausted: bool,
}

/// What is left to do after an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Timers fired.
    pub fired: usize,
    /// The record was an event whose message id was here before, within the window: it did nothing.
    pub duplicate: bool,
    /// Users released.
    pub released: usize,
    /// Pages renewed.
    pub renewed: usize,
    /// Whether timers that are due were left for the next turn.
    pub more_due: bool,
}
