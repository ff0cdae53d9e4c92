//! The journal on Kafka, for several instances: Kafka Streams' exactly-once of the second version, in Rust.
//!
//! # What is guaranteed
//! - A shard is a partition of the events topic; the consumer group gives it to one worker of one instance.
//! - A commit is one transaction: state changes, head, sends, dead letters, cycles and the group's offsets are
//!   visible to `read_committed` readers together or never. It begins and ends inside [`super::Journal::commit`], so
//!   no transaction is open while the group's membership can change; and the member that commits is the one
//!   that polled (a zombie that rejoins would otherwise commit what its successor has decided already).
//! - Anything but a clean answer is an unknown outcome: the producer is replaced under the same transactional
//!   id, which ends the transaction one way or the other, and the group's offsets tell which.
//! - A shard's time is the brokers', and never passes what is unread (G19).
//!
//! What remains: librdkafka has no KIP-890, so a delayed end of a transaction could reach the broker within a
//! later one. Replacing the producer after every doubt is the remedy; a delay beyond that would be a broker's
//! error. Promised is what Kafka promises with replication 3, `min.insync.replicas` 2 and no unclean election.
//!
//! # Where things are
//! - [`client`]: librdkafka, made safe. The one place in the tree where `unsafe` is allowed.
//! - [`options`]: how it is opened. [`partition`]: whose partition a key is in.
//! - `worker`: poll and time. `owned`: a shard's inputs and its time. `inputs`, `merge`: several topics of events.
//!   `member`: its place in the group. `rows`: the rows of lists. `commit`: the transaction and its three answers.
//! - `load`: a shard's records from the state topic, by `reading`, in `latest`; `left_open`: what a former owner did
//!   not end; `checkpoint`: what is kept of them on the local disk. `loads`: how far that is. `link`: whether the
//!   brokers answer.
//! - `unfit`: topics that are deleted, made anew, denied or given more partitions while it runs.
//! - `insist`: a worker's questions that must have an answer, asked until brokers are back.
//! - `tail`: the control log and the views, as far as known; `showcase`: what this instance shows. `ends`: how far the inputs reach. `clock`: the
//!   brokers' time. `intake`, `streams`: what others append, and what they read.
//! - `history`: what the topics hold, for a replay, by `tap`.
//! - [`refusal`]: the six causes for which a start is refused. [`topics`]: what topics are needed, and made.

pub mod checkpoint;
pub mod clock;
pub mod client;
pub mod codec;
mod commit;
mod ends;
mod history;
mod inputs;
mod insist;
mod intake;
mod latest;
mod left_open;
mod letters;
mod link;
mod load;
mod loads;
mod member;
mod merge;
pub mod options;
mod owned;
pub mod partition;
mod reading;
mod replays;
pub mod refusal;
mod rows;
mod showcase;
mod streams;
mod tail;
mod tally;
mod tap;
pub mod topics;
mod unfit;
mod worker;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};

pub use self::checkpoint::CheckpointOptions;
use self::checkpoint::Checkpoints;
use self::client::{Append, Appender, Asker, Consumer, Edge, Error, Isolation, Out, Partition};
use self::clock::Clock;
use self::codec::Mark;
use self::ends::Watch;
pub use self::history::{KafkaHistory, KafkaPast};
use self::left_open::EndedAt;
use self::link::Link;
use self::loads::Loads;
pub use self::options::{KafkaOptions, Start, TopicNames};
use self::showcase::Showcase;
use self::tail::Tail;
use self::unfit::Unfit;
pub use self::worker::KafkaWorker;
use super::error::{Fault, IntakeError, JournalError};
use super::record::{Acknowledged, ControlRecord, Shard, View};
use super::traits::{Assignment, ControlLog, Group, Log};
use crate::model::Timestamp;

/// How long a thread that was told to end is waited for.
const END_WAIT: Duration = Duration::from_secs(1);

const ASK_COMMITTED: &str = "ask what the group has committed";

/// What a client's error is to those above.
fn storage(doing: &'static str) -> impl Fn(Error) -> JournalError {
    move |error| {
        let unfit = |fault| JournalError::Unfit {
            fault,
            sentence: format!("the journal could not {doing}: {error}"),
        };
        match refusal::Cause::of_code(error.code) {
            Some(refusal::Cause::Fenced) => JournalError::Fenced { reason: error.to_string() },
            Some(refusal::Cause::Missing) => unfit(Fault::Missing),
            Some(refusal::Cause::Denied) => unfit(Fault::Denied),
            _ if error.fatal => JournalError::Ended { reason: error.to_string() },
            _ => JournalError::Storage { doing, cause: error.to_string() },
        }
    }
}

/// Wakes a worker that has nothing to do.
#[derive(Default)]
struct Waker(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl Waker {
    fn wake(&self) {
        if let Some(wake) = self.0.get() {
            wake();
        }
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waker({})", if self.0.get().is_some() { "set" } else { "none" })
    }
}

/// What the group has committed for a shard.
#[derive(Clone, Debug, Default)]
struct Committed {
    /// The next event to be read.
    offset: Option<u64>,
    /// What was said with it.
    mark: Option<Mark>,
}

/// What all workers and handles of an instance share.
#[derive(Debug)]
struct Shared {
    options: KafkaOptions,
    /// The topics that are polled: the anchor, internal, receipts, then the further topics of events.
    inputs: Vec<Arc<str>>,
    clock: Clock,
    appender: Appender,
    /// Asks where partitions begin and end.
    asker: Asker,
    /// Asks for the group's offsets; it never joins the group.
    group: Mutex<Consumer>,
    /// Asks the same, and does not wait for transactions that are open: the answer is what the last completed one has
    /// committed. Under load some shard always has one open.
    glance: Mutex<Consumer>,
    tail: Tail,
    showcase: Showcase,
    ends: Watch,
    link: Link,
    loads: Loads,
    checkpoints: Option<Checkpoints>,
    unfit: Unfit,
    ended_at: EndedAt,
}

impl Shared {
    fn events(&self, shard: Shard) -> Partition {
        Partition::new(Arc::clone(&self.options.topics.events), i32::from(shard))
    }

    /// Returns when the control log is known up to its end as of now.
    fn control_known(&self) -> Result<u64, JournalError> {
        let end = self.control_end()?;
        if self.tail.wait_control(end, self.options.call_timeout) {
            return Ok(end);
        }
        Err(JournalError::Storage {
            doing: "read the control log",
            cause: format!("it reaches to {end}, and that far nothing came in time"),
        })
    }

    fn control_end(&self) -> Result<u64, JournalError> {
        let control = Partition::new(Arc::clone(&self.options.topics.control), 0);
        let end = self.edges(&[control], Edge::Latest);
        end.map(|end| end[0].unsigned_abs()).map_err(storage("ask where the control log ends"))
    }

    /// Where the committed records of these partitions begin or end.
    fn edges(&self, partitions: &[Partition], edge: Edge) -> Result<Vec<i64>, Error> {
        self.asker.offsets(partitions, edge, Isolation::Committed, self.options.call_timeout)
    }

    /// Where the committed records of these partitions end, for who looks from outside: see [`ends::settled`].
    fn settled(&self, partitions: &[Partition]) -> Result<Vec<i64>, Error> {
        ends::settled(&self.asker, partitions, self.options.call_timeout)
    }

    /// What the group has committed for each of these shards: the offset, and what was said with it.
    fn committed_all(&self, shards: &[Shard]) -> Result<Vec<Committed>, JournalError> {
        self.ask_committed(shards).map_err(storage(ASK_COMMITTED))
    }

    fn ask_committed(&self, shards: &[Shard]) -> Result<Vec<Committed>, Error> {
        self.committed_by(&self.group, shards)
    }

    fn committed_by(&self, by: &Mutex<Consumer>, shards: &[Shard]) -> Result<Vec<Committed>, Error> {
        let partitions: Vec<Partition> = shards.iter().map(|&shard| self.events(shard)).collect();
        let group = by.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = group.committed(&partitions, self.options.call_timeout)?;
        let read = |committed: Option<client::Committed>| match committed {
            Some(c) => Committed { offset: u64::try_from(c.offset).ok(), mark: Mark::decode(&c.metadata) },
            None => Committed::default(),
        };
        Ok(committed.into_iter().map(read).collect())
    }

    fn committed(&self, shard: Shard) -> Result<Committed, JournalError> {
        Ok(self.committed_all(&[shard])?.remove(0))
    }
}

/// The threads that keep up with the brokers; they end with the journal.
#[derive(Debug)]
struct Threads {
    closed: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.closed = None;
        // One of them may be the last to hold the journal: it cannot wait for itself.
        let own = std::thread::current().id();
        join(self.threads.drain(..).filter(|thread| thread.thread().id() != own).collect());
    }
}

/// Waits until threads have ended that have been told to; one that waits for a broker is left alone after a
/// while. It holds no membership and no transaction.
fn join(threads: Vec<JoinHandle<()>>) {
    let names = threads.iter().filter_map(|t| t.thread().name()).collect::<Vec<_>>().join(", ");
    // A panic there has said so already.
    let end = move || threads.into_iter().for_each(|thread| drop(thread.join()));
    if client::within(END_WAIT, end).is_none() {
        tracing::warn!(threads = names, "they wait for a broker, and are not waited for");
    }
}

/// Whether who has the other end is gone.
fn is_closed(closing: &Receiver<()>) -> bool {
    matches!(closing.try_recv(), Err(TryRecvError::Disconnected))
}

/// A journal on Kafka; a clone is another handle to it.
#[derive(Clone, Debug)]
pub struct Kafka {
    shared: Arc<Shared>,
    _threads: Arc<Threads>,
}

impl Kafka {
    /// Connects to the brokers and reads the control log to its end. The topics must be there.
    ///
    /// # Errors
    /// If a broker does not answer, or the control log is not whole.
    pub fn open(options: KafkaOptions) -> Result<Self, JournalError> {
        let group = options.reader().map_err(storage("connect to the brokers"))?;
        let glance = options.glance().map_err(storage("connect to the brokers"))?;
        let appender = Appender::new(&options.settings).map_err(storage("connect to the brokers"))?;
        let clock = Clock::new(ends::broker_time(&appender, &options)?);
        let reader = tail::reader(&options)?;
        let asker = options.reader().map_err(storage("connect to the brokers"))?.into_asker();
        let topics = &options.topics;
        let inputs = [&topics.events, &topics.internal, &topics.receipts].into_iter().chain(&topics.further);
        let inputs = inputs.map(Arc::clone).collect();
        let shared = Arc::new(Shared {
            inputs,
            clock,
            appender,
            asker,
            group: Mutex::new(group),
            glance: Mutex::new(glance),
            tail: Tail::default(),
            showcase: Showcase::default(),
            ends: Watch::default(),
            link: Link::default(),
            loads: Loads::default(),
            checkpoints: Checkpoints::open(&options),
            unfit: Unfit::default(),
            ended_at: EndedAt::default(),
            options,
        });
        let (closed, closing) = bounded(0);
        let [tailing, asking, showing, keeping, guarding] =
            [(); 5].map(|()| (Arc::downgrade(&shared), closing.clone()));
        let mut threads = vec![
            spawn("kafka-tail", move || tail::run(&tailing.0, &reader, &tailing.1))?,
            spawn("kafka-views", move || showcase::run(&showing.0, &showing.1))?,
            spawn("kafka-ends", move || ends::run(&asking.0, &asking.1))?,
            spawn("kafka-topics", move || unfit::run(&guarding.0, &guarding.1))?,
        ];
        if shared.checkpoints.is_some() {
            let keep = move || checkpoint::keeper::run(&keeping.0, &keeping.1);
            threads.push(spawn("kafka-checkpoints", keep)?);
        }
        shared.control_known()?;
        Ok(Self { shared, _threads: Arc::new(Threads { closed: Some(closed), threads }) })
    }

    /// The brokers' time, as far as it is known here.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, JournalError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|e| JournalError::Storage { doing: "start a thread", cause: e.to_string() })
}

impl ControlLog for Kafka {
    fn append_control(&self, _now: Timestamp, bytes: &[u8]) -> Result<ControlRecord, IntakeError> {
        let record = Append {
            topic: &self.shared.options.topics.control,
            record: Out { partition: 0, key: None, value: Some(bytes) },
            headers: &[],
        };
        let appended = intake::append(&self.shared, &[record])?[0];
        self.shared.clock.note(Timestamp(appended.timestamp));
        Ok(ControlRecord {
            offset: appended.offset.unsigned_abs(),
            appended: Timestamp(appended.timestamp),
            bytes: bytes.to_vec(),
        })
    }

    fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        self.shared.tail.control(offset, max)
    }

    fn control_end(&self) -> Result<u64, JournalError> {
        self.shared.control_known()
    }

    fn wait_control(&self, offset: u64, at_most: Duration) {
        self.shared.tail.wait_control(offset.saturating_add(1), at_most);
    }
}

impl Group for Kafka {
    fn is_shared(&self) -> bool {
        true
    }

    fn acknowledged(&self) -> Result<Vec<Acknowledged>, JournalError> {
        let shards: Vec<Shard> = (0..self.shared.options.shards).collect();
        let committed = self.shared.committed_by(&self.shared.glance, &shards);
        let marks = committed.map_err(storage(ASK_COMMITTED))?.into_iter().map(|committed| committed.mark);
        let of = |(shard, mark): (Shard, Option<Mark>)| {
            let Mark { epoch, transactional_id, formats, .. } = mark?;
            Some(Acknowledged { shard, epoch, owner: transactional_id, formats })
        };
        Ok(shards.into_iter().zip(marks).filter_map(of).collect())
    }

    fn publish_view(&self, view: View<'_>) -> Result<(), JournalError> {
        self.shared.showcase.put(view);
        Ok(())
    }

    fn read_views(&self, from: u64, each: &mut dyn FnMut(View<'_>)) -> Result<u64, JournalError> {
        let next = self.shared.tail.views(from, &mut |shard, shown| {
            each(View { shard, seq: shown.seq, bytes: &shown.bytes });
        });
        Ok(next)
    }
}

impl Log for Kafka {
    type Worker = KafkaWorker;

    fn worker(&self, assignment: Assignment<'_>) -> Result<KafkaWorker, JournalError> {
        match assignment {
            Assignment::Shared(number) => KafkaWorker::join(Arc::clone(&self.shared), number),
            Assignment::Fixed(_) => Err(JournalError::Assignment {
                can: "gives its shards to workers by the consumer group",
                asked: "fixed shards",
            }),
        }
    }
}
