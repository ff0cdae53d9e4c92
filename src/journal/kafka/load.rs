//! A shard's records from its checkpoint and its partition of the state topic, on a thread of their own.
//!
//! A partition is read up to its *uncommitted* end: the former owner's last transaction may still be open, and
//! whether it commits must be known before anything is decided on top of it (KAFKA-10167). If nobody ends it
//! within a second, the successor does, by the transactional id in the shard's head (it aborts).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use super::checkpoint::{self, Base};
use super::client::{Consumer, Edge, Isolation, Partition};
use super::codec::{self, HEAD_KEY, Mark};
use super::inputs::Inputs;
use super::latest::Latest;
use super::reading::{PATIENCE, Reading, pause};
use super::tap::Tap;
use super::{Shared, Waker, is_closed, storage};
use crate::journal::error::JournalError;
use crate::journal::record::{Head, Progress, Shard};
use crate::journal::steps::{self, Step};
use crate::journal::traits::{Again, Stored, Whereabouts};

/// How long after a failure the next shard is loaded.
const RETRY: Duration = Duration::from_millis(250);
/// How often a shard is read whose records and offset are not of one commit, before that is damage.
const DISAGREE_MAX: usize = 4;
/// After how many records a restore says how far it is.
const PROGRESS_EVERY: u64 = 65_536;

/// What a shard is restored from: everything is read already.
#[derive(Debug)]
pub struct Loaded {
    pub(super) head: Option<Head>,
    /// What the group has committed: where events are read from, if the shard has never read one.
    pub(super) offset: Option<u64>,
    /// Its topics of events, if there were ever several.
    pub(super) inputs: Option<Inputs>,
    /// What the changelog says, behind the checkpoint if there is one.
    latest: Latest,
    base: Option<Base>,
    shared: Arc<Shared>,
    shard: Shard,
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
        let Self { latest, base, .. } = self;
        let estimate = latest.len() as u64 + base.as_ref().map_or(0, Base::records);
        let mut records = 0;
        let mut give = |key: &[u8], value: &[u8]| {
            records += 1;
            each(key, value).is_continue()
                && (records % PROGRESS_EVERY > 0 || progress(Progress { records, estimate }).is_continue())
        };
        let goes_on = match base {
            Some(mut base) => base.each(&latest, &mut give)?,
            None => true,
        };
        if goes_on && latest.each().all(|(key, value)| key == HEAD_KEY || give(key, value)) {
            let _ = progress(Progress { records, estimate: records });
        }
        Ok(records)
    }

    fn whereabouts(&self) -> Option<Whereabouts> {
        // With a checkpoint all is read again from the log first, whatever is wrong.
        if self.base.is_some() {
            return None;
        }
        let (shared, shard) = (Arc::clone(&self.shared), self.shard);
        Some(Box::new(move |key| format!("{}: {CURE}", place_of(&shared, shard, key))))
    }

    fn again(&self) -> Option<Again<Self>> {
        let path = self.base.as_ref()?.path().to_owned();
        let (shared, shard) = (Arc::clone(&self.shared), self.shard);
        Some(Box::new(move |why| {
            checkpoint::reject(shard, &path, why);
            load_now(&shared, shard)
        }))
    }
}

/// What to do about a record of the state topic that cannot be read.
const CURE: &str = "if another program has written there, put back what stood under the key before, a null value if \
                    nothing did; else start the version of this program that has written it";

/// Where the latest record of a key stands in a shard's partition of the state topic; where they all do without a key.
fn place_of(shared: &Shared, shard: Shard, key: Option<&[u8]>) -> String {
    let state = Partition::new(Arc::clone(&shared.options.topics.state), i32::from(shard));
    let Some(key) = key else { return format!("they are in {state}") };
    let find = || {
        let one = std::slice::from_ref(&state);
        let edge = |edge| shared.edges(one, edge).map_err(storage("look for a record"));
        let (first, end) = (edge(Edge::Earliest)?[0], edge(Edge::Latest)?[0]);
        let (mut tap, mut found) = (Tap::open(&shared.options, [(state.clone(), first, end)])?, None);
        while tap.poll(&mut |message| {
            if message.key() == Some(key) {
                found = Some(message.offset());
            }
        })? {}
        Ok::<_, JournalError>(found)
    };
    match find() {
        Ok(Some(offset)) => format!("it is record {offset} of {state}"),
        Ok(None) => format!("it is in {state}"),
        Err(error) => format!("it is in {state}, and where is not known: {error}"),
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
                // Whoever failed is asked for again at once: brokers that are away are not stormed.
                if failed && pause(&stopped, RETRY).is_err() {
                    return;
                }
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
pub(super) fn load_now(shared: &Arc<Shared>, shard: Shard) -> Result<Loaded, JournalError> {
    let (_stop, stopped) = bounded(0);
    load(shared, &mut None, shard, &stopped)
}

/// What a shard has committed, for somebody who does not own it: what is open stays so.
pub(super) fn look(shared: &Shared, shard: Shard) -> Result<Latest, JournalError> {
    let (_stop, stopped) = bounded(0);
    let mut reader = None;
    let mut reading = Reading::new(shared, &mut reader, shard, &stopped)?;
    let settled = shared.settled(std::slice::from_ref(&reading.state)).map_err(storage("read state"))?;
    reading.read_until(settled[0])?;
    Ok(std::mem::take(&mut reading.latest))
}

/// Reads a shard until its records and the group's offset are of one commit: somebody of our own name, whom the
/// group has not told yet that he is out, may commit between the two. The last time without a checkpoint.
fn load(
    shared: &Arc<Shared>,
    reader: &mut Option<Consumer>,
    shard: Shard,
    stopped: &Receiver<()>,
) -> Result<Loaded, JournalError> {
    for _ in 1..DISAGREE_MAX {
        let (loaded, mark) = load_once(shared, reader, shard, stopped, true)?;
        if agree(shard, loaded.head.as_ref(), mark.as_ref()).is_ok() {
            return Ok(loaded);
        }
        pause(stopped, PATIENCE)?;
    }
    let (loaded, mark) = load_once(shared, reader, shard, stopped, false)?;
    agree(shard, loaded.head.as_ref(), mark.as_ref()).map(|()| loaded)
}

fn load_once(
    shared: &Arc<Shared>,
    reader: &mut Option<Consumer>,
    shard: Shard,
    stopped: &Receiver<()>,
    trusting: bool,
) -> Result<(Loaded, Option<Mark>), JournalError> {
    // Whoever gave a command that the former owner had not taken must find it taken by us first (G11): the
    // control log is known up to its end as of now before the shard is announced.
    shared.control_known()?;
    let mut reading = Reading::new(shared, reader, shard, stopped)?;
    let end = reading.edge(Edge::Latest, Isolation::Uncommitted)?;
    let checkpoints = shared.checkpoints.as_ref().filter(|_| trusting);
    let base = checkpoints.and_then(|kept| kept.trusted(shared, shard, reading.at, end));
    if let Some(base) = &base {
        reading.at = base.next();
    }
    reading.tell(shared.loads.begin(shard));
    let known = base.as_ref().map(Base::head);
    reading.read(shard, end, known)?;
    steps::reach(Step::Restoring);
    let latest = std::mem::take(&mut reading.latest);
    let head = match latest.get(HEAD_KEY).or(known) {
        Some(value) => Some(codec::head(shard, value).map_err(|error| placed(shared, shard, error))?.0),
        None => None,
    };
    let super::Committed { offset, mark } = shared.committed(shard)?;
    let inputs =
        latest.get(HEAD_KEY).or(known).map(|value| codec::inputs(shard, value)).transpose()?.flatten();
    match &base {
        Some(base) => tracing::info!(
            shard,
            checkpoint = base.records(),
            behind = latest.len(),
            "a shard is read from its checkpoint"
        ),
        None => tracing::debug!(shard, records = latest.len(), "a shard is read from its changelog"),
    }
    let shared = Arc::clone(shared);
    Ok((Loaded { head, offset, inputs, latest, base, shared, shard }, mark))
}

/// A head that cannot be read, with its place.
fn placed(shared: &Shared, shard: Shard, error: JournalError) -> JournalError {
    match error {
        JournalError::Corrupt { what, how, .. } => {
            let place = place_of(shared, shard, Some(HEAD_KEY));
            JournalError::Corrupt { what, how: format!("{how}; {place}"), cure: CURE }
        }
        other => other,
    }
}

/// The head and the group's offset are of one transaction, so they agree; offsets that the brokers have
/// forgotten (nobody read for days) are no contradiction.
fn agree(shard: Shard, head: Option<&Head>, mark: Option<&Mark>) -> Result<(), JournalError> {
    let Some(mark) = mark else { return Ok(()) };
    let seq = head.map_or(0, |head| head.seq);
    if mark.seq == seq {
        return Ok(());
    }
    Err(JournalError::Corrupt {
        what: format!("the state of shard {shard}"),
        how: format!("its records end with commit {seq}, the group's offset says {}", mark.seq),
        cure: "both are of one transaction: one of them was written or reset by somebody else",
    })
}
