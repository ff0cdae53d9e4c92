//! What other instances do, followed: their commands, and what they show of their shards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::running::Running;
use crate::journal::Log;

/// How long the log is waited for before the views are looked at, and whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is not ready when the control log cannot be followed.
const WHAT: &str = "the control log";

/// Follows until it is told to stop. A record that this build does not understand is not passed over: nothing
/// after it is taken, and the process is not ready.
pub(super) fn run<L: Log>(log: &L, running: &Running<L>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match running.fold() {
            Ok(next) => {
                running.board().ails(WHAT, None);
                log.wait_control(next, LOOK_EVERY);
            }
            Err(error) => {
                tracing::error!(%error, "commands are not taken any more");
                running.board().ails(WHAT, Some(error.to_string()));
                std::thread::sleep(LOOK_EVERY * 10);
            }
        }
    }
}
