//! Local times of users: the next 09:00, the next Monday, across daylight saving (G29).

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::journey::dates::instant_of;
use crate::journey::definition::Weekday;
use crate::model::Timestamp;

/// A set of days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// No day.
    pub const NONE: Self = Self(0);
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// The set with that day.
    #[must_use]
    pub const fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day as u8)
    }

    fn contains(self, date: Date) -> bool {
        self.0 & (1 << date.weekday().to_monday_zero_offset()) != 0
    }
}

/// The first instant after `now` at which it is `time` in `zone` on one of `days`.
///
/// Strictly after: a loop through such a wait would else go round for ever within one instant.
///
/// In a daylight-saving gap it is the first instant after it, in an overlap the earlier one.
#[must_use]
pub fn next_time_of_day(now: Timestamp, zone: &TimeZone, time: Time, days: Days) -> Timestamp {
    let one_day: Span = 1.day();
    let Ok(instant) = jiff::Timestamp::from_millisecond(now.0) else { return now };
    let mut date = zone.to_datetime(instant).date();
    // Eight days always hold the day sought, today's passed time included; one more for a gap at midnight.
    for _ in 0..9 {
        if days.contains(date) {
            let at = instant_of(date.to_datetime(time), zone);
            if at > now {
                return at;
            }
        }
        let Ok(tomorrow) = date.checked_add(one_day) else { return now };
        date = tomorrow;
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_local_time_is_found_across_days_gaps_and_overlaps() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let monday = Days::NONE.with(Weekday::Mon);
        let rows = [
            ("2026-03-01T07:59:00Z", 9, 0, Days::ALL, "2026-03-01T08:00:00Z", "later today"),
            ("2026-03-01T08:00:00Z", 9, 0, Days::ALL, "2026-03-02T08:00:00Z", "now means the next one"),
            (
                "2026-03-01T08:00:01Z",
                9,
                0,
                Days::ALL,
                "2026-03-02T08:00:00Z",
                "a passed time means the next one",
            ),
            ("2026-03-03T12:00:00Z", 9, 0, monday, "2026-03-09T08:00:00Z", "the next Monday"),
            (
                "2026-03-29T00:00:00Z",
                2,
                30,
                Days::ALL,
                "2026-03-29T01:00:00Z",
                "a gap: the first instant after it",
            ),
            ("2026-10-25T00:00:00Z", 2, 30, Days::ALL, "2026-10-25T00:30:00Z", "an overlap: the earlier"),
        ];
        for (now, hour, minute, days, expected, what) in rows {
            let time = jiff::civil::time(hour, minute, 0, 0);
            assert_eq!(next_time_of_day(at(now), &berlin, time, days), at(expected), "{what}");
        }
    }
}
