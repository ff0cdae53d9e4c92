//! Dead letters that are let in once more: one transaction appends them to their inputs and notes it beside them.
//!
//! All instances share one transactional id for it. To begin ends what another one has open, so the notes that are read
//! then are all there will ever be but our own; and of two who replay at once one is fenced, and has done nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::{Error, Message, Out, Producer, Transaction, TransactionError};
use super::intake::parts;
use super::letters::{self, NOTE_HEADER, TOPIC_HEADER};
use super::streams::{Extent, OFFSET_BITS, give, number};
use super::tap::Tap;
use super::{Kafka, Shared, storage};
use crate::journal::error::{IntakeError, JournalError};
use crate::journal::letters::{Letter, Letters, Verdict, judge, letter, stopped};
use crate::journal::record::Stream;
use crate::model::Timestamp;

const DOING: &str = "let dead letters in once more";

/// A letter, and the topic that it came from.
struct Placed {
    topic: Arc<str>,
    letter: Letter,
}

/// What the dead-letter topic says.
#[derive(Default)]
struct Known {
    /// The letters that are asked for.
    letters: BTreeMap<u64, Result<Placed, String>>,
    /// Which were let in, and when last.
    notes: BTreeMap<u64, Timestamp>,
}

impl Known {
    /// Reads each partition from the first of `numbers` in it on; all of all of them without numbers.
    fn read(shared: &Shared, numbers: Option<&[u64]>) -> Result<Self, JournalError> {
        let extent = Extent::ask(shared, Stream::Rejects)?;
        let mut from = Vec::new();
        for (partition, (first, end)) in extent.partitions.iter().zip(extent.first.iter().zip(&extent.end)) {
            let base = number(partition.number.unsigned_abs().into(), 0);
            let own = |all: &[u64]| {
                let at = all.partition_point(|number| *number < base);
                all.get(at).filter(|number| *number >> OFFSET_BITS == base >> OFFSET_BITS).map(|n| n - base)
            };
            let start = match numbers {
                None => Some(0),
                Some(numbers) => own(numbers),
            };
            if let Some(start) = start.and_then(|start| i64::try_from(start).ok()) {
                from.push((partition.clone(), start.max(*first), *end));
            }
        }
        let (mut known, mut tap) = (Self::default(), Tap::open(&shared.options, from)?);
        while tap.poll(&mut |message| known.take(shared, message, numbers.unwrap_or_default()))? {}
        Ok(known)
    }

    fn take(&mut self, shared: &Shared, message: Message<'_>, numbers: &[u64]) {
        if let Some((number, at)) = letters::note(message) {
            self.notes.insert(number, at);
            return;
        }
        let partition = message.partition().unsigned_abs().into();
        let number = number(partition, message.offset());
        if numbers.binary_search(&number).is_err() {
            return;
        }
        let (mut bytes, mut found) = (Vec::new(), None);
        give(Stream::Rejects, partition, message, &mut bytes, &mut |item| found = Some(letter(&item)));
        let Some(found) = found else { return };
        let placed = found.and_then(|letter| Ok(Placed { topic: topic_of(shared, message)?, letter }));
        self.letters.insert(number, placed);
    }
}

/// The input that a letter came from: one of ours, whatever somebody has written into our topic.
fn topic_of(shared: &Shared, message: Message<'_>) -> Result<Arc<str>, String> {
    let name = message.header(TOPIC_HEADER).flatten().unwrap_or_default();
    let known = shared.inputs.iter().find(|topic| topic.as_bytes() == name);
    let name = String::from_utf8_lossy(name);
    known.cloned().ok_or_else(|| format!("it came from the topic {name:?}, which is none of the inputs now"))
}

impl Letters for Kafka {
    /// Reads the whole topic: letters are few, or something else has to be done first.
    fn replayed(&self) -> Result<BTreeMap<u64, Timestamp>, JournalError> {
        Ok(Known::read(&self.shared, None)?.notes)
    }

    fn replay(&self, _now: Timestamp, numbers: &[u64], again: bool) -> Result<Vec<Verdict>, IntakeError> {
        let options = &self.shared.options;
        let refuse = |error: Error| stopped(&storage(DOING)(error));
        let name = format!("{}-replays", options.group);
        let mut producer =
            Producer::new(&options.settings, &name, options.transaction_timeout).map_err(refuse)?;
        producer.init_transactions(options.call_timeout).map_err(refuse)?;
        let Known { letters, notes } =
            Known::read(&self.shared, Some(numbers)).map_err(|error| stopped(&error))?;
        let shards = options.shards;
        let (chosen, verdicts) = judge(numbers, &letters, |number| notes.get(&number).copied(), again);
        if chosen.is_empty() {
            return Ok(verdicts);
        }
        if let Some((number, of)) = chosen.iter().find(|(_, of)| of.letter.shard >= shards) {
            let shard = of.letter.shard;
            let reason = format!("dead letter {number} is of shard {shard}, and there are {shards}");
            return Err(IntakeError::Stopped { reason });
        }
        let mut transaction = producer.begin().map_err(refuse)?;
        let laid =
            chosen.iter().try_for_each(|(number, of)| lay(&self.shared, &mut transaction, *number, of));
        let done = match laid {
            Ok(()) => transaction.commit(options.call_timeout),
            Err(error) => match transaction.abort(options.call_timeout) {
                Ok(()) => Err(TransactionError::Aborted(error)),
                Err(why) => Err(TransactionError::Unknown(why)),
            },
        };
        match done {
            Ok(()) => Ok(verdicts),
            Err(TransactionError::Aborted(error)) => Err(refuse(error)),
            Err(TransactionError::Unknown(error) | TransactionError::Fenced(error)) => {
                Err(IntakeError::Unknown { reason: error.to_string() })
            }
        }
    }
}

/// Appends a letter to its input, and the note that it was.
fn lay(shared: &Shared, to: &mut Transaction<'_>, number: u64, of: &Placed) -> Result<(), Error> {
    let options = &shared.options;
    let Letter { shard, kind, key, bytes } = &of.letter;
    let code = kind.code().to_string();
    let (headers, key, value) = parts(*kind, key.as_deref(), bytes, &code);
    let record = Out { partition: i32::from(*shard), key, value: Some(value) };
    to.produce_with(&of.topic, record, &headers, None, options.call_timeout)?;
    let partition = i32::try_from(number >> OFFSET_BITS).unwrap_or(i32::MAX);
    let text = number.to_string();
    let note = Out { partition, key: Some(text.as_bytes()), value: Some(b"") };
    let headers = [(NOTE_HEADER, text.as_bytes())];
    to.produce_with(&options.topics.rejects, note, &headers, None, options.call_timeout)
}
