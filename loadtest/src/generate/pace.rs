//! Sends each event when it is scheduled, whatever becomes of the ones before: an open loop.
//!
//! It never waits for the system. What cannot be handed over in time is late, is counted, and makes the run no result
//! of latency: [`Kept::is_kept`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use wayfarer::model::Interval;

use super::sink::Sink;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::profile::Schedule;
use crate::shop::Shop;

/// The shortest sleep, in microseconds: an event may be as late as that, which its latency counts.
const SLEEP_MIN_US: i64 = 500;
/// How many events are sent at most between two looks at the clock.
const LOOK_EVERY: u64 = 64;

/// When a schedule is kept.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keeping {
    /// Later than this after its schedule an event is late.
    pub late_after: Interval,
    /// The share of late events up to which the schedule is kept.
    pub late_share: f64,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { late_after: Interval(20), late_share: 0.01 }
    }
}

/// For times up to a day, in microseconds, with three digits.
///
/// # Panics
/// Never: the bounds are allowed.
#[must_use]
pub fn micros() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 86_400_000_000, 3).expect("the bounds are allowed")
}

/// How a schedule was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Events that were handed over.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// By how much each was later than scheduled, in microseconds.
    pub lateness: Histogram<u64>,
    /// From the first schedule to the last event.
    pub took: Duration,
    /// How many were scheduled.
    pub scheduled: u64,
}

impl Kept {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { events: 0, bytes: 0, lateness: micros(), took: Duration::ZERO, scheduled: 0 }
    }

    /// The share of events that were late.
    #[must_use]
    pub fn late_share(&self, keeping: &Keeping) -> f64 {
        let in_time = self.lateness.count_between(0, keeping.late_after.0 * 1_000);
        let late = self.lateness.len().saturating_sub(in_time) + self.scheduled.saturating_sub(self.events);
        late as f64 / self.scheduled.max(1) as f64
    }

    /// Whether latencies from the schedule on say something of the system. If not: the sentence why.
    ///
    /// # Errors
    /// Too many events were late, or were not sent at all.
    pub fn is_kept(&self, keeping: &Keeping) -> std::result::Result<(), String> {
        let (share, allowed) = (self.late_share(keeping), keeping.late_share);
        if share <= allowed {
            return Ok(());
        }
        Err(format!(
            "the generator could not keep its schedule: {:.1} % of {} events were more than {} late ({:.1} % are \
             allowed), the latest {:.0} ms; this is no result of latency",
            share * 100.0,
            self.scheduled,
            keeping.late_after,
            allowed * 100.0,
            self.lateness.max() as f64 / 1_000.0
        ))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

/// What others see of a generator at work.
#[derive(Debug, Default)]
pub struct Progress {
    /// Events that were handed over.
    pub events: AtomicU64,
    /// By how much the last one was late, in microseconds.
    pub late: AtomicU64,
    /// Whoever sets it ends the generator at its next event.
    pub stop: AtomicBool,
}

/// Sends what is scheduled from `origin` (microseconds since 1970) on.
///
/// # Errors
/// The sink takes nothing any more.
pub fn drive(
    shop: &mut Shop,
    schedule: Schedule,
    (clock, origin): (&Clock, i64),
    sink: &mut dyn Sink,
    progress: &Progress,
) -> Result<Kept> {
    let mut kept = Kept { scheduled: schedule.events(), ..Kept::new() };
    let (mut now, mut line) = (clock.now(), Vec::with_capacity(512));
    for offset in schedule {
        let due = origin + offset;
        if due > now || kept.events.is_multiple_of(LOOK_EVERY) {
            now = clock.now();
            if due > now {
                sink.pause()?;
                clock.wait_until(due.max(now + SLEEP_MIN_US));
                now = clock.now();
            }
            progress.events.store(kept.events, Ordering::Relaxed);
            progress.late.store((now - due).max(0) as u64, Ordering::Relaxed);
            if progress.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let event = shop.next(due);
        line.clear();
        event.write(&mut line);
        sink.put(&event.user_id(), &line)?;
        kept.lateness.saturating_record((now - due).max(0) as u64);
        (kept.events, kept.bytes) = (kept.events + 1, kept.bytes + line.len() as u64);
    }
    kept.took = Duration::from_micros((clock.now() - origin).max(0) as u64);
    progress.events.store(kept.events, Ordering::Relaxed);
    Ok(kept)
}

/// Sends as many as go in until `count` are, or it is to stop; each is scheduled when it is made.
///
/// # Errors
/// The sink takes nothing any more.
pub fn pour(
    shop: &mut Shop,
    count: u64,
    clock: &Clock,
    sink: &mut dyn Sink,
    progress: &Progress,
) -> Result<Kept> {
    let mut kept = Kept { scheduled: count, ..Kept::new() };
    let (began, mut line) = (clock.now(), Vec::with_capacity(512));
    let mut now = began;
    while kept.events < count {
        if kept.events.is_multiple_of(LOOK_EVERY) {
            now = clock.now();
            progress.events.store(kept.events, Ordering::Relaxed);
            if progress.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let event = shop.next(now);
        line.clear();
        event.write(&mut line);
        sink.put(&event.user_id(), &line)?;
        (kept.events, kept.bytes) = (kept.events + 1, kept.bytes + line.len() as u64);
    }
    kept.took = Duration::from_micros((clock.now() - began).max(0) as u64);
    progress.events.store(kept.events, Ordering::Relaxed);
    Ok(kept)
}

/// Writes what is scheduled from `origin` on without looking at any clock: for files.
///
/// # Errors
/// The sink takes nothing any more.
pub fn write(shop: &mut Shop, schedule: Schedule, origin: i64, sink: &mut dyn Sink) -> Result<Kept> {
    let mut kept = Kept { scheduled: schedule.events(), ..Kept::new() };
    let mut line = Vec::with_capacity(512);
    for offset in schedule {
        let event = shop.next(origin.checked_add(offset).ok_or_else(too_far)?);
        line.clear();
        event.write(&mut line);
        sink.put(&event.user_id(), &line)?;
        (kept.events, kept.bytes) = (kept.events + 1, kept.bytes + line.len() as u64);
        kept.took = Duration::from_micros(offset as u64);
    }
    Ok(kept)
}

fn too_far() -> Error {
    Error("the events go beyond the times that there are".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::shop::Shoppers;

    /// Takes everything, at once or after a stall.
    struct Slow {
        stalls: u64,
        taken: u64,
    }

    impl Sink for Slow {
        fn put(&mut self, _: &str, _: &[u8]) -> Result<()> {
            self.taken += 1;
            if self.stalls > 0 && self.taken == 100 {
                std::thread::sleep(Duration::from_millis(self.stalls));
            }
            Ok(())
        }
        fn pause(&mut self) -> Result<()> {
            Ok(())
        }
        fn close(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn driven(stalls: u64) -> Kept {
        let (clock, mut shop) = (Clock::start(), Shop::new(&Shoppers::default()));
        let schedule = Schedule::new(&Profile::constant(2_000.0), Interval(400));
        let mut sink = Slow { stalls, taken: 0 };
        let at = (&clock, clock.now());
        drive(&mut shop, schedule, at, &mut sink, &Progress::default()).expect("the sink takes everything")
    }

    #[test]
    fn a_stall_makes_what_was_scheduled_meanwhile_late_and_voids_the_result() {
        let kept = driven(200);
        assert_eq!(kept.events, 800, "nothing that was scheduled is left out");
        let said = kept.is_kept(&Keeping::default()).expect_err("some 400 events were due in the stall");
        assert!(said.starts_with("the generator could not keep its schedule: "), "{said}");
        assert!(kept.late_share(&Keeping::default()) > 0.3, "{said}");
        assert!(kept.lateness.max() >= 190_000, "the first one behind the stall waited all of it");
    }

    #[test]
    fn a_schedule_is_kept_up_to_the_share_that_is_allowed() {
        let mut kept = Kept { events: 100, scheduled: 100, ..Kept::new() };
        kept.lateness.record_n(5_000, 99).expect("it is in the range");
        kept.lateness.record_n(50_000, 1).expect("it is in the range");
        kept.is_kept(&Keeping::default()).expect("one in a hundred is allowed");
        kept.lateness.record_n(50_000, 1).expect("it is in the range");
        kept.is_kept(&Keeping::default()).expect_err("two are not");
    }

    #[test]
    fn what_was_not_sent_at_all_is_late() {
        let kept = Kept { scheduled: 100, ..Kept::new() };
        kept.is_kept(&Keeping::default()).expect_err("nothing was sent");
    }
}
