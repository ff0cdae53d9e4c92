//! What a setting of `[kafka]` and `[topics]` can be, and which of them do not go together.
//!
//! Passwords are kept in [`Secret`], which prints itself nowhere. What librdkafka is told beyond the settings
//! is an [`Extra`] table; [`guarded`] lists what it may not touch.

#[cfg(feature = "kafka")]
mod client;
mod extra;
mod guarded;
mod names;
mod relations;
mod secret;
mod topics;

pub use extra::Extra;
pub use names::{Brokers, Name, Names};
pub(super) use relations::contradictions;
pub use secret::Secret;

use super::value::{Given, Setting, quoted};

/// How the brokers are told who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// Not at all, or by the certificate.
    None,
    /// Name and password, as they are: only over TLS, or where nobody can listen.
    Plain,
    /// SCRAM with SHA-256.
    Scram256,
    /// SCRAM with SHA-512.
    Scram512,
}

impl Sasl {
    const ALL: [(Self, &'static str); 4] = [
        (Self::None, ""),
        (Self::Plain, "PLAIN"),
        (Self::Scram256, "SCRAM-SHA-256"),
        (Self::Scram512, "SCRAM-SHA-512"),
    ];

    /// As the protocol calls it; nothing for none.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(sasl, _)| *sasl == self).map_or("", |(_, name)| name)
    }
}

impl Setting for Sasl {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let wanted = "\"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"\" for none";
        let text = given.text(wanted)?;
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(sasl, _)| *sasl).ok_or_else(|| format!("{text:?} is not {wanted}"))
    }
    fn toml(&self) -> String {
        quoted(self.name())
    }
}

/// How producers choose the partition of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioner {
    /// As Java's do.
    Murmur2,
    /// As librdkafka's do unless told otherwise.
    Crc32,
}

impl Setting for Partitioner {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text("\"murmur2\" or \"crc32\"")? {
            "murmur2" => Ok(Self::Murmur2),
            "crc32" => Ok(Self::Crc32),
            other => Err(format!("{other:?} is neither \"murmur2\" nor \"crc32\"")),
        }
    }
    fn toml(&self) -> String {
        quoted(match self {
            Self::Murmur2 => "murmur2",
            Self::Crc32 => "crc32",
        })
    }
}

/// Where reading begins for a shard that has never committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is kept.
    Earliest,
    /// With what comes from now on.
    Latest,
}

impl Setting for Start {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text("\"earliest\" or \"latest\"")? {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            other => Err(format!("{other:?} is neither \"earliest\" nor \"latest\"")),
        }
    }
    fn toml(&self) -> String {
        quoted(match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
        })
    }
}

#[cfg(test)]
mod tests;
