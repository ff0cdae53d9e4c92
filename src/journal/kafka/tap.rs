//! Partitions read from some offset to another, once and in order, and inputs by their offsets: without a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Consumer, Edge, Isolation, Message, Messages, Partition};
use super::owned::{content, kind_of, logged};
use super::{KafkaOptions, storage};
use crate::journal::batch::Batch;
use crate::journal::error::JournalError;
use crate::journal::history::missing;
use crate::journal::record::{Kind, Record, Shard, Source};
use crate::model::Timestamp;

/// How many records are taken at once.
const AT_ONCE: usize = 4_096;
/// How long one poll waits: behind the last record there is a marker, which wakes nobody.
const POLL: Duration = Duration::from_millis(10);
/// How often a call's time-out may pass without anything that is there.
const PATIENCE: u32 = 3;
/// How many records of a partition are read ahead of their turn, before it has to wait for the others.
const AHEAD_MAX: usize = 20_000;

const DOING: &str = "read what it remembers";

/// Reads partitions from their beginnings to where they ended.
#[derive(Debug)]
pub(super) struct Tap {
    reader: Consumer,
    messages: Messages,
    /// What is not read to its end: where that is.
    open: Vec<(Partition, i64)>,
    patience: Duration,
}

impl Tap {
    /// Of each partition: the first offset, and that behind the last.
    pub(super) fn open(
        options: &KafkaOptions,
        extents: impl IntoIterator<Item = (Partition, i64, i64)>,
    ) -> Result<Self, JournalError> {
        let reader = options.scanner().map_err(storage(DOING))?;
        let (mut open, mut from) = (Vec::new(), Vec::new());
        for (partition, first, end) in extents.into_iter().filter(|(_, first, end)| first < end) {
            from.push((partition.clone(), first));
            open.push((partition, end));
        }
        if !from.is_empty() {
            reader.assign(&from).map_err(storage(DOING))?;
        }
        Ok(Self { reader, messages: Messages::new(), open, patience: options.call_timeout * PATIENCE })
    }

    /// Gives the next records to `each`; `false` if there are none any more.
    pub(super) fn poll(&mut self, each: &mut dyn FnMut(Message<'_>)) -> Result<bool, JournalError> {
        let doing = storage(DOING);
        let began = Instant::now();
        while !self.open.is_empty() {
            let polled = self.reader.poll(&mut self.messages, AT_ONCE, POLL, &mut |_, _| {});
            polled.map_err(|failed| doing(failed.error))?;
            let mut any = false;
            for message in self.messages.iter() {
                let is_of =
                    |(p, end): &&(Partition, i64)| p.number == message.partition() && message.offset() < *end;
                if self.open.iter().any(|open| is_of(&open)) {
                    any = true;
                    each(message);
                }
            }
            self.close()?;
            if any {
                return Ok(true);
            }
            if began.elapsed() > self.patience {
                return Err(silent(&self.open[0].0, self.patience));
            }
        }
        Ok(false)
    }

    /// Lets go of what is read to its end.
    fn close(&mut self) -> Result<(), JournalError> {
        let doing = storage(DOING);
        let partitions: Vec<Partition> = self.open.iter().map(|(partition, _)| partition.clone()).collect();
        let at = self.reader.positions(&partitions).map_err(&doing)?;
        let ended: Vec<Partition> = partitions
            .into_iter()
            .zip(&self.open)
            .zip(at)
            .filter(|((_, (_, end)), at)| at.is_some_and(|at| at >= *end))
            .map(|((partition, _), _)| partition)
            .collect();
        if !ended.is_empty() {
            self.reader.unassign(&ended).map_err(&doing)?;
            self.open.retain(|(partition, _)| !ended.contains(partition));
        }
        Ok(())
    }
}

fn silent(partition: &Partition, patience: Duration) -> JournalError {
    let cause = format!("nothing of {partition} came for {patience:?}, although it goes on");
    JournalError::Storage { doing: DOING, cause }
}

/// A record that waits for its turn.
#[derive(Debug)]
struct Waiting {
    kind: Kind,
    at: Timestamp,
    key: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

/// One partition of an input.
#[derive(Debug, Default)]
struct Log {
    /// The offset that comes next.
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    paused: bool,
}

/// One input of some shards, read by offset: mostly forwards.
#[derive(Debug)]
pub(super) struct ByOffset {
    source: Source,
    topic: Arc<str>,
    reader: Consumer,
    messages: Messages,
    logs: BTreeMap<Shard, Log>,
    timeout: Duration,
}

impl ByOffset {
    /// `topic` is that of `source` for the shards that are asked of.
    pub(super) fn open(options: &KafkaOptions, source: Source, topic: &str) -> Result<Self, JournalError> {
        Ok(Self {
            source,
            topic: Arc::from(topic),
            reader: options.scanner().map_err(storage(DOING))?,
            messages: Messages::new(),
            logs: BTreeMap::new(),
            timeout: options.call_timeout,
        })
    }

    fn partition(&self, shard: Shard) -> Partition {
        Partition::new(Arc::clone(&self.topic), i32::from(shard))
    }

    /// Appends the record at `offset` to `batch`.
    pub(super) fn take(&mut self, shard: Shard, offset: u64, batch: &mut Batch) -> Result<(), JournalError> {
        let began = Instant::now();
        let mut sought = false;
        loop {
            let log = self.logs.get_mut(&shard);
            if let Some(found) = log.and_then(|log| log.waiting.remove(&offset)) {
                let Waiting { kind, at, key, bytes } = found;
                let source = self.source;
                let record = Record { shard, source, kind, offset, appended: at, timed: true, bytes: &bytes };
                batch.push_keyed(record, key.as_deref());
                return Ok(());
            }
            match self.logs.get(&shard) {
                Some(log) if offset >= log.next => self.read(shard)?,
                // Rows of lists in turns: what was taken once is asked for again.
                _ if !sought => {
                    sought = true;
                    self.seek(shard, offset)?;
                }
                _ => return Err(missing(shard, self.source, offset)),
            }
            if began.elapsed() > self.timeout * PATIENCE {
                return Err(silent(&self.partition(shard), self.timeout * PATIENCE));
            }
        }
    }

    /// Reads a shard's partition from `offset` on.
    fn seek(&mut self, shard: Shard, offset: u64) -> Result<(), JournalError> {
        let doing = storage(DOING);
        let partition = self.partition(shard);
        let one = std::slice::from_ref(&partition);
        let oldest = self.reader.offsets(one, Edge::Earliest, Isolation::Committed, self.timeout);
        let oldest = oldest.map_err(&doing)?[0].unsigned_abs();
        if offset < oldest {
            return Err(JournalError::Gone { what: "record", asked: offset, oldest });
        }
        if self.logs.contains_key(&shard) {
            self.reader.unassign(one).map_err(&doing)?;
        }
        let from = i64::try_from(offset).unwrap_or(i64::MAX);
        self.reader.assign(&[(partition, from)]).map_err(&doing)?;
        let log = self.logs.entry(shard).or_default();
        (log.next, log.paused) = (offset, false);
        Ok(())
    }

    /// Reads on, for this shard first of all.
    fn read(&mut self, wanted: Shard) -> Result<(), JournalError> {
        let doing = storage(DOING);
        let log = self.logs.get_mut(&wanted);
        if log.is_some_and(|log| std::mem::replace(&mut log.paused, false)) {
            self.reader.resume(&[self.partition(wanted)]).map_err(&doing)?;
        }
        let polled = self.reader.poll(&mut self.messages, AT_ONCE, POLL, &mut |_, _| {});
        polled.map_err(|failed| doing(failed.error))?;
        let mut envelope = Vec::new();
        for message in self.messages.iter() {
            let Ok(shard) = u16::try_from(message.partition()) else { continue };
            let Some(log) = self.logs.get_mut(&shard) else { continue };
            let offset = message.offset().unsigned_abs();
            log.next = log.next.max(offset + 1);
            let kind = kind_of(self.source, message);
            let bytes = content(kind, message, &mut envelope).to_vec();
            let key = message.key().map(<[u8]>::to_vec);
            log.waiting.insert(offset, Waiting { kind, at: logged(message), key, bytes });
        }
        let is_full = |log: &Log| !log.paused && log.waiting.len() > AHEAD_MAX;
        let full: Vec<Shard> = self
            .logs
            .iter()
            .filter(|(shard, log)| **shard != wanted && is_full(log))
            .map(|(s, _)| *s)
            .collect();
        for (_, log) in self.logs.iter_mut().filter(|(shard, _)| full.contains(shard)) {
            log.paused = true;
        }
        let full: Vec<Partition> = full.into_iter().map(|shard| self.partition(shard)).collect();
        if full.is_empty() { Ok(()) } else { self.reader.pause(&full).map_err(&doing) }
    }
}
