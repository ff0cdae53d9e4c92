//! A range of dates as somebody asks for it, and as it is answered: days and hours of the journey's zone
//! (G40).
//!
//! Movements are kept by the hour, so a range begins and ends with one. Every refusal is a sentence with
//! the value.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::engine::statistics::hour_of;
use crate::journey::dates::{Date, instant_of};
use crate::model::{Interval, Timestamp};

/// The most buckets that one answer has, over all versions: six weeks by the hour.
pub const BUCKETS_MAX: usize = 1_000;

const HOUR: Interval = Interval::from_hours(1);

/// How long a stretch one bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// An hour of the journey's zone.
    Hour,
    /// A day of the journey's zone: 23 or 25 hours where daylight saving says so.
    #[default]
    Day,
}

impl By {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How far back is looked if nobody says from when.
    const fn usual(self) -> Interval {
        match self {
            Self::Hour => Interval::from_days(2),
            Self::Day => Interval::from_days(30),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for By {
    type Err = AskError;
    fn from_str(text: &str) -> Result<Self, AskError> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            _ => Err(AskError::By(text.to_owned())),
        }
    }
}

/// What statistics are asked for, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// From when: a day, or a time. Without: 30 days back, by the hour two.
    pub from: Option<String>,
    /// Until when: a day, with all its hours, or a time, which is the end. Without: now.
    pub to: Option<String>,
    /// Of which version only.
    pub version: Option<u32>,
    /// By which buckets.
    pub by: By,
}

/// Why statistics are not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no such journey.
    #[error("there is no journey {0:?}; put its definition first")]
    NoJourney(String),
    /// There is no such version of it.
    #[error("journey {journey:?} has no version {version} that went live; {there}")]
    NoVersion {
        /// The journey.
        journey: String,
        /// The version asked for.
        version: u32,
        /// Which there are, as a sentence's end.
        there: String,
    },
    /// A bucket that is none.
    #[error("{0:?} is no stretch of time; allowed are hour and day")]
    By(String),
    /// A text that names no time.
    #[error(
        "{field} is {text:?}; allowed are a day (2026-03-01) and a full hour of the journey's zone \
         (2026-03-01T09:00), or one with its offset (2026-03-01T09:00+05:30, the + written as %2B in a URL)"
    )]
    Form {
        /// Which of the two.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// Movements are kept by the hour.
    #[error(
        "{field} is {text:?}, within an hour of {zone}; movements are kept by the hour: {before} or {after}"
    )]
    NotWhole {
        /// Which of the two.
        field: &'static str,
        /// What was written.
        text: String,
        /// The journey's zone.
        zone: String,
        /// The hour's beginning.
        before: String,
        /// Its end.
        after: String,
    },
    /// The end comes before the beginning.
    #[error("the range ends at {to}, which is not after {from}, where it begins")]
    Order {
        /// The beginning.
        from: String,
        /// The end.
        to: String,
    },
    /// It is too much at once.
    #[error("that is more than {BUCKETS_MAX} buckets of one {}; ask for less time{}", by.as_str(), match by {
        By::Hour => ", or by day",
        By::Day => ", or for one version",
    })]
    TooMany {
        /// The buckets asked for.
        by: By,
    },
}

/// A range that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its buckets.
    pub by: By,
    /// Where it begins: an hour of the zone.
    pub from: Timestamp,
    /// Where it ends, which is not in it.
    pub to: Timestamp,
    /// The journey's zone.
    pub zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    From,
    To,
}

impl Range {
    /// Reads a range in a zone, as of `now`.
    ///
    /// # Errors
    /// If it names no times, its end is not after its beginning, or it has too many buckets.
    pub fn read(ask: &Ask, zone: TimeZone, now: Timestamp) -> Result<Self, AskError> {
        let by = ask.by;
        let to = match &ask.to {
            Some(text) => edge(Edge::To, text, &zone)?,
            None => hour_of(now, &zone) + HOUR,
        };
        let from = match &ask.from {
            Some(text) => edge(Edge::From, text, &zone)?,
            None => {
                let back = hour_of(to - by.usual(), &zone);
                if by == By::Day { day_of(back, &zone) } else { back }
            }
        };
        if from >= to {
            return Err(AskError::Order { from: written(from, &zone), to: written(to, &zone) });
        }
        let one = match by {
            By::Hour => HOUR,
            // The shortest day that there is has 23 hours; an hour more or less decides nothing here.
            By::Day => Interval::from_hours(24),
        };
        if to.since(from).as_millis() > one.as_millis() * BUCKETS_MAX as u64 {
            return Err(AskError::TooMany { by });
        }
        Ok(Self { by, from, to, zone })
    }
}

/// The beginning of the bucket that holds an hour.
#[must_use]
pub fn bucket_of(hour: Timestamp, by: By, zone: &TimeZone) -> Timestamp {
    match by {
        By::Hour => hour,
        By::Day => day_of(hour, zone),
    }
}

/// A bucket's name: `2026-03-01`, or `2026-03-01T09:00:00+05:30`.
#[must_use]
pub fn name_of(bucket: Timestamp, by: By, zone: &TimeZone) -> String {
    match by {
        By::Hour => written(bucket, zone),
        By::Day => local(bucket, zone).date().to_string(),
    }
}

/// A time with the zone's offset.
#[must_use]
pub fn written(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.display_with_offset(zone.to_offset(instant)).to_string(),
        Err(_) => at.to_string(),
    }
}

fn local(at: Timestamp, zone: &TimeZone) -> civil::DateTime {
    zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap_or_default())
}

fn day_of(at: Timestamp, zone: &TimeZone) -> Timestamp {
    instant_of(local(at, zone).date().to_datetime(civil::Time::midnight()), zone)
}

fn edge(edge: Edge, text: &str, zone: &TimeZone) -> Result<Timestamp, AskError> {
    let field = if edge == Edge::From { "from" } else { "to" };
    let form = || AskError::Form { field, text: text.to_owned() };
    if let Some(day) = day(text) {
        let day = if edge == Edge::To { day.tomorrow().map_err(|_| form())? } else { day };
        return Ok(instant_of(day.to_datetime(civil::Time::midnight()), zone));
    }
    let at = Date::parse(text).map_err(|_| form())?.in_zone(zone);
    // Before 1970 nothing moved, and nothing was an hour.
    let hour = if at < Timestamp(0) { return Err(form()) } else { hour_of(at, zone) };
    if hour != at {
        let name = zone.iana_name().unwrap_or("the journey's zone").to_owned();
        let (before, after) = (written(hour, zone), written(hour + HOUR, zone));
        return Err(AskError::NotWhole { field, text: text.to_owned(), zone: name, before, after });
    }
    Ok(at)
}

/// A day by itself: `2026-03-01` and nothing more.
fn day(text: &str) -> Option<civil::Date> {
    (text.len() == "2026-03-01".len()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(zone: &str, from: &str, to: &str, by: By) -> Result<(String, String), String> {
        let zone = TimeZone::get(zone).unwrap();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let ask = Ask { from: some(from), to: some(to), version: None, by };
        let range = Range::read(&ask, zone, "2026-03-20T10:20:00Z".parse().unwrap());
        range.map(|range| (range.from.to_string(), range.to.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn days_and_hours_are_those_of_the_journeys_zone() {
        for (zone, from, to, begins, ends) in [
            ("Asia/Kolkata", "2026-03-01", "2026-03-01", "2026-02-28T18:30", "2026-03-01T18:30"),
            ("UTC", "2026-03-01T09:00", "2026-03-02", "2026-03-01T09:00", "2026-03-03T00:00"),
            ("Asia/Kolkata", "2026-03-01T09:00", "2026-03-01T10:00", "2026-03-01T03:30", "2026-03-01T04:30"),
            (
                "Asia/Kolkata",
                "2026-03-01T03:30Z",
                "2026-03-01T10:00+05:30",
                "2026-03-01T03:30",
                "2026-03-01T04:30",
            ),
            // A day of 23 hours, one of 25, and one that begins at 01:00.
            ("America/New_York", "2026-03-08", "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
            ("America/New_York", "2026-11-01", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
            ("Asia/Beirut", "2026-03-29", "2026-03-29", "2026-03-28T22:00", "2026-03-29T21:00"),
            // Nobody says from when, or until when.
            ("UTC", "", "", "2026-02-18T00:00", "2026-03-20T11:00"),
            ("UTC", "2026-03-20", "", "2026-03-20T00:00", "2026-03-20T11:00"),
        ] {
            let told = read(zone, from, to, By::Day).unwrap_or_else(|error| panic!("{from}..{to}: {error}"));
            let expected = (format!("{begins}:00.000Z"), format!("{ends}:00.000Z"));
            assert_eq!(told, expected, "{from}..{to} in {zone}");
        }
        let hours = read("UTC", "", "", By::Hour).unwrap();
        assert_eq!(hours.0, "2026-03-18T11:00:00.000Z", "by the hour two days");
    }

    #[test]
    fn what_is_no_range_is_refused_with_its_values() {
        for (from, to, by, says) in [
            ("yesterday", "", By::Day, "from is \"yesterday\"; allowed are a day (2026-03-01)"),
            ("", "2026-02-30", By::Day, "to is \"2026-02-30\""),
            ("2026-03", "", By::Day, "from is \"2026-03\""),
            ("1960-01-01T00:00", "", By::Day, "from is \"1960-01-01T00:00\""),
            ("2026-03-01T09:00Z", "", By::Hour, "2026-03-01T14:00:00+05:30 or 2026-03-01T15:00:00+05:30"),
            ("2026-03-02", "2026-03-01", By::Day, "ends at 2026-03-02T00:00:00+05:30, which is not after"),
            ("2026-03-02T09:00", "2026-03-02T09:00", By::Hour, "is not after 2026-03-02T09:00:00+05:30"),
            (
                "2026-01-01",
                "2026-03-01",
                By::Hour,
                "more than 1000 buckets of one hour; ask for less time, or",
            ),
            ("2020-01-01", "2026-03-01", By::Day, "more than 1000 buckets of one day"),
        ] {
            let error = read("Asia/Kolkata", from, to, by).expect_err(says);
            assert!(error.contains(says), "{error} lacks {says}");
        }
        assert!("week".parse::<By>().unwrap_err().to_string().contains("allowed are hour and day"));
    }

    #[test]
    fn a_bucket_is_named_by_its_day_or_by_its_hour_with_the_offset() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for (hour, day, name) in [
            ("2026-03-08T04:00:00Z", "2026-03-07", "2026-03-07T23:00:00-05:00"),
            ("2026-03-08T05:00:00Z", "2026-03-08", "2026-03-08T00:00:00-05:00"),
            ("2026-03-08T07:00:00Z", "2026-03-08", "2026-03-08T03:00:00-04:00"),
            ("2026-11-01T05:00:00Z", "2026-11-01", "2026-11-01T01:00:00-04:00"),
            ("2026-11-01T06:00:00Z", "2026-11-01", "2026-11-01T01:00:00-05:00"),
        ] {
            let hour: Timestamp = hour.parse().unwrap();
            assert_eq!(name_of(bucket_of(hour, By::Day, &zone), By::Day, &zone), day);
            assert_eq!(name_of(bucket_of(hour, By::Hour, &zone), By::Hour, &zone), name);
        }
    }
}
