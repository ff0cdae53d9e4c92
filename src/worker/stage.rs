//! The process as its API sees it from the first request to the last: the threads that are running, or why
//! there are none at present.
//!
//! When the journal's storage runs out of room in the middle of a write, what it has is known only once it
//! has been opened again, so every thread ends and begins anew, as after a kill. Whoever asks meanwhile is
//! told why nothing is taken. Health, metrics and the standard input outlive the threads, therefore they are
//! here.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::running::Running;
use super::sources::read_input;
use crate::control::Record;
use crate::control::letters::{Replay, Wanted};
use crate::control::range::Ask;
use crate::control::service::{
    Accepted, Answer, CommandError, FormatsView, Health, JourneyView, RejectView, Service, StatisticsError,
    Unavailable,
};
use crate::control::statistics::Report;
use crate::control::story::StoryView;
use crate::control::unsaved::Unsaved;
use crate::engine::hold::Preview;
use crate::journal::{Append, Log};
use crate::metrics::Hub;
use crate::model::hash::shard_of;
use crate::model::input::Selection;

#[derive(Debug)]
enum State<L> {
    On(Arc<Running<L>>),
    /// Why, and the journeys as they were shown last.
    Off(String, Vec<JourneyView>),
}

/// The running process, or why there is none.
#[derive(Debug)]
pub struct Stage<L> {
    state: Mutex<State<L>>,
    hub: Hub,
    shards: u16,
    /// Why no more is read from the standard input.
    input: Mutex<Option<String>>,
    over: AtomicBool,
}

/// What is behind these locks is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<L: Log> Stage<L> {
    /// With these threads on it, whose counts are in `hub`.
    #[must_use]
    pub fn new(running: Arc<Running<L>>, hub: Hub) -> Self {
        let shards = running.shards() as u16;
        let state = Mutex::new(State::On(running));
        Self { state, hub, shards, input: Mutex::default(), over: AtomicBool::new(false) }
    }

    /// Others have been started, over the same journal.
    pub fn raise(&self, running: Arc<Running<L>>) {
        *lock(&self.state) = State::On(running);
    }

    /// The threads are about to end, for this reason.
    pub fn lower(&self, why: String) {
        let journeys = self.journeys();
        *lock(&self.state) = State::Off(why, journeys);
    }

    /// The process is about to end.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What is running now. To be kept for one question only: the journal is closed when nobody has it.
    fn running(&self) -> Result<Arc<Running<L>>, Unavailable> {
        match &*lock(&self.state) {
            State::On(running) => Ok(Arc::clone(running)),
            State::Off(why, _) => Err(Unavailable(why.clone())),
        }
    }

    /// The shard of a user. Only a journal of this machine is ever without threads, and there it is the hash's.
    fn shard_of(&self, user: &str) -> u16 {
        self.running().map_or_else(|_| shard_of(user, self.shards), |running| running.shard_of(user))
    }

    fn append(&self, records: &[Append<'_>]) -> Result<(), Unavailable> {
        self.running()?.append(records).map(drop)
    }
}

impl<L: Log> Stage<L> {
    /// Appends an input's lines to the accepted log until its end. The thread ends with the process: nobody
    /// can wake somebody who waits for a terminal.
    ///
    /// # Errors
    /// If there is no thread.
    pub fn read(self: &Arc<Self>, input: impl Read + Send + 'static) -> std::io::Result<()> {
        let stage = Arc::clone(self);
        let read = move || {
            let ended =
                read_input(input, |user| stage.shard_of(user), &stage.over, |lines| stage.append(lines));
            match ended {
                Ok(()) => tracing::info!("the standard input has ended"),
                Err(error) => {
                    tracing::error!(%error, "no more events are read from the standard input");
                    *lock(&stage.input) = Some(format!("the standard input: {error}"));
                }
            }
        };
        std::thread::Builder::new().name("stdin".to_owned()).spawn(read).map(drop)
    }
}

impl<L: Log> Service for Stage<L> {
    fn accept(&self, records: Vec<Accepted>) -> Result<(), Unavailable> {
        self.running()?.accept(records)
    }

    fn command(&self, record: Record, wait: Duration) -> Result<Answer, CommandError> {
        self.running()?.command(record, wait)
    }

    fn upload(
        &self,
        record: Record,
        rows: Vec<(String, Vec<u8>)>,
        wait: Duration,
    ) -> Result<Answer, CommandError> {
        self.running()?.upload(record, rows, wait)
    }

    fn journeys(&self) -> Vec<JourneyView> {
        let running = match &*lock(&self.state) {
            State::On(running) => Arc::clone(running),
            State::Off(_, journeys) => return journeys.clone(),
        };
        running.journeys()
    }

    fn formats(&self) -> Result<FormatsView, Unavailable> {
        self.running()?.formats()
    }

    fn unsaved(&self, journey: &str, actor: &str) -> Option<Unsaved> {
        self.running().ok()?.unsaved(journey, actor)
    }

    fn preview(&self, journey: &str, selection: &Selection) -> Result<Option<Preview>, Unavailable> {
        self.running()?.preview(journey, selection)
    }

    fn statistics(&self, journey: &str, ask: &Ask) -> Result<Report, StatisticsError> {
        self.running()?.statistics(journey, ask)
    }

    fn explain(&self, user: &str, journey: Option<&str>) -> Result<StoryView, Unavailable> {
        self.running()?.explain(user, journey)
    }

    fn rejects(&self, from: u64, max: usize) -> Result<Vec<RejectView>, Unavailable> {
        self.running()?.rejects(from, max)
    }

    fn replay(&self, wanted: &Wanted) -> Result<Replay, Unavailable> {
        self.running()?.replay(wanted)
    }

    fn health(&self) -> Health {
        let health = match self.running() {
            Ok(running) => running.health(),
            Err(Unavailable(why)) => Health { ready: false, why: Some(why) },
        };
        match lock(&self.input).clone() {
            Some(why) if health.ready => Health { ready: false, why: Some(why) },
            _ => health,
        }
    }

    fn metrics(&self) -> String {
        self.hub.render()
    }
}
