//! A user's event, decoded once and borrowed from the bytes it came in.

use std::borrow::Cow;

use super::time::Timestamp;

/// The Segment specification's message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Something a user did; has a name.
    Track,
    /// What is known of a user; has traits.
    Identify,
    /// A page was seen.
    Page,
    /// A screen was seen.
    Screen,
    /// A user belongs to a group; has traits of the group.
    Group,
    /// Two ids are one user.
    Alias,
}

impl EventKind {
    /// The word in the `type` field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

/// One message about one user.
///
/// The three documents stay raw: only the fields that a journey mentions are ever read out of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Which of Segment's messages it is.
    pub kind: EventKind,
    /// What journeys call it: a track's `event`, or `Page Viewed`, `Screen Viewed`, `User Identified`, `Group Joined`,
    /// `User Aliased` for the others.
    pub name: Cow<'a, str>,
    /// The user: `userId`, else `anonymousId`. Never empty or blank, at most 512 bytes, no control characters.
    pub user: Cow<'a, str>,
    /// The producer's id of the message, for dropping repeats.
    pub message_id: Option<Cow<'a, str>>,
    /// The producer's time (`timestamp`), if it was given and names a point in time.
    pub timestamp: Option<Timestamp>,
    /// The raw JSON object `properties`, empty if absent or null.
    pub properties: &'a [u8],
    /// The raw JSON object `traits` (identify: else `context.traits`), empty if absent or null.
    pub traits: &'a [u8],
    /// `context.timezone`: the user's IANA zone as the producer knows it.
    pub timezone: Option<Cow<'a, str>>,
}
