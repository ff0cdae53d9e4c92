//! The whole process, killed at random moments under load: nothing is lost, nothing leaves twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wayfarer::journal::embedded::{Embedded, EmbeddedOptions};
use wayfarer::journal::{Assignment, Reject, Stream};
use wayfarer::model::wire::{SendRecord, TransitionRecord};

use super::world::{REMINDER, stream_of};

const SHARDS: u16 = 8;
/// How long the process may take for what it has to do, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A splitmix64: the same rounds for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A place for one journal, and the process over it.
struct Place {
    root: tempfile::TempDir,
    events: File,
    written: u64,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("journeys")).expect("it is made");
        let journey = REMINDER.replace("\"10m\"", "\"150ms\"");
        fs::write(root.path().join("journeys/reminder.toml"), journey).expect("it is written");
        let events = File::create(root.path().join("events.jsonl")).expect("it is made");
        Self { root, events, written: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Appends events, some in two pieces with a pause between, as a producer might be caught at it.
    fn produce(&mut self, count: u64) {
        let mut lines = String::new();
        for _ in 0..count {
            let n = self.written;
            let line = match n % 50 {
                49 => format!("{{\"type\":\"track\",\"n\":{n}\n"),
                _ => format!(
                    "{{\"type\":\"track\",\"userId\":\"u{n}\",\"event\":\"Start\",\"messageId\":\"m{n}\"}}\n"
                ),
            };
            lines.push_str(&line);
            self.written += 1;
        }
        let middle = lines.len() / 2;
        self.events.write_all(&lines.as_bytes()[..middle]).expect("it is written");
        std::thread::yield_now();
        self.events.write_all(&lines.as_bytes()[middle..]).expect("it is written");
    }

    fn run(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_wayfarer"))
            .args(["run", "--follow", "--events"])
            .arg(self.path("events.jsonl"))
            .arg("--journeys")
            .arg(self.path("journeys"))
            .env("WAYFARER_JOURNAL__DIRECTORY", self.path("data"))
            .env("WAYFARER_SENDS__FILE", self.path("sends.jsonl"))
            .env("WAYFARER_ENGINE__SHARDS", SHARDS.to_string())
            .env("WAYFARER_ENGINE__WORKERS", "2")
            .env("WAYFARER_HTTP__LISTEN", "127.0.0.1:0")
            .env("WAYFARER_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stderr(self.log())
            .spawn()
            .expect("the binary starts")
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.path("log")).expect("it opens")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn lines(&self, name: &str) -> usize {
        fs::read(self.path(name)).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
    }

    /// How many events that are some were written: 49 of 50.
    fn good(&self) -> u64 {
        self.written - self.written / 50
    }

    /// Waits until as many sends are in the file as there must be in the end.
    fn wait_for_sends(&self, child: &mut Child) {
        let (expected, until) = (2 * self.good() as usize, Instant::now() + PATIENCE);
        while self.lines("sends.jsonl") < expected {
            let ended = child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it ended by itself ({ended:?}): {}", self.said());
            assert!(
                Instant::now() < until,
                "{} of {expected} sends after {PATIENCE:?}: {}",
                self.lines("sends.jsonl"),
                self.said()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn signal(child: &Child, signal: &str) {
    let done = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(done.success());
}

/// Reads what the process left, knowing the wire only.
fn verify(place: &Place) {
    let text = fs::read_to_string(place.path("sends.jsonl")).expect("the sends are there");
    let sends: Vec<SendRecord> =
        text.lines().map(|line| serde_json::from_str(line).expect("a whole send")).collect();
    // I2: no key twice.
    let keys: BTreeSet<&str> = sends.iter().map(|send| send.key.as_str()).collect();
    assert_eq!(keys.len(), sends.len(), "an idempotency key appears twice");
    // I1, I4: every accepted event is reflected once, each user's in order.
    let mut by_user: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for send in &sends {
        by_user.entry(&send.user).or_default().push(&send.node);
    }
    assert_eq!(by_user.len() as u64, place.good(), "some events are lost or made up");
    for (user, nodes) in &by_user {
        assert_eq!(*nodes, ["hello", "again"], "{user}");
    }
    let log = open(&place.path("data"));
    // The file is what was committed.
    let committed: Vec<u8> =
        stream_of(&log, Stream::Sends).iter().flat_map(|line| line.iter().copied().chain(*b"\n")).collect();
    assert!(committed == text.as_bytes(), "the file of sends is not the committed sends");
    // I1: what is no event is a dead letter, once, with its bytes.
    let rejects = stream_of(&log, Stream::Rejects);
    let offsets: BTreeSet<u64> =
        rejects.iter().map(|item| Reject::decode(item).expect("a dead letter").offset).collect();
    assert_eq!((rejects.len() as u64, offsets.len()), (place.written / 50, rejects.len()));
    // I13: who entered has left.
    let moved: Vec<TransitionRecord> = stream_of(&log, Stream::Transitions)
        .iter()
        .map(|line| serde_json::from_slice(line).expect("a movement"))
        .collect();
    let count = |what: &str| moved.iter().filter(|t| t.what == what).count() as u64;
    assert_eq!((count("entered"), count("exited")), (place.good(), place.good()));
    // I7: what a restart restores adds up to the committed digest, and the counts are conserved.
    let shards: Vec<u16> = (0..SHARDS).collect();
    let worker = wayfarer::journal::Log::worker(&log, Assignment::Fixed(&shards)).expect("nobody has them");
    let options = wayfarer::worker::cycle::Options::of(SHARDS);
    let cycle = wayfarer::worker::cycle::Cycle::open(worker, &log, options, &mut |_, _| {})
        .expect("every shard restores to its digest");
    for (number, shard) in cycle.shards() {
        assert!(shard.statistics(0).is_some_and(|s| s.is_conserved()), "shard {number}");
    }
}

fn open(directory: &Path) -> Embedded {
    Embedded::open(directory, EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() })
        .expect("the process has left the journal whole")
}

#[test]
fn killed_at_random_under_load_it_loses_nothing_and_sends_nothing_twice() {
    let rounds = std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(28u64);
    let seed = std::env::var("WAYFARER_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let mut place = Place::new();
    for round in 0..rounds {
        let mut child = place.run();
        let lives = Instant::now() + Duration::from_millis(20 + random.below(380));
        while Instant::now() < lives {
            place.produce(1 + random.below(200));
            if random.below(12) == 0 {
                // A process that stood still goes on as if nothing had been.
                signal(&child, "-STOP");
                std::thread::sleep(Duration::from_millis(random.below(40)));
                signal(&child, "-CONT");
            }
            std::thread::sleep(Duration::from_millis(random.below(15)));
        }
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "round {round} of seed {seed}: it ended by itself: {}", place.said());
        match round % 7 {
            6 => {
                signal(&child, "-TERM");
                let status = child.wait().expect("it ends");
                let said = place.said();
                let fine = status.success() || status.code().is_none();
                assert!(fine, "SIGTERM ends with 0: {status:?}: {said}");
            }
            _ => {
                child.kill().expect("it can be killed");
                let _ = child.wait();
            }
        }
    }
    let mut child = place.run();
    place.produce(49);
    place.wait_for_sends(&mut child);
    signal(&child, "-TERM");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "SIGTERM finishes the cycle and ends with 0: {}", place.said());
    verify(&place);
}

#[test]
fn a_second_process_on_the_directory_is_refused_with_a_sentence() {
    let place = Place::new();
    let log = open(&place.path("data"));
    let refused = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .arg("run")
        .env("WAYFARER_JOURNAL__DIRECTORY", place.path("data"))
        .env("WAYFARER_ENGINE__SHARDS", SHARDS.to_string())
        .output()
        .expect("the binary starts");
    drop(log);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
}
