//! The threads on which a worker's gained shards are restored, while it goes on with the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use crossbeam::channel::Sender;

use super::cycle::{Cycle, Failure};
use super::open::{Restored, Restoring};
use super::restoring::HowFar;
use crate::journal::{ControlLog, Journal, JournalError, Progress, Stored};
use crate::metrics::{Gauges, Hub};

/// One thread for the shards that were gained together; they end when these are open or lost.
#[derive(Debug)]
pub(super) struct Restorers {
    worker: usize,
    done: Sender<Restored>,
    threads: Vec<JoinHandle<()>>,
    /// Where it shows how far they are.
    hub: Hub,
    /// How far the last ones were.
    shown: Arc<Mutex<Gauges>>,
}

impl Restorers {
    pub(super) fn new(worker: usize, done: Sender<Restored>, hub: Hub) -> Self {
        Self { worker, done, threads: Vec::new(), hub, shown: Arc::default() }
    }

    /// How far the last restore is, to be shown with what else the worker shows.
    pub(super) fn measure(&self, into: &mut Gauges) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        into.restore_records = shown.restore_records;
        into.restore_records_expected = shown.restore_records_expected;
        into.restore_secs = shown.restore_secs;
    }

    /// Restores shards on a thread of its own.
    pub(super) fn start<S: Stored>(
        &mut self,
        restoring: Restoring<S>,
        control: impl ControlLog + 'static,
    ) -> Result<(), Failure> {
        self.threads.retain(|thread| !thread.is_finished());
        let (worker, done) = (self.worker, self.done.clone());
        let (hub, shown) = (self.hub.clone(), Arc::clone(&self.shown));
        let restore = move || {
            let (started, shards) = (Instant::now(), restoring.len());
            let mut far = HowFar::of(shards as u64);
            let show = |far: &HowFar| {
                let gauges = far.gauges(started.elapsed());
                hub.restoring(worker, gauges);
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = gauges;
            };
            let mut progress = |shard, at: Progress| {
                tracing::debug!(worker, shard, records = at.records, of = at.estimate, "restoring");
                far.at(shard, at);
                show(&far);
            };
            // Nobody hears it if the worker has ended.
            restoring.run(&control, &mut progress, &mut |restored| drop(done.send(restored)));
            far.end();
            show(&far);
            let (records, ms) = (far.records(), started.elapsed().as_millis());
            tracing::info!(worker, shards, records, ms, "shards are restored");
        };
        let thread = Builder::new().name(format!("restore-{worker}")).spawn(restore);
        let cause =
            |e: std::io::Error| JournalError::Storage { doing: "start a thread", cause: e.to_string() };
        self.threads.push(thread.map_err(cause)?);
        Ok(())
    }

    /// Lets them end: nobody wants their shards any more.
    pub(super) fn end<J: Journal>(&mut self, cycle: &mut Cycle<J>) {
        cycle.cancel();
        for thread in self.threads.drain(..) {
            // A panic of a restore is told by its outcome.
            let _ = thread.join();
        }
    }
}
