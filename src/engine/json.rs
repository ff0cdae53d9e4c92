//! JSON written straight into a reusable buffer: no tree, no allocation.

use crate::model::{Timestamp, Value};

/// Appends a text, quoted and escaped.
pub fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // Without a way out of the loop it is done for many bytes at once.
    let is_clean = bytes.iter().fold(true, |clean, &byte| clean & !is_escaped(byte));
    match is_clean {
        true => out.extend_from_slice(bytes),
        false => escaped(out, bytes),
    }
    out.push(b'"');
}

const fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut clean = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[clean..i]);
        clean = i + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a number in decimal.
pub fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a 128-bit number as 32 hex digits.
pub fn hex128(out: &mut Vec<u8>, n: u128) {
    for byte in n.to_be_bytes() {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// Appends a value; what has no JSON form of its own (missing, composite) is `null`.
pub fn value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Missing | Value::Null | Value::Composite => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => {
            if n < 0 {
                out.push(b'-');
            }
            number(out, n.unsigned_abs());
        }
        // Writing a finite float into a Vec cannot fail.
        Value::Float(n) => serde_json::to_writer(out, &n).unwrap_or_default(),
        Value::Str(text) => string(out, text),
    }
}

/// Appends a quoted RFC 3339 time in UTC with milliseconds, as [`Timestamp`]'s `Display` writes it.
pub fn timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let ms = at.as_millis();
    let days = ms.div_euclid(86_400_000);
    let (year, month, day) = civil(days);
    if !(0..=9999).contains(&year) {
        return string(out, &at.to_string());
    }
    let in_day = ms.rem_euclid(86_400_000) as u64;
    let (seconds, millis) = (in_day / 1_000, in_day % 1_000);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    for (at, pair) in [
        (1, year as u64 / 100),
        (3, year as u64 % 100),
        (6, month),
        (9, day),
        (12, seconds / 3_600),
        (15, seconds / 60 % 60),
        (18, seconds % 60),
        (22, millis % 100),
    ] {
        text[at..at + 2].copy_from_slice(&[b'0' + (pair / 10) as u8, b'0' + (pair % 10) as u8]);
    }
    text[21] = b'0' + (millis / 100) as u8;
    out.extend_from_slice(&text);
}

/// Days since 1970 to year, month, day in the Gregorian calendar (the shifted-year method: years begin in March, so
/// that the leap day comes last).
fn civil(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u64, day as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_text_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn a_written_time_is_the_displayed_one(ms in -62_135_596_800_000i64..253_402_300_799_999) {
            let mut out = Vec::new();
            timestamp(&mut out, Timestamp(ms));
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}\"", Timestamp(ms)));
        }

        #[test]
        fn a_written_number_reads_back(n in any::<i64>(), f in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let mut out = Vec::new();
            value(&mut out, Value::Int(n));
            prop_assert_eq!(serde_json::from_slice::<i64>(&out).unwrap(), n);
            out.clear();
            value(&mut out, Value::Float(f));
            prop_assert_eq!(serde_json::from_slice::<f64>(&out).unwrap(), f);
        }
    }
}
