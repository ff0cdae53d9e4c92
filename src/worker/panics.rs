//! Three inputs an hour that panic twice end the process (protocol 14): a bug that strikes so often is not to be
//! lived with quietly.
//!
//! What is counted is not the panic but that its input was given up, and that this is committed: whatever ends the
//! process is behind the restart that follows, so that it goes on and is not ended by the same inputs again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many.
pub const GIVEN_UP_MAX: usize = 3;
/// Within so long.
pub const WITHIN: Duration = Duration::from_secs(3600);

/// What all workers of the process have given up. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Panics(Arc<Mutex<VecDeque<Instant>>>);

impl Panics {
    /// So many inputs were given up, and committed, at `now`. Whether that is the last straw.
    #[must_use]
    pub fn note(&self, given_up: usize, now: Instant) -> bool {
        if given_up == 0 {
            return false;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(std::iter::repeat_n(now, given_up));
        while known.front().is_some_and(|at| now.saturating_duration_since(*at) >= WITHIN) {
            known.pop_front();
        }
        known.len() >= GIVEN_UP_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_within_an_hour_is_one_too_many_whoever_gave_it_up() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let (one, mut noted) = (Panics::default(), Vec::new());
        let other = one.clone();
        for (panics, given_up, minutes) in
            [(&one, 1, 0), (&other, 1, 10), (&one, 0, 20), (&one, 1, 60), (&other, 1, 69), (&one, 0, 69)]
        {
            noted.push(panics.note(given_up, start + minute * minutes));
        }
        // At 60 minutes the first one is an hour ago.
        assert_eq!(noted, [false, false, false, false, true, false]);
        assert!(Panics::default().note(3, start), "three at once are three");
    }
}
