//! Dates as definitions write them, and the points in time that they name (G29).
//!
//! A date stands either by itself, with an offset, or in a zone. In the gap of a daylight-saving change a
//! local time means the first instant after the gap; in an overlap it means the earlier of the two.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::definition::Definition;
use crate::lifecycle::Schedule;
use crate::model::Timestamp;

/// A date as written: `2026-03-01T09:00`, or with an offset, `2026-03-01T09:00+05:30`, or `…Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    /// With an offset: one point in time.
    Instant(Timestamp),
    /// Without: another point in time in each zone.
    Local(civil::DateTime),
}

/// Why a text names no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It does not have the form.
    #[error("{0:?} is not a date; write 2026-03-01T09:00, or 2026-03-01T09:00+05:30 for a zone of its own")]
    Form(String),
    /// There is no such zone.
    #[error("{0:?} is not a zone; write an IANA name such as Asia/Kolkata or UTC")]
    Zone(String),
}

impl Date {
    /// Reads a date. A time of day is required, since a day alone says neither its beginning nor its end.
    ///
    /// # Errors
    /// [`DateError::Form`], which shows the forms that are allowed.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let form = || DateError::Form(text.to_owned());
        // jiff would take `2026-03-01` and `…[Asia/Kolkata]` too; the first is ambiguous, the second
        // redundant.
        if !text.contains('T') || text.contains('[') {
            return Err(form());
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(instant) => Ok(Self::Instant(Timestamp(instant.as_millisecond()))),
            Err(_) => text.parse().map(Self::Local).map_err(|_| form()),
        }
    }

    /// The point in time that it names in `zone`.
    #[must_use]
    pub fn in_zone(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            Self::Local(local) => instant_of(local, zone),
        }
    }
}

/// The zone of that IANA name.
///
/// # Errors
/// [`DateError::Zone`].
pub fn zone(name: &str) -> Result<TimeZone, DateError> {
    TimeZone::get(name).map_err(|_| DateError::Zone(name.to_owned()))
}

/// The point in time that `local` names in `zone`: in a gap the first instant after it, in an overlap the
/// earlier one.
#[must_use]
pub fn instant_of(local: civil::DateTime, zone: &TimeZone) -> Timestamp {
    let millis = |offset: jiff::tz::Offset| offset.to_timestamp(local).ok();
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => millis(offset),
        AmbiguousOffset::Fold { before, .. } => millis(before),
        // By the later offset the local time lies before the change that skips it, and the change comes next.
        AmbiguousOffset::Gap { before, after } => millis(after)
            .and_then(|early| zone.following(early).next())
            .map(|change| change.timestamp())
            .or_else(|| millis(before)),
    };
    // Only the first and the last hours of the years that jiff can name have no instant in every zone.
    let edge = if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    instant.map_or(edge, |instant| Timestamp(instant.as_millisecond()))
}

/// The dates of a definition, in its own zone.
///
/// # Errors
/// All that is wrong with its zone, its `start` and its `end`, each with the field's name before it.
pub fn schedule(definition: &Definition) -> Result<Schedule, Vec<(&'static str, DateError)>> {
    let mut problems = Vec::new();
    let zone = zone(&definition.zone).unwrap_or_else(|error| {
        problems.push(("zone", error));
        TimeZone::UTC
    });
    let mut date = |field, text: &Option<String>| {
        let read = text.as_deref().map(Date::parse).transpose();
        let read = read.unwrap_or_else(|error| {
            problems.push((field, error));
            None
        });
        read.map(|date| date.in_zone(&zone))
    };
    let (start, end) = (date("start", &definition.start), date("end", &definition.end));
    if problems.is_empty() { Ok(Schedule { start, end }) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_its_zone_or_by_its_own_offset() {
        for (text, zone_name, expected) in [
            ("2026-03-01T09:00", "Asia/Kolkata", "2026-03-01T03:30:00Z"),
            ("2026-03-01T09:00:30", "UTC", "2026-03-01T09:00:30Z"),
            ("2026-03-01T09:00Z", "Asia/Kolkata", "2026-03-01T09:00:00Z"),
            ("2026-03-01T09:00+05:30", "America/New_York", "2026-03-01T03:30:00Z"),
            // In the gap of 02:00 to 03:00 every time is 03:00.
            ("2026-03-08T01:59", "America/New_York", "2026-03-08T06:59:00Z"),
            ("2026-03-08T02:00", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-03-08T02:30", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-03-08T03:00", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-03-08T03:30", "America/New_York", "2026-03-08T07:30:00Z"),
            // Half an hour, and a whole day that an island never had.
            ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),
            // In the overlap of 01:00 to 02:00 the earlier.
            ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30:00Z"),
            ("2026-11-01T02:00", "America/New_York", "2026-11-01T07:00:00Z"),
        ] {
            let instant = Date::parse(text).unwrap().in_zone(&zone(zone_name).unwrap());
            assert_eq!(instant, expected.parse().unwrap(), "{text} in {zone_name}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_forms_that_are() {
        for text in ["", "tomorrow", "2026-03-01", "2026-02-30T09:00", "2026-03-01T25:00", "T", "09:00"] {
            assert_eq!(Date::parse(text), Err(DateError::Form(text.to_owned())));
        }
        let zoned = "2026-03-01T09:00[Asia/Kolkata]";
        assert!(Date::parse(zoned).unwrap_err().to_string().contains("write 2026-03-01T09:00"));
        assert_eq!(zone("Mars/Olympus").unwrap_err(), DateError::Zone("Mars/Olympus".to_owned()));
    }
}
