//! One deployment of the binary: its topics, its group, and what a bystander with a Kafka client sees of it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wayfarer::cli::exit;
use wayfarer::journal::kafka::client::{Consumer, Edge, Isolation, Messages, Partition};
use wayfarer::worker::formats;
use wayfarer_load::topics::OWN;

use super::instance::Instance;
use crate::admin::Admin;
use crate::scene::{Scene, poll, until};

/// Partitions of each topic: the shards.
pub const SHARDS: u16 = 8;
/// What its instances log; lines at `info` say where they listen.
const LEVEL: &str = "info";

/// Topics and a group that nobody else has. On a broker that is shared the topics go with it.
pub struct Deployment {
    pub scene: Scene,
    prefix: String,
    group: String,
    workers: u32,
    /// What differs from the settings of every deployment, by key.
    own: Vec<(String, String)>,
    root: tempfile::TempDir,
    lives: AtomicU32,
    watcher: Mutex<Consumer>,
    /// Whether its instances keep checkpoints, each in a directory of its own.
    keeps: bool,
    /// The instances that are of the program before.
    old: Mutex<BTreeSet<String>>,
}

/// A record of a topic.
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

/// How far a topic reaches, by partition.
pub type Ends = Vec<i64>;

impl Deployment {
    /// On the broker that all tests share.
    pub fn new(workers: u32) -> Self {
        Self::on(Scene::shared(), workers, &[])
    }

    /// The same on any broker, with settings of its own.
    pub fn on(scene: Scene, workers: u32, own: &[(&str, &str)]) -> Self {
        let group = scene.name("instances");
        let watcher = Consumer::reader(&scene.settings(), &group, Isolation::Uncommitted).expect("a reader");
        let root = tempfile::tempdir().expect("a directory");
        let prefix = format!("{group}-");
        let new = Self {
            scene,
            prefix,
            group,
            workers,
            own: own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            root,
            lives: AtomicU32::new(0),
            watcher: Mutex::new(watcher),
            keeps: false,
            old: Mutex::default(),
        };
        new.apply();
        new
    }

    /// The same with checkpoints, or without.
    pub fn with_checkpoints(mut self, keeps: bool) -> Self {
        self.keeps = keeps;
        self
    }

    /// From its next start on an instance is of the program before, which reads the first format only; or of this one.
    pub fn take_for_old(&self, instance: &str, is_old: bool) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = if is_old { old.insert(instance.to_owned()) } else { old.remove(instance) };
    }

    /// The binary with the settings of an instance.
    pub fn command(&self, instance: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        for (key, value) in [
            ("JOURNAL__KIND", "kafka"),
            ("ENGINE__SHARDS", &SHARDS.to_string()),
            ("ENGINE__WORKERS", &self.workers.to_string()),
            ("KAFKA__BROKERS", self.scene.servers()),
            ("KAFKA__GROUP", &self.group),
            ("KAFKA__INSTANCE", instance),
            ("TOPICS__PREFIX", &self.prefix),
            ("TOPICS__REPLICATION", "1"),
            ("TOPICS__MIN_INSYNC", "1"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("LOG__LEVEL", LEVEL),
        ] {
            command.env(format!("WAYFARER_{key}"), value);
        }
        // Values may name the deployment's topics.
        let value = |value: &String| value.replace("{prefix}", &self.prefix);
        command.envs(self.own.iter().map(|(key, it)| (format!("WAYFARER_{key}"), value(it))));
        if self.old.lock().unwrap_or_else(PoisonError::into_inner).contains(instance) {
            command.env(formats::VARIABLE, "1");
        }
        if self.keeps {
            command
                .env("WAYFARER_KAFKA__CHECKPOINTS", self.root.path().join(format!("{instance}-checkpoints")));
            command.env("WAYFARER_KAFKA__CHECKPOINT_INTERVAL", "1s");
        }
        command
    }

    /// Goes on with these settings, in place of those it has differed by, and with the topics that they need.
    pub fn change(&mut self, own: &[(&str, &str)]) {
        self.own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.apply();
    }

    fn apply(&self) {
        let mut command = self.command("nobody");
        // A broker that several tests ask for a hundred partitions at once takes its time.
        command.env("WAYFARER_KAFKA__REQUEST_TIMEOUT", "60s");
        let applied = command.args(["topics", "apply"]).output().expect("the binary runs");
        let said = [applied.stdout, applied.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(applied.status.code(), Some(i32::from(exit::OK)), "{said}");
    }

    /// Starts an instance; what it says goes into a file of this life.
    pub fn start(&self, name: &str) -> Instance {
        self.start_with(name, &[])
    }

    /// The same with variables of its own.
    pub fn start_with(&self, name: &str, variables: &[(&str, &str)]) -> Instance {
        let log = self.log(name);
        let file = File::create(&log).expect("it is made");
        let mut command = self.command(name);
        command.envs(variables.iter().copied());
        command.arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Instance::spawn(name, command, log)
    }

    fn log(&self, name: &str) -> PathBuf {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        self.root.path().join(format!("{life}-{name}.log"))
    }

    /// How often any life has said that.
    pub fn times_said(&self, what: &str) -> usize {
        let files = fs::read_dir(self.root.path()).expect("it is there").flatten();
        let logs = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        logs.map(|log| log.matches(what).count()).sum()
    }

    /// The last words of every life, for who has to find out what went wrong.
    pub fn said(&self) -> String {
        let files = fs::read_dir(self.root.path()).expect("it is there").flatten();
        let mut logs: Vec<PathBuf> = files.map(|file| file.path()).collect();
        logs.sort();
        let tail = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            // Connections that fail are many, and say nothing that the test does not know.
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("Disconnected")).collect();
            let lines: Vec<&str> = lines.into_iter().filter(|line| !line.contains("Connect to")).collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("--- {}\n{last}\n", path.display())
        };
        logs.iter().map(tail).collect()
    }

    /// The group of its instances.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name of a topic.
    pub fn topic(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn watcher(&self) -> MutexGuard<'_, Consumer> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn partitions(&self, key: &str) -> Vec<Partition> {
        let topic = self.topic(key);
        (0..i32::from(SHARDS)).map(|number| Partition::new(topic.as_str(), number)).collect()
    }

    /// Where a topic ends now, what is not committed included.
    pub fn ends(&self, key: &str) -> Ends {
        self.ends_of(key, Isolation::Uncommitted)
    }

    /// Up to where everything in a topic is decided.
    pub fn decided(&self, key: &str) -> Ends {
        self.ends_of(key, Isolation::Committed)
    }

    fn ends_of(&self, key: &str, isolation: Isolation) -> Ends {
        let partitions = self.partitions(key);
        until("the broker says where a topic ends", || {
            let (edge, limit) = (Edge::Latest, Duration::from_secs(10));
            self.watcher().offsets(&partitions, edge, isolation, limit).ok()
        })
    }

    /// How the marks of the shards begin: with the format in which each was written last.
    pub fn marks(&self) -> BTreeSet<String> {
        let partitions = self.partitions("events");
        let committed = until("the broker says what is committed", || {
            self.watcher().committed(&partitions, Duration::from_secs(5)).ok()
        });
        let texts =
            committed.into_iter().flatten().map(|it| String::from_utf8_lossy(&it.metadata).into_owned());
        texts.map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// What the group has committed: up to where the events are decided, and by whom.
    pub fn committed(&self) -> Vec<(i64, String)> {
        let partitions = self.partitions("events");
        let committed = until("the broker says what is committed", || {
            self.watcher().committed(&partitions, Duration::from_secs(5)).ok()
        });
        let read = |committed: Option<wayfarer::journal::kafka::client::Committed>| {
            let Some(committed) = committed else { return (0, String::new()) };
            // The form of it: format, sequence number, epoch, transactional id.
            let text = String::from_utf8(committed.metadata).expect("it is text");
            let id = text.splitn(4, ' ').nth(3).unwrap_or_default();
            let instance = id.strip_prefix(&*self.group).and_then(|id| id.rsplit_once('-'));
            (committed.offset, instance.map_or("", |(name, _)| name.trim_start_matches('-')).to_owned())
        };
        committed.into_iter().map(read).collect()
    }

    /// The instances that committed last, by shard.
    pub fn owners(&self) -> Vec<String> {
        self.committed().into_iter().map(|(_, owner)| owner).collect()
    }

    /// Everything that is committed in a topic.
    pub fn read(&self, key: &str) -> Vec<Seen> {
        let (partitions, ends) = (self.partitions(key), self.ends(key));
        let reader = self.scene.reader(Isolation::Committed);
        let from: Vec<(Partition, i64)> = partitions.iter().map(|partition| (partition.clone(), 0)).collect();
        reader.assign(&from).expect("it is not assigned yet");
        let (mut seen, mut batch) = (Vec::new(), Messages::new());
        until(&format!("{key} is read"), || {
            poll(&reader, &mut batch);
            seen.extend(batch.iter().map(|it| Seen {
                partition: it.partition(),
                offset: it.offset(),
                key: it.key().map(<[u8]>::to_vec),
                value: it.value().unwrap_or_default().to_vec(),
            }));
            let at = reader.positions(&partitions).expect("they are assigned");
            at.iter().zip(&ends).all(|(at, end)| at.unwrap_or(0) >= *end).then_some(())
        });
        seen
    }
}

/// What one test after the other leaves on the broker that they share makes it slower for the next.
impl Drop for Deployment {
    fn drop(&mut self) {
        if self.scene.is_shared() {
            let keys = std::iter::once(&"events").chain(&OWN);
            let topics: Vec<String> = keys.map(|key| self.topic(key)).collect();
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            Admin::of(self.scene.servers()).forget(&names);
        }
    }
}
