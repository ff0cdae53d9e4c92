//! How long an instance on Kafka takes from its start until it is ready, with all shards restored: from the changelog
//! alone, and from checkpoints and what came after them.
//!
//! `make bench ARGS=restore`. `WAYFARER_BENCH_USERS` says how many users wait (a million), `WAYFARER_BENCH_SHARDS` in
//! how many shards (16), `WAYFARER_BENCH_TAIL` how many of a thousand change behind the checkpoints (20). It needs
//! Java and Maven, and for ten million users some 8 GiB of memory and of disk. The program is the one that is
//! released, the broker is on the same machine. Told are the time, and the processor's time of the
//! program alone, which others on the machine disturb less.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use wayfarer::control::{Act, Command as Verbs, Record as ControlRecord};
use wayfarer::engine::{Body, Effects, Epoch, Input, Record, Setup, Shard, StateSink};
use wayfarer::ingest::decode::decode;
use wayfarer::journal::kafka::client::{Consumer, Isolation, Partition, Settings};
use wayfarer::journal::kafka::{Kafka, KafkaOptions, KafkaWorker, TopicNames};
use wayfarer::journal::{
    Append, Assignment, Batch, ControlLog, Intake, Journal, Kind, Log, ShardCommit, Transaction,
};
use wayfarer::journey::source::load;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::{Interval, Timestamp, hash};
use wayfarer::worker::desk::{Desk, Stored};
use wayfarer_broker::{Broker, Options};

/// Changes in one commit.
const COMMIT: usize = 20_000;
/// How the program calls a followed file: what is read of it moves no position of a topic.
const FILE: u8 = 128;
/// What anything here may take.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits for one of two events in turns.
const WAITS: &str = include_str!("common/waits.toml");

/// Everybody who comes waits for a month: nobody's wait ends while anything is measured.
fn journey() -> String {
    WAITS.replace("30m", "30d")
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

struct Sink<'a>(&'a mut ShardCommit);

impl StateSink for Sink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, value);
    }
    fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }
}

/// Shards that are filled by hand, and their worker, who commits them.
struct Filling {
    worker: KafkaWorker,
    _log: Kafka,
    shards: Vec<Shard>,
    effects: Effects,
    now: Timestamp,
    offset: u64,
    changed: usize,
}

impl Filling {
    fn new(options: KafkaOptions) -> Self {
        let count = options.shards;
        let log = Kafka::open(options).expect("the journal opens");
        let epochs = publish(&log, log.now());
        // Later than the brokers took the commands: before that the door is shut.
        let now = log.now() + Interval::from_secs(1);
        let mut worker = log.worker(Assignment::Shared(0)).expect("the group is joined");
        let mut batch = Batch::default();
        until("the shards are given", || {
            worker.poll(&mut batch, 1).expect("it polls");
            (worker.shards().len() == usize::from(count)).then_some(())
        });
        let mut shards: Vec<Shard> = (0..count).map(|n| Shard::new(Setup::of(n, count))).collect();
        let mut effects = Effects::default();
        for shard in &mut shards {
            for epoch in &epochs {
                let _ = shard.handle(now, Input::Epoch(epoch), &mut effects);
            }
        }
        Self { worker, _log: log, shards, effects, now, offset: 0, changed: 0 }
    }

    fn event(&mut self, user: u64, name: &str) {
        let (_, message) = message(user, name);
        let event = decode(message.as_bytes()).expect("it decodes");
        let shard = usize::from(hash::shard_of(&event.user, self.shards.len() as u16));
        self.offset += 1;
        let record = Record { source: FILE, offset: self.offset, timed: false, body: Body::Event(&event) };
        let _ = self.shards[shard].handle(self.now, Input::Record(record), &mut self.effects);
        self.changed += 1;
        if self.changed == COMMIT {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let mut tx = Transaction::new();
        tx.begin(self.now);
        for (number, shard) in (0..).zip(&mut self.shards) {
            shard.begin();
            let part = tx.shard(number, shard.seq() + 1);
            let committing = shard.commit(&mut Sink(part));
            part.meta = committing.meta;
            part.epoch = shard.epoch();
        }
        self.worker.commit(&tx).expect("it is ours");
        self.shards.iter_mut().for_each(Shard::committed);
        self.effects.clear();
        self.changed = 0;
    }
}

/// A user's id, and an event of the user.
fn message(user: u64, name: &str) -> (String, String) {
    let spread = user.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let id = format!("{spread:08x}-8b86-4011-b42d-{user:012x}");
    let properties = format!(r#"{{"cart_id":"c-{user}","value":{}}}"#, user % 90 + 10);
    let event = format!(r#"{{"type":"track","userId":"{id}","event":"{name}","properties":{properties}}}"#);
    (id, event)
}

/// Lets users move, by events that the running program decides, until it has committed them.
fn move_users(options: &KafkaOptions, users: u64, of: u64) {
    let log = Kafka::open(options.clone()).expect("the journal opens");
    let moved: Vec<(u16, String)> = (0..users)
        .map(|n| message(n * (of / users.max(1)), "Ping"))
        .map(|(id, event)| (log.shard_of(&id), event))
        .collect();
    for some in moved.chunks(COMMIT) {
        let appends: Vec<Append<'_>> = some
            .iter()
            .map(|(shard, event)| Append {
                shard: *shard,
                kind: Kind::Event,
                user: None,
                bytes: event.as_bytes(),
            })
            .collect();
        log.append(log.now(), &appends).expect("they are accepted");
    }
    let reader = Consumer::reader(&options.settings, &options.group, Isolation::Committed).expect("a reader");
    let partition = |n| Partition::new(Arc::clone(&options.topics.events), n);
    let partitions: Vec<Partition> = (0..i32::from(options.shards)).map(partition).collect();
    until("the users have moved", || {
        let committed = reader.committed(&partitions, PATIENCE).ok()?;
        let offsets = committed.into_iter().map(|it| it.map_or(0, |it| it.offset.max(0)));
        (offsets.sum::<i64>().unsigned_abs() >= users).then_some(())
    });
}

/// Puts the journey and publishes it.
fn publish(log: &Kafka, now: Timestamp) -> Vec<Epoch> {
    let definition = load("bench.toml", journey().as_bytes()).expect("it is right");
    let journey = definition.id.clone();
    let put = Verbs::Put { definition: Box::new(definition) };
    for (n, command) in [put, Verbs::Act(Act::from(Verb::Publish))].into_iter().enumerate() {
        let record = ControlRecord {
            id: n.to_string(),
            at: None,
            actor: "bench".to_owned(),
            role: Role::Operator,
            journey: journey.clone(),
            expect: None,
            command,
        };
        log.append_control(now, &Stored::from(record).encode()).expect("it is appended");
    }
    log.control_end().expect("it is read");
    let (mut desk, mut epochs) = (Desk::new(), Vec::new());
    desk.catch_up(log, &mut |_, answered| {
        epochs.extend(answered.expect("it is accepted").1.map(|step| step.epoch.clone()));
    })
    .expect("it folds");
    epochs
}

fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{PATIENCE:?} passed before {what}");
        sleep(LOOK_EVERY);
    }
}

/// The program, by its settings.
struct Program<'a> {
    brokers: String,
    shards: u16,
    place: &'a Path,
}

/// A program that runs; it is killed with this.
struct Life {
    child: Child,
    began: Instant,
}

impl Drop for Life {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        for (key, value) in [
            ("JOURNAL__KIND", "kafka"),
            ("ENGINE__SHARDS", &self.shards.to_string()),
            ("KAFKA__BROKERS", &self.brokers),
            ("KAFKA__GROUP", "bench"),
            ("KAFKA__INSTANCE", "one"),
            ("TOPICS__REPLICATION", "1"),
            ("TOPICS__MIN_INSYNC", "1"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
        ] {
            command.env(format!("WAYFARER_{key}"), value);
        }
        command
    }

    /// Starts it and waits until it is ready. With checkpoints it makes some as often as `every`.
    fn run(&self, checkpoints: Option<&str>) -> Life {
        let log = self.place.join("log");
        let mut command = self.command();
        if let Some(every) = checkpoints {
            command.env("WAYFARER_KAFKA__CHECKPOINTS", self.place.join("checkpoints"));
            command.env("WAYFARER_KAFKA__CHECKPOINT_INTERVAL", every);
        }
        let file = File::create(&log).expect("a file");
        command.arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let life = Life { child: command.spawn().expect("it runs"), began: Instant::now() };
        let address = until("it listens", || {
            let said = fs::read_to_string(&log).ok()?;
            let line = said.lines().find(|line| line.contains("listening"))?;
            Some(line.split_once("address=")?.1.trim().to_owned())
        });
        let ready = format!("http://{address}/readyz");
        until("it is ready", || ureq::get(&ready).call().ok().map(drop));
        life
    }

    fn measure(&self, what: &str, checkpoints: Option<&str>) {
        let life = self.run(checkpoints);
        let (took, cpu) = (life.began.elapsed(), processor_time(life.child.id()));
        println!("{what}: ready after {:.2} s, {:.2} s of processor", took.as_secs_f64(), cpu.as_secs_f64());
        let said = fs::read_to_string(self.place.join("log")).unwrap_or_default();
        said.lines().filter(|line| line.contains(" are restored")).for_each(|line| println!("    {line}"));
    }
}

/// What a process has had of the processors.
fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may have spaces: the 12th and 13th, in hundredths of a second.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !filters.iter().any(|filter| "restore".contains(filter.as_str())) {
        // It takes minutes and a broker: only who names it wants it.
        return;
    }
    let users = number("WAYFARER_BENCH_USERS", 1_000_000);
    let shards = number("WAYFARER_BENCH_SHARDS", 16) as u16;
    let tail = users * number("WAYFARER_BENCH_TAIL", 20) / 1_000;
    let place = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(&Options::default()).expect("a broker");
    let program = Program { brokers: broker.bootstrap(), shards, place: place.path() };
    let applied = program.command().args(["topics", "apply"]).stdout(Stdio::null()).status();
    assert!(applied.expect("it runs").success(), "the topics are made");
    let options = KafkaOptions {
        topics: TopicNames::with_prefix("wayfarer."),
        ..KafkaOptions::new(Settings::new(program.brokers.as_str()), shards, "bench", "one")
    };
    let began = Instant::now();
    let mut filling = Filling::new(options.clone());
    (0..users).for_each(|user| filling.event(user, "Cart Updated"));
    filling.commit();
    let inside: usize = filling.shards.iter().map(|shard| shard.size().1).sum();
    assert_eq!(inside as u64, users, "all of them wait");
    println!("{users} users wait in {shards} shards, after {:.1} s", began.elapsed().as_secs_f64());
    // They are given up at once: what is measured is not to share the memory with them.
    let Filling { worker, _log: log, shards: filled, .. } = filling;
    drop((worker, log, filled));
    for _ in 0..2 {
        program.measure("from the changelog", None);
    }
    let life = program.run(Some("1s"));
    let files = place.path().join("checkpoints");
    let since = SystemTime::now();
    until("every shard has a checkpoint", || {
        let made = |n| fs::metadata(files.join(format!("{n}.checkpoint"))).is_ok_and(|it| it.is_file());
        (0..shards).all(made).then_some(())
    });
    println!("    checkpoints after {:.1} s", since.elapsed().unwrap_or_default().as_secs_f64());
    drop(life);
    let life = program.run(Some("1d"));
    move_users(&options, tail, users);
    drop(life);
    for _ in 0..2 {
        program.measure("from checkpoints", Some("1d"));
    }
}
