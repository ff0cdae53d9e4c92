//! What other instances do, followed: their commands, and what they show of their shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::board::Board;
use super::running::Running;
use super::view::ShardView;
use crate::journal::Log;

/// How long the log is waited for before the views are looked at, and whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is not ready when the control log cannot be followed.
const WHAT: &str = "the control log";

/// Follows until it is told to stop. A record that this build does not understand is not passed over: nothing
/// after it is taken, and the process is not ready.
pub(super) fn run<L: Log>(log: &L, running: &Running<L>, stop: &AtomicBool) {
    let mut shown = 0;
    while !stop.load(Ordering::Relaxed) {
        match running.fold() {
            Ok(next) => {
                running.board().ails(WHAT, None);
                shown = look(log, running.board(), shown);
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

/// Takes over what owners show of their shards, ours too: the newest counts.
fn look<L: Log>(log: &L, board: &Board, from: u64) -> u64 {
    let read = log.read_views(from, &mut |view| match ShardView::decode(view.bytes) {
        Some(shown) => board.see(view.shard, view.seq, Arc::new(shown)),
        None => tracing::debug!(shard = view.shard, "what another build shows of it is not understood"),
    });
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "what other instances show is not known");
        from
    })
}
