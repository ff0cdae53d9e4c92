//! The words of the journal: where a record stands, what kind it is, and what is known of a shard's last
//! commit.
//!
//! Plain data without behaviour. The numbers given to [`Kind`], [`Source`] and [`Stream`] are stored, so
//! they never change and are never used again for something else.

use crate::model::{Formats, Timestamp};

/// The number of a shard: in Kafka the partition of the events topic.
pub type Shard = u16;

/// What a record of an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A user's event as it was received.
    Event = 1,
    /// An entry asked for over the API.
    Entry = 2,
    /// A row of an audience list.
    ListRow = 3,
    /// What a provider says about a send.
    Receipt = 4,
    /// An event that a journey emitted.
    Emitted = 5,
    /// An operator removes a user from a journey.
    Remove = 6,
    /// Everything of a user ends.
    Delete = 7,
    /// A failure that a journey is charged with.
    Failure = 8,
    /// A user's event as a CloudEvent, with its key and headers before it: a [`crate::model::envelope`].
    CloudEvent = 9,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Event,
        Self::Entry,
        Self::ListRow,
        Self::Receipt,
        Self::Emitted,
        Self::Remove,
        Self::Delete,
        Self::Failure,
        Self::CloudEvent,
    ];

    /// Whether it is a user's event, in whatever form.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::CloudEvent)
    }

    /// The number by which it is stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind stored as `code`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The log that a journal without topics of its own keeps such records in.
    ///
    /// List rows have a log of their own, because a shut entry halts their cursor and must not halt the
    /// events.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::ListRow => Source::Lists,
            Self::Event
            | Self::CloudEvent
            | Self::Entry
            | Self::Receipt
            | Self::Emitted
            | Self::Remove
            | Self::Delete
            | Self::Failure => Source::Events,
        }
    }
}

/// How many topics of events a shard can have read beside the anchor, ever.
pub const INPUTS_MAX: u8 = 100;

/// A log that a shard reads, with offsets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The accepted log: everything but list rows on one machine, the anchor topic in Kafka.
    Events,
    /// Rows of audience lists, read by [`super::Journal::read`] at the shard's own pace, never by `poll`.
    Lists,
    /// Receipts, where they have a topic of their own.
    Receipts,
    /// Emitted events, where they have a topic of their own.
    Internal,
    /// A topic of events beside the anchor, by the number that the shard gave it: below [`INPUTS_MAX`].
    Input(u8),
    /// A followed file, by the number that the caller gave it; its offsets are bytes. Never polled: see
    /// [`super::follow`].
    File(u32),
}

impl Source {
    /// The bytes by which it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 5] {
        let (tag, file) = match self {
            Self::Events => (0, 0),
            Self::Lists => (1, 0),
            Self::Receipts => (2, 0),
            Self::Internal => (3, 0),
            Self::Input(number) => (5, u32::from(number)),
            Self::File(number) => (4, number),
        };
        let [a, b, c, d] = file.to_be_bytes();
        [tag, a, b, c, d]
    }

    /// The source stored as `bytes`.
    #[must_use]
    pub fn from_bytes([tag, a, b, c, d]: [u8; 5]) -> Option<Self> {
        Some(match tag {
            0 => Self::Events,
            1 => Self::Lists,
            2 => Self::Receipts,
            3 => Self::Internal,
            4 => Self::File(u32::from_be_bytes([a, b, c, d])),
            5 if d < INPUTS_MAX => Self::Input(d),
            _ => return None,
        })
    }
}

/// What leaves a shard, each numbered over all shards in the order of the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stream {
    /// Messages handed over to delivery.
    Sends = 1,
    /// Inputs that could not be understood; see [`super::Reject`].
    Rejects = 2,
    /// Movements of users.
    Transitions = 3,
    /// Users who qualified and were not let in.
    Refusals = 4,
    /// What each commit read, in order; one item a shard and commit.
    Cycles = 5,
}

impl Stream {
    /// Every stream, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Sends, Self::Rejects, Self::Transitions, Self::Refusals, Self::Cycles];

    /// The number by which it is stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its place in [`Stream::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// Whether its items are lines of a text file: the newline is then counted in [`Item::position`].
    #[must_use]
    pub const fn is_lines(self) -> bool {
        matches!(self, Self::Sends | Self::Transitions | Self::Refusals)
    }
}

/// One record of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whose it is.
    pub shard: Shard,
    /// In which log it stands.
    pub source: Source,
    /// What it is.
    pub kind: Kind,
    /// Its number in that log: the next position is `offset + 1` (in a file: behind the line).
    pub offset: u64,
    /// When the log took it, as far as whoever polls may know; never decreases along a log.
    pub appended: Timestamp,
    /// Whether the log itself remembers that time: whoever reads the record again finds the same.
    pub timed: bool,
    /// What was received.
    pub bytes: &'a [u8],
}

/// One record to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append<'a> {
    /// Whose it is.
    pub shard: Shard,
    /// What it is.
    pub kind: Kind,
    /// Whom it is about, if that is known: the key where records have keys. Nothing is decided by it.
    pub user: Option<&'a str>,
    /// What was received; at most [`super::RECORD_BYTES_MAX`].
    pub bytes: &'a [u8],
}

/// What was accepted, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The append time of all of them.
    pub at: Timestamp,
    /// The offset of each, in the order given; each in the log of its kind ([`Kind::source`]) and shard.
    pub offsets: Vec<u64>,
}

/// Whether records are being accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeState {
    /// Yes.
    Open,
    /// No, for this reason: a sentence for the operator.
    Stopped {
        /// What is wrong, and what would help.
        reason: String,
    },
}

/// What a shard committed last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The number of the commit: 1 is the first.
    pub seq: u64,
    /// What the shard put there, as it was.
    pub meta: Vec<u8>,
    /// What is to be read next, by log, ascending by log.
    pub positions: Vec<(Source, u64)>,
}

impl Head {
    /// The next position in `source`: 0 if the shard has never read it.
    #[must_use]
    pub fn position(&self, source: Source) -> u64 {
        self.positions.iter().find(|(s, _)| *s == source).map_or(0, |&(_, at)| at)
    }
}

/// What a commit gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The number of the first of its sends.
    pub first_send: u64,
    /// How many sends it had.
    pub sends: u64,
}

/// How far a restore has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records given so far.
    pub records: u64,
    /// About how many there are; may be too small or too large.
    pub estimate: u64,
}

/// What is known of a shard's last commit, in whatever instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The shard.
    pub shard: Shard,
    /// The epoch that it had taken ([`super::ShardCommit::epoch`]).
    pub epoch: u64,
    /// Who made it, as operators know the instance and its worker.
    pub owner: String,
    /// In which format it is written, and which its owner reads.
    pub formats: Formats,
}

/// What a shard's owner shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The shard.
    pub shard: Shard,
    /// The commit as of which it is: of two the one with the higher number is newer.
    pub seq: u64,
    /// What is shown; the journal does not look at it.
    pub bytes: &'a [u8],
}

/// One record of the control log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// Its number: the epoch that it makes.
    pub offset: u64,
    /// When it was taken; never decreases.
    pub appended: Timestamp,
    /// What was appended.
    pub bytes: Vec<u8>,
}

/// One item of a [`Stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its number in the stream: 0 is the first ever.
    pub number: u64,
    /// The bytes of the stream before it; with lines, each with its newline.
    pub position: u64,
    /// The shard that it comes from.
    pub shard: Shard,
    /// The commit of the shard that it is part of.
    pub seq: u64,
    /// The time of that commit, as the caller gave it.
    pub at: Timestamp,
    /// The item without a newline.
    pub bytes: &'a [u8],
}

/// How far a [`Stream`] reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The number of the oldest item that is kept.
    pub first: u64,
    /// The stream's bytes before the oldest item that is kept.
    pub first_position: u64,
    /// The number that the next item will have.
    pub next: u64,
    /// The stream's bytes so far: what its file has when it is complete.
    pub next_position: u64,
}
