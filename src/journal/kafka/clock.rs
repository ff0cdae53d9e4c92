//! The brokers' clock, as this process knows it.
//!
//! Append times are the brokers', so a shard's time must be too: a local clock that is a day ahead would fire
//! a day's timers at once. Between two answers of a broker it goes on by the monotonic clock, and never back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Timestamp;

/// The brokers' time. Each call has a form to which it is said for how long the process has run by its monotonic
/// clock: a simulation goes the same way.
#[derive(Debug)]
pub struct Clock {
    /// What a broker said, and when.
    said: Mutex<(i64, Duration)>,
    /// What was answered last.
    last: AtomicI64,
}

/// For how long this process has run, or nearly so: differences count.
fn running() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

impl Clock {
    /// It is `at` now, a broker says.
    pub(super) fn new(at: Timestamp) -> Self {
        Self::new_when(at, running())
    }

    /// A broker says that it was `at` a moment ago.
    pub(super) fn note(&self, at: Timestamp) {
        self.note_when(at, running());
    }

    /// The time now; never less than it has answered before.
    pub(super) fn now(&self) -> Timestamp {
        self.now_when(running())
    }

    /// It is `at`, a broker says to a process that has been running for so long.
    #[must_use]
    pub fn new_when(at: Timestamp, running: Duration) -> Self {
        Self { said: Mutex::new((at.0, running)), last: AtomicI64::new(at.0) }
    }

    /// A broker says that it is `at` to a process that has been running for so long.
    pub fn note_when(&self, at: Timestamp, running: Duration) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = (at.0, running);
    }

    /// The time when the process has been running for so long; never less than it has answered before.
    pub fn now_when(&self, running: Duration) -> Timestamp {
        let (said, when) = *self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = i64::try_from(running.saturating_sub(when).as_millis()).unwrap_or(i64::MAX);
        let now = said.saturating_add(passed);
        Timestamp(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_broker_goes_on_by_the_monotonic_clock_and_never_goes_back() {
        let secs = Duration::from_secs;
        let clock = Clock::new_when(Timestamp(1_000_000), secs(10));
        assert_eq!(clock.now_when(secs(13)), Timestamp(1_003_000));
        clock.note_when(Timestamp(5_000_000), secs(20));
        assert_eq!(clock.now_when(secs(20)), Timestamp(5_000_000));
        clock.note_when(Timestamp(2_000_000), secs(30));
        assert_eq!(clock.now_when(secs(31)), Timestamp(5_000_000), "what was answered stays");
        assert_eq!(clock.now_when(secs(4_030)), Timestamp(6_000_000));
    }
}
