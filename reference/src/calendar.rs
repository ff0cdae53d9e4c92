//! Local times (G29) and the grid of instants at which a rate lets sends go (G26).

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp as Instant, ToSpan};
use wayfarer::journey::definition::Weekday;
use wayfarer::model::Timestamp;

/// A date as written: with an offset it is a point in time, else it is local to the zone.
pub(crate) fn date(text: &str, zone: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let local: DateTime =
        text.parse().map_err(|_| format!("{text:?} is not a date such as 2026-03-01T09:00"))?;
    resolve(local, &self::zone(zone)?).ok_or_else(|| format!("{text:?} is beyond the calendar"))
}

/// The zone of that IANA name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("{name:?} is not an IANA time zone"))
}

/// In a gap the first instant after it, in an overlap the earlier one.
fn resolve(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()?
        }
        // Read with the offset after the gap, the local time lies just before the transition.
        AmbiguousOffset::Gap { after, .. } => {
            zone.following(after.to_timestamp(local).ok()?).next()?.timestamp()
        }
    };
    Some(Timestamp(instant.as_millisecond()))
}

/// A time of day as written.
pub(crate) fn time_of_day(text: &str) -> Result<Time, String> {
    text.parse().map_err(|_| format!("{text:?} is not a time of day such as 09:00"))
}

/// The next time of day `at` after now, on one of the days `on` (any, if none is named).
pub(crate) fn next_time_of_day(
    now: Timestamp,
    at: &str,
    on: &[Weekday],
    zone: &TimeZone,
) -> Option<Timestamp> {
    let time = time_of_day(at).ok()?;
    let today = Instant::from_millisecond(now.0).ok()?.to_zoned(zone.clone()).date();
    // Eight days hold every weekday after today's time of day has passed; a skipped local day may cost one
    // more week.
    (0..16)
        .filter_map(|days| today.checked_add(days.days()).ok())
        .filter(|day| on.is_empty() || on.iter().any(|&w| weekday(w) == day.weekday()))
        .filter_map(|day| resolve(day.to_datetime(time), zone))
        .find(|&instant| instant > now)
}

fn weekday(day: Weekday) -> jiff::civil::Weekday {
    use jiff::civil::Weekday as W;
    match day {
        Weekday::Mon => W::Monday,
        Weekday::Tue => W::Tuesday,
        Weekday::Wed => W::Wednesday,
        Weekday::Thu => W::Thursday,
        Weekday::Fri => W::Friday,
        Weekday::Sat => W::Saturday,
        Weekday::Sun => W::Sunday,
    }
}

/// `count` sends every `unit_ms` milliseconds, over all shards together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    count: i128,
    unit_ms: i128,
}

impl Rate {
    /// Reads `100/s`, `30/m`, `5/h`, `1/d`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate such as 100/s or 30/m");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let unit_ms = match unit.trim() {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let count = count.trim().parse::<u32>().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
        Ok(Self { count: i128::from(count), unit_ms })
    }

    /// The `k`-th instant at which shard `shard` of `shards` may hand one send over.
    pub(crate) fn instant(self, k: i64, shard: u16, shards: u16) -> Timestamp {
        let step = i128::from(k) * i128::from(shards) + i128::from(shard);
        Timestamp((step * self.unit_ms).div_euclid(self.count) as i64)
    }

    /// The first `k` from `unused` on whose instant is not before `t`.
    pub(crate) fn first_from(self, t: Timestamp, unused: i64, shard: u16, shards: u16) -> i64 {
        let about = i128::from(t.0) * self.count / self.unit_ms / i128::from(shards) - 2;
        let mut k = unused.max(about as i64).max(0);
        while self.instant(k, shard, shards) < t {
            k += 1;
        }
        k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_gap_means_the_first_instant_after_it_and_an_overlap_the_earlier() {
        for (local, instant) in [
            ("2026-03-29T02:30", "2026-03-29T01:00:00Z"),
            ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("2026-06-01T09:00", "2026-06-01T07:00:00Z"),
            ("2026-06-01T09:00+05:30", "2026-06-01T03:30:00Z"),
        ] {
            assert_eq!(date(local, "Europe/Berlin"), Ok(at(instant)), "{local}");
        }
        assert!(date("tomorrow", "UTC").is_err());
    }

    #[test]
    fn a_time_of_day_that_has_passed_means_the_next_one() {
        let kolkata = zone("Asia/Kolkata").unwrap();
        for (now, on, then) in [
            ("2026-03-02T03:29:59Z", vec![], "2026-03-02T03:30:00Z"),
            ("2026-03-02T03:30:00Z", vec![], "2026-03-03T03:30:00Z"),
            ("2026-03-02T03:30:00.001Z", vec![], "2026-03-03T03:30:00Z"),
            // The second is a Monday.
            ("2026-03-02T04:00:00Z", vec![Weekday::Mon], "2026-03-09T03:30:00Z"),
            ("2026-03-02T04:00:00Z", vec![Weekday::Mon, Weekday::Wed], "2026-03-04T03:30:00Z"),
        ] {
            assert_eq!(next_time_of_day(at(now), "09:00", &on, &kolkata), Some(at(then)), "{now} {on:?}");
        }
    }

    #[test]
    fn the_shards_grids_together_are_the_grid_of_the_whole() {
        let rate = Rate::parse("7/s").unwrap();
        let mut all: Vec<_> = (0..3).flat_map(|s| (0..70).map(move |k| rate.instant(k, s, 3))).collect();
        all.sort();
        assert_eq!(all, (0..210).map(|k| rate.instant(k, 0, 1)).collect::<Vec<_>>());
        assert_eq!(rate.first_from(Timestamp(1_000), 0, 0, 1), 7);
        assert_eq!(rate.first_from(Timestamp(1_001), 0, 0, 1), 8);
        assert_eq!(rate.first_from(Timestamp(1_001), 12, 0, 1), 12);
        assert!(Rate::parse("0/s").is_err() && Rate::parse("5").is_err());
    }
}
