//! What a broker of the tests promises: it is there, it can be hurt, it comes back, it goes.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use wayfarer_broker::fetch::Kafka;
use wayfarer_broker::{Broker, Cluster, Error, Options, probe};

const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {} s until {what}", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Kafka's own tool for topics: this crate has no client.
fn topics(broker: &Broker, arguments: &[&str]) -> String {
    let kafka = Kafka::fetch().expect("it was fetched for the broker");
    let mut command = Command::new(kafka.java);
    command.arg("-cp").arg(kafka.class_path).arg("org.apache.kafka.tools.TopicCommand");
    let done = command.args(["--bootstrap-server", &broker.bootstrap()]).args(arguments).output();
    let done = done.expect("java runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("names of topics are text")
}

#[test]
fn it_answers_and_takes_its_data_along() {
    let broker = Broker::start(&Options::default()).expect("it starts");
    assert_eq!(probe::brokers(&broker.bootstrap()).expect("it answers"), [1]);
    let directory = broker.directory().to_owned();
    assert!(directory.join("node-1/data").is_dir());
    let address = broker.bootstrap();
    drop(broker);
    assert!(!directory.exists(), "{} is gone", directory.display());
    assert!(probe::brokers(&address).is_err(), "nobody answers at {address}");
}

#[test]
fn it_comes_back_with_its_data_and_ports_from_a_stop_and_from_a_kill() {
    let broker = Broker::start(&Options::default()).expect("it starts");
    let address = broker.bootstrap();
    topics(&broker, &["--create", "--topic", "kept"]);
    for name in ["stop", "kill"] {
        let end = if name == "stop" { broker.stop() } else { broker.kill() };
        end.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(broker.pid(), None, "it has ended by {name}");
        assert!(probe::brokers(&address).is_err(), "nobody answers after {name}");
        assert!(matches!(broker.pause(), Err(Error::NotRunning { id: 1, .. })));
        broker.restart().unwrap_or_else(|error| panic!("it comes back after {name}: {error}"));
        assert_eq!(broker.bootstrap(), address);
    }
    assert_eq!(topics(&broker, &["--list"]).trim(), "kept");
}

#[test]
fn a_paused_one_is_silent_until_it_is_resumed() {
    let broker = Broker::start(&Options::default()).expect("it starts");
    broker.pause().expect("it runs");
    assert!(probe::brokers(&broker.bootstrap()).is_err(), "it stands still");
    broker.resume().expect("it is there");
    until("it answers again", || probe::brokers(&broker.bootstrap()).is_ok());
}

#[test]
fn a_setting_that_kafka_refuses_is_told_with_the_end_of_its_log() {
    let settings = vec![("log.segment.bytes".to_owned(), "few".to_owned())];
    let refused = Broker::start(&Options { settings, ..Options::default() }).err().expect("it cannot start");
    let sentence = refused.to_string();
    assert!(sentence.contains("log.segment.bytes") && sentence.contains("few"), "{sentence}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let refused = Broker::start(&Options { port: Some(port), ..Options::default() }).err();
    let sentence = refused.expect("it cannot start").to_string();
    assert!(sentence.starts_with(&format!("port {port} of 127.0.0.1 cannot be had")), "{sentence}");
}

#[test]
fn three_go_on_when_one_is_killed_and_take_it_back() {
    let cluster = Cluster::start(3).expect("it starts");
    assert_eq!(cluster.alive(), [1, 2, 3]);
    assert_eq!(cluster.bootstrap().split(',').count(), 3);
    cluster.kill(2).expect("it runs");
    until("node 2 counts as dead", || cluster.alive() == [1, 3]);
    cluster.restart(2).expect("it comes back");
    until("all are alive", || cluster.alive() == [1, 2, 3]);
    assert!(matches!(cluster.kill(4), Err(Error::NoSuchNode { id: 4, count: 3 })));
}
