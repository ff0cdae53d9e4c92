//! RFC 3339 times, fast in their usual form.

use crate::model::Timestamp;

/// The point in time that `text` names; nothing if it names none, or one that is beyond the year 9999.
///
/// Reads exactly what [`Timestamp`]'s `FromStr` reads. Fractions below a millisecond are dropped. A time
/// without a zone names no point in time.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    usual(text.as_bytes()).or_else(|| text.parse().ok())
}

/// `2026-03-01T09:30:00.250Z`, with or without a fraction, with `Z` or `+05:30`, from 1970 to 9998.
///
/// The years before (where dropping a fraction and rounding down differ) and after (where the range ends
/// in the middle), leap seconds and unusual spellings are left to the slow way.
fn usual(text: &[u8]) -> Option<Timestamp> {
    let (head, mut rest) = text.split_first_chunk::<19>()?;
    let [.., b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _] = head else { return None };
    let year = number(&head[..4])?;
    let month = number(&head[5..7])?;
    let day = number(&head[8..10])?;
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..])?);
    let usual = (1970..9999).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in(year, month)
        && hour < 24
        && minute < 60
        && second < 60;
    if !usual {
        return None;
    }
    let mut millis = 0;
    if let Some((b'.', fraction)) = rest.split_first() {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let mut padded = [b'0'; 3];
        let kept = digits.min(3);
        padded[..kept].copy_from_slice(&fraction[..kept]);
        millis = number(&padded)?;
        rest = &fraction[digits..];
    }
    let offset = match rest {
        b"Z" => 0,
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let minutes = (days_from_epoch(year, month, day) * 24 + hour) * 60 + minute - offset;
    let millis = (minutes * 60 + second) * 1_000 + millis;
    (millis >= 0).then_some(Timestamp(millis))
}

fn number(digits: &[u8]) -> Option<i64> {
    let mut n = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i64::from(digit - b'0');
    }
    Some(n)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, after Howard Hinnant's `days_from_civil`: years begin in March, so the leap day
/// comes last.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_forms_name_the_same_instant_as_the_calendar_says() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-03-01T09:30:00.250Z", Some(1_772_357_400_250)),
            ("2026-03-01T15:00:00.25+05:30", Some(1_772_357_400_250)),
            ("2026-03-01T09:30:00.2509999Z", Some(1_772_357_400_250)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2026-03-01 09:30:00Z", Some(1_772_357_400_000)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("9999-01-01T00:00:00Z", Some(253_370_764_800_000)),
            ("2026-03-01T09:30:00", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-03-01T24:00:00Z", None),
            ("2026-03-01T09:30:00.Z", None),
            ("10000-01-01T00:00:00Z", None),
            ("1772357400", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), millis.map(Timestamp), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_and_the_slow_way_agree(
            text in "(19[67][0-9]|20[0-9]{2}|999[0-9])-[01][0-9]-[0-3][0-9]\
                     [Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                     (\\.[0-9]{0,10})?(Z|z|[+-][0-2][0-9]:[0-6][0-9]|[+-]0530|)"
        ) {
            prop_assert_eq!(parse(&text), text.parse().ok(), "{}", text);
        }
    }
}
