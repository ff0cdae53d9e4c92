//! A shard's records from its partition of the state topic, on a thread of their own.
//!
//! A partition is read up to its *uncommitted* end: the former owner's last transaction may still be open, and
//! whether it commits must be known before anything is decided on top of it (KAFKA-10167). If nobody ends it
//! within a second, the successor does, by the transactional id in the shard's head (it aborts).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::client::{Consumer, Edge, Isolation, Messages, Partition, Producer};
use super::codec::{self, HEAD_KEY, Mark};
use super::latest::Latest;
use super::loads::Load;
use super::{Shared, Waker, is_closed, storage};
use crate::journal::error::JournalError;
use crate::journal::record::{Head, Progress, Shard};
use crate::journal::traits::Stored;

/// How long an open transaction of a former owner is waited for before it is ended.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a shard is read whose records and offset are not of one commit, before that is damage.
const DISAGREE_MAX: usize = 4;
/// How often it is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How many records are taken at once.
const AT_ONCE: usize = 10_000;
/// How long one poll waits for records: behind the last of them there is a marker, which wakes nobody.
const POLL: Duration = Duration::from_millis(5);
/// After how many records a restore says how far it is.
const PROGRESS_EVERY: u64 = 65_536;

/// What a shard is restored from: everything is read already.
#[derive(Debug, Default)]
pub struct Loaded {
    pub(super) head: Option<Head>,
    /// What the group has committed: where events are read from, if the shard has never read one.
    pub(super) offset: Option<u64>,
    latest: Latest,
}

impl Stored for Loaded {
    fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    fn records(
        self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<u64, JournalError> {
        let estimate = self.latest.len() as u64;
        let mut records = 0;
        for (key, value) in self.latest.each().filter(|(key, _)| *key != HEAD_KEY) {
            records += 1;
            if each(key, value).is_break() {
                return Ok(records);
            }
            if records % PROGRESS_EVERY == 0 && progress(Progress { records, estimate }).is_break() {
                return Ok(records);
            }
        }
        let _ = progress(Progress { records, estimate: records });
        Ok(records)
    }
}

/// A shard that was loaded, or why it could not be; with the number of the request.
pub(super) type Answer = (Shard, u64, Result<Loaded, JournalError>);

/// The thread that loads a worker's shards, one after the other. It ends with this.
#[derive(Debug)]
pub(super) struct Loader {
    ask: Option<Sender<(Shard, u64)>>,
    answers: Receiver<Answer>,
    /// Gone when this is dropped: whoever waits for a broker is told.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    pub(super) fn start(shared: Arc<Shared>, name: &str, waker: Arc<Waker>) -> Result<Self, JournalError> {
        let (ask, asked) = unbounded::<(Shard, u64)>();
        let (answer, answers) = unbounded();
        let (stop, stopped) = bounded(0);
        let work = move || {
            let mut reader = None;
            for (shard, number) in asked {
                if is_closed(&stopped) {
                    return;
                }
                let loaded = load(&shared, &mut reader, shard, &stopped);
                let failed = loaded.is_err();
                if answer.send((shard, number, loaded)).is_err() {
                    return;
                }
                waker.wake();
                if failed {
                    reader = None;
                }
            }
        };
        let thread = Builder::new()
            .name(format!("{name}-load"))
            .spawn(work)
            .map_err(|e| JournalError::Storage { doing: "start a thread", cause: e.to_string() })?;
        Ok(Self { ask: Some(ask), answers, stop: Some(stop), thread: Some(thread) })
    }

    /// Asks for a shard; the answer carries `number`.
    pub(super) fn ask(&self, shard: Shard, number: u64) {
        if let Some(ask) = &self.ask {
            let _ = ask.send((shard, number));
        }
    }

    /// The next shard that is loaded.
    pub(super) fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.ask = None;
        self.stop = None;
        super::join(self.thread.take().into_iter().collect());
    }
}

/// Loads a shard on this thread, for its owner.
pub(super) fn load_now(shared: &Shared, shard: Shard) -> Result<Loaded, JournalError> {
    let (_stop, stopped) = bounded(0);
    load(shared, &mut None, shard, &stopped)
}

/// What a shard has committed, for somebody who does not own it: what is open stays so.
pub(super) fn look(shared: &Shared, shard: Shard) -> Result<Latest, JournalError> {
    let (_stop, stopped) = bounded(0);
    let mut reader = None;
    let mut reading = Reading::new(shared, &mut reader, shard, &stopped)?;
    let settled = shared.settled(std::slice::from_ref(&reading.state)).map_err(storage("read state"))?;
    reading.take_until(settled[0])?;
    Ok(reading.latest)
}

/// Reads a shard until its records and the group's offset are of one commit: somebody of our own name, whom the
/// group has not told yet that he is out, may commit between the two.
fn load(
    shared: &Shared,
    reader: &mut Option<Consumer>,
    shard: Shard,
    stopped: &Receiver<()>,
) -> Result<Loaded, JournalError> {
    for _ in 1..DISAGREE_MAX {
        let (loaded, mark) = load_once(shared, reader, shard, stopped)?;
        if agree(shard, loaded.head.as_ref(), mark.as_ref()).is_ok() {
            return Ok(loaded);
        }
        pause(stopped, PATIENCE)?;
    }
    let (loaded, mark) = load_once(shared, reader, shard, stopped)?;
    agree(shard, loaded.head.as_ref(), mark.as_ref()).map(|()| loaded)
}

fn load_once(
    shared: &Shared,
    reader: &mut Option<Consumer>,
    shard: Shard,
    stopped: &Receiver<()>,
) -> Result<(Loaded, Option<Mark>), JournalError> {
    // Whoever gave a command that the former owner had not taken must find it taken by us first (G11): the
    // control log is known up to its end as of now before the shard is announced.
    shared.control_known()?;
    let mut reading = Reading::new(shared, reader, shard, stopped)?;
    let loaded = reading.read(shard);
    if reading.assigned {
        // A reader that failed is not used again.
        let _ = reading.reader.unassign(std::slice::from_ref(&reading.state));
    }
    let latest = loaded.map(|()| reading.latest)?;
    let head = match latest.get(HEAD_KEY) {
        Some(value) => Some(codec::head(shard, value)?.0),
        None => None,
    };
    let super::Committed { offset, mark } = shared.committed(shard)?;
    Ok((Loaded { head, offset, latest }, mark))
}

/// The head and the group's offset are of one transaction, so they agree; offsets that the brokers have
/// forgotten (nobody read for days) are no contradiction.
fn agree(shard: Shard, head: Option<&Head>, mark: Option<&Mark>) -> Result<(), JournalError> {
    let Some(mark) = mark else { return Ok(()) };
    let seq = head.map_or(0, |head| head.seq);
    if mark.seq == seq {
        return Ok(());
    }
    Err(JournalError::corrupt(
        format!("the state of shard {shard}"),
        format!("its records end with commit {seq}, the group's offset says {}", mark.seq),
    ))
}

struct Reading<'a> {
    shared: &'a Shared,
    reader: &'a Consumer,
    state: Partition,
    stopped: &'a Receiver<()>,
    /// Where the next record is; the partition is assigned once there is one.
    at: i64,
    /// Where the first one was.
    start: i64,
    assigned: bool,
    latest: Latest,
    told: Load<'a>,
}

impl<'a> Reading<'a> {
    /// Begins with the oldest record of the shard's partition. A reader that is there is connected already.
    fn new(
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
        let told = shared.loads.begin(shard);
        let mut reading =
            Self { shared, reader, state, stopped, at: 0, start: 0, assigned: false, latest, told };
        reading.at = reading.edge(Edge::Earliest, Isolation::Committed)?;
        reading.start = reading.at;
        Ok(reading)
    }

    fn read(&mut self, shard: Shard) -> Result<(), JournalError> {
        let end = self.edge(Edge::Latest, Isolation::Uncommitted)?;
        // What is stable already, and from it who the former owner was.
        let stable = self.edge(Edge::Latest, Isolation::Committed)?.min(end);
        self.take_until(stable)?;
        if stable < end {
            self.settle(shard, end)?;
            self.take_until(end)?;
        }
        Ok(())
    }

    fn edge(&self, edge: Edge, isolation: Isolation) -> Result<i64, JournalError> {
        let timeout = self.shared.options.call_timeout;
        let offsets = self.shared.asker.offsets(std::slice::from_ref(&self.state), edge, isolation, timeout);
        offsets.map(|o| o[0]).map_err(storage("ask where state ends"))
    }

    /// Waits until everything before `end` is committed or aborted.
    fn settle(&self, shard: Shard, end: i64) -> Result<(), JournalError> {
        let (began, mut ended) = (Instant::now(), false);
        self.told.undecided(self.shared.clock.now());
        while self.edge(Edge::Latest, Isolation::Committed)? < end {
            if !ended && began.elapsed() > PATIENCE {
                ended = true;
                self.end_foreign(shard)?;
            }
            // The brokers end what nobody does after its time-out. What is open for longer hangs: the other shards
            // do not wait for it, and it is tried again after them.
            let limit = 2 * self.shared.options.transaction_timeout;
            if began.elapsed() > limit {
                let cause = format!(
                    "a transaction in {} is open for more than {limit:?}, and the brokers do not end it; \
                     kafka-transactions.sh find-hanging tells which it is, and abort ends it",
                    self.state
                );
                return Err(JournalError::Storage { doing: "load a shard", cause });
            }
            self.pause(ASK_EVERY)?;
        }
        Ok(())
    }

    /// Ends the transaction that the former owner of the shard has left open.
    fn end_foreign(&self, shard: Shard) -> Result<(), JournalError> {
        let Some(head) = self.latest.get(HEAD_KEY) else {
            let partition = &self.state;
            tracing::warn!(%partition, "a transaction is open, no head says whose; it is waited for");
            return Ok(());
        };
        let (_, owner) = codec::head(shard, head)?;
        tracing::warn!(shard, owner, "its former owner has left a transaction open; it is aborted");
        let options = &self.shared.options;
        let doing = storage("end a transaction that was left open");
        let producer = Producer::new(&options.settings, owner, options.transaction_timeout);
        producer.and_then(|mut p| p.init_transactions(options.call_timeout)).map_err(doing)
    }

    fn take_until(&mut self, end: i64) -> Result<(), JournalError> {
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
            self.told.read((self.at - self.start).unsigned_abs(), (end - self.start).unsigned_abs());
            self.pause(Duration::ZERO)?;
        }
        Ok(())
    }

    fn pause(&self, wait: Duration) -> Result<(), JournalError> {
        pause(self.stopped, wait)
    }
}

/// Waits, unless whoever wants the shard has gone.
fn pause(stopped: &Receiver<()>, wait: Duration) -> Result<(), JournalError> {
    match stopped.recv_timeout(wait) {
        Err(RecvTimeoutError::Timeout) => Ok(()),
        _ => Err(JournalError::Ended { reason: "its worker has ended".to_owned() }),
    }
}
