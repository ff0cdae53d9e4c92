//! The threads of a running process: how they start, and in which order they end.
//!
//! Start: workers restore their shards in parallel, while questions are answered already; then inputs are
//! opened. End: inputs first, then workers, each with a commit, then the output with what was committed last,
//! and the steward.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use super::board::{Board, State};
use super::cycle::{Failure, Options, RENEWALS_MAX};
use super::desk::{Desk, DeskError};
use super::feed::FileClock;
use super::formats;
use super::inbox::{Message, Sending, inbox};
use super::outputs::Output;
use super::panics::Panics;
use super::pool::{Files, Nudge, Post};
use super::running::{Running, worker_of};
use super::sources::{FileSource, SourceError};
use super::steward;
use super::tail;
use crate::config::{SendsTo, Settings};
use crate::engine::Setup;
use crate::engine::restore::RestoreError;
use crate::journal::follow::Mode;
use crate::journal::sends_file::SendsFileError;
use crate::journal::{Assignment, Fault, Journal, JournalError, Log};
use crate::metrics::Hub;

/// The most message ids that a shard remembers for one window: 16 bytes each, so that 64 shards stay below
/// 128 MiB.
const DUPLICATES_MAX: usize = 1 << 17;

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A worker failed, or the journal did.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The file of sends.
    #[error(transparent)]
    Sends(#[from] SendsFileError),
    /// The file of events.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The operating system gives no thread.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// A worker ended before its shards were open.
    #[error("{}", .0.why)]
    Ended(Death),
}

impl From<JournalError> for StartError {
    fn from(error: JournalError) -> Self {
        Self::Failure(error.into())
    }
}

/// The end of a worker that was not told to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// What happened, as a sentence.
    pub why: String,
    /// What a script is told of it.
    pub cause: Cause,
}

/// Why a worker ends that was not told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The journal does not go on.
    #[default]
    Journal,
    /// Another process has taken this one's name.
    Fenced,
    /// What it has does not fit the configuration or this program.
    Incompatible,
    /// A topic is not there any more.
    Missing,
    /// A permission is missing.
    Denied,
    /// A bug of ours.
    Bug,
}

impl Death {
    /// What a worker's failure is to a script.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        let cause = match failure {
            Failure::Journal(JournalError::Unfit { fault, .. }) => match fault {
                Fault::Missing => Cause::Missing,
                Fault::Denied => Cause::Denied,
                Fault::Incompatible => Cause::Incompatible,
            },
            Failure::Journal(JournalError::Fenced { .. }) => Cause::Fenced,
            Failure::Journal(JournalError::Corrupt { .. } | JournalError::Gone { .. })
            | Failure::Unreadable { .. }
            | Failure::Restore(RestoreError::Format { .. })
            | Failure::Desk(DeskError::Unreadable { .. }) => Cause::Incompatible,
            Failure::GivenUp | Failure::Panicked { .. } | Failure::NotConserved { .. } => Cause::Bug,
            _ => Cause::Journal,
        };
        Self { why: failure.to_string(), cause }
    }
}

/// The threads.
#[derive(Debug)]
pub struct Process<L: Log> {
    running: Arc<Running<L>>,
    sendings: Vec<Sending>,
    file: FileClock,
    stop: Arc<AtomicBool>,
    nudges: Sender<Nudge>,
    opened: Receiver<Files>,
    died: Receiver<Death>,
    workers: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    sources: Vec<JoinHandle<()>>,
}

/// How a worker's turns are bounded, by the settings.
#[must_use]
pub fn options(settings: &Settings, shards: u16) -> Options {
    let engine = &settings.engine;
    Options {
        shards,
        duplicate_window: engine.duplicate_window,
        duplicates_max: DUPLICATES_MAX.max(Setup::single().duplicates_max),
        events_max: engine.batch_events_max as usize,
        movements: settings.journal.movements,
        timers_max: engine.timers_per_cycle_max as usize,
        releases_max: engine.releases_per_cycle_max as usize,
        rows_max: engine.list_rows_per_cycle_max as usize,
        renewals_max: RENEWALS_MAX,
        reads: formats::reads(),
    }
}

fn workers(settings: &Settings, shards: u16) -> usize {
    settings.engine.workers.count(u32::from(shards)) as usize
}

/// Where the workers of so many shards show what they measure.
#[must_use]
pub fn hub(settings: &Settings, shards: u16) -> Hub {
    let hub = Hub::new(workers(settings, shards), settings.metrics.journeys_max as usize);
    hub.shards(shards);
    hub
}

impl<L: Log> Process<L> {
    /// Starts workers, steward and output; a file follows by [`Process::follow`].
    ///
    /// `follows` says that a file will be followed: until then no timer of a restored shard fires (G19). What
    /// is measured goes to `hub`, which is made by [`hub`] for the same settings.
    ///
    /// # Errors
    /// If the journal cannot be read, the output is not ours, or a thread cannot be started.
    pub fn start(log: &L, settings: &Settings, follows: bool, hub: &Hub) -> Result<Self, StartError> {
        let shards = log.shard_count();
        let workers = workers(settings, shards);
        let output = match &settings.sends.file {
            SendsTo::Journal => Output::Journal,
            SendsTo::Stdout => Output::stdout(log.clone())?,
            SendsTo::File(path) => Output::file(log.clone(), path)?,
        };
        let mut desk = Desk::reading(formats::reads());
        desk.catch_up(log, &mut |_, _| {}).map_err(Failure::from)?;
        let board = Arc::new(Board::new(shards, workers));
        let (sendings, inboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| inbox()).unzip();
        let running =
            Arc::new(Running::new(log.clone(), desk, Arc::clone(&board), hub.clone(), sendings.clone()));
        let (nudges, nudged) = unbounded();
        let (sends, committed) = bounded(1);
        let (opening, opened) = unbounded();
        let (dying, died) = unbounded();
        let panics = Panics::default();
        let file = if follows { FileClock::behind() } else { FileClock::default() };
        let mut process = Self {
            running,
            sendings,
            file: file.clone(),
            stop: Arc::default(),
            nudges: nudges.clone(),
            opened,
            died,
            workers: Vec::new(),
            others: Vec::new(),
            sources: Vec::new(),
        };
        for (number, inbox) in inboxes.into_iter().enumerate() {
            let own: Vec<u16> = (0..shards).filter(|shard| worker_of(*shard, workers) == number).collect();
            let shared = log.is_shared();
            let assignment = if shared { Assignment::Shared(number) } else { Assignment::Fixed(&own) };
            let mut journal = log.worker(assignment)?;
            let sending = process.sendings[number].clone();
            journal.wake_by(Box::new(move || sending.signal()));
            let post = Post {
                number,
                inbox,
                board: Arc::clone(&board),
                hub: hub.clone(),
                file: file.clone(),
                options: options(settings, shards),
                panics: panics.clone(),
                publish_every: Duration::from_millis(settings.metrics.publish_interval.as_millis()),
                commit_every: Duration::from_millis(settings.engine.commit_interval_max.as_millis()),
                nudges: nudges.clone(),
                sends: sends.clone(),
            };
            let (log, board) = (log.clone(), Arc::clone(&board));
            let (opening, dying) = (opening.clone(), dying.clone());
            let live = move || {
                let opened = move |files| drop(opening.send(files));
                let lived = catch_unwind(AssertUnwindSafe(|| post.run(journal, &log, opened)));
                let death = match lived {
                    Ok(Ok(())) => return,
                    Ok(Err(failure)) => Death::of(&failure),
                    Err(_) => Death {
                        why: "it panicked outside of any decision, which is a bug".to_owned(),
                        cause: Cause::Bug,
                    },
                };
                board.set(number, State::Dead(death.why.clone()));
                let _ = dying.send(death);
            };
            process.workers.push(Builder::new().name(format!("worker-{number}")).spawn(live)?);
        }
        process.attend(log, nudged, committed, output)?;
        Ok(process)
    }

    /// The steward, the output, and who follows other instances, if there may be any.
    fn attend(
        &mut self,
        log: &L,
        nudged: Receiver<Nudge>,
        committed: Receiver<()>,
        output: Output<L>,
    ) -> Result<(), StartError> {
        let board = Arc::clone(self.running.board());
        let write = move || output.run(&committed, &board);
        self.others.push(Builder::new().name("output".to_owned()).spawn(write)?);
        let running = Arc::clone(&self.running);
        let look_after = move || steward::run(&running, &nudged);
        self.others.push(Builder::new().name("steward".to_owned()).spawn(look_after)?);
        if log.is_shared() {
            let (log, running, stop) = (log.clone(), Arc::clone(&self.running), Arc::clone(&self.stop));
            let follow = move || tail::run(&log, &running, &stop);
            self.others.push(Builder::new().name("control".to_owned()).spawn(follow)?);
        }
        Ok(())
    }

    /// The process as its API sees it.
    #[must_use]
    pub fn running(&self) -> &Arc<Running<L>> {
        &self.running
    }

    /// Told when a worker has died, and why: the process is to end then.
    #[must_use]
    pub fn died(&self) -> &Receiver<Death> {
        &self.died
    }

    /// Waits until every worker has restored its shards; what they know of followed files.
    ///
    /// # Errors
    /// If one of them cannot.
    pub fn wait_open(&self) -> Result<Vec<Files>, StartError> {
        let files = self.wait_open_or(&crossbeam::channel::never::<()>())?;
        Ok(files.expect("a channel that never says anything has said nothing"))
    }

    /// The same, unless `stop` says something first; `None` then, while workers go on restoring.
    ///
    /// # Errors
    /// As [`Process::wait_open`].
    pub fn wait_open_or<T>(&self, stop: &Receiver<T>) -> Result<Option<Vec<Files>>, StartError> {
        let mut files = Vec::new();
        while files.len() < self.workers.len() {
            crossbeam::channel::select! {
                recv(self.opened) -> opened => files.extend(opened),
                recv(self.died) -> death => return Err(StartError::Ended(death.unwrap_or_default())),
                recv(stop) -> _ => return Ok(None),
            }
        }
        Ok(Some(files))
    }

    /// Follows a file from where the shards have left it.
    ///
    /// # Errors
    /// If it cannot be read, or is not the one that they know.
    pub fn follow(&mut self, path: &Path, mode: Mode, files: &[Files]) -> Result<(), StartError> {
        let shards = self.running.shards() as u16;
        let source = FileSource::open(path, mode, files, shards, self.sendings.clone(), self.file.clone())?;
        let (stop, board) = (Arc::clone(&self.stop), Arc::clone(self.running.board()));
        let read = move || source.run(&stop, &board);
        self.sources.push(Builder::new().name("events".to_owned()).spawn(read)?);
        Ok(())
    }

    /// Ends every thread: what is decided is committed, and what is committed has left.
    pub fn stop(self) {
        let Self { running, sendings, stop, nudges, workers, others, sources, .. } = self;
        stop.store(true, Ordering::Relaxed);
        for source in sources {
            let _ = source.join();
        }
        running.tell_all(|| Message::Stop);
        for worker in workers {
            let _ = worker.join();
        }
        drop((nudges, sendings));
        for other in others {
            let _ = other.join();
        }
    }
}
