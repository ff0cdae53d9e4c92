//! The time of a load: one clock for who sends, who reads and who operates.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock as it was once, going on without jumps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: i64,
    began: Instant,
}

impl Clock {
    /// That of now.
    #[must_use]
    pub fn start() -> Self {
        let origin = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        Self { origin, began: Instant::now() }
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.origin + self.began.elapsed().as_micros() as i64
    }

    /// Waits until that time has come; not at all if it has.
    pub fn wait_until(&self, at: i64) {
        std::thread::sleep(Duration::from_micros((at - self.now()).max(0) as u64));
    }
}
