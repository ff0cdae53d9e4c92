//! The time of a load: one clock for who sends, who reads and who operates.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long somebody who may be stopped sleeps at once, in microseconds.
const NAP_US: i64 = 20_000;

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

    /// Waits until that time has come, or until it is to stop; whether the time has come.
    #[must_use]
    pub fn wait_unless(&self, at: i64, stop: &AtomicBool) -> bool {
        while !stop.load(Ordering::Relaxed) {
            let now = self.now();
            if now >= at {
                return true;
            }
            self.wait_until(at.min(now + NAP_US));
        }
        false
    }
}
