//! The format of everything durable that instances share (protocol 12): one number for a whole deployment.
//!
//! A program reads its newest format and the one before, and writes the older of the two until the control log says
//! otherwise. So instances of two neighbouring programs work side by side, and whoever has begun with the newer one
//! can go back, until the log says so; from then on the older program understands neither the log nor the records,
//! and says that.
//!
//! | of a format | 1 | 2 |
//! |---|---|---|
//! | a shard's meta | digest of the users' pages | that, and digests of all other records |
//! | a user's page | times of eight bytes | times of six |
//! | a commit's mark | begins with `1`, or `+1` | begins with `2`, or `+2` |
//! | a cycle | steps 0 to 7 | and 8, the renewing of pages |
//! | the control log | | the command that says this format |
//!
//! Everything else is the same in both: state of journeys, totals and hours, message ids, cursors of lists, heads,
//! views, dead letters, checkpoints (which hold records as they are).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of these formats, by its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Format(pub u8);

impl Format {
    /// What every control log begins with.
    pub const FIRST: Self = Self(1);
    /// The one in which a digest covers all that a shard stores.
    pub const WHOLE_DIGEST: Self = Self(2);
    /// The newest one that this program reads. It reads the one before, too, and no other.
    pub const NEWEST: Self = Self::WHOLE_DIGEST;

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an owner of a shard does about formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// The format of the commit that says so.
    pub writes: Format,
    /// The newest one that its program reads: that one, or the next.
    pub reads: Format,
}
