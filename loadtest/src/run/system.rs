//! The system under load: topics of its own, instances of the released program, journeys, the operator's API.

use std::fmt::Write;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;
use wayfarer::metrics::names;
use wayfarer::metrics::read::Scrape;

use super::acts::UNWATCHED;
use super::list::{ROW, Rows};
use super::side::Side;
use crate::error::{Error, Result, cannot};
use crate::process::{self, Measured};
use crate::scenario::{Published, System as Asked};
use crate::topics::{OWN, Topics};

/// How long it may take to be ready, with all journeys live.
const READY: Duration = Duration::from_secs(120);
/// How long it may take until all are ready again after an end; ten million users are read back meanwhile.
const READY_AGAIN: Duration = Duration::from_secs(600);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long an operator's verb may take to be answered.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a list may take to arrive.
const UPLOAD: Duration = Duration::from_secs(1_800);

/// What is to be known of a deployment.
pub struct Place<'a> {
    /// The released program.
    pub program: &'a Path,
    /// A directory for configurations and journeys.
    pub directory: &'a Path,
    /// What the names of the instances' own files begin with: `instance-N.hlog` for histograms, `instance-N.log`.
    pub logs: &'a Path,
    /// The brokers.
    pub brokers: &'a str,
    /// What the names of its topics begin with.
    pub prefix: &'a str,
    /// The rows of the longest list that will be uploaded.
    pub rows: u64,
}

/// A deployment.
pub struct System {
    program: PathBuf,
    journeys: PathBuf,
    prefix: String,
    agent: Agent,
    instances: Vec<Instance>,
}

struct Instance {
    config: PathBuf,
    /// What it says to the standard error.
    log: PathBuf,
    url: String,
    /// None while it is being started again.
    process: Mutex<Option<Measured>>,
}

/// What the operator was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// 200 if every shard had taken it, 202 if some had not.
    pub status: u16,
    /// The server's sentence, if it refused or did not finish.
    pub message: String,
}

/// A port that nobody listens at now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(cannot("find a free port"))
}

/// That there is a program at that path.
///
/// # Errors
/// There is none, or it does not say its version.
pub fn version(program: &Path) -> Result<String> {
    let said = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let said = said.map_err(|error| {
        Error(format!(
            "cannot start {}: {error}; `cargo build --release` makes it, `--program PATH` names another one",
            program.display()
        ))
    })?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if said.status.success() && text.starts_with("wayfarer") {
        return Ok(text);
    }
    Err(Error(format!("{} is no wayfarer: it says {text:?} to --version", program.display())))
}

impl System {
    /// Makes the topics and starts the instances; returns when every journey is live.
    ///
    /// # Errors
    /// The program refuses something; its sentence is told.
    pub fn start(place: &Place<'_>, asked: &Asked, journeys: &[Published]) -> Result<Self> {
        let directory = place.directory.join("journeys");
        std::fs::create_dir_all(&directory).map_err(cannot(format!("make {}", directory.display())))?;
        for journey in journeys {
            let path = directory.join(format!("{}.toml", journey.id));
            std::fs::write(&path, &journey.text).map_err(cannot(format!("write {}", path.display())))?;
        }
        let config =
            Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(ANSWER));
        let instance = |number| Instance::configured(place, asked, number);
        let system = Self {
            program: place.program.to_owned(),
            journeys: directory,
            prefix: place.prefix.to_owned(),
            agent: config.build().new_agent(),
            instances: (0..asked.instances).map(instance).collect::<Result<_>>()?,
        };
        let mut apply = Command::new(&system.program);
        apply.args(["topics", "apply", "--config"]).arg(&system.instances[0].config);
        let applied = apply.stdin(Stdio::null()).output().map_err(cannot("start `wayfarer topics apply`"))?;
        if !applied.status.success() {
            let said = String::from_utf8_lossy(&applied.stderr).trim().to_owned();
            return Err(Error(format!("`wayfarer topics apply` failed: {said}")));
        }
        for instance in &system.instances {
            system.launch(instance)?;
        }
        system.wait_live(journeys.iter().filter(|journey| !journey.by_list).count())?;
        Ok(system)
    }

    fn launch(&self, instance: &Instance) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["run", "--config"]).arg(&instance.config).arg("--journeys").arg(&self.journeys);
        let said = File::options().create(true).append(true).open(&instance.log);
        let said = said.map_err(cannot(format!("write {}", instance.log.display())))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        let child = child.map_err(cannot(format!("start {}", self.program.display())))?;
        *locked(&instance.process) = Some(Measured::new(child));
        Ok(())
    }

    /// Waits until all instances are ready, and that many journeys have a version that is live.
    fn wait_live(&self, journeys: usize) -> Result<()> {
        let (mut moved, mut most) = (Instant::now(), 0);
        // A thousand journeys take their time: only standing still for long is in vain.
        while moved.elapsed() < READY {
            for instance in &self.instances {
                let alive = locked(&instance.process).as_mut().map_or(Ok(()), Measured::is_alive);
                let log = instance.log.display();
                alive.map_err(|error| {
                    Error(format!("an instance did not get ready: {error}; {log} says why"))
                })?;
            }
            let live = self.live();
            if live >= journeys && self.is_ready() {
                return Ok(());
            }
            if live > most {
                (moved, most) = (Instant::now(), live);
            }
            std::thread::sleep(LOOK_EVERY * 4);
        }
        Err(Error(format!("for {} s no journey became live beyond {most} of {journeys}", READY.as_secs())))
    }

    /// Whether all instances are ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ready = |instance: &Instance| {
            let asked = self.agent.get(format!("{}/readyz", instance.url)).call();
            asked.is_ok_and(|answer| answer.status() == 200)
        };
        self.instances.iter().all(ready)
    }

    fn live(&self) -> usize {
        let shown = self.ask("/v1/journeys").unwrap_or_default();
        let journeys = shown["journeys"].as_array().into_iter().flatten();
        journeys.filter(|journey| journey["gates"]["entry"] == "open").count()
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let answer = self.agent.get(format!("{}{path}", self.url())).call();
        answer.ok()?.body_mut().read_json().ok()
    }

    /// Where the first instance listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.instances[0].url
    }

    /// What the names of its topics begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How often all instances together have committed.
    ///
    /// # Errors
    /// One does not say.
    pub fn commits(&self) -> Result<u64> {
        self.instances.iter().map(|instance| commits(&instance.url)).sum()
    }

    /// The counts of a journey as they are shown now, all versions together: entered, waiting, held, draining.
    #[must_use]
    pub fn counts(&self, journey: &str) -> Option<[u64; 4]> {
        let shown = self.ask(&format!("/v1/journeys/{journey}"))?;
        let versions = shown["versions"].as_array()?;
        let sum = |key: &str| versions.iter().filter_map(|version| version[key].as_u64()).sum();
        Some(["entered", "waiting", "held", "draining"].map(sum))
    }

    /// Gives a verb, and waits for the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn give(&self, journey: &str, verb: &str) -> Result<Answered> {
        let url = format!("{}/v1/journeys/{journey}/{verb}", self.url());
        let body = if verb == "resume" { json!({ "selection": "all" }) } else { json!({}) };
        let asked = self.agent.post(&url).header("x-wayfarer-actor", "load").send_json(body);
        let answer = asked.map_err(|error| Error(format!("{verb} {journey}: no answer: {error}")))?;
        Ok(Answered::read(answer))
    }

    /// Uploads an audience list of so many users, and waits for the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn upload(&self, journey: &str, rows: u64) -> Result<Answered> {
        let url = format!("{}/v1/journeys/{journey}/list", self.url());
        let request = self.agent.put(&url).header("x-wayfarer-actor", "load").content_type("text/csv");
        let request = request.config().timeout_global(Some(UPLOAD)).build();
        let mut table = Rows::new(rows);
        let asked = request.send(ureq::SendBody::from_reader(&mut table));
        let answer = asked.map_err(|error| Error(format!("a list for {journey}: no answer: {error}")))?;
        Ok(Answered::read(answer))
    }

    /// Ends an instance (kills it, if it is not asked to end) and starts it again; how long until all are ready.
    ///
    /// # Errors
    /// It does not end, does not start, or the run is to stop.
    pub fn restart(&self, number: u16, asked: bool, stop: &AtomicBool) -> Result<Duration> {
        let (instance, began) = (&self.instances[usize::from(number)], Instant::now());
        let process = locked(&instance.process).take();
        match process {
            Some(process) if asked => drop(process.end()?),
            // A process that is dropped is killed.
            process => drop(process),
        }
        self.launch(instance)?;
        while !self.is_ready() {
            if stop.load(Ordering::Relaxed) {
                return Err(Error(UNWATCHED.to_owned()));
            }
            if began.elapsed() > READY_AGAIN {
                return Err(Error(format!(
                    "instance {number} is not ready {} s after its end",
                    READY_AGAIN.as_secs()
                )));
            }
            locked(&instance.process).as_mut().map_or(Ok(()), Measured::is_alive)?;
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(began.elapsed())
    }

    /// Ends all instances.
    pub fn end(&self) {
        for instance in &self.instances {
            let process = locked(&instance.process).take();
            // One that has to be killed has said everything that is measured.
            let _ = process.map(Measured::end);
        }
    }

    /// Deletes its topics.
    pub fn forget(&self, topics: &Topics) {
        topics.delete(&OWN.map(|key| self.topic(key)));
        topics.delete(&[self.topic("events")]);
    }
}

impl Side for System {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn used(&self) -> (Duration, u64) {
        let ids = self.instances.iter().filter_map(|one| Some(locked(&one.process).as_ref()?.id()));
        ids.fold((Duration::ZERO, 0), |(cpu, memory), id| {
            // One that has just ended has had nothing since.
            (cpu + process::cpu_time(id).unwrap_or_default(), memory + process::resident(id))
        })
    }

    fn is_alive(&self) -> Result<()> {
        for (number, instance) in self.instances.iter().enumerate() {
            let alive = locked(&instance.process).as_mut().map_or(Ok(()), Measured::is_alive);
            alive.map_err(|error| Error(format!("instance {number}: {error}")))?;
        }
        Ok(())
    }
}

impl Answered {
    fn read(mut answer: ureq::http::Response<ureq::Body>) -> Self {
        let status = answer.status().as_u16();
        let value: Value = answer.body_mut().read_json().unwrap_or_default();
        let said = value["error"]["message"].as_str().or(value["message"].as_str());
        Self { status, message: said.unwrap_or_default().to_owned() }
    }
}

/// How often an instance has committed.
///
/// # Errors
/// It does not say.
pub fn commits(url: &str) -> Result<u64> {
    let text = ureq::get(format!("{url}/metrics")).call().ok();
    let text = text.and_then(|mut answer| answer.body_mut().read_to_string().ok()).unwrap_or_default();
    let commits = Scrape::parse(&text).ok().and_then(|scrape| scrape.sum(&names::COMMITS));
    commits
        .map(|commits| commits as u64)
        .filter(|commits| *commits > 0)
        .ok_or_else(|| Error("wayfarer does not say how often it has committed".to_owned()))
}

impl Instance {
    fn configured(place: &Place<'_>, asked: &Asked, number: u16) -> Result<Self> {
        let port = free_port()?;
        let path = place.directory.join(format!("instance-{number}.toml"));
        let log = format!("{}instance-{number}.hlog", place.logs.display());
        let Place { brokers, prefix, .. } = place;
        let brokers: Vec<&str> = brokers.split(',').collect();
        let set =
            |section: &str, key: &str, value: toml::Value| ((section.to_owned(), key.to_owned()), value);
        let text = |text: &str| toml::Value::String(text.to_owned());
        let mut settings = vec![
            set("journal", "kind", text("kafka")),
            set("engine", "workers", i64::from(asked.workers).into()),
            set("engine", "shards", i64::from(asked.partitions).into()),
            set("kafka", "brokers", brokers.into()),
            set("kafka", "group", text(prefix.trim_end_matches('.'))),
            set("kafka", "instance", text(&format!("instance-{number}"))),
            set("topics", "prefix", text(prefix)),
            set("topics", "replication", 1.into()),
            set("topics", "min_insync", 1.into()),
            set("http", "listen", text(&format!("127.0.0.1:{port}"))),
            set("metrics", "histogram_log", text(&log)),
            set("metrics", "histogram_interval", text("1s")),
            set("log", "level", text("warn")),
        ];
        if place.rows > 0 {
            // Twice what the rows have, and at least what holds unless it is said otherwise.
            let mib = (place.rows * ROW * 2).div_ceil(1 << 20).max(256);
            settings.push(set("http", "list_max", text(&format!("{mib}MiB"))));
        }
        settings.extend(asked.settings.iter().filter_map(|(name, value)| {
            let (section, key) = name.split_once('.')?;
            Some(set(section, key, value.clone()))
        }));
        let mut table = toml::Table::new();
        for ((section, key), value) in settings {
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(section) = section {
                section.insert(key, value);
            }
        }
        let mut file = String::new();
        write!(file, "{table}").expect("a text takes everything");
        std::fs::write(&path, file).map_err(cannot(format!("write {}", path.display())))?;
        let said = PathBuf::from(format!("{}instance-{number}.log", place.logs.display()));
        Ok(Self {
            config: path,
            log: said,
            url: format!("http://127.0.0.1:{port}"),
            process: Mutex::new(None),
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
