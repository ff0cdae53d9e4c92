//! A shard's partition of the state topic, read from one offset to another by one consumer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::client::{Consumer, Edge, Isolation, Messages, Partition};
use super::codec;
use super::latest::Latest;
use super::loads::Load;
use super::{Shared, storage};
use crate::journal::error::JournalError;
use crate::journal::record::Shard;

/// How long an open transaction of a former owner is waited for before it is ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How many records are taken at once.
const AT_ONCE: usize = 10_000;
/// How long one poll waits for records: behind the last of them there is a marker, which wakes nobody.
const POLL: Duration = Duration::from_millis(5);

/// What has been read of a shard's partition so far.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    shared: &'a Shared,
    reader: &'a Consumer,
    pub(super) state: Partition,
    stopped: &'a Receiver<()>,
    /// Where the next record is; the partition is assigned once there is one.
    pub(super) at: i64,
    assigned: bool,
    pub(super) latest: Latest,
    /// Where it is told how far this is, and where it began then.
    told: Option<(Load<'a>, i64)>,
}

impl<'a> Reading<'a> {
    /// Begins with the oldest record of the shard's partition. A reader that is there is connected already.
    pub(super) fn new(
        shared: &'a Shared,
        reader: &'a mut Option<Consumer>,
        shard: Shard,
        stopped: &'a Receiver<()>,
    ) -> Result<Self, JournalError> {
        let options = &shared.options;
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(options.scanner().map_err(storage("read state"))?),
        };
        let state = Partition::new(Arc::clone(&options.topics.state), i32::from(shard));
        let latest = Latest::default();
        let mut reading = Self { shared, reader, state, stopped, at: 0, assigned: false, latest, told: None };
        reading.at = reading.edge(Edge::Earliest, Isolation::Committed)?;
        Ok(reading)
    }

    /// Tells from here on how far it is.
    pub(super) fn tell(&mut self, told: Load<'a>) {
        self.told = Some((told, self.at));
    }

    /// Reads what is before `end`, the uncommitted one, and waits until all of it is decided. `known` is the shard's
    /// head as far as it was known before: by it an open transaction's owner is known.
    pub(super) fn read(&mut self, shard: Shard, end: i64, known: Option<&[u8]>) -> Result<(), JournalError> {
        // What is stable already, and from it who the former owner was.
        let stable = self.edge(Edge::Latest, Isolation::Committed)?.min(end);
        self.read_until(stable)?;
        if stable < end {
            self.settle(shard, end, known)?;
            self.read_until(end)?;
        }
        Ok(())
    }

    pub(super) fn edge(&self, edge: Edge, isolation: Isolation) -> Result<i64, JournalError> {
        let timeout = self.shared.options.call_timeout;
        let offsets = self.shared.asker.offsets(std::slice::from_ref(&self.state), edge, isolation, timeout);
        offsets.map(|o| o[0]).map_err(storage("ask where state ends"))
    }

    /// Waits until everything before `end` is committed or aborted.
    fn settle(&self, shard: Shard, end: i64, known: Option<&[u8]>) -> Result<(), JournalError> {
        let (began, mut tried) = (Instant::now(), false);
        if let Some((told, _)) = &self.told {
            told.undecided(self.shared.clock.now());
        }
        let head = self.latest.get(codec::HEAD_KEY).or(known);
        loop {
            let open = self.edge(Edge::Latest, Isolation::Committed)?;
            if open >= end {
                return Ok(());
            }
            if !tried && began.elapsed() > PATIENCE {
                tried = true;
                if !self.shared.ended_at.contains(shard, open) {
                    self.shared.end_left_open(shard, &self.state, head)?;
                    if head.is_some() {
                        self.shared.ended_at.insert(shard, open);
                    }
                }
            }
            // The brokers end what nobody does after its time-out. What is open for longer hangs: the other shards
            // do not wait for it, and it is tried again after them.
            if began.elapsed() > 2 * self.shared.options.transaction_timeout {
                return Err(self.shared.hanging(shard, &self.state, head)?);
            }
            self.pause(ASK_EVERY)?;
        }
    }

    /// Reads what is before `end`, where everything is decided.
    pub(super) fn read_until(&mut self, end: i64) -> Result<(), JournalError> {
        let doing = storage("read state");
        let mut messages = Messages::new();
        while self.at < end {
            if !self.assigned {
                self.reader.assign(&[(self.state.clone(), self.at)]).map_err(&doing)?;
                self.assigned = true;
            }
            self.reader
                .poll(&mut messages, AT_ONCE, POLL, &mut |_, _| {})
                .map_err(|failed| doing(failed.error))?;
            for message in messages.iter() {
                self.latest.take(message.key().unwrap_or_default(), message.value());
            }
            let at = self.reader.positions(std::slice::from_ref(&self.state)).map_err(&doing)?[0];
            self.at = at.unwrap_or(self.at);
            if let Some((told, start)) = &self.told {
                told.read((self.at - start).unsigned_abs(), (end - start).unsigned_abs());
            }
            self.pause(Duration::ZERO)?;
        }
        Ok(())
    }

    fn pause(&self, wait: Duration) -> Result<(), JournalError> {
        pause(self.stopped, wait)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if self.assigned {
            // A reader that failed is not used again.
            let _ = self.reader.unassign(std::slice::from_ref(&self.state));
        }
    }
}

/// Waits, unless whoever wants the shard has gone.
pub(super) fn pause(stopped: &Receiver<()>, wait: Duration) -> Result<(), JournalError> {
    match stopped.recv_timeout(wait) {
        Err(RecvTimeoutError::Timeout) => Ok(()),
        _ => Err(JournalError::Ended { reason: "its worker has ended".to_owned() }),
    }
}
