//! The bare Kafka loop of the race as somebody who can have the load of a phase: its own topics of the same shape, its own
//! process, the same rate. It writes what Wayfarer has been seen to write, and sends at once where a journey does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::side::{Deployed, Side};
use crate::error::{Error, Result, cannot};
use crate::process::{self, Measured};
use crate::race::bare::{Sends, Shape};
use crate::race::weigh::{Written, size};
use crate::topics::Topics;

/// The loop's place in a run.
pub struct Bare {
    /// What the names of its topics begin with.
    prefix: String,
    brokers: String,
    /// What it is told.
    shape: PathBuf,
    /// What it says to the standard error.
    log: PathBuf,
    process: Mutex<Option<Measured>>,
}

/// The keys of its topics.
const OWN: [&str; 3] = ["events", "sends", "state"];

impl Bare {
    /// Makes its topics, whose names begin so.
    ///
    /// # Errors
    /// The brokers refuse them.
    pub fn prepare(
        topics: &Topics,
        (brokers, prefix): (&str, &str),
        partitions: u16,
        (directory, log): (&Path, PathBuf),
    ) -> Result<Self> {
        let shape = directory.join("bare.json");
        let (prefix, brokers) = (prefix.to_owned(), brokers.to_owned());
        let bare = Self { prefix, brokers, shape, log, process: Mutex::new(None) };
        for key in OWN {
            topics.make(&bare.topic(key), partitions, key == "state")?;
        }
        Ok(bare)
    }

    /// Whether it was started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.process().is_some()
    }

    /// Starts it: it is to write what a deployment has written by now, for each event that this one has taken.
    ///
    /// # Errors
    /// The brokers do not answer, nothing was written yet, or no journey sends at once.
    pub fn start(&self, topics: &Topics, like: &Deployed<'_>, events: u64) -> Result<()> {
        let (system, asked) = (&like.system, like.asked.system);
        let by: Vec<String> = like.journeys.iter().filter_map(|journey| journey.at_once.clone()).collect();
        if by.is_empty() {
            return Err(Error(
                "no journey sends at once to everybody who causes an event, with variables.scheduled, as \
                 journeys/thanks.toml does: the bare loop would have nothing to send"
                    .to_owned(),
            ));
        }
        let written = Written::read(topics, system.prefix(), asked.partitions)?;
        let commits = system.commits()?;
        if written.parts == 0 || written.sends.records == 0 {
            return Err(Error("Wayfarer has sent nothing yet that the bare loop could be like".to_owned()));
        }
        let like = Shape {
            brokers: self.brokers.clone(),
            events: self.topic("events"),
            state: self.topic("state"),
            group: self.group().to_owned(),
            threads: asked.workers.saturating_mul(asked.instances),
            batch: 0,
            records: 0.0,
            value: 0,
            lines: 0.0,
            line: 0,
            others: 0.0,
            other: 0,
            sends: Some(Sends { topic: self.topic("sends"), events: by, size: size(written.sends) }),
        };
        let shape = written.shape(events, commits, &like);
        let text = serde_json::to_vec(&shape).expect("numbers and names are JSON");
        std::fs::write(&self.shape, text).map_err(cannot(format!("write {}", self.shape.display())))?;
        let said = File::create(&self.log).map_err(cannot(format!("write {}", self.log.display())))?;
        let program = std::env::current_exe().map_err(cannot("find this program"))?;
        let mut command = Command::new(program);
        command.args(["bare", "--shape"]).arg(&self.shape);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        *self.process() = Some(Measured::new(child.map_err(cannot("start this program as the bare loop"))?));
        Ok(())
    }

    /// Ends it.
    pub fn end(&self) {
        // One that has to be killed has said everything that is measured.
        let _ = self.process().take().map(Measured::end);
    }

    /// Deletes its topics.
    pub fn forget(&self, topics: &Topics) {
        topics.delete(&OWN.map(|key| self.topic(key)));
    }

    fn process(&self) -> MutexGuard<'_, Option<Measured>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Side for Bare {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn used(&self) -> (Duration, u64) {
        let id = self.process().as_ref().map(Measured::id);
        id.map_or((Duration::ZERO, 0), |id| {
            (process::cpu_time(id).unwrap_or_default(), process::resident(id))
        })
    }

    fn is_alive(&self) -> Result<()> {
        let alive = self.process().as_mut().map_or(Ok(()), Measured::is_alive);
        alive.map_err(|error| Error(format!("the bare loop: {error}; {} says why", self.log.display())))
    }
}
