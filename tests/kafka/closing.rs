//! A journal ends, whatever its brokers do, and what was committed before is committed.

use std::sync::mpsc::channel;
use std::thread;

use wayfarer::journal::kafka::{Kafka, KafkaOptions, KafkaWorker};
use wayfarer::journal::{Assignment, Batch, Journal, Log, Transaction};
use wayfarer::model::Timestamp;

use crate::scene::{SOON, fragile, until};
use crate::world;

const SHARDS: u16 = 4;

/// A worker with all shards, started.
fn at_work(log: &Kafka) -> KafkaWorker {
    let mut worker = log.worker(Assignment::Shared(0)).expect("the group is joined");
    let mut batch = Batch::default();
    until("all shards are started", || {
        worker.poll(&mut batch, 10).expect("it polls");
        for &shard in batch.gained() {
            worker.start(shard).expect("it is ours");
        }
        (worker.shards().len() == usize::from(SHARDS)).then_some(())
    });
    worker
}

fn commit(worker: &mut KafkaWorker, seq: u64) {
    let mut tx = Transaction::new();
    tx.begin(Timestamp(1));
    tx.shard(0, seq).put(b"k", b"v");
    worker.commit(&tx).expect("it is ours");
}

/// Ends worker and journal, which must not hang: how long it takes is not judged, since the machine may be busy.
fn end(log: Kafka, worker: KafkaWorker) {
    let (say, said) = channel();
    thread::spawn(move || {
        drop((worker, log));
        say.send(()).expect("somebody waits, or the test is over");
    });
    until("worker and journal have ended", || said.recv_timeout(SOON).ok());
}

fn open(options: &KafkaOptions) -> Kafka {
    Kafka::open(options.clone()).expect("the journal opens")
}

#[test]
fn a_journal_ends_and_its_last_commit_is_there() {
    let options = world::fresh("closing", SHARDS);
    for seq in 1..=3 {
        let log = open(&options);
        let mut worker = at_work(&log);
        let head = worker.head(0).expect("it is ours");
        assert_eq!(head.map_or(0, |head| head.seq), seq - 1);
        commit(&mut worker, seq);
        end(log, worker);
    }
}

#[test]
fn a_journal_ends_while_its_shards_are_loaded() {
    let options = world::fresh("closing", SHARDS);
    let log = open(&options);
    let mut worker = log.worker(Assignment::Shared(0)).expect("the group is joined");
    let mut batch = Batch::default();
    until("the first shard is there", || {
        worker.poll(&mut batch, 10).expect("it polls");
        (!worker.shards().is_empty()).then_some(())
    });
    end(log, worker);
}

#[test]
fn a_journal_ends_without_its_brokers() {
    let broker = fragile();
    let options = world::fresh_on(&broker.bootstrap(), "closing", SHARDS);
    let log = open(&options);
    let mut worker = at_work(&log);
    commit(&mut worker, 1);
    broker.kill().expect("it runs");
    end(log, worker);
    broker.restart().expect("it comes again");
}

#[test]
fn a_journal_ends_when_its_brokers_are_silent() {
    let broker = fragile();
    let options = world::fresh_on(&broker.bootstrap(), "closing", SHARDS);
    let log = open(&options);
    let worker = at_work(&log);
    broker.pause().expect("it runs");
    end(log, worker);
    broker.resume().expect("it is there");
}
