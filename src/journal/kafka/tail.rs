//! The control log and the views, as far as they are known here: one thread that reads both to their end and
//! stays there.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use super::client::{Asker, Consumer, Edge, Isolation, Message, Messages, Partition};
use super::owned::logged;
use super::tap::Tap;
use super::{KafkaOptions, Shared, codec, is_closed, storage};
use crate::journal::error::JournalError;
use crate::journal::record::{ControlRecord, Shard};

/// How long one poll waits: the end of the process waits for it.
const POLL: Duration = Duration::from_millis(100);
/// How many records are taken at once.
const AT_ONCE: usize = 1_000;

/// What a shard's owner shows of it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The commit as of which it is.
    pub(super) seq: u64,
    pub(super) bytes: Vec<u8>,
    /// The number of its record.
    number: u64,
}

#[derive(Debug, Default)]
struct Known {
    control: Vec<ControlRecord>,
    /// The offset behind the last record of the control log.
    control_next: u64,
    views: BTreeMap<Shard, Shown>,
    views_next: u64,
    /// Why nothing more will be known.
    ended: Option<String>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Tail {
    known: Mutex<Known>,
    grown: Condvar,
}

impl Tail {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most `max` records of the control log from `offset` on.
    pub(super) fn control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        let known = self.known();
        let from = known.control.partition_point(|record| record.offset < offset);
        if from == known.control.len()
            && let Some(reason) = &known.ended
        {
            return Err(JournalError::Ended { reason: reason.clone() });
        }
        Ok(known.control[from..].iter().take(max).cloned().collect())
    }

    /// Returns once everything before `next` is known, or after `at_most`; whether it is.
    pub(super) fn wait_control(&self, next: u64, at_most: Duration) -> bool {
        let began = Instant::now();
        let mut known = self.known();
        loop {
            if known.control_next >= next {
                return true;
            }
            let left = at_most.saturating_sub(began.elapsed());
            if left.is_zero() || known.ended.is_some() {
                return false;
            }
            // A condition variable takes no more than what fits its clock.
            let left = left.min(Duration::from_secs(3_600));
            known = self.grown.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What was shown since `from`, and the number to ask from next.
    pub(super) fn views(&self, from: u64, each: &mut dyn FnMut(Shard, &Shown)) -> u64 {
        let known = self.known();
        known.views.iter().filter(|(_, shown)| shown.number >= from).for_each(|(&s, shown)| each(s, shown));
        known.views_next
    }

    fn take(&self, shared: &Shared, messages: &Messages) {
        if messages.is_empty() {
            return;
        }
        let mut known = self.known();
        for message in messages.iter() {
            if message.topic() == &*shared.options.topics.control {
                take_control(&mut known, message);
            } else {
                take_view(&mut known, message);
            }
        }
        drop(known);
        self.grown.notify_all();
    }

    /// Where reading stands after a poll that gave nothing more: markers and aborted records count.
    fn reached(&self, control: Option<i64>) {
        let Some(next) = control.and_then(|at| u64::try_from(at).ok()) else { return };
        let mut known = self.known();
        if known.control_next < next {
            known.control_next = next;
            drop(known);
            self.grown.notify_all();
        }
    }

    /// Nothing more will be known.
    fn end(&self, reason: String) {
        self.known().ended.get_or_insert(reason);
        self.grown.notify_all();
    }
}

fn take_control(known: &mut Known, message: Message<'_>) {
    if u64::try_from(message.offset()).is_ok_and(|offset| offset >= known.control_next) {
        let record = control_record(known.control.last(), message);
        known.control_next = record.offset + 1;
        known.control.push(record);
    }
}

/// A command as the log has it. Whatever clock a broker has, a log's times never go back.
fn control_record(last: Option<&ControlRecord>, message: Message<'_>) -> ControlRecord {
    let appended = logged(message);
    ControlRecord {
        offset: message.offset().unsigned_abs(),
        appended: last.map_or(appended, |last| last.appended.max(appended)),
        bytes: message.value().unwrap_or_default().to_vec(),
    }
}

fn take_view(known: &mut Known, message: Message<'_>) {
    let Ok(number) = u64::try_from(message.offset()) else { return };
    known.views_next = known.views_next.max(number + 1);
    let shard = message.key().and_then(|key| Some(u16::from_be_bytes(key.try_into().ok()?)));
    let parts = message.value().and_then(codec::view);
    // What is neither is a time mark, or somebody else's.
    let (Some(shard), Some((seq, bytes))) = (shard, parts) else { return };
    if known.views.get(&shard).is_none_or(|shown| shown.seq <= seq) {
        known.views.insert(shard, Shown { seq, bytes: bytes.to_vec(), number });
    }
}

/// Reads until the journal is closed. That nobody holds it any more is no sign: those who follow it hold it
/// in turns.
pub(super) fn run(shared: &Weak<Shared>, reader: &Consumer, closing: &Receiver<()>) {
    let mut messages = Messages::new();
    while !is_closed(closing) {
        let Some(shared) = shared.upgrade() else { return };
        let control = Partition::new(Arc::clone(&shared.options.topics.control), 0);
        match reader.poll(&mut messages, AT_ONCE, POLL, &mut |_, _| {}) {
            Ok(()) => {}
            Err(error) if error.error.fatal => {
                return shared.tail.end(format!("the control log cannot be read any more: {error}"));
            }
            // What is read is read; the rest comes again.
            Err(error) => tracing::warn!(%error, "the control log could not be read; it is tried again"),
        }
        shared.tail.take(&shared, &messages);
        if messages.is_empty() {
            shared.tail.reached(reader.positions(&[control]).ok().and_then(|at| at[0]));
        }
    }
}

/// A reader of the control log from its first record, and of the views.
pub(super) fn reader(options: &super::KafkaOptions) -> Result<Consumer, JournalError> {
    let doing = "read the control log";
    let reader = options.reader().map_err(storage(doing))?;
    let partitions = [
        Partition::new(Arc::clone(&options.topics.control), 0),
        Partition::new(Arc::clone(&options.topics.views), 0),
    ];
    let first = reader
        .offsets(&partitions, super::client::Edge::Earliest, Isolation::Committed, options.call_timeout)
        .map_err(storage(doing))?;
    if first[0] > 0 {
        // Commands that are gone are states that nobody knows.
        return Err(JournalError::Gone { what: "command", asked: 0, oldest: first[0].unsigned_abs() });
    }
    let from: Vec<_> = partitions.into_iter().zip(first).collect();
    reader.assign(&from).map_err(storage(doing))?;
    Ok(reader)
}

/// The whole control log as of now, for who only looks.
pub(super) fn whole(options: &KafkaOptions, asker: &Asker) -> Result<Vec<ControlRecord>, JournalError> {
    let doing = storage("read the control log");
    let control = [Partition::new(Arc::clone(&options.topics.control), 0)];
    let edge = |edge| asker.offsets(&control, edge, Isolation::Committed, options.call_timeout);
    let (first, end) = (edge(Edge::Earliest).map_err(&doing)?[0], edge(Edge::Latest).map_err(&doing)?[0]);
    if first > 0 {
        return Err(JournalError::Gone { what: "command", asked: 0, oldest: first.unsigned_abs() });
    }
    let [control] = control;
    let mut tap = Tap::open(options, [(control, first, end)])?;
    let mut records: Vec<ControlRecord> = Vec::new();
    while tap.poll(&mut |message| {
        let record = control_record(records.last(), message);
        records.push(record);
    })? {}
    Ok(records)
}
