//! A commit as one transaction, and what to do when its outcome is not known.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{self, GroupMetadata, Out, Producer, SentOffset, TransactionError};
use super::codec::{HEAD_KEY, Mark, Origin, put_head};
use super::inputs::Inputs;
use super::letters;
use super::member::Fences;
use super::worker::KafkaWorker;
use super::{ASK_COMMITTED, Shared, storage, tally, unfit};
use crate::journal::counts::Counts;
use crate::journal::error::{CommitError, JournalError};
use crate::journal::record::{Committed, Head, Shard, Source, Stream};
use crate::journal::reject::Reject;
use crate::journal::steps::{self, Step};
use crate::journal::transaction::{Change, ShardCommit, Transaction};
use crate::journal::verify;
use crate::model::wire;

/// How long to wait before a producer is made anew, if the brokers did not answer.
const RETRY: Duration = Duration::from_millis(250);

const BEGIN: &str = "begin transactions";

/// The producer of a worker, and what is not known of its last transaction.
#[derive(Debug)]
pub(super) struct Transactions {
    /// By what the brokers know it.
    name: String,
    /// `None` while the last outcome is not known.
    producer: Option<Producer>,
    /// The heads that the last transaction was to leave, if nobody knows whether it did.
    doubtful: Vec<(Shard, Head)>,
    fences: Fences,
    /// Whether somebody else has our name: whoever goes on fencing the other ends neither.
    taken: bool,
    /// What became of all of them.
    pub(super) counts: Counts,
}

fn refused(reason: impl std::fmt::Display) -> CommitError {
    CommitError::Refused { reason: format!("{reason}") }
}

impl Transactions {
    /// A producer of this name; it ends what an earlier one has left open.
    pub(super) fn new(shared: &Shared, name: &str) -> Result<Self, JournalError> {
        let mut new = Self {
            name: name.to_owned(),
            producer: None,
            doubtful: Vec::new(),
            fences: Fences::default(),
            taken: false,
            counts: Counts::default(),
        };
        // A coordinator that has just come up loads what it coordinates first.
        new.producer = Some(shared.insist(BEGIN, || new.connect(shared))?);
        Ok(new)
    }

    fn connect(&self, shared: &Shared) -> Result<Producer, client::Error> {
        let options = &shared.options;
        let mut producer = Producer::new(&options.settings, &self.name, options.transaction_timeout)?;
        producer.init_transactions(options.call_timeout)?;
        Ok(producer)
    }

    /// Whether an outcome is open.
    pub(super) fn in_doubt(&self) -> bool {
        self.producer.is_none()
    }

    /// Finds out what became of the last transaction: a new producer of the same name ends it, and the group's
    /// offsets tell how. Gives the heads that are committed.
    ///
    /// Waits for the brokers as long as the settings say.
    pub(super) fn settle(&mut self, shared: &Shared) -> Result<Vec<(Shard, Head)>, JournalError> {
        if self.taken {
            let reason = format!("its transactional id {} is in use twice", self.name);
            return Err(JournalError::Fenced { reason });
        }
        steps::reach(Step::Doubt);
        let began = Instant::now();
        let producer = loop {
            match self.connect(shared).map_err(storage(BEGIN)) {
                Ok(producer) => break producer,
                Err(JournalError::Ended { reason }) => return Err(JournalError::Ended { reason }),
                Err(error) if began.elapsed() > shared.options.settle_timeout => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "whether the last commit happened is not known yet; asked again");
                    std::thread::sleep(RETRY);
                }
            }
        };
        steps::reach(Step::Ended);
        let shards: Vec<Shard> = self.doubtful.iter().map(|(shard, _)| *shard).collect();
        let marks = match shards.is_empty() {
            true => Vec::new(),
            false => shared.insist(ASK_COMMITTED, || shared.ask_committed(&shards))?,
        };
        self.producer = Some(producer);
        let mut heads = Vec::new();
        for ((shard, head), committed) in self.doubtful.drain(..).zip(marks) {
            if committed.mark.is_some_and(|mark| mark.seq == head.seq) {
                heads.push((shard, head));
            }
        }
        Ok(heads)
    }

    /// Commits `tx`, by which the shards get these heads.
    pub(super) fn commit(
        &mut self,
        shared: &Shared,
        group: &GroupMetadata,
        tx: &Transaction,
        heads: &[Positioned],
        lane: i32,
    ) -> Result<(), CommitError> {
        let Some(producer) = &mut self.producer else {
            return Err(refused("what became of the transaction before is not known yet"));
        };
        let began = match producer.begin() {
            Ok(began) => began,
            Err(error) => {
                // Nothing was sent by it.
                self.producer = None;
                return Err(refused(error));
            }
        };
        let written = write(shared, began, group, tx, heads, &self.name, lane);
        if let Some(unfit) = written.as_ref().err().and_then(unfit::of_commit) {
            shared.unfit.find(&unfit);
        }
        let error = match written {
            Ok(()) => {
                steps::reach(Step::Committed);
                tally::committed(&mut self.counts, tx);
                return Ok(());
            }
            Err(TransactionError::Aborted(error)) => {
                self.counts.aborted += 1;
                return Err(refused(error));
            }
            Err(TransactionError::Unknown(error)) => {
                self.counts.unknown += 1;
                error
            }
            Err(TransactionError::Fenced(error)) => {
                self.counts.fenced += 1;
                self.taken |= self.fences.again();
                error
            }
        };
        self.producer = None;
        self.doubtful = heads.iter().map(|p| (p.shard, p.head.clone())).collect();
        Err(CommitError::Unknown { reason: error.to_string() })
    }
}

/// The head that a shard gets, and the offset that the group gets.
#[derive(Debug)]
pub(super) struct Positioned {
    pub(super) shard: Shard,
    pub(super) head: Head,
    pub(super) offset: u64,
    /// Its topics of events, if there are several.
    pub(super) inputs: Option<Arc<Inputs>>,
}

/// Lays everything into the transaction and commits it. A failure on the way aborts it.
fn write(
    shared: &Shared,
    mut to: client::Transaction<'_>,
    group: &GroupMetadata,
    tx: &Transaction,
    heads: &[Positioned],
    name: &str,
    lane: i32,
) -> Result<(), TransactionError> {
    let timeout = shared.options.call_timeout;
    steps::reach(Step::Open);
    // What fails here is remembered by the transaction: its commit aborts and says why.
    let laid = lay(shared, &mut to, tx, heads, name, lane).and_then(|()| {
        steps::reach(Step::Laid);
        let marks: Vec<(i32, u64, String)> =
            tx.parts().iter().zip(heads).map(|(p, h)| mark(p, h, name)).collect();
        let offsets: Vec<SentOffset<'_>> = marks
            .iter()
            .map(|(shard, offset, metadata)| SentOffset {
                partition: client::Partition::new(shared.options.topics.events.clone(), *shard),
                offset: i64::try_from(*offset).unwrap_or(i64::MAX),
                metadata,
            })
            .collect();
        to.send_offsets(&offsets, group, timeout)
    });
    match laid {
        Ok(()) => {
            steps::reach(Step::Positioned);
            steps::enter(Step::Committing);
            to.commit(timeout)
        }
        Err(error) => match to.abort(timeout) {
            Ok(()) => Err(TransactionError::Aborted(error)),
            Err(why) => Err(TransactionError::Unknown(why)),
        },
    }
}

fn mark(part: &ShardCommit, positioned: &Positioned, name: &str) -> (i32, u64, String) {
    let (seq, epoch, formats) = (part.seq(), part.epoch, part.formats);
    let mark = Mark { formats, seq, epoch, transactional_id: name.to_owned() };
    (i32::from(part.shard()), positioned.offset, mark.encode())
}

/// Produces the records of all parts, topic by topic.
fn lay(
    shared: &Shared,
    to: &mut client::Transaction<'_>,
    tx: &Transaction,
    heads: &[Positioned],
    name: &str,
    lane: i32,
) -> Result<(), client::Error> {
    let topics = &shared.options.topics;
    let deadline = shared.options.call_timeout;
    let values: Vec<Vec<u8>> = heads
        .iter()
        .map(|positioned| {
            let mut value = Vec::with_capacity(64 + positioned.head.meta.len());
            put_head(&positioned.head, name, positioned.inputs.as_deref(), &mut value);
            value
        })
        .collect();
    let state = tx.parts().iter().zip(&values).flat_map(|(part, value)| {
        let partition = i32::from(part.shard());
        let changes = part.changes().map(move |change| match change {
            Change::Put(key, value) => Out { partition, key: Some(key), value: Some(value) },
            Change::Delete(key) => Out { partition, key: Some(key), value: None },
        });
        changes.chain([Out { partition, key: Some(HEAD_KEY), value: Some(value) }])
    });
    to.produce(&topics.state, state, deadline)?;
    let sends = tx.parts().iter().flat_map(|part| {
        let partition = i32::from(part.shard());
        part.items(Stream::Sends).map(move |line| Out { partition, key: user_of(line), value: Some(line) })
    });
    to.produce(&topics.sends, sends, deadline)?;
    let origins: Vec<[u8; Origin::BYTES]> = tx
        .parts()
        .iter()
        .map(|part| Origin { shard: part.shard(), seq: part.seq(), at: tx.at() }.encode())
        .collect();
    for (stream, topic) in [
        (Stream::Transitions, &topics.transitions),
        (Stream::Refusals, &topics.refusals),
        (Stream::Cycles, &topics.cycles),
    ] {
        let lines = tx.parts().iter().zip(&origins).flat_map(|(part, origin)| {
            let key = Some(&origin[..]);
            part.items(stream).map(move |line| Out { partition: lane, key, value: Some(line) })
        });
        to.produce(topic, lines, deadline)?;
    }
    for ((part, origin), head) in tx.parts().iter().zip(&origins).zip(heads) {
        for item in part.items(Stream::Rejects) {
            let reject = Reject::decode(item).expect("a part keeps what it has encoded");
            let topic = topics.of(reject.source, head.inputs.as_deref()).unwrap_or(&topics.events);
            let place = (topic, head.shard, origin);
            let rejects = (&*topics.rejects, lane);
            letters::produce(to, rejects, place, &reject, deadline)?;
        }
    }
    Ok(())
}

/// The user of a send's line, for the record's key; none if it is written with escapes, since the key
/// partitions nothing here.
fn user_of(line: &[u8]) -> Option<&[u8]> {
    match wire::user_of(line)? {
        Cow::Borrowed(user) => Some(user.as_bytes()),
        Cow::Owned(_) => None,
    }
}

impl KafkaWorker {
    /// The commit of [`crate::journal::Journal::commit`].
    pub(super) fn commit_all(&mut self, tx: &Transaction) -> Result<Committed, CommitError> {
        steps::reach(Step::Decided);
        self.alive().map_err(refused)?;
        if self.transactions.in_doubt() {
            self.settle().map_err(refused)?;
        }
        verify::transaction(tx, &self.shards, |shard| {
            self.place(shard).ok().and_then(|place| self.owned[place].head.as_ref())
        })?;
        // No transaction outlives the membership under which its input was read.
        if !self.is_member() {
            self.leave_all();
            return Err(refused("this worker is not the group's member any more that read the records"));
        }
        let group = self.consumer.group_metadata().map_err(refused)?;
        let heads: Vec<Positioned> = tx
            .parts()
            .iter()
            .map(|part| {
                let place = self.place(part.shard()).expect("verified: the shard is owned");
                let owned = &self.owned[place];
                let head = verify::next_head(owned.head.as_ref(), part);
                let offset = head.position(Source::Events).max(owned.base);
                Positioned { shard: part.shard(), head, offset, inputs: owned.inputs.clone() }
            })
            .collect();
        let lane = i32::from(self.number % self.shared.options.shards);
        self.transactions.commit(&self.shared, &group, tx, &heads, lane)?;
        let sends = tx.parts().iter().map(|part| part.sends.len() as u64).sum();
        for Positioned { shard, head, .. } in heads {
            self.keep(shard, head);
        }
        Ok(Committed { first_send: 0, sends })
    }

    /// Finds out what became of a doubtful transaction.
    pub(super) fn settle(&mut self) -> Result<(), JournalError> {
        for (shard, head) in self.transactions.settle(&self.shared)? {
            self.keep(shard, head);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sends_key_is_its_user_unless_that_needs_escapes() {
        for (line, user) in [
            (r#"{"key":"0","journey":"a","user":"u-1","channel":"push"}"#, Some("u-1")),
            (r#"{"journey":"\"user\":\"x\"","user":"zoë"}"#, Some("zoë")),
            (r#"{"user":"a\"b"}"#, None),
            (r#"{"user":"#, None),
            ("send x", None),
        ] {
            assert_eq!(user_of(line.as_bytes()), user.map(str::as_bytes), "{line}");
        }
    }
}
