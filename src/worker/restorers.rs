//! The threads on which a worker's gained shards are restored, while it goes on with the others.

use std::thread::{Builder, JoinHandle};

use crossbeam::channel::Sender;

use super::cycle::{Cycle, Failure};
use super::open::{Restored, Restoring};
use crate::journal::{ControlLog, Journal, JournalError, Stored};

/// One thread for the shards that were gained together; they end when these are open or lost.
#[derive(Debug)]
pub(super) struct Restorers {
    worker: usize,
    done: Sender<Restored>,
    threads: Vec<JoinHandle<()>>,
}

impl Restorers {
    pub(super) fn new(worker: usize, done: Sender<Restored>) -> Self {
        Self { worker, done, threads: Vec::new() }
    }

    /// Restores shards on a thread of its own.
    pub(super) fn start<S: Stored>(
        &mut self,
        restoring: Restoring<S>,
        control: impl ControlLog + 'static,
    ) -> Result<(), Failure> {
        self.threads.retain(|thread| !thread.is_finished());
        let (worker, done) = (self.worker, self.done.clone());
        let restore = move || {
            let (started, shards, mut records) = (std::time::Instant::now(), restoring.len(), 0);
            let mut progress = |shard, at: crate::journal::Progress| {
                tracing::debug!(worker, shard, records = at.records, of = at.estimate, "restoring");
                records += u64::from(at.records == at.estimate) * at.records;
            };
            // Nobody hears it if the worker has ended.
            restoring.run(&control, &mut progress, &mut |restored| drop(done.send(restored)));
            let ms = started.elapsed().as_millis();
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
