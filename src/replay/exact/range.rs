//! Which commits of a shard are compared: by their numbers or by their times.

use std::fmt;
use std::str::FromStr;

use crate::model::Timestamp;

/// One end of a range, which belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The commit of this number, in every shard; 1 is the first.
    Commit(u64),
    /// This time, as the commits have it.
    Time(Timestamp),
}

/// Why a text is not a [`Bound`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither the number of a commit, from 1, nor a time such as 2026-03-01T09:30:00Z")]
pub struct BoundError(String);

impl FromStr for Bound {
    type Err = BoundError;

    fn from_str(text: &str) -> Result<Self, BoundError> {
        match (text.parse(), text.parse()) {
            (Ok(number), _) if number > 0 => Ok(Self::Commit(number)),
            (_, Ok(at)) => Ok(Self::Time(at)),
            _ => Err(BoundError(text.to_owned())),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(number) => write!(f, "commit {number}"),
            Self::Time(at) => write!(f, "{at}"),
        }
    }
}

/// The commits that are compared. What comes before is decided again all the same, since nothing else leads to the
/// state in which a range begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first, or any.
    pub from: Option<Bound>,
    /// The last, or any.
    pub to: Option<Bound>,
}

impl Range {
    /// Whether a commit lies before the range.
    #[must_use]
    pub fn is_before(&self, seq: u64, at: Timestamp) -> bool {
        match self.from {
            None => false,
            Some(Bound::Commit(first)) => seq < first,
            Some(Bound::Time(first)) => at < first,
        }
    }

    /// Whether a commit lies behind the range, and with it all that follow.
    #[must_use]
    pub fn is_over(&self, seq: u64, at: Timestamp) -> bool {
        match self.to {
            None => false,
            Some(Bound::Commit(last)) => seq > last,
            Some(Bound::Time(last)) => at > last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_a_range_and_are_numbers_or_times() {
        let bound = |text: &str| text.parse::<Bound>().ok();
        let range = |from, to| Range { from: bound(from), to: bound(to) };
        let early = Timestamp(1_000);
        for (range, inside) in [
            (range("", ""), [true; 4]),
            (range("2", "3"), [false, true, true, false]),
            (range("1970-01-01T00:00:02Z", "1970-01-01T00:00:03Z"), [false, true, true, false]),
            (range("3", ""), [false, false, true, true]),
        ] {
            for (seq, inside) in (1..).zip(inside) {
                let at = Timestamp(early.0 * i64::try_from(seq).unwrap_or(0));
                assert_eq!(!range.is_before(seq, at) && !range.is_over(seq, at), inside, "{range:?} {seq}");
            }
        }
        for text in ["0", "-1", "yesterday", ""] {
            assert!(text.parse::<Bound>().is_err(), "{text:?}");
        }
    }
}
