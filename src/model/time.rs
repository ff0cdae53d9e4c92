//! Points in time and lengths of time, both in whole milliseconds.
//!
//! The core never asks for the time: it is an argument everywhere. `Timestamp` is UTC; zones come in only where a
//! journey names a local time (see [`crate::journey`]).

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, possibly negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earlier than every event: the time of a shard that has seen nothing.
    pub const MIN: Self = Self(i64::MIN);
    /// Later than every deadline: "never".
    pub const MAX: Self = Self(i64::MAX);

    /// The milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How much later `self` is than `earlier`; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Interval {
        Interval(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Interval> for Timestamp {
    type Output = Self;
    /// Saturates at [`Timestamp::MAX`].
    fn add(self, rhs: Interval) -> Self {
        Self(self.0.saturating_add_unsigned(rhs.0))
    }
}

impl Sub<Interval> for Timestamp {
    type Output = Self;
    /// Saturates at [`Timestamp::MIN`].
    fn sub(self, rhs: Interval) -> Self {
        Self(self.0.saturating_sub_unsigned(rhs.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds; a number of milliseconds outside the years that RFC 3339 can name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Why a text is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time with a zone; write RFC 3339, such as 2026-03-01T09:30:00Z")]
pub struct TimestampError(pub String);

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|_| TimestampError(s.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A length of time in milliseconds, never negative.
///
/// Written as `90s`, `30m`, `12h`, `1d`, `2w`, or several of these largest first: `1d12h`. `1d` is 24 hours (G29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub u64);

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Interval {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest that may be written in a configuration or a definition: ten years of 365 days.
    pub const LONGEST: Self = Self(10 * 365 * 86_400_000);

    /// An interval of that many milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }
    /// An interval of that many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000)
    }
    /// An interval of that many minutes.
    #[must_use]
    pub const fn from_mins(mins: u64) -> Self {
        Self(mins * 60_000)
    }
    /// An interval of that many hours.
    #[must_use]
    pub const fn from_hours(hours: u64) -> Self {
        Self(hours * 3_600_000)
    }
    /// An interval of that many days of 24 hours.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self(days * 86_400_000)
    }
    /// The milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Interval {
    /// The form that [`Interval::from_str`] reads, shortest first: `1d12h`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, ms) in UNITS {
            if rest >= ms {
                write!(f, "{}{unit}", rest / ms)?;
                rest %= ms;
            }
        }
        Ok(())
    }
}

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// It does not have the form.
    #[error(
        "{0:?} is not a length of time; write a whole number and a unit (ms, s, m, h, d, w), such as 30m or 1d12h"
    )]
    Form(String),
    /// It is longer than [`Interval::LONGEST`].
    #[error("{0:?} is longer than ten years, the longest that is allowed")]
    TooLong(String),
}

impl FromStr for Interval {
    type Err = IntervalError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || IntervalError::Form(text.to_owned());
        let mut rest = text;
        let mut total = 0u64;
        let mut finest = u64::MAX;
        if rest.is_empty() {
            return Err(form());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let &(_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(form)?;
            if number.is_empty() || ms >= finest {
                return Err(form());
            }
            finest = ms;
            total = number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(ms))
                .and_then(|n| n.checked_add(total))
                .filter(|&n| n <= Self::LONGEST.0)
                .ok_or_else(|| IntervalError::TooLong(text.to_owned()))?;
            rest = tail;
        }
        Ok(Self(total))
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Interval {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Interval".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(w|d|h|m|s|ms))+$",
            "description": "A length of time: a whole number and a unit (ms, s, m, h, d, w), several largest first, such as 30m or 1d12h. 1d is 24 hours."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_read_as_it_is_written() {
        for (text, ms) in
            [("30m", 1_800_000), ("1d12h", 129_600_000), ("0s", 0), ("250ms", 250), ("2w", 1_209_600_000)]
        {
            let read: Interval = text.parse().unwrap();
            assert_eq!(read, Interval(ms), "{text}");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_interval_is_refused_with_the_form_that_is() {
        for text in
            ["", "5", "m", "-5m", "5 m", "1h1d", "1m1m", "1.5h", "5y", "99999999999999999999s", "11w10000d"]
        {
            assert!(text.parse::<Interval>().is_err(), "{text:?}");
        }
        assert!("5y".parse::<Interval>().unwrap_err().to_string().contains("30m"));
    }

    #[test]
    fn a_timestamp_is_written_as_rfc_3339() {
        let t: Timestamp = "2026-03-01T09:30:00.25Z".parse().unwrap();
        assert_eq!(t.to_string(), "2026-03-01T09:30:00.250Z");
        assert!("2026-03-01T09:30:00".parse::<Timestamp>().is_err(), "a naive time names no point in time");
    }
}
