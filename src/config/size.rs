//! Numbers of bytes, written with a unit.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, written as a whole number and a unit (`B`, `KiB`, `MiB`, `GiB`): `1MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// That many times 1,024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    /// That many times 1,024 KiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
    /// That many times 1,024 MiB.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
    /// The bytes, for a length in memory; on a machine of 32 bits at most what it can address.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    /// In the largest unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = UNITS
            .into_iter()
            .find(|(_, bytes)| self.0 != 0 && self.0.is_multiple_of(*bytes))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

/// Why a text is not a number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write a whole number and a unit (B, KiB, MiB, GiB), such as 1MiB")]
pub struct SizeError(pub String);

impl FromStr for Size {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let wrong = || SizeError(text.to_owned());
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let (_, bytes) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        number.parse::<u64>().ok().and_then(|n| n.checked_mul(bytes)).map(Self).ok_or_else(wrong)
    }
}
