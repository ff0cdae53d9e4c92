//! Wayfarer as an entrant: the released program, a journey file like any other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Error, Result, cannot};
use crate::process::Measured;
use crate::run::system::{commits, free_port};
use crate::topics::{OWN, Topics};

/// One life of it: topics of its own beside the events.
pub struct Ours {
    program: PathBuf,
    config: PathBuf,
    journeys: PathBuf,
    /// What its topics' names begin with; its group's too.
    pub prefix: String,
    listen: String,
}

/// What is to be known of it.
pub struct Place<'a> {
    /// The released program.
    pub program: &'a Path,
    /// A directory for its configuration.
    pub directory: &'a Path,
    /// The directory of the journey.
    pub journeys: &'a Path,
    /// The brokers.
    pub brokers: &'a str,
    /// The topic of events.
    pub events: &'a str,
    /// How many threads.
    pub threads: u16,
    /// Whether it writes its lines of movements and refusals.
    pub movements: bool,
}

/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(60);
/// Until when its counts must be shown that it has committed: twenty times its `metrics.publish_interval`.
const SHOWN: Duration = Duration::from_secs(5);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Ours {
    /// Makes its topics, and has the journey published: before the first event, since nobody enters by an event that
    /// happened before.
    ///
    /// # Errors
    /// It does not start, or does not publish.
    pub fn prepare(place: &Place<'_>, prefix: &str) -> Result<Self> {
        let port = free_port()?;
        let config = place.directory.join(format!("{prefix}toml"));
        let Place { brokers, events, threads, movements, .. } = place;
        let group = prefix.trim_end_matches('.');
        let text = format!(
            "[journal]\nkind = \"kafka\"\nmovements = {movements}\n[engine]\nworkers = {threads}\n\
             [kafka]\nbrokers = [\"{brokers}\"]\ngroup = \"{group}\"\ninstance = \"one\"\n\
             [topics]\nprefix = \"{prefix}\"\nevents = [\"{events}\"]\n\
             replication = 1\nmin_insync = 1\n[http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(&config, text).map_err(cannot(format!("write {}", config.display())))?;
        let ours = Self {
            program: place.program.to_owned(),
            config,
            journeys: place.journeys.to_owned(),
            prefix: prefix.to_owned(),
            listen: format!("http://127.0.0.1:{port}"),
        };
        ours.call(&["topics", "apply"])?;
        let mut process = ours.start()?;
        ours.wait_published(&mut process)?;
        process.end()?;
        Ok(ours)
    }

    fn call(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--config").arg(&self.config);
        let done = command.output().map_err(cannot(format!("start {}", self.program.display())))?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(Error(format!("wayfarer {} failed: {}", arguments.join(" "), said.trim())))
    }

    /// Starts it.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(&self) -> Result<Measured> {
        let mut command = Command::new(&self.program);
        command.args(["run", "--config"]).arg(&self.config).arg("--journeys").arg(&self.journeys);
        // The report says what the file says.
        command.env_remove("WAYFARER_JOURNAL__MOVEMENTS");
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Measured::new(child.map_err(cannot(format!("start {}", self.program.display())))?))
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let answer = ureq::get(format!("{}{path}", self.listen)).call();
        answer.ok()?.body_mut().read_json().ok()
    }

    fn wait_published(&self, process: &mut Measured) -> Result<()> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            process.is_alive()?;
            let ready = ureq::get(format!("{}/readyz", self.listen)).call().is_ok();
            let shown = self.ask("/v1/journeys/cart-abandonment");
            if ready && shown.is_some_and(|shown| shown["gates"]["entry"] == "open") {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(Error(format!("wayfarer was not ready within {} s", READY.as_secs())))
    }

    /// How many users wait in the journey, once that is `expected`; or still, when it should long be shown.
    #[must_use]
    pub fn waiting(&self, expected: u64) -> u64 {
        // What is shown is a moment older than what is committed.
        let until = Instant::now() + SHOWN;
        loop {
            let shown = self.ask("/v1/journeys/cart-abandonment").unwrap_or_default();
            let versions = shown["versions"].as_array().into_iter().flatten();
            let waiting = versions.filter_map(|version| version["waiting"].as_u64()).sum();
            if waiting == expected || Instant::now() >= until {
                return waiting;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// How often it has committed.
    ///
    /// # Errors
    /// It does not say.
    pub fn commits(&self) -> Result<u64> {
        commits(&self.listen)
    }

    /// Deletes its topics.
    pub fn forget(&self, topics: &Topics) {
        topics.delete(&OWN.map(|name| format!("{}{name}", self.prefix)));
    }
}
