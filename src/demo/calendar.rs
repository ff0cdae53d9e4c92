//! The demo's days: five weeks and a bit from Sunday, 1 March 2026, in the shop's zone.

use crate::model::Timestamp;

/// Midnight of the first day in the shop's zone, Asia/Kolkata: 2026-02-28T18:30:00Z.
const MIDNIGHT: Timestamp = Timestamp(1_772_303_400_000);

/// The zone has no daylight saving, so its days are 24 hours.
const DAY_MS: i64 = 86_400_000;

/// The busy week, which the operator's script plays in.
pub(super) const BUSY_DAYS: i64 = 7;

/// How many days there are in all: the drain of the stopped journeys ends on the last.
pub(super) const DAYS: i64 = 37;

/// When it is all over.
pub(super) const END: Timestamp = at(DAYS, 0, 0);

/// That time on a day, counted from 0.
pub(super) const fn at(day: i64, hour: i64, minute: i64) -> Timestamp {
    Timestamp(MIDNIGHT.0 + day * DAY_MS + (hour * 60 + minute) * 60_000)
}

/// The day that a time is on, from 0, and the milliseconds since its midnight.
const fn split(t: Timestamp) -> (i64, i64) {
    let ms = t.0 - MIDNIGHT.0;
    (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS))
}

/// `Tue 3 Mar`.
pub(super) fn date(t: Timestamp) -> String {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let (day, _) = split(t);
    let name = NAMES[day.rem_euclid(7) as usize];
    if day < 31 { format!("{name} {} Mar", day + 1) } else { format!("{name} {} Apr", day - 30) }
}

/// `10:00`, with seconds only if there are any.
pub(super) fn time(t: Timestamp) -> String {
    let (_, ms) = split(t);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    if seconds == 0 {
        format!("{hours:02}:{minutes:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// `Tue 3 Mar 10:00`.
pub(super) fn moment(t: Timestamp) -> String {
    format!("{} {}", date(t), time(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_the_zones() {
        assert_eq!(at(0, 0, 0).to_string(), "2026-02-28T18:30:00.000Z");
        assert_eq!(moment(at(2, 10, 5)), "Tue 3 Mar 10:05");
        assert_eq!(moment(at(36, 20, 0)), "Mon 6 Apr 20:00");
    }
}
