//! A journal ends soon, whatever its brokers do, and what was committed before is committed.

use std::time::{Duration, Instant};

use wayfarer::journal::kafka::{Kafka, KafkaOptions, KafkaWorker};
use wayfarer::journal::{Assignment, Batch, Journal, Log, Transaction};
use wayfarer::model::Timestamp;

use crate::scene::{PATIENCE, fragile, until};
use crate::world;

const SHARDS: u16 = 4;
/// Two workers and the journal, one after the other; each alone waits for no longer than a second or so.
const SOON: Duration = Duration::from_secs(9);

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

/// Ends worker and journal; how long that took.
fn end(log: Kafka, worker: KafkaWorker) -> Duration {
    let began = Instant::now();
    drop((worker, log));
    began.elapsed()
}

fn open(options: &KafkaOptions) -> Kafka {
    Kafka::open(options.clone()).expect("the journal opens")
}

#[test]
fn a_journal_ends_soon_and_its_last_commit_is_there() {
    let options = world::fresh("closing", SHARDS);
    for seq in 1..=3 {
        let log = open(&options);
        let mut worker = at_work(&log);
        let head = worker.head(0).expect("it is ours");
        assert_eq!(head.map_or(0, |head| head.seq), seq - 1);
        commit(&mut worker, seq);
        let took = end(log, worker);
        assert!(took < SOON, "it took {took:?}");
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
    let took = end(log, worker);
    assert!(took < SOON, "it took {took:?}");
}

#[test]
fn a_journal_ends_soon_without_its_brokers() {
    let broker = fragile();
    let options = world::fresh_on(&broker.bootstrap(), "closing", SHARDS);
    let log = open(&options);
    let mut worker = at_work(&log);
    commit(&mut worker, 1);
    broker.kill().expect("it runs");
    let took = end(log, worker);
    assert!(took < SOON, "it took {took:?}");
}

#[test]
fn a_journal_ends_soon_when_its_brokers_are_silent() {
    let broker = fragile();
    let options = world::fresh_on(&broker.bootstrap(), "closing", SHARDS);
    let log = open(&options);
    let worker = at_work(&log);
    broker.pause().expect("it runs");
    let took = end(log, worker);
    broker.resume().expect("it is there");
    assert!(took < SOON.max(PATIENCE / 4), "it took {took:?}");
}
