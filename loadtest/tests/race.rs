//! What the race promises, tried out in small on a real Kafka: every entrant does the whole job, and its ratio is told.
//! The figures of a build like this one are nothing to quote.
#![allow(missing_docs, reason = "tests")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use wayfarer_broker::Broker;
use wayfarer_load::process::Measured;
use wayfarer_load::race::fill::fill;
use wayfarer_load::race::job::Job;
use wayfarer_load::race::streams::{Streams, changelogs};
use wayfarer_load::race::waiting::Waiting;
use wayfarer_load::topics::Topics;
use wayfarer_load::traffic::Shape;

const LOAD: &str = env!("CARGO_BIN_EXE_wayfarer-load");

/// The program that the workspace's build puts beside this one.
fn wayfarer() -> PathBuf {
    let program = PathBuf::from(LOAD).with_file_name("wayfarer");
    assert!(program.is_file(), "{} is missing: `cargo build` makes it", program.display());
    program
}

fn race(arguments: &[&str]) -> Command {
    let mut command = Command::new(LOAD);
    command.arg("race").args(arguments).arg("--program").arg(wayfarer());
    command.args(["--journeys", concat!(env!("CARGO_MANIFEST_DIR"), "/journeys")]);
    command
}

/// Tries it out; without a PATH there are no Java and no Maven.
fn tried(peers: &str, events: &str, has_path: bool) -> Value {
    // A race has its ports to itself.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("race.json");
    let broker = Broker::shared().expect("a broker");
    let how = ["--trial", "--rounds", "1", "--warm", "0", "--users", "2000", "--partitions", "4"];
    let what = ["--brokers", broker, "--peers", peers, "--events", events, "--out"];
    let mut command = race(&[&how[..], &what, &[out.to_str().expect("a path in text")]].concat());
    if !has_path {
        command.env("PATH", directory.path()).env_remove("JAVA_HOME");
    }
    let done = command.output().expect("the program starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read(out).expect("it was written");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn keys(of: &Value) -> Vec<&str> {
    of.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn every_peer_does_the_whole_job_and_its_ratio_is_told() {
    let report = tried("bare,naive,streams-rocksdb,streams-memory,streams-lean", "30000", true);
    assert_eq!((&report["missing"], &report["trial"]), (&Value::Array(Vec::new()), &Value::Bool(true)));
    assert_eq!(
        keys(&report["ratios"]),
        [
            "bare_cpu",
            "bare_wall",
            "naive_wall",
            "streams_lean_cpu",
            "streams_memory_cpu",
            "streams_rocksdb_cpu"
        ]
    );
    for (name, ratio) in report["ratios"].as_object().expect("an object") {
        assert!(ratio["min"].as_f64().is_some_and(|min| min > 0.0), "{name}: {ratio}");
    }
}

#[test]
fn without_java_the_race_runs_without_kafka_streams_and_says_so() {
    let report = tried("bare,streams-rocksdb,streams-lean", "20000", false);
    assert_eq!(keys(&report["ratios"]), ["bare_cpu", "bare_wall"]);
    let missing = report["missing"][0].as_str().expect("a sentence");
    assert!(missing.starts_with("without streams-rocksdb, streams-lean: java is missing"), "{missing}");
}

#[test]
fn an_unknown_peer_is_refused_with_the_list_of_those_there_are() {
    let refused = race(&["--peers", "bare,flink"]).output().expect("the program starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.contains(r#"there is no peer "flink"; allowed are bare, naive, streams-rocksdb"#), "{said}");
}

#[test]
fn a_number_with_which_there_is_no_race_is_refused_with_those_that_are_allowed() {
    for (what, number, allowed) in [
        ("--rounds", "0", "1..=1000"),
        ("--warm", "1001", "0..=1000"),
        ("--threads", "0", "1..=128"),
        ("--partitions", "4097", "1..=4096"),
        ("--events", "0", "0 is not in 1.."),
    ] {
        let refused = race(&[what, number]).output().expect("the program starts");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{what}: {said}");
        assert!(said.contains(what) && said.contains(allowed), "{what}: {said}");
    }
}

/// How long the slowest program on the busiest machine may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The peers in the race send nothing, since nobody's day is over: here a second is.
#[test]
fn a_cart_that_nobody_orders_is_reminded_of_by_every_peer() {
    let (broker, directory) =
        (Broker::shared().expect("a broker"), tempfile::tempdir().expect("a directory"));
    let (topics, since) = (Topics::new(broker).expect("a client"), std::process::id());
    let events = format!("reminded-{since}-events");
    topics.make(&events, 1, false).expect("a topic");
    let shape = Shape { users: 1, orders: 0, seed: 1 };
    fill(broker, &events, &shape, 1).expect("an event");
    let streams = Streams::build().expect("Java and Maven are there, or there were no broker");
    let start = |form: Option<&str>| -> (Job, Measured) {
        let group = format!("reminded-{since}-{}", form.unwrap_or("naive"));
        let state = form.map_or_else(|| format!("{group}.state"), |_| changelogs(&group)[0].clone());
        let sends = format!("{group}.sends");
        let (brokers, events) = (broker.to_owned(), events.clone());
        let job = Job { brokers, events, state, sends, group, threads: 1, patience_ms: 1_000 };
        topics.make(&job.sends, 1, false).expect("a topic");
        let process = match form {
            Some(form) => streams.start(form, &job, &directory.path().join(form)).expect("Java starts"),
            None => {
                topics.make(&job.state, 1, true).expect("a topic");
                let child = Command::new(LOAD).arg("naive").args(job.arguments()).spawn();
                Measured::new(child.expect("the program starts"))
            }
        };
        (job, process)
    };
    let all = [None, Some("rocksdb"), Some("memory"), Some("lean")].map(start);
    let until = Instant::now() + PATIENCE;
    for (job, mut process) in all {
        let sent =
            || topics.content(&job.sends, 1).expect("an answer").values().map(|of| of.records).sum::<u64>();
        while sent() == 0 {
            process.is_alive().expect("it goes on");
            assert!(Instant::now() < until, "{} reminds nobody", job.group);
            std::thread::sleep(Duration::from_millis(100));
        }
        let waits = || Waiting::by_state(&topics, &job.state, 1).expect("an answer");
        while waits().count() > 0 {
            assert!(Instant::now() < until, "{} has somebody waiting who was reminded", job.group);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(sent(), 1, "{}", job.group);
    }
}
