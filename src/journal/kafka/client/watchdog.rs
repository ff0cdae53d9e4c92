//! Which call is overdue: librdkafka's time-outs are soft, and one call can hang for ever (#5511).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A blocking call that exceeds a multiple of its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The client's name.
    pub client: String,
    /// The call, as an infinitive.
    pub call: &'static str,
    /// How long it has lasted.
    pub lasts: Duration,
    /// How long it should last at most.
    pub limit: Duration,
}

/// The call, of all clients of the process, that has lasted longest beyond `multiple` times its limit.
///
/// A thread of the process asks every second or so, and ends the process on an answer: nothing else frees a
/// thread that hangs in C.
pub fn overdue(multiple: u32) -> Option<Overdue> {
    lock().overdue(multiple, Instant::now())
}

/// Calls that are being made, by a number that grows.
struct Calls {
    next: u64,
    open: BTreeMap<u64, Call>,
}

struct Call {
    client: String,
    call: &'static str,
    since: Instant,
    limit: Duration,
}

static CALLS: Mutex<Calls> = Mutex::new(Calls { next: 0, open: BTreeMap::new() });

fn lock() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Calls {
    fn begin(&mut self, call: Call) -> u64 {
        self.next += 1;
        self.open.insert(self.next, call);
        self.next
    }

    fn overdue(&self, multiple: u32, now: Instant) -> Option<Overdue> {
        let lasts = |call: &Call| now.saturating_duration_since(call.since);
        let over = |call: &Call| lasts(call).checked_sub(call.limit.saturating_mul(multiple));
        let late = self.open.values().filter_map(|call| over(call).map(|over| (over, call)));
        let (_, call) = late.filter(|(over, _)| !over.is_zero()).max_by_key(|(over, _)| *over)?;
        let client = call.client.clone();
        Some(Overdue { client, call: call.call, lasts: lasts(call), limit: call.limit })
    }
}

/// A call that is watched until this is dropped.
pub(crate) struct Watched(u64);

/// Watches a call that should end within `limit`.
pub(crate) fn watch(client: &str, call: &'static str, limit: Duration) -> Watched {
    Watched(lock().begin(Call { client: client.to_owned(), call, since: Instant::now(), limit }))
}

impl Drop for Watched {
    fn drop(&mut self) {
        lock().open.remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_that_is_latest_beyond_its_limit_is_named() {
        let start = Instant::now();
        let mut calls = Calls { next: 0, open: BTreeMap::new() };
        let limit = Duration::from_secs;
        for (call, seconds) in [("commit", 10), ("abort", 2), ("close", 60)] {
            calls.begin(Call { client: "w".to_owned(), call, since: start, limit: limit(seconds) });
        }
        let late = |seconds| calls.overdue(3, start + limit(seconds)).map(|late| late.call);
        assert_eq!(late(0), None);
        assert_eq!(late(6), None, "exactly at the multiple is not beyond it");
        assert_eq!(late(7), Some("abort"));
        calls.open.remove(&2);
        assert_eq!(calls.overdue(3, start + limit(30)), None);
        let late = calls.overdue(3, start + limit(31)).expect("the commit is late");
        assert_eq!((late.call, late.lasts, late.limit), ("commit", limit(31), limit(10)));
    }

    #[test]
    fn a_call_that_has_ended_is_not_overdue() {
        let open = || lock().open.values().any(|call| call.call == "end");
        let watched = watch("a client", "end", Duration::from_secs(600));
        assert!(open());
        drop(watched);
        assert!(!open());
    }
}
