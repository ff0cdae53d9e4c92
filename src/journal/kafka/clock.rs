//! The brokers' clock, as this process knows it.
//!
//! Append times are the brokers', so a shard's time must be too: a local clock that is a day ahead would fire
//! a day's timers at once. Between two answers of a broker it goes on by the monotonic clock, and never back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::model::Timestamp;

/// The brokers' time.
#[derive(Debug)]
pub(super) struct Clock {
    /// What a broker said, and when.
    said: Mutex<(i64, Instant)>,
    /// What was answered last.
    last: AtomicI64,
}

impl Clock {
    /// It is `at` now, a broker says.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { said: Mutex::new((at.0, Instant::now())), last: AtomicI64::new(at.0) }
    }

    /// A broker says that it was `at` a moment ago.
    pub(super) fn note(&self, at: Timestamp) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = (at.0, Instant::now());
    }

    /// The time now; never less than it has answered before.
    pub(super) fn now(&self) -> Timestamp {
        let (said, when) = *self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = i64::try_from(when.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = said.saturating_add(passed);
        Timestamp(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_broker_and_never_goes_back() {
        let clock = Clock::new(Timestamp(1_000_000));
        assert!(clock.now() >= Timestamp(1_000_000));
        clock.note(Timestamp(5_000_000));
        let ahead = clock.now();
        assert!(ahead >= Timestamp(5_000_000));
        clock.note(Timestamp(2_000_000));
        assert!(clock.now() >= ahead, "what was answered stays");
    }
}
