//! The wall clock: the one file that asks for it. Everything else is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The wall clock's time now, in milliseconds; 1970 if the clock stands before that.
#[must_use]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
